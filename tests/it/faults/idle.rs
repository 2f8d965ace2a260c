//! A server that is ready costs nothing: no write to the Kubernetes API and none to the database.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::customer::Customer;
use super::outcome::{Excuse, assert_one_of_everything};
use super::world::{PROGRAM, Split, World};
use super::{Choice, choice};

/// How the audit log tells who changed what.
fn describe(line: &Value) -> String {
    let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = [text("/objectRef/resource"), text("/objectRef/subresource")].join("/");
    format!("{} {} {}", text("/user/username"), text("/verb"), kind.trim_end_matches('/'))
}

/// Every row of ours with its version: the same text again means that nothing was written, not even the same values.
async fn contents(world: &World) -> BTreeMap<String, String> {
    let mut conn = world.database().await.unwrap();
    // What was written before is signed when its time comes.
    let tables = "select tablename::text from pg_tables where schemaname = 'public' and tablename <> 'audit_checkpoints'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut conn).await.unwrap();
    let mut contents = BTreeMap::new();
    for table in tables {
        let sql = format!("select coalesce(md5(string_agg(t.xmin::text || t::text, ',' order by t::text)), '') from {table} t");
        let sum: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut conn).await.unwrap();
        contents.insert(table, sum);
    }
    contents
}

/// What was written into the audit log until now is chained a few seconds later.
async fn all_is_chained(world: &World) {
    let mut conn = world.database().await.unwrap();
    for _ in 0..60 {
        let waiting: i64 =
            sqlx::query_scalar("select count(*) from audit_events where place is null").fetch_one(&mut conn).await.unwrap();
        if waiting == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the audit log is not chained\n{}", world.logs());
}

#[tokio::test]
async fn a_ready_server_costs_no_write() {
    let watched = Duration::from_secs(if let Choice::All = choice() { 60 } else { 15 });
    let mut world = World::open("faults_idle").await.unwrap();
    world.start(Split::Whole, &[], &[]).unwrap();
    let mut customer = Customer::new(&world, "idle").unwrap();
    let outcome = async {
        customer.until_ready().await?;
        assert_one_of_everything(&world, &customer, Excuse::default()).await
    };
    if let Err(error) = outcome.await {
        panic!("{error:#}\n{}", world.logs());
    }
    // Pods that came up last are still told of.
    tokio::time::sleep(Duration::from_secs(3)).await;
    all_is_chained(&world).await;
    let audit = world.rig.cluster().audit_log();
    let (skip, before) = (fs::read_to_string(&audit).unwrap().lines().count(), contents(&world).await);
    assert!(skip > 30, "the audit log notes nothing");
    tokio::time::sleep(watched).await;
    let mut writes: BTreeMap<String, usize> = BTreeMap::new();
    for line in fs::read_to_string(&audit).unwrap().lines().skip(skip) {
        *writes.entry(describe(&serde_json::from_str(line).unwrap())).or_default() += 1;
    }
    println!("writes by anybody in {watched:?}: {writes:?}");
    let ours: Vec<_> =
        writes.keys().filter(|write| write.starts_with(&format!("{PROGRAM} ")) && !write.ends_with(" leases")).collect();
    assert!(ours.is_empty(), "{ours:?}");
    assert_eq!(contents(&world).await, before, "a write to the database");
    world.stop().await;
}
