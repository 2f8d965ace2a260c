//! How people sign in: the second factor, sessions, browsers that were not seen before, another password, another address, and bounds on
//! trying.

use chrono::TimeDelta;
use paddock::account::attempt::{FOR_AN_ADDRESS, FROM_A_NETWORK, WINDOW};
use paddock::account::factor::CODES;
use paddock::account::move_address::ASKED_A_DAY;
use paddock::account::session::PROVEN_FOR;
use serde_json::json;

use crate::harness::{Answer, Client, Identity, PASSWORD, Start, TestApp};

const HERE: &str = "/account/security";
/// For how long an app shows a code.
const STEP: TimeDelta = TimeDelta::seconds(30);

async fn log_in(client: &Client, email: &str, password: &str) -> Answer {
    client.post("/log-in", &[("email", email), ("password", password)]).await
}

/// An authenticator app.
struct App(totp_rs::Totp);

impl App {
    fn code(&self, app: &TestApp) -> String {
        self.0.generate(app.clock_now().timestamp().try_into().unwrap()).to_string()
    }
}

/// Sets one up as the page has it. Returns it with the recovery codes.
async fn set_up(app: &TestApp, client: &Client) -> (App, Vec<String>) {
    let page = client.get(HERE).await.is(200).see("Logging in takes your password alone");
    let begun =
        client.submit(&page, "/account/security/authenticator", &[]).await.redirects_to("/account/security/authenticator");
    let page = client.follow(begun).await.is(200);
    let secret = page.all("main code").remove(0).replace(' ', "");
    let secret = totp_rs::Secret::try_from_base32(&secret).unwrap();
    let authenticator = App(totp_rs::Builder::new().with_secret(secret).build().unwrap());
    let confirm = "/account/security/authenticator/confirm";
    client.submit(&page, confirm, &[("code", "000000")]).await.is(422).see("The code is not right");
    let codes = client.submit(&page, confirm, &[("code", &authenticator.code(app))]).await.is(200);
    let codes = codes.see("They are not shown again.").all("main code");
    (authenticator, codes)
}

#[tokio::test]
async fn a_second_factor_is_set_up_and_then_asked_for() {
    let Start { app, customer, .. } = TestApp::start().await;
    let (customer, email) = (app.sign_in_again(&customer).await, customer.who.email.clone());
    let (authenticator, codes) = set_up(&app, &customer).await;
    assert_eq!(codes.len(), CODES);
    app.run_jobs().await;
    assert_eq!(app.mail_to(&email).subject, "A second factor protects your account at Meadow Hosting");
    // The secret is not shown again, and no other takes its place.
    customer.get("/account/security/authenticator").await.redirects_to(HERE);
    customer.post("/account/security/authenticator", &[]).await.is(409).see("Turn it off before");
    customer.get(HERE).await.see("10 recovery codes are left");

    let browser = app.client(Identity::default());
    browser.post("/log-in", &[("email", &email), ("password", "wrong"), ("next", "/waiting")]).await.is(422);
    let half = browser.post("/log-in", &[("email", &email), ("password", PASSWORD), ("next", "/waiting")]).await;
    let half = half.redirects_to("/log-in/code?next=%2Fwaiting");
    // Between the steps nothing is open, whatever the cookie is called.
    let secret = browser.cookie("paddock_half").unwrap();
    for path in ["/instances", HERE, "/account/members"] {
        browser.get(path).await.is(303);
        browser.set_cookie("paddock_session", Some(&secret));
        browser.get(path).await.is(303);
        browser.set_cookie("paddock_session", None);
    }
    let program = app.client(Identity { api: Some(secret), ..Identity::default() });
    program.api_get("/api/v1/me").await.is(401);
    let page = browser.follow(half).await.is(200).see("Six digits");
    browser.submit(&page, "/log-in/code", &[("code", "123")]).await.is(422).see("The code is not right");
    // The code that was used to set it up is used up.
    browser.submit(&page, "/log-in/code", &[("code", &authenticator.code(&app))]).await.is(422);
    app.advance(STEP);
    let code = authenticator.code(&app);
    browser.submit(&page, "/log-in/code", &[("code", &code)]).await.redirects_to("/waiting");
    browser.get("/instances").await.is(200);
    // One code, one log-in.
    let other = app.client(Identity::default());
    log_in(&other, &email, PASSWORD).await.redirects_to("/log-in/code?next=");
    other.post("/log-in/code", &[("code", &code)]).await.is(422);
    // The time between the steps is short.
    app.advance(TimeDelta::minutes(10));
    other.post("/log-in/code", &[("code", &authenticator.code(&app))]).await.redirects_to("/log-in");
    app.client(Identity::default()).get("/log-in/code").await.redirects_to("/log-in");
    app.run_jobs().await;
}

#[tokio::test]
async fn programs_are_asked_for_the_second_factor_too() {
    let Start { app, customer, anon, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let (authenticator, _) = set_up(&app, &customer).await;
    app.advance(STEP);
    let sign_in = async |password: &str, code: &str| {
        let body = json!({ "email": customer.who.email, "password": password, "code": code });
        anon.api_post("/api/v1/sessions", &body).await
    };
    // Whether a code is wanted is said to none who has not got the password.
    assert_eq!(sign_in("wrong", "").await.is(401).json()["code"], "wrong_credentials");
    assert_eq!(sign_in("wrong", &authenticator.code(&app)).await.is(401).json()["code"], "wrong_credentials");
    assert_eq!(sign_in(PASSWORD, "").await.is(401).json()["code"], "code_required");
    assert_eq!(sign_in(PASSWORD, "000000").await.is(401).json()["code"], "wrong_code");
    sign_in(PASSWORD, &authenticator.code(&app)).await.is(201);
    assert_eq!(sign_in(PASSWORD, &authenticator.code(&app)).await.is(401).json()["code"], "wrong_code");
    app.run_jobs().await;
}

#[tokio::test]
async fn recovery_codes_work_once_and_until_there_are_new_ones() {
    let Start { app, customer, .. } = TestApp::start().await;
    let (customer, email) = (app.sign_in_again(&customer).await, customer.who.email.clone());
    let (_, codes) = set_up(&app, &customer).await;
    let enter = async |code: &str| {
        let browser = app.client(Identity::default());
        log_in(&browser, &email, PASSWORD).await.redirects_to("/log-in/code?next=");
        browser.post("/log-in/code", &[("code", code)]).await
    };
    let typed = format!(" {} ", codes[0].to_lowercase().replace('-', " "));
    enter(&typed).await.redirects_to("/instances");
    app.run_jobs().await;
    let told = app.mails_to(&email).into_iter().find(|mail| mail.subject == "A recovery code was used at Meadow Hosting");
    assert!(told.unwrap().text.contains("Codes that are left: 9"));
    enter(&codes[0]).await.is(422);
    customer.get(HERE).await.see("9 recovery codes are left");
    let page = customer.get(HERE).await;
    let renewed = customer.submit(&page, "/account/security/codes", &[]).await.is(200).all("main code");
    assert!(renewed.len() == CODES && renewed.iter().all(|code| !codes.contains(code)));
    enter(&codes[1]).await.is(422);
    enter(&renewed[1]).await.redirects_to("/instances");
    // What is kept of them opens nothing.
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("select code_hash from recovery_codes").fetch_all(app.sql()).await.unwrap();
    assert!(kept.iter().all(|hash| hash.len() == 32), "{kept:?}");
    app.run_jobs().await;
}

#[tokio::test]
async fn a_new_password_does_not_get_around_the_second_factor() {
    let Start { app, customer, anon, .. } = TestApp::start().await;
    let (customer, email) = (app.sign_in_again(&customer).await, customer.who.email.clone());
    let (authenticator, _) = set_up(&app, &customer).await;
    let between = app.client(Identity::default());
    log_in(&between, &email, PASSWORD).await.redirects_to("/log-in/code?next=");
    anon.post("/forgot", &[("email", &email)]).await.is(303);
    app.run_jobs().await;
    let link = app.link_to(&email);
    anon.post(&link, &[("password", "another harbour")]).await.redirects_to("/log-in");
    anon.get("/instances").await.is(303);
    // Who had given the old password begins again.
    app.advance(STEP);
    between.post("/log-in/code", &[("code", &authenticator.code(&app))]).await.redirects_to("/log-in");
    log_in(&anon, &email, "another harbour").await.redirects_to("/log-in/code?next=");
    anon.get("/instances").await.is(303);
    anon.post("/log-in/code", &[("code", &authenticator.code(&app))]).await.redirects_to("/instances");
    app.run_jobs().await;
}

#[tokio::test]
async fn turning_it_off_takes_a_code_and_is_told() {
    let Start { app, customer, .. } = TestApp::start().await;
    let (customer, email) = (app.sign_in_again(&customer).await, customer.who.email.clone());
    let off = "/account/security/authenticator/off";
    customer.post(off, &[]).await.is(409).see("There is no second factor");
    customer.post("/account/security/codes", &[]).await.is(409);
    let (authenticator, _) = set_up(&app, &customer).await;
    app.advance(PROVEN_FOR);
    customer.post(off, &[]).await.redirects_to("/step-up?next=%2Finstances");
    let page = customer.get("/step-up").await.is(200).see("Six digits");
    // The password is not enough any more.
    customer.submit(&page, "/step-up", &[("code", ""), ("password", PASSWORD)]).await.is(422);
    let code = authenticator.code(&app);
    customer.submit(&page, "/step-up", &[("code", &code)]).await.redirects_to(HERE);
    assert_eq!(
        customer.api_post("/api/v1/sessions/current/proof", &json!({ "code": code })).await.is(401).json()["code"],
        "wrong_credentials"
    );
    let page = customer.get(HERE).await;
    customer.submit(&page, off, &[]).await.redirects_to(HERE);
    app.run_jobs().await;
    assert_eq!(app.mail_to(&email).subject, "Your account at Meadow Hosting has no second factor any more");
    log_in(&app.client(Identity::default()), &email, PASSWORD).await.redirects_to("/instances");
    assert_eq!(app.rows().await["recovery_codes"], 0);
    app.run_jobs().await;
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let email = customer.who.email.clone();
    let [one, two] = [app.client(Identity::default()), app.client(Identity::default())];
    for browser in [&one, &two] {
        log_in(browser, &email, PASSWORD).await.redirects_to("/instances");
    }
    let page = one.get(HERE).await.is(200).see("this one").see(one.address()).see(two.address());
    let sessions = customer.api_get("/api/v1/sessions").await.is(200).json();
    let sessions = sessions["sessions"].as_array().unwrap().clone();
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    let of =
        |address: &str| sessions.iter().find(|session| session["network"] == address).unwrap()["id"].as_str().unwrap().to_owned();
    // Somebody else's is as one that is not there.
    for id in [of(two.address()), uuid::Uuid::from_u128(1).to_string(), "nonsense".to_owned()] {
        other_customer.post(&format!("{HERE}/sessions/{id}/end"), &[]).await.is(404);
        other_customer.api_delete(&format!("/api/v1/sessions/{id}")).await.is(404);
    }
    let end = format!("{HERE}/sessions/{}/end", of(two.address()));
    let done = one.submit(&page, &end, &[]).await.redirects_to(HERE);
    one.follow(done).await.see("That session has ended.").not_see(two.address());
    two.get("/instances").await.is(303);
    one.post(&end, &[]).await.is(404);

    customer.get("/instances").await.is(200);
    let page = one.get(HERE).await;
    let done = one.submit(&page, "/account/security/sessions/end", &[]).await.redirects_to(HERE);
    one.follow(done).await.see("You are logged out everywhere else.");
    one.get("/instances").await.is(200);
    customer.get("/instances").await.is(303);
    customer.api_get("/api/v1/me").await.is(401);
    let audited = "select count(*) from audit_events where action in ('person.session_ended', 'person.sessions_ended')";
    assert_eq!(sqlx::query_scalar::<_, i64>(audited).fetch_one(app.sql()).await.unwrap(), 2);

    let again = app.sign_in_again(&customer).await;
    again.api_post("/api/v1/sessions/end-others", &json!({})).await.is(204);
    one.get("/instances").await.is(303);
    again.api_get("/api/v1/me").await.is(200);
    app.run_jobs().await;
}

#[tokio::test]
async fn a_browser_that_was_not_seen_before_is_told_once() {
    let Start { app, customer, .. } = TestApp::start().await;
    let email = customer.who.email.clone();
    let told = async || {
        app.run_jobs().await;
        app.transport.take().into_iter().filter(|mail| mail.to == email).collect::<Vec<_>>()
    };
    let [one, two] = [app.client(Identity::default()), app.client(Identity::default())];
    // The first of all is no news.
    log_in(&one, &email, PASSWORD).await.is(303);
    assert!(told().await.is_empty());
    log_in(&two, &email, PASSWORD).await.is(303);
    let mails = told().await;
    assert!(mails.len() == 1 && mails[0].text.contains(two.address()), "{mails:?}");
    for browser in [&one, &two, &two.moved_to("203.0.113.77")] {
        log_in(browser, &email, PASSWORD).await.is(303);
    }
    assert!(told().await.is_empty());
    // A program is known by its name and address.
    let body = json!({ "email": email, "password": PASSWORD });
    for expected in [1, 0] {
        one.api_post("/api/v1/sessions", &body).await.is(201);
        assert_eq!(told().await.len(), expected);
    }
}

#[tokio::test]
async fn strangers_are_bounded_and_lock_nobody_out() {
    let Start { app, customer, .. } = TestApp::start().await;
    let email = customer.who.email.clone();
    let browser = app.client(Identity::default());
    log_in(&browser, &email, PASSWORD).await.is(303);
    // Each from a network of its own; known or not, the same.
    for address in [email.as_str(), "nobody@mail.example"] {
        for _ in 0..FOR_AN_ADDRESS {
            log_in(&app.client(Identity::default()), address, "a wrong password").await.is(422);
        }
        let stranger = app.client(Identity::default());
        let refused = log_in(&stranger, address, PASSWORD).await.is(429).see("or set a new password by mail");
        let seconds: i64 = refused.header("retry-after").parse().unwrap();
        assert!(seconds > 0 && seconds <= WINDOW.num_seconds(), "{seconds}");
        assert_eq!(refused.attributes("main a.button", "href"), ["/forgot"]);
        let body = json!({ "email": address, "password": PASSWORD });
        let refused = stranger.api_post("/api/v1/sessions", &body).await.is(429);
        assert_eq!(
            (refused.json()["code"].as_str(), refused.header("retry-after").is_empty()),
            (Some("too_many_attempts"), false)
        );
    }
    // The owner's browser is known, wherever it is.
    log_in(&browser.moved_to("203.0.113.8"), &email, PASSWORD).await.redirects_to("/instances");
    // And one that is not becomes so by mail.
    let new = app.client(Identity::default());
    log_in(&new, &email, PASSWORD).await.is(429);
    new.post("/forgot", &[("email", &email)]).await.is(303);
    app.run_jobs().await;
    new.post(&app.link_to(&email), &[("password", "another harbour")]).await.is(303);
    log_in(&new, &email, "another harbour").await.redirects_to("/instances");
    // A known browser is bounded too, and by itself.
    for _ in 0..FOR_AN_ADDRESS {
        log_in(&new, &email, "a wrong password").await.is(422);
    }
    log_in(&new, &email, "another harbour").await.is(429);
    // Time heals.
    app.advance(WINDOW);
    log_in(&new, &email, "another harbour").await.is(303);
    log_in(&app.client(Identity::default()), &email, "another harbour").await.is(303);
    app.run_jobs().await;
}

#[tokio::test]
async fn a_network_is_bounded_whatever_it_tries() {
    let Start { app, customer, .. } = TestApp::start().await;
    let attacker = app.client(Identity::default());
    for number in 0..FROM_A_NETWORK {
        let address = if number % 2 == 0 { format!("somebody{number}@mail.example") } else { "no address".to_owned() };
        let answer = log_in(&attacker, &address, "a wrong password").await;
        assert!([422, 429].contains(&answer.status.as_u16()), "{number}: {}", answer.status);
    }
    log_in(&attacker, &customer.who.email, PASSWORD).await.is(429);
    log_in(&attacker, "staff@host.example", PASSWORD).await.is(429);
    attacker.post("/staff/log-in", &[("email", "staff@host.example"), ("password", PASSWORD)]).await.is(429);
    // What it says of itself in front of what the proxy says changes nothing.
    let pretends = attacker.moved_to(&format!("192.0.2.1, {}", attacker.address()));
    log_in(&pretends, &customer.who.email, PASSWORD).await.is(429);
    // Its neighbours go on.
    log_in(&app.client(Identity::default()), &customer.who.email, PASSWORD).await.is(303);
    // And what is right is not counted: many people may share a network.
    let office = app.client(Identity::default());
    for _ in 0..=FOR_AN_ADDRESS {
        let desk = app.client(Identity::default()).moved_to(office.address());
        log_in(&desk, &customer.who.email, PASSWORD).await.is(303);
    }
    // No address of anybody is kept for that.
    let kept: Vec<Vec<u8>> = sqlx::query_scalar("select key from log_in_attempts").fetch_all(app.sql()).await.unwrap();
    assert!(kept.iter().all(|key| key.len() == 32) && !kept.is_empty());
    app.run_jobs().await;
}

#[tokio::test]
async fn however_many_strangers_try_those_whose_browser_is_known_log_in() {
    let Start { app, customer, .. } = TestApp::start().await;
    let (known, email) = (app.client(Identity::default()), customer.who.email.as_str());
    log_in(&known, email, PASSWORD).await.is(303);
    // Everybody else's room is taken.
    let room: Vec<_> = std::iter::from_fn(|| app.state.passwords.room()).collect();
    let stranger = app.client(Identity::default());
    let answer = log_in(&stranger, email, PASSWORD).await.is(503).see("Many people at once");
    assert_eq!(answer.header("retry-after"), "1");
    let body = serde_json::json!({ "email": email, "password": PASSWORD });
    assert_eq!(stranger.api_post("/api/v1/sessions", &body).await.is(503).json()["code"], "crowded");
    let attempts: i64 = sqlx::query_scalar("select count(*) from log_in_attempts").fetch_one(app.sql()).await.unwrap();
    let staff = [("email", "staff@host.example"), ("password", PASSWORD)];
    stranger.post("/staff/log-in", &staff).await.is(503);
    stranger.post("/sign-up", &[("email", "ada@mail.example"), ("password", "a quiet harbour")]).await.is(503);
    let after: i64 = sqlx::query_scalar("select count(*) from log_in_attempts").fetch_one(app.sql()).await.unwrap();
    assert_eq!(after, attempts, "who is sent away was not counted");
    log_in(&known, email, PASSWORD).await.is(303);
    drop(room);
    log_in(&stranger, email, PASSWORD).await.is(303);
    app.run_jobs().await;
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let Start { app, customer, .. } = TestApp::start().await;
    let (customer, other) = (app.sign_in_again(&customer).await, customer);
    let email = customer.who.email.clone();
    let cases = [
        ("", "another harbour", "current", "Enter the password that you have now."),
        ("wrong one", "another harbour", "current", "That is not your password"),
        (PASSWORD, "short", "password", "at least 8 characters"),
        (PASSWORD, "football1", "password", "one of those that are tried first"),
    ];
    let path = "/account/security/password";
    for (current, password, field, says) in cases {
        let page = customer.post(path, &[("current", current), ("password", password)]).await.is(422).see(says);
        assert_eq!(page.attributes("#errors a", "href"), [format!("#{field}")]);
    }
    let page = customer.get(HERE).await;
    let fields = [("current", PASSWORD), ("password", "another harbour")];
    customer.submit(&page, path, &fields).await.redirects_to(HERE);
    customer.get("/instances").await.is(200);
    other.get("/instances").await.is(303);
    customer.api_get("/api/v1/me").await.is(401);
    app.run_jobs().await;
    assert_eq!(app.mail_to(&email).subject, "Your password for Meadow Hosting was changed");
    let browser = app.client(Identity::default());
    log_in(&browser, &email, PASSWORD).await.is(422);
    log_in(&browser, &email, "another harbour").await.is(303);
    app.advance(PROVEN_FOR);
    customer.post(path, &fields).await.redirects_to("/step-up?next=%2Finstances");
}

/// Asks for another address. Returns the links that the old and the new one got.
async fn ask_address(app: &TestApp, client: &Client, from: &str, to: &str) -> (String, String) {
    let page = client.get(HERE).await;
    client.submit(&page, "/account/security/address", &[("email", to)]).await.redirects_to(HERE);
    app.run_jobs().await;
    (app.link_to(from), app.link_to(to))
}

#[tokio::test]
async fn an_address_is_changed_when_both_have_agreed() {
    let Start { app, customer, anon, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let (mut email, names) = (customer.who.email.clone(), ["owl@mail.example", "Heron@mail.example"]);
    for (name, new_first) in names.into_iter().zip([true, false]) {
        app.advance(TimeDelta::minutes(2));
        let (old, new) = ask_address(&app, &customer, &email, name).await;
        let [first, second] = if new_first { [&new, &old] } else { [&old, &new] };
        let page = anon.get(first).await.is(200).see(name);
        let done = anon.submit(&page, first, &[]).await.redirects_to("/address/agreed?waits=1");
        anon.follow(done).await.see("Now the other address has to");
        anon.get(first).await.is(410);
        anon.post(first, &[]).await.is(410);
        log_in(&app.client(Identity::default()), name, PASSWORD).await.is(422);
        let page = anon.get(second).await.is(200);
        let done = anon.submit(&page, second, &[]).await.redirects_to("/address/agreed");
        anon.follow(done).await.see("The address is changed.");
        anon.post(second, &[]).await.is(410);
        app.run_jobs().await;
        for told in [email.as_str(), name] {
            assert_eq!(app.mail_to(told).subject, "Your address for Meadow Hosting was changed");
        }
        log_in(&app.client(Identity::default()), &email, PASSWORD).await.is(422);
        log_in(&app.client(Identity::default()), name, PASSWORD).await.redirects_to("/instances");
        customer.get(HERE).await.is(200).see(&format!("You log in with {name}"));
        name.clone_into(&mut email);
        app.run_jobs().await;
    }
    anon.get("/address/nonsense").await.is(410);
}

#[tokio::test]
async fn an_address_that_is_somebody_elses_old_or_asked_for_anew_is_not_taken() {
    let Start { app, customer, other_customer, anon, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let (email, theirs) = (customer.who.email.clone(), other_customer.who.email.clone());
    let path = "/account/security/address";
    customer.post(path, &[("email", "owl")]).await.is(422).see("needs one @");
    customer.post(path, &[("email", &email)]).await.is(422).see("That is the address that you have");
    // Somebody else's: the page says the same, and its owner learns no more than that they have an account.
    customer.post(path, &[("email", &theirs)]).await.redirects_to(HERE);
    app.run_jobs().await;
    assert_eq!(app.mail_to(&theirs).subject, "You already have an account at Meadow Hosting");
    customer.post(path, &[("email", &theirs)]).await.is(422).see("We have just sent a mail to this address");
    let old = app.link_to(&email);
    anon.post(&old, &[]).await.redirects_to("/address/agreed?waits=1");
    log_in(&app.client(Identity::default()), &theirs, PASSWORD).await.is(303);

    // Another change takes the place of the first.
    let (first_old, first_new) = ask_address(&app, &customer, &email, "owl@mail.example").await;
    app.advance(TimeDelta::minutes(2));
    let (old, new) = ask_address(&app, &customer, &email, "heron@mail.example").await;
    for link in [&first_old, &first_new] {
        anon.post(link, &[]).await.is(410).see("Go to password and sessions");
    }
    // Somebody signs up with it meanwhile.
    anon.post(&new, &[]).await.is(303);
    let taken = "update people set email_canonical = 'heron@mail.example' where email = $1";
    sqlx::query(taken).bind(&theirs).execute(app.sql()).await.unwrap();
    anon.post(&old, &[]).await.is(410);
    let unchanged = "select email_canonical from people where id = $1";
    let unchanged: String = sqlx::query_scalar(unchanged).bind(customer.who.person).fetch_one(app.sql()).await.unwrap();
    assert_eq!(unchanged, email);
    // And one that waits for a day is over.
    app.advance(TimeDelta::minutes(2));
    let (old, new) = ask_address(&app, &customer, &email, "rail@mail.example").await;
    app.advance(TimeDelta::days(1));
    anon.post(&old, &[]).await.is(410);
    anon.get(&new).await.is(410);
    // Nobody writes to strangers this way without end.
    let customer = app.sign_in_again(&customer).await;
    for number in 0..ASKED_A_DAY {
        customer.post(path, &[("email", &format!("stranger{number}@mail.example"))]).await.redirects_to(HERE);
    }
    customer.post(path, &[("email", "one-more@mail.example")]).await.is(422);
    app.run_jobs().await;
    assert!(app.mails_to("one-more@mail.example").is_empty());
}
