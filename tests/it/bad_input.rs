//! Bad input to pages, API and webhook: each a 4xx that names field and remedy, and not a row, a charge or an object at Stripe.

#![expect(clippy::type_complexity, reason = "tables of cases are tuples: a row is read as one line")]

use chrono::TimeDelta;
use http::Method;
use paddock::account::link::{self, Purpose};
use paddock::billing::stripe::sign_webhook;
use paddock::clock::Clock as _;
use paddock::crypto::HostKey;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Shop, Start, TestApp};

/// What every case is tried against: how much there is.
async fn traces(app: &TestApp) -> (std::collections::BTreeMap<String, i64>, usize, Value) {
    let stripe = app.shop.state();
    let objects = json!([stripe["customers"], stripe["prices"], stripe["checkouts"], stripe["subscriptions"], stripe["events"]]);
    (app.rows().await, app.shop.charges().len(), objects)
}

/// One thing that somebody sends.
struct Case {
    what: String,
    sender: Client,
    request: RequestBuilder,
    status: u16,
    says: Says,
}

/// What the answer must say.
enum Says {
    /// The summary at the head of a form's page: the field that each link leads to with its sentence, all of them in this order.
    Fields(Vec<(String, String)>),
    /// The heading of an error page.
    Heading(String),
    /// All of these are in the body, in this order or another.
    Parts(Vec<String>),
}

fn case(what: &str, sender: &Client, request: RequestBuilder, status: u16, says: &[&str]) -> Case {
    let says = Says::Parts(says.iter().map(ToString::to_string).collect());
    Case { what: what.to_owned(), sender: sender.clone(), request, status, says }
}

/// A form that its page shows again.
fn form_case(what: &str, sender: &Client, request: RequestBuilder, fields: &[(&str, &str)]) -> Case {
    let says = Says::Fields(fields.iter().map(|(field, sentence)| (format!("#{field}"), (*sentence).to_owned())).collect());
    Case { what: what.to_owned(), sender: sender.clone(), request, status: 422, says }
}

/// What is answered by the error page.
fn page_case(what: &str, sender: &Client, request: RequestBuilder, status: u16, heading: &str) -> Case {
    let says = Says::Heading(heading.to_owned());
    Case { what: what.to_owned(), sender: sender.clone(), request, status, says }
}

impl Says {
    /// What is not said as it must be.
    fn missing(&self, answer: &Answer) -> Vec<String> {
        match self {
            Self::Fields(wanted) => {
                let hrefs = answer.attributes("#errors a", "href");
                let found: Vec<_> = hrefs.into_iter().zip(answer.all("#errors a")).collect();
                let mut missing = Vec::new();
                if found != *wanted {
                    missing.push(format!("said {found:?} instead of {wanted:?}"));
                }
                for (href, _) in wanted {
                    if answer.all(&format!("[id={}]", href.trim_start_matches('#'))).is_empty() {
                        missing.push(format!("{href} leads nowhere"));
                    }
                }
                missing
            }
            Self::Heading(wanted) => {
                let found = answer.all("main h1");
                if found == [wanted.as_str()] {
                    Vec::new()
                } else {
                    vec![format!("the heading is {found:?} instead of {wanted:?}")]
                }
            }
            Self::Parts(parts) => {
                let text = answer.visible_text();
                let has = |part: &String| text.to_lowercase().contains(&part.to_lowercase());
                parts.iter().filter(|part| !has(part)).map(|part| format!("no \"{part}\" in: {text}")).collect()
            }
        }
    }
}

/// Sends all, and fails with everything that was wrong.
async fn try_all(app: &TestApp, cases: Vec<Case>) -> usize {
    let count = cases.len();
    let mut wrong = Vec::new();
    let mut before = traces(app).await;
    for Case { what, sender, request, status, says } in cases {
        let answer = sender.send(request).await;
        if answer.status.as_u16() != status {
            wrong.push(format!("{what}: {} instead of {status}: {}", answer.status, answer.visible_text()));
        }
        wrong.extend(says.missing(&answer).into_iter().map(|missing| format!("{what}: {missing}")));
        let after = traces(app).await;
        if after != before {
            wrong.push(format!("{what}: left a trace: {before:?} became {after:?}"));
            before = after;
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    count
}

const NO_ADDRESS: &str = "The e-mail address is empty. Enter one that you can read.";
const NO_AT: &str = "The e-mail address needs one @ with something on both sides, as in name@example.org.";
const ODD_LOCAL_PART: &str = "The e-mail address has something in front of the @ that not every mail server takes. Use letters, digits, \
                              and single dots between them, 64 characters at most.";
const NO_PASSWORD: &str = "Enter a password.";
const NOT_TOGETHER: &str = "The e-mail address and the password do not belong together. Check both.";

async fn form(client: &Client, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    let token = client.csrf_token().await;
    let mut all = fields.to_vec();
    all.push(("csrf", &token));
    client.request(Method::POST, path).form(&all)
}

#[tokio::test]
async fn forms_of_the_account() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let key = HostKey::new([7; 32]);
    let forged = link::write(&HostKey::new([8; 32]), uuid::Uuid::from_u128(1), Purpose::Verify);
    let unknown = link::write(&key, uuid::Uuid::from_u128(1), Purpose::Verify);
    let other_purpose = link::write(&key, uuid::Uuid::from_u128(1), Purpose::Reset);
    let (long, long_address) = ("a".repeat(129), format!("{}@mail.example", "a".repeat(300)));
    let good = "wren@mail.example";
    let mine = &customer.who.email;
    let sent: [(&str, &str, Vec<(&str, &str)>, &[(&str, &str)]); 14] = [
        ("nothing at all", "/sign-up", vec![], &[("email", NO_ADDRESS), ("password", NO_PASSWORD)]),
        ("no address", "/sign-up", vec![("email", "wren"), ("password", "long enough")], &[("email", NO_AT)]),
        ("half an address", "/sign-up", vec![("email", "wren@"), ("password", "long enough")], &[("email", NO_AT)]),
        ("two addresses", "/sign-up", vec![("email", "a@b.example@c.example"), ("password", "long enough")], &[("email", NO_AT)]),
        (
            "an address with a line end",
            "/sign-up",
            vec![("email", "a@b.example\r\nBcc: x@y.example"), ("password", "long enough")],
            &[("email", NO_AT)],
        ),
        (
            "an address without end",
            "/sign-up",
            vec![("email", &long_address), ("password", "long enough")],
            &[("email", ODD_LOCAL_PART)],
        ),
        ("no password", "/sign-up", vec![("email", good)], &[("password", NO_PASSWORD)]),
        (
            "a short password",
            "/sign-up",
            vec![("email", good), ("password", "short")],
            &[("password", "Choose a password with at least 8 characters.")],
        ),
        (
            "a long password",
            "/sign-up",
            vec![("email", good), ("password", &long)],
            &[("password", "Choose a password with at most 128 characters.")],
        ),
        ("nothing to log in with", "/log-in", vec![], &[("email", NO_ADDRESS), ("password", NO_PASSWORD)]),
        ("an unknown address", "/log-in", vec![("email", good), ("password", "long enough")], &[("email", NOT_TOGETHER)]),
        ("a wrong password", "/log-in", vec![("email", mine), ("password", "long enough")], &[("email", NOT_TOGETHER)]),
        (
            "a customer at the staff's door",
            "/staff/log-in",
            vec![("email", mine), ("password", crate::harness::PASSWORD)],
            &[("email", NOT_TOGETHER)],
        ),
        ("no address to reset", "/forgot", vec![("email", "wren")], &[("email", NO_AT)]),
    ];
    let links: [(&str, String, Vec<(&str, &str)>); 4] = [
        ("a forged link", format!("/verify/{forged}"), vec![]),
        ("a link to nothing", format!("/verify/{unknown}"), vec![]),
        ("a link of another kind", format!("/verify/{other_purpose}"), vec![]),
        ("a forged reset", format!("/reset/{forged}"), vec![("password", "long enough")]),
    ];
    let mut cases = Vec::new();
    for (what, path, fields, says) in sent {
        cases.push(form_case(what, &anon, form(&anon, path, &fields).await, says));
    }
    for (what, path, fields) in links {
        cases.push(page_case(what, &anon, form(&anon, &path, &fields).await, 410, "This link is used up"));
    }
    assert!(try_all(&app, cases).await >= 18);
}

#[tokio::test]
async fn forms_of_the_address() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    app.order(&other_customer, "birds").await;
    let mut cases = Vec::new();
    let letters = "The address can have the letters a to z, digits and hyphens. Remove everything else.";
    let address: [(&str, Vec<(&str, &str)>, (&str, &str)); 12] = [
        ("neither name nor domain", vec![], ("kind", "Choose between a name under meadow.social and a domain of your own.")),
        (
            "a short name",
            vec![("kind", "hosted"), ("name", "ab")],
            ("name", "The address is too short. Choose one with at least 3 characters."),
        ),
        ("a name with a space", vec![("kind", "hosted"), ("name", "my garden")], ("name", letters)),
        ("a name with a Cyrillic letter", vec![("kind", "hosted"), ("name", "gаrden")], ("name", letters)),
        (
            "a reserved name",
            vec![("kind", "hosted"), ("name", "admin")],
            ("name", "The address “admin” is kept back. Choose another name."),
        ),
        (
            "a name that is taken",
            vec![("kind", "hosted"), ("name", "birds")],
            ("name", "The address birds.meadow.social is taken. Choose another one."),
        ),
        (
            "hyphens around a trademark",
            vec![("kind", "hosted"), ("name", "-mastodon-")],
            (
                "name",
                "The address can have single hyphens between letters or digits. Remove those at the start or the end and double ones.",
            ),
        ),
        ("no domain", vec![("kind", "own")], ("domain", "The address is empty. Enter what it should be.")),
        (
            "an IP address",
            vec![("kind", "own"), ("domain", "192.0.2.1")],
            ("domain", "The address is an IP address. Enter a domain: handles and certificates need one."),
        ),
        (
            "an ending alone",
            vec![("kind", "own"), ("domain", "co.uk")],
            ("domain", "The address is co.uk, under which many people register. Put your own name in front of it."),
        ),
        (
            "the host's own domain",
            vec![("kind", "own"), ("domain", "meadow.social")],
            (
                "domain",
                "The address is at or below meadow.social, which is ours. To get a name there, choose “a name with us” and enter it \
                 without a dot.",
            ),
        ),
        (
            "a domain with a script",
            vec![("kind", "own"), ("domain", "<script>alert(1)</script>.org")],
            ("domain", "The address has a path. Leave out the slash and what follows it."),
        ),
    ];
    for (what, fields, says) in address {
        cases.push(form_case(what, &customer, form(&customer, "/new/address", &fields).await, &[says]));
    }
    assert!(try_all(&app, cases).await >= 12);
}

/// The questions behind the first one are only asked with a good answer to it.
#[tokio::test]
async fn forms_behind_the_address() {
    let Start { app, customer, .. } = TestApp::start().await;
    let unverified = app.unverified();
    let mut cases = Vec::new();
    let begun = app.sign_in_again(&customer).await;
    begun.post("/new/address", &[("kind", "hosted"), ("name", "foxes")]).await.is(303);
    let long = "a".repeat(31);
    let mailbox = ("owner_email", "wren@mail.example");
    let owner: [(&str, Vec<(&str, &str)>, &[(&str, &str)]); 5] = [
        (
            "no owner",
            vec![],
            &[
                ("owner_name", "The owner’s user name is empty. Enter the name in front of the handle’s second @."),
                ("owner_email", NO_ADDRESS),
            ],
        ),
        (
            "a reserved owner",
            vec![("owner_name", "admin"), mailbox],
            &[(
                "owner_name",
                "The owner’s user name can’t be “admin”: Mastodon keeps it back. Choose another one; it will have all rights just the \
                 same.",
            )],
        ),
        (
            "an owner with a dot",
            vec![("owner_name", "wren.bird"), mailbox],
            &[(
                "owner_name",
                "The owner’s user name can have the letters a to z, digits and underscores. Remove everything else.",
            )],
        ),
        (
            "a long owner",
            vec![("owner_name", &long), mailbox],
            &[("owner_name", "The owner’s user name is too long. Choose one with at most 30 characters.")],
        ),
        ("an owner without a mailbox", vec![("owner_name", "wren"), ("owner_email", "nowhere")], &[("owner_email", NO_AT)]),
    ];
    for (what, fields, says) in owner {
        cases.push(form_case(what, &begun, form(&begun, "/new/owner", &fields).await, says));
    }
    let further = app.sign_in_again(&customer).await;
    further.post("/new/address", &[("kind", "hosted"), ("name", "foxes")]).await.is(303);
    further.post("/new/owner", &[("owner_name", "wren"), ("owner_email", "wren@mail.example")]).await.redirects_to("/new/plan");
    // The table of plans is one field: the links lead to its first button.
    let (no_plan, no_period) =
        (("plan-family", "Choose a plan."), ("plan-family", "Choose between paying by the month and by the year."));
    let plan: [(&str, Vec<(&str, &str)>, &[(&str, &str)]); 3] = [
        ("no plan", vec![], &[no_plan, no_period]),
        ("a plan that is not sold", vec![("plan", "free"), ("period", "month")], &[no_plan]),
        ("a period that is not sold", vec![("plan", "family"), ("period", "century")], &[no_period]),
    ];
    for (what, fields, says) in plan {
        cases.push(form_case(what, &further, form(&further, "/new/plan", &fields).await, says));
    }
    cases.push(page_case(
        "an order before the address is proven",
        &unverified,
        form(&unverified, "/orders", &[]).await,
        403,
        "Confirm your e-mail address first",
    ));
    assert!(try_all(&app, cases).await >= 9);
}

#[tokio::test]
async fn what_is_no_form() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let token = anon.csrf_token().await;
    let post = || anon.request(Method::POST, "/sign-up");
    let broken = format!("csrf={token}&email=%ff%fe@mail.example&password=long+enough");
    let typed = "application/x-www-form-urlencoded";
    let long = "a".repeat(70 * 1024);
    let (unreadable, wrong_way, nothing) = ("We could not read that", "That does not work here", "There is nothing here");
    let get = |client: &Client, path: &str| client.request(Method::GET, path);
    let brew = anon.request(Method::from_bytes(b"BREW").unwrap(), "/");
    let cases = vec![
        page_case("JSON", &anon, post().json(&json!({ "email": "a@b.example" })), 415, unreadable),
        page_case("a text", &anon, post().header("content-type", "text/plain").body("email=a"), 415, unreadable),
        page_case(
            "a form of many parts",
            &anon,
            post().header("content-type", "multipart/form-data; boundary=x").body("--x--"),
            415,
            unreadable,
        ),
        page_case("no type", &anon, post().body("email=a"), 415, unreadable),
        page_case("too much", &anon, form(&anon, "/sign-up", &[("email", &long)]).await, 413, "That is too large"),
        form_case(
            "letters that are none",
            &anon,
            post().header("content-type", typed).body(broken),
            &[("email", ODD_LOCAL_PART)],
        ),
        page_case("no token", &anon, post().form(&[("email", "a@b.example")]), 403, "This form is too old"),
        page_case("another method", &anon, anon.request(Method::PUT, "/sign-up").form(&[("csrf", &token)]), 405, wrong_way),
        page_case("a method nobody knows", &anon, brew, 405, wrong_way),
        page_case("no such page", &anon, get(&anon, "/admin.php"), 404, nothing),
        page_case("a path with letters that are none", &customer, get(&customer, "/instances/%ff%fe"), 404, nothing),
        page_case("a path out of the assets", &anon, get(&anon, "/assets/..%2f..%2fCargo.toml"), 404, nothing),
        page_case("an id of another kind", &customer, get(&customer, "/instances/ord_01kanyg7c3e8ht2w9c5m1r4q6z"), 404, nothing),
    ];
    assert!(try_all(&app, cases).await >= 13);
}

#[tokio::test]
async fn requests_of_the_api() {
    let Start { app, anon, customer, other_customer, .. } = TestApp::start().await;
    let foreign = app.order(&other_customer, "birds").await.id;
    let unverified = app.unverified();
    let orders = || customer.api(Method::POST, "/api/v1/orders");
    let body = |bytes: &'static [u8]| orders().header("content-type", "application/json").body(bytes);
    let good = json!({ "kind": "hosted", "name": "foxes", "owner_name": "wren", "owner_email": "wren@mail.example",
                       "plan": "family", "period": "month" });
    let with = |field: &str, value: Value| {
        let mut all = good.clone();
        all[field] = value;
        orders().json(&all)
    };
    let me = |authorization: &str| anon.request(Method::GET, "/api/v1/me").header("authorization", authorization);
    let long = "a".repeat(70 * 1024);
    let cases = vec![
        case("nothing", &customer, orders().json(&json!({})), 422, &["kind", "owner_name", "owner_email", "plan", "period"]),
        case("a kind of address that is none", &customer, with("kind", "rented".into()), 422, &["\"kind\""]),
        case("a reserved name", &customer, with("name", "admin".into()), 422, &["\"name\"", "admin"]),
        case("a name that is taken", &customer, with("name", "birds".into()), 409, &["\"taken\"", "birds.meadow.social"]),
        case(
            "a web domain beside a name",
            &customer,
            with("web_domain", "social.foxes.example.org".into()),
            422,
            &["\"web_domain\""],
        ),
        case("a name with zeros in it", &customer, with("name", "fo\0xes".into()), 422, &["\"name\""]),
        case("an owner that Mastodon refuses", &customer, with("owner_name", "root".into()), 422, &["\"owner_name\"", "root"]),
        case("no mailbox", &customer, with("owner_email", "wren".into()), 422, &["\"owner_email\"", "@"]),
        case("a plan that is not sold", &customer, with("plan", "free".into()), 422, &["\"plan\""]),
        case("a period that is not sold", &customer, with("period", "week".into()), 422, &["\"period\""]),
        case("a number for a text", &customer, with("plan", 7.into()), 400, &["\"plan\"", "expected a string"]),
        case("a field that is none", &customer, with("price", 1.into()), 400, &["\"price\"", "not known here"]),
        case("half a body", &customer, body(b"{\"kind\": \"hosted\""), 400, &["\"body\"", "not valid JSON"]),
        case("a list", &customer, body(b"[]"), 400, &["\"body\"", "not a JSON object"]),
        case("no body", &customer, body(b""), 400, &["\"body\"", "not a JSON object"]),
        case("letters that are none", &customer, body(b"{\"kind\": \"\xff\"}"), 400, &["\"body\"", "not UTF-8"]),
        case("twice the same", &customer, body(b"{\"kind\": \"own\", \"kind\": \"hosted\"}"), 400, &["\"kind\"", "twice"]),
        case("too much", &customer, with("name", long.into()), 413, &["large"]),
        case("a form", &customer, orders().form(&[("kind", "hosted")]), 415, &["application/json"]),
        case(
            "before the address is proven",
            &unverified,
            unverified.api(Method::POST, "/api/v1/orders").json(&good),
            403,
            &["unverified"],
        ),
        case("nobody", &anon, anon.api(Method::POST, "/api/v1/orders").json(&good), 401, &["unauth"]),
        case("a token that is none", &anon, me("Bearer nonsense"), 401, &["unauth"]),
        case("a password for a token", &anon, me("Basic d3JlbjpwYXNzd29yZA=="), 401, &["unauth"]),
        case("another's order", &customer, customer.api(Method::GET, &format!("/api/v1/orders/{foreign}")), 404, &["not_found"]),
        case(
            "paying another's order",
            &customer,
            customer.api(Method::POST, &format!("/api/v1/orders/{foreign}/checkout")),
            404,
            &["not_found"],
        ),
        case(
            "ending another's order",
            &customer,
            customer.api(Method::POST, &format!("/api/v1/orders/{foreign}/cancel")),
            404,
            &["not_found"],
        ),
        case("an id that is none", &customer, customer.api(Method::GET, "/api/v1/instances/1%20or%201=1"), 404, &["not_found"]),
        case("another method", &customer, customer.api(Method::PUT, "/api/v1/orders").json(&good), 405, &["allow"]),
        case("no such path", &customer, customer.api(Method::GET, "/api/v2/orders"), 404, &["not_found"]),
        case(
            "a question with a field that is none",
            &customer,
            customer.api(Method::GET, "/api/v1/addresses/check?nam=birds"),
            400,
            &["\"nam\""],
        ),
        case(
            "signing up without anything",
            &anon,
            anon.api(Method::POST, "/api/v1/accounts").json(&json!({})),
            422,
            &["\"email\"", "\"password\""],
        ),
        case(
            "signing in as nobody",
            &anon,
            anon.api(Method::POST, "/api/v1/sessions").json(&json!({ "email": "a@b.example", "password": "wrong one" })),
            401,
            &["password"],
        ),
        case(
            "a forged verification",
            &anon,
            anon.api(Method::POST, "/api/v1/verifications").json(&json!({ "token": "AAAA" })),
            410,
            &["link"],
        ),
    ];
    assert!(try_all(&app, cases).await >= 33);
}

#[tokio::test]
async fn webhooks_that_stripe_did_not_send() {
    let Start { app, anon, .. } = TestApp::start().await;
    let now = app.clock.now();
    let event = json!({
        "id": "evt_forged", "object": "event", "type": "checkout.session.completed", "created": now.timestamp(), "api_version": "x",
        "data": { "object": { "id": "cs_test_forged", "object": "checkout.session", "subscription": "sub_forged" } }
    });
    let (bytes, secret) = (event.to_string().into_bytes(), Shop::secret());
    let hook = |signature: &str, body: Vec<u8>| {
        let request = anon.request(Method::POST, "/hooks/stripe").header("content-type", "application/json").body(body);
        if signature.is_empty() { request } else { request.header("stripe-signature", signature) }
    };
    let sign = |body: &[u8], at| sign_webhook(body, &secret, at);
    let other = sign_webhook(&bytes, &"whsec_of_somebody_else".into(), now);
    let empty = sign_webhook(&bytes, &"".into(), now);
    let good = sign(&bytes, now);
    let mut changed = bytes.clone();
    let last = changed.len() - 2;
    changed[last] = b' ';
    let big = format!("{{\"id\": \"{}\"}}", "a".repeat(600 * 1024)).into_bytes();
    let not_an_event = b"{\"hello\": 1}".to_vec();
    let no_text = b"\xff\xfe{}".to_vec();
    let cases = vec![
        case("without a signature", &anon, hook("", bytes.clone()), 400, &["stripe-signature", "malformed"]),
        case("with a malformed one", &anon, hook("nonsense", bytes.clone()), 400, &["stripe-signature", "malformed"]),
        case(
            "with a time and nothing else",
            &anon,
            hook(&format!("t={}", now.timestamp()), bytes.clone()),
            400,
            &["stripe-signature"],
        ),
        case("with a time that is none", &anon, hook("t=soon,v1=00", bytes.clone()), 400, &["stripe-signature"]),
        case("signed by somebody else", &anon, hook(&other, bytes.clone()), 400, &["no signature matches"]),
        case("signed with nothing", &anon, hook(&empty, bytes.clone()), 400, &["stripe-signature"]),
        case("changed on the way", &anon, hook(&good, changed), 400, &["no signature matches"]),
        case(
            "from ten minutes ago",
            &anon,
            hook(&sign(&bytes, now - TimeDelta::minutes(10)), bytes.clone()),
            400,
            &["five minutes"],
        ),
        case("from the future", &anon, hook(&sign(&bytes, now + TimeDelta::minutes(10)), bytes.clone()), 400, &["five minutes"]),
        case(
            "well signed and no event",
            &anon,
            hook(&sign(&not_an_event, now), not_an_event.clone()),
            400,
            &["not a Stripe event"],
        ),
        case("well signed and no text", &anon, hook(&sign(&no_text, now), no_text.clone()), 400, &["not a Stripe event"]),
        case("well signed and empty", &anon, hook(&sign(b"", now), Vec::new()), 400, &["not a Stripe event"]),
        case("too much", &anon, hook(&sign(&big, now), big.clone()), 413, &["larger than 524288 bytes"]),
        case("another method", &anon, anon.request(Method::GET, "/hooks/stripe"), 405, &["allow"]),
    ];
    assert!(try_all(&app, cases).await >= 14);
    // The same event, well signed, is taken: it was the fault that was refused.
    anon.send(hook(&good, bytes)).await.is(200);
    assert_eq!(app.rows().await["stripe_events"], 1);
    app.leave_jobs();
}
