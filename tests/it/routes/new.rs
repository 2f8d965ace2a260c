//! The order path.

use paddock::instance::dns::{LookupFailed, RecordKind};

use crate::harness::{Answer, Capacity, Client, Start, TestApp};

async fn answer(client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = client.get(path).await.is(200);
    client.submit(&page, path, fields).await
}

async fn answer_all(client: &Client, name: &str) {
    answer(client, "/new/address", &[("kind", "hosted"), ("name", name)]).await.redirects_to("/new/owner");
    answer(client, "/new/owner", &[("owner_name", "Wren")]).await.redirects_to("/new/plan");
    answer(client, "/new/plan", &[("plan", "family")]).await.redirects_to("/new/review");
}

#[tokio::test]
async fn four_questions_lead_to_the_review() {
    let Start { app, customer, .. } = TestApp::start().await;
    let before = app.rows().await;
    customer.get("/new/address").await.see("Step 1 of 4").see("This address can never change");
    answer(&customer, "/new/address", &[("kind", "hosted"), ("name", " Birds ")]).await.redirects_to("/new/owner");
    let page = customer.get("/new/owner").await.see("Step 2 of 4").see("@name@birds.meadow.social");
    assert_eq!(page.attributes("input#owner_email", "value"), [customer.who.email.as_str()]);
    answer(&customer, "/new/owner", &[("owner_name", "@Wren")]).await.redirects_to("/new/plan");
    customer.get("/new/plan?period=year").await.see("Step 3 of 4").see("€190 a year");
    let page = customer.get("/new/plan?period=year").await;
    customer.submit(&page, "/new/plan", &[("plan", "family")]).await.redirects_to("/new/review");
    let review = customer.get("/new/review").await.is(200).see("Step 4 of 4").see("birds.meadow.social");
    let review =
        review.see("@wren@birds.meadow.social").see(&customer.who.email).see("€190 a year").see("60 minutes").see("Pay €190");
    assert_eq!(review.attributes("main form", "action"), ["/orders"]);
    // Going back loses nothing.
    assert_eq!(customer.get("/new/address").await.attributes("input#name", "value"), ["birds"]);
    assert_eq!(customer.get("/new/owner").await.attributes("input#owner_name", "value"), ["wren"]);
    let plan = customer.get("/new/plan").await.see("€190 a year");
    assert_eq!(plan.attributes("input[name=plan][checked]", "value"), ["family"]);
    assert_eq!(app.rows().await, before, "asking costs no row");
}

#[tokio::test]
async fn each_page_leads_back_to_the_first_question_without_an_answer() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    for path in ["/new/dns", "/new/owner", "/new/plan", "/new/review"] {
        customer.get(path).await.redirects_to("/new/address");
        anon.get(path).await.redirects_to(&format!("/log-in?next={}", path.replace('/', "%2F")));
        app.unverified().get(path).await.is(403);
    }
    customer.post("/new/owner", &[("owner_name", "wren"), ("owner_email", "a@b.example")]).await.redirects_to("/new/address");
    customer.post("/new/plan", &[("plan", "family"), ("period", "month")]).await.redirects_to("/new/address");
    answer(&customer, "/new/address", &[("kind", "hosted"), ("name", "birds")]).await.redirects_to("/new/owner");
    customer.get("/new/dns").await.redirects_to("/new/owner");
    customer.get("/new/plan").await.redirects_to("/new/owner");
    customer.get("/new/review").await.redirects_to("/new/owner");
    answer(&customer, "/new/owner", &[("owner_name", "wren")]).await.redirects_to("/new/plan");
    customer.get("/new/review").await.redirects_to("/new/plan");

    // Only our own cookie counts.
    let draft = customer.cookie("paddock_draft").unwrap();
    for forged in [format!("{draft}A"), draft.replacen('.', "A.", 1), String::new(), "x.y".to_owned()] {
        customer.set_cookie("paddock_draft", Some(&forged));
        customer.get("/new/plan").await.redirects_to("/new/address");
    }
    customer.set_cookie("paddock_draft", Some(&draft));
    customer.get("/new/plan").await.is(200);
}

#[tokio::test]
async fn an_address_is_checked_while_it_is_typed() {
    let Start { app, anon, customer, other_customer, .. } = TestApp::start().await;
    app.order(&other_customer, "herons").await;
    let cases = [
        ("kind=hosted&name=", "", ""),
        ("kind=hosted&name=birds", "Free", "@name@birds.meadow.social"),
        ("kind=hosted&name=Birds.meadow.social", "Free", "birds.meadow.social"),
        ("kind=hosted&name=herons", "Taken", "Choose another"),
        ("kind=hosted&name=admin", "Reserved", "is kept back"),
        ("kind=hosted&name=a", "Cannot be used", "at least 3 characters"),
        ("kind=hosted&name=b%C3%BCcher", "Cannot be used", "letters a to z"),
        ("kind=hosted&name=-birds", "Cannot be used", "hyphens"),
        ("kind=hosted&name=%FF%FE", "Cannot be used", "letters a to z"),
        ("kind=hosted&name=mastodon-birds", "Free", "a trademark"),
        ("kind=own&domain=birds.example", "Cannot be used", "does not exist"),
        ("kind=own&domain=https://birds.org/", "Not taken", "@name@birds.org"),
        ("kind=own&domain=b%C3%BCcher.org", "Not taken", "xn--bcher-kva.org"),
        ("kind=own&domain=192.0.2.1", "Cannot be used", "IP address"),
        ("kind=own&domain=birds.meadow.social", "Cannot be used", "which is ours"),
        ("kind=own&domain=co.uk", "Cannot be used", "many people register"),
        ("kind=own&domain=birds.org&web_domain=birds.org", "Cannot be used", "same as the address"),
        ("kind=own&domain=birds.org&web_domain=social.birds.org", "Not taken", "birds.org"),
        ("", "", ""),
    ];
    for (query, state, text) in cases {
        let piece = customer.get(&format!("/new/address/check?{query}")).await.is(200).see(state).see(text);
        assert!(!piece.body.contains("<html"), "{query}: a piece, not a page");
    }
    anon.get("/new/address/check?kind=hosted&name=birds").await.is(303);
    app.unverified().get("/new/address/check?kind=hosted&name=birds").await.is(200).see("Free");
}

#[tokio::test]
async fn what_does_not_fit_is_said_by_the_field_and_nothing_typed_is_lost() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    app.order(&other_customer, "herons").await;
    let cases = [
        ("hosted", "", "", "", "name", "The address is empty"),
        ("hosted", "ad-min", "", "", "name", "kept back"),
        ("hosted", "herons", "", "", "name", "is taken"),
        ("hosted", "her0ns", "", "", "name", "looks like one that is taken"),
        ("hosted", "bi rds", "", "", "name", "letters a to z"),
        ("own", "", "", "", "domain", "The address is empty"),
        ("own", "", "birds", "", "domain", "one word"),
        ("own", "", "herons.meadow.social", "", "domain", "which is ours"),
        ("own", "", "birds.org:8080", "", "domain", "has a port"),
        ("own", "", "birds.org", "not a domain", "web_domain", "The web domain"),
        ("own", "", "birds.org", "herons.meadow.social", "web_domain", "which is ours"),
        ("nonsense", "birds", "", "", "kind", "Choose between a name under meadow.social"),
    ];
    for (kind, name, domain, web, field, text) in cases {
        let fields = [("kind", kind), ("name", name), ("domain", domain), ("web_domain", web)];
        let page = answer(&customer, "/new/address", &fields).await.is(422).see("There is a problem").see(text);
        assert_eq!(page.attributes("#errors a", "href")[0], format!("#{field}"), "{fields:?}");
        assert!(!page.all(&format!("[id={field}]")).is_empty(), "{fields:?}: the link leads somewhere");
        for (input, typed) in [("name", name), ("domain", domain), ("web_domain", web)] {
            assert_eq!(page.attributes(&format!("input#{input}"), "value"), [typed], "{fields:?}");
        }
        assert_eq!(customer.cookie("paddock_draft"), None, "{fields:?}");
    }
    answer(&customer, "/new/address", &[("kind", "hosted"), ("name", "birds")]).await.redirects_to("/new/owner");
    let owners = [
        ("", "wren@mail.example", "owner_name", "user name is empty"),
        ("wren the bird", "wren@mail.example", "owner_name", "letters a to z"),
        ("admin", "wren@mail.example", "owner_name", "Mastodon keeps it back"),
        ("abcdefghijklmnopqrstuvwxyz012345", "wren@mail.example", "owner_name", "at most 30"),
        ("wren", "", "owner_email", "The e-mail address is empty"),
        ("wren", "wren@", "owner_email", "needs one @"),
    ];
    for (name, email, field, text) in owners {
        let page = answer(&customer, "/new/owner", &[("owner_name", name), ("owner_email", email)]).await.is(422).see(text);
        assert_eq!(page.attributes("#errors a", "href"), [format!("#{field}")]);
        assert_eq!(page.attributes("input#owner_name", "value"), [name]);
        assert_eq!(page.attributes("input#owner_email", "value"), [email]);
    }
    answer(&customer, "/new/owner", &[("owner_name", "wren")]).await.redirects_to("/new/plan");
    for (plan, period, text) in
        [("", "month", "Choose a plan"), ("golden", "month", "Choose a plan"), ("family", "week", "Choose between")]
    {
        let page = answer(&customer, "/new/plan", &[("plan", plan), ("period", period)]).await.is(422).see(text);
        assert_eq!(page.attributes("#errors a", "href"), ["#plan-family"]);
    }
}

#[tokio::test]
async fn a_domain_of_ones_own_is_asked_for_its_records() {
    let Start { app, customer, .. } = TestApp::start().await;
    answer(&customer, "/new/address", &[("kind", "own"), ("domain", "BÜCHER.org")]).await.redirects_to("/new/dns");
    let page = customer.get("/new/dns").await.is(200).see("Step 2 of 5").see("Point bücher.org to us").see("192.0.2.1");
    let page = page
        .see("There is no hurry")
        .see("2001:db8::1")
        .see("files.xn--bcher-kva.org")
        .see("gate.meadow.social")
        .see("Not seen yet")
        .see("You can go on now");
    assert_eq!(page.all(".record").len(), 3);

    app.resolver.set("xn--bcher-kva.org", RecordKind::A, &["192.0.2.1"]);
    app.resolver.set("xn--bcher-kva.org", RecordKind::Aaaa, &["2001:db8::bad"]);
    app.resolver.fail("files.xn--bcher-kva.org", RecordKind::Cname, LookupFailed::Timeout);
    let page = customer.get("/new/dns").await.see("Right").see("Something else is there: 2001:db8::bad").see("Not checked");
    page.see("No DNS server answered in time");

    app.resolver.set("xn--bcher-kva.org", RecordKind::Aaaa, &["2001:db8::1"]);
    app.resolver.set("files.xn--bcher-kva.org", RecordKind::Cname, &["gate.meadow.social"]);
    let page = customer.get("/new/dns").await.not_see("You can go on now").not_see("Not seen yet");
    customer.submit(&page, "/new/dns", &[]).await.redirects_to("/new/owner");
    let owner = customer.get("/new/owner").await.see("Step 3 of 5").see("@name@bücher.org");
    assert_eq!(owner.attributes("a.back", "href"), ["/new/dns"]);
    // What people read is what they get back.
    assert_eq!(customer.get("/new/address").await.attributes("input#domain", "value"), ["bücher.org"]);

    let web = [("kind", "own"), ("domain", "birds.org"), ("web_domain", "social.birds.org")];
    answer(&customer, "/new/address", &web).await.redirects_to("/new/dns");
    customer.get("/new/dns").await.see("files.social.birds.org").see("Handles on birds.org");
    answer(&customer, "/new/owner", &[("owner_name", "wren")]).await.redirects_to("/new/plan");
    answer(&customer, "/new/plan", &[("plan", "family")]).await.redirects_to("/new/review");
    customer.get("/new/review").await.see("Mastodon itself at").see("social.birds.org").see("@wren@birds.org");
}

#[tokio::test]
async fn an_address_that_was_taken_meanwhile_leads_back_to_the_question() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    answer_all(&customer, "birds").await;
    customer.get("/new/review").await.is(200);
    app.order(&other_customer, "birds").await;
    let back = customer.get("/new/review").await.redirects_to("/new/address");
    customer.follow(back).await.see("This address was taken a moment ago").see("Taken");
}

#[tokio::test]
async fn an_address_with_an_order_of_ones_own_leads_to_that_order() {
    let Start { app, customer, .. } = TestApp::start().await;
    answer_all(&customer, "birds").await;
    let order = app.order(&customer, "birds").await;
    customer.get("/new/review").await.redirects_to(&format!("/orders/{}", order.id));
    let check = customer.get("/new/address/check?kind=hosted&name=birds").await.see("Yours already");
    assert_eq!(check.attributes("a", "href"), [format!("/orders/{}", order.id)]);
}

#[tokio::test]
async fn a_full_house_offers_the_waiting_list() {
    let Start { app: _app, customer, .. } = TestApp::start_with(Capacity(0)).await;
    answer_all(&customer, "mastodon-birds").await;
    let review =
        customer.get("/new/review").await.is(200).see("nothing is charged").see("Join the waiting list").not_see("Pay €19");
    review.see("a trademark");
}

#[tokio::test]
async fn what_somebody_began_to_order_leaves_with_them() {
    let Start { app: _app, customer, .. } = TestApp::start().await;
    answer_all(&customer, "birds").await;
    assert!(customer.cookie("paddock_draft").is_some());
    customer.post("/log-out", &[]).await.redirects_to("/");
    assert_eq!(customer.cookie("paddock_draft"), None);
}
