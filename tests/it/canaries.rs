//! Secrets that must not be seen: planted everywhere, then looked for in what is logged, kept, shown to others and sent.

use std::io::Write;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use paddock::telemetry::Scrubbing;
use paddock::worker;
use serde_json::json;
use sqlx::AssertSqlSafe;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::harness::{Client, Identity, PASSWORD, Start, TestApp};
use crate::webhooks::listen;

/// Where logs go here.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Every row of every table, as text, but for one table and its rows.
async fn rows(app: &TestApp) -> Vec<(String, String)> {
    let tables =
        "select table_name::text from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(app.sql()).await.unwrap();
    let mut found = Vec::new();
    for table in tables {
        let query = format!("select coalesce(string_agg(to_jsonb(t)::text, ' '), '') from {table} t");
        found.push((table, sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(app.sql()).await.unwrap()));
    }
    found
}

fn secret_of(client: &Client) -> String {
    client.who.api.clone().unwrap()
}

#[tokio::test]
async fn what_is_secret_stands_in_no_log_no_row_and_no_mail() {
    let kept = Kept::default();
    let writer = kept.clone();
    let lines = tracing_subscriber::fmt::layer().json().with_writer(move || Scrubbing(writer.clone()));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(LevelFilter::INFO).with(lines));

    let Start { app, customer, other_customer, anon, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let server = app.running(&customer, "birds").await;
    // Secrets of every kind.
    let made =
        customer.api_post("/api/v1/tokens", &json!({ "name": "a script", "scope": "read", "days": 30 })).await.is(201).json();
    let token = made["token"].as_str().unwrap().to_owned();
    let endpoint = listen(&app, &customer, "http://127.0.0.1:9/").await;
    let secret = customer.api_get(&format!("/api/v1/webhooks/{endpoint}/secret")).await.is(200).json();
    let webhook = secret["secret"].as_str().unwrap().to_owned();
    let canaries = [
        ("a token", token.clone()),
        ("a webhook's secret", webhook),
        ("a session's secret", secret_of(&customer)),
        ("a password", PASSWORD.to_owned()),
        ("a password that was mistyped", "canary-of-a-wrong-password".to_owned()),
        ("the host's key", hex::encode([7; 32])),
    ];
    // And what might bring them to light: refusals, failures and faults.
    let program = app.client(Identity { api: Some(token.clone()), ..Identity::default() });
    program.api_get("/api/v1/instances").await.is(200);
    program.api_post("/api/v1/tokens", &json!({})).await.is(403);
    anon.post("/log-in", &[("email", &customer.who.email), ("password", "canary-of-a-wrong-password")]).await;
    anon.api_post("/api/v1/sessions", &json!({ "email": customer.who.email, "password": "canary-of-a-wrong-password" }))
        .await
        .is(401);
    anon.get(&format!("/reset/{token}")).await;
    anon.get(&format!("/verify/{token}?password=canary-of-a-wrong-password")).await;
    customer.api_post(&format!("/api/v1/webhooks/{endpoint}/test"), &json!({})).await.is(204);
    worker::deliver_hooks(&app.deps).await.unwrap();
    tracing::error!(http.path = format!("/reset/{token}"), "a fault whose path holds a secret");
    // A table that is away makes faults of ours everywhere.
    sqlx::query("alter table instances rename to instances_away").execute(app.sql()).await.unwrap();
    for fault in [program.api_get("/api/v1/instances").await.is(500), customer.get("/instances").await.is(500)] {
        assert!(!fault.body.contains("relation") && !fault.body.contains("42P01"), "{}", fault.body);
    }
    sqlx::query("alter table instances_away rename to instances").execute(app.sql()).await.unwrap();
    app.advance(TimeDelta::minutes(1));

    let logged = kept.text();
    assert!(logged.contains("a request could not be answered") && logged.contains("a fault whose path"), "nothing was logged");
    let rows = rows(&app).await;
    let mails: Vec<String> = app.transport.sent().iter().map(|letter| format!("{} {}", letter.text, letter.html)).collect();
    let foreign = [
        other_customer.get("/instances").await.body,
        other_customer.get(&format!("/instances/{}", server.id)).await.body,
        other_customer.api_get("/api/v1/account-data").await.body,
    ];
    for (what, canary) in &canaries {
        assert!(!logged.contains(canary.as_str()), "{what} was logged");
        for (table, text) in &rows {
            assert!(!text.contains(canary.as_str()), "{what} stands in {table}");
        }
        assert!(!mails.iter().any(|mail| mail.contains(canary.as_str())), "{what} was sent by mail");
        assert!(!foreign.iter().any(|body| body.contains(canary.as_str())), "{what} was shown to others");
    }
    app.leave_jobs();
}
