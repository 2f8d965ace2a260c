//! What staff do with releases: add one, offer it to new servers, withdraw it.

use serde_json::json;
use sqlx::PgConnection;

use super::store;
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::plan::{self, Release, Version};

/// Why a release could not be added or changed. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BadRelease {
    /// Its images can't change under those who run it.
    #[error("servers run {0} or are on their way to it, so its images can't change; withdraw it and add the next patch")]
    InUse(Version),
    /// A business runs no image that nobody has looked up.
    #[error("the digests of {0} are not verified: look each up (crane digest NAME:TAG) and say so")]
    NotVerified(Version),
    /// No such release.
    #[error("there is no release {0}")]
    Unknown(Version),
    /// It is withdrawn.
    #[error("{0} is withdrawn; add it again to bring it back")]
    Withdrawn(Version),
    /// A rollout of it is open.
    #[error("a rollout of {0} is open; end it first")]
    RollingOut(Version),
    /// New servers need one to start with.
    #[error("{0} is the only release that is offered to new servers; offer another one first")]
    LastOffered(Version),
    /// The database.
    #[error("the release could not be written")]
    Database(#[from] sqlx::Error),
}

/// Adds a release, or puts one that nobody runs in the place of the one of the same version. `business`: images that nobody has looked up
/// are refused. Whether it is new.
pub async fn add_release(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    release: &Release,
    business: bool,
) -> Result<bool, BadRelease> {
    let version = release.version;
    if business && !release.digest_verified {
        return Err(BadRelease::NotVerified(version));
    }
    store::lock_releases(conn).await?;
    let new = plan::insert_release(conn, clock, release).await?;
    if !new {
        let before = plan::find_release(conn, version).await?.ok_or(BadRelease::Unknown(version))?;
        let same_images = (&before.release.web, &before.release.streaming) == (&release.web, &release.streaming);
        if !same_images && store::is_in_use(conn, version).await? {
            return Err(BadRelease::InUse(version));
        }
        if before.release.offered && !release.offered {
            refuse_last(conn, version).await?;
        }
        plan::replace_release(conn, release).await?;
    }
    let detail = json!({ "release": release });
    let action = if new { "release.added" } else { "release.changed" };
    audit::record(conn, clock, actor, None, action, &version.to_string(), detail).await?;
    Ok(new)
}

/// Whether new servers may start with it.
pub async fn offer(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    version: Version,
    offered: bool,
) -> Result<(), BadRelease> {
    store::lock_releases(conn).await?;
    let before = plan::find_release(conn, version).await?.ok_or(BadRelease::Unknown(version))?;
    if before.withdrawn_at.is_some() {
        return Err(BadRelease::Withdrawn(version));
    }
    if before.release.offered && !offered {
        refuse_last(conn, version).await?;
    }
    if plan::offer_release(conn, version, offered).await? {
        let detail = json!({ "offered": offered });
        audit::record(conn, clock, actor, None, "release.offered", &version.to_string(), detail).await?;
    }
    Ok(())
}

/// Nothing new comes to a release any more, neither new servers nor rollouts. What runs it runs on, and its images stay allowed as long.
pub async fn withdraw(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    version: Version,
    because: &str,
) -> Result<(), BadRelease> {
    store::lock_releases(conn).await?;
    let before = plan::find_release(conn, version).await?.ok_or(BadRelease::Unknown(version))?;
    if store::is_rolling_out(conn, version).await? {
        return Err(BadRelease::RollingOut(version));
    }
    if before.release.offered {
        refuse_last(conn, version).await?;
    }
    if plan::withdraw_release(conn, clock, version, because).await? {
        let detail = json!({ "because": because });
        audit::record(conn, clock, actor, None, "release.withdrawn", &version.to_string(), detail).await?;
    }
    Ok(())
}

async fn refuse_last(conn: &mut PgConnection, version: Version) -> Result<(), BadRelease> {
    let all = plan::list_releases(conn).await?;
    let another = all.iter().any(|listed| listed.release.offered && listed.release.version != version);
    if another { Ok(()) } else { Err(BadRelease::LastOffered(version)) }
}
