//! The second factor: six digits of an authenticator app (RFC 6238), and recovery codes for whoever has lost it.
//!
//! The app's secret is never stored. A random seed is, and the secret is its MAC under the host's key: a copy of the database makes no
//! code. No code counts twice, those of the app by their step, those for recovery by their row.

mod holder;
mod store;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use holder::{Holder, HolderId};

use super::{AccountError, StaffMember};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::crypto::{self, HostKey};
use crate::mail::{self, FactorChange};

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

fn app(key: &HostKey, holder: Holder<'_>, seed: &[u8], issuer: &str) -> Result<totp_rs::Totp, FactorError> {
    let secret = key.mac("authenticator", seed)[..SECRET].to_vec();
    // A colon divides issuer and name in what the app reads.
    let builder = totp_rs::Builder::new().with_secret(secret).with_issuer(Some(issuer.replace(':', " ")));
    builder.with_account_name(holder.email()).build().map_err(|_| FactorError::Unwritable)
}

/// Seconds since 1970, as the library counts.
fn seconds(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.now().timestamp()).unwrap_or_default()
}

/// Whether logging in takes a code.
pub async fn is_on(conn: &mut PgConnection, holder: impl Into<HolderId>) -> sqlx::Result<bool> {
    Ok(store::find(conn, holder.into()).await?.is_some_and(|row| row.confirmed_at.is_some()))
}

/// Where somebody stands.
pub async fn standing(conn: &mut PgConnection, holder: impl Into<HolderId>) -> sqlx::Result<Standing> {
    let holder = holder.into();
    let since = store::find(conn, holder).await?.and_then(|row| row.confirmed_at);
    let codes_left = store::codes_left(conn, holder).await?;
    Ok(Standing { since, codes_left })
}

/// Begins to set one up: a new secret, which counts for nothing until a code of it was confirmed.
pub async fn begin(conn: &mut PgConnection, clock: &dyn Clock, holder: impl Into<HolderId>) -> Result<(), FactorError> {
    if !store::put_seed(conn, clock, holder.into(), &crypto::random::<SECRET>()).await? {
        return Err(FactorError::Already);
    }
    Ok(())
}

/// The secret that is being set up. One that is in use is never shown again.
pub async fn offered(
    conn: &mut PgConnection,
    key: &HostKey,
    holder: impl Into<Holder<'_>>,
    issuer: &str,
) -> Result<Secret, FactorError> {
    let holder = holder.into();
    let row = store::find(conn, holder.id()).await?.ok_or(FactorError::None)?;
    if row.confirmed_at.is_some() {
        return Err(FactorError::Already);
    }
    let app = app(key, holder, &row.seed, issuer)?;
    let url = app.to_url().map_err(|_| FactorError::Unwritable)?;
    Ok(Secret { text: app.secret().to_base32(), url })
}

/// The first code of the app: from now on logging in takes one. Returns the recovery codes, which are shown this once. They are told.
pub async fn confirm(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    key: &HostKey,
    holder: impl Into<Holder<'_>>,
    code: &str,
) -> Result<Vec<String>, FactorError> {
    let holder = holder.into();
    let row = store::find(conn, holder.id()).await?.ok_or(FactorError::None)?;
    if row.confirmed_at.is_some() {
        return Err(FactorError::Already);
    }
    if !take_code_of_app(conn, clock, key, holder, &row.seed, code).await? {
        return Err(FactorError::Wrong);
    }
    store::confirm(conn, clock, holder.id()).await?;
    let codes = new_codes(conn, holder.id()).await?;
    owe(conn, clock, holder, FactorChange::SetUp).await?;
    holder.record(conn, clock, "second_factor_on").await?;
    Ok(codes)
}

async fn take_code_of_app(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    key: &HostKey,
    holder: Holder<'_>,
    seed: &[u8],
    code: &str,
) -> Result<bool, FactorError> {
    let digits: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
    // What the app calls itself makes no difference to its codes.
    let step = app(key, holder, seed, "")?.check(&digits, seconds(clock)).and_then(|step| i64::try_from(step).ok());
    let Some(step) = step else { return Ok(false) };
    Ok(store::take_step(conn, holder.id(), step).await?)
}

/// Whether a code is the app's of this moment, or a recovery code that is left; either is used up by it. Whoever uses a recovery code is
/// told how many are left.
pub async fn check(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    key: &HostKey,
    holder: impl Into<Holder<'_>>,
    code: &str,
) -> Result<bool, FactorError> {
    let holder = holder.into();
    let Some(row) = store::find(conn, holder.id()).await?.filter(|row| row.confirmed_at.is_some()) else { return Ok(false) };
    if take_code_of_app(conn, clock, key, holder, &row.seed, code).await? {
        return Ok(true);
    }
    if !store::take_code(conn, clock, holder.id(), &code_hash(code)).await? {
        return Ok(false);
    }
    owe(conn, clock, holder, FactorChange::CodeUsed).await?;
    holder.record(conn, clock, "recovery_code_used").await?;
    Ok(true)
}

/// New recovery codes in the place of all that there were. They are shown this once.
pub async fn renew_codes(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    holder: impl Into<Holder<'_>>,
) -> Result<Vec<String>, FactorError> {
    let holder = holder.into();
    if !is_on(conn, holder.id()).await? {
        return Err(FactorError::None);
    }
    let codes = new_codes(conn, holder.id()).await?;
    holder.record(conn, clock, "recovery_codes_renewed").await?;
    Ok(codes)
}

/// There is none any more: a person logs in with the password alone, staff set up another with their next log-in. Who had it is told.
pub async fn turn_off(conn: &mut PgConnection, clock: &dyn Clock, holder: impl Into<Holder<'_>>) -> Result<(), FactorError> {
    let holder = holder.into();
    if !store::delete(conn, holder.id()).await? {
        return Err(FactorError::None);
    }
    owe(conn, clock, holder, FactorChange::Forgotten).await?;
    Ok(holder.record(conn, clock, "second_factor_off").await?)
}

/// The same at the machine itself, for a member of staff who has lost it.
pub(super) async fn forget(conn: &mut PgConnection, clock: &dyn Clock, member: &StaffMember) -> Result<(), FactorError> {
    if !store::delete(conn, member.id.into()).await? {
        return Err(FactorError::None);
    }
    owe(conn, clock, Holder::Staff(member), FactorChange::Forgotten).await?;
    let (actor, id) = (Actor::System("admin"), member.id.to_string());
    Ok(audit::record(conn, clock, actor, None, "staff.second_factor_forgotten", &id, json!({})).await?)
}

/// They are told.
async fn owe(conn: &mut PgConnection, clock: &dyn Clock, holder: Holder<'_>, change: FactorChange) -> sqlx::Result<()> {
    let left = u32::try_from(store::codes_left(conn, holder.id()).await?).unwrap_or_default();
    let notice = holder.notice(change, clock.now(), left);
    mail::owe(conn, clock, holder.email(), holder.locale(), &notice, None).await
}

async fn new_codes(conn: &mut PgConnection, holder: HolderId) -> Result<Vec<String>, FactorError> {
    let codes: Vec<String> = (0..CODES).map(|_| write_code(crypto::random())).collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| code_hash(code)).collect();
    store::put_codes(conn, holder, &hashes).await?;
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
    use crate::account::Person;
    use crate::ids::PersonId;

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
        let (id, email, locale) = (PersonId::new(), "wren@mail.example".to_owned(), "en".to_owned());
        let person = Person { id, email, locale, verified_at: None };
        let of = |key: &HostKey, issuer| app(key, Holder::Person(&person), b"seed", issuer).unwrap();
        let (one, other) = (of(&key, "A: B"), of(&HostKey::new([2; 32]), ""));
        assert_ne!(one.secret().to_base32(), other.secret().to_base32());
        let url = one.to_url().unwrap();
        assert!(url.starts_with("otpauth://totp/") && url.contains("issuer=A%20%20B"), "{url}");
        // The library's own arithmetic, with the secret of the RFC's appendix B.
        let rfc = totp_rs::Builder::new().with_secret(b"12345678901234567890".to_vec()).build().unwrap();
        assert_eq!(rfc.generate(59).to_string(), "287082");
    }
}
