//! Archives of a server: asked for, proven, fetched by a link, and gone when their time is over.

use std::sync::Arc;

use chrono::TimeDelta;
use paddock::archive::shelf::{BucketShelf, Depot};
use paddock::clock::SystemClock;
use paddock::demo::rig::{REGION, Rig};
use paddock::ids::{ArchiveId, InstanceId, RunId};
use paddock::instance::{Instance, archive_proven_at, export};
use paddock::resource::{Action, RunPhase, Standing, backup_bucket, namespace_name, time};
use serde_json::{Value, json};
use sqlx::types::Json;

use crate::harness::{Answer, Client, S3Client, Start, TestApp};

const PHRASE: &str = "correct horse battery";

/// A store of archives on the rig's object store.
async fn depot() -> Depot {
    let s3 = Rig::shared().await.unwrap().s3();
    let (access, secret) = s3.root_credentials();
    let endpoint = s3.endpoint().parse().unwrap();
    Depot::new(endpoint, REGION.into(), access.into(), secret.to_owned().into(), Arc::new(SystemClock)).unwrap()
}

async fn ask(customer: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = customer.get(path).await.is(200);
    customer.submit(&page, path, fields).await
}

/// The runs of a kind: id and action.
async fn runs(app: &TestApp, kind: &str) -> Vec<(RunId, Action)> {
    let rows: Vec<(RunId, Json<Action>)> =
        sqlx::query_as("select id, action from runs where kind = $1 order by id").bind(kind).fetch_all(app.sql()).await.unwrap();
    rows.into_iter().map(|(id, action)| (id, action.0)).collect()
}

/// Lets a run end as the operator would say it.
async fn ends(app: &TestApp, run: RunId, well: bool, said: &Value) {
    let began = time(app.clock_now());
    app.advance(TimeDelta::minutes(2));
    let standing = if well {
        Standing::new(RunPhase::Succeeded, "Succeeded", "done")
    } else {
        Standing::new(RunPhase::Failed, "Failed", "it ended with the code 3; what it printed says why")
    };
    app.observe_run(run, standing, |status| {
        status.started_at = Some(began);
        status.written = serde_json::from_value(said["written"].clone()).unwrap();
        status.proven = serde_json::from_value(said["proven"].clone()).unwrap();
    })
    .await;
}

fn written(manifest: &str, snapshot: &str) -> Value {
    json!({"written": {
        "manifest": manifest, "signer": "c2lnbmVy", "bytes": 3_210_000_000_i64, "parts": 12, "objects": 7, "missing": 1, "snapshot": snapshot,
    }})
}

fn proven(manifest: &str) -> Value {
    json!({"proven": {"manifest": manifest, "tables": 90, "rows": 12_345, "objects": 7, "actors": 3, "pairs": 3, "opened": true}})
}

async fn only(app: &TestApp) -> (ArchiveId, String) {
    sqlx::query_as("select id, state from archives order by id desc limit 1").fetch_one(app.sql()).await.unwrap()
}

#[tokio::test]
async fn an_archive_is_asked_for_written_proven_and_shown() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/archives", instance.id);
    customer.get(&format!("/instances/{}", instance.id)).await.is(200).see("Archives");
    let page = customer.get(&path).await.is(200).see("There is none yet").see("No archive of this server has been restored");
    assert!(!page.visible_text().contains("archive-"), "{}", page.visible_text());
    other_customer.get(&path).await.is(404);

    for (fields, said) in [
        (vec![("scope", "without_cache"), ("passphrase", "short")], "Enter at least 12 letters"),
        (vec![("scope", "without_cache")], "Enter a passphrase, or a public key below"),
        (vec![("scope", "everything"), ("passphrase", PHRASE)], "Choose what the archive is to hold"),
        (vec![("scope", "without_cache"), ("recipient", "age1x")], "begins with age1"),
        (vec![("scope", "without_cache"), ("recipient", "age1x"), ("passphrase", PHRASE)], "not both"),
    ] {
        ask(&customer, &path, &fields).await.is(422).see(said);
    }
    assert!(runs(&app, "export").await.is_empty());

    let answer = ask(&customer, &path, &[("scope", "without_cache"), ("passphrase", PHRASE)]).await.redirects_to(&path);
    let page = customer.follow(answer).await.see("It is asked for");
    assert_eq!(page.attributes("[data-live]", "data-live"), [format!("{path}/live")]);
    let (id, _) = only(&app).await;
    let exports = runs(&app, "export").await;
    let [(run, Action::Export { archive, recipients, .. })] = exports.as_slice() else { panic!("no export") };
    assert_eq!(archive.0, id);
    let key_file: String = sqlx::query_scalar("select key_file from archives").fetch_one(app.sql()).await.unwrap();
    assert!(key_file.contains("AGE ENCRYPTED FILE") && !key_file.contains(PHRASE) && recipients[0].as_str().starts_with("age1"));
    // One at a time.
    let answer = ask(&customer, &path, &[("scope", "database_only"), ("passphrase", PHRASE)]).await.redirects_to(&path);
    customer.follow(answer).await.see("One is being made");

    let manifest = "0a".repeat(32);
    let snapshot = app.clock_now().to_rfc3339();
    ends(&app, *run, true, &written(&manifest, &snapshot)).await;
    assert_eq!(only(&app).await.1, "written");
    customer.get(&path).await.see("Complete, being proven").see("3.2 GB");
    app.run_jobs().await;
    let proofs = runs(&app, "verify").await;
    let [(proof, Action::Verify { archive, manifest: wanted })] = proofs.as_slice() else { panic!("no proof") };
    assert_eq!((archive.0, wanted.as_str()), (id, manifest.as_str()));
    app.run_jobs().await;
    assert_eq!(runs(&app, "verify").await.len(), 1, "one proof at a time");
    ends(&app, *proof, true, &proven(&manifest)).await;
    assert_eq!(only(&app).await.1, "proven");
    app.run_jobs().await;
    let page = customer.get(&path).await.see("Proven").see("12345 rows in 90 tables, 3 private keys and 7 media files");
    assert_eq!(page.attributes("[data-live]", "data-live"), [""; 0]);
    let mail = app.mail_to(&customer.who.email);
    assert_eq!(mail.subject, format!("The archive of {} is ready", instance.domain));
    let mut conn = app.sql().acquire().await.unwrap();
    let seen = archive_proven_at(&mut conn, instance.id).await.unwrap().unwrap();
    assert!(seen.to_rfc3339()[..19] == snapshot[..19], "as of the moment of which it is");
    let audited: Vec<String> = sqlx::query_scalar("select action from audit_events where action like 'archive.%' order by id")
        .fetch_all(&mut *conn)
        .await
        .unwrap();
    assert_eq!(audited, ["archive.requested", "archive.proof_requested"]);
}

#[tokio::test]
async fn a_proof_that_fails_is_tried_again_and_another_archive_is_not_taken_for_it() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/archives", instance.id);
    ask(&customer, &path, &[("scope", "database_only"), ("passphrase", PHRASE)]).await.redirects_to(&path);
    let manifest = "0a".repeat(32);
    ends(&app, runs(&app, "export").await[0].0, true, &written(&manifest, &app.clock_now().to_rfc3339())).await;
    for tries in 1..=3 {
        app.run_jobs().await;
        let proofs = runs(&app, "verify").await;
        assert_eq!(proofs.len(), tries);
        if tries == 2 {
            // A report of another archive proves nothing.
            ends(&app, proofs[1].0, true, &proven(&"0b".repeat(32))).await;
        } else {
            ends(&app, proofs[tries - 1].0, false, &json!({})).await;
        }
        assert_eq!(only(&app).await.1, "written");
    }
    app.run_jobs().await;
    assert_eq!(runs(&app, "verify").await.len(), 3, "and no more");
    customer.get(&path).await.see("The trial restore did not succeed");
    let mut conn = app.sql().acquire().await.unwrap();
    assert_eq!(archive_proven_at(&mut conn, instance.id).await.unwrap(), None);
    drop(conn);

    // One that can't be written is told by mail, and does not count among those that are kept.
    ask(&customer, &path, &[("scope", "database_only"), ("passphrase", PHRASE)]).await.redirects_to(&path);
    ends(&app, runs(&app, "export").await[1].0, false, &json!({})).await;
    assert_eq!(only(&app).await.1, "failed");
    app.run_jobs().await;
    assert_eq!(app.mail_to(&customer.who.email).subject, format!("The archive of {} could not be made", instance.domain));
}

/// Files of an archive as they lie in the store; returns the SHA-256 of its manifest.
async fn stored(app_depot: &Depot, instance: InstanceId, archive: ArchiveId) -> String {
    let s3 = Rig::shared().await.unwrap().s3();
    let (access, secret) = s3.root_credentials();
    S3Client::new(s3.endpoint(), REGION, access, secret).put(&format!("/{}", backup_bucket(&namespace_name(instance))), "").await;
    let shelf: BucketShelf = export::shelf(app_depot, instance, archive);
    let (manifest, files) = crate::archive::some_files();
    for (name, bytes) in &files {
        shelf.put(name, bytes).await.unwrap();
    }
    shelf.put("progress.json", b"{}").await.unwrap();
    hex::encode(paddock::crypto::sha256(&manifest))
}

/// A server with an archive that is there.
async fn with_archive(app: &TestApp, customer: &Client, depot: &Depot) -> (Instance, ArchiveId) {
    let instance = app.running(customer, "birds").await;
    let path = format!("/instances/{}/archives", instance.id);
    ask(customer, &path, &[("scope", "without_cache"), ("passphrase", PHRASE)]).await.redirects_to(&path);
    let (id, _) = only(app).await;
    let manifest = stored(depot, instance.id, id).await;
    ends(app, runs(app, "export").await[0].0, true, &written(&manifest, &app.clock_now().to_rfc3339())).await;
    (instance, id)
}

fn path_of(app: &TestApp, url: &str) -> String {
    url.strip_prefix(app.base()).unwrap_or(url).to_owned()
}

#[tokio::test]
async fn an_archive_is_fetched_by_whoever_has_the_link_in_ranges_and_by_nobody_else() {
    let depot = depot().await;
    let Start { app, anon, customer, other_customer, .. } = TestApp::start_with_depot(depot.clone()).await;
    let (instance, id) = with_archive(&app, &customer, &depot).await;
    let one = format!("/instances/{}/archives/{id}", instance.id);
    other_customer.get(&one).await.is(404);
    let page = customer.get(&one).await.is(200).see("Linux and macOS").see("Windows").see("key.age and your passphrase");
    let line = page.attributes("[data-copy]", "data-copy")[0].clone();
    assert!(line.starts_with("curl -fsS \"") && line.ends_with("\" | curl -K -"), "{line}");
    let list = path_of(&app, line.split('"').nth(1).unwrap());

    let text = anon.get(&list).await.is(200).body;
    assert!(text.contains("continue-at = \"-\"") && text.contains(&format!("output = \"{id}/manifest.json\"")), "{text}");
    let urls: Vec<String> =
        text.lines().filter_map(|line| line.strip_prefix("url = \"")?.strip_suffix('"')).map(|url| path_of(&app, url)).collect();
    assert!(urls.len() > 6 && urls.iter().any(|url| url.contains("/key.age?")), "{urls:?}");
    for url in &urls {
        anon.get(url).await.is(200);
    }
    let media = urls.iter().find(|url| url.contains("/media-00001.tar.zst?")).unwrap();
    let range = anon.send(anon.request(http::Method::GET, media).header("range", "bytes=2-5")).await.is(206);
    assert!(range.header("content-range").starts_with("bytes 2-5/") && range.header("cache-control") == "no-store");
    anon.send(anon.request(http::Method::GET, media).header("range", "bytes=999999999-")).await.is(416);
    // Nothing else that lies there, nothing of others, nothing with another signature or time.
    let other = media.replace("media-00001.tar.zst", "progress.json");
    anon.get(&other).await.is(404);
    anon.get(&media.replace(&id.to_string(), &ArchiveId::new().to_string())).await.is(404);
    anon.get(&media.replace("until=1", "until=2")).await.is(404);
    anon.get(&format!("/downloads/{id}/manifest.json")).await.is(404);
    let audited: i64 =
        sqlx::query_scalar("select count(*) from audit_events where action = 'archive.link'").fetch_one(app.sql()).await.unwrap();
    assert_eq!(audited, 1);

    // The same for programs that have just shown who they are; a day later the link is of no use.
    let link = customer.api_post(&format!("/api/v1{one}/link"), &json!({})).await.is(200).json();
    anon.get(&path_of(&app, link["manifest"].as_str().unwrap())).await.is(200);
    app.advance(TimeDelta::hours(25));
    anon.get(media).await.is(404);
    assert_eq!(customer.api_post(&format!("/api/v1{one}/link"), &json!({})).await.is(403).json()["code"], "proof_required");
    app.leave_jobs();
}

#[tokio::test]
async fn when_its_time_is_over_the_bytes_go_first_and_then_the_row_says_so() {
    let depot = depot().await;
    let Start { app, customer, .. } = TestApp::start_with_depot(depot.clone()).await;
    let (instance, id) = with_archive(&app, &customer, &depot).await;
    let shelf = export::shelf(&depot, instance.id, id);
    assert!(!shelf.list().await.unwrap().is_empty());
    app.run_jobs().await;
    ends(&app, runs(&app, "verify").await[0].0, false, &json!({})).await;
    // What lies beside stays.
    let beside = export::shelf(&depot, instance.id, ArchiveId::new());
    beside.put("manifest.json", b"x").await.unwrap();

    let api = format!("/api/v1/instances/{}/archives/{id}", instance.id);
    assert_eq!(customer.api_get(&api).await.is(200).json()["available"], true);
    assert_eq!(customer.api_delete(&api).await.is(202).json()["available"], false);
    assert_eq!(customer.api_delete(&api).await.is(409).json()["code"], "not_available");
    app.run_jobs().await;
    assert!(shelf.list().await.unwrap().is_empty() && beside.list().await.unwrap().len() == 1);
    let gone = customer.api_get(&api).await.is(200).json();
    assert_eq!((gone["state"].as_str(), gone["removed_at"].is_string()), (Some("removed"), true), "{gone}");
    customer.get(&format!("/instances/{}/archives", instance.id)).await.see("Removed");
    let last: String =
        sqlx::query_scalar("select action from audit_events order by id desc limit 1").fetch_one(app.sql()).await.unwrap();
    assert_eq!(last, "archive.removed");
}

#[tokio::test]
async fn the_newest_proven_archive_is_proven_again_each_week() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/archives", instance.id);
    ask(&customer, &path, &[("scope", "without_cache"), ("passphrase", PHRASE)]).await.redirects_to(&path);
    let manifest = "0a".repeat(32);
    ends(&app, runs(&app, "export").await[0].0, true, &written(&manifest, &app.clock_now().to_rfc3339())).await;
    app.run_jobs().await;
    ends(&app, runs(&app, "verify").await[0].0, true, &proven(&manifest)).await;
    app.advance(TimeDelta::days(6));
    app.run_jobs().await;
    assert!(runs(&app, "restore-drill").await.is_empty());
    app.advance(TimeDelta::days(2));
    let mut conn = app.db.worker().acquire().await.unwrap();
    paddock::queue::enqueue(&mut conn, &export::KeepArchives {}, None).await.unwrap();
    drop(conn);
    app.run_jobs().await;
    let drills = runs(&app, "restore-drill").await;
    assert_eq!(drills.len(), 1);
    // What can't be restored any more is proven no more, and the server says when it last was.
    ends(&app, drills[0].0, false, &json!({})).await;
    assert_eq!(only(&app).await.1, "written");
    app.run_jobs().await;
}

#[tokio::test]
async fn with_a_proven_archive_of_a_stopped_server_one_step_removes_it() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let (page, archives) = (format!("/staff/instances/{}", instance.id), format!("/instances/{}/archives", instance.id));
    let removal = format!("{page}/removal");
    let early = ("early", "Its people have what they want.");
    let typed = [("address", "birds.meadow.social"), early];
    let manifest = "0a".repeat(32);
    let take = async |nth: usize, scope: &str| {
        ask(&customer, &archives, &[("scope", scope), ("passphrase", PHRASE)]).await.redirects_to(&archives);
        ends(&app, runs(&app, "export").await[nth].0, true, &written(&manifest, &app.clock_now().to_rfc3339())).await;
        app.run_jobs().await;
        ends(&app, runs(&app, "verify").await[nth].0, true, &proven(&manifest)).await;
        app.run_jobs().await;
    };
    // One of the running server is not the last word.
    take(0, "without_cache").await;
    app.advance(TimeDelta::hours(1));
    let staff = app.sign_in_again(&staff).await;
    staff.post(&format!("{page}/pause"), &[("reason", "unpaid")]).await.redirects_to(&page);
    staff.post(&format!("{page}/end"), &[("reason", "contract ended")]).await.redirects_to(&page);
    staff.get(&removal).await.is(200).see("there is no proven archive");
    staff.post(&format!("{removal}/archived"), &typed).await.is(422).see("No archive of this server is proven");
    // Nor is one without the media.
    take(1, "database_only").await;
    staff.post(&format!("{removal}/archived"), &typed).await.is(422).see("No archive of this server is proven");
    take(2, "without_cache").await;
    staff.get(&removal).await.is(200).see("nobody else has to confirm");
    staff.post(&format!("{removal}/archived"), &[("address", "owls.meadow.social"), early]).await.is(422).see("not the address");
    // Its data should be kept for a while yet: that takes a reason here as well.
    let form = staff.get(&removal).await.see("Its data should be kept until");
    let answer = staff.submit(&form, &format!("{removal}/archived"), &typed[..1]).await.is(422).see("kept for a while yet");
    assert_eq!(answer.attributes(".errors a", "href"), ["#early"]);
    staff.post(&format!("{removal}/archived"), &typed).await.redirects_to(&page);
    staff.get(&removal).await.see("The removal is confirmed");
    let cluster = sqlx::query_scalar("select cluster_id from instances").fetch_one(app.sql()).await.unwrap();
    let push = paddock::instance::to_push(&mut app.db.fleet().acquire().await.unwrap(), cluster, 10).await.unwrap().remove(0);
    assert_eq!((push.removal_archive, push.removal_manifest), (Some(only(&app).await.0), Some(manifest.clone())));
    let kept: bool =
        sqlx::query_scalar("select expires_at > written_at + interval '59 days' from archives order by id desc limit 1")
            .fetch_one(app.sql())
            .await
            .unwrap();
    assert!(kept, "of a server that has ended it is kept longer");
}
