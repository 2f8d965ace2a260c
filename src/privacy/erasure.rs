//! The end of an account: everything of it goes that may go, and a ledger says what has to stay, why, and until when.

use chrono::{DateTime, Datelike as _, TimeZone as _, Utc};
use serde_json::json;
use sqlx::PgConnection;

use super::store;
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{AccountId, PersonId};

/// What stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Orders, subscriptions and the number at the payment company.
    Books,
    /// Which wording of which document was agreed to.
    Consents,
    /// Who changed what, by ids.
    Log,
    /// The names of servers that there were.
    Addresses,
}

impl Keep {
    /// All of it.
    pub const ALL: [Self; 4] = [Self::Books, Self::Consents, Self::Log, Self::Addresses];

    /// The word in the database and in the keys of words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Books => "books",
            Self::Consents => "consents",
            Self::Log => "log",
            Self::Addresses => "addresses",
        }
    }

    /// Why.
    pub fn why(self) -> &'static str {
        match self {
            Self::Books => {
                "The law on bookkeeping wants them for ten years (Article 17(3)(b) GDPR; in Germany § 147 AO, § 257 HGB)."
            }
            Self::Consents => {
                "They prove what was agreed, until claims from it are barred (Articles 7(1) and 17(3)(e) GDPR; in Germany §§ 195, 199 BGB)."
            }
            Self::Log => {
                "Its entries hang together, so that none can be taken away unseen; they prove who did what (Articles 5(2) and 17(3)(e) GDPR). \
                 They name people by number."
            }
            Self::Addresses => {
                "Other servers remember them; whoever got such a name anew could pose as those who were there (Article 6(1)(f) GDPR). \
                 No person is in it."
            }
        }
    }

    /// Full years behind the one of the erasure for which it stays; `None`: it stays.
    fn years(self) -> Option<i32> {
        match self {
            Self::Books => Some(10),
            Self::Consents => Some(3),
            Self::Log | Self::Addresses => None,
        }
    }

    /// Until when it stays of what is erased `now`.
    fn until(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let year = now.year() + self.years()? + 1;
        Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).single()
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What stays.
    pub what: Keep,
    /// Why.
    pub why: &'static str,
    /// Until when; `None`: it stays.
    pub until: Option<DateTime<Utc>>,
}

/// Why an account could not be erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Others act for it as well, and nobody ends what is theirs.
    #[error("there are other members; remove them first")]
    Members,
    /// A server is there, or an order for one.
    #[error("there is a server, or an order for one; have it removed first")]
    Servers,
    /// It is erased already.
    #[error("the account is erased already")]
    Again,
    /// The database.
    #[error("the account could not be erased")]
    Database(#[from] sqlx::Error),
}

/// What stays of an account that is erased `now`.
pub fn ledger(now: DateTime<Utc>) -> Vec<Kept> {
    Keep::ALL.map(|what| Kept { what, why: what.why(), until: what.until(now) }).into()
}

/// Erases an account, in a transaction of [`Db::begin_members`](crate::db::Db::begin_members). The ledger of what stays.
pub async fn erase(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    account: AccountId,
) -> Result<Vec<Kept>, EraseError> {
    let now = clock.now();
    match store::erase(conn, account, now).await?.as_str() {
        "erased" => {}
        "members" => return Err(EraseError::Members),
        "servers" => return Err(EraseError::Servers),
        _ => return Err(EraseError::Again),
    }
    let kept = ledger(now);
    store::insert_erasure(conn, account, now, &kept).await?;
    let told: Vec<_> = kept.iter().map(|kept| json!({ "what": kept.what, "until": kept.until })).collect();
    audit::record(conn, clock, Actor::Person(person), Some(account), "account.erased", &account.to_string(), json!(told)).await?;
    Ok(kept)
}

/// Takes away what had to stay until now. Returns how many things.
pub async fn forget_kept(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<i64> {
    store::forget_kept(conn, clock.now()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_stays_until_the_end_of_a_year() {
        let now = Utc.with_ymd_and_hms(2026, 2, 3, 4, 5, 6).unwrap();
        let until = |keep: Keep| keep.until(now).map(|at| at.to_rfc3339());
        assert_eq!(until(Keep::Books).as_deref(), Some("2037-01-01T00:00:00+00:00"));
        assert_eq!(until(Keep::Consents).as_deref(), Some("2030-01-01T00:00:00+00:00"));
        assert_eq!((until(Keep::Log), until(Keep::Addresses)), (None, None));
        for keep in Keep::ALL {
            assert_eq!(serde_json::to_value(keep).unwrap(), keep.word());
        }
    }
}
