//! The drill of docs/recovery.md, executed as it stands there: what it restores is a database that the program works on.

use std::path::{Path, PathBuf};
use std::process::Command;

use paddock::config::REFERENCE;
use paddock::db::Db;
use paddock::instance;
use paddock::queue;

use crate::harness::{Database, Start, TestApp};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of the page.
fn drill() -> String {
    let page = std::fs::read_to_string(root().join("docs/recovery.md")).unwrap();
    let (_, rest) = page.split_once("```sh drill\n").expect("the page has a drill");
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// Postgres' own programs, the newest first, then the program itself, then what everybody has.
fn programs() -> std::ffi::OsString {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let ours = Path::new(env!("CARGO_BIN_EXE_paddock")).parent().unwrap().to_owned();
    let usual = std::env::var_os("PATH").unwrap_or_default();
    let all = versions.into_iter().rev().map(|(_, bin)| bin).chain([ours]).chain(std::env::split_paths(&usual));
    std::env::join_paths(all).unwrap()
}

fn run(source: &str, target: &str, work: &Path) -> std::process::Output {
    let config = work.join("config.toml");
    std::fs::write(&config, REFERENCE).unwrap();
    Command::new("sh")
        .args(["-c", &drill()])
        .current_dir(root())
        .env("PATH", programs())
        .env("SOURCE", source)
        .env("TARGET", target)
        .env("CONFIG", &config)
        .env("WORK", work)
        .output()
        .unwrap()
}

/// A new folder that nobody else uses.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("paddock-drill-{}", hex::encode(paddock::crypto::random::<8>())));
    std::fs::create_dir(&folder).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drill_restores_a_database_that_the_program_works_on() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    app.order(&other_customer, "bees").await;
    let (target, work) = (Database::empty().await, folder());
    let output = run(&app.database_url(), &target.url(), &work);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &*String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("has all rows of"), "{said}");

    let restored = Db::new(&target.url(), 2).unwrap();
    assert!(restored.outstanding().await.unwrap().is_empty());
    // Row security and rights came along: a customer finds their own server, and nobody else's.
    let own = customer.who.account();
    let mut tx = restored.begin_account(own).await.unwrap();
    let found = instance::find_owned(tx.conn(), own, server.id).await.unwrap().unwrap();
    assert_eq!((found.domain.as_str(), found.ready_at), ("birds.meadow.social", server.ready_at));
    drop(tx);
    let theirs = other_customer.who.account();
    let mut tx = restored.begin_account(theirs).await.unwrap();
    assert!(instance::find_owned(tx.conn(), theirs, server.id).await.unwrap().is_none());
    drop(tx);
    // And what is owed is still owed.
    let (jobs, kept) = (queue::list(app.sql()).await.unwrap(), queue::list(restored.owner()).await.unwrap());
    assert!(!jobs.is_empty());
    assert_eq!(jobs.iter().map(|job| &job.task).collect::<Vec<_>>(), kept.iter().map(|job| &job.task).collect::<Vec<_>>());
    for pool in [restored.auth(), restored.staff(), restored.worker(), restored.fleet(), restored.owner()] {
        pool.close().await;
    }
    std::fs::remove_dir_all(work).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drill_fails_where_something_is_missing() {
    let Start { app, customer, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    let (target, work) = (Database::empty().await, folder());
    // A database that is not empty can't be what was saved.
    let occupied = Db::new(&target.url(), 2).unwrap();
    occupied.migrate().await.unwrap();
    for pool in [occupied.auth(), occupied.staff(), occupied.worker(), occupied.fleet(), occupied.owner()] {
        pool.close().await;
    }
    let output = run(&app.database_url(), &target.url(), &work);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    std::fs::remove_dir_all(work).unwrap();
}
