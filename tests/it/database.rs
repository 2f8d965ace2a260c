//! What the database itself keeps apart and in order, whatever the program asks of it.

use std::sync::Arc;

use futures::future::join_all;
use paddock::audit::Actor;
use paddock::billing::{OrderError, Placement};
use paddock::capacity;
use paddock::db::Db;
use paddock::ids::{AccountId, PersonId};
use paddock::instance::{self, Hold};
use paddock::plan::{Amounts, Dimension};
use paddock::resource::{RunPhase, Standing};
use paddock::rollout::{self, Policy};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::harness::{Capacity, Client, Database, Identity, NEWEST, Start, TestApp, add_cluster};

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

/// What a server of the plan that most people buy takes.
fn family(app: &TestApp) -> Amounts {
    app.state.catalogue.get("family").unwrap().size.footprint()
}

/// Two accounts that have a row in every table.
async fn two_accounts() -> Start {
    let start = TestApp::start().await;
    let mut servers = Vec::new();
    for (client, name) in [(&start.customer, "birds"), (&start.other_customer, "foxes")] {
        let server = start.app.running(client, name).await;
        start.app.ask_run(client, &server, &json!({"cacheClear": {}})).await;
        let over = start.app.ask_run(client, &server, &json!({"recount": {"what": "accounts"}})).await;
        start.app.observe_run(over, Standing::new(RunPhase::Succeeded, "Succeeded", "done"), |_| {}).await;
        start.app.order(client, &format!("{name}-too")).await;
        servers.push(server.id);
        let mut tx = start.app.db.begin_account(client.who.account()).await.unwrap();
        let (clock, account, needs) = (start.app.clock.as_ref(), client.who.account(), family(&start.app));
        capacity::join_waiting_list(tx.conn(), clock, account, "family", &needs, name).await.unwrap();
        tx.commit().await.unwrap();
        let members = [
            "insert into invitations (id, account_id, email, email_canonical, role, invited_by, state, expires_at, created_at)
             values (gen_random_uuid(), $1, 'owl@mail.example', 'owl@mail.example', 'viewer', $2, 'open', now() + interval '1 day', now())",
            "insert into second_contacts (account_id, person_id, nominated_at) values ($1, $2, now())",
            "insert into consents (account_id, document, version, person_id, at) values ($1, 'dpa', '2020-01-01', $2, now())",
            // As if: a table that has rows of both says something.
            "insert into erasures (account_id, at) select $1, now() where $2 is not null",
            "insert into erasure_keeps (account_id, what, why) select $1, 'log', 'it stays' where $2 is not null",
            "with endpoint as (
               insert into hook_endpoints (id, account_id, url, kinds, seed, state, created_at)
               select gen_random_uuid(), $1, 'https://birds.example/hook', '{}', uuid_send($2), 'on', now() returning id
             ), event as (
               insert into hook_events (id, account_id, kind, payload, at)
               values (gen_random_uuid(), $1, 'webhook.test', '{}', now()) returning id
             ), delivery as (
               insert into hook_deliveries (id, account_id, endpoint_id, event_id, state, due_at, created_at)
               select gen_random_uuid(), $1, endpoint.id, event.id, 'delivered', now(), now() from endpoint, event returning id
             )
             insert into hook_tries (account_id, delivery_id, at, status, millis) select $1, id, now(), 204, 7 from delivery",
            "insert into api_tokens (id, account_id, person_id, name, token_hash, scope, expires_at, created_at)
             values (gen_random_uuid(), $1, $2, 'a script', uuid_send(gen_random_uuid()), 'read', now() + interval '1 day', now())",
            "insert into usage_days (instance_id, account_id, day, looks, answered, looked_at, media_bytes, database_bytes, measured_at)
             select instance_id, account_id, current_date, 0, 0, now(), 1, 1, now() from subscriptions
             where account_id = $1 and $2::uuid is not null on conflict do nothing",
            "insert into changes (id, account_id, instance_id, subscription_id, state, plan_code, billing_interval, size, reprices, plan_minor,
                                  due_minor, currency, as_of, created_at, ended_at)
             select gen_random_uuid(), account_id, instance_id, id, 'done', 'family', 'month', '{}', false, 1900, 0, 'eur', now(), now(), now()
             from subscriptions where account_id = $1 and $2::uuid is not null",
            "insert into free_servers (id, account_id, plan_code, reason, staff_id, created_at)
             select gen_random_uuid(), $1, 'town', 'test', id, now() from staff where $2::uuid is not null limit 1",
            "insert into givings (id, account_id, instance_id, kind, amount_minor, currency, reason, staff_id, state, created_at)
             select gen_random_uuid(), account_id, instance_id, 'credit', 100, 'eur', 'test', (select id from staff limit 1), 'asked', now()
             from subscriptions where account_id = $1 and $2::uuid is not null",
            "insert into archives (id, account_id, instance_id, run_id, scope, state, created_at)
             select gen_random_uuid(), account_id, instance_id, id, 'without_cache', 'requested', now()
             from runs where account_id = $1 and $2::uuid is not null limit 1",
        ];
        for insert in members {
            let query = sqlx::query(insert).bind(client.who.account()).bind(client.who.person.unwrap());
            query.execute(start.app.sql()).await.unwrap();
        }
    }
    for client in [&start.customer, &start.other_customer] {
        start.app.looking_into(&start.staff, client, false).await;
    }
    // A rollout has a server of each.
    let older = "update instances set mastodon_version = '4.6.9' where intent = 'running'";
    sqlx::query(older).execute(start.app.sql()).await.unwrap();
    let mut tx = start.app.db.staff().begin().await.unwrap();
    let (clock, policy) = (start.app.clock.as_ref(), Policy::usual(false));
    rollout::begin(&mut tx, clock, start.staff.who.staff.unwrap(), NEWEST, &policy).await.unwrap();
    // And each has a reason for which it does not run.
    for server in servers {
        instance::hold(&mut tx, clock, Actor::System("test"), server, Hold::Asked, "").await.unwrap();
    }
    tx.commit().await.unwrap();
    start.app.run_jobs().await;
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
            "instances" => ("intent = 'absent'", Some("intent <> 'absent'")),
            "places" => ("state = 'reserved'", Some("state = 'confirmed'")),
            "orders" => ("state = 'placed'", Some("state = 'paid'")),
            "audit_events" => ("actor_kind = 'person'", Some("actor_kind = 'system'")),
            "runs" => ("state = 'requested'", Some("state = 'succeeded'")),
            "waiting_list" => ("state = 'waiting'", None),
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

/// What roles of the database may not do.
const FORBIDDEN: &[(&str, &str)] = &[
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
    ("paddock_web", "update subscriptions set standing = 'good'"),
    ("paddock_web", "update subscriptions set extended_until = now()"),
    ("paddock_web", "update waiting_list set state = 'invited'"),
    ("paddock_web", "update waiting_list set invited_until = now()"),
    ("paddock_fleet", "select leave_waiting_list()"),
    ("paddock_web", "delete from holds"),
    ("paddock_web", "insert into holds select * from holds limit 1"),
    ("paddock_web", "select reason from extensions"),
    ("paddock_fleet", "delete from holds"),
    ("paddock_staff", "update subscriptions set standing = 'good'"),
    ("paddock_worker", "delete from standing_mails"),
    ("paddock_web", "update orders set amount_minor = 1"),
    ("paddock_web", "update places set state = 'confirmed'"),
    ("paddock_web", "update runs set state = 'succeeded'"),
    ("paddock_web", "update runs set action = '{}'"),
    ("paddock_fleet", "update runs set action = '{}'"),
    ("paddock_fleet", "update runs set cancelled = true"),
    ("paddock_fleet", "update instances set own_mail = null"),
    ("paddock_staff", "update runs set cancelled = true"),
    ("paddock_fleet", "update instances set intent = 'archived'"),
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
    ("paddock_auth", "update members set account_id = gen_random_uuid()"),
    ("paddock_auth", "delete from people"),
    ("paddock_auth", "delete from audit_events"),
    ("paddock_auth", "select detail from audit_events"),
    ("paddock_web", "select secret_hash from staff_accesses"),
    ("paddock_staff", "select secret_hash from staff_accesses"),
    ("paddock_staff", "update staff_accesses set changes_at = now()"),
    ("paddock_staff", "insert into staff_accesses select * from staff_accesses"),
    ("paddock_web", "update staff_accesses set ended_at = now()"),
    ("paddock_auth", "update staff_accesses set ends_at = now()"),
    ("paddock_auth", "delete from staff_accesses"),
    ("paddock_web", "select token_hash from api_tokens"),
    ("paddock_staff", "select token_hash from api_tokens"),
    ("paddock_worker", "select token_hash from api_tokens"),
    ("paddock_web", "select body from calls_once"),
    ("paddock_worker", "select body from calls_once"),
    ("paddock_web", "select seed from authenticators"),
    ("paddock_web", "select code_hash from recovery_codes"),
    ("paddock_web", "select secret_hash from devices"),
    ("paddock_web", "select key from log_in_attempts"),
    ("paddock_web", "select email from address_changes"),
    ("paddock_web", "update invitations set role = 'admin'"),
    ("paddock_web", "update members set role = 'admin'"),
    ("paddock_worker", "select seed from authenticators"),
    ("paddock_worker", "select code_hash from recovery_codes"),
    ("paddock_staff", "select seed from authenticators"),
    ("paddock_staff", "delete from authenticators"),
    ("paddock_staff", "update members set role = 'owner'"),
    ("paddock_fleet", "update members set role = 'owner'"),
    ("paddock_staff", "select password_hash from people"),
    ("paddock_staff", "select password_hash from staff"),
    ("paddock_staff", "select id_hash from sessions"),
    ("paddock_fleet", "update instances set released_at = now()"),
    ("paddock_fleet", "update places set state = 'freed'"),
    ("paddock_staff", "update instances set released_at = now()"),
    ("paddock_staff", "update staff set scopes = array['admin']"),
    ("paddock_staff", "delete from audit_events"),
    ("paddock_worker", "select password_hash from people"),
    ("paddock_worker", "select id_hash from sessions"),
    ("paddock_worker", "select email from staff"),
    ("paddock_worker", "delete from audit_events"),
    ("paddock_worker", "update audit_events set detail = '{}'"),
    ("paddock_worker", "update audit_checkpoints set place = 1"),
    ("paddock_worker", "delete from audit_checkpoints"),
    ("paddock_staff", "update audit_events set place = 1"),
    ("paddock_staff", "insert into audit_checkpoints select * from audit_checkpoints"),
    ("paddock_web", "insert into audit_events (place) values (1)"),
    ("paddock_web", "select hash from audit_checkpoints"),
    ("paddock_worker", "delete from instances"),
    ("paddock_web", "update instances set canary = true"),
    ("paddock_web", "update instances set mastodon_version = '4.7.4'"),
    ("paddock_web", "select reason from rollouts"),
    ("paddock_web", "update rollout_items set state = 'done'"),
    ("paddock_web", "insert into releases select * from releases"),
    ("paddock_web", "update clusters set services = 1"),
    ("paddock_fleet", "update clusters set services = 1"),
    ("paddock_fleet", "update clusters set state = 'open'"),
    ("paddock_fleet", "update rollout_items set state = 'done'"),
    ("paddock_fleet", "update instances set mastodon_version = '4.7.4'"),
    ("paddock_worker", "update releases set web = streaming"),
    ("paddock_worker", "update clusters set state = 'open'"),
    ("paddock_auth", "select version from releases"),
    ("paddock_staff", "update instances set mastodon_version = '4.7.4'"),
    ("paddock_staff", "update clusters set kubeconfig = 'other'"),
    ("paddock_staff", "delete from releases"),
    ("paddock_web", "select id from incidents"),
    ("paddock_auth", "select text from incident_updates"),
    ("paddock_staff", "delete from incidents"),
    ("paddock_staff", "update incidents set title = 'nothing'"),
    ("paddock_staff", "update incident_updates set text = 'nothing'"),
    ("paddock_worker", "update incidents set state = 'over'"),
    ("paddock_web", "select value from figures"),
    ("paddock_staff", "update figures set value = 0"),
    ("paddock_web", "select reason from approvals"),
    ("paddock_auth", "update approvals set decision = 'given'"),
    ("paddock_worker", "insert into approvals select * from approvals"),
    ("paddock_staff", "update approvals set asked_by = decided_by"),
    ("paddock_staff", "delete from approvals"),
    ("paddock_web", "select rule from alerts"),
    ("paddock_web", "select reason from switches"),
    ("paddock_web", "update switches set is_on = true"),
    ("paddock_web", "select reason from condition_changes"),
    ("paddock_fleet", "select reason from condition_changes"),
    ("paddock_web", "select title from cases"),
    ("paddock_worker", "select text from case_notes"),
    ("paddock_staff", "update case_notes set text = 'nothing'"),
    ("paddock_staff", "update announcements set text = 'nothing'"),
    ("paddock_web", "select until from certificates"),
    ("paddock_web", "update usage_days set users = 0"),
    ("paddock_fleet", "select users from usage_days"),
    ("paddock_staff", "update alerts set over_at = now()"),
    ("paddock_staff", "update alert_rules set verdict = 'quiet'"),
];

#[tokio::test]
async fn each_role_may_do_its_own_work_and_no_more() {
    let Start { app, .. } = two_accounts().await;
    let may = [
        ("paddock_auth", "select password_hash from people"),
        ("paddock_fleet", "update instances set pushed_generation = generation"),
        // A row of a database that was put back is numbered past what its cluster knows.
        ("paddock_fleet", "update instances set generation = generation"),
        ("paddock_staff", "select id from instances"),
        ("paddock_worker", "update instances set intent = intent"),
        ("paddock_web", "select id from instances"),
    ];
    let queue = ["select id from graphile_worker._private_jobs", "delete from graphile_worker._private_jobs"];
    let roles = ["paddock_web", "paddock_fleet", "paddock_auth", "paddock_staff", "paddock_worker"];
    let queue = roles.into_iter().flat_map(|role| queue.map(|sql| (role, sql)));
    let mut conn = PgConnection::connect(&app.database_url()).await.unwrap();
    for (role, sql) in FORBIDDEN.iter().copied().chain(queue) {
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

/// Whoever signs people in changes members too, but of one account at a time, which it has to name.
#[tokio::test]
async fn members_change_in_the_account_that_is_named_only() {
    let Start { app, customer, other_customer, .. } = two_accounts().await;
    let everything = [
        "update members set role = 'viewer' where role <> 'owner'",
        "update second_contacts set take_over_due = now()",
        "update invitations set state = 'withdrawn'",
        "delete from second_contacts",
        "delete from members where role <> 'owner'",
    ];
    for sql in everything {
        let mut tx = app.db.auth().begin().await.unwrap();
        assert_eq!(run(&mut tx, sql).await, Ok(0), "{sql} without a name");
    }
    // The other account has one member, its owner; this one has four.
    for (client, touched) in [(&other_customer, [0, 1, 1, 1, 0]), (&customer, [3, 1, 1, 1, 3])] {
        let mut tx = app.db.begin_members(client.who.account()).await.unwrap();
        for (sql, touched) in everything.into_iter().zip(touched) {
            assert_eq!(run(&mut tx, sql).await, Ok(touched), "{sql} for {}", client.who.email);
        }
    }
    let second = "update members set role = 'owner' where account_id = $1";
    let mut tx = app.db.begin_members(customer.who.account()).await.unwrap();
    let two = sqlx::query(second).bind(customer.who.account()).execute(&mut *tx).await.unwrap_err();
    assert!(paddock::db::violates(&two, "members_one_owner"), "{two}");
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
async fn five_hundred_orders_at_once_for_a_hundred_places_in_two_clusters_fill_a_hundred() {
    let Start { app, .. } = TestApp::start_with(Capacity(63)).await;
    add_cluster(&app.db, app.clock.as_ref(), "second", 37).await;
    let app = Arc::new(app);
    let all = strangers(&app, 500).await;
    let orders = all.clone().into_iter().enumerate().map(|(number, client)| {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            loop {
                match app.try_order(&client, &format!("garden{number}")).await {
                    // On a busy machine the last of them wait for longer than a visitor would be let wait.
                    Err(OrderError::Database(sqlx::Error::PoolTimedOut)) => {}
                    outcome => break outcome.unwrap(),
                }
            }
        })
    });
    let placed: Vec<Placement> = join_all(orders).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(placed.iter().filter(|placement| matches!(placement, Placement::Placed(_))).count(), 100);
    assert_eq!(placed.iter().filter(|placement| **placement == Placement::Full).count(), 400);
    let rows = app.rows().await;
    assert_eq!((rows["orders"], rows["places"], rows["instances"], rows["_private_jobs"]), (100, 100, 100, 100));
    let clusters = capacity::list_clusters(&mut app.sql().acquire().await.unwrap()).await.unwrap();
    assert_eq!(clusters.iter().map(|cluster| cluster.servers).collect::<Vec<_>>(), [63, 37]);
    for cluster in clusters {
        for dimension in Dimension::ALL {
            assert!(
                cluster.taken.of(dimension) <= capacity::promised(cluster.has.of(dimension)),
                "{} {dimension:?}",
                cluster.name
            );
        }
    }
    // Those who got none all wait, each at a position of their own, and nobody was charged.
    let full = all.iter().zip(&placed).filter(|(_, placement)| **placement == Placement::Full);
    let waits = full.map(|(client, _)| {
        let (app, account) = (Arc::clone(&app), client.who.account());
        tokio::spawn(async move {
            let mut tx = app.db.begin_account(account).await.unwrap();
            let needs = family(&app);
            capacity::join_waiting_list(tx.conn(), app.clock.as_ref(), account, "family", &needs, "garden.example")
                .await
                .unwrap();
            tx.commit().await.unwrap();
            account
        })
    });
    let waiting: Vec<AccountId> = join_all(waits).await.into_iter().map(Result::unwrap).collect();
    let mut positions = Vec::new();
    for account in waiting {
        let mut tx = app.db.begin_account(account).await.unwrap();
        positions.push(capacity::waiting_entry(tx.conn(), account).await.unwrap().unwrap().position);
        let left = capacity::open_clusters(tx.conn(), app.clock.as_ref(), Some(account)).await.unwrap();
        assert_eq!(capacity::room(&left, &family(&app), app.clock_now()), 0);
    }
    positions.sort_unstable();
    assert_eq!(positions, (1..=400).collect::<Vec<_>>());
    assert_eq!(app.shop.charges(), []);
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
