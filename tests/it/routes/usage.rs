//! How servers are used, as they tell it, and how others see their domain and mails.

use chrono::TimeDelta;
use paddock::instance::dns::{LookupFailed, RecordKind};
use paddock::instance::sites::Page;

use crate::harness::{Client, Start, TestApp};

async fn ask(app: &TestApp) {
    sqlx::query("select enqueue_job('ask_usage', '{\"after\": null}', 'ask_usage:first', null, null)")
        .execute(app.sql())
        .await
        .unwrap();
    app.run_jobs().await;
}

fn told(app: &TestApp, host: &str, users: i64, active: i64) {
    let body = format!(r#"{{"usage":{{"users":{{"total":{users},"activeMonth":{active}}},"localPosts":41}}}}"#).into_bytes();
    let certificate_until = Some(app.clock_now() + TimeDelta::days(60));
    app.sites.set_page(host, Page { status: 200, body, certificate_until });
}

async fn look(app: &TestApp, customer: &Client, path: &str) -> crate::harness::Answer {
    app.sign_in_again(customer).await.get(path).await.is(200)
}

#[tokio::test]
async fn what_a_server_tells_is_shown_with_its_history_and_when_the_plan_is_full() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/usage", server.id);
    let page =
        customer.get(&path).await.is(200).see("Not asked yet").see("We have not asked it yet").see("nothing measures it yet");
    assert!(page.all("svg.chart").is_empty());
    for day in 0..8 {
        told(&app, "birds.meadow.social", 10 + day, 1 + day);
        ask(&app).await;
        app.advance(TimeDelta::days(1));
    }
    let page = look(&app, &customer, &path).await.see("Not known since").see("100.00 %");
    let page = page.see("Accounts 17").see("Active within a month 8").see("Posts written here 41").see("that is reached on");
    assert_eq!(page.attributes("svg.chart", "aria-label").len(), 4, "three measures and the days of answers");

    // It is away: what is known is said to be old, and the share falls.
    app.sites.set_page("birds.meadow.social", Page { status: 502, body: Vec::new(), certificate_until: None });
    ask(&app).await;
    look(&app, &customer, &path).await.see("Not known since").see("answered with an error").see("88.88 %").see("Accounts 17");
    other_customer.get(&path).await.is(404);
    let kept: i64 = sqlx::query_scalar("select count(*) from certificates").fetch_one(app.sql()).await.unwrap();
    assert_eq!(kept, 1, "the certificate that visitors get is noted for the alert");

    sqlx::query("update usage_days set day = day - 401").execute(app.sql()).await.unwrap();
    sqlx::query("select enqueue_job('tidy', '{}', 'tidy:all', null, null)").execute(app.sql()).await.unwrap();
    app.run_jobs().await;
    assert_eq!(app.rows().await["usage_days"], 0);
    app.leave_jobs();
}

#[tokio::test]
async fn what_is_measured_inside_is_shown_once_it_is_there() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    told(&app, "birds.meadow.social", 1, 1);
    ask(&app).await;
    sqlx::query("update usage_days set media_bytes = 1610612736, queue_seconds = 4").execute(app.sql()).await.unwrap();
    let page = customer.get(&format!("/instances/{}/usage", server.id)).await.is(200);
    page.see("Pictures and videos 1.5 GB").see("Its own work waits for 4 s").see("Known asked at");
    app.leave_jobs();
}

#[tokio::test]
async fn domain_and_mails_are_shown_as_others_see_them() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/health", server.id);
    let page = customer.get(&path).await.is(200).see("The name is under our domain").see("in the name of birds.meadow.social");
    assert_eq!(page.all("section.record .state.failed").len(), 4, "nothing is there: nothing is said to be well");
    app.resolver.set("birds.meadow.social", RecordKind::Mx, &["10 mx.meadow.social"]);
    app.resolver.set("birds.meadow.social", RecordKind::Txt, &["v=spf1 -all", "v=spf1 mx"]);
    app.resolver.set("relay._domainkey.birds.meadow.social", RecordKind::Txt, &["v=DKIM1; p=MIGf"]);
    app.resolver.fail("_dmarc.birds.meadow.social", RecordKind::Txt, LookupFailed::Timeout);
    let page = customer.get(&path).await.is(200).see("10 mx.meadow.social").see("There are several, so none counts");
    assert_eq!(page.all("section.record .state.done").len(), 2);
    page.see("Not known").see("v=DKIM1");
    other_customer.get(&path).await.is(404);
}

#[tokio::test]
async fn help_is_for_everybody_and_linked_where_it_is_needed() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let list = anon.get("/help").await.is(200);
    let topics: Vec<String> = list.attributes("main li a", "href");
    assert_eq!(topics.len(), 5);
    for topic in &topics {
        let page = anon.get(topic).await.is(200);
        assert_eq!(page.all("main h1").len(), 1, "{topic}");
        assert!(!page.all("main p").is_empty(), "{topic}");
    }
    anon.get("/help/nothing").await.is(404);
    for (page, topic) in [("usage", "limits"), ("health", "mail"), ("billing", "paying")] {
        let links = customer.get(&format!("/instances/{}/{page}", server.id)).await.is(200).attributes("main a", "href");
        assert!(links.contains(&format!("/help/{topic}")), "{page}: {links:?}");
    }
}
