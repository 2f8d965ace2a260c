//! Takes secrets out of what is logged. No line should hold any; where one does all the same, in an error of somebody else's or in the path
//! of a link, this is what keeps it from the log.

use std::borrow::Cow;
use std::io::{self, Write};

/// What stands in front of a secret: our tokens and those of others, and the links of our mails.
const MARKS: [&str; 16] = [
    "pdk_",
    "whsec_",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "rk_test_",
    "AGE-SECRET-KEY-1",
    "Bearer ",
    "bearer ",
    "Basic ",
    "paddock_session=",
    "/verify/",
    "/reset/",
    "/join/",
    "/address/",
    "/waiting/leave/",
];
/// Shorter ones are words: `/address/agreed`.
const SHORTEST: usize = 8;
/// What stands in the place of a secret.
const AWAY: &str = "…";

/// Whether a letter can be part of a token: base 64 of both kinds, hexadecimal, Bech32.
fn is_of_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_-+/=.~".contains(letter)
}

/// A line without its secrets.
pub fn scrub(line: &str) -> Cow<'_, str> {
    let without = MARKS.iter().fold(Cow::Borrowed(line), |line, mark| without_marked(line, mark));
    without_passwords(without)
}

/// Without what stands behind a mark.
fn without_marked<'a>(line: Cow<'a, str>, mark: &str) -> Cow<'a, str> {
    if !line.contains(mark) {
        return line;
    }
    let mut out = String::with_capacity(line.len());
    let mut rest: &str = &line;
    while let Some(at) = rest.find(mark) {
        let (before, behind) = rest.split_at(at + mark.len());
        let end = behind.find(|letter| !is_of_token(letter)).unwrap_or(behind.len());
        out.push_str(before);
        out.push_str(if end < SHORTEST { &behind[..end] } else { AWAY });
        rest = &behind[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Without the password of `postgres://user:password@host`.
fn without_passwords(line: Cow<'_, str>) -> Cow<'_, str> {
    const SCHEME: &str = "://";
    if !line.contains(SCHEME) {
        return line;
    }
    let mut out = String::with_capacity(line.len());
    let mut rest: &str = &line;
    while let Some(at) = rest.find(SCHEME) {
        let (before, behind) = rest.split_at(at + SCHEME.len());
        let end = behind.find(|letter: char| letter.is_whitespace() || "/?#\"'<>\\".contains(letter)).unwrap_or(behind.len());
        let (authority, behind) = behind.split_at(end);
        out.push_str(before);
        match authority.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
            Some((Some((user, _)), host)) => out.extend([user, ":", AWAY, "@", host]),
            Some((None, _)) | None => out.push_str(authority),
        }
        rest = behind;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Writes lines without their secrets. Each line comes as a whole, as the logger writes it.
#[derive(Debug)]
pub struct Scrubbing<W>(pub W);

impl<W: Write> Write for Scrubbing<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(scrub(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (line, left) in [
            ("token pdk_AAAAAAAAAAAAAAAAAAAAAAAA was refused", "token pdk_… was refused"),
            ("key sk_live_51HxYz0123456789, and so on", "key sk_live_…, and so on"),
            ("authorization: Bearer abcdefgh12345678\\n", "authorization: Bearer …\\n"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw+/=", "whsec_…"),
            ("http.path=\"/reset/AbCdEfGh-12345\" failed", "http.path=\"/reset/…\" failed"),
            ("/address/agreed and /join/us", "/address/agreed and /join/us"),
            ("no route to postgres://paddock:a%2Fb@db:5432/paddock?x", "no route to postgres://paddock:…@db:5432/paddock?x"),
            ("smtps://me:two@at@mail.example/", "smtps://me:…@mail.example/"),
            ("https://host.example/a:b@c", "https://host.example/a:b@c"),
            ("a pdk_ and nothing", "a pdk_ and nothing"),
            ("pdk_AAAAAAAAAA pdk_BBBBBBBBBB", "pdk_… pdk_…"),
            ("nothing of interest", "nothing of interest"),
        ] {
            assert_eq!(scrub(line), left);
        }
    }

    proptest! {
        #[test]
        fn a_token_never_survives(before in "[^p]{0,20}", token in "[A-Za-z0-9_-]{43}", behind in "[ ,\"]{0,3}") {
            let line = format!("{before}pdk_{token}{behind}");
            prop_assert!(!scrub(&line).contains(&token));
        }

        #[test]
        fn any_line_is_taken(line in "\\PC{0,80}") {
            let once = scrub(&line).into_owned();
            prop_assert_eq!(scrub(&once), once.as_str());
        }
    }
}
