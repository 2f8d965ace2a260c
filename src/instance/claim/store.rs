//! SQL of claims. They are columns of `instances`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::LocalDomain;
use crate::clock::Clock;
use crate::db::exactly_one;
use crate::ids::{AccountId, InstanceId};
use crate::instance::Intent;

/// A claim to a domain.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Claim {
    /// Whose.
    pub account_id: AccountId,
    /// `LOCAL_DOMAIN`.
    pub domain: String,
    /// Whether that lies under the host's own domain.
    pub hosted: bool,
    /// `WEB_DOMAIN`, when it differs.
    pub web_domain: Option<String>,
    /// With a web domain: who answers at the domain itself.
    pub local_domain: Option<LocalDomain>,
    /// What the server should be.
    pub intent: Intent,
    /// Since when.
    pub intent_at: Option<DateTime<Utc>>,
    /// When the domain was seen to point here.
    pub address_confirmed_at: Option<DateTime<Utc>>,
    /// When that was last looked at.
    pub address_checked_at: Option<DateTime<Utc>>,
    /// When it was ordered.
    pub created_at: DateTime<Utc>,
}

impl Claim {
    /// Whether somebody pays for it, and it is about a domain of their own.
    pub fn is_wanted(&self) -> bool {
        let own = !self.hosted || self.web_domain.is_some();
        own && match self.intent {
            Intent::Running | Intent::Suspended => true,
            Intent::Absent | Intent::Archived => false,
        }
    }
}

macro_rules! claims {
    ($rest:literal) => {
        concat!(
            "select account_id, domain, hosted, web_domain, local_domain, intent, intent_at, address_confirmed_at, address_checked_at, \
             created_at from instances where id = $1 and released_at is null",
            $rest
        )
    };
}

/// The claim of an instance.
pub async fn find_claim(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<Claim>> {
    sqlx::query_as(claims!("")).bind(id).fetch_optional(conn).await
}

/// The same, kept from others until the transaction ends.
pub(super) async fn lock_claim(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<Claim>> {
    sqlx::query_as(claims!(" for update")).bind(id).fetch_optional(conn).await
}

/// Whether a name of the instance was ever served for another account.
pub(super) async fn was_anothers(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<bool> {
    sqlx::query_scalar(
        "select exists (
           select 1 from instances mine, instances other
           where mine.id = $1 and other.account_id <> mine.account_id and other.address_confirmed_at is not null
             and address_names(other.domain, other.web_domain, other.hosted) && address_names(mine.domain, mine.web_domain, mine.hosted))",
    )
    .bind(id)
    .fetch_one(conn)
    .await
}

/// From now on the domain is served; the fleet tells the cluster.
pub(super) async fn confirm(conn: &mut PgConnection, clock: &dyn Clock, id: InstanceId) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update instances set address_confirmed_at = $2, generation = generation + 1 where id = $1 and address_confirmed_at is null",
    )
    .bind(id)
    .bind(clock.now())
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// Who answers for the handles from now on; the fleet tells the cluster.
pub(super) async fn set_local_domain(conn: &mut PgConnection, id: InstanceId, local: LocalDomain) -> sqlx::Result<()> {
    let done = sqlx::query(
        "update instances set local_domain = $2, generation = generation + 1 where id = $1 and local_domain is distinct from $2",
    )
    .bind(id)
    .bind(local)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// It was looked at.
pub(super) async fn note_look(conn: &mut PgConnection, clock: &dyn Clock, id: InstanceId) -> sqlx::Result<()> {
    let done = sqlx::query("update instances set address_checked_at = $2 where id = $1")
        .bind(id)
        .bind(clock.now())
        .execute(conn)
        .await?;
    exactly_one(&done)
}
