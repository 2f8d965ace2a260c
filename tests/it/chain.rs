//! The chain over the audit log: what it covers, what it takes to be found out, and what nobody notices without a checkpoint of one's own.

use std::process::Command;
use std::sync::Arc;

use chrono::TimeDelta;
use paddock::audit::chain::{self, Broken, ChainAudit, Checkpoint, Signer, Sound, VerifyError};
use paddock::audit::{self, Actor};
use paddock::config::REFERENCE;
use paddock::crypto;
use paddock::db::Tx;
use paddock::queue;
use serde_json::json;
use sqlx::PgConnection;

use crate::harness::{Start, TestApp, audit_signer};

/// The job, as the schedule enqueues it.
async fn chain_all(app: &TestApp) {
    let mut conn = app.db.worker().acquire().await.unwrap();
    queue::enqueue(&mut conn, &ChainAudit {}, None).await.unwrap();
    drop(conn);
    app.run_jobs().await;
}

async fn verify(app: &TestApp, kept: Option<&Checkpoint>) -> Result<Sound, Broken> {
    let mut tx = app.db.owner().begin().await.unwrap();
    chain::begin_reading(&mut tx).await.unwrap();
    chain::verify(&mut tx, &[audit_signer().public()], kept).await.map_err(|error| match error {
        VerifyError::Broken(broken) => broken,
        VerifyError::Database(error) => panic!("{error}"),
    })
}

async fn write(app: &TestApp, conn: &mut PgConnection, subject: &str) {
    let actor = Actor::System("tests");
    audit::record(conn, app.clock.as_ref(), actor, None, "test.written", subject, json!({ "n": 1 })).await.unwrap();
}

/// Entries one after another.
async fn write_all(app: &TestApp, subjects: &[&str]) {
    let mut conn = app.db.worker().acquire().await.unwrap();
    for subject in subjects {
        write(app, &mut conn, subject).await;
    }
}

async fn sql(app: &TestApp, text: &'static str) -> u64 {
    sqlx::query(text).execute(app.sql()).await.unwrap().rows_affected()
}

async fn place_of(app: &TestApp, subject: &str) -> i64 {
    let query = "select place from audit_events where subject = $1 and action = 'test.written'";
    sqlx::query_scalar(query).bind(subject).fetch_one(app.sql()).await.unwrap()
}

/// `paddock admin audit verify`: its exit code and what it says.
fn command(app: &TestApp, key: &str, kept: Option<&str>) -> (i32, String) {
    let file = std::env::temp_dir().join(format!("paddock-audit-{}.toml", hex::encode(crypto::random::<8>())));
    std::fs::write(&file, REFERENCE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
    command.args(["admin", "audit", "verify", "--config"]).arg(&file).args(kept.iter().flat_map(|line| ["--kept", *line]));
    command.env("PADDOCK__DATABASE__URL", app.database_url()).env("PADDOCK__AUDIT__SIGNING_KEY", key);
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    std::fs::remove_file(&file).unwrap();
    (output.status.code().unwrap(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_entry_is_chained_once_and_the_chain_is_signed() {
    let Start { app, customer, .. } = TestApp::start().await;
    app.order(&customer, "birds").await;
    chain_all(&app).await;
    let all: i64 = sqlx::query_scalar("select count(*) from audit_events").fetch_one(app.sql()).await.unwrap();
    let sound = verify(&app, None).await.unwrap();
    let newest = sound.newest.clone().unwrap();
    assert_eq!((sound.chained, sound.waiting, sound.checkpoints, newest.place), (all, 0, 1, all));
    // Where nothing new is, nothing is written.
    app.advance(TimeDelta::minutes(6));
    chain_all(&app).await;
    assert_eq!(verify(&app, None).await.unwrap(), sound);
    // What is new is signed, and what is newer only some minutes later.
    write_all(&app, &["one"]).await;
    chain_all(&app).await;
    write_all(&app, &["two"]).await;
    chain_all(&app).await;
    let sound = verify(&app, None).await.unwrap();
    assert_eq!((sound.chained, sound.checkpoints), (all + 2, 2));
    app.advance(TimeDelta::minutes(6));
    chain_all(&app).await;
    let sound = verify(&app, Some(&newest)).await.unwrap();
    assert_eq!((sound.checkpoints, sound.newest.unwrap().place), (3, all + 2));
    app.leave_jobs();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_commits_late_gets_a_later_place() {
    let Start { app, .. } = TestApp::start().await;
    let mut late: Tx = app.db.worker().begin().await.unwrap();
    write(&app, &mut late, "late").await;
    write_all(&app, &["early"]).await;
    chain_all(&app).await;
    assert_eq!(verify(&app, None).await.unwrap().waiting, 0);
    late.commit().await.unwrap();
    assert_eq!(verify(&app, None).await.unwrap().waiting, 1);
    chain_all(&app).await;
    assert_eq!(place_of(&app, "late").await, place_of(&app, "early").await + 1);
    verify(&app, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_at_once_chain_each_entry_once() {
    let Start { app, .. } = TestApp::start().await;
    let subjects: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let app = Arc::new(app);
    let rounds = (0..4).map(|_| {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            for _ in 0..20 {
                let mut tx = app.db.worker().begin().await.unwrap();
                chain::extend(&mut tx).await.unwrap();
                tx.commit().await.unwrap();
            }
        })
    });
    let rounds: Vec<_> = rounds.collect();
    write_all(&app, &subjects.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for round in rounds {
        round.await.unwrap();
    }
    chain_all(&app).await;
    let sound = verify(&app, None).await.unwrap();
    assert!(sound.chained >= 300 && sound.waiting == 0, "{sound:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_changed_is_found_at_its_place() {
    let Start { app, .. } = TestApp::start().await;
    write_all(&app, &["one", "two", "three"]).await;
    chain_all(&app).await;
    let signed = verify(&app, None).await.unwrap().newest.unwrap();
    write_all(&app, &["four", "five"]).await;
    chain_all(&app).await;
    let (two, four) = (place_of(&app, "two").await, place_of(&app, "four").await);

    sql(&app, "update audit_events set detail = '{\"n\": 2}' where subject = 'two'").await;
    assert!(matches!(verify(&app, None).await, Err(Broken::Changed { place, .. }) if place == two));
    sql(&app, "update audit_events set detail = '{\"n\": 1}' where subject = 'two'").await;
    sql(&app, "update audit_events set at = at + interval '1 second' where subject = 'four'").await;
    assert!(matches!(verify(&app, None).await, Err(Broken::Changed { place, .. }) if place == four));
    let (code, said) = command(&app, &hex::encode([9; 32]), None);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(&format!("place {four} (entry ")), "{said}");
    sql(&app, "update audit_events set at = at - interval '1 second' where subject = 'four'").await;
    verify(&app, None).await.unwrap();

    // Taken out.
    sql(&app, "delete from audit_events where subject = 'four'").await;
    assert_eq!(verify(&app, None).await, Err(Broken::Missing { place: four }));
    // The end as well: without a checkpoint of it nobody notices.
    sql(&app, "delete from audit_events where subject = 'five'").await;
    verify(&app, None).await.unwrap();

    // All of it written anew: the checkpoint knows.
    sql(&app, "alter table audit_checkpoints drop constraint audit_checkpoints_place_fkey").await;
    sql(&app, "update audit_events set place = null, hash = null").await;
    sql(&app, "update audit_events set actor_id = 'somebody else' where subject = 'two'").await;
    let mut tx = app.db.worker().begin().await.unwrap();
    while chain::extend(&mut tx).await.unwrap() > 0 {}
    tx.commit().await.unwrap();
    assert_eq!(verify(&app, None).await, Err(Broken::Rewritten { place: signed.place }));
    // With a checkpoint of somebody else's key.
    sql(&app, "delete from audit_checkpoints").await;
    app.advance(TimeDelta::hours(1));
    let mut tx = app.db.worker().begin().await.unwrap();
    chain::sign(&mut tx, app.clock.as_ref(), &Signer::new(&[1; 32])).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    assert!(matches!(verify(&app, None).await, Err(Broken::Forged { .. })));
    // And with none at all, nothing says so but the one that was kept elsewhere.
    sql(&app, "delete from audit_checkpoints").await;
    verify(&app, None).await.unwrap();
    assert_eq!(verify(&app, Some(&signed)).await, Err(Broken::Rewritten { place: signed.place }));
    sql(&app, "delete from audit_events where subject = 'three'").await;
    let end = signed.place - 1;
    assert_eq!(verify(&app, Some(&signed)).await, Err(Broken::CutOff { place: signed.place, end }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_says_how_it_is_and_ends_accordingly() {
    let Start { app, .. } = TestApp::start().await;
    write_all(&app, &["one"]).await;
    chain_all(&app).await;
    let key = hex::encode([9; 32]);
    let (code, said) = command(&app, &key, None);
    assert_eq!(code, 0, "{said}");
    let line = said.lines().find(|line| line.starts_with("paddock-audit-checkpoint-v1 ")).unwrap().to_owned();
    assert!(said.contains(&audit_signer().public().to_string()), "{said}");
    assert_eq!(command(&app, &key, Some(&line)).0, 0);
    // Another key: what was signed with the former one counts only when that is named.
    let (code, said) = command(&app, &hex::encode([5; 32]), None);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("audit.former_signers"), "{said}");
    sql(&app, "delete from audit_checkpoints").await;
    sql(&app, "delete from audit_events where place = (select max(place) from audit_events)").await;
    assert_eq!(command(&app, &key, None).0, 0);
    let (code, said) = command(&app, &key, Some(&line));
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("its end was cut off"), "{said}");
    assert_eq!(command(&app, &key, Some("a line")).0, 2);
    sql(&app, "alter table audit_events rename to away").await;
    assert_eq!(command(&app, &key, None).0, 1);
    sql(&app, "alter table away rename to audit_events").await;
}

#[tokio::test]
async fn the_worker_gives_a_place_and_takes_none_back() {
    let Start { app, .. } = TestApp::start().await;
    write_all(&app, &["one"]).await;
    chain_all(&app).await;
    let mut conn = app.db.worker().acquire().await.unwrap();
    for text in ["update audit_events set place = place + 1000, hash = hash", "update audit_events set place = null, hash = null"]
    {
        let touched = sqlx::query(text).execute(&mut *conn).await.unwrap().rows_affected();
        assert_eq!(touched, 0, "{text}");
    }
    drop(conn);
    verify(&app, None).await.unwrap();
}
