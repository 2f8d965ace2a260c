//! Alerts: found by rules, told once by mail and webhook, looked after by somebody, over when their rule stays quiet.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::desk::alerts::Rule;
use paddock::ids::AlertId;
use paddock::worker;
use serde_json::Value;

use crate::harness::{Capacity, Start, TestApp};

const STAFF: &str = "staff@host.example";

/// The job of each minute, and what follows from it.
async fn look(app: &TestApp) {
    sqlx::query("select enqueue_job('look_for_alerts', '{}', 'look_for_alerts:all', null, null)")
        .execute(app.sql())
        .await
        .unwrap();
    app.run_jobs().await;
}

/// Stripe's list of events has just been read.
async fn read_list(app: &TestApp) {
    sqlx::query("update stripe_reading set events_read_at = $1").bind(app.clock_now()).execute(app.sql()).await.unwrap();
}

/// Subjects of the mails to the host's people, oldest first.
fn told(app: &TestApp) -> Vec<String> {
    app.mails_to(STAFF).into_iter().map(|letter| letter.subject).collect()
}

/// What the rules say: verdict by rule, in the order of the page.
async fn verdicts(app: &TestApp) -> Vec<String> {
    let rows: Vec<(String, String)> = sqlx::query_as("select rule, verdict from alert_rules").fetch_all(app.sql()).await.unwrap();
    let of = |rule: Rule| rows.iter().find(|(of, _)| of == rule.word()).map(|(_, verdict)| verdict.clone()).unwrap();
    Rule::ALL.map(of).into()
}

#[tokio::test]
async fn an_alert_is_told_once_looked_after_and_over_when_it_stays_quiet() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    look(&app).await;
    assert!(told(&app).is_empty(), "{:?}", told(&app));
    app.advance(TimeDelta::hours(49));
    let staff = app.sign_in_again(&staff).await;
    for _ in 0..3 {
        read_list(&app).await;
        look(&app).await;
        app.advance(TimeDelta::minutes(1));
    }
    assert_eq!(told(&app), ["To look at: Backups not proven"]);
    let letter = app.mail_to(STAFF);
    assert!(letter.text.contains("One server has run for too long") && letter.text.contains("/staff/runbooks/backup-unproven"));
    staff.get("/staff/alerts").await.is(200).see("One server has run for too long").see("I look after it");
    staff.get("/staff").await.see("Open alerts 1");
    staff.get("/staff/runbooks/backup-unproven").await.is(200).see("What to look at first");

    // A day later it is told again, and not any more once somebody looks after it.
    app.advance(TimeDelta::hours(24));
    let staff = app.sign_in_again(&staff).await;
    look(&app).await;
    look(&app).await;
    assert_eq!(told(&app).last().unwrap(), "Still to look at: Backups not proven");
    assert_eq!(told(&app).len(), 2);
    let page = staff.get("/staff/alerts").await.is(200);
    let action = page.attributes("form[action$=acknowledge]", "action").pop().unwrap();
    let answer = staff.submit(&page, &action, &[]).await.redirects_to("/staff/alerts");
    staff.follow(answer).await.see("Nobody is reminded").see("looks after it, since").not_see("I look after it");
    let answer = staff.post(&action, &[]).await.redirects_to("/staff/alerts");
    staff.follow(answer).await.see("somebody looks after it already");
    app.advance(TimeDelta::hours(24));
    look(&app).await;
    assert_eq!(told(&app).len(), 2);

    let proven = "update instances set observed = jsonb_set(observed, '{conditions}', (observed -> 'conditions') ||
                  '{\"type\": \"RestoreProven\", \"status\": \"True\", \"reason\": \"Proven\", \"message\": \"\",
                    \"lastTransitionTime\": \"2026-11-25T00:00:00Z\"}')";
    sqlx::query(proven).execute(app.sql()).await.unwrap();
    let staff = app.sign_in_again(&staff).await;
    look(&app).await;
    staff.get("/staff/alerts").await.see("over when it stays so");
    assert_eq!(told(&app).len(), 2, "quiet for a moment is not over");
    app.advance(TimeDelta::minutes(5));
    look(&app).await;
    assert_eq!(told(&app).last().unwrap(), "Over: Backups not proven");
    staff.get("/staff/alerts").await.is(200).see("Nothing at the moment.");
    let audited: Vec<(String, String)> =
        sqlx::query_as("select actor_kind, detail ->> 'rule' from audit_events where action = 'alert.acknowledged'")
            .fetch_all(app.sql())
            .await
            .unwrap();
    assert_eq!(audited, [("staff".to_owned(), "backup-unproven".to_owned())]);
}

#[tokio::test]
async fn what_is_not_known_is_said_to_be_not_known_since_when() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let page = staff.get("/staff/alerts").await.is(200);
    assert_eq!(page.all("tbody .state.failed").len(), Rule::ALL.len(), "before the first look nothing is known");
    page.see("Nobody has looked yet");
    app.running(&customer, "birds").await;
    sqlx::query("update stripe_reading set events_read_at = null").execute(app.sql()).await.unwrap();
    app.advance(TimeDelta::days(4));
    let staff = app.sign_in_again(&staff).await;
    look(&app).await;
    let now = verdicts(&app).await;
    assert_eq!(now[2], "unknown", "nobody has ever seen the certificate: {now:?}");
    assert_eq!(now[5], "unknown", "no cluster has been heard of: {now:?}");
    assert_eq!(now[6], "unknown", "Stripe's list was never read: {now:?}");
    staff.get("/staff/alerts").await.is(200).see("Not known it never was");
    assert!(told(&app).iter().all(|subject| !subject.contains("Certificates") && !subject.contains("webhooks")));
    // A worker that has ended looks no more, and its last word does not stand for the present.
    app.advance(TimeDelta::minutes(6));
    let page = staff.get("/staff/alerts").await.is(200).see("nobody has looked since then");
    assert_eq!(page.all("tbody .state.done").len(), 0);
    app.leave_jobs();
}

#[tokio::test]
async fn each_rule_fires_on_what_it_is_for() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(1)).await;
    let server = app.running(&customer, "birds").await;
    app.try_order(&other_customer, "bees").await.unwrap();
    let now = app.clock_now();
    for sql in [
        "insert into certificates (instance_id, until, seen_at) select id, $1::timestamptz + interval '13 days', $1 from instances",
        "update subscriptions set open_invoice_since = $1",
        "insert into figures (name, at, value) values ('past-due', $1::timestamptz - interval '25 hours', 0)",
        "insert into stripe_events (id, kind, api_version, payload, received_at, source, handled_at)
         values ('evt_missed', 'x', 'x', '', $1::timestamptz + interval '1 hour', 'list', $1)",
    ] {
        sqlx::query(sql).bind(now).execute(app.sql()).await.unwrap();
    }
    app.advance(TimeDelta::minutes(71));
    look(&app).await;
    let said = verdicts(&app).await;
    assert_eq!((said[2].as_str(), said[4].as_str(), said[6].as_str()), ("firing", "firing", "firing"), "{said:?}");
    assert_eq!(said[3], "quiet", "one past due is usual: {said:?}");
    // What is paid and no server yet.
    sqlx::query("update instances set ready_at = null where id = $1").bind(server.id).execute(app.sql()).await.unwrap();
    look(&app).await;
    assert_eq!(verdicts(&app).await[0], "firing");
    app.leave_jobs();
}

#[tokio::test]
async fn the_webhook_is_called_until_it_takes_it_and_its_address_stays_secret() {
    #[derive(Clone, Default)]
    struct Hook(Arc<Mutex<(bool, Vec<Value>)>>);
    async fn take(State(hook): State<Hook>, Json(body): Json<Value>) -> StatusCode {
        let mut inside = hook.0.lock().unwrap();
        if !inside.0 {
            inside.0 = true;
            return StatusCode::BAD_GATEWAY;
        }
        inside.1.push(body);
        StatusCode::NO_CONTENT
    }
    let Start { app, .. } = TestApp::start_with(Capacity(0)).await;
    app.leave_jobs();
    let hook = Hook::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}/hooks/very-secret", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/hooks/very-secret", post(take)).with_state(hook.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let alerts = worker::Alerts { webhook: Some(address.into()), ..app.deps.alerts.clone() };
    let deps = Arc::new(worker::Deps { alerts, ..(*app.deps).clone() });
    sqlx::query("select enqueue_job('look_for_alerts', '{}', 'look_for_alerts:all', null, null)")
        .execute(app.sql())
        .await
        .unwrap();
    for _ in 0..3 {
        worker::run_once(Arc::clone(&deps)).await.unwrap();
    }
    let failed = app.jobs().await.into_iter().find(|job| job.task == "call_webhook").unwrap();
    let why = failed.last_error.unwrap();
    assert!(why.contains("502") && !why.contains("very-secret"), "{why}");
    sqlx::query("update graphile_worker._private_jobs set run_at = now() where attempts > 0").execute(app.sql()).await.unwrap();
    worker::run_once(deps).await.unwrap();
    let bodies = hook.0.lock().unwrap().1.clone();
    assert_eq!(bodies.len(), 1);
    assert_eq!((bodies[0]["rule"].as_str(), bodies[0]["state"].as_str()), (Some("capacity"), Some("began")), "{bodies:?}");
    let text = bodies[0]["text"].as_str().unwrap();
    assert!(text.starts_with("To look at: Little room is left. 0 % of") && text.contains("/staff/alerts"), "{text}");
    assert!(bodies[0]["runbook"].as_str().unwrap().ends_with("/staff/runbooks/capacity"));
}

#[tokio::test]
async fn only_those_who_operate_look_after_alerts() {
    let Start { app, customer, .. } = TestApp::start().await;
    let support = app.staff_with(Scope::Support);
    support.get("/staff/alerts").await.is(200);
    support.post(&format!("/staff/alerts/{}/acknowledge", AlertId::new()), &[]).await.is(403);
    support.get("/staff/runbooks/nothing").await.is(404);
    customer.get("/staff/alerts").await.is(404);
}

/// A page for each rule, which the list of documents names, and none for what there is not.
#[test]
fn each_rule_has_a_runbook_and_each_runbook_a_rule() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut files: Vec<String> = std::fs::read_dir(root.join("runbooks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".md").to_owned())
        .collect();
    let mut rules: Vec<String> = Rule::ALL.iter().map(|rule| rule.word().to_owned()).collect();
    files.sort();
    rules.sort();
    assert_eq!(files, rules);
    let list = std::fs::read_to_string(root.join("alerts.md")).unwrap();
    for rule in rules {
        assert!(list.contains(&format!("(runbooks/{rule}.md)")), "docs/alerts.md does not lead to {rule}");
        let text = std::fs::read_to_string(root.join(format!("runbooks/{rule}.md"))).unwrap();
        for part in ["## What it means", "## What to look at first", "## What helps", "## When it is over"] {
            assert!(text.contains(part), "{rule} has no part “{part}”");
        }
    }
}
