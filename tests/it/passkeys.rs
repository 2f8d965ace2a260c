//! Passkeys, with a device that is played here: it makes keys, answers questions, and lies where it is told to.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use paddock::crypto::sha256;
use paddock::ids::PersonId;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Identity, PASSKEYS_AT, PASSWORD, Start, TestApp};

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// User present, user verified, a new key is attached.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTACHED: u8 = 0x40;

/// Somebody's phone, with one key.
struct Device {
    key: EcdsaKeyPair,
    id: Vec<u8>,
    owner: Vec<u8>,
    counter: u32,
    origin: String,
    flags: u8,
}

impl Device {
    fn new(id: u8) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let origin = PASSKEYS_AT.to_owned();
        Self { key, id: vec![id; 32], owner: Vec::new(), counter: 0, origin, flags: PRESENT | VERIFIED }
    }

    /// What the browser says of the ceremony.
    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let said = json!({ "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false });
        said.to_string().into_bytes()
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        let mut data = sha256(b"localhost").to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    /// The public key as COSE has it: EC2, ES256, P-256.
    fn cose(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        let mut key = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        key.extend(&point[1..33]);
        key.extend([0x22, 0x58, 0x20]);
        key.extend(&point[33..65]);
        key
    }

    /// Answers a question for a new key.
    fn make(&mut self, options: &Value) -> String {
        assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
        self.owner = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let mut data = self.head(self.flags | ATTACHED);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend(self.cose());
        // CBOR: {"fmt": "none", "attStmt": {}, "authData": …}
        let mut object = vec![0xa3];
        object.extend(b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x58");
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(&data);
        json!({
            "id": base64(&self.id), "rawId": base64(&self.id), "type": "public-key",
            "response": {
                "clientDataJSON": base64(&self.client_data("webauthn.create", options)),
                "attestationObject": base64(&object),
                "transports": ["internal"],
            },
            "clientExtensionResults": {}, "authenticatorAttachment": "platform",
        })
        .to_string()
    }

    /// Answers a question for a key that is known.
    fn show(&mut self, options: &Value) -> String {
        self.counter += 1;
        let (data, said) = (self.head(self.flags), self.client_data("webauthn.get", options));
        let signed = [data.as_slice(), &sha256(&said)].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": base64(&self.id), "rawId": base64(&self.id), "type": "public-key",
            "response": {
                "clientDataJSON": base64(&said),
                "authenticatorData": base64(&data),
                "signature": base64(signature.as_ref()),
                "userHandle": base64(&self.owner),
            },
            "clientExtensionResults": {},
        })
        .to_string()
    }
}

/// What a page asks the browser.
fn asked(page: &Answer) -> Value {
    let options = page.attributes("form[data-passkey]", "data-options").remove(0);
    serde_json::from_str(&options).unwrap()
}

const HERE: &str = "/account/security/passkeys";

/// Somebody makes a passkey on a device.
async fn make(client: &Client, device: &mut Device, name: &str) -> Answer {
    let page = client.get(&format!("{HERE}/new")).await.is(200);
    let answer = device.make(&asked(&page));
    client.submit(&page, HERE, &[("name", name), ("credential", &answer)]).await
}

/// Somebody shows a passkey where one logs in.
async fn log_in(browser: &Client, device: &mut Device) -> Answer {
    let page = browser.get("/log-in/passkey").await.is(200);
    let answer = device.show(&asked(&page));
    browser.submit(&page, "/log-in/passkey", &[("credential", &answer)]).await
}

fn browser(app: &TestApp) -> Client {
    app.client(Identity::default())
}

#[tokio::test]
async fn a_passkey_logs_in_without_password_and_code() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    customer.get(HERE).await.is(200).see("You have none.");
    let mut phone = Device::new(1);
    let made = make(&customer, &mut phone, "phone <b>").await.redirects_to(HERE);
    customer.follow(made).await.see("From now on this passkey logs you in.").see("phone <b>").see("never used");
    assert_eq!(PersonId::from(uuid::Uuid::from_slice(&phone.owner).unwrap()), customer.who.person.unwrap());
    app.run_jobs().await;
    let mail = app.mail_to(&customer.who.email);
    assert!(mail.subject.contains("has a new passkey") && mail.text.contains("phone <b>"), "{}", mail.text);

    let other = browser(&app);
    log_in(&other, &mut phone).await.redirects_to("/instances");
    other.get("/instances").await.is(200);
    other.get(HERE).await.see("last used on");
    // To where somebody was led from, and nowhere else.
    let third = browser(&app);
    for (next, to) in [("/account/tokens", "/account/tokens"), ("//evil.example", "/instances")] {
        let page = third.get(&format!("/log-in/passkey?next={}", next.replace('/', "%2F"))).await.is(200);
        let answer = phone.show(&asked(&page));
        third.submit(&page, "/log-in/passkey", &[("credential", &answer)]).await.redirects_to(to);
        third.post("/log-out", &[]).await.is(303);
    }
    // The session is one as any other, and has just begun.
    third.get("/log-in").await.see("Log in with a passkey");
    log_in(&third, &mut phone).await.redirects_to("/instances");
    third.get(&format!("{HERE}/new")).await.is(200);
    app.run_jobs().await;
}

#[tokio::test]
async fn wrong_answers_open_nothing() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let (customer, other) = (app.sign_in_again(&customer).await, app.sign_in_again(&other_customer).await);
    let (mut phone, mut theirs, mut unknown) = (Device::new(1), Device::new(2), Device::new(3));
    make(&customer, &mut phone, "phone").await.redirects_to(HERE);
    make(&other, &mut theirs, "phone").await.redirects_to(HERE);
    let stranger = browser(&app);
    let refused = async |answer: Answer| {
        answer.is(422).see("is not one that is known here");
        stranger.get("/instances").await.is(303);
    };
    let send = async |answer: &str| {
        let page = stranger.get("/log-in/passkey").await;
        stranger.submit(&page, "/log-in/passkey", &[("credential", answer)]).await
    };
    // Nothing, nonsense, and a key that nobody knows.
    for nonsense in ["", "{}", "null", "nonsense", r#"{"id":"x","rawId":"","type":"public-key","response":{}}"#] {
        refused(send(nonsense).await).await;
    }
    unknown.owner = phone.owner.clone();
    refused(log_in(&stranger, &mut unknown).await).await;
    // A known key in the name of somebody else, or under another's id.
    let mut liar = Device::new(4);
    (liar.owner, liar.id) = (theirs.owner.clone(), phone.id.clone());
    refused(log_in(&stranger, &mut liar).await).await;
    (liar.owner, liar.id) = (phone.owner.clone(), phone.id.clone());
    refused(log_in(&stranger, &mut liar).await).await;
    let mine = std::mem::replace(&mut phone.owner, theirs.owner.clone());
    refused(log_in(&stranger, &mut phone).await).await;
    phone.owner = mine;
    // Another site, and nobody who was asked for a finger.
    phone.origin = "https://evil.example".to_owned();
    refused(log_in(&stranger, &mut phone).await).await;
    phone.origin = PASSKEYS_AT.to_owned();
    phone.flags = PRESENT;
    refused(log_in(&stranger, &mut phone).await).await;
    phone.flags = PRESENT | VERIFIED;
    // An answer to another question.
    let before = asked(&stranger.get("/log-in/passkey").await);
    refused(send(&phone.show(&before)).await).await;
    // Too late.
    let page = stranger.get("/log-in/passkey").await;
    let answer = phone.show(&asked(&page));
    app.advance(TimeDelta::minutes(5));
    stranger.submit(&page, "/log-in/passkey", &[("credential", &answer)]).await.is(422).see("That took too long.");
    // And all is well when all is right.
    log_in(&stranger, &mut phone).await.redirects_to("/instances");
    app.run_jobs().await;
}

#[tokio::test]
async fn each_question_is_answered_once() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let mut phone = Device::new(1);
    make(&customer, &mut phone, "phone").await.redirects_to(HERE);
    // Somebody has seen all that went over the line, the cookies too.
    let (owner, thief) = (browser(&app), browser(&app));
    let page = owner.get("/log-in/passkey").await;
    let answer = phone.show(&asked(&page));
    thief.set_cookie("paddock_passkey", owner.cookie("paddock_passkey").as_deref());
    owner.submit(&page, "/log-in/passkey", &[("credential", &answer)]).await.redirects_to("/instances");
    let again = thief.post("/log-in/passkey", &[("credential", &answer)]).await;
    again.is(422).see("That took too long.");
    thief.get("/instances").await.is(303);
    let spent = app.rows().await["spent_challenges"];
    assert_eq!(spent, 2);
    app.advance(TimeDelta::hours(1));
    let mut conn = app.db.worker().acquire().await.unwrap();
    assert_eq!(paddock::account::passkey::forget_old(&mut conn, app.clock.as_ref()).await.unwrap(), 2);
    drop(conn);
    app.run_jobs().await;
}

#[tokio::test]
async fn a_passkey_proves_again_who_one_is_and_only_ones_own() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let (customer, other) = (app.sign_in_again(&customer).await, app.sign_in_again(&other_customer).await);
    let (mut phone, mut theirs) = (Device::new(1), Device::new(2));
    make(&customer, &mut phone, "phone").await.redirects_to(HERE);
    make(&other, &mut theirs, "phone").await.redirects_to(HERE);
    app.advance(paddock::account::session::PROVEN_FOR);
    customer.get(&format!("{HERE}/new")).await.is(303);
    customer.get("/step-up").await.see("Use a passkey");
    let show = async |device: &mut Device| {
        let page = customer.get("/step-up/passkey?next=%2Faccount%2Ftokens").await.is(200);
        let answer = device.show(&asked(&page));
        customer.submit(&page, "/step-up/passkey", &[("credential", &answer)]).await
    };
    show(&mut theirs).await.is(422);
    customer.get(&format!("{HERE}/new")).await.is(303);
    show(&mut phone).await.redirects_to("/account/tokens");
    customer.get(&format!("{HERE}/new")).await.is(200);
    app.run_jobs().await;
}

#[tokio::test]
async fn passkeys_are_named_once_known_and_taken_away_by_their_person() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let (customer, other) = (app.sign_in_again(&customer).await, app.sign_in_again(&other_customer).await);
    let mut phone = Device::new(1);
    make(&customer, &mut phone, " ").await.is(422).see("Enter a name");
    make(&customer, &mut phone, "phone").await.redirects_to(HERE);
    // The same device once more, and as somebody else's.
    make(&customer, &mut phone, "phone again").await.is(422);
    make(&other, &mut phone, "mine now").await.is(422).see("is known already");
    // A question that was asked of somebody else.
    let page = customer.get(&format!("{HERE}/new")).await;
    let answer = Device::new(9).make(&asked(&page));
    other.set_cookie("paddock_passkey_new", customer.cookie("paddock_passkey_new").as_deref());
    other.post(HERE, &[("name", "stolen"), ("credential", &answer)]).await.is(422).see("That took too long.");

    let page = customer.get(HERE).await;
    let remove = page.attributes("form[action$='/remove']", "action").remove(0);
    other.post(&remove, &[]).await.is(404);
    customer.submit(&page, &remove, &[]).await.redirects_to(HERE);
    customer.post(&remove, &[]).await.is(404);
    phone.owner = customer.who.person.unwrap().uuid().as_bytes().to_vec();
    log_in(&browser(&app), &mut phone).await.is(422);
    let audited = "select action from audit_events where action like 'person.passkey%' order by id";
    let audited: Vec<String> = sqlx::query_scalar(audited).fetch_all(app.sql()).await.unwrap();
    assert_eq!(audited, ["person.passkey_made", "person.passkey_removed"]);
    // The password goes on as before.
    let back = browser(&app);
    back.post("/log-in", &[("email", &customer.who.email), ("password", PASSWORD)]).await.redirects_to("/instances");
    app.run_jobs().await;
}
