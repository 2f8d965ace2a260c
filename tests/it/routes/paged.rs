//! Every list of the API comes in parts, and the parts together are the list.

use chrono::TimeDelta;
use paddock::resource::{RunPhase, Standing};
use serde_json::{Value, json};

use crate::harness::{Client, Start, TestApp};
use crate::webhooks::listen;

/// Path of each list, with the name under which its rows stand, by what the API's own document says.
fn lists() -> Vec<(String, String)> {
    let document = serde_json::to_value(paddock::web::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["get"];
        let content = &operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        let schema = content.as_str().and_then(|to| document.pointer(to.trim_start_matches('#')));
        let fields = schema.and_then(|schema| schema["properties"].as_object());
        let rows = fields.into_iter().flatten().find(|(_, field)| field["type"] == "array" && field["items"]["$ref"].is_string());
        let is_list = operation["operationId"].as_str().is_some_and(|id| id.starts_with("list_"));
        if !is_list {
            continue;
        }
        let (name, _) = rows.unwrap_or_else(|| panic!("{path} has no rows"));
        assert!(fields.unwrap().contains_key("next"), "{path} does not say where it goes on");
        let parameters: Vec<&str> =
            operation["parameters"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert!(parameters.contains(&"after") && parameters.contains(&"limit"), "{path}: {parameters:?}");
        found.push((path.clone(), name.clone()));
    }
    found
}

/// Three of everything that is listed. The path of the server and of the webhook that have some.
async fn three_of_each(app: &TestApp, customer: &Client) -> (String, String) {
    let mut last = None;
    for name in ["birds", "foxes", "owls"] {
        last = Some(app.running(customer, name).await);
    }
    let server = last.unwrap();
    for _ in 0..3 {
        let run = app.ask_run(customer, &server, &json!({"cacheClear": {}})).await;
        app.observe_run(run, Standing::new(RunPhase::Succeeded, "Succeeded", "done"), |_| {}).await;
    }
    let mut endpoint = None;
    for number in 0..3 {
        let wanted = json!({ "name": format!("script {number}"), "scope": "read", "days": 30 });
        customer.api_post("/api/v1/tokens", &wanted).await.is(201);
        let asked = json!({ "email": format!("owl{number}@mail.example"), "role": "viewer" });
        customer.api_post("/api/v1/invitations", &asked).await.is(201);
        app.sign_in_again(customer).await;
        endpoint = Some(listen(app, customer, "http://127.0.0.1:9/").await);
    }
    let endpoint = endpoint.unwrap();
    for _ in 0..3 {
        customer.api_post(&format!("/api/v1/webhooks/{endpoint}/test"), &json!({})).await.is(204);
    }
    (server.id.to_string(), endpoint.to_string())
}

/// A list in parts of so many rows.
async fn walk(client: &Client, path: &str, name: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), String::new());
    loop {
        let part = client.api_get(&format!("{path}?limit={limit}{after}")).await.is(200).json();
        let found = part[name].as_array().unwrap();
        assert!(found.len() <= limit, "{path}: {} rows for {limit}", found.len());
        rows.extend(found.iter().cloned());
        let Some(next) = part["next"].as_str() else { return rows };
        assert_eq!(found.len(), limit, "{path}: only the last part is short");
        after = format!("&after={next}");
        assert!(rows.len() < 500, "{path} has no end");
    }
}

#[tokio::test]
async fn every_list_comes_in_parts() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let (server, endpoint) = three_of_each(&app, &customer).await;
    let lists = lists();
    assert!(lists.len() >= 11, "{lists:?}");
    for (template, name) in lists {
        let path = template.replace("{id}", &server).replace("{endpoint}", &endpoint);
        assert!(!path.contains('{'), "{template}: what is that?");
        let whole = walk(&customer, &path, &name, 100).await;
        // Whoever asks has one account.
        let least = if name == "accounts" { 1 } else { 3 };
        assert!(whole.len() >= least, "{path} has {} rows: this test would say nothing about it", whole.len());
        for limit in [1, 2] {
            assert_eq!(walk(&customer, &path, &name, limit).await, whole, "{path} in parts of {limit}");
        }
        for wrong in ["limit=0", "limit=101", "limit=x", "offset=3"] {
            let problem = customer.api_get(&format!("{path}?{wrong}")).await.is(400).json();
            assert_eq!(problem["errors"][0]["field"], wrong.split('=').next().unwrap(), "{path}?{wrong}");
        }
        // The codes of plans may be any text.
        if name != "plans" {
            let problem = customer.api_get(&format!("{path}?after=nonsense")).await.is(400).json();
            assert_eq!(problem["errors"][0]["field"], "after", "{path}");
        }
    }
    app.leave_jobs();
}

#[tokio::test]
async fn rows_that_go_meanwhile_neither_hide_nor_repeat_others() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    for number in 0..4 {
        let wanted = json!({ "name": format!("script {number}"), "scope": "read", "days": 30 });
        customer.api_post("/api/v1/tokens", &wanted).await.is(201);
        app.advance(TimeDelta::seconds(1));
    }
    let names = |part: &Value| -> Vec<String> {
        part["tokens"].as_array().unwrap().iter().map(|token| token["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = customer.api_get("/api/v1/tokens?limit=2").await.is(200).json();
    assert_eq!(names(&first), ["script 3", "script 2"]);
    // What the cursor stands for is ended, and another is made.
    let next = first["next"].as_str().unwrap();
    customer.api_delete(&format!("/api/v1/tokens/{next}")).await.is(204);
    customer.api_post("/api/v1/tokens", &json!({ "name": "new", "scope": "read", "days": 30 })).await.is(201);
    let second = customer.api_get(&format!("/api/v1/tokens?limit=2&after={next}")).await.is(200).json();
    assert_eq!((names(&second), &second["next"]), (vec!["script 1".to_owned(), "script 0".to_owned()], &Value::Null));
}
