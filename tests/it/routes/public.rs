//! Pages that anybody may see.

use crate::harness::{Capacity, Start, TestApp};

#[tokio::test]
async fn anybody_sees_what_it_is_and_what_it_costs() {
    let Start { app: _app, anon, customer, .. } = TestApp::start().await;
    let home =
        anon.get("/").await.is(200).see("from €19 a month").see("a name under meadow.social").not_see("Every place is taken");
    assert_eq!(home.attributes("main a.button", "href"), ["/sign-up"]);
    assert_eq!(customer.get("/").await.attributes("main a.button", "href"), ["/new/address"]);
    anon.get("/plans").await.is(200).see("€19 a month").see("or €190 a year").see("up to 25 people");
    anon.get("/plans?period=year").await.is(200).see("€190 a year");
    anon.get("/plans?period=decade").await.is(200).see("€19 a month");
    anon.get("/terms").await.is(200).see("planned");
}

#[tokio::test]
async fn a_full_house_says_so() {
    let Start { app: _app, anon, .. } = TestApp::start_with(Capacity(0)).await;
    anon.get("/").await.is(200).see("Every place is taken").see("Join the waiting list");
    anon.get("/status").await.is(200).see("New orders Full There is a waiting list").see("All is well");
}

#[tokio::test]
async fn status_tells_what_is_late() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    anon.get("/status").await.is(200).see("All is well").not_see("One is being built");
    app.paid(&customer, "birds").await;
    anon.get("/status").await.see("All is well").see("One is being built just now");
    app.advance(chrono::TimeDelta::minutes(31));
    anon.get("/status").await.see("Something is not well").see("Building servers Slower than it should be");
    app.leave_jobs();
}

#[tokio::test]
async fn what_holds_no_secret_is_sent_small() {
    let Start { app: _app, anon, customer, .. } = TestApp::start().await;
    let page = anon.get("/").await;
    for path in
        page.attributes("link[href^='/assets/'], script[src]", "href").iter().chain(&page.attributes("script[src]", "src"))
    {
        let plain = anon.get(path).await.is(200);
        let small = anon.send(anon.request(reqwest::Method::GET, path).header("accept-encoding", "br, gzip")).await.is(200);
        assert_eq!((plain.header("content-encoding"), small.header("content-encoding")), ("", "gzip"), "{path}");
        assert!(small.header("vary").contains("accept-encoding"), "{path}");
    }
    // Pages hold tokens beside what anybody may have put into the address (BREACH), and the API holds sessions.
    for request in [customer.request(reqwest::Method::GET, "/log-in?next=/x"), customer.api(reqwest::Method::GET, "/api/v1/me")] {
        let answer = customer.send(request.header("accept-encoding", "gzip")).await;
        assert_eq!(answer.header("content-encoding"), "", "{}", answer.asked);
    }
}

#[tokio::test]
async fn the_way_to_order_is_shown_to_those_who_may_go_it() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let leads = |page: &crate::harness::Answer| page.attributes("a", "href").contains(&"/new/address".to_owned());
    let [viewer, payer] = app.members();
    for path in ["/", "/plans", "/instances"] {
        assert!(leads(&customer.get(path).await.is(200)), "{path}");
        for member in [&viewer, &payer] {
            assert!(!leads(&member.get(path).await.is(200)), "{path} as {}", member.who.email);
        }
    }
    assert!(!leads(&anon.get("/").await));
    viewer.get("/new/address").await.is(403).see("your role does not allow this");
}

#[tokio::test]
async fn whoever_watches_this_process_gets_an_answer() {
    let Start { app, anon, .. } = TestApp::start().await;
    assert_eq!(anon.get("/healthz").await.is(200).body, "ok\n");
    assert_eq!(anon.get("/readyz").await.is(200).body, "ready\n");
    app.db.auth().close().await;
    assert_eq!(anon.get("/readyz").await.is(503).body, "the database does not answer\n");
    assert_eq!(anon.get("/healthz").await.is(200).body, "ok\n");
}
