//! SQL of the search. Beginnings are compared byte by byte, from indexes of that order.

use sqlx::PgConnection;

use super::{Hit, MOST};
use crate::db::slice::end_of_prefix;
use crate::ids::{AccountId, IncidentId, InstanceId, OrderId, PersonId, RunId, SubscriptionId};

type Server = (InstanceId, String);
type Customer = (AccountId, String, Option<String>);

fn server_hit((id, domain): Server) -> Hit {
    Hit::Server { id, domain }
}

fn customer_hit((id, name, email): Customer) -> Hit {
    Hit::Customer { id, name, email }
}

fn most() -> i64 {
    i64::try_from(MOST).unwrap_or(i64::MAX)
}

pub(super) async fn servers(conn: &mut PgConnection, begins: &str) -> sqlx::Result<Vec<Hit>> {
    let rows: Vec<Server> = sqlx::query_as(
        r#"select id, domain from instances
           where domain collate "C" >= $1 and domain collate "C" < $2 or web_domain collate "C" >= $1 and web_domain collate "C" < $2
           order by domain collate "C", id limit $3"#,
    )
    .bind(begins)
    .bind(end_of_prefix(begins))
    .bind(most())
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(server_hit).collect())
}

pub(super) async fn customers(conn: &mut PgConnection, begins: &str) -> sqlx::Result<Vec<Hit>> {
    let rows: Vec<Customer> = sqlx::query_as(
        r#"(select a.id, a.name, p.email from people p join members m on m.person_id = p.id join accounts a on a.id = m.account_id
            where p.email_canonical collate "C" >= $1 and p.email_canonical collate "C" < $2
            order by p.email_canonical collate "C", p.id limit $3)
           union all
           (select a.id, a.name, null from accounts a
            where lower(a.name) collate "C" >= $1 and lower(a.name) collate "C" < $2
              and not exists (select from members m join people p on p.id = m.person_id
                              where m.account_id = a.id and p.email_canonical collate "C" >= $1 and p.email_canonical collate "C" < $2)
            order by lower(a.name) collate "C", a.id limit $3)
           limit $3"#,
    )
    .bind(begins)
    .bind(end_of_prefix(begins))
    .bind(most())
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(customer_hit).collect())
}

pub(super) async fn server(conn: &mut PgConnection, id: InstanceId) -> sqlx::Result<Option<Hit>> {
    let row: Option<Server> =
        sqlx::query_as("select id, domain from instances where id = $1").bind(id).fetch_optional(conn).await?;
    Ok(row.map(server_hit))
}

pub(super) async fn server_of_order(conn: &mut PgConnection, id: OrderId) -> sqlx::Result<Option<Hit>> {
    let row: Option<Server> =
        sqlx::query_as("select i.id, i.domain from orders o join instances i on i.id = o.instance_id where o.id = $1")
            .bind(id)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(server_hit))
}

pub(super) async fn server_of_subscription(conn: &mut PgConnection, id: SubscriptionId) -> sqlx::Result<Option<Hit>> {
    let row: Option<Server> =
        sqlx::query_as("select i.id, i.domain from subscriptions s join instances i on i.id = s.instance_id where s.id = $1")
            .bind(id)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(server_hit))
}

pub(super) async fn server_of_run(conn: &mut PgConnection, id: RunId) -> sqlx::Result<Option<Hit>> {
    let row: Option<Server> =
        sqlx::query_as("select i.id, i.domain from runs r join instances i on i.id = r.instance_id where r.id = $1")
            .bind(id)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(server_hit))
}

pub(super) async fn customer(conn: &mut PgConnection, id: AccountId) -> sqlx::Result<Option<Hit>> {
    let row: Option<Customer> =
        sqlx::query_as("select id, name, null from accounts where id = $1").bind(id).fetch_optional(conn).await?;
    Ok(row.map(customer_hit))
}

pub(super) async fn customer_of_person(conn: &mut PgConnection, id: PersonId) -> sqlx::Result<Option<Hit>> {
    let row: Option<Customer> = sqlx::query_as(
        "select a.id, a.name, p.email from people p join members m on m.person_id = p.id join accounts a on a.id = m.account_id
         where p.id = $1 order by m.created_at, a.id limit 1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?;
    Ok(row.map(customer_hit))
}

pub(super) async fn incident(conn: &mut PgConnection, id: IncidentId) -> sqlx::Result<Option<Hit>> {
    let row: Option<IncidentId> =
        sqlx::query_scalar("select id from incidents where id = $1").bind(id).fetch_optional(conn).await?;
    Ok(row.map(|id| Hit::Incident { id }))
}

/// What one of Stripe's ids stands for: customer, subscription or checkout.
pub(super) async fn by_stripe_id(conn: &mut PgConnection, id: &str) -> sqlx::Result<Vec<Hit>> {
    let servers: Vec<Server> = sqlx::query_as(
        "select i.id, i.domain from instances i
         where i.id in (select s.instance_id from subscriptions s where s.stripe_subscription_id = $1
                        union select o.instance_id from orders o where o.checkout_id = $1)",
    )
    .bind(id)
    .fetch_all(&mut *conn)
    .await?;
    let customers: Vec<Customer> =
        sqlx::query_as("select id, name, null from accounts where stripe_customer_id = $1").bind(id).fetch_all(conn).await?;
    Ok(servers.into_iter().map(server_hit).chain(customers.into_iter().map(customer_hit)).collect())
}
