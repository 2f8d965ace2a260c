//! Tools of a server: what is asked for, what is shown of it, and who may.

use chrono::TimeDelta;
use paddock::instance::{Intent, set_intent};
use paddock::resource::{RunPhase, Standing, time};
use paddock::{audit, clock::Clock};
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Start, TestApp};

async fn ask(customer: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let page = customer.get(path).await.is(200);
    customer.submit(&page, path, fields).await
}

#[tokio::test]
async fn a_tool_is_asked_for_and_shown_until_it_is_over() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/tools", instance.id);
    let server = customer.get(&format!("/instances/{}", instance.id)).await.is(200);
    assert!(server.attributes("a", "href").contains(&path));
    let page = customer.get(&path).await.is(200).see("Nothing was asked for yet").see("is not known yet");
    assert_eq!(page.all("section.tool").len(), 9);
    assert!(!page.visible_text().contains("tool-") && !page.visible_text().contains("choice-"), "{}", page.visible_text());

    let media = [("tool", "media-removal"), ("media_what", "profiles"), ("media_days", "9")];
    let answer = ask(&customer, &path, &media).await.redirects_to(&path);
    let page = customer.follow(answer).await.see("It is asked for").see("Asked for, and not over yet").see("Under way");
    let title = "Remove copies of other servers’ files: profile pictures and headers of people nobody here follows";
    let page = page.see(title);
    assert_eq!(page.attributes("[data-live]", "data-live"), [format!("{path}/live")]);
    let (id, action): (uuid::Uuid, Value) = sqlx::query_as("select id, action from runs").fetch_one(app.sql()).await.unwrap();
    assert_eq!(action, json!({"maintenance": {"mediaRemoval": {"what": "profiles", "days": 9}}}));
    let run = paddock::ids::RunId::from(id);

    let mut events = customer.events(&format!("{path}/live")).await;
    let (_, first) = events.next().await.unwrap();
    assert!(first.contains("Asked for"), "{first}");
    app.observe_run(run, Standing::new(RunPhase::Queued, "Queued", "2 runs come first"), |status| status.position = Some(2))
        .await;
    let (_, line) = events.next().await.unwrap();
    assert!(line.contains("In line") && line.contains("2 others come first"), "{line}");
    let began = time(app.clock.now());
    app.observe_run(run, Standing::new(RunPhase::Running, "Running", "at work"), |status| {
        status.started_at = Some(began.clone());
    })
    .await;
    let (_, work) = events.next().await.unwrap();
    assert!(work.contains("At work") && work.contains("data-since"), "{work}");
    app.advance(TimeDelta::minutes(3));
    app.observe_run(run, Standing::new(RunPhase::Succeeded, "Succeeded", "done"), |status| {
        status.started_at = Some(began);
        status.output = Some("Visited 12 <accounts>".to_owned());
    })
    .await;
    // The clock went on before: what runs may be shown once more with its new time.
    let mut over = events.next().await.unwrap().1;
    if !over.contains("data-end") {
        over = events.next().await.unwrap().1;
    }
    assert!(over.contains("data-end") && over.contains("Visited 12 &#60;accounts&#62;"), "{over}");
    assert_eq!(events.next().await, None);
    let page = customer.get(&path).await.see("Done 3 min 0 s").see("Usually takes about 3 min here");
    assert_eq!(page.attributes("[data-live]", "data-live"), [""; 0]);

    // What it is for staff: the operator's own words, and who asked.
    let page = staff.get(&format!("/staff/instances/{}", instance.id)).await.is(200);
    page.see("Runs").see("Succeeded: done").see("Visited 12 <accounts>").see("run.requested");
}

#[tokio::test]
async fn what_is_typed_wrong_is_said_and_nothing_is_asked_for() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/tools", instance.id);
    let wrong = [
        (vec![("tool", "media-removal"), ("media_days", "0")], "Enter a whole number from 1 to 365"),
        (vec![("tool", "preview-card-removal"), ("card_days", "13")], "Enter a whole number from 14 to 730"),
        (vec![("tool", "retention"), ("keep_media_days", "731")], "Enter a whole number from 1 to 730"),
        (vec![("tool", "account-refresh"), ("refresh_domain", "; id")], "Enter the domain of a server"),
        (vec![("tool", "owner-invite"), ("invite_uses", "101")], "Enter a whole number from 1 to 100"),
        (vec![("tool", "self-destruct")], "Choose one of the tools"),
        (vec![("tool", "media-removal"), ("media_what", "orphans")], "Choose one of the tools"),
        (vec![], "Choose one of the tools"),
    ];
    for (fields, text) in wrong {
        let token = customer.csrf_token().await;
        let mut all = fields.clone();
        all.push(("csrf", &token));
        let answer = customer.send(customer.request(reqwest::Method::POST, &path).form(&all)).await;
        let page = answer.is(422).see("There is a problem").see(text);
        for (name, value) in fields.iter().filter(|(name, _)| name.ends_with("days") || name.ends_with("domain")) {
            assert_eq!(page.attributes(&format!("#{name}"), "value"), [*value], "what was typed is kept");
        }
    }
    assert_eq!(app.rows().await["runs"], 0);
}

#[tokio::test]
async fn one_of_a_kind_at_a_time_and_the_owner_is_not_flooded() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/tools", instance.id);
    let post = async |tool: &str| {
        let answer = customer.post(&path, &[("tool", tool)]).await.redirects_to(&path);
        customer.follow(answer).await
    };
    post("cache-clear").await.see("It is asked for");
    post("cache-clear").await.see("One of the same kind is not over yet");
    post("password-mail").await.see("It is asked for");
    let run: uuid::Uuid =
        sqlx::query_scalar("select id from runs where kind = 'password-mail'").fetch_one(app.sql()).await.unwrap();
    app.observe_run(run.into(), Standing::new(RunPhase::Succeeded, "Succeeded", "done"), |_| {}).await;
    post("password-mail").await.see("was sent a mail a moment ago");
    app.advance(TimeDelta::minutes(11));
    post("password-mail").await.see("It is asked for");
    assert_eq!(app.rows().await["runs"], 3);
}

#[tokio::test]
async fn what_was_asked_for_can_be_called_off() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let run = app.ask_run(&customer, &instance, &json!({"cacheClear": {}})).await;
    let (page, cancel) = (format!("/instances/{}/tools", instance.id), format!("/instances/{}/runs/{run}/cancel", instance.id));
    let shown = customer.get(&page).await.see("Call off");
    let answer = customer.submit(&shown, &cancel, &[]).await.redirects_to(&page);
    customer.follow(answer).await.see("It is called off").see("It is being ended").not_see("Call off Empty the cache");
    let answer = customer.post(&cancel, &[]).await;
    customer.follow(answer).await.see("It is over already");
    let (cancelled, generation): (bool, i64) =
        sqlx::query_as("select cancelled, generation from runs").fetch_one(app.sql()).await.unwrap();
    assert_eq!((cancelled, generation), (true, 2), "and the fleet is told once");
    let mut conn = app.sql().acquire().await.unwrap();
    let entries = audit::list(&mut conn, instance.account_id, &[instance.id.to_string()], 10).await.unwrap();
    let actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions[..2], ["run.cancelled", "run.requested"]);
}

#[tokio::test]
async fn a_server_that_does_not_run_has_no_tools_and_a_viewer_only_looks() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}/tools", instance.id);
    let [viewer, _] = app.members();
    let page = viewer.get(&path).await.is(200).see("Owners and administrators");
    assert!(page.all("section.tool button").is_empty());
    viewer.post(&path, &[("tool", "cache-clear")]).await.is(403);
    let mut conn = app.sql().acquire().await.unwrap();
    let actor = audit::Actor::System("test");
    set_intent(&mut conn, app.clock.as_ref(), actor, instance.id, Intent::Suspended, "unpaid").await.unwrap();
    let page = customer.get(&path).await.is(200).see("does not run at the moment");
    assert!(page.all("section.tool button").is_empty());
    let answer = customer.post(&path, &[("tool", "cache-clear")]).await.redirects_to(&path);
    customer.follow(answer).await.see("Ask again once it does");
    let problem =
        customer.api_post(&format!("/api/v1/instances/{}/runs", instance.id), &json!({"action": {"cacheClear": {}}})).await;
    assert_eq!(problem.is(409).json()["code"], "not_running");
    assert_eq!(app.rows().await["runs"], 0);
    // Not even built.
    let early = app.paid(&customer, "bees").await;
    customer.get(&format!("/instances/{}/tools", early.id)).await.is(200).see("does not run at the moment");
}

#[tokio::test]
async fn the_api_asks_looks_and_calls_off() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let runs = format!("/api/v1/instances/{}/runs", instance.id);
    let asked = customer.api_post(&runs, &json!({"action": {"accountRefresh": {"domain": "far.example"}}})).await.is(202).json();
    assert_eq!((asked["state"].as_str(), &asked["finished_at"]), (Some("requested"), &Value::Null));
    assert_eq!(asked["action"], json!({"maintenance": {"accountRefresh": {"domain": "far.example"}}}));
    let one = format!("{runs}/{}", asked["id"].as_str().unwrap());
    assert_eq!(customer.api_get(&one).await.is(200).json(), asked);
    assert_eq!(customer.api_get(&runs).await.is(200).json()["runs"], json!([asked]));
    other_customer.api_get(&one).await.is(404);
    let again = customer.api_post(&runs, &json!({"action": {"accountRefresh": {}}})).await.is(409).json();
    assert_eq!(again["code"], "open");
    assert_eq!(customer.api_post(&format!("{one}/cancel"), &json!({})).await.is(202).json()["id"], asked["id"]);
    assert_eq!(customer.api_post(&format!("{one}/cancel"), &json!({})).await.is(409).json()["code"], "over");
    for (body, field) in [
        (json!({}), "action"),
        (json!({"action": {}}), "action"),
        (json!({"action": {"selfDestruct": {}}}), "action"),
        (json!({"action": {"export": {}}}), "action"),
        (json!({"action": {"cacheClear": {"dryRun": true}}}), "dryRun"),
        (json!({"action": {"cacheClear": {}, "passwordMail": {}}}), "action"),
        (json!({"action": {"mediaRemoval": {"what": "attachments", "days": 0}}}), "days"),
        (json!({"action": {"accountRefresh": {"domain": "--all"}}}), "domain"),
        (json!({"action": {"cacheClear": {}}, "command": "sh"}), "command"),
    ] {
        let problem = customer.api_post(&runs, &body).await.is(400).json();
        assert!(problem["errors"][0]["field"].as_str().unwrap().contains(field), "{body}: {problem}");
    }
    assert_eq!(app.rows().await["runs"], 1);
}
