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

/// What a browser fetches for its first page: the page, its stylesheet and what that names, the script and the icon, before anything is
/// made smaller on its way.
#[tokio::test]
async fn the_first_load_is_small_and_comes_from_here_alone() {
    const MOST: usize = 60_000;
    let Start { app: _app, anon, staff, .. } = TestApp::start().await;
    for path in ["/", "/plans", "/status", "/what-we-keep", "/terms", "/sign-up", "/log-in"] {
        let page = anon.get(path).await.is(200);
        let linked = page.attributes("link[rel=stylesheet], link[rel=icon]", "href");
        let mut parts: Vec<String> = linked.into_iter().chain(page.attributes("[src]", "src")).collect();
        assert!(parts.len() >= 3, "{path}: {parts:?}");
        let sheet = parts.iter().find(|part| part.contains(".css")).unwrap();
        let sheet = anon.get(sheet).await.is(200);
        let named = sheet.body.split("url(").skip(1).filter_map(|rest| rest.split(')').next());
        parts.extend(named.map(|name| format!("/assets/{}", name.trim_matches('"'))));
        let mut size = page.body.len();
        for part in &parts {
            assert!(part.starts_with("/assets/"), "{path} loads {part} from elsewhere");
            size += anon.get(part).await.is(200).body.len();
        }
        assert!(size <= MOST, "{path}: {size} bytes: {parts:?}");
    }
    // And nowhere is there anything inline, which the policy would refuse.
    for client in [&anon, &staff] {
        for path in ["/", "/status", "/staff", "/staff/styleguide"] {
            let page = client.get(path).await;
            for part in ["style", "script:not([src])"] {
                assert!(page.all(part).is_empty(), "{} has {part}", page.asked);
            }
            for name in ["style", "onclick", "onsubmit", "onload"] {
                assert!(page.attributes(&format!("[{name}]"), name).is_empty(), "{} has {name}", page.asked);
            }
        }
    }
}

#[tokio::test]
async fn pages_in_plain_words_lead_to_one_another() {
    let Start { app: _app, anon, .. } = TestApp::start().await;
    let keeps =
        anon.get("/what-we-keep").await.is(200).see("a hash of your password").see("Ninety days").see("They can’t log in to it");
    assert!(!keeps.visible_text().contains("keep-"), "{}", keeps.visible_text());
    assert_eq!(keeps.all("tbody tr").len(), 7);
    anon.get("/plans").await.is(200).see("Prices are without tax.").see("In every plan").see("Take the smallest");
    let home = anon.get("/").await.is(200).see("or a domain of your own");
    for path in ["/status", "/plans", "/what-we-keep", "/terms"] {
        assert!(home.attributes("main a", "href").contains(&path.to_owned()), "{path}");
        anon.get(path).await.is(200);
    }
}
