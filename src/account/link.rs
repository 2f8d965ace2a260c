//! Links in mails. The link carries a random id and a MAC under the host's key; the row says whether it was used. Nothing in the
//! database, not even a mail that is still owed, lets anybody build the link.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::clock::Clock;
use crate::crypto::{self, HostKey};
use crate::ids::PersonId;

/// What a link is good for. `Verify` and `Reset` name rows of `mail_tokens`; the others rows of their own tables, which say what became
/// of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Purpose {
    /// Proves an address; 24 hours.
    Verify,
    /// Lets a password be set; one hour.
    Reset,
    /// Lets the address that it was sent to join an account; seven days.
    Join,
    /// Confirms at the present address that another one takes its place; 24 hours.
    LeaveAddress,
    /// Confirms at the address that is to be; 24 hours.
    TakeAddress,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Verify => "link-verify",
            Self::Reset => "link-reset",
            Self::Join => "link-join",
            Self::LeaveAddress => "link-leave-address",
            Self::TakeAddress => "link-take-address",
        }
    }

    pub(super) fn lifetime(self) -> TimeDelta {
        match self {
            Self::Verify | Self::LeaveAddress | Self::TakeAddress => TimeDelta::hours(24),
            Self::Reset => TimeDelta::hours(1),
            Self::Join => TimeDelta::days(7),
        }
    }
}

/// The text in the link for the row `id`.
pub fn write(key: &HostKey, id: Uuid, purpose: Purpose) -> String {
    let mac = key.mac(purpose.name(), id.as_bytes());
    crypto::to_base64(&[id.as_bytes().as_slice(), &mac[..16]].concat())
}

/// The row that a link names, if we wrote the link.
pub fn read(key: &HostKey, text: &str, purpose: Purpose) -> Option<Uuid> {
    let bytes = crypto::from_base64(text)?;
    let (id, mac) = bytes.split_at_checked(16)?;
    let genuine = crypto::equal(mac, &key.mac(purpose.name(), id)[..16]);
    genuine.then(|| Uuid::from_slice(id).ok()).flatten()
}

pub(super) async fn create(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    purpose: Purpose,
) -> sqlx::Result<(Uuid, DateTime<Utc>)> {
    let id = uuid::Builder::from_random_bytes(crypto::random()).into_uuid();
    let now = clock.now();
    let until = now + purpose.lifetime();
    sqlx::query("insert into mail_tokens (id, person_id, purpose, expires_at, created_at) values ($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(person)
        .bind(purpose)
        .bind(until)
        .bind(now)
        .execute(conn)
        .await?;
    Ok((id, until))
}

/// Whose link it is and whether it can still be used.
pub(super) async fn look(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: Uuid,
    purpose: Purpose,
) -> sqlx::Result<Option<(PersonId, bool)>> {
    sqlx::query_as("select person_id, used_at is null and expires_at > $3 from mail_tokens where id = $1 and purpose = $2")
        .bind(id)
        .bind(purpose)
        .bind(clock.now())
        .fetch_optional(conn)
        .await
}

/// Uses a link up. `None`: used, too old, or never made. Its siblings of the same purpose are used up with it.
pub(super) async fn take(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: Uuid,
    purpose: Purpose,
) -> sqlx::Result<Option<PersonId>> {
    let person: Option<PersonId> = sqlx::query_scalar(
        "update mail_tokens set used_at = $3 where id = $1 and purpose = $2 and used_at is null and expires_at > $3 returning person_id",
    )
    .bind(id)
    .bind(purpose)
    .bind(clock.now())
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(person) = person {
        sqlx::query("update mail_tokens set used_at = $3 where person_id = $1 and purpose = $2 and used_at is null")
            .bind(person)
            .bind(purpose)
            .bind(clock.now())
            .execute(conn)
            .await?;
    }
    Ok(person)
}

/// Uses up all links that a person was sent: what they were good for has changed.
pub(super) async fn use_up(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId) -> sqlx::Result<()> {
    sqlx::query("update mail_tokens set used_at = $2 where person_id = $1 and used_at is null")
        .bind(person)
        .bind(clock.now())
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets links that can't be used any more. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    let month_ago = clock.now() - TimeDelta::days(30);
    Ok(sqlx::query("delete from mail_tokens where expires_at < $1").bind(month_ago).execute(conn).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_its_purpose_and_key_only() {
        let (key, other) = (HostKey::new([1; 32]), HostKey::new([2; 32]));
        let id = Uuid::from_u128(7);
        let text = write(&key, id, Purpose::Verify);
        assert_eq!(read(&key, &text, Purpose::Verify), Some(id));
        assert_eq!(read(&key, &text, Purpose::Reset), None);
        assert_eq!(read(&other, &text, Purpose::Verify), None);
        for broken in ["", "AAAA", "not base 64 !", &text[1..], &format!("{text}A")] {
            assert_eq!(read(&key, broken, Purpose::Verify), None, "{broken}");
        }
    }
}
