//! SQL of the list of orders.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::Show;
use crate::billing::{ORDER_COLUMNS, Order};
use crate::db::slice::{Slice, Sorted, Start};
use crate::ids::OrderId;

/// One page of the orders that are asked for, newest first.
pub async fn list(conn: &mut PgConnection, show: Show, start: Start<OrderId>) -> sqlx::Result<Slice<Order>> {
    let mut query = QueryBuilder::<Postgres>::new(format!("select {ORDER_COLUMNS} from orders where true"));
    query.push(match show {
        Show::All => "",
        Show::Waiting => " and state in ('placed', 'open')",
        Show::Paid => " and state = 'paid'",
        Show::Expired => " and state = 'expired'",
    });
    Sorted { table: "orders", by: None, downwards: true }.cut(&mut query, start);
    Ok(Slice::new(query.build_query_as().fetch_all(conn).await?, &start))
}
