//! What the database itself keeps apart and in order, whatever the program asks of it.

use std::sync::Arc;

use futures::future::join_all;
use paddock::billing::{OrderError, Placement};
use paddock::capacity;
use paddock::db::Db;
use paddock::ids::{AccountId, PersonId};
use paddock::resource::{RunPhase, Standing};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::harness::{Capacity, Client, Database, Identity, Start, TestApp};

/// Postgres' code for "may not": by rights or by row security.
const MAY_NOT: &str = "42501";

/// What became of a statement: the rows that it touched, or the code of the refusal.
async fn run(conn: &mut PgConnection, sql: &str) -> Result<u64, String> {
    let mut savepoint = conn.begin().await.unwrap();
    match sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut *savepoint).await {
        Ok(done) => {
            savepoint.commit().await.unwrap();
            Ok(done.rows_affected())
        }
        Err(error) => {
            savepoint.rollback().await.unwrap();
            Err(error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned())
        }
    }
}

/// Tables that hold rows of accounts, with the column that says whose.
async fn tables_of_accounts(app: &TestApp) -> Vec<(String, &'static str)> {
    let query = "select table_name::text from information_schema.columns
                 where table_schema = 'public' and column_name = 'account_id' and table_name <> 'sessions' order by 1";
    let names: Vec<String> = sqlx::query_scalar(query).fetch_all(app.sql()).await.unwrap();
    names.into_iter().map(|name| (name, "account_id")).chain([("accounts".to_owned(), "id")]).collect()
}

/// Two accounts that have a row in every table.
async fn two_accounts() -> Start {
    let start = TestApp::start().await;
    for (client, name) in [(&start.customer, "birds"), (&start.other_customer, "foxes")] {
        let server = start.app.running(client, name).await;
        start.app.ask_run(client, &server, &json!({"cacheClear": {}})).await;
        let over = start.app.ask_run(client, &server, &json!({"recount": {"what": "accounts"}})).await;
        start.app.observe_run(over, Standing::new(RunPhase::Succeeded, "Succeeded", "done"), |_| {}).await;
        start.app.order(client, &format!("{name}-too")).await;
        let mut tx = start.app.db.begin_account(client.who.account()).await.unwrap();
        capacity::join_waiting_list(tx.conn(), start.app.clock.as_ref(), client.who.account(), "family", name).await.unwrap();
        tx.commit().await.unwrap();
    }
    start
}

#[tokio::test]
async fn an_account_sees_its_own_rows_only_even_without_any_where() {
    let Start { app, customer, other_customer, .. } = two_accounts().await;
    for (table, column) in tables_of_accounts(&app).await {
        let query = format!("select {column}, count(*) from {table} where {column} is not null group by 1");
        let everybody: Vec<(AccountId, i64)> =
            sqlx::query_as(AssertSqlSafe(query.clone())).fetch_all(app.db.staff()).await.unwrap();
        for client in [&customer, &other_customer] {
            let account = client.who.account();
            let all = everybody.iter().find(|(whose, _)| *whose == account);
            let all = all.unwrap_or_else(|| panic!("{table} has no row of {account}: this test would say nothing about it"));
            let mut tx = app.db.begin_account(account).await.unwrap();
            let seen: Vec<(AccountId, i64)> = sqlx::query_as(AssertSqlSafe(query.clone())).fetch_all(tx.conn()).await.unwrap();
            assert_eq!(seen, [*all], "{table}");
        }
    }
}

#[tokio::test]
async fn an_account_changes_its_own_rows_only_even_without_any_where() {
    let Start { app, customer, other_customer, .. } = two_accounts().await;
    let (mine, theirs) = (customer.who.account(), other_customer.who.account());
    for (table, column) in tables_of_accounts(&app).await {
        let mut tx = app.db.begin_account(mine).await.unwrap();
        assert_eq!(run(tx.conn(), &format!("delete from {table}")).await, Err(MAY_NOT.to_owned()), "delete from {table}");
        let give_away = format!("update {table} set {column} = '{}'", theirs.uuid());
        assert_eq!(run(tx.conn(), &give_away).await, Err(MAY_NOT.to_owned()), "{give_away}");
        assert_eq!(run(tx.conn(), &format!("truncate {table}")).await, Err(MAY_NOT.to_owned()), "truncate {table}");
    }
    // What may be updated at all, by column.
    let updatable = "select table_name::text, column_name::text from information_schema.column_privileges
                     where grantee = 'paddock_web' and privilege_type = 'UPDATE' and table_schema = 'public' order by 1, 2";
    let updatable: Vec<(String, String)> = sqlx::query_as(updatable).fetch_all(app.sql()).await.unwrap();
    assert!(updatable.len() >= 5, "{updatable:?}");
    for (table, column) in updatable {
        let whose = if table == "accounts" { "id" } else { "account_id" };
        // What is paid is not a customer's to change any more.
        let unpaid = if table == "orders" { "and state in ('placed', 'open')" } else { "" };
        let count = format!("select count(*) from {table} where {whose} = $1 {unpaid}");
        let own: i64 = sqlx::query_scalar(AssertSqlSafe(count)).bind(mine).fetch_one(app.sql()).await.unwrap();
        let mut tx = app.db.begin_account(mine).await.unwrap();
        let touched = run(tx.conn(), &format!("update {table} set {column} = {column}")).await;
        assert_eq!(touched, Ok(own.unsigned_abs()), "update of {table}.{column} without where");
    }
}

#[tokio::test]
async fn nobody_writes_rows_for_another_account() {
    let Start { app, customer, other_customer, .. } = two_accounts().await;
    let (mine, theirs) = (customer.who.account(), other_customer.who.account());
    let mut refused = 0;
    for table in ["instances", "places", "orders", "waiting_list", "audit_events", "runs", "subscriptions", "members"] {
        // What a customer's request may write at all, and what only the program itself does.
        let (ordinary, further) = match table {
            "instances" => ("intent = 'absent'", Some("intent = 'running'")),
            "places" => ("state = 'reserved'", Some("state = 'confirmed'")),
            "orders" => ("state = 'placed'", Some("state = 'paid'")),
            "audit_events" => ("actor_kind = 'person'", Some("actor_kind = 'system'")),
            "runs" => ("state = 'requested'", Some("state = 'succeeded'")),
            _ => ("true", None),
        };
        let copy = |whose: AccountId, which: &str| {
            let fresh = if table == "audit_events" { "4711::text" } else { "gen_random_uuid()::text" };
            let columns =
                if table == "audit_events" { "(at, account_id, actor_kind, actor_id, action, subject, detail)" } else { "" };
            let values = if table == "audit_events" {
                "r.at, r.account_id, r.actor_kind, r.actor_id, r.action, r.subject, r.detail"
            } else {
                "r.*"
            };
            format!(
                "insert into {table} {columns} select {values} from (select (jsonb_populate_record(t, jsonb_build_object(
                 'id', {fresh}, 'account_id', '{}'))).* from {table} t where {which} limit 1) r",
                whose.uuid()
            )
        };
        let mut tx = app.db.begin_account(mine).await.unwrap();
        assert_eq!(run(tx.conn(), &copy(theirs, ordinary)).await, Err(MAY_NOT.to_owned()), "{table}");
        // For itself the same is refused by something else, or not at all: it was the account that was in the way.
        if !["subscriptions", "members"].contains(&table) {
            let own = run(tx.conn(), &copy(mine, ordinary)).await;
            assert_ne!(own, Err(MAY_NOT.to_owned()), "{table}");
            refused += 1;
            drop(tx);
        }
        if let Some(further) = further {
            let mut tx = app.db.begin_account(mine).await.unwrap();
            assert_eq!(run(tx.conn(), &copy(mine, further)).await, Err(MAY_NOT.to_owned()), "{table} where {further}");
        }
    }
    assert_eq!(refused, 6);
}

#[tokio::test]
async fn each_role_may_do_its_own_work_and_no_more() {
    let Start { app, .. } = two_accounts().await;
    let may_not = [
        ("paddock_web", "select email from people"),
        ("paddock_web", "select id_hash from sessions"),
        ("paddock_web", "select id from mail_tokens"),
        ("paddock_web", "select email from staff"),
        ("paddock_web", "select recipient from mails"),
        ("paddock_web", "select payload from stripe_events"),
        ("paddock_web", "update instances set intent = 'running'"),
        ("paddock_web", "update instances set address_confirmed_at = now()"),
        ("paddock_web", "update instances set local_domain = 'served'"),
        ("paddock_web", "select enqueue_job('tidy', '{}', null, null, null)"),
        ("paddock_fleet", "update instances set address_confirmed_at = now()"),
        ("paddock_web", "update subscriptions set status = 'active'"),
        ("paddock_web", "update orders set amount_minor = 1"),
        ("paddock_web", "update places set state = 'confirmed'"),
        ("paddock_web", "update runs set state = 'succeeded'"),
        ("paddock_web", "update runs set action = '{}'"),
        ("paddock_fleet", "update runs set action = '{}'"),
        ("paddock_fleet", "update runs set cancelled = true"),
        ("paddock_fleet", "update instances set own_mail = null"),
        ("paddock_staff", "update runs set cancelled = true"),
        ("paddock_fleet", "update instances set intent = 'archived'"),
        ("paddock_fleet", "update instances set generation = generation + 1"),
        ("paddock_fleet", "insert into instances select * from instances limit 1"),
        ("paddock_fleet", "select id from orders"),
        ("paddock_fleet", "select id_hash from sessions"),
        ("paddock_fleet", "select password_hash from people"),
        ("paddock_auth", "select id from instances"),
        ("paddock_auth", "select id from orders"),
        ("paddock_auth", "select id from subscriptions"),
        ("paddock_auth", "select id from places"),
        ("paddock_auth", "select payload from stripe_events"),
        ("paddock_auth", "update staff set scopes = array['admin']"),
        ("paddock_auth", "update members set role = 'owner'"),
        ("paddock_staff", "select password_hash from people"),
        ("paddock_staff", "select password_hash from staff"),
        ("paddock_staff", "select id_hash from sessions"),
        ("paddock_staff", "update instances set intent = 'archived'"),
        ("paddock_staff", "update staff set scopes = array['admin']"),
        ("paddock_staff", "delete from audit_events"),
        ("paddock_worker", "select password_hash from people"),
        ("paddock_worker", "select id_hash from sessions"),
        ("paddock_worker", "select email from staff"),
        ("paddock_worker", "delete from audit_events"),
        ("paddock_worker", "delete from instances"),
        ("paddock_web", "select id from incidents"),
        ("paddock_auth", "select text from incident_updates"),
        ("paddock_staff", "delete from incidents"),
        ("paddock_staff", "update incidents set title = 'nothing'"),
        ("paddock_staff", "update incident_updates set text = 'nothing'"),
        ("paddock_worker", "update incidents set state = 'over'"),
        ("paddock_web", "select value from figures"),
        ("paddock_staff", "update figures set value = 0"),
    ];
    let may = [
        ("paddock_auth", "select password_hash from people"),
        ("paddock_fleet", "update instances set pushed_generation = generation"),
        ("paddock_staff", "select id from instances"),
        ("paddock_worker", "update instances set intent = intent"),
        ("paddock_web", "select id from instances"),
    ];
    let queue = ["select id from graphile_worker._private_jobs", "delete from graphile_worker._private_jobs"];
    let roles = ["paddock_web", "paddock_fleet", "paddock_auth", "paddock_staff", "paddock_worker"];
    let queue = roles.into_iter().flat_map(|role| queue.map(|sql| (role, sql)));
    let mut conn = PgConnection::connect(&app.database_url()).await.unwrap();
    for (role, sql) in may_not.into_iter().chain(queue) {
        run(&mut conn, &format!("set role {role}")).await.unwrap();
        assert_eq!(run(&mut conn, sql).await, Err(MAY_NOT.to_owned()), "{role}: {sql}");
        run(&mut conn, "reset role").await.unwrap();
    }
    for (role, sql) in may {
        run(&mut conn, &format!("set role {role}")).await.unwrap();
        let done = run(&mut conn, sql).await;
        assert!(done.is_ok(), "{role}: {sql}: {done:?}");
        run(&mut conn, "reset role").await.unwrap();
    }
    // Without an account set, the customers' role sees nothing at all.
    run(&mut conn, "set role paddock_web").await.unwrap();
    assert_eq!(run(&mut conn, "select id from instances").await, Ok(0));
}

#[tokio::test]
async fn migrations_may_run_twice_and_from_two_processes_at_once() {
    let database = Database::empty().await;
    let (one, other) = (Db::new(&database.url(), 2).unwrap(), Db::new(&database.url(), 2).unwrap());
    let (first, second) = tokio::join!(one.migrate(), other.migrate());
    first.unwrap();
    second.unwrap();
    one.migrate().await.unwrap();
    let tables: i64 = sqlx::query_scalar("select count(*) from information_schema.tables where table_schema = 'public'")
        .fetch_one(one.owner())
        .await
        .unwrap();
    assert!(tables >= 18, "{tables} tables");
    one.owner().close().await;
    other.owner().close().await;
}

#[tokio::test]
async fn nobody_asks_for_work_on_somebody_elses_server() {
    let Start { app, customer, other_customer, .. } = two_accounts().await;
    let (mine, theirs) = (customer.who.account(), other_customer.who.account());
    let insert = |of: AccountId| {
        format!(
            "insert into runs (id, account_id, instance_id, kind, action, state, created_at)
             select gen_random_uuid(), '{}', id, 'feed-build', '{{}}', 'requested', now() from instances where domain = $1",
            of.uuid()
        )
    };
    // Their server can't be named by a query, for it is not seen; so by its id.
    let server: uuid::Uuid = sqlx::query_scalar("select id from instances where account_id = $1 and ready_at is not null")
        .bind(theirs)
        .fetch_one(app.sql())
        .await
        .unwrap();
    let named = insert(mine)
        .replace("id, 'feed-build'", &format!("'{server}', 'feed-build'"))
        .replace("domain = $1", "ready_at is not null");
    let mut tx = app.db.begin_account(mine).await.unwrap();
    assert_eq!(run(tx.conn(), &named).await, Err(MAY_NOT.to_owned()));
    let own = insert(mine).replace("domain = $1", "ready_at is not null");
    assert_eq!(run(tx.conn(), &own).await, Ok(1));
}

/// Customers of accounts of their own, who can order and nothing else.
async fn strangers(app: &TestApp, count: usize) -> Vec<Client> {
    let mut all = Vec::new();
    for number in 0..count {
        let account = AccountId::new();
        sqlx::query("insert into accounts (id, name, created_at) values ($1, 'somebody', now())")
            .bind(account)
            .execute(app.sql())
            .await
            .unwrap();
        let email = format!("somebody{number}@mail.example");
        all.push(app.client(Identity { email, account: Some(account), person: Some(PersonId::new()), ..Identity::default() }));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_orders_at_once_for_five_places_fill_five() {
    let Start { app, .. } = TestApp::start_with(Capacity(5)).await;
    let app = Arc::new(app);
    let orders = strangers(&app, 50).await.into_iter().enumerate().map(|(number, client)| {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.try_order(&client, &format!("garden{number}")).await.unwrap() })
    });
    let placed: Vec<Placement> = join_all(orders).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(placed.iter().filter(|placement| matches!(placement, Placement::Placed(_))).count(), 5);
    assert_eq!(placed.iter().filter(|placement| **placement == Placement::Full).count(), 45);
    let rows = app.rows().await;
    assert_eq!((rows["orders"], rows["places"], rows["instances"], rows["_private_jobs"]), (5, 5, 5, 5));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_gets_the_address_that_all_want() {
    let Start { app, .. } = TestApp::start_with(Capacity(50)).await;
    let app = Arc::new(app);
    let orders = strangers(&app, 20).await.into_iter().map(|client| {
        let app = Arc::clone(&app);
        tokio::spawn(async move { app.try_order(&client, "garden").await })
    });
    let outcomes: Vec<_> = join_all(orders).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Ok(Placement::Placed(_)))).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Err(OrderError::DomainTaken))).count(), 19, "{outcomes:?}");
    let rows = app.rows().await;
    assert_eq!((rows["orders"], rows["places"], rows["instances"]), (1, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_orders_many_times_at_once_waits_for_three_payments_at_most() {
    let Start { app, customer, .. } = TestApp::start_with(Capacity(50)).await;
    let app = Arc::new(app);
    let orders = (0..12).map(|number| {
        let (app, customer) = (Arc::clone(&app), customer.clone());
        tokio::spawn(async move { app.try_order(&customer, &format!("garden{number}")).await })
    });
    let outcomes: Vec<_> = join_all(orders).await.into_iter().map(Result::unwrap).collect();
    let placed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Placement::Placed(_)))).count();
    assert_eq!(placed, 3, "{outcomes:?}");
}
