//! SQL of rows that are behind.

use sqlx::PgConnection;

use super::Outrun;
use crate::clock::Clock;
use crate::ids::{ClusterId, InstanceId};

pub(super) async fn find(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<Outrun>> {
    sqlx::query_as(
        "select outrun_generation as generation, outrun_at as at from instances where id = $1 and outrun_generation is not null",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}

/// Returns the row's generation as it was, if that is behind and something had to be noted. A row that was pushed once and has gone on
/// since wants something; one that is to be pushed again only because its custom resource was missed wants nothing new.
pub(super) async fn note(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    cluster: ClusterId,
    id: InstanceId,
    generation: i64,
) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar(
        "with was as (
           select id, generation, pushed_generation > 0 and generation > pushed_generation as wants from instances
           where id = $1 and cluster_id = $2 and generation < $3 for update
         )
         update instances set
           outrun_generation = $3, outrun_at = $4,
           generation = case when wants then $3 + 1 else was.generation end,
           pushed_generation = case when wants then pushed_generation else was.generation end
         from was
         where instances.id = was.id and (wants or pushed_generation = 0 or outrun_generation is distinct from $3)
         returning was.generation",
    )
    .bind(id)
    .bind(cluster)
    .bind(generation)
    .bind(clock.now())
    .fetch_optional(conn)
    .await
}

/// Returns the generation that the row has then.
pub(super) async fn settle(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<i64>> {
    sqlx::query_scalar(
        "update instances set generation = greatest(generation, outrun_generation + 1), outrun_generation = null, outrun_at = null
         where id = $1 and outrun_generation is not null returning generation",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
}
