//! The waiting list: in order, honest, and with a place that is kept for whoever is next.

use chrono::TimeDelta;
use paddock::audit::Actor;
use paddock::billing::{Order, Placement};
use paddock::capacity;
use paddock::clock::Clock as _;
use paddock::ids::{AccountId, PersonId};
use serde_json::{Value, json};

use crate::harness::{Capacity, Client, Identity, Start, TestApp};

fn wish(name: &str) -> Value {
    json!({ "kind": "hosted", "name": name, "owner_name": "wren", "owner_email": "wren@mail.example",
            "plan": "family", "period": "month" })
}

/// The one place is taken by an order that is not paid; `first` and then `second` wait.
async fn full(app: &TestApp, taker: &Client, waiting: &[(&Client, &str)]) -> Order {
    let order = app.order(taker, "owls").await;
    for (client, name) in waiting {
        client.api_post("/api/v1/waiting", &wish(name)).await.is(201);
        app.advance(TimeDelta::minutes(1));
    }
    app.run_jobs().await;
    order
}

/// Somebody with an account of their own, who can order and nothing else.
async fn stranger(app: &TestApp) -> Client {
    let account = AccountId::new();
    sqlx::query("insert into accounts (id, name, created_at) values ($1, 'somebody', now())")
        .bind(account)
        .execute(app.sql())
        .await
        .unwrap();
    let email = "somebody@mail.example".to_owned();
    app.client(Identity { email, account: Some(account), person: Some(PersonId::new()), ..Identity::default() })
}

async fn free(app: &TestApp, order: &Order) {
    sqlx::query("select enqueue_job('settle_order', $1::json, 'settle_order:now', null, null)")
        .bind(json!({ "order": order.id, "early": true }))
        .execute(app.sql())
        .await
        .unwrap();
    app.run_jobs().await;
}

#[tokio::test]
async fn a_place_that_is_free_is_kept_for_whoever_waits_longest() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(1)).await;
    let owner = stranger(&app).await;
    let taken = full(&app, &owner, &[(&customer, "birds"), (&other_customer, "foxes")]).await;
    let positions = async |client: &Client| client.api_get("/api/v1/waiting").await.json();
    assert_eq!(
        (positions(&customer).await["position"].clone(), positions(&other_customer).await["position"].clone()),
        (json!(1), json!(2))
    );
    customer.get("/waiting").await.see("nobody can say yet");
    free(&app, &taken).await;

    // The first is told, and the place is theirs alone: neither who comes new nor who stands behind gets it.
    assert!(app.mail_to(&customer.who.email).subject.contains("A place is kept for you"));
    assert_eq!(app.mails_to(&other_customer.who.email).len(), 1, "that they wait, and no more");
    customer.get("/waiting").await.see("A place is kept for you").see("Order until").see("Order now");
    customer.get("/instances").await.see("A place is kept for you");
    let entry = positions(&customer).await;
    assert!(entry["invited_until"].is_string() && entry["expected_at"].is_null(), "{entry}");
    let entry = positions(&other_customer).await;
    assert_eq!(entry["position"], 2, "the first has not decided");
    assert!(entry["expected_at"].is_string() && entry["invited_until"].is_null(), "{entry}");
    other_customer.get("/waiting").await.see("By how fast the list has moved").see("Number 2");
    assert_eq!(app.try_order(&owner, "herons").await.unwrap(), Placement::Full);
    assert_eq!(app.try_order(&other_customer, "foxes").await.unwrap(), Placement::Full);
    let order = app.order(&customer, "birds").await;
    customer.api_get("/api/v1/waiting").await.is(404);
    assert_eq!(positions(&other_customer).await["position"], 2, "it is not paid yet");

    // Paid, it is gone for good; the other one is next.
    app.shop_pays(&customer, &order).await;
    app.run_jobs().await;
    assert_eq!(positions(&other_customer).await["position"], 1);
    assert_eq!(app.shop.charges().len(), 1);
}

#[tokio::test]
async fn an_invitation_ends_at_its_deadline_and_goes_to_who_is_next() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(1)).await;
    let taken = full(&app, &stranger(&app).await, &[(&customer, "birds"), (&other_customer, "foxes")]).await;
    free(&app, &taken).await;
    let keep = "select enqueue_job('keep_waiting_list', '{}', 'keep_waiting_list:all', null, null)";
    app.advance(TimeDelta::hours(47));
    sqlx::query(keep).execute(app.sql()).await.unwrap();
    app.run_jobs().await;
    customer.get("/waiting").await.see("A place is kept for you");
    app.advance(TimeDelta::hours(2));
    sqlx::query(keep).execute(app.sql()).await.unwrap();
    app.run_jobs().await;
    assert!(app.mail_to(&customer.who.email).subject.contains("went to who is next"));
    assert!(app.mail_to(&other_customer.who.email).subject.contains("A place is kept for you"));
    customer.get("/waiting").await.see("not on the waiting list");
    assert_eq!(app.try_order(&customer, "birds").await.unwrap(), Placement::Full);
    app.order(&other_customer, "foxes").await;
    assert_eq!(app.shop.charges(), []);
}

#[tokio::test]
async fn who_leaves_gives_the_place_to_who_is_next() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(1)).await;
    let taken = full(&app, &stranger(&app).await, &[(&customer, "birds"), (&other_customer, "foxes")]).await;
    free(&app, &taken).await;
    let page = customer.get("/waiting").await;
    customer.submit(&page, "/waiting/leave", &[]).await.redirects_to("/instances");
    app.run_jobs().await;
    assert!(app.mail_to(&other_customer.who.email).subject.contains("A place is kept for you"));
}

#[tokio::test]
async fn the_mail_has_a_link_to_leave_without_logging_in() {
    let Start { app, customer, other_customer, anon, .. } = TestApp::start_with(Capacity(1)).await;
    let taken = full(&app, &stranger(&app).await, &[(&customer, "birds"), (&other_customer, "foxes")]).await;
    free(&app, &taken).await;
    let letter = app.mail_to(&customer.who.email);
    let mut words = letter.text.split_whitespace().filter_map(|word| word.strip_prefix(app.base()));
    let link = words.find(|path| path.starts_with("/waiting/leave/")).unwrap().to_owned();
    // A scanner that follows it does nothing.
    let page = anon.get(&link).await.is(200).see("birds.meadow.social").see("One press");
    anon.get(&format!("{}x", &link[..link.len() - 1])).await.is(410);
    customer.get("/waiting").await.see("A place is kept for you");
    let answer = anon.submit(&page, &link, &[]).await.redirects_to("/");
    anon.follow(answer).await.see("You left the waiting list");
    anon.submit(&page, &link, &[]).await.redirects_to("/");
    anon.get(&link).await.is(410);
    app.run_jobs().await;
    customer.get("/waiting").await.see("not on the waiting list");
    assert!(app.mail_to(&other_customer.who.email).subject.contains("A place is kept for you"));
    // Who joins again does not leave by the old link.
    customer.api_post("/api/v1/waiting", &wish("birds")).await.is(201);
    anon.submit(&page, &link, &[]).await.redirects_to("/");
    customer.api_get("/api/v1/waiting").await.is(200);
    app.run_jobs().await;
}

#[tokio::test]
async fn who_did_not_pay_in_time_may_try_again_until_the_deadline() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(1)).await;
    let taken = full(&app, &stranger(&app).await, &[(&customer, "birds"), (&other_customer, "foxes")]).await;
    free(&app, &taken).await;
    let order = app.order(&customer, "birds").await;
    free(&app, &order).await;
    customer.get("/waiting").await.see("A place is kept for you");
    assert_eq!(app.try_order(&other_customer, "foxes").await.unwrap(), Placement::Full);
    let order = app.order(&customer, "birds").await;
    // After it the place goes on.
    app.advance(TimeDelta::hours(50));
    free(&app, &order).await;
    assert!(app.mail_to(&other_customer.who.email).subject.contains("A place is kept for you"));
    customer.api_get("/api/v1/waiting").await.is(404);
}

#[tokio::test]
async fn a_place_that_is_not_there_any_more_costs_nobody_their_turn() {
    let Start { app, customer, other_customer, .. } = TestApp::start_with(Capacity(1)).await;
    let taken = full(&app, &stranger(&app).await, &[(&customer, "birds"), (&other_customer, "foxes")]).await;
    free(&app, &taken).await;
    let family = app.state.catalogue.get("family").unwrap().size.footprint();
    let resize = async |places: i64| {
        let mut tx = app.db.staff().begin().await.unwrap();
        let cluster = capacity::find_cluster(&mut tx, "first").await.unwrap().unwrap();
        let (has, actor) = (capacity::enough_for(&family, places), Actor::System("test"));
        capacity::set_capacity(&mut tx, app.clock.as_ref(), actor, &cluster, &has).await.unwrap();
        tx.commit().await.unwrap();
        let keep = "select enqueue_job('keep_waiting_list', '{}', 'keep_waiting_list:all', null, null)";
        sqlx::query(keep).execute(app.sql()).await.unwrap();
    };
    resize(0).await;
    customer.get("/waiting").await.see("is not there any more");
    app.advance(TimeDelta::hours(60));
    app.run_jobs().await;
    assert_eq!(customer.api_get("/api/v1/waiting").await.json()["position"], 1);
    resize(2).await;
    app.run_jobs().await;
    for client in [&customer, &other_customer] {
        let entry = client.api_get("/api/v1/waiting").await.json();
        let until = entry["invited_until"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        assert!(until > app.clock.now(), "{entry}");
    }
}
