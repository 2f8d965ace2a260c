//! Tokens of the JSON API, for programs. One acts for one account, may never more than the person who made it, does nothing to the account
//! itself or to the person, and ends by itself.
//!
//! A token is `pdk_`, 256 random bits and a check sum: whoever finds one, in a log or a repository, sees whose kind it is without asking us.

mod store;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgConnection;

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::crypto;
use crate::ids::{AccountId, InstanceId, PersonId, TokenId};

/// How every token begins.
pub const PREFIX: &str = "pdk_";
/// Days that one may be good for, at most.
pub const MOST_DAYS: i64 = 365;
/// Tokens that a person may have at a time.
pub const MOST: i64 = 50;
/// Characters of a name, at most.
pub const LONGEST_NAME: usize = 60;
/// How often "last used" is written at the most.
const SEEN_EVERY: TimeDelta = TimeDelta::minutes(10);

/// What a token is good for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    /// Looks at everything that its person may look at.
    Read,
    /// Does what an admin does, as far as its person may.
    Manage,
}

/// A token that somebody wants.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// What they call it.
    pub name: &'a str,
    /// What it is good for.
    pub scope: TokenScope,
    /// Good for this server alone.
    pub instance: Option<InstanceId>,
    /// For how long.
    pub days: i64,
}

/// A token on the list of who has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Token {
    /// Which.
    pub id: TokenId,
    /// What they call it.
    pub name: String,
    /// What it is good for.
    pub scope: TokenScope,
    /// Good for this server alone.
    pub instance: Option<InstanceId>,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to within ten minutes.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// For whom a program calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// Who made the token.
    pub person: PersonId,
    /// For which account.
    pub account: AccountId,
    /// What it is good for.
    pub scope: TokenScope,
    /// Good for this server alone.
    pub instance: Option<InstanceId>,
}

/// Why there is no new token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// No name, or a long one.
    #[error("the name has no characters, or too many")]
    Name,
    /// Not a number of days that a token may have.
    #[error("the number of days is not between 1 and 365")]
    Days,
    /// The server is not the account's.
    #[error("there is no such server in this account")]
    Instance,
    /// As many as there may be.
    #[error("there are too many tokens")]
    TooMany,
    /// The database.
    #[error("the tokens could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// Makes a token. Its text is shown this once.
pub async fn create(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    account: AccountId,
    new: NewToken<'_>,
) -> Result<(TokenId, SecretString), TokenError> {
    let new = NewToken { name: new.name.trim(), ..new };
    if new.name.is_empty() || new.name.chars().count() > LONGEST_NAME || new.name.chars().any(char::is_control) {
        return Err(TokenError::Name);
    }
    if !(1..=MOST_DAYS).contains(&new.days) {
        return Err(TokenError::Days);
    }
    if store::count(conn, clock, person).await? >= MOST {
        return Err(TokenError::TooMany);
    }
    let (id, text) = (TokenId::new(), write(&crypto::random()));
    let until = clock.now() + TimeDelta::days(new.days);
    let hash = crypto::sha256(text.as_bytes());
    if let Err(error) = store::insert(conn, clock, id, (person, account), &hash, &new, until).await {
        let foreign = crate::db::violates(&error, "api_tokens_instance_id_account_id_fkey");
        return Err(if foreign { TokenError::Instance } else { error.into() });
    }
    let told = json!({ "scope": new.scope, "instance": new.instance, "until": until });
    audit::record(conn, clock, Actor::Person(person), Some(account), "token.made", &id.to_string(), told).await?;
    Ok((id, text.into()))
}

/// The tokens of a person for an account, the newest first.
pub async fn list(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId, account: AccountId) -> sqlx::Result<Vec<Token>> {
    store::list(conn, clock, person, account).await
}

/// For whom a program with this token calls, if it is one and not over.
pub async fn find(conn: &mut PgConnection, clock: &dyn Clock, text: &str) -> sqlx::Result<Option<Bearer>> {
    // What is mistyped or made up costs no question.
    if !is_well_formed(text) {
        return Ok(None);
    }
    store::find(conn, clock, &crypto::sha256(text.as_bytes()), SEEN_EVERY).await
}

/// Ends one of a person's tokens. Whether there was one.
pub async fn revoke(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    account: AccountId,
    id: TokenId,
) -> sqlx::Result<bool> {
    if !store::delete(conn, person, account, id).await? {
        return Ok(false);
    }
    audit::record(conn, clock, Actor::Person(person), Some(account), "token.revoked", &id.to_string(), json!({})).await?;
    Ok(true)
}

/// Ends all tokens of a person: their password was set anew by mail, so somebody else may have made some.
pub(super) async fn revoke_all(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<()> {
    store::delete_all(conn, person).await
}

/// Forgets tokens that have ended a month ago. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    store::forget_old(conn, clock.now() - TimeDelta::days(30)).await
}

fn check_sum(secret: &str) -> String {
    crypto::to_base64(&crypto::sha256(secret.as_bytes())[..3])
}

fn write(secret: &[u8; 32]) -> String {
    let secret = crypto::to_base64(secret);
    format!("{PREFIX}{secret}{}", check_sum(&secret))
}

fn is_well_formed(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else { return false };
    rest.is_ascii() && rest.len() == 47 && check_sum(&rest[..43]) == rest[43..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_is_known_by_its_beginning_and_its_check_sum() {
        let token = write(&[7; 32]);
        assert!(token.starts_with("pdk_") && token.len() == 51 && is_well_formed(&token), "{token}");
        for broken in ["", "pdk_", &token[1..], &token[..50], &format!("{token}A"), &token.replace("pdk_B", "pdk_C")] {
            assert!(!is_well_formed(broken), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_a_panic(text in "\\PC{0,60}") {
            let begun = format!("{PREFIX}{text}");
            prop_assert!(!is_well_formed(&text) && !is_well_formed(&begun));
        }
    }
}
