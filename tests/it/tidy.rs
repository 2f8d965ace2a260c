//! What grows is tidied up, and what must stay stays.

use chrono::TimeDelta;
use paddock::clock::Clock as _;
use paddock::instance;

use crate::harness::{Start, TestApp};

async fn tidy(app: &TestApp) {
    sqlx::query("select enqueue_job('tidy', '{}', 'tidy:all', null, null)").execute(app.sql()).await.unwrap();
    app.run_jobs().await;
}

#[tokio::test]
async fn webhooks_and_mails_go_after_ninety_days_and_the_audit_log_stays() {
    let Start { app, customer, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    let mail = "insert into mails (id, recipient, locale, notice, state, created_at)
                values (gen_random_uuid(), $1, 'en', '{\"notice\": \"reset_unknown\"}', $1, $2)";
    for state in ["refused", "owed"] {
        sqlx::query(mail).bind(state).bind(app.clock.now()).execute(app.sql()).await.unwrap();
    }
    // Renewals bring webhooks of their own later.
    let today = app.clock.now();
    let events = async || -> i64 {
        let count = sqlx::query_scalar("select count(*) from stripe_events where received_at <= $1").bind(today);
        count.fetch_one(app.sql()).await.unwrap()
    };
    let (before, of_today) = (app.rows().await, events().await);
    assert!(of_today >= 3 && before["mails"] == 3 && before["audit_events"] > 5, "{of_today} events, {before:?}");

    app.advance(TimeDelta::days(89));
    tidy(&app).await;
    assert_eq!((events().await, app.rows().await["mails"]), (of_today, 3));

    app.advance(TimeDelta::days(2));
    tidy(&app).await;
    let owed: Vec<String> = sqlx::query_scalar("select state from mails").fetch_all(app.sql()).await.unwrap();
    assert_eq!((events().await, owed), (0, vec!["owed".to_owned()]));
    let after = app.rows().await;
    for table in ["audit_events", "orders", "instances", "subscriptions"] {
        assert!(after[table] >= before[table], "{table}");
    }
    app.leave_jobs();
}

#[tokio::test]
async fn the_usual_time_of_a_step_is_that_of_its_newest_hundred() {
    let Start { app, customer, .. } = TestApp::start().await;
    let mut conn = app.db.fleet().acquire().await.unwrap();
    let mut at = app.clock.now();
    let mut record = async |step: &str, seconds: f64| {
        at += TimeDelta::seconds(1);
        instance::record_step(&mut conn, step, seconds, at).await.unwrap();
    };
    for _ in 0..150 {
        record("database", 10.0).await;
    }
    record("cache", 3.0).await;
    let usual = async || {
        let mut tx = app.db.begin_account(customer.who.account()).await.unwrap();
        let mut all = instance::typical_seconds(tx.conn()).await.unwrap();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    };
    assert_eq!(usual().await, [("cache".to_owned(), 3.0), ("database".to_owned(), 10.0)]);
    for _ in 0..101 {
        record("database", 40.0).await;
    }
    assert_eq!(usual().await[1], ("database".to_owned(), 40.0));

    assert_eq!(app.rows().await["step_times"], 252);
    tidy(&app).await;
    let kept: Vec<(String, i64, f64)> =
        sqlx::query_as("select step, count(*), min(seconds) from step_times group by step order by step")
            .fetch_all(app.sql())
            .await
            .unwrap();
    assert_eq!(kept, [("cache".to_owned(), 1, 3.0), ("database".to_owned(), 200, 10.0)]);
    // 101 of the newest are among them.
    let newest: i64 =
        sqlx::query_scalar("select count(*) from step_times where seconds = 40").fetch_one(app.sql()).await.unwrap();
    assert_eq!(newest, 101);
}
