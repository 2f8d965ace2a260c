//! The table of releases: what comes into it, what is refused, and what clusters are told.

use std::process::Stdio;

use paddock::account::Scope;
use paddock::audit::Actor;
use paddock::config::REFERENCE;
use paddock::plan::{self, Releases, Version};
use paddock::rollout;

use super::{OLD, PATCH, add_release, audited, begin, quick, servers};
use crate::harness::{Client, NEWEST, Start, TestApp};

const FILE: &str = include_str!("../../../catalogue/releases.toml");

async fn published(app: &TestApp) -> Vec<String> {
    let mut conn = app.db.fleet().acquire().await.unwrap();
    rollout::published(&mut conn).await.unwrap().iter().map(|release| release.version.to_string()).collect()
}

/// Fields of the form for a release that is right but for what is changed.
async fn add(staff: &Client, change: &[(&str, &str)]) -> crate::harness::Answer {
    let web = format!("ghcr.io/mastodon/mastodon:v4.7.5@sha256:{}", "c".repeat(64));
    let streaming = format!("ghcr.io/mastodon/mastodon-streaming:v4.7.5@sha256:{}", "d".repeat(64));
    let mut fields = vec![
        ("version", "4.7.5"),
        ("web", &*web),
        ("streaming", &*streaming),
        ("min_from", "4.3.0"),
        ("notes", "n"),
        ("verified", "yes"),
    ];
    fields.retain(|(field, _)| !change.iter().any(|(changed, _)| changed == field));
    fields.extend(change);
    staff.post("/staff/releases", &fields).await
}

#[tokio::test]
async fn the_file_is_the_beginning_and_the_table_rules() {
    let Start { app, staff, .. } = TestApp::start().await;
    let mut conn = app.sql().acquire().await.unwrap();
    assert_eq!(plan::newest_offered(&mut conn).await.unwrap(), Some(NEWEST));
    staff.post("/staff/releases/4.7.4/offer", &[("offered", "no")]).await.is(303);
    assert_eq!(plan::newest_offered(&mut conn).await.unwrap(), Some(Version::new(4, 6, 9)));
    // The file comes again at the next start: it brings nothing back, only what is new to it.
    let newer = FILE.replace("4.5.20", "4.5.21");
    let brought = plan::seed_releases(&mut conn, app.clock.as_ref(), &Releases::parse(&newer).unwrap()).await.unwrap();
    assert_eq!(brought, [Version::new(4, 5, 21)]);
    assert_eq!(plan::newest_offered(&mut conn).await.unwrap(), Some(Version::new(4, 6, 9)));
}

#[tokio::test]
async fn new_servers_start_with_the_newest_that_is_offered_now() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let first = app.order(&customer, "birds").await;
    assert_eq!(app.find_instance(first.instance_id).await.mastodon_version, NEWEST.to_string());
    add(&staff, &[("offered", "yes")]).await.redirects_to("/staff/releases");
    let second = app.order(&customer, "wrens").await;
    assert_eq!(app.find_instance(second.instance_id).await.mastodon_version, "4.7.5");
    staff.post("/staff/releases/4.7.5/withdraw", &[("because", "it loses posts")]).await.is(303);
    let third = app.order(&customer, "foxes").await;
    assert_eq!(app.find_instance(third.instance_id).await.mastodon_version, NEWEST.to_string());
    staff.get("/staff/releases").await.see("Withdrawn").see("it loses posts");
    for (action, times) in [("release.added", 1), ("release.withdrawn", 1)] {
        assert_eq!(audited(&app, action).await, times, "{action}");
    }
}

#[tokio::test]
async fn each_fault_of_the_form_is_named_at_its_field() {
    let Start { app, staff, .. } = TestApp::start().await;
    let untagged = format!("ghcr.io/mastodon/mastodon@sha256:{}", "c".repeat(64));
    let other_tag = format!("ghcr.io/mastodon/mastodon:v4.7.4@sha256:{}", "c".repeat(64));
    let same = format!("ghcr.io/mastodon/mastodon-streaming:v4.7.5@sha256:{}", "c".repeat(64));
    let cases = [
        ("version", "v4.7.5", "#version"),
        ("version", "4.7", "#version"),
        ("web", "ghcr.io/mastodon/mastodon:v4.7.5", "#web"),
        ("web", "ghcr.io/mastodon/mastodon:latest", "#web"),
        ("web", &untagged, "#web"),
        ("web", &other_tag, "#web"),
        ("streaming", &same, "#streaming"),
        ("streaming", "", "#streaming"),
        ("min_from", "4.8.0", "#min_from"),
        ("notes", " ", "#notes"),
    ];
    let before = app.rows().await["releases"];
    for (field, value, link) in cases {
        let answer = add(&staff, &[(field, value)]).await.is(422);
        assert!(
            answer.attributes(".errors a", "href").contains(&link.to_owned()),
            "{field} = {value}: {}",
            answer.visible_text()
        );
    }
    assert_eq!(app.rows().await["releases"], before);
    app.staff_with(Scope::Support).post("/staff/releases", &[]).await.is(403);
}

#[tokio::test]
async fn images_do_not_change_under_those_who_run_them() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    add(&staff, &[]).await.redirects_to("/staff/releases");
    // Nobody runs it: a slip of the keys is corrected.
    let corrected = format!("ghcr.io/mastodon/mastodon:v4.7.5@sha256:{}", "e".repeat(64));
    add(&staff, &[("web", &corrected)]).await.redirects_to("/staff/releases");
    servers(&app, &customer, 1, "4.7.5").await;
    add(&staff, &[]).await.is(422).see("servers run 4.7.5 or are on their way to it");
    add(&staff, &[("web", &corrected), ("notes", "the notes may change")]).await.redirects_to("/staff/releases");
    assert_eq!((audited(&app, "release.added").await, audited(&app, "release.changed").await), (1, 2));
}

#[tokio::test]
async fn a_business_takes_no_image_that_nobody_has_looked_up() {
    let Start { app, .. } = TestApp::start().await;
    let mut tx = app.db.staff().begin().await.unwrap();
    let release = Releases::parse(FILE).unwrap().newest_offered().clone();
    let refused = rollout::add_release(&mut tx, app.clock.as_ref(), Actor::System("test"), &release, true).await.unwrap_err();
    assert!(refused.to_string().contains("crane digest"), "{refused}");
}

#[tokio::test]
async fn what_somebody_runs_stays_published_after_it_was_withdrawn() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    assert_eq!(published(&app).await, ["4.5.20", "4.6.9", "4.7.4"]);
    servers(&app, &customer, 1, OLD).await;
    for version in ["4.6.9", "4.5.20"] {
        staff.post(&format!("/staff/releases/{version}/withdraw"), &[("because", "old")]).await.is(303);
    }
    assert_eq!(published(&app).await, ["4.6.9", "4.7.4"]);
    // New servers need one to start with.
    staff.post("/staff/releases/4.7.4/withdraw", &[("because", "old")]).await.is(409).see("the only release that is offered");
    staff.post("/staff/releases/4.7.4/withdraw", &[("because", " ")]).await.is(303);
    assert_eq!(published(&app).await, ["4.6.9", "4.7.4"]);
    staff.post("/staff/releases/4.9.9/withdraw", &[("because", "old")]).await.is(404);
}

#[tokio::test]
async fn a_patch_can_not_go_back_to_what_was_withdrawn() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    servers(&app, &customer, 1, OLD).await;
    add_release(&staff, PATCH, "4.6.0", false).await;
    let id = begin(&staff, PATCH, &quick()).await;
    app.run_jobs().await;
    staff.post(&format!("/staff/releases/{OLD}/withdraw"), &[("because", "a hole")]).await.is(303);
    let answer = staff.post(&format!("/staff/rollouts/{id}/roll-back"), &[("reason", "because")]).await.is(409);
    answer.see("4.6.9 is withdrawn, so no server can go back to it");
}

/// Runs `paddock admin …` on a database; its output, or what it complains about.
async fn admin(database: &str, arguments: &[&str]) -> Result<String, String> {
    let folder = std::env::temp_dir().join(format!("paddock-admin-{}", hex::encode(paddock::crypto::random::<6>())));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("paddock.toml");
    std::fs::write(&config, REFERENCE.replacen("postgres://paddock@127.0.0.1/paddock", database, 1)).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_paddock"));
    command.arg("admin").args(arguments).arg("--config").arg(&config).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn the_command_line_adds_lists_and_withdraws() {
    let Start { app, .. } = TestApp::start().await;
    let database = app.database_url();
    let web = format!("ghcr.io/mastodon/mastodon:v4.7.5@sha256:{}", "c".repeat(64));
    let streaming = format!("ghcr.io/mastodon/mastodon-streaming:v4.7.5@sha256:{}", "d".repeat(64));
    let fields = [
        "release",
        "add",
        "4.7.5",
        "--web",
        &web,
        "--streaming",
        &streaming,
        "--min-from",
        "4.3.0",
        "--notes",
        "n",
        "--security",
    ];
    assert_eq!(admin(&database, &fields).await.unwrap(), "4.7.5 is added");
    let mut bad = fields;
    bad[4] = "ghcr.io/mastodon/mastodon:v4.7.5";
    assert!(admin(&database, &bad).await.unwrap_err().contains("web: must be registry/name"));
    let list = admin(&database, &["release", "list"]).await.unwrap();
    assert!(list.starts_with("4.7.5    from 4.3.0, closes a hole, digests not verified") && list.contains(&web), "{list}");
    assert_eq!(admin(&database, &["release", "withdraw", "4.7.5", "--because", "a slip"]).await.unwrap(), "4.7.5 is withdrawn");
    assert!(admin(&database, &["release", "list"]).await.unwrap().contains("a slip"));
    assert!(
        admin(&database, &["release", "withdraw", "9.9.9", "--because", "a slip"])
            .await
            .unwrap_err()
            .contains("there is no release 9.9.9")
    );

    let size: Vec<String> = ["services", "pods", "custom-resources", "memory-mib", "cpu-milli", "volumes", "volume-gib"]
        .iter()
        .flat_map(|amount| [format!("--{amount}"), "1000".to_owned()])
        .collect();
    let with = |first: &[&'static str]| {
        first.iter().copied().chain(size.iter().map(String::as_str)).map(str::to_owned).collect::<Vec<_>>()
    };
    let run = async |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        admin(&database, &arguments).await
    };
    assert!(
        run(with(&["cluster", "add", "north", "--kubeconfig", "north.yaml", "--region", "Tampere"]))
            .await
            .unwrap()
            .starts_with("clu_")
    );
    assert!(run(with(&["cluster", "add", "north"])).await.unwrap_err().contains("there is a cluster \"north\" already"));
    assert!(
        run(with(&["cluster", "add", "south", "--kubeconfig", "../etc/shadow"]))
            .await
            .unwrap_err()
            .contains("kubeconfig is \"../etc/shadow\"")
    );
    assert_eq!(admin(&database, &["cluster", "drain", "north"]).await.unwrap(), "it gets no new servers any more");
    assert_eq!(admin(&database, &["cluster", "drain", "north"]).await.unwrap(), "it got none already");
    admin(&database, &["cluster", "set-capacity", "north", "--services", "2000"]).await.unwrap();
    let list = admin(&database, &["cluster", "list"]).await.unwrap();
    assert!(list.contains("north (Tampere): drained, 0 servers, has never answered: the fleet has not reached it yet"), "{list}");
    assert!(list.contains("services                  0 of       1500 promised, of       2000"), "{list}");
    assert_eq!(admin(&database, &["cluster", "undrain", "north"]).await.unwrap(), "it gets new servers again");
    assert!(admin(&database, &["cluster", "drain", "west"]).await.unwrap_err().contains("there is no cluster west"));
}
