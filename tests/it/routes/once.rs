//! Calls of the API that carry a key are done once.

use chrono::TimeDelta;
use paddock::account::call::{BROKEN_AFTER, KEPT};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Start, TestApp};

async fn ask(client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    client.send(client.api(Method::POST, path).header("idempotency-key", key).json(body)).await
}

async fn invited(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from invitations").fetch_one(app.sql()).await.unwrap()
}

const PATH: &str = "/api/v1/invitations";

fn owl() -> Value {
    json!({ "email": "owl@mail.example", "role": "viewer" })
}

#[tokio::test]
async fn a_call_that_is_sent_again_is_answered_as_the_first_time() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let first = ask(&customer, PATH, "one", &owl()).await.is(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    for _ in 0..2 {
        let again = ask(&customer, PATH, "one", &owl()).await.is(201);
        assert_eq!((again.json(), again.header("idempotency-replayed")), (first.json(), "true"));
        assert_eq!(again.header("content-type"), "application/json");
        assert_eq!(again.header("cache-control"), "no-store");
    }
    assert_eq!(invited(&app).await, 1);
    // Another key, or none, is another call.
    assert_ne!(ask(&customer, PATH, "two", &owl()).await.is(201).json(), first.json());
    customer.api_post(PATH, &owl()).await.is(201);
    assert_eq!(invited(&app).await, 3);
    // And a day later it is one again.
    app.advance(KEPT + TimeDelta::seconds(1));
    let mut conn = app.db.worker().acquire().await.unwrap();
    assert_eq!(paddock::account::call::forget_old(&mut conn, app.clock.as_ref()).await.unwrap(), 2);
    drop(conn);
    let customer = app.sign_in_again(&customer).await;
    ask(&customer, PATH, "one", &owl()).await.is(201);
    assert_eq!(invited(&app).await, 4);
    app.run_jobs().await;
}

#[tokio::test]
async fn a_key_is_for_one_call_of_one_person() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let (customer, other) = (app.sign_in_again(&customer).await, app.sign_in_again(&other_customer).await);
    ask(&customer, PATH, "one", &owl()).await.is(201);
    let heron = json!({ "email": "heron@mail.example", "role": "viewer" });
    for (path, body) in [(PATH, &heron), ("/api/v1/members/leave", &owl())] {
        assert_eq!(ask(&customer, path, "one", body).await.is(409).json()["code"], "key_used");
    }
    // Somebody else's key of the same name is their own.
    ask(&other, PATH, "one", &owl()).await.is(201);
    assert_eq!(invited(&app).await, 2);
    for key in ["", " ", &"k".repeat(256)] {
        let refused = ask(&customer, PATH, key, &owl()).await.is(400).json();
        assert_eq!(refused["errors"][0]["field"], "idempotency-key");
    }
    app.run_jobs().await;
}

#[tokio::test]
async fn what_was_refused_may_be_sent_again() {
    let Start { app, customer, .. } = TestApp::start().await;
    let stale = app.sign_in_again(&customer).await;
    app.advance(TimeDelta::minutes(10));
    let customer = app.sign_in_again(&customer).await;
    ask(&stale, PATH, "one", &owl()).await.is(403);
    let nonsense = json!({ "email": "owl", "role": "viewer" });
    for _ in 0..2 {
        let refused = ask(&customer, PATH, "one", &nonsense).await.is(422);
        assert_eq!(refused.header("idempotency-replayed"), "");
    }
    ask(&customer, PATH, "one", &owl()).await.is(201);
    assert_eq!((invited(&app).await, app.rows().await["calls_once"]), (1, 1));
    app.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_done_once() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let body = owl();
    let all = futures::future::join_all((0..12).map(|_| ask(&customer, PATH, "one", &body))).await;
    for answer in &all {
        assert!([201, 409].contains(&answer.status.as_u16()), "{}", answer.body);
        assert!(answer.status.as_u16() == 201 || answer.json()["code"] == "call_in_progress", "{}", answer.body);
    }
    assert_eq!(invited(&app).await, 1);
    app.run_jobs().await;
}

#[tokio::test]
async fn a_call_that_broke_off_is_done_when_it_is_sent_again() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    ask(&customer, PATH, "one", &owl()).await.is(201);
    // As a process leaves it that dies before the answer.
    sqlx::query("update calls_once set status = null, body = null").execute(app.sql()).await.unwrap();
    assert_eq!(ask(&customer, PATH, "one", &owl()).await.is(409).json()["code"], "call_in_progress");
    app.advance(BROKEN_AFTER);
    ask(&customer, PATH, "one", &owl()).await.is(201);
    assert_eq!(ask(&customer, PATH, "one", &owl()).await.is(201).header("idempotency-replayed"), "true");
    app.run_jobs().await;
}

#[tokio::test]
async fn answers_with_secrets_are_not_kept() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let wanted = json!({ "name": "a script", "scope": "read", "days": 30 });
    let (one, two) =
        (ask(&customer, "/api/v1/tokens", "one", &wanted).await, ask(&customer, "/api/v1/tokens", "one", &wanted).await);
    assert_ne!(one.is(201).json()["token"], two.is(201).json()["token"]);
    assert_eq!(app.rows().await["calls_once"], 0);
}
