//! Tokens for programs: what each is good for, and when it ends.

use chrono::TimeDelta;
use paddock::account::token::MOST;
use paddock::web::{CALLS, WINDOW};
use serde_json::{Value, json};

use crate::harness::{Client, Identity, Start, TestApp};

/// A program with a token and nothing else.
fn program(app: &TestApp, token: &Value) -> Client {
    let text = token["token"].as_str().unwrap();
    assert!(text.starts_with("pdk_") && text.len() == 51, "{text}");
    app.client(Identity { api: Some(text.to_owned()), ..Identity::default() })
}

/// Somebody makes a token. Their session has to be a new one.
async fn make(app: &TestApp, client: &Client, scope: &str, instance: Option<String>) -> Client {
    let wanted = json!({ "name": "a script", "scope": scope, "instance": instance, "days": 30 });
    program(app, &client.api_post("/api/v1/tokens", &wanted).await.is(201).json())
}

fn code(answer: &crate::harness::Answer) -> String {
    answer.json()["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_reads_or_manages_and_does_nothing_to_its_person_or_account() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let server = app.running(&customer, "birds").await;
    let (reads, manages) = (make(&app, &customer, "read", None).await, make(&app, &customer, "manage", None).await);
    let runs = format!("/api/v1/instances/{}/runs", server.id);
    for program in [&reads, &manages] {
        assert_eq!(program.api_get("/api/v1/me").await.is(200).json()["role"], "admin", "an owner's token owns nothing");
        for path in
            ["/api/v1/instances", &runs, "/api/v1/orders", "/api/v1/members", "/api/v1/addresses/check?kind=hosted&name=wrens"]
        {
            program.api_get(path).await.is(200);
        }
        // Somebody's own affairs, the account itself, and what asks for proof.
        for path in ["/api/v1/sessions", "/api/v1/tokens"] {
            assert_eq!(code(&program.api_get(path).await.is(403)), "out_of_reach");
        }
        program.api_get("/api/v1/invitations").await.is(403);
        for path in ["/api/v1/tokens", "/api/v1/invitations", "/api/v1/members/leave", "/api/v1/sessions/end-others"] {
            assert_eq!(code(&program.api_post(path, &json!({})).await.is(403)), "out_of_reach", "{path}");
        }
        program.api_post("/api/v1/sessions/current/proof", &json!({ "password": "x" })).await.is(403);
        program.api_post("/api/v1/sessions/current/account", &json!({})).await.is(403);
        program.api_delete("/api/v1/sessions/current").await.is(403);
        // And it is no cookie.
        program.set_cookie("paddock_session", program.who.api.as_deref());
        program.get("/instances").await.is(303);
    }
    let work = json!({ "action": { "cacheClear": {} } });
    assert_eq!(code(&reads.api_post(&runs, &work).await.is(403)), "out_of_reach");
    assert_eq!(code(&reads.api_delete("/api/v1/waiting").await.is(403)), "out_of_reach");
    let asked = manages.api_post(&runs, &work).await;
    assert!(asked.status.is_success(), "{}", asked.body);
    manages.api_delete("/api/v1/waiting").await.is(204);
    app.leave_jobs();
}

#[tokio::test]
async fn a_token_may_never_more_than_its_person() {
    let Start { app, customer, .. } = TestApp::start().await;
    let [viewer, _] = app.members();
    let (customer, viewer) = (app.sign_in_again(&customer).await, app.sign_in_again(&viewer).await);
    let program = make(&app, &viewer, "manage", None).await;
    program.api_get("/api/v1/instances").await.is(200);
    assert_eq!(code(&program.api_delete("/api/v1/waiting").await.is(403)), "forbidden");
    let path = format!("/api/v1/members/{}", viewer.who.person.unwrap());
    customer.api_post(&path, &json!({ "role": "billing" })).await.is(204);
    program.api_delete("/api/v1/waiting").await.is(204);
    // It ends with the membership.
    customer.api_delete(&path).await.is(204);
    program.api_get("/api/v1/instances").await.is(401);
    assert_eq!(app.rows().await["api_tokens"], 0);
    app.run_jobs().await;
}

#[tokio::test]
async fn a_token_for_one_server_opens_that_server() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let (birds, foxes) = (app.running(&customer, "birds").await, app.running(&customer, "foxes").await);
    let theirs = app.running(&other_customer, "owls").await;
    let program = make(&app, &customer, "manage", Some(birds.id.to_string())).await;
    program.api_get(&format!("/api/v1/instances/{}", birds.id)).await.is(200);
    program.api_get(&format!("/api/v1/instances/{}/runs", birds.id)).await.is(200);
    let nobodys = paddock::ids::InstanceId::new();
    for id in [foxes.id.to_string(), theirs.id.to_string(), nobodys.to_string(), "nonsense".to_owned()] {
        assert_eq!(code(&program.api_get(&format!("/api/v1/instances/{id}")).await.is(403)), "out_of_reach", "{id}");
    }
    for path in ["/api/v1/instances", "/api/v1/orders", "/api/v1/me", "/api/v1/members"] {
        program.api_get(path).await.is(403);
    }
    program.api_get("/api/v1/plans").await.is(200);
    // A server of somebody else is none that a token can be made for.
    for id in [theirs.id.to_string(), nobodys.to_string(), "nonsense".to_owned()] {
        let wanted = json!({ "name": "a script", "scope": "read", "instance": id, "days": 30 });
        let refused = customer.api_post("/api/v1/tokens", &wanted).await.is(422).json();
        assert_eq!(refused["errors"][0]["field"], "instance");
    }
}

#[tokio::test]
async fn a_token_ends_with_its_days_when_it_is_revoked_and_with_a_new_password() {
    let Start { app, customer, other_customer, anon, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let program = make(&app, &customer, "read", None).await;
    let list = async || {
        let session = app.sign_in_again(&customer).await;
        session.api_get("/api/v1/tokens").await.is(200).json()["tokens"].as_array().unwrap().clone()
    };
    assert_eq!(list().await[0]["used"], Value::Null);
    program.api_get("/api/v1/me").await.is(200);
    assert!(list().await[0]["used"].is_string());
    app.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    program.api_get("/api/v1/me").await.is(200);
    app.advance(TimeDelta::seconds(1));
    program.api_get("/api/v1/me").await.is(401);
    assert!(list().await.is_empty());

    let customer = app.sign_in_again(&customer).await;
    let program = make(&app, &customer, "read", None).await;
    let id = list().await[0]["id"].as_str().unwrap().to_owned();
    let other = app.sign_in_again(&other_customer).await;
    for id in [id.as_str(), "tok_nonsense"] {
        other.api_delete(&format!("/api/v1/tokens/{id}")).await.is(404);
        other.post(&format!("/account/tokens/{id}/end"), &[]).await.is(404);
    }
    program.api_get("/api/v1/me").await.is(200);
    customer.api_delete(&format!("/api/v1/tokens/{id}")).await.is(204);
    customer.api_delete(&format!("/api/v1/tokens/{id}")).await.is(404);
    program.api_get("/api/v1/me").await.is(401);

    let program = make(&app, &customer, "read", None).await;
    anon.post("/forgot", &[("email", &customer.who.email)]).await.is(303);
    app.run_jobs().await;
    anon.post(&app.link_to(&customer.who.email), &[("password", "another harbour")]).await.is(303);
    program.api_get("/api/v1/me").await.is(401);
    app.run_jobs().await;
}

#[tokio::test]
async fn the_page_makes_tokens_and_shows_them_once() {
    let Start { app, customer, .. } = TestApp::start().await;
    let stale = customer.clone();
    let customer = app.sign_in_again(&customer).await;
    let server = app.running(&customer, "birds").await;
    let page = customer.get("/account/tokens").await.is(200).see("There is none.").see("birds.meadow.social");
    for (fields, says) in [
        ([("name", " "), ("scope", "read"), ("days", "30")], "Enter a name"),
        ([("name", "a script"), ("scope", "all"), ("days", "30")], "read or manage"),
        ([("name", "a script"), ("scope", "read"), ("days", "366")], "between 1 and 365 days"),
        ([("name", "a script"), ("scope", "read"), ("days", "0")], "between 1 and 365 days"),
        ([("name", "a script"), ("scope", "read"), ("server", "ins_nonsense")], "Choose a server of this account"),
    ] {
        customer.submit(&page, "/account/tokens", &fields).await.is(422).see(says);
    }
    let id = server.id.to_string();
    let fields = [("name", "a script <b>"), ("scope", "manage"), ("server", id.as_str()), ("days", "30")];
    let made = customer.submit(&page, "/account/tokens", &fields).await.is(200).see("It is not shown again.");
    assert_eq!(made.header("cache-control"), "no-store");
    let text = made.all("main code").remove(0);
    let program = program(&app, &json!({ "token": text }));
    program.api_get(&format!("/api/v1/instances/{id}")).await.is(200);
    let page = customer.get("/account/tokens").await.see("a script <b>").see("Read and manage").not_see(&text);
    let kept: Vec<u8> = sqlx::query_scalar("select token_hash from api_tokens").fetch_one(app.sql()).await.unwrap();
    assert_eq!(kept, paddock::crypto::sha256(text.as_bytes()));
    let end = page.attributes("form[action$='/end']", "action").remove(0);
    let ended = customer.submit(&page, &end, &[]).await.redirects_to("/account/tokens");
    customer.follow(ended).await.see("The token has ended.").see("There is none.");
    program.api_get(&format!("/api/v1/instances/{id}")).await.is(401);
    let audited = "select action from audit_events where action like 'token.%' order by id";
    let audited: Vec<String> = sqlx::query_scalar(audited).fetch_all(app.sql()).await.unwrap();
    assert_eq!(audited, ["token.made", "token.revoked"]);
    // An open browser is not enough.
    app.advance(paddock::account::session::PROVEN_FOR);
    customer.get("/account/tokens").await.is(200).not_see("Make the token");
    stale.post("/account/tokens", &fields).await.redirects_to("/step-up?next=%2Finstances");
    let wanted = json!({ "name": "a script", "scope": "read", "days": 1 });
    assert_eq!(code(&stale.api_post("/api/v1/tokens", &wanted).await.is(403)), "proof_required");
}

#[tokio::test]
async fn nobody_has_tokens_without_end() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    for _ in 0..MOST {
        make(&app, &customer, "read", None).await;
    }
    let wanted = json!({ "name": "one more", "scope": "read", "days": 30 });
    let refused = customer.api_post("/api/v1/tokens", &wanted).await.is(422).json();
    assert!(refused["errors"][0]["text"].as_str().unwrap().contains("as many tokens"), "{refused}");
}

#[tokio::test]
async fn every_answer_of_the_api_says_how_many_calls_are_left() {
    let Start { app, customer, anon, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let (program, other) = (make(&app, &customer, "read", None).await, make(&app, &customer, "read", None).await);
    let left = |answer: &crate::harness::Answer| {
        assert_eq!(answer.header("ratelimit-policy"), format!("\"calls\";q={CALLS};w=60"), "{}", answer.asked);
        let text = answer.header("ratelimit").to_owned();
        text.split(';').find_map(|part| part.strip_prefix("r=")).unwrap().parse::<u32>().unwrap()
    };
    // Answers, refusals and problems alike.
    assert_eq!(left(&program.api_get("/api/v1/me").await.is(200)), CALLS - 1);
    assert_eq!(left(&program.api_post("/api/v1/tokens", &json!({})).await.is(403)), CALLS - 2);
    assert_eq!(
        left(&program.api_get(&format!("/api/v1/instances/{}", paddock::ids::InstanceId::new())).await.is(404)),
        CALLS - 3
    );
    for _ in 3..CALLS {
        program.api_get("/api/v1/plans").await.is(200);
    }
    let refused = program.api_get("/api/v1/plans").await.is(429);
    assert_eq!((left(&refused), refused.header("retry-after"), code(&refused)), (0, "60", "too_many_calls".to_owned()));
    // Others of the same person, and strangers, go on.
    assert_eq!(left(&other.api_get("/api/v1/me").await.is(200)), CALLS - 1);
    assert_eq!(left(&anon.api_get("/api/v1/plans").await.is(200)), CALLS - 1);
    let neighbour = app.client(Identity::default()).moved_to(anon.address());
    assert_eq!(left(&neighbour.api_get("/api/v1/me").await.is(401)), CALLS - 2);
    app.advance(WINDOW);
    program.api_get("/api/v1/plans").await.is(200);
    // Pages are not counted.
    assert_eq!(customer.get("/instances").await.is(200).header("ratelimit"), "");
}
