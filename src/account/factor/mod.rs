//! The second factor: six digits of an authenticator app (RFC 6238), and recovery codes for whoever has lost it.
//!
//! The app's secret is never stored. A random seed is, and the secret is its MAC under the host's key: a copy of the database makes no
//! code. No code counts twice, those of the app by their step, those for recovery by their row.

mod store;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{AccountError, Person, record};
use crate::audit::Actor;
use crate::clock::Clock;
use crate::crypto::{self, HostKey};
use crate::ids::PersonId;
use crate::mail::{self, Notice};

/// Recovery codes that somebody gets at a time.
pub const CODES: usize = 10;
/// RFC 4226 §4 wants 128 bits at the least and recommends 160.
const SECRET: usize = 20;
/// Letters and digits of a recovery code, 5 bits each: 80 bits, so that a plain hash is enough.
const CODE: usize = 16;
/// Crockford's base 32: no i, l, o or u.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What an app needs to know.
#[derive(Debug, Clone)]
pub struct Secret {
    /// To be typed: base 32.
    pub text: String,
    /// To be read from a picture: `otpauth://…`.
    pub url: String,
}

/// Where somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Since when logging in takes a code.
    pub since: Option<DateTime<Utc>>,
    /// Recovery codes that are left.
    pub codes_left: i64,
}

/// What can't be done.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// There is one in use. It is turned off before another is set up.
    #[error("there is a second factor already")]
    Already,
    /// There is none.
    #[error("there is no second factor")]
    None,
    /// The code is not the app's, or was used.
    #[error("the code is not right, or was used")]
    Wrong,
    /// The library does not take the secret: a fault of ours.
    #[error("the secret could not be written for an app")]
    Unwritable,
    /// The account.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl From<sqlx::Error> for FactorError {
    fn from(error: sqlx::Error) -> Self {
        Self::Account(error.into())
    }
}

fn app(key: &HostKey, person: &Person, seed: &[u8], issuer: &str) -> Result<totp_rs::Totp, FactorError> {
    let secret = key.mac("authenticator", seed)[..SECRET].to_vec();
    // A colon divides issuer and name in what the app reads.
    let builder = totp_rs::Builder::new().with_secret(secret).with_issuer(Some(issuer.replace(':', " ")));
    builder.with_account_name(person.email.as_str()).build().map_err(|_| FactorError::Unwritable)
}

/// Seconds since 1970, as the library counts.
fn seconds(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.now().timestamp()).unwrap_or_default()
}

/// Whether logging in takes a code.
pub async fn is_on(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<bool> {
    Ok(store::find(conn, person).await?.is_some_and(|row| row.confirmed_at.is_some()))
}

/// Where somebody stands.
pub async fn standing(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<Standing> {
    let since = store::find(conn, person).await?.and_then(|row| row.confirmed_at);
    let codes_left = store::codes_left(conn, person).await?;
    Ok(Standing { since, codes_left })
}

/// Begins to set one up: a new secret, which counts for nothing until a code of it was confirmed.
pub async fn begin(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId) -> Result<(), FactorError> {
    if !store::put_seed(conn, clock, person, &crypto::random::<SECRET>()).await? {
        return Err(FactorError::Already);
    }
    Ok(())
}

/// The secret that is being set up. One that is in use is never shown again.
pub async fn offered(conn: &mut PgConnection, key: &HostKey, person: &Person, issuer: &str) -> Result<Secret, FactorError> {
    let row = store::find(conn, person.id).await?.ok_or(FactorError::None)?;
    if row.confirmed_at.is_some() {
        return Err(FactorError::Already);
    }
    let app = app(key, person, &row.seed, issuer)?;
    let url = app.to_url().map_err(|_| FactorError::Unwritable)?;
    Ok(Secret { text: app.secret().to_base32(), url })
}

/// The first code of the app: from now on logging in takes one. Returns the recovery codes, which are shown this once. The person is told.
pub async fn confirm(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    key: &HostKey,
    person: &Person,
    code: &str,
) -> Result<Vec<String>, FactorError> {
    let row = store::find(conn, person.id).await?.ok_or(FactorError::None)?;
    if row.confirmed_at.is_some() {
        return Err(FactorError::Already);
    }
    if !take_code_of_app(conn, clock, key, person, &row.seed, code).await? {
        return Err(FactorError::Wrong);
    }
    store::confirm(conn, clock, person.id).await?;
    let codes = new_codes(conn, person.id).await?;
    let now = clock.now();
    mail::owe(conn, clock, &person.email, &person.locale, &Notice::SecondFactorOn { at: now }, None).await?;
    record(conn, clock, Actor::Person(person.id), person.id, "person.second_factor_on").await?;
    Ok(codes)
}

async fn take_code_of_app(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    key: &HostKey,
    person: &Person,
    seed: &[u8],
    code: &str,
) -> Result<bool, FactorError> {
    let digits: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
    // What the app calls itself makes no difference to its codes.
    let step = app(key, person, seed, "")?.check(&digits, seconds(clock)).and_then(|step| i64::try_from(step).ok());
    let Some(step) = step else { return Ok(false) };
    Ok(store::take_step(conn, person.id, step).await?)
}

/// Whether a code is the app's of this moment, or a recovery code that is left; either is used up by it. Whoever uses a recovery code is
/// told how many are left.
pub async fn check(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    key: &HostKey,
    person: &Person,
    code: &str,
) -> Result<bool, FactorError> {
    let Some(row) = store::find(conn, person.id).await?.filter(|row| row.confirmed_at.is_some()) else { return Ok(false) };
    if take_code_of_app(conn, clock, key, person, &row.seed, code).await? {
        return Ok(true);
    }
    if !store::take_code(conn, clock, person.id, &code_hash(code)).await? {
        return Ok(false);
    }
    let left = u32::try_from(store::codes_left(conn, person.id).await?).unwrap_or_default();
    let notice = Notice::RecoveryCodeUsed { left, at: clock.now() };
    mail::owe(conn, clock, &person.email, &person.locale, &notice, None).await?;
    record(conn, clock, Actor::Person(person.id), person.id, "person.recovery_code_used").await?;
    Ok(true)
}

/// New recovery codes in the place of all that there were. They are shown this once.
pub async fn renew_codes(conn: &mut PgConnection, clock: &dyn Clock, person: &Person) -> Result<Vec<String>, FactorError> {
    if !is_on(conn, person.id).await? {
        return Err(FactorError::None);
    }
    let codes = new_codes(conn, person.id).await?;
    record(conn, clock, Actor::Person(person.id), person.id, "person.recovery_codes_renewed").await?;
    Ok(codes)
}

/// Logging in takes the password alone again. The person is told.
pub async fn turn_off(conn: &mut PgConnection, clock: &dyn Clock, person: &Person) -> Result<(), FactorError> {
    if !store::delete(conn, person.id).await? {
        return Err(FactorError::None);
    }
    let now = clock.now();
    mail::owe(conn, clock, &person.email, &person.locale, &Notice::SecondFactorOff { at: now }, None).await?;
    Ok(record(conn, clock, Actor::Person(person.id), person.id, "person.second_factor_off").await?)
}

async fn new_codes(conn: &mut PgConnection, person: PersonId) -> Result<Vec<String>, FactorError> {
    let codes: Vec<String> = (0..CODES).map(|_| write_code(crypto::random())).collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| code_hash(code)).collect();
    store::put_codes(conn, person, &hashes).await?;
    Ok(codes)
}

/// `7K3M-QW8R-…`: four groups, to be copied by hand.
fn write_code(bytes: [u8; CODE]) -> String {
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// Spaces, hyphens and the size of letters make no difference, nor do letters that look like digits.
fn code_hash(code: &str) -> Vec<u8> {
    let plain: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    crypto::sha256(plain.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_is_read_as_people_write_it() {
        let code = write_code([0, 1, 2, 3, 24, 31, 30, 29, 10, 11, 12, 13, 14, 15, 16, 255]);
        assert_eq!(code, "0123-RZYX-ABCD-EFGZ");
        for typed in ["0123-RZYX-ABCD-EFGZ", "o i23 rzyx abcd efgz", " 0123rzyxABCDEFGZ\n", "0L23-RZYX-ABCD-EFGZ"] {
            assert_eq!(code_hash(typed), code_hash(&code), "{typed}");
        }
        assert_ne!(code_hash("0123-RZYX-ABCD-EFG"), code_hash(&code));
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238_for_a_secret_under_our_key() {
        let key = HostKey::new([1; 32]);
        let person =
            Person { id: PersonId::new(), email: "wren@mail.example".to_owned(), locale: "en".to_owned(), verified_at: None };
        let (one, other) =
            (app(&key, &person, b"seed", "A: B").unwrap(), app(&HostKey::new([2; 32]), &person, b"seed", "").unwrap());
        assert_ne!(one.secret().to_base32(), other.secret().to_base32());
        let url = one.to_url().unwrap();
        assert!(url.starts_with("otpauth://totp/") && url.contains("issuer=A%20%20B"), "{url}");
        // The library's own arithmetic, with the secret of the RFC's appendix B.
        let rfc = totp_rs::Builder::new().with_secret(b"12345678901234567890".to_vec()).build().unwrap();
        assert_eq!(rfc.generate(59).to_string(), "287082");
    }
}
