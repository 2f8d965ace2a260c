//! SQL of the audit log's list.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{Row, Show, Wanted};
use crate::db::slice::{Slice, Sorted};

/// One page of the entries that are asked for, newest first.
pub async fn list(conn: &mut PgConnection, wanted: Wanted<'_>) -> sqlx::Result<Slice<Row>> {
    let Wanted { names, show, start } = wanted;
    let mut query = QueryBuilder::<Postgres>::new(
        "select id, at, actor_kind, actor_id, action, subject, detail from audit_events where true",
    );
    if !names.is_empty() {
        query.push(" and (subject = ").push_bind(names.to_owned());
        query.push(" or actor_id = ").push_bind(names.to_owned());
        query.push(" or action = ").push_bind(names.to_owned());
        query.push(")");
    }
    query.push(match show {
        Show::All => "",
        Show::People => " and actor_kind = 'person'",
        Show::Staff => " and actor_kind = 'staff'",
        Show::System => " and actor_kind = 'system'",
    });
    Sorted { table: "audit_events", by: None, downwards: true }.cut(&mut query, start);
    Ok(Slice::new(query.build_query_as().fetch_all(conn).await?, &start))
}
