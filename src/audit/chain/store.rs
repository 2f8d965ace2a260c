//! SQL of the chain.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::{Checkpoint, Content, Hash, Link, Public};
use crate::db::exactly_one;

/// What does not have the form that we wrote.
fn not_ours(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("{what} of the audit log is none").into())
}

fn hash_of(bytes: Vec<u8>) -> sqlx::Result<Hash> {
    bytes.try_into().map_err(|_| not_ours("a hash"))
}

/// One at a time chains, until the transaction ends.
pub(super) async fn lock(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtext('paddock.audit'))").execute(conn).await?;
    Ok(())
}

/// The last place and its hash.
pub(super) async fn newest(conn: &mut PgConnection) -> sqlx::Result<Option<(i64, Hash)>> {
    let query = "select place, hash from audit_events where place is not null order by place desc limit 1";
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as(query).fetch_optional(conn).await?;
    row.map(|(place, hash)| Ok((place, hash_of(hash)?))).transpose()
}

/// The oldest entries without a place.
pub(super) async fn unchained(conn: &mut PgConnection, most: i64) -> sqlx::Result<Vec<Content>> {
    sqlx::query_as(
        "select id, at, account_id, actor_kind, actor_id, action, subject, detail::text as detail
         from audit_events where place is null order by id limit $1",
    )
    .bind(most)
    .fetch_all(conn)
    .await
}

/// Gives entries their places and hashes.
pub(super) async fn put(conn: &mut PgConnection, links: &[(i64, i64, Hash)]) -> sqlx::Result<()> {
    let (mut ids, mut places, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for (id, place, hash) in links {
        ids.push(*id);
        places.push(*place);
        hashes.push(hash.to_vec());
    }
    let done = sqlx::query(
        "update audit_events e set place = link.place, hash = link.hash
         from unnest($1::bigint[], $2::bigint[], $3::bytea[]) as link (id, place, hash) where e.id = link.id and e.place is null",
    )
    .bind(ids)
    .bind(places)
    .bind(hashes)
    .execute(conn)
    .await?;
    // Each, or none: a gap would never be filled.
    if usize::try_from(done.rows_affected()).ok() == Some(links.len()) { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

/// A row of `audit_checkpoints`.
#[derive(sqlx::FromRow)]
struct CheckpointRow {
    place: i64,
    hash: Vec<u8>,
    at: DateTime<Utc>,
    signer: Vec<u8>,
    signature: Vec<u8>,
}

impl TryFrom<CheckpointRow> for Checkpoint {
    type Error = sqlx::Error;
    fn try_from(row: CheckpointRow) -> sqlx::Result<Self> {
        let CheckpointRow { place, hash, at, signer, signature } = row;
        let signer = Public::from_bytes(&signer).ok_or_else(|| not_ours("a signer"))?;
        Ok(Self { place, hash: hash_of(hash)?, at, signer, signature })
    }
}

/// The checkpoint of the last place that has one.
pub(super) async fn last_checkpoint(conn: &mut PgConnection) -> sqlx::Result<Option<Checkpoint>> {
    let query = "select place, hash, at, signer, signature from audit_checkpoints order by place desc limit 1";
    let row: Option<CheckpointRow> = sqlx::query_as(query).fetch_optional(conn).await?;
    row.map(Checkpoint::try_from).transpose()
}

/// All checkpoints, by place.
pub(super) async fn checkpoints(conn: &mut PgConnection) -> sqlx::Result<Vec<Checkpoint>> {
    let query = "select place, hash, at, signer, signature from audit_checkpoints order by place";
    let rows: Vec<CheckpointRow> = sqlx::query_as(query).fetch_all(conn).await?;
    rows.into_iter().map(Checkpoint::try_from).collect()
}

pub(super) async fn insert_checkpoint(conn: &mut PgConnection, checkpoint: &Checkpoint) -> sqlx::Result<()> {
    let Checkpoint { place, hash, at, signer, signature } = checkpoint;
    let done = sqlx::query("insert into audit_checkpoints (place, hash, at, signer, signature) values ($1, $2, $3, $4, $5)")
        .bind(place)
        .bind(hash.as_slice())
        .bind(at)
        .bind(signer.bytes())
        .bind(signature)
        .execute(conn)
        .await?;
    exactly_one(&done)
}

/// The next entries of the chain behind a place.
pub(super) async fn links_behind(conn: &mut PgConnection, place: i64, most: i64) -> sqlx::Result<Vec<Link>> {
    sqlx::query_as(
        "select place, hash, id, at, account_id, actor_kind, actor_id, action, subject, detail::text as detail
         from audit_events where place > $1 order by place limit $2",
    )
    .bind(place)
    .bind(most)
    .fetch_all(conn)
    .await
}

/// Entries without a place.
pub(super) async fn count_waiting(conn: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("select count(*) from audit_events where place is null").fetch_one(conn).await
}

pub(super) async fn see_one_state(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("set transaction isolation level repeatable read, read only").execute(conn).await?;
    Ok(())
}
