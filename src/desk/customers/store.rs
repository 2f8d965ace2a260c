//! SQL of customers.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{Customer, Member, Show, Sort, Wanted};
use crate::billing::{self, Order};
use crate::db::slice::{ROWS, Slice, Sorted, begins_with};
use crate::ids::AccountId;
use crate::instance::{COLUMNS, Instance};

const NAME: &str = r#"lower(name) collate "C""#;
const NAME_OF: &str = r#"lower(a.name) collate "C""#;
/// Of names and of addresses, as many that begin with what is looked for are found, the first in order.
const MOST_FOUND: usize = 500;
const EMAIL: &str = r#"p.email_canonical collate "C""#;

const SELECT: &str = "select id, name, stripe_customer_id, created_at,
    (select count(*) from instances i where i.account_id = accounts.id and i.released_at is null) as servers,
    (select min(s.open_invoice_since) from subscriptions s where s.account_id = accounts.id) as unpaid_since
  from accounts where true";

/// One page of the customers that are asked for.
pub async fn list(conn: &mut PgConnection, wanted: Wanted<'_>) -> sqlx::Result<Slice<Customer>> {
    let Wanted { begins, show, sort, start } = wanted;
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    if !begins.is_empty() {
        // Both are read from their index up to a bound: "a" must not cost more than "ada@".
        query.push(" and id in ((select a.id from accounts a where ");
        begins_with(&mut query, NAME_OF, begins);
        query.push(format_args!(" order by {NAME_OF}, a.id limit {MOST_FOUND})"));
        query.push(" union (select m.account_id from (select p.id from people p where ");
        begins_with(&mut query, EMAIL, begins);
        query.push(format_args!(" order by {EMAIL}, p.id limit {MOST_FOUND}) found"));
        query.push(" cross join lateral (select account_id from members where person_id = found.id limit 100) m))");
    }
    query.push(match show {
        Show::All => "",
        Show::Servers => " and exists (select from instances i where i.account_id = accounts.id and i.released_at is null)",
        Show::PastDue => " and id in (select s.account_id from subscriptions s where s.open_invoice_since is not null)",
        Show::Waiting => " and id in (select w.account_id from waiting_list w where w.state in ('waiting', 'invited'))",
    });
    let (by, downwards) = match sort {
        Sort::Newest => (None, true),
        Sort::Oldest => (None, false),
        Sort::Name => (Some(NAME), false),
        Sort::NameBackwards => (Some(NAME), true),
    };
    Sorted { table: "accounts", by, downwards }.cut(&mut query, start);
    Ok(Slice::new(query.build_query_as().fetch_all(conn).await?, &start))
}

/// One customer.
pub async fn find(conn: &mut PgConnection, id: AccountId) -> sqlx::Result<Option<Customer>> {
    QueryBuilder::<Postgres>::new(SELECT).push(" and id = ").push_bind(id).build_query_as().fetch_optional(conn).await
}

/// The people of an account, those who may most first.
pub async fn people_of(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Member>> {
    sqlx::query_as(
        "select p.id, p.email, m.role, p.verified_at, m.created_at from members m join people p on p.id = m.person_id
         where m.account_id = $1
         order by array_position(array['owner', 'admin', 'billing', 'viewer'], m.role), m.created_at, p.id limit 100",
    )
    .bind(account)
    .fetch_all(conn)
    .await
}

/// The newest servers of an account, those that are gone among them.
pub async fn servers_of(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Instance>> {
    let mut query = QueryBuilder::<Postgres>::new(format!("select {COLUMNS} from instances where account_id = "));
    query.push_bind(account).push(format_args!(" order by id desc limit {ROWS}"));
    query.build_query_as().fetch_all(conn).await
}

/// The newest orders of an account.
pub async fn orders_of(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<Vec<Order>> {
    let owned = billing::list_owned_orders(conn, account).await?;
    Ok(owned.into_iter().take(ROWS).map(|(order, _)| order).collect())
}
