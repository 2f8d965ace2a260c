//! SQL of releases.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Release, Releases, Version};
use crate::clock::Clock;
use crate::db::exactly_one;

/// A release as the table has it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ListedRelease {
    /// The release.
    #[sqlx(flatten)]
    pub release: Release,
    /// Since when it is known.
    pub added_at: DateTime<Utc>,
    /// Since when nothing new comes to it.
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// Why.
    pub withdrawn_because: Option<String>,
}

macro_rules! columns {
    () => {
        "version, web, streaming, min_from, schema, notes, changes, security, offered, digest_verified"
    };
}

/// Brings in the releases of the file that the table does not have. Which these were.
pub async fn seed_releases(conn: &mut PgConnection, clock: &dyn Clock, file: &Releases) -> sqlx::Result<Vec<Version>> {
    let mut brought = Vec::new();
    for release in file.all() {
        if insert_release(conn, clock, release).await? {
            brought.push(release.version);
        }
    }
    Ok(brought)
}

/// Writes a release; whether it was not there before. One that is there stays as it is.
pub async fn insert_release(conn: &mut PgConnection, clock: &dyn Clock, release: &Release) -> sqlx::Result<bool> {
    let Release { version, web, streaming, min_from, schema, notes, changes, security, offered, digest_verified } = release;
    let done = sqlx::query(concat!(
        "insert into releases (",
        columns!(),
        ", added_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (version) do nothing"
    ))
    .bind(version.to_string())
    .bind(web.reference())
    .bind(streaming.reference())
    .bind(min_from.to_string())
    .bind(schema)
    .bind(notes)
    .bind(changes)
    .bind(security)
    .bind(offered)
    .bind(digest_verified)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes a release over the one of the same version, which is there.
pub async fn replace_release(conn: &mut PgConnection, release: &Release) -> sqlx::Result<()> {
    let Release { version, web, streaming, min_from, schema, notes, changes, security, offered, digest_verified } = release;
    let done = sqlx::query(
        "update releases set web = $2, streaming = $3, min_from = $4, schema = $5, notes = $6, changes = $7, security = $8, offered = $9,
                             digest_verified = $10, withdrawn_at = null, withdrawn_because = null where version = $1",
    )
    .bind(version.to_string())
    .bind(web.reference())
    .bind(streaming.reference())
    .bind(min_from.to_string())
    .bind(schema)
    .bind(notes)
    .bind(changes)
    .bind(security)
    .bind(offered)
    .bind(digest_verified)
    .execute(conn)
    .await?;
    exactly_one(&done)
}

/// All releases, newest version first.
pub async fn list_releases(conn: &mut PgConnection) -> sqlx::Result<Vec<ListedRelease>> {
    sqlx::query_as(concat!(
        "select ",
        columns!(),
        ", added_at, withdrawn_at, withdrawn_because from releases order by string_to_array(version, '.')::int[] desc"
    ))
    .fetch_all(conn)
    .await
}

/// The release of a version.
pub async fn find_release(conn: &mut PgConnection, version: Version) -> sqlx::Result<Option<ListedRelease>> {
    sqlx::query_as(concat!("select ", columns!(), ", added_at, withdrawn_at, withdrawn_because from releases where version = $1"))
        .bind(version.to_string())
        .fetch_optional(conn)
        .await
}

/// The version that new servers start with; `None` when no release is offered.
pub async fn newest_offered(conn: &mut PgConnection) -> sqlx::Result<Option<Version>> {
    let text: Option<String> = sqlx::query_scalar(
        "select version from releases where offered and withdrawn_at is null
         order by string_to_array(version, '.')::int[] desc limit 1",
    )
    .fetch_optional(conn)
    .await?;
    text.map(|text| text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))).transpose()
}

/// Whether new servers may start with it. Whether that changed anything; one that was withdrawn is never offered.
pub async fn offer_release(conn: &mut PgConnection, version: Version, offered: bool) -> sqlx::Result<bool> {
    let done = sqlx::query("update releases set offered = $2 where version = $1 and offered <> $2 and withdrawn_at is null")
        .bind(version.to_string())
        .bind(offered)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Nothing new comes to it any more. Whether that changed anything.
pub async fn withdraw_release(conn: &mut PgConnection, clock: &dyn Clock, version: Version, because: &str) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update releases set offered = false, withdrawn_at = $2, withdrawn_because = $3 where version = $1 and withdrawn_at is null",
    )
    .bind(version.to_string())
    .bind(clock.now())
    .bind(because)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
