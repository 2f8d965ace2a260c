//! What customers choose and are told.

use chrono::TimeDelta;
use http::Method;
use paddock::clock::Clock as _;
use paddock::rollout::{ItemState, Policy, Step};
use serde_json::json;

use super::{OLD, PATCH, add_release, after, begin, count, operator_works, quick, servers, states};
use crate::harness::{Start, TestApp};

#[tokio::test]
async fn a_new_minor_is_announced_by_mail_and_comes_no_sooner() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    let mine = servers(&app, &customer, 1, OLD).await[0];
    servers(&app, &other_customer, 1, "4.7.3").await;
    let policy = Policy { steps: vec![Step::Share(100)], ..quick() };
    let id = begin(&staff, "4.7.4", &policy).await;
    app.run_jobs().await;

    // The patch begins at once and without a mail; who gets a new minor is told, with the notes and the date.
    assert_eq!(count(&app, id, ItemState::Upgrading).await, 1);
    operator_works(&app, id).await;
    assert_eq!((app.mails_to(&customer.who.email).len(), app.mails_to(&other_customer.who.email).len()), (1, 0));
    let mail = app.mail_to(&customer.who.email);
    assert!(mail.subject.contains("gets Mastodon 4.7.4"), "{}", mail.subject);
    assert!(mail.text.contains("4.6.9") && mail.text.contains("mail with a code"), "{}", mail.text);
    let link = app.link_to(&customer.who.email);
    assert_eq!(link, format!("/instances/{mine}/upgrades"));
    customer.get(&link).await.is(200).see("From 4.6.9 to 4.7.4").see("Planned").see("mail with a code").see("can’t be undone");
    let told = customer.api_get(&format!("/api/v1/instances/{mine}")).await.is(200).json();
    assert_eq!((told["upgrade"]["to"].as_str(), told["upgrade"]["state"].as_str()), (Some("4.7.4"), Some("planned")));

    after(&app, TimeDelta::hours(47)).await;
    assert_eq!(states(&app, id).await[&mine], ItemState::Waiting);
    after(&app, TimeDelta::minutes(61)).await;
    assert_eq!(states(&app, id).await[&mine], ItemState::Upgrading);
    customer.get(&link).await.see("Under way");
    operator_works(&app, id).await;
    after(&app, TimeDelta::seconds(15)).await;
    customer.get(&link).await.see("runs Mastodon 4.7.4").see("No upgrade is planned");
    assert_eq!(app.mails_to(&customer.who.email).len(), 1, "told once");
}

#[tokio::test]
async fn there_is_no_way_back_from_a_new_minor() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    servers(&app, &customer, 1, OLD).await;
    let id = begin(&staff, "4.7.4", &Policy { steps: vec![Step::Share(100)], notice_hours: 0, ..quick() }).await;
    app.run_jobs().await;
    assert_eq!(count(&app, id, ItemState::Upgrading).await, 1);
    operator_works(&app, id).await;
    after(&app, TimeDelta::seconds(15)).await;
    staff
        .post(&format!("/staff/rollouts/{id}/roll-back"), &[("reason", "because")])
        .await
        .is(409)
        .see("no server of this rollout can go back");
    assert_eq!(count(&app, id, ItemState::Done).await, 1);
}

#[tokio::test]
async fn a_server_is_upgraded_in_the_hours_that_its_owner_chose() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let all = servers(&app, &customer, 2, OLD).await;
    // The hours begin ten hours from now, on the clock of somebody in Kolkata.
    let zone = TimeDelta::minutes(330);
    let local = app.clock.now() + zone + TimeDelta::hours(10);
    let from = local.format("%-H").to_string();
    let page = customer.get(&format!("/instances/{}/upgrades", all[0])).await.is(200).see("At any time");
    let path = format!("/instances/{}/upgrades", all[0]);
    let fields = [("when", "window"), ("day", ""), ("from", from.as_str()), ("hours", "2"), ("zone", "Asia/Kolkata")];
    let answer = customer.submit(&page, &path, &fields).await.redirects_to(&path);
    customer.follow(answer).await.see("Your hours are saved");
    assert_eq!(customer.get(&path).await.attributes("#zone", "value"), ["Asia/Kolkata"]);
    customer.get(&format!("/instances/{}", all[0])).await.see(&format!("Every day from {from}:00 for 2 h (Asia/Kolkata)"));

    add_release(&staff, PATCH, "4.6.0", false).await;
    let id = begin(&staff, PATCH, &Policy { steps: vec![Step::Share(100)], ..quick() }).await;
    app.run_jobs().await;
    after(&app, TimeDelta::minutes(1)).await;
    assert_eq!((states(&app, id).await[&all[0]], states(&app, id).await[&all[1]]), (ItemState::Waiting, ItemState::Upgrading));
    operator_works(&app, id).await;
    after(&app, TimeDelta::hours(8)).await;
    assert_eq!(states(&app, id).await[&all[0]], ItemState::Waiting);
    after(&app, TimeDelta::hours(2)).await;
    assert_eq!(states(&app, id).await[&all[0]], ItemState::Upgrading);

    // One that closes a hole does not wait for days.
    let late = servers(&app, &customer, 1, "4.5.20").await[0];
    let far = (local + TimeDelta::hours(9)).format("%-H").to_string();
    let body = json!({ "from": far.parse::<u8>().unwrap(), "hours": 1, "zone": "Asia/Kolkata" });
    customer.api_post(&format!("/api/v1/instances/{late}/window"), &body).await.is(200);
    add_release(&staff, "4.5.21", "4.5.0", true).await;
    let page = staff.get("/staff/rollouts/new?version=4.5.21").await.is(200);
    assert_eq!(page.attributes("#patience_hours", "value"), ["6"], "what is usual for one that closes a hole");
    let id = begin(&staff, "4.5.21", &Policy::usual(true)).await;
    app.run_jobs().await;
    assert_eq!(states(&app, id).await[&late], ItemState::Waiting);
    customer.get(&format!("/instances/{late}/upgrades")).await.see("It closes a hole");
    after(&app, TimeDelta::minutes(359)).await;
    assert_eq!(states(&app, id).await[&late], ItemState::Waiting);
    after(&app, TimeDelta::minutes(2)).await;
    assert_eq!(states(&app, id).await[&late], ItemState::Upgrading);
}

#[tokio::test]
async fn hours_that_are_none_are_refused_field_by_field() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let mine = servers(&app, &customer, 1, OLD).await[0];
    let (page, api) = (format!("/instances/{mine}/upgrades"), format!("/api/v1/instances/{mine}/window"));
    let bad = [("when", "window"), ("day", "someday"), ("from", "24"), ("hours", "0"), ("zone", "Mars/Olympus")];
    let answer = customer.post(&page, &bad).await.is(422);
    for field in ["day", "from", "hours", "zone"] {
        assert!(answer.attributes(".errors a", "href").contains(&format!("#{field}")), "{field}: {}", answer.visible_text());
    }
    customer.post(&page, &[("when", "never")]).await.is(422).see("Choose between any time and hours of your own");
    let problem = customer.api_post(&api, &json!({})).await.is(422).json();
    let fields: Vec<&str> = problem["errors"].as_array().unwrap().iter().filter_map(|error| error["field"].as_str()).collect();
    assert_eq!(fields, ["from", "hours", "zone"]);
    customer.api_post(&api, &json!({ "day": "funday", "from": 1, "hours": 1, "zone": "UTC" })).await.is(400);

    // It is the account's own, for those of it who may.
    let good = json!({ "day": "sunday", "from": 2, "hours": 4, "zone": "Europe/Berlin" });
    let [viewer, payer] = app.members();
    for client in [&viewer, &payer] {
        client.api_post(&api, &good).await.is(403);
        client.post(&page, &[("when", "any")]).await.is(403);
    }
    other_customer.api_post(&api, &good).await.is(404);
    other_customer.post(&page, &[("when", "any")]).await.is(404);
    viewer.get(&page).await.is(200).see("At any time").not_see("Save");
    assert!(app.find_instance(mine).await.maintenance_window.is_none());

    let said = customer.api_post(&api, &good).await.is(200).json();
    assert_eq!(said, good);
    assert_eq!(customer.api_get(&format!("/api/v1/instances/{mine}")).await.json()["maintenance_window"], good);
    viewer.get(&page).await.see("Sundays from 2:00 for 4 h (Europe/Berlin)");
    customer.send(customer.api(Method::DELETE, &api)).await.is(204);
    assert!(app.find_instance(mine).await.maintenance_window.is_none());
    let logged: i64 =
        sqlx::query_scalar("select count(*) from audit_events where action = 'instance.window' and actor_kind = 'person'")
            .fetch_one(app.sql())
            .await
            .unwrap();
    assert_eq!(logged, 2);
}
