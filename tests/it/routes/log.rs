//! An account's own log: what its members see and take along, and what they do not.

use paddock::audit::{self, Actor, chain};
use serde_json::json;

use crate::harness::{Start, TestApp};

/// Enough to need several readings.
const MANY: i64 = 1203;

async fn many(app: &TestApp, account: paddock::ids::AccountId) {
    let text = "insert into audit_events (at, account_id, actor_kind, actor_id, action, subject, detail)
                select $1, $2, 'person', 'per_' || n, 'order.placed', 'ord_' || n, '{}' from generate_series(1, $3) as n";
    sqlx::query(text).bind(app.clock_now()).bind(account).bind(MANY).execute(app.sql()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_reads_and_takes_along_its_own_log_alone() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let mut conn = app.db.staff().acquire().await.unwrap();
    let (clock, account) = (app.clock.as_ref(), customer.who.account());
    let by = Actor::Staff(staff.who.staff.unwrap());
    let note = json!({ "note": "canary-of-staff" });
    audit::record(&mut conn, clock, by, Some(account), "instance.held", &instance.id.to_string(), note).await.unwrap();
    let formula = json!({ "name": "=cmd(\"x\"), and more" });
    let person = Actor::Person(customer.who.person.unwrap());
    audit::record(&mut conn, clock, person, Some(account), "token.made", "=1+1", formula).await.unwrap();
    drop(conn);
    let mut tx = app.db.worker().begin().await.unwrap();
    while chain::extend(&mut tx).await.unwrap() > 0 {}
    tx.commit().await.unwrap();

    let page = customer.get("/account/log").await.is(200);
    let page = page
        .see("A token was made")
        .see("The server is ready")
        .see(&customer.who.email)
        .see("Meadow Hosting")
        .not_see("canary-of-staff");
    let csv = customer.get("/account/log.csv").await.is(200);
    assert!(csv.header("content-type").starts_with("text/csv") && csv.header("content-disposition").contains("log.csv"));
    assert!(csv.body.contains(",\"'=1+1\",") || csv.body.contains(",'=1+1,"), "{}", csv.body);
    assert!(csv.body.contains(&instance.id.to_string()) && !csv.body.contains("canary-of-staff"));
    let json = customer.get("/account/log.json").await.is(200).json();
    let entries = json["entries"].as_array().unwrap();
    let own: i64 = sqlx::query_scalar("select count(*) from audit_events where account_id = $1")
        .bind(account)
        .fetch_one(app.sql())
        .await
        .unwrap();
    assert_eq!(i64::try_from(entries.len()).unwrap(), own);
    assert_eq!(csv.body.matches("\r\n").count(), entries.len() + 1);
    assert!(entries.iter().all(|entry| entry["place"].is_i64() && entry["hash"].as_str().unwrap().len() == 64), "{json}");
    // Every name in it has words.
    for entry in entries {
        let action = entry["action"].as_str().unwrap();
        assert!(!page.visible_text().contains(action), "{action} has no words in locales/en/log.ftl");
    }

    // Nobody else's.
    for answer in [other_customer.get("/account/log.csv").await.is(200), other_customer.get("/account/log.json").await.is(200)] {
        assert!(
            !answer.body.contains(&instance.id.to_string()) && !answer.body.contains(&customer.who.person.unwrap().to_string())
        );
    }
    let [viewer, payer] = app.members();
    for member in [viewer, payer] {
        for path in ["/account/log", "/account/log.csv", "/account/log.json"] {
            member.get(path).await.is(403);
        }
        member.api_get("/api/v1/log").await.is(403);
    }
    app.admin_member().get("/account/log").await.is(200);
    app.leave_jobs();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_paged_and_exported_whole() {
    let Start { app, customer, .. } = TestApp::start().await;
    many(&app, customer.who.account()).await;
    let json = customer.get("/account/log.json").await.is(200).json();
    let ids: Vec<i64> = json["entries"].as_array().unwrap().iter().map(|entry| entry["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted() && ids.len() >= usize::try_from(MANY).unwrap(), "{}", ids.len());
    let csv = customer.send(customer.api(reqwest::Method::GET, "/api/v1/log.csv")).await.is(200);
    assert_eq!(csv.body.matches("\r\n").count(), ids.len() + 1);
    // The same in pages, newest first.
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = customer.api_get(&format!("/api/v1/log?after={after}")).await.is(200).json();
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["id"].as_i64().unwrap()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    seen.reverse();
    assert_eq!(seen, ids);
    let first = customer.get("/account/log").await.is(200);
    let next = first.attributes(".pager a[rel=next]", "href");
    customer.get(&next[0]).await.is(200);
}
