//! Each change leaves its entries in the audit log, in the transaction that makes it, with who made it: the whole of a customer's life,
//! step by step.

use paddock::account::email::EmailAddress;
use paddock::account::{self, Scope, VISITOR};
use paddock::audit::Actor;
use paddock::resource::StepName;

use crate::harness::{Capacity, Client, Identity, PASSWORD, Start, TestApp, add_cluster};

/// Entries since the last look: who did what.
struct Log {
    seen: i64,
}

impl Log {
    async fn begin(app: &TestApp) -> Self {
        let mut log = Self { seen: 0 };
        log.next(app).await;
        log
    }

    async fn next(&mut self, app: &TestApp) -> Vec<(String, String)> {
        let query = "select id, actor_kind || ' ' || actor_id, action from audit_events where id > $1 order by id";
        let rows: Vec<(i64, String, String)> = sqlx::query_as(query).bind(self.seen).fetch_all(app.sql()).await.unwrap();
        self.seen = rows.last().map_or(self.seen, |(id, ..)| *id);
        rows.into_iter().map(|(_, who, what)| (who, what)).collect()
    }

    #[track_caller]
    fn is(found: &[(String, String)], who: &str, what: &[&str]) {
        let expected: Vec<(String, String)> = what.iter().map(|what| (who.to_owned(), (*what).to_owned())).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn people_and_their_links() {
    let Start { app, anon, .. } = TestApp::start().await;
    let mut log = Log::begin(&app).await;
    let (email, password) = ("ada@mail.example", "a quiet harbour");
    anon.post("/sign-up", &[("email", email), ("password", password)]).await.is(303);
    let person: uuid::Uuid =
        sqlx::query_scalar("select id from people where email = $1").bind(email).fetch_one(app.sql()).await.unwrap();
    let ada = format!("person {}", paddock::ids::PersonId::from(person));
    Log::is(&log.next(&app).await, &ada, &["account.signed_up"]);
    app.run_jobs().await;
    let verify = app.link_to(email);

    app.advance(chrono::TimeDelta::minutes(2));
    anon.post("/verify/resend", &[("email", email)]).await.is(303);
    Log::is(&log.next(&app).await, "system visitor", &["person.verification_asked"]);
    anon.post("/verify/resend", &[("email", email)]).await.is(303);
    Log::is(&log.next(&app).await, "", &[]);
    anon.post(&verify, &[]).await.is(303);
    Log::is(&log.next(&app).await, &ada, &["person.verified"]);
    anon.post(&verify, &[]).await.is(303);
    Log::is(&log.next(&app).await, "", &[]);

    app.advance(chrono::TimeDelta::minutes(2));
    anon.post("/forgot", &[("email", email)]).await.is(303);
    Log::is(&log.next(&app).await, "system visitor", &["person.reset_asked"]);
    anon.post("/forgot", &[("email", "nobody@mail.example")]).await.is(303);
    Log::is(&log.next(&app).await, "", &[]);
    app.run_jobs().await;
    anon.post(&app.link_to(email), &[("password", "another harbour")]).await.is(303);
    Log::is(&log.next(&app).await, &ada, &["person.password_reset"]);
    app.run_jobs().await;

    // Whoever chooses a new password has read a mail to the address, and so has proven it.
    let unverified = app.unverified();
    let email = unverified.who.email.as_str();
    anon.post("/forgot", &[("email", email)]).await.is(303);
    Log::is(&log.next(&app).await, "system visitor", &["person.reset_asked"]);
    app.run_jobs().await;
    anon.post(&app.link_to(email), &[("password", "another harbour")]).await.is(303);
    let who = format!("person {}", unverified.who.person.unwrap());
    Log::is(&log.next(&app).await, &who, &["person.verified", "person.password_reset"]);
    app.run_jobs().await;
}

#[tokio::test]
async fn a_link_that_is_sent_again_by_who_is_logged_in() {
    let Start { app, .. } = TestApp::start().await;
    let mut log = Log::begin(&app).await;
    let unverified = app.unverified();
    let who = format!("person {}", unverified.who.person.unwrap());
    unverified.post("/verify/resend", &[]).await.is(303);
    Log::is(&log.next(&app).await, &who, &["person.verification_asked"]);
    app.run_jobs().await;
    assert_eq!(VISITOR, Actor::System("visitor"));
}

#[tokio::test]
async fn sessions_begin_and_end() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let mut log = Log::begin(&app).await;
    let who = |client: &Client| format!("person {}", client.who.person.unwrap());
    let (ada, eve) = (who(&customer), who(&other_customer));
    let browser = app.client(Identity::default());
    let log_in = async |email: &str, password: &str| browser.post("/log-in", &[("email", email), ("password", password)]).await;
    let from = log.seen;
    log_in(&customer.who.email, "a wrong password").await.is(422);
    browser.post("/log-out", &[]).await.is(303);
    Log::is(&log.next(&app).await, "", &[]);
    log_in(&customer.who.email, PASSWORD).await.is(303);
    Log::is(&log.next(&app).await, &ada, &["person.logged_in"]);
    // Somebody else at the same browser: the session that it had ends.
    log_in(&other_customer.who.email, PASSWORD).await.is(303);
    let found = log.next(&app).await;
    let expected = [(ada.clone(), "person.logged_out".to_owned()), (eve.clone(), "person.logged_in".to_owned())];
    assert_eq!(found, expected);
    let secret = browser.cookie("paddock_session").unwrap();
    browser.post("/log-out", &[]).await.is(303);
    Log::is(&log.next(&app).await, &eve, &["person.logged_out"]);
    // What is no session any more is none that ends.
    browser.set_cookie("paddock_session", Some(&secret));
    browser.post("/log-out", &[]).await.is(303);
    Log::is(&log.next(&app).await, "", &[]);

    let credentials = serde_json::json!({ "email": customer.who.email, "password": PASSWORD });
    let session = browser.api_post("/api/v1/sessions", &credentials).await.is(201).json();
    Log::is(&log.next(&app).await, &ada, &["person.logged_in"]);
    let token = session["token"].as_str().map(str::to_owned);
    let program = app.client(Identity { api: token, ..Identity::default() });
    program.api_delete("/api/v1/sessions/current").await.is(204);
    Log::is(&log.next(&app).await, &ada, &["person.logged_out"]);
    program.api_delete("/api/v1/sessions/current").await.is(401);
    Log::is(&log.next(&app).await, "", &[]);
    let kinds = "select detail ->> 'kind' from audit_events where id > $1 order by id";
    let kinds: Vec<String> = sqlx::query_scalar(kinds).bind(from).fetch_all(app.sql()).await.unwrap();
    assert_eq!(kinds, ["browser", "browser", "browser", "browser", "api", "api"]);

    // Time has ended these; nobody did.
    app.advance(chrono::TimeDelta::days(15));
    customer.post("/log-out", &[]).await.is(303);
    Log::is(&log.next(&app).await, "", &[]);
    // A program besides the browser is told.
    app.run_jobs().await;
    assert_eq!(app.mail_to(&customer.who.email).subject, "New log-in to Meadow Hosting");
}

#[tokio::test]
async fn staff_and_clusters() {
    let Start { app, anon, .. } = TestApp::start().await;
    let mut log = Log::begin(&app).await;
    let email = EmailAddress::parse("new@host.example").unwrap();
    let hash = app.state.passwords.hash("a quiet harbour".into()).await.unwrap();
    let mut tx = app.sql().begin().await.unwrap();
    let id = account::put_staff(&mut tx, app.clock.as_ref(), &email, &hash, &[Scope::Admin]).await.unwrap();
    tx.commit().await.unwrap();
    Log::is(&log.next(&app).await, "system admin", &["staff.put"]);
    let (log_in, member) = ([("email", "new@host.example"), ("password", "a quiet harbour")], format!("staff {id}"));
    let page = anon.follow(anon.post("/staff/log-in", &log_in).await.redirects_to("/staff/log-in/set-up")).await;
    Log::is(&log.next(&app).await, &member, &["staff.password_given"]);
    let secret = totp_rs::Secret::try_from_base32(&page.all("main code").remove(0).replace(' ', "")).unwrap();
    let code = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let code = code.generate(app.clock_now().timestamp().try_into().unwrap()).to_string();
    anon.submit(&page, "/staff/log-in/set-up", &[("code", &code)]).await.is(200);
    Log::is(&log.next(&app).await, &member, &["staff.second_factor_on", "staff.logged_in"]);
    anon.post("/log-out", &[]).await.redirects_to("/");
    Log::is(&log.next(&app).await, &format!("staff {id}"), &["staff.logged_out"]);

    app.run_jobs().await;
    log.next(&app).await;
    add_cluster(&app.db, app.clock.as_ref(), "second", 5).await;
    Log::is(&log.next(&app).await, "system tests", &["cluster.added"]);
}

#[tokio::test]
async fn an_order_from_its_placing_to_the_running_server() {
    let Start { app, customer, .. } = TestApp::start().await;
    let mut log = Log::begin(&app).await;
    let who = format!("person {}", customer.who.person.unwrap());
    let order = app.order(&customer, "birds").await;
    Log::is(&log.next(&app).await, &who, &["order.placed"]);
    let pay = format!("/orders/{}/pay", order.id);
    customer.post(&pay, &[]).await.is(303);
    Log::is(&log.next(&app).await, &who, &["account.stripe_customer", "order.checkout"]);
    customer.post(&pay, &[]).await.is(303);
    Log::is(&log.next(&app).await, "", &[]);

    let checkout = app.find_order(order.id).await.checkout_id.unwrap();
    app.shop.pay(&checkout, "4000 0000 0000 0002").unwrap_err();
    for left in [&["order.declined"][..], &[]] {
        customer.get(&format!("/orders/{}?came=back", order.id)).await.is(200);
        app.run_jobs().await;
        Log::is(&log.next(&app).await, "system billing", left);
    }
    app.shop.pay_well(&checkout);
    app.run_jobs().await;
    Log::is(&log.next(&app).await, "system billing", &["subscription.begun", "order.paid", "instance.intent"]);
    // A renewal that fails, and the same again.
    app.observe(order.instance_id, &app.status(&[StepName::Namespace])).await;
    Log::is(&log.next(&app).await, "", &[]);
    app.observe(order.instance_id, &app.status(&StepName::ALL)).await;
    Log::is(&log.next(&app).await, "system fleet", &["instance.ready"]);
    app.observe(order.instance_id, &app.status(&StepName::ALL)).await;
    Log::is(&log.next(&app).await, "", &[]);

    app.advance(chrono::TimeDelta::days(32));
    app.shop.advance(chrono::TimeDelta::zero());
    app.run_jobs().await;
    let found = log.next(&app).await;
    assert!(
        !found.is_empty() && found.iter().all(|(who, what)| who == "system billing" && what == "subscription.changed"),
        "{found:?}"
    );
}

#[tokio::test]
async fn an_order_that_nobody_pays() {
    let Start { app, customer, .. } = TestApp::start().await;
    let order = app.order(&customer, "birds").await;
    let mut log = Log::begin(&app).await;
    customer.post(&format!("/orders/{}/cancel", order.id), &[]).await.is(303);
    Log::is(&log.next(&app).await, &format!("person {}", customer.who.person.unwrap()), &["order.given_up"]);
    app.run_jobs().await;
    Log::is(&log.next(&app).await, "system billing", &["order.expired"]);
}

#[tokio::test]
async fn the_waiting_list() {
    let Start { app, customer, .. } = TestApp::start_with(Capacity(0)).await;
    let mut log = Log::begin(&app).await;
    let who = format!("person {}", customer.who.person.unwrap());
    let wish = |name: &str| {
        serde_json::json!({ "kind": "hosted", "name": name, "owner_name": "wren", "owner_email": "wren@mail.example",
                            "plan": "family", "period": "month" })
    };
    for (name, status, left) in
        [("birds", 201, &["waiting.joined"][..]), ("birds", 200, &[]), ("foxes", 200, &["waiting.changed"])]
    {
        customer.api_post("/api/v1/waiting", &wish(name)).await.is(status);
        Log::is(&log.next(&app).await, &who, left);
    }
    for left in [&["waiting.left"][..], &[]] {
        customer.api_delete("/api/v1/waiting").await.is(204);
        Log::is(&log.next(&app).await, &who, left);
    }
    app.run_jobs().await;
}

#[tokio::test]
async fn prices_and_jobs() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    app.order(&customer, "birds").await;
    let mut log = Log::begin(&app).await;
    let enqueue = "select enqueue_job('sync_prices', '{}', 'sync_prices:all', null, null)";
    sqlx::query(enqueue).execute(app.sql()).await.unwrap();
    app.run_jobs().await;
    let sold = app.state.catalogue.plans().len() + usize::from(app.state.catalogue.pack().is_some());
    Log::is(&log.next(&app).await, "system billing", &vec!["price.made"; 2 * sold]);
    sqlx::query(enqueue).execute(app.sql()).await.unwrap();
    app.run_jobs().await;
    Log::is(&log.next(&app).await, "", &[]);

    let id = app.jobs().await[0].id;
    staff.post(&format!("/staff/jobs/{id}/retry"), &[]).await.is(303);
    Log::is(&log.next(&app).await, &format!("staff {}", staff.who.staff.unwrap()), &["job.retried"]);
    app.leave_jobs();
}
