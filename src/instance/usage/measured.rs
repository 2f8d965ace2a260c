//! How much is on a server: what was last measured of it.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::store;
use crate::clock::Clock;
use crate::ids::InstanceId;

/// How long a measurement is relied upon: what is older may have become much more.
pub const GOOD_FOR: TimeDelta = TimeDelta::days(3);

/// What lies on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Usage {
    /// Bytes of media.
    pub media_bytes: i64,
    /// Bytes of the database.
    pub database_bytes: i64,
    /// When that was measured.
    pub measured_at: DateTime<Utc>,
}

impl Usage {
    /// Whether it is new enough to decide by.
    pub fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        now - self.measured_at <= GOOD_FOR
    }
}

/// Notes a measurement; an older one than the one that is known changes nothing. [`sqlx::Error::RowNotFound`] when there is no such server.
pub async fn note_usage(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    id: InstanceId,
    media_bytes: i64,
    database_bytes: i64,
) -> sqlx::Result<()> {
    let account = crate::instance::store::account_of(conn, id).await?;
    store::put(conn, id, account, &Usage { media_bytes, database_bytes, measured_at: clock.now() }).await
}
