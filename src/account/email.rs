//! Mail addresses: one form to write to, one to compare, one for logs.

use std::fmt;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

/// RFC 5321 §4.5.3.1.3: a path has 256 octets, its angle brackets among them.
const MOST: usize = 254;
/// RFC 5321 §4.5.3.1.1.
const MOST_LOCAL: usize = 64;

/// A mail address that SMTP servers take: the part before the `@` as its owner writes it, the domain in small letters and ASCII form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    local: String,
    domain: String,
}

/// What is wrong with a mail address. The words are in `address.ftl`, under [`EmailProblem::key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmailProblem {
    /// Nothing was given.
    Required,
    /// There is not exactly one `@` with something on both sides.
    NoAt,
    /// The part before the `@` has something that mail servers don't take everywhere.
    Local,
    /// The part behind the `@` is not a domain.
    Domain,
    /// Too long.
    TooLong {
        /// How many characters there may be.
        most: usize,
    },
}

impl EmailProblem {
    /// The message in `address.ftl`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Required => "email-required",
            Self::NoAt => "email-no-at",
            Self::Local => "email-local",
            Self::Domain => "email-domain",
            Self::TooLong { .. } => "email-too-long",
        }
    }

    /// The field's name in forms and in the API.
    pub fn field(self) -> &'static str {
        "email"
    }

    /// What the message is filled with.
    pub fn args(self) -> Vec<(&'static str, String)> {
        match self {
            Self::TooLong { most } => vec![("most", most.to_string())],
            Self::Required | Self::NoAt | Self::Local | Self::Domain => Vec::new(),
        }
    }
}

impl EmailAddress {
    /// An address as somebody typed or pasted it. White space around it, `mailto:` and angle brackets go.
    ///
    /// The part before the `@` is what RFC 5322 calls a dot-atom: no quotes, no letters beyond ASCII, for many relays refuse those.
    pub fn parse(input: &str) -> Result<Self, EmailProblem> {
        let text = input.trim();
        let text =
            text.get(..7).filter(|start| start.eq_ignore_ascii_case("mailto:")).map_or(text, |start| &text[start.len()..]).trim();
        let text = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text).trim();
        if text.is_empty() {
            return Err(EmailProblem::Required);
        }
        if text.len() > 4 * MOST {
            return Err(EmailProblem::TooLong { most: MOST });
        }
        let (local, domain) =
            text.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty()).ok_or(EmailProblem::NoAt)?;
        if domain.contains('@') {
            return Err(EmailProblem::NoAt);
        }
        let atom = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
        };
        if local.len() > MOST_LOCAL || !local.split('.').all(atom) {
            return Err(EmailProblem::Local);
        }
        let domain = mail_domain(domain).ok_or(EmailProblem::Domain)?;
        if local.len() + 1 + domain.len() > MOST {
            return Err(EmailProblem::TooLong { most: MOST });
        }
        Ok(Self { local: local.to_owned(), domain })
    }

    /// As SMTP wants it: `Ada.Lovelace@xn--bcher-kva.example`.
    pub fn smtp(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// As people read it: `Ada.Lovelace@bücher.example`. Parsing it gives the same address.
    pub fn display(&self) -> String {
        let (domain, _) = idna::domain_to_unicode(&self.domain);
        format!("{}@{domain}", self.local)
    }

    /// What makes it unique: all in small letters. Servers may tell `Ada@` from `ada@`; none that people use does, and two accounts
    /// that differ in it alone would be a trap.
    pub fn canonical(&self) -> String {
        self.smtp().to_ascii_lowercase()
    }

    /// The domain in ASCII form.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// For logs and for pages that somebody else may see: `a***@e***.com`. Tells whether two lines may be about one person, not who.
    pub fn masked(&self) -> String {
        let first = |text: &str| text.chars().next().unwrap_or('*');
        let (name, ending) = self.domain.rsplit_once('.').unwrap_or((&self.domain, ""));
        format!("{}***@{}***.{ending}", first(&self.local), first(name))
    }
}

/// Masked, so that a struct that is logged as a whole gives nobody away.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({})", self.masked())
    }
}

fn mail_domain(domain: &str) -> Option<String> {
    let domain = domain.trim_end_matches('.');
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Verify).ok()?;
    let labels: Vec<&str> = ascii.split('.').collect();
    let hyphens = labels.iter().all(|label| !label.starts_with('-') && !label.ends_with('-'));
    let ending_is_name = labels.last().is_some_and(|last| last.bytes().any(|byte| byte.is_ascii_alphabetic()));
    (labels.len() > 1 && hyphens && ending_is_name).then(|| ascii.into_owned())
}
