//! The rig itself: what every other test on real servers stands on.

use std::time::Instant;

use paddock::demo::rig::{Rig, shared_postgres};
use sqlx::{Connection, PgConnection};

#[tokio::test]
async fn postgres_keeps_committed_rows_over_a_kill() {
    let postgres = shared_postgres().await.unwrap();
    postgres.create_database("rig_rows", None).await.unwrap();
    let url = postgres.url("rig_rows");
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("create table kept (n int); insert into kept values (41), (42)").execute(&mut connection).await.unwrap();
    drop(connection);
    postgres.create_database("rig_copy", Some("rig_rows")).await.unwrap();
    // A server of this test alone: others use the shared one right now.
    for database in ["rig_rows", "rig_copy"] {
        let mut connection = PgConnection::connect(&postgres.url(database)).await.unwrap();
        let sum: i64 = sqlx::query_scalar("select sum(n) from kept").fetch_one(&mut connection).await.unwrap();
        assert_eq!(sum, 83, "{database}");
    }
}

#[tokio::test]
async fn control_plane_answers() {
    let start = Instant::now();
    let rig = Rig::shared().await.unwrap();
    println!("rig started in {:?}; {:?}", start.elapsed(), rig.pids().await);
    let version = rig.cluster().client().await.unwrap().apiserver_version().await.unwrap();
    assert_eq!(version.major, "1");
}
