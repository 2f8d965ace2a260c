//! Webhooks: programs of customers that listen, answer, fail and lie.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use paddock::account::hook::{self, Wanted, delivery};
use paddock::audit::Actor;
use paddock::ids::{HookEndpointId, HookEventId};
use paddock::instance::dns::RecordKind;
use paddock::instance::{self, Hold};
use paddock::internet::{Outbound, Reach};
use paddock::{crypto, worker};
use serde_json::{Value, json};

use crate::harness::{Client, Start, TestApp};
use crate::standing::{decline, paid_once};

/// A request that came.
#[derive(Clone)]
struct Heard {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// What a library for Standard Webhooks does with the secret's text.
    fn is_signed_with(&self, secret: &str) -> bool {
        let key: [u8; 32] = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap().try_into().unwrap();
        let head = format!("{}.{}.", self.header("webhook-id"), self.header("webhook-timestamp"));
        let wanted = format!("v1,{}", STANDARD.encode(crypto::hmac(&key, &[head.as_bytes(), &self.body].concat())));
        self.header("webhook-signature").split(' ').any(|signature| signature == wanted)
    }
}

/// A program that listens on the loopback.
#[derive(Clone)]
struct Program {
    heard: Arc<Mutex<Vec<Heard>>>,
    answers: Arc<Mutex<StatusCode>>,
    url: String,
}

impl Program {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/paddock", listener.local_addr().unwrap());
        let program = Self { heard: Arc::default(), answers: Arc::new(Mutex::new(StatusCode::NO_CONTENT)), url };
        let router = axum::Router::new().route("/paddock", axum::routing::post(Self::hear)).with_state(program.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        program
    }

    async fn hear(State(program): State<Self>, headers: HeaderMap, body: Bytes) -> StatusCode {
        program.heard.lock().unwrap().push(Heard { headers, body: body.to_vec() });
        *program.answers.lock().unwrap()
    }

    fn answers(&self, status: u16) {
        *self.answers.lock().unwrap() = StatusCode::from_u16(status).unwrap();
    }

    /// What came since this was last asked.
    fn heard(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    fn kinds(&self) -> Vec<String> {
        self.heard().iter().map(|heard| heard.json()["type"].as_str().unwrap().to_owned()).collect()
    }
}

/// An endpoint of somebody's account at an address.
pub async fn listen(app: &TestApp, client: &Client, url: &str) -> HookEndpointId {
    let (account, person) = (client.who.account(), client.who.person.unwrap());
    let mut tx = app.db.begin_account(account).await.unwrap();
    let wanted = Wanted { url, kinds: &[] };
    let id = hook::create(tx.conn(), app.clock.as_ref(), person, account, Reach::Anywhere, wanted).await.unwrap();
    tx.commit().await.unwrap();
    id
}

/// The events that an account's programs were owed, by kind.
pub async fn events(app: &TestApp, client: &Client) -> Vec<String> {
    let query = "select kind from hook_events where account_id = $1 order by at, id";
    sqlx::query_scalar(query).bind(client.who.account()).fetch_all(app.sql()).await.unwrap()
}

async fn deliver(app: &TestApp) {
    worker::deliver_hooks(&app.deps).await.unwrap();
}

async fn secret(client: &Client, id: HookEndpointId) -> String {
    let answer = client.api_get(&format!("/api/v1/webhooks/{id}/secret")).await.is(200);
    answer.json()["secret"].as_str().unwrap().to_owned()
}

async fn deliveries(client: &Client, id: HookEndpointId) -> Vec<Value> {
    let answer = client.api_get(&format!("/api/v1/webhooks/{id}/deliveries")).await.is(200);
    answer.json()["deliveries"].as_array().unwrap().clone()
}

fn code(answer: &crate::harness::Answer) -> String {
    answer.json()["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_program_is_told_what_happens_and_sees_that_it_comes_from_us() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let (program, theirs) = (Program::start().await, Program::start().await);
    let made = customer.api_post("/api/v1/webhooks", &json!({ "url": program.url })).await.is(201).json();
    let id: HookEndpointId = made["id"].as_str().unwrap().parse().unwrap();
    assert_eq!((made["state"].as_str(), &made["events"]), (Some("on"), &json!([])));
    listen(&app, &other_customer, &theirs.url).await;
    let secret = secret(&customer, id).await;

    let server = app.running(&customer, "birds").await;
    deliver(&app).await;
    let heard = program.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].json()["type"], "server.ready");
    assert_eq!(heard[0].json()["data"], json!({ "instance": server.id.to_string(), "domain": "birds.meadow.social" }));
    assert!(heard[0].is_signed_with(&secret), "{:?}", heard[0].headers);
    assert!(heard[0].header("webhook-id").parse::<HookEventId>().is_ok());
    assert_eq!(heard[0].header("content-type"), "application/json");

    // Paused once and resumed once, however many reasons there are; who pauses does not matter.
    let mut conn = app.db.staff().begin().await.unwrap();
    for hold in [Hold::Staff, Hold::Abuse] {
        instance::hold(&mut conn, app.clock.as_ref(), Actor::System("test"), server.id, hold, "").await.unwrap();
    }
    conn.commit().await.unwrap();
    deliver(&app).await;
    let heard = program.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        (heard[0].json()["type"].as_str(), heard[0].json()["data"]["reason"].as_str()),
        (Some("server.paused"), Some("staff"))
    );
    let mut conn = app.db.staff().begin().await.unwrap();
    for holds in [[Hold::Staff], [Hold::Abuse]] {
        instance::lift(&mut conn, app.clock.as_ref(), Actor::System("test"), server.id, &holds, "settled").await.unwrap();
    }
    conn.commit().await.unwrap();
    deliver(&app).await;
    assert_eq!(program.kinds(), ["server.resumed"]);
    // Nothing is told twice, and nobody hears of others.
    deliver(&app).await;
    assert!(program.heard().is_empty() && theirs.heard().is_empty());
    assert_eq!(events(&app, &other_customer).await, [""; 0]);
    let told = deliveries(&customer, id).await;
    let kinds: Vec<&str> = told.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["server.resumed", "server.paused", "server.ready"]);
    assert!(told.iter().all(|one| one["state"] == "delivered" && one["tries"][0]["status"] == 204), "{told:?}");
    app.leave_jobs();
}

#[tokio::test]
async fn a_renewal_that_fails_is_told_once() {
    let Start { app, customer, .. } = TestApp::start().await;
    let program = Program::start().await;
    let server = paid_once(&app, &customer, "birds").await;
    listen(&app, &customer, &program.url).await;
    decline(&app, server.id).await;
    for _ in 0..8 {
        crate::standing::pass(&app, TimeDelta::days(1)).await;
    }
    deliver(&app).await;
    let heard = program.heard();
    assert_eq!(heard.len(), 1, "{:?}", events(&app, &customer).await);
    let told = heard[0].json();
    assert_eq!((told["type"].as_str(), told["data"]["domain"].as_str()), (Some("payment.failed"), Some("birds.meadow.social")));
    assert!(told["data"]["amount"].is_object(), "{told}");
}

#[tokio::test]
async fn an_endpoint_is_told_of_what_it_has_chosen() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let program = Program::start().await;
    let wanted = json!({ "url": program.url, "events": ["payment.failed"] });
    let id = customer.api_post("/api/v1/webhooks", &wanted).await.is(201).json()["id"].as_str().unwrap().to_owned();
    app.running(&customer, "birds").await;
    assert_eq!(events(&app, &customer).await, [""; 0], "what nobody wants to know is not kept");
    let changed = json!({ "url": program.url, "events": ["server.ready"] });
    customer.api_post(&format!("/api/v1/webhooks/{id}"), &changed).await.is(204);
    app.running(&customer, "foxes").await;
    deliver(&app).await;
    assert_eq!(program.kinds(), ["server.ready"]);
    for (body, field) in [
        (json!({ "url": "nonsense" }), "url"),
        (json!({ "url": "ftp://birds.example/" }), "url"),
        (json!({ "url": "https://wren:secret@birds.example/" }), "url"),
        (json!({ "url": program.url, "events": ["server.born"] }), "events"),
    ] {
        let refused = customer.api_post("/api/v1/webhooks", &body).await.is(422).json();
        assert_eq!(refused["errors"][0]["field"], field, "{body}");
    }
    for _ in 1..hook::MOST {
        customer.api_post("/api/v1/webhooks", &json!({ "url": program.url })).await.is(201);
    }
    customer.api_post("/api/v1/webhooks", &json!({ "url": program.url })).await.is(422);
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_later_each_time() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let program = Program::start().await;
    let id = listen(&app, &customer, &program.url).await;
    app.running(&customer, "birds").await;
    program.answers(500);
    deliver(&app).await;
    let first = program.heard();
    assert_eq!(first.len(), 1);
    // Not before its time.
    deliver(&app).await;
    assert!(program.heard().is_empty());
    app.advance(TimeDelta::seconds(6));
    deliver(&app).await;
    assert_eq!(program.heard().len(), 1);
    app.advance(TimeDelta::seconds(6));
    deliver(&app).await;
    assert!(program.heard().is_empty(), "the second pause is longer than the first");
    program.answers(200);
    app.advance(TimeDelta::minutes(6));
    deliver(&app).await;
    let last = program.heard();
    assert_eq!(last.len(), 1);
    // The same event under the same id, signed anew.
    assert_eq!((last[0].header("webhook-id"), &last[0].body), (first[0].header("webhook-id"), &first[0].body));
    assert_ne!(last[0].header("webhook-timestamp"), first[0].header("webhook-timestamp"));
    let customer = app.sign_in_again(&customer).await;
    let told = deliveries(&customer, id).await;
    let statuses: Vec<i64> = told[0]["tries"].as_array().unwrap().iter().map(|one| one["status"].as_i64().unwrap()).collect();
    assert_eq!((told[0]["state"].as_str(), statuses), (Some("delivered"), vec![500, 500, 200]));
    assert_eq!(customer.api_get(&format!("/api/v1/webhooks/{id}")).await.json()["failing_since"], Value::Null);
}

#[tokio::test]
async fn after_days_of_failure_an_endpoint_is_switched_off_and_its_owner_gets_a_mail() {
    let Start { app, customer, .. } = TestApp::start().await;
    let program = Program::start().await;
    let id = listen(&app, &customer, &program.url).await;
    app.running(&customer, "birds").await;
    let before = app.mails_to(&customer.who.email).len();
    program.answers(503);
    let (mut tries, mut hours) = (0, 0);
    while app.mails_to(&customer.who.email).len() == before {
        deliver(&app).await;
        app.run_jobs().await;
        tries += program.heard().len();
        app.advance(TimeDelta::hours(1));
        hours += 1;
        assert!(hours < 24 * 5, "it is never switched off");
    }
    assert!(hours >= 24 * 3 && (6..=10).contains(&tries), "{tries} tries in {hours} hours");
    let mail = app.mail_to(&customer.who.email);
    assert!(mail.subject.contains("is switched off") && mail.text.contains(&program.url), "{}", mail.text);
    let customer = app.sign_in_again(&customer).await;
    customer.get(&app.link_to(&customer.who.email)).await.is(200).see("Switched off by us");
    let path = format!("/api/v1/webhooks/{id}");
    assert_eq!(customer.api_get(&path).await.json()["state"], "failing");
    // Nothing is sent to it, nothing new is owed to it, nothing can be asked for.
    app.advance(TimeDelta::days(2));
    let customer = app.sign_in_again(&customer).await;
    app.running(&customer, "foxes").await;
    deliver(&app).await;
    assert!(program.heard().is_empty());
    assert_eq!(code(&customer.api_post(&format!("{path}/test"), &json!({})).await.is(409)), "webhook_off");
    // Put right and switched on, it is told what it missed when that is replayed.
    program.answers(204);
    customer.api_post(&format!("{path}/on"), &json!({})).await.is(204);
    let missed = deliveries(&customer, id).await;
    assert_eq!((missed.len(), missed[0]["state"].as_str()), (1, Some("given_up")));
    let replay = format!("{path}/deliveries/{}/replay", missed[0]["id"].as_str().unwrap());
    customer.api_post(&replay, &json!({})).await.is(202);
    deliver(&app).await;
    assert_eq!(program.kinds(), ["server.ready"]);
    assert_eq!(deliveries(&customer, id).await[0]["state"], "delivered");
    assert!(delivery::PATIENCE >= TimeDelta::days(3));
}

#[tokio::test]
async fn whoever_says_gone_is_not_called_again() {
    let Start { app, customer, .. } = TestApp::start().await;
    let program = Program::start().await;
    listen(&app, &customer, &program.url).await;
    app.running(&customer, "birds").await;
    program.answers(410);
    deliver(&app).await;
    app.run_jobs().await;
    assert!(app.mail_to(&customer.who.email).subject.contains("is switched off"));
    app.advance(TimeDelta::days(1));
    deliver(&app).await;
    assert_eq!(program.heard().len(), 1);
}

#[tokio::test]
async fn a_secret_is_changed_without_a_gap() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let program = Program::start().await;
    let id = listen(&app, &customer, &program.url).await;
    let path = format!("/api/v1/webhooks/{id}");
    let old = secret(&customer, id).await;
    customer.api_post(&format!("{path}/rotate"), &json!({})).await.is(204);
    let new = secret(&customer, id).await;
    assert_ne!(old, new);
    customer.api_post(&format!("{path}/test"), &json!({})).await.is(204);
    deliver(&app).await;
    let both = program.heard().remove(0);
    assert!(both.is_signed_with(&old) && both.is_signed_with(&new));
    assert_eq!(both.json()["type"], "webhook.test");
    app.advance(hook::BOTH_SIGN);
    let customer = app.sign_in_again(&customer).await;
    customer.api_post(&format!("{path}/test"), &json!({})).await.is(204);
    deliver(&app).await;
    let one = program.heard().remove(0);
    assert!(!one.is_signed_with(&old) && one.is_signed_with(&new));
    // What is kept makes no signature without the host's key.
    let seed: Vec<u8> = sqlx::query_scalar("select seed from hook_endpoints").fetch_one(app.sql()).await.unwrap();
    assert!(!one.is_signed_with(&format!("whsec_{}", STANDARD.encode(seed))));
}

#[tokio::test]
async fn nothing_is_sent_into_our_own_network() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let program = Program::start().await;
    let port = program.url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    app.resolver.set("inside.example", RecordKind::A, &["127.0.0.1"]);
    let id = listen(&app, &customer, &format!("https://inside.example:{port}/paddock")).await;
    app.running(&customer, "birds").await;
    // As in production.
    let outbound = Arc::new(Outbound::new(Arc::new(app.resolver.clone()), Reach::Internet).unwrap());
    worker::deliver_hooks(&worker::Deps { outbound, ..(*app.deps).clone() }).await.unwrap();
    let told = deliveries(&customer, id).await;
    let why = told[0]["tries"][0]["error"].as_str().unwrap();
    assert!(why.contains("not on the public internet"), "{told:?}");
    assert_eq!((told[0]["state"].as_str(), &told[0]["tries"][0]["status"]), (Some("due"), &Value::Null));
    assert!(program.heard().is_empty());
}

#[tokio::test]
async fn webhooks_belong_to_their_account_and_ask_for_a_proof() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let (customer, other) = (app.sign_in_again(&customer).await, app.sign_in_again(&other_customer).await);
    let program = Program::start().await;
    let id = listen(&app, &customer, &program.url).await;
    app.running(&customer, "birds").await;
    let delivery = deliveries(&customer, id).await[0]["id"].as_str().unwrap().to_owned();
    let nobodys = HookEndpointId::new();
    for id in [id.to_string(), nobodys.to_string(), "hook_nonsense".to_owned()] {
        let (api, page) = (format!("/api/v1/webhooks/{id}"), format!("/account/webhooks/{id}"));
        for path in [api.clone(), format!("{api}/secret"), format!("{api}/deliveries"), format!("{api}/deliveries/{delivery}")] {
            other.api_get(&path).await.is(404);
        }
        for act in ["on", "off", "rotate", "test"] {
            other.api_post(&format!("{api}/{act}"), &json!({})).await.is(404);
            other.post(&format!("{page}/{act}"), &[]).await.is(404);
        }
        other.api_post(&format!("{api}/deliveries/{delivery}/replay"), &json!({})).await.is(404);
        other.api_post(&api, &json!({ "url": program.url })).await.is(404);
        other.api_delete(&api).await.is(404);
        other.get(&page).await.is(404);
        other.post(&format!("{page}/deliveries/{delivery}/replay"), &[]).await.is(404);
    }
    // A delivery of another endpoint of one's own is not there either.
    let second = listen(&app, &customer, &program.url).await;
    customer.api_get(&format!("/api/v1/webhooks/{second}/deliveries/{delivery}")).await.is(404);
    // An open browser is not enough for what tells somebody else.
    app.advance(paddock::account::session::PROVEN_FOR);
    let stale = customer;
    stale.get(&format!("/account/webhooks/{id}")).await.is(200).not_see("whsec_").not_see("Make another secret");
    assert_eq!(code(&stale.api_get(&format!("/api/v1/webhooks/{id}/secret")).await.is(403)), "proof_required");
    assert_eq!(code(&stale.api_post("/api/v1/webhooks", &json!({ "url": program.url })).await.is(403)), "proof_required");
    let [viewer, payer] = app.members();
    for member in [viewer, payer] {
        member.api_get("/api/v1/webhooks").await.is(403);
        member.get("/account/webhooks").await.is(403);
    }
}

#[tokio::test]
async fn the_pages_make_change_and_remove() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let program = Program::start().await;
    let page = customer.get("/account/webhooks").await.is(200).see("There is none.");
    customer.submit(&page, "/account/webhooks", &[("url", "birds")]).await.is(422).see("begins with https://");
    let fields = [("url", program.url.as_str()), ("server.ready", "yes")];
    let made = customer.submit(&page, "/account/webhooks", &fields).await.is(303);
    let here = made.location().to_owned();
    let page = customer.get(&here).await.is(200).see("server.ready").see("whsec_").see("Nothing in the last 30 days.");
    let sent = customer.submit(&page, &format!("{here}/test"), &[]).await.redirects_to(&here);
    customer.follow(sent).await.see("The test is on its way.");
    deliver(&app).await;
    assert_eq!(program.kinds(), ["webhook.test"]);
    let page = customer.get(&here).await.see("Taken").see("HTTP 204");
    let replay = page.attributes("form[action$='/replay']", "action").remove(0);
    customer.submit(&page, &replay, &[]).await.redirects_to(&here);
    deliver(&app).await;
    assert_eq!(program.kinds(), ["webhook.test"]);
    let changed = [("url", program.url.as_str()), ("server.ready", ""), ("payment.failed", "yes")];
    customer.submit(&page, &here, &changed).await.redirects_to(&here);
    let page = customer.get(&here).await.see("payment.failed");
    customer.submit(&page, &format!("{here}/rotate"), &[]).await.redirects_to(&here);
    customer.submit(&page, &format!("{here}/off"), &[]).await.redirects_to(&here);
    let page = customer.get(&here).await.see("Switched off").see("The secret before signs as well");
    customer.submit(&page, &format!("{here}/on"), &[]).await.redirects_to(&here);
    let page = customer.get(&here).await;
    let removed = customer.submit(&page, &format!("{here}/remove"), &[]).await.redirects_to("/account/webhooks");
    customer.follow(removed).await.see("The webhook is removed.").see("There is none.");
    customer.get(&here).await.is(404);
    let audited = "select action from audit_events where action like 'hook.%' order by id";
    let audited: Vec<String> = sqlx::query_scalar(audited).fetch_all(app.sql()).await.unwrap();
    let all = [
        "hook.made",
        "hook.replayed",
        "hook.changed",
        "hook.secret_changed",
        "hook.switched_off",
        "hook.switched_on",
        "hook.removed",
    ];
    assert_eq!(audited, all);
}

#[tokio::test]
async fn what_was_told_is_forgotten_after_a_month() {
    let Start { app, customer, .. } = TestApp::start().await;
    let program = Program::start().await;
    let id = listen(&app, &customer, &program.url).await;
    app.running(&customer, "birds").await;
    deliver(&app).await;
    let tidy = async || {
        let mut conn = app.db.worker().acquire().await.unwrap();
        hook::forget_old(&mut conn, app.clock.as_ref()).await.unwrap()
    };
    app.advance(TimeDelta::days(29));
    assert_eq!(tidy().await, 0);
    app.advance(TimeDelta::days(2));
    assert_eq!(tidy().await, 1);
    let rows = app.rows().await;
    assert_eq!((rows["hook_events"], rows["hook_deliveries"], rows["hook_tries"], rows["hook_endpoints"]), (0, 0, 0, 1));
    let customer = app.sign_in_again(&customer).await;
    customer.api_delete(&format!("/api/v1/webhooks/{id}")).await.is(204);
    app.advance(TimeDelta::days(31));
    tidy().await;
    assert_eq!(app.rows().await["hook_endpoints"], 0);
}
