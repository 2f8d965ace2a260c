//! The JSON API: the whole journey, what is refused and how, and that nobody sees what is not theirs.

use std::collections::BTreeSet;

use paddock::clock::Clock as _;
use paddock::ids::{InstanceId, OrderId};
use paddock::instance::dns::RecordKind;
use paddock::resource::{ConditionKind, Finding, StepName, conditions, steps};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Capacity, Client, Identity, PASSWORD, Start, TestApp};

fn order(name: &str) -> Value {
    json!({ "kind": "hosted", "name": name, "owner_name": "wren", "owner_email": "wren@mail.example", "plan": "PLAN", "period": "month" })
}

/// An order for a name with the first plan of the catalogue.
async fn wanted(client: &Client, name: &str) -> Value {
    let plans = client.api_get("/api/v1/plans").await.is(200).json();
    let mut body = order(name);
    body["plan"] = plans["plans"][0]["code"].clone();
    body
}

fn fields(problem: &Value) -> Vec<&str> {
    problem["errors"]
        .as_array()
        .map(|errors| errors.iter().filter_map(|error| error["field"].as_str()).collect())
        .unwrap_or_default()
}

#[tokio::test]
async fn the_whole_journey_in_json() {
    let Start { app, anon, .. } = TestApp::start().await;
    let somebody = json!({ "email": "ada@mail.example", "password": "a long and calm password" });
    anon.api_post("/api/v1/accounts", &somebody).await.is(202);
    app.run_jobs().await;
    let link = app.link_to("ada@mail.example");
    let token = link.rsplit('/').next().unwrap();

    let session = anon.api_post("/api/v1/sessions", &somebody).await.is(201);
    assert_eq!(session.header("cache-control"), "no-store");
    let ada = app.client(Identity {
        email: "ada@mail.example".to_owned(),
        api: session.json()["token"].as_str().map(str::to_owned),
        ..Identity::default()
    });
    assert_eq!(ada.api_get("/api/v1/me").await.is(200).json()["verified_at"], Value::Null);
    let body = wanted(&ada, "harbour").await;
    assert_eq!(ada.api_post("/api/v1/orders", &body).await.is(403).json()["code"], "unverified");
    anon.api_post("/api/v1/verifications", &json!({ "token": token })).await.is(204);
    let me = ada.api_get("/api/v1/me").await.is(200).json();
    assert!(me["verified_at"].is_string() && me["id"].as_str().unwrap().starts_with("per_"), "{me}");
    assert_eq!(me["role"], "owner");

    let check = ada.api_get("/api/v1/addresses/check?kind=hosted&name=harbour").await.is(200).json();
    assert_eq!((check["free"].as_bool(), check["domain"].as_str()), (Some(true), Some("harbour.meadow.social")));
    let placed = ada.api_post("/api/v1/orders", &body).await.is(201).json();
    assert_eq!(placed["state"], "open");
    assert!(placed["checkout_url"].as_str().unwrap().starts_with("http") && placed["kept_until"].is_string(), "{placed}");
    assert!(placed["price"]["minor"].as_i64().unwrap() > 0 && placed["price"]["currency"].is_string(), "{placed}");
    let check = ada.api_get("/api/v1/addresses/check?kind=hosted&name=harbour").await.is(200).json();
    assert_eq!((check["free"].as_bool(), fields(&check)), (Some(false), vec!["name"]));

    let path = format!("/api/v1/orders/{}", placed["id"].as_str().unwrap());
    let again = ada.api_post(&format!("{path}/checkout"), &json!({})).await.is(200).json();
    assert_eq!(again["checkout_url"], placed["checkout_url"]);
    let id: OrderId = placed["id"].as_str().unwrap().parse().unwrap();
    app.shop.pay_well(&app.find_order(id).await.checkout_id.unwrap());
    app.run_jobs().await;
    let paid = ada.api_get(&path).await.is(200).json();
    assert_eq!((&paid["state"], &paid["checkout_url"]), (&json!("paid"), &Value::Null));
    assert!(paid["paid_at"].is_string());
    assert_eq!(ada.api_post(&format!("{path}/checkout"), &json!({})).await.is(409).json()["code"], "paid");
    assert_eq!(ada.api_post(&format!("{path}/cancel"), &json!({})).await.is(409).json()["code"], "paid");

    let server = format!("/api/v1/instances/{}", placed["instance"].as_str().unwrap());
    let building = ada.api_get(&server).await.is(200).json();
    let states: Vec<&str> = building["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
    assert_eq!((&building["phase"], states.len()), (&json!("preparing"), 1 + StepName::ALL.len()));
    assert!(states[0] == "done" && states[1..].iter().all(|state| *state == "waiting"), "{building}");
    let instance: InstanceId = placed["instance"].as_str().unwrap().parse().unwrap();
    app.observe(instance, &app.status(&StepName::ALL)).await;
    app.run_jobs().await;
    let running = ada.api_get(&server).await.is(200).json();
    assert_eq!(running["phase"], "running");
    assert!(
        running["steps"].as_array().unwrap().iter().all(|step| step["state"] == "done" && step["finished_at"].is_string()),
        "{running}"
    );
    assert_eq!(running["owner"]["handle"], "@wren@harbour.meadow.social");
    assert_eq!(running["owner"]["password_url"], "https://harbour.meadow.social/auth/password/new");
    assert_eq!(ada.api_get("/api/v1/instances").await.json()["instances"][0]["id"], placed["instance"]);
    assert_eq!(ada.api_get("/api/v1/orders").await.json()["orders"][0]["domain"], "harbour.meadow.social");

    ada.api_delete("/api/v1/sessions/current").await.is(204);
    let out = ada.api_get("/api/v1/me").await.is(401);
    assert_eq!((out.json()["code"].as_str(), out.header("www-authenticate")), (Some("unauthenticated"), "Bearer"));
}

#[tokio::test]
async fn the_same_order_sent_again_is_the_same_order_also_when_it_took_the_last_place() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(1)).await;
    let body = wanted(&customer, "harbour").await;
    let first = customer.api_post("/api/v1/orders", &body).await.is(201).json();
    let again = customer.api_post("/api/v1/orders", &body).await.is(200).json();
    assert_eq!((&again["id"], &again["checkout_url"]), (&first["id"], &first["checkout_url"]));
    let mut another = body.clone();
    another["name"] = json!("garden");
    assert_eq!(customer.api_post("/api/v1/orders", &another).await.is(409).json()["code"], "full");
    assert_eq!(other_customer.api_post("/api/v1/orders", &body).await.is(409).json()["code"], "full");
    assert_eq!(app.rows().await["orders"], 1);
    app.run_jobs().await;
}

#[tokio::test]
async fn pages_and_api_tell_one_phase_and_the_same_steps() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.paid(&customer, "harbour").await;
    let begun = [StepName::Namespace, StepName::Identity];
    let mut under_way = app.status(&begun);
    let kind = StepName::Database.conditions()[0];
    let starting = Finding::fails(kind, "Starting", "");
    under_way.conditions = conditions(&under_way.conditions, &[starting], 1, app.clock.now());
    under_way.steps = steps(&under_way.steps, &under_way.conditions, app.clock.now());
    let mut stalled = under_way.clone();
    let gone = Finding::holds(ConditionKind::Stalled, "DataLost", "the database is gone");
    stalled.conditions.extend(conditions(&[], &[gone], 1, app.clock.now()));
    let cases = [
        (app.status(&[]), "preparing", "is being built", None),
        (under_way.clone(), "preparing", "is being built", None),
        (stalled, "stuck", "taking longer than usual", Some("the database is gone")),
        (under_way, "preparing", "is being built", None),
    ];
    for (status, phase, said, reason) in cases {
        app.observe(instance.id, &status).await;
        let page = customer.get(&format!("/instances/{}", instance.id)).await.is(200).see(said);
        let told = customer.api_get(&format!("/api/v1/instances/{}", instance.id)).await.is(200).json();
        assert_eq!((told["phase"].as_str(), told["reason"].as_str()), (Some(phase), reason));
        let listed = customer.api_get("/api/v1/instances").await.json();
        assert_eq!(listed["instances"][0]["phase"], told["phase"]);
        let states: Vec<&str> = told["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
        assert_eq!(page.attributes("ol.steps > li", "class"), states, "{phase}");
    }
    // Too long without news is told by both as well, and to staff.
    app.advance(chrono::TimeDelta::minutes(11));
    customer.get(&format!("/instances/{}", instance.id)).await.see("taking longer than usual").see("shown to the people who run");
    let told = customer.api_get(&format!("/api/v1/instances/{}", instance.id)).await.json();
    assert_eq!((&told["phase"], &told["steps"][3]["state"]), (&json!("stuck"), &json!("waiting")));
    app.leave_jobs();
}

#[tokio::test]
async fn bad_input_is_named_and_leaves_no_trace() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let good = wanted(&customer, "harbour").await;
    let changed = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let before = app.rows().await;
    let account = |email: &str, password: &str| json!({ "email": email, "password": password });
    let long = "a".repeat(129);
    let to_accounts = [
        (account("", ""), 422, vec!["email", "password"]),
        (account("ada", "long enough"), 422, vec!["email"]),
        (account("ada@b@mail.example", "long enough"), 422, vec!["email"]),
        (account("ada@mail.example", "short"), 422, vec!["password"]),
        (account("ada@mail.example", &long), 422, vec!["password"]),
        (json!({}), 422, vec!["email", "password"]),
        (json!({ "email": 7, "password": "long enough" }), 400, vec!["email"]),
        (json!({ "email": "ada@mail.example", "password": null }), 400, vec!["password"]),
        (json!({ "email": "ada@mail.example", "pass": "long enough" }), 400, vec!["pass"]),
        (json!(["ada@mail.example", "long enough"]), 400, vec!["body"]),
    ];
    for (body, status, named) in to_accounts {
        let problem = anon.api_post("/api/v1/accounts", &body).await.is(status).json();
        assert_eq!(fields(&problem), named, "{body}: {problem}");
    }
    let to_orders = [
        (changed("kind", json!("")), 422, vec!["kind"]),
        (changed("kind", json!("rented")), 422, vec!["kind"]),
        (changed("name", json!("ad")), 422, vec!["name"]),
        (changed("name", json!("admin")), 422, vec!["name"]),
        (changed("name", json!("har bour")), 422, vec!["name"]),
        (changed("web_domain", json!("social.harbour.example")), 422, vec!["web_domain"]),
        (
            json!({ "kind": "own", "domain": "127.0.0.1", "owner_name": "wren", "owner_email": "w@mail.example", "plan": good["plan"],
                 "period": "month" }),
            422,
            vec!["domain"],
        ),
        (changed("owner_name", json!("moderator")), 422, vec!["owner_name"]),
        (changed("owner_name", json!("wren the bird")), 422, vec!["owner_name"]),
        (changed("owner_email", json!("wren")), 422, vec!["owner_email"]),
        (changed("plan", json!("gold")), 422, vec!["plan"]),
        (changed("period", json!("week")), 422, vec!["period"]),
        (changed("coupon", json!("FREE")), 400, vec!["coupon"]),
        (changed("name", json!({ "x": 1 })), 400, vec!["name"]),
        (json!({ "kind": "hosted", "name": "a\u{0}b" }), 422, vec!["name", "owner_name", "owner_email", "plan", "period"]),
    ];
    for (body, status, named) in to_orders {
        let problem = customer.api_post("/api/v1/orders", &body).await.is(status).json();
        let found: BTreeSet<&str> = fields(&problem).into_iter().collect();
        assert_eq!(found, named.into_iter().collect(), "{body}: {problem}");
        assert!(
            problem["errors"].as_array().unwrap().iter().all(|error| error["text"].as_str().unwrap().len() > 10),
            "{problem}"
        );
    }
    for path in ["check?kind=hosted&name=x&shade=blue", "check?kind=hosted&kind=own", "dns?domain=nowhere", "dns"] {
        let answer = customer.api_get(&format!("/api/v1/addresses/{path}")).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{path}: {}", answer.body);
        assert_eq!(fields(&answer.json()).len(), 1, "{path}: {}", answer.body);
    }
    assert_eq!(app.rows().await, before);
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused() {
    let Start { app, anon, .. } = TestApp::start().await;
    let before = app.rows().await;
    let post = |kind: &'static str, body: Vec<u8>| {
        anon.send(anon.api(Method::POST, "/api/v1/accounts").header("content-type", kind).body(body))
    };
    let fine = br#"{"email": "ada@mail.example", "password": "long enough"}"#.to_vec();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml"] {
        assert_eq!(post(kind, fine.clone()).await.is(415).json()["code"], "unsupported_media_type");
    }
    let mut large = fine.clone();
    large.resize(64 * 1024 + 1, b' ');
    assert_eq!(post("application/json", large).await.is(413).json()["code"], "too_large");
    for broken in [&b""[..], b"{", b"{\"email\": \"\xc3\x28\"}", b"{} {}", b"nonsense", b"\"text\""] {
        let problem = post("application/json", broken.to_vec()).await.is(400).json();
        assert_eq!((fields(&problem), &problem["code"]), (vec!["body"], &json!("unreadable")), "{problem}");
    }
    let wrong = anon.api_delete("/api/v1/plans").await.is(405);
    assert_eq!((wrong.json()["code"].as_str(), wrong.header("allow")), (Some("method_not_allowed"), "GET,HEAD"));
    let nothing = anon.api_get("/api/v1/nothing").await.is(404);
    assert_eq!(nothing.header("content-type"), "application/problem+json");
    assert_eq!(nothing.json()["type"], "urn:paddock:problem:not_found");
    assert_eq!(app.rows().await, before);
}

#[tokio::test]
async fn links_and_passwords_that_do_not_fit() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    for token in ["", "nonsense", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let problem = anon.api_post("/api/v1/verifications", &json!({ "token": token })).await.is(410).json();
        assert_eq!(problem["code"], "link_used_up");
    }
    let fresh = json!({ "password": "quite another password" });
    anon.api_post("/api/v1/password-resets/nonsense", &fresh).await.is(410);
    for (email, password) in
        [(customer.who.email.as_str(), "wrong password"), ("nobody@mail.example", PASSWORD), ("no address", PASSWORD)]
    {
        let problem = anon.api_post("/api/v1/sessions", &json!({ "email": email, "password": password })).await.is(401).json();
        assert_eq!((&problem["code"], fields(&problem)), (&json!("wrong_credentials"), vec![]));
    }

    anon.api_post("/api/v1/password-resets", &json!({ "email": customer.who.email })).await.is(202);
    anon.api_post("/api/v1/password-resets", &json!({ "email": "nobody@mail.example" })).await.is(202);
    anon.api_post("/api/v1/verifications/resend", &json!({ "email": "nobody@mail.example" })).await.is(202);
    app.run_jobs().await;
    let token = app.link_to(&customer.who.email).rsplit('/').next().unwrap().to_owned();
    let path = format!("/api/v1/password-resets/{token}");
    assert_eq!(fields(&anon.api_post(&path, &json!({ "password": "short" })).await.is(422).json()), vec!["password"]);
    anon.api_post(&path, &fresh).await.is(204);
    anon.api_post(&path, &fresh).await.is(410);
    customer.api_get("/api/v1/me").await.is(401);
    let who = json!({ "email": customer.who.email, "password": "quite another password" });
    anon.api_post("/api/v1/sessions", &who).await.is(201);
    app.run_jobs().await;
}

#[tokio::test]
async fn sessions_of_browsers_count_for_nothing_here() {
    let Start { app, customer, .. } = TestApp::start().await;
    customer.send(customer.request(Method::GET, "/api/v1/me")).await.is(401);
    let browser = Identity { api: customer.who.browser.clone(), ..customer.who.clone() };
    app.client(browser).api_get("/api/v1/me").await.is(401);
    customer.api_get("/api/v1/me").await.is(200);
}

#[tokio::test]
async fn foreign_missing_and_malformed_ids_are_the_same() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let body = wanted(&customer, "harbour").await;
    let placed = customer.api_post("/api/v1/orders", &body).await.is(201).json();
    let (order, instance) = (placed["id"].as_str().unwrap(), placed["instance"].as_str().unwrap());
    let (no_order, no_instance) = (OrderId::new().to_string(), InstanceId::new().to_string());
    let mut answers = BTreeSet::new();
    for id in [order, &no_order, "ord_1", "%00", "' or true", instance] {
        let mut problems = vec![other_customer.api_get(&format!("/api/v1/orders/{id}")).await.is(404)];
        problems.push(other_customer.api_post(&format!("/api/v1/orders/{id}/checkout"), &json!({})).await.is(404));
        problems.push(other_customer.api_post(&format!("/api/v1/orders/{id}/cancel"), &json!({})).await.is(404));
        answers.extend(problems.iter().map(|answer| answer.json()["detail"].to_string()));
    }
    for id in [instance, &no_instance, "ins_", order] {
        let answer = other_customer.api_get(&format!("/api/v1/instances/{id}")).await.is(404);
        answers.insert(answer.json()["detail"].to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(other_customer.api_get("/api/v1/orders").await.json()["orders"], json!([]));
    assert_eq!(other_customer.api_get("/api/v1/instances").await.json()["instances"], json!([]));
    app.run_jobs().await;
}

#[tokio::test]
async fn an_address_goes_to_one_and_a_cancelled_order_frees_it() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let body = wanted(&customer, "harbour").await;
    let placed = customer.api_post("/api/v1/orders", &body).await.is(201).json();
    let again = customer.api_post("/api/v1/orders", &body).await.is(200).json();
    assert_eq!((&again["id"], &again["checkout_url"]), (&placed["id"], &placed["checkout_url"]));
    let mut dearer = body.clone();
    dearer["period"] = json!("year");
    assert_eq!(customer.api_post("/api/v1/orders", &dearer).await.is(409).json()["code"], "taken");
    let problem = other_customer.api_post("/api/v1/orders", &body).await.is(409).json();
    assert_eq!((&problem["code"], fields(&problem)), (&json!("taken"), vec!["name"]), "{problem}");
    let alike = wanted(&customer, "harb0ur").await;
    let problem = other_customer.api_post("/api/v1/orders", &alike).await.is(409).json();
    assert_eq!((&problem["code"], fields(&problem)), (&json!("taken"), vec!["name"]), "{problem}");

    let path = format!("/api/v1/orders/{}", placed["id"].as_str().unwrap());
    customer.api_post(&format!("{path}/cancel"), &json!({})).await.is(202);
    app.run_jobs().await;
    let ended = customer.api_get(&path).await.is(200).json();
    assert_eq!((&ended["state"], &ended["checkout_url"]), (&json!("expired"), &Value::Null));
    assert_eq!(customer.api_post(&format!("{path}/checkout"), &json!({})).await.is(409).json()["code"], "expired");
    other_customer.api_post("/api/v1/orders", &body).await.is(201);
    for name in ["first-one", "second-one"] {
        other_customer.api_post("/api/v1/orders", &wanted(&customer, name).await).await.is(201);
    }
    let problem = other_customer.api_post("/api/v1/orders", &wanted(&customer, "third-one").await).await.is(409).json();
    assert_eq!(problem["code"], "too_many_unpaid");
}

#[tokio::test]
async fn when_all_is_full_one_waits_and_pays_nothing() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(1)).await;
    let (first, body) = (wanted(&customer, "first-one").await, wanted(&customer, "harbour").await);
    assert_eq!(customer.api_post("/api/v1/waiting", &body).await.is(409).json()["code"], "not_full");
    customer.api_post("/api/v1/orders", &first).await.is(201);
    let problem = other_customer.api_post("/api/v1/orders", &body).await.is(409).json();
    assert_eq!(problem["code"], "full");
    assert!(problem["detail"].as_str().unwrap().contains("/api/v1/waiting"), "{problem}");
    let status = customer.api_get("/api/v1/status").await.is(200).json();
    assert_eq!((status["well"].as_bool(), &status["parts"][1]["state"]), (Some(true), &json!("full")));

    other_customer.api_get("/api/v1/waiting").await.is(404);
    let entry = other_customer.api_post("/api/v1/waiting", &body).await.is(201).json();
    assert_eq!((entry["position"].as_i64(), entry["domain"].as_str()), (Some(1), Some("harbour.meadow.social")));
    assert_eq!(other_customer.api_post("/api/v1/waiting", &body).await.is(200).json(), entry);
    customer.api_get("/api/v1/waiting").await.is(404);
    app.run_jobs().await;
    assert_eq!(app.mails_to(&other_customer.who.email).len(), 1);
    other_customer.api_delete("/api/v1/waiting").await.is(204);
    other_customer.api_delete("/api/v1/waiting").await.is(204);
    other_customer.api_get("/api/v1/waiting").await.is(404);
}

#[tokio::test]
async fn members_may_what_their_role_says() {
    let Start { app, customer, .. } = TestApp::start().await;
    let [viewer, payer] = app.members();
    let body = wanted(&customer, "harbour").await;
    for member in [&viewer, &payer] {
        assert_eq!(member.api_post("/api/v1/orders", &body).await.is(403).json()["code"], "forbidden");
        member.api_get("/api/v1/orders").await.is(200);
    }
    let placed = customer.api_post("/api/v1/orders", &body).await.is(201).json();
    let path = format!("/api/v1/orders/{}", placed["id"].as_str().unwrap());
    let checkout = format!("{path}/checkout");
    viewer.api_post(&checkout, &json!({})).await.is(403);
    payer.api_post(&checkout, &json!({})).await.is(200);
    // Whoever may not ask for the payment page is not told where it is either.
    assert!(placed["checkout_url"].is_string(), "{placed}");
    for (member, url) in [(&viewer, &Value::Null), (&payer, &placed["checkout_url"]), (&customer, &placed["checkout_url"])] {
        assert_eq!(&member.api_get(&path).await.is(200).json()["checkout_url"], url, "{}", member.who.email);
        assert_eq!(&member.api_get("/api/v1/orders").await.json()["orders"][0]["checkout_url"], url, "{}", member.who.email);
    }
}

#[tokio::test]
async fn an_own_domain_is_told_its_records() {
    let Start { app, customer, .. } = TestApp::start().await;
    let ask = || customer.api_get("/api/v1/addresses/dns?domain=social.harbour.test");
    let dns = ask().await.is(200).json();
    assert_eq!(dns["all_right"], false);
    assert!(dns["records"].as_array().unwrap().iter().all(|record| record["state"] == "missing"), "{dns}");
    for record in dns["records"].as_array().unwrap() {
        assert_eq!(record["kind"], "CNAME");
        app.resolver.set(record["name"].as_str().unwrap(), RecordKind::Cname, &[record["value"].as_str().unwrap()]);
    }
    assert_eq!(ask().await.is(200).json()["all_right"], true);
    app.resolver.set("social.harbour.test", RecordKind::Cname, &["elsewhere.example"]);
    let dns = ask().await.is(200).json();
    let web = &dns["records"][0];
    assert_eq!((&web["state"], &web["seen"]), (&json!("different"), &json!(["elsewhere.example"])));
    assert!(web["text"].as_str().unwrap().contains("elsewhere.example"), "{web}");
}

#[tokio::test]
async fn the_document_names_exactly_the_routes() {
    let Start { app, anon, .. } = TestApp::start().await;
    let document = anon.api_get("/api/v1/openapi.json").await.is(200).json();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())))
        .collect();
    let table = paddock::web::table(app.state.clone());
    let routes = table.iter().filter(|entry| entry.path.starts_with("/api/"));
    let routes: BTreeSet<(String, String)> = routes.map(|entry| (entry.method.to_string(), entry.path.to_owned())).collect();
    assert_eq!(documented, routes);
}
