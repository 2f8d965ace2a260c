//! Signing up, in and out, links in mails.

use chrono::TimeDelta;
use paddock::mail::{ASKED_A_DAY, ASKED_EVERY};
use reqwest::Method;

use crate::harness::{Answer, Client, Identity, PASSWORD, Start, TestApp};

async fn log_in(client: &Client, email: &str, password: &str) -> Answer {
    let page = client.get("/log-in").await.is(200);
    client.submit(&page, "/log-in", &[("email", email), ("password", password)]).await
}

#[tokio::test]
async fn somebody_signs_up_proves_their_address_and_logs_in() {
    let Start { app, anon, .. } = TestApp::start().await;
    let (email, password) = ("ada@harbour.example", "a quiet harbour");
    let page = anon.get("/sign-up").await.is(200).see("At least 8 characters");
    let sent = anon.submit(&page, "/sign-up", &[("email", email), ("password", password)]).await.redirects_to("/sign-up/sent");
    anon.follow(sent).await.is(200).see("A mail to ada@harbour.example says how to go on.");
    anon.get("/new/address").await.redirects_to("/log-in?next=%2Fnew%2Faddress");
    app.run_jobs().await;

    let link = app.link_to(email);
    let page = anon.get(&link).await.is(200).see("Is ada@harbour.example yours?");
    let done = anon.submit(&page, &link, &[]).await.redirects_to("/verified");
    let page = anon.follow(done).await.is(200).see("Your address is confirmed");
    assert_eq!(page.attributes("main a.button", "href"), ["/log-in?next=%2Fnew%2Faddress"]);

    let page = anon.get("/log-in?next=%2Fnew%2Faddress").await;
    anon.submit(&page, "/log-in", &[("email", " ADA@harbour.example "), ("password", password)])
        .await
        .redirects_to("/new/address");
    anon.get("/new/address").await.is(200).see("Signed in as ada@harbour.example");
    anon.get("/log-in").await.redirects_to("/instances");
    anon.get("/sign-up").await.redirects_to("/instances");

    let page = anon.get("/new/address").await;
    let out = anon.submit(&page, "/log-out", &[]).await.redirects_to("/");
    anon.follow(out).await.is(200).see("You are logged out.").not_see("Signed in");
    anon.get("/new/address").await.redirects_to("/log-in?next=%2Fnew%2Faddress");
}

#[tokio::test]
async fn a_known_address_gets_the_same_page_and_another_mail() {
    let Start { app, customer, .. } = TestApp::start().await;
    let known = customer.who.email.as_str();
    let mut pages = Vec::new();
    for email in [known, "nobody-yet@mail.example"] {
        let browser = app.client(Identity::default());
        let answer = browser.post("/sign-up", &[("email", email), ("password", "another password")]).await;
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        let (status, location) = (answer.status, answer.location());
        let text = browser.follow(answer).await.visible_text().replace(email, "…");
        pages.push((status, location, names, text));
    }
    assert_eq!(pages[0], pages[1]);
    app.run_jobs().await;
    assert!(app.link_to("nobody-yet@mail.example").starts_with("/verify/"));
    assert!(!app.mail_to(known).text.contains("/verify/"), "{}", app.mail_to(known).text);
    // And the password is still the old one.
    log_in(&app.client(Identity::default()), known, PASSWORD).await.redirects_to("/instances");
    log_in(&app.client(Identity::default()), known, "another password").await.is(422);
}

#[tokio::test]
async fn what_does_not_fit_is_said_by_the_field_and_nothing_is_written() {
    let Start { app, anon, .. } = TestApp::start().await;
    let before = app.rows().await;
    let (long, too_long) = ("x".repeat(129), format!("{}@mail.example", "x".repeat(65)));
    let cases = [
        ("", "long enough", "email", "The e-mail address is empty"),
        ("ada", "long enough", "email", "needs one @"),
        ("ada@", "long enough", "email", "needs one @"),
        ("ada@localhost", "long enough", "email", "does not end in a domain"),
        ("a b@mail.example", "long enough", "email", "in front of the @"),
        (too_long.as_str(), "long enough", "email", "in front of the @"),
        ("ada@mail.example\r\nBcc: all@mail.example", "long enough", "email", "needs one @"),
        ("<script>@mail.example", "long enough", "email", "in front of the @"),
        ("ada@mail.example", "", "password", "Enter a password"),
        ("ada@mail.example", "1234567", "password", "at least 8 characters"),
        ("ada@mail.example", long.as_str(), "password", "at most 128 characters"),
        ("ada@mail.example", "Password1", "password", "one of those that are tried first"),
    ];
    for (email, password, field, text) in cases {
        let page = anon.post("/sign-up", &[("email", email), ("password", password)]).await.is(422).see(text);
        assert_eq!(page.attributes("#errors a", "href"), [format!("#{field}")], "{email:?} {password:?}");
        assert_eq!(page.attributes("input#email", "value"), [email.replace("\r\n", "\n")], "nothing typed is lost");
        assert_eq!(page.attributes("input#password", "value"), [""], "a password is not shown back");
    }
    anon.post("/sign-up", &[]).await.is(422).see("The e-mail address is empty").see("Enter a password");
    anon.post("/forgot", &[("email", "ada")]).await.is(422).see("needs one @");
    assert_eq!(app.rows().await, before);
}

#[tokio::test]
async fn forged_forms_and_other_bodies_change_nothing() {
    let Start { app, anon, .. } = TestApp::start().await;
    let before = app.rows().await;
    let fields = [("email", "ada@mail.example"), ("password", "long enough")];
    let token = anon.csrf_token().await;
    let post = |path: &str| anon.request(Method::POST, path);
    anon.send(post("/sign-up").form(&fields)).await.is(403).see("This form is too old");
    let with = |token: &str| [fields[0], fields[1], ("csrf", token)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    anon.send(post("/sign-up").form(&with("AAAA"))).await.is(403);
    anon.send(post("/sign-up").form(&with(&app.client(Identity::default()).csrf_token().await))).await.is(403);
    anon.send(post("/sign-up").header("sec-fetch-site", "cross-site").form(&with(&token))).await.is(403);
    anon.send(post("/sign-up").json(&serde_json::json!({ "email": "ada@mail.example" })))
        .await
        .is(415)
        .see("load the page again");
    anon.send(post("/sign-up").form(&[("csrf", token.as_str()), ("email", &"x".repeat(70_000))]))
        .await
        .is(413)
        .see("at most 64 KiB");
    let twice = anon.send(post("/sign-up").form(&[("csrf", token.as_str()), ("email", "a"), ("email", "b")])).await;
    twice.is(400).see("We could not read that").see("The field “email” came more than once");
    anon.get("/plans?period=month&period=year").await.is(400).see("The field “period” came more than once");
    anon.send(anon.request(Method::DELETE, "/sign-up")).await.is(405);
    // Enter in the address bar behind a form that was refused.
    for path in ["/orders", "/verify/resend", "/log-out"] {
        let page = anon.get(path).await.is(405).see("does not take that kind of request");
        assert_eq!(page.attributes("main a.button", "href"), ["/"], "{path}");
    }
    assert_eq!(app.rows().await, before);
}

#[tokio::test]
async fn the_verification_link_is_sent_again_but_not_twice_a_minute() {
    let Start { app, .. } = TestApp::start().await;
    let unverified = app.unverified();
    let email = unverified.who.email.clone();
    app.advance(TimeDelta::minutes(2));
    let refused = unverified.get("/new/address").await.is(403).see("Confirm your e-mail address first");
    assert_eq!(refused.attributes("main a.button", "href"), ["/check-mail"]);
    for _ in 0..2 {
        let page = unverified.get("/check-mail").await.is(200).see(&email);
        let again = unverified.submit(&page, "/verify/resend", &[("email", "somebody@else.example")]).await;
        let again = again.redirects_to("/check-mail?resent=1");
        unverified.follow(again).await.see("another link is on its way");
        app.run_jobs().await;
    }
    assert_eq!(app.mails_to(&email).len(), 1);
    assert!(app.mails_to("somebody@else.example").is_empty(), "who is signed in gets their own link");

    let link = app.link_to(&email);
    let page = unverified.get(&link).await.is(200);
    unverified.submit(&page, &link, &[]).await.redirects_to("/new/address");
    unverified.get("/check-mail").await.redirects_to("/new/address");
    // Pressed again, or in another browser: it is done, and says so.
    unverified.submit(&page, &link, &[]).await.redirects_to("/new/address");
    app.client(Identity::default()).get(&link).await.redirects_to("/verified");
}

#[tokio::test]
async fn no_form_floods_a_mailbox_known_or_not() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let ask = async |nth: usize, email: &str| {
        let fields = [("email", email), ("password", "long enough")];
        let path = ["/forgot", "/sign-up", "/verify/resend"][nth % 3];
        let answer = anon.post(path, &fields).await.is(303);
        // The pages are the same whether a mail leaves or not.
        anon.follow(answer).await.is(200).visible_text().replace(email, "…")
    };
    for email in [customer.who.email.as_str(), "unknown@mail.example"] {
        // Two in a minute are one, whatever they ask for.
        let first = ask(0, email).await;
        assert_eq!(ask(0, email).await, first);
        ask(1, email).await;
        app.run_jobs().await;
        // Whoever signs up gets the link in any case, once.
        let begun = if email == "unknown@mail.example" { 2 } else { 1 };
        assert_eq!(app.mails_to(email).len(), begun, "{email}");
        for nth in 0..7 {
            app.advance(ASKED_EVERY + TimeDelta::seconds(1));
            let shown = ask(nth, email).await;
            assert!(nth % 3 != 0 || shown == first, "{email}: {shown}");
        }
        app.run_jobs().await;
        let most = ASKED_A_DAY + begun - 1;
        assert_eq!(app.mails_to(email).len(), most, "{email}");
        // The day after there are as many again.
        app.advance(TimeDelta::days(1));
        ask(0, email).await;
        app.run_jobs().await;
        assert_eq!(app.mails_to(email).len(), most + 1, "{email}");
    }
}

#[tokio::test]
async fn asking_for_the_link_again_tells_nobody_who_is_known() {
    let Start { app, customer, anon, .. } = TestApp::start().await;
    app.advance(TimeDelta::minutes(2));
    for email in [customer.who.email.as_str(), "unverified@mail.example", "unknown@mail.example"] {
        anon.post("/verify/resend", &[("email", email)]).await.redirects_to("/sign-up/sent?resent=1");
    }
    anon.post("/verify/resend", &[("email", "nonsense")]).await.redirects_to("/sign-up");
    app.run_jobs().await;
    assert!(app.mails_to(&customer.who.email).is_empty() && app.mails_to("unknown@mail.example").is_empty());
    assert_eq!(app.mails_to("unverified@mail.example").len(), 1);
}

#[tokio::test]
async fn links_that_are_old_forged_or_for_something_else_are_refused() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let (email, other) = ("ada@harbour.example", customer.who.email.as_str());
    anon.post("/sign-up", &[("email", email), ("password", "long enough")]).await.is(303);
    anon.post("/forgot", &[("email", other)]).await.is(303);
    app.run_jobs().await;
    let (verify, reset) = (app.link_to(email), app.link_to(other));
    let (forged, crossed) = (format!("{}AAAA", &verify[..verify.len() - 4]), reset.replace("/reset/", "/verify/"));
    let rows = app.rows().await;
    for link in [forged.as_str(), &crossed, "/verify/x", "/reset/x", &verify.replace("/verify/", "/reset/")] {
        anon.get(link).await.is(410).see("This link is used up");
        anon.post(link, &[("password", "long enough")]).await.is(410);
    }
    app.advance(TimeDelta::hours(1) + TimeDelta::seconds(1));
    anon.get(&reset).await.is(410).see("Ask for a new link");
    anon.post(&reset, &[("password", "long enough")]).await.is(410);
    anon.get(&verify).await.is(200);
    app.advance(TimeDelta::hours(23));
    let page = anon.get(&verify).await.is(410);
    assert_eq!(page.attributes("main a.button", "href"), ["/check-mail"]);
    anon.post(&verify, &[]).await.is(410);
    assert_eq!(app.rows().await, rows);
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_and_old_sessions_end() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let email = customer.who.email.clone();
    customer.get("/new/address").await.is(200);
    let page = anon.get("/forgot").await.is(200);
    let sent = anon.submit(&page, "/forgot", &[("email", &email)]).await.redirects_to("/forgot/sent");
    let sent = anon.follow(sent).await.see(&format!("If {email} has an account here, a link is on its way."));
    sent.see(&format!("one mail a minute and {ASKED_A_DAY} a day at most"));
    app.run_jobs().await;

    let link = app.link_to(&email);
    let page = anon.get(&link).await.is(200).see(&email);
    anon.submit(&page, &link, &[("password", "short")]).await.is(422).see("at least 8 characters").see(&email);
    let done = anon.submit(&page, &link, &[("password", "a new password")]).await.redirects_to("/log-in");
    anon.follow(done).await.see("Your password is set");
    anon.submit(&page, &link, &[("password", "a third password")]).await.is(410);
    anon.get(&link).await.is(410);

    customer.get("/new/address").await.redirects_to("/log-in?next=%2Fnew%2Faddress");
    log_in(&anon, &email, PASSWORD).await.is(422);
    log_in(&anon, &email, "a new password").await.redirects_to("/instances");
    app.run_jobs().await;
    assert!(app.mail_to(&email).subject.contains("password"), "{}", app.mail_to(&email).subject);
}

#[tokio::test]
async fn forgetting_the_password_of_an_unknown_address_looks_the_same() {
    let Start { app, customer, .. } = TestApp::start().await;
    let mut pages = Vec::new();
    for email in [customer.who.email.as_str(), "unknown@mail.example"] {
        let browser = app.client(Identity::default());
        let answer = browser.post("/forgot", &[("email", email)]).await.redirects_to("/forgot/sent");
        pages.push(browser.follow(answer).await.visible_text().replace(email, "…"));
    }
    assert_eq!(pages[0], pages[1]);
    app.run_jobs().await;
    assert!(app.link_to(&customer.who.email).starts_with("/reset/"));
    assert!(!app.mail_to("unknown@mail.example").text.contains("/reset/"));
}

#[tokio::test]
async fn unknown_address_and_wrong_password_are_told_apart_by_nobody() {
    let Start { app: _app, anon, customer, .. } = TestApp::start().await;
    let mut pages = Vec::new();
    for (email, password) in
        [(customer.who.email.as_str(), "wrong"), ("unknown@mail.example", PASSWORD), ("no address", PASSWORD)]
    {
        let page = log_in(&anon, email, password).await.is(422).see("do not belong together");
        assert_eq!(page.attributes("input#email", "value"), [email]);
        pages.push(page.visible_text());
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:?}");
    log_in(&anon, "", "").await.is(422).see("The e-mail address is empty").see("Enter a password");
    // Staff and customers have doors of their own.
    log_in(&anon, "staff@host.example", PASSWORD).await.is(422);
    assert_eq!(anon.cookie("paddock_session"), None);
}

#[tokio::test]
async fn after_the_log_in_it_goes_on_here_and_nowhere_else() {
    let Start { app, customer, .. } = TestApp::start().await;
    let cases = [
        ("/new/address", "/new/address"),
        ("/orders/ord_1?came=paid", "/orders/ord_1?came=paid"),
        ("", "/instances"),
        ("//evil.example", "/instances"),
        ("/\\evil.example", "/instances"),
        ("/\t/evil.example", "/instances"),
        ("https://evil.example/", "/instances"),
        ("javascript:alert(1)", "/instances"),
    ];
    for (next, to) in cases {
        let browser = app.client(Identity::default());
        let fields = [("email", customer.who.email.as_str()), ("password", PASSWORD), ("next", next)];
        browser.post("/log-in", &fields).await.redirects_to(to);
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        browser.get(&format!("/log-in?{query}")).await.redirects_to(to);
    }
    app.run_jobs().await;
}

#[tokio::test]
async fn a_log_in_ends_the_session_that_the_browser_had() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let planted = customer.cookie("paddock_session").unwrap();
    let page = app.client(Identity::default()).get("/log-in").await;
    let browser = app.client(Identity::default());
    browser.get("/log-in").await;
    browser.set_cookie("paddock_session", Some(&planted));
    let fields = [("email", other_customer.who.email.as_str()), ("password", PASSWORD)];
    browser.post("/log-in", &fields).await.redirects_to("/instances");
    assert_ne!(browser.cookie("paddock_session").unwrap(), planted);
    browser.get("/new/address").await.is(200).see(&other_customer.who.email);
    customer.get("/new/address").await.redirects_to("/log-in?next=%2Fnew%2Faddress");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn who_has_not_proven_their_address_is_sent_to_their_mail() {
    let Start { app, anon, .. } = TestApp::start().await;
    let to = log_in(&anon, &app.unverified().who.email, PASSWORD).await.redirects_to("/check-mail");
    anon.follow(to).await.is(200).see("unverified@mail.example");
}
