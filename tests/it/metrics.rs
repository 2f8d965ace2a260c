//! docs/metrics.md names every figure of the program and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use chrono::TimeDelta;
use paddock::billing::jobs::SyncSubscription;
use paddock::clock::Clock as _;
use paddock::queue::{self, Backlog};

use crate::harness::{Start, TestApp};

/// Name and labels of each figure in the source.
fn in_source(folder: &Path, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            in_source(&path, found);
            continue;
        }
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let code = fs::read_to_string(&path).unwrap();
        for kind in ["counter!(", "gauge!(", "histogram!("] {
            for (at, _) in code.match_indices(kind) {
                let rest = &code[at + kind.len()..];
                let call = &rest[..rest.find(')').unwrap_or(rest.len())];
                let mut texts = call.split('"').skip(1).step_by(2);
                let Some(name) = texts.next().filter(|name| name.starts_with("paddock_")) else { continue };
                found.entry(name.to_owned()).or_default().extend(texts.map(str::to_owned));
            }
        }
    }
}

#[test]
fn the_page_of_figures_names_each_figure_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = BTreeMap::new();
    in_source(&root.join("src"), &mut source);
    let page = fs::read_to_string(root.join("docs/metrics.md")).unwrap();
    let cell = |cell: &str| -> BTreeSet<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let rows = page.lines().filter(|line| line.starts_with("| `paddock_"));
    let told: BTreeMap<String, BTreeSet<String>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').collect();
            (cell(cells[1]).into_iter().next().unwrap(), cell(cells[2]))
        })
        .collect();
    assert_eq!(told, source);
    // Alarms are set on figures that there are.
    for word in
        page.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).filter(|word| word.starts_with("paddock_"))
    {
        assert!(source.contains_key(word), "{word}");
    }
    assert!(source.len() >= 10);
}

#[tokio::test]
async fn the_backlog_is_what_is_due_and_waits() {
    let Start { app, .. } = TestApp::start().await;
    app.leave_jobs();
    let now = app.clock.now();
    let backlog = async || queue::backlog(app.sql(), now).await.unwrap();
    assert_eq!(backlog().await, Backlog { due: 0, oldest_seconds: 0.0, dead: 0 });
    let sync = |name: &str| SyncSubscription { subscription: name.to_owned().try_into().unwrap() };
    for (name, minutes) in [("sub_late", -5), ("sub_due", 0), ("sub_later", 5)] {
        queue::enqueue(&mut app.sql().acquire().await.unwrap(), &sync(name), Some(now + TimeDelta::minutes(minutes)))
            .await
            .unwrap();
    }
    let found = backlog().await;
    assert_eq!((found.due, found.dead), (2, 0));
    assert!((found.oldest_seconds - 300.0).abs() < 1.0, "{found:?}");
    let late = app.jobs().await.first().unwrap().id;
    queue::no_more_tries(app.sql(), late).await.unwrap();
    sqlx::query("update graphile_worker._private_jobs set attempts = max_attempts where id = $1")
        .bind(late)
        .execute(app.sql())
        .await
        .unwrap();
    let found = backlog().await;
    assert_eq!((found.due, found.dead), (1, 1));
}
