//! The post and what a policy makes of it.

use std::collections::{BTreeMap, BTreeSet};

use paddock::clock::ManualClock;
use paddock::demo::stripe::{Order, Policy, Rule};
use serde_json::{Value, json};

use super::bench::{Bench, Endpoint, GOOD, idle, noon, settings};

const ON_PAYING: [&str; 3] = ["customer.subscription.created", "invoice.paid", "checkout.session.completed"];

async fn bench(failures: u32) -> (Bench, Endpoint) {
    let clock = ManualClock::at(noon());
    let endpoint = Endpoint::new(&clock, failures).await;
    let bench = Bench::over(settings(&clock, Some(endpoint.url.clone()), None), clock).await;
    (bench, endpoint)
}

/// Pays an order under a policy, and gives what arrived.
async fn pay_under(bench: &Bench, endpoint: &Endpoint, policy: Policy) -> Vec<String> {
    let (_, checkout) = bench.checkout().await;
    idle(&bench.control).await;
    endpoint.forget();
    bench.control.set_policy(policy);
    bench.control.pay(&checkout.id, GOOD).unwrap();
    idle(&bench.control).await;
    endpoint.types()
}

#[tokio::test]
async fn each_event_arrives_signed_and_names_what_it_is_about() {
    let (bench, endpoint) = bench(0).await;
    let arrived = pay_under(&bench, &endpoint, Policy::default()).await;
    assert_eq!(arrived, ON_PAYING);
    let hints = endpoint.hints();
    let subscriptions: BTreeSet<_> = hints.iter().map(|hint| hint.refs.subscription.clone()).collect();
    assert!(subscriptions.len() == 1 && subscriptions.first().unwrap().is_some(), "{hints:#?}");
    assert!(hints[1].refs.invoice.is_some() && hints[2].refs.checkout.is_some() && hints[2].refs.customer.is_some());
    assert_eq!(bench.control.state()["undelivered"], json!([]));
}

#[tokio::test]
async fn an_endpoint_that_fails_is_tried_again() {
    let (bench, endpoint) = bench(3).await;
    bench.customer().await;
    idle(&bench.control).await;
    assert_eq!(endpoint.types(), ["customer.created"]);
}

#[tokio::test]
async fn events_can_come_thrice_reversed_and_shuffled() {
    let (bench, endpoint) = bench(0).await;
    let deliver = |copies| Rule::Deliver { copies, delay_millis: 0 };
    let thrice = pay_under(&bench, &endpoint, Policy { rule: deliver(3), ..Policy::default() }).await;
    assert_eq!(thrice.len(), 9);
    let ids: BTreeSet<_> = endpoint.hints().into_iter().map(|hint| hint.id).collect();
    assert_eq!(ids.len(), 3, "copies carry the same id");

    let mut backwards = ON_PAYING;
    backwards.reverse();
    let reversed = pay_under(&bench, &endpoint, Policy { order: Order::Reversed, ..Policy::default() }).await;
    assert_eq!(reversed, backwards);

    let mut orders = BTreeSet::new();
    for seed in 0..8 {
        let shuffled =
            pay_under(&bench, &endpoint, Policy { order: Order::Shuffled(seed), rule: deliver(2), ..Policy::default() }).await;
        assert_eq!(shuffled.len(), 6);
        orders.insert(shuffled);
    }
    assert!(orders.len() > 1, "eight seeds gave one order");
}

#[tokio::test]
async fn what_was_dropped_can_be_sent_later() {
    let (bench, endpoint) = bench(0).await;
    let drop_paid = Policy { by_type: BTreeMap::from([("invoice.paid".to_owned(), Rule::Drop)]), ..Policy::default() };
    assert_eq!(pay_under(&bench, &endpoint, drop_paid).await, [ON_PAYING[0], ON_PAYING[2]]);
    assert_eq!(pay_under(&bench, &endpoint, Policy { rule: Rule::Drop, ..Policy::default() }).await, Vec::<String>::new());
    assert_eq!(bench.control.deliver_missing(), 4);
    idle(&bench.control).await;
    assert_eq!(endpoint.types(), ["invoice.paid", ON_PAYING[0], ON_PAYING[1], ON_PAYING[2]]);
    assert_eq!(bench.control.deliver_missing(), 0);
    // One that arrived can be sent again, and only one that exists.
    let again = endpoint.hints().pop().unwrap().id;
    assert!(bench.control.deliver(&again) && !bench.control.deliver(&"evt_none".parse().unwrap()));
    idle(&bench.control).await;
    assert_eq!(endpoint.hints().len(), 5);
}

#[tokio::test]
async fn a_late_event_does_not_hold_up_the_others() {
    let (bench, endpoint) = bench(0).await;
    let late = Rule::Deliver { copies: 1, delay_millis: 400 };
    let policy = Policy { by_type: BTreeMap::from([(ON_PAYING[0].to_owned(), late)]), ..Policy::default() };
    assert_eq!(pay_under(&bench, &endpoint, policy).await, [ON_PAYING[1], ON_PAYING[2], ON_PAYING[0]]);
}

#[tokio::test]
async fn a_program_in_another_process_is_steered_over_http() {
    let (bench, endpoint) = bench(0).await;
    let post = async |path: &str, body: Value| {
        let response = bench.page(path).json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {} {}", response.status(), response.text().await.unwrap());
        response.text().await.unwrap()
    };
    let (wanted, checkout) = bench.checkout().await;
    post("_fake/idle", json!({})).await;
    endpoint.forget();
    post(
        "_fake/policy",
        json!({ "order": "reversed", "rule": { "deliver": { "copies": 2 } }, "by_type": { "invoice.paid": "drop" } }),
    )
    .await;
    post(&format!("_fake/checkout/{}/pay", checkout.id), json!({ "card": GOOD })).await;
    assert_eq!(post("_fake/idle", json!({})).await, r#"{"idle":true}"#);
    assert_eq!(endpoint.types(), [ON_PAYING[2], ON_PAYING[2], ON_PAYING[0], ON_PAYING[0]]);
    assert_eq!(post("_fake/deliver", json!({})).await, r#"{"sent":1}"#);
    post("_fake/clock/advance", json!({ "seconds": 32 * 24 * 3600 })).await;
    post("_fake/faults", json!({ "fault": { "slow": { "millis": 1 } }, "request": "GET /v1/events" })).await;
    post("_fake/webhook", json!({ "url": null })).await;
    let url = bench.fake.base_url().join("_fake/state").unwrap();
    let state: Value = bench.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(state["charges_by_order"][wanted.order.to_string()], 2);
    assert_eq!(state["deliveries_waiting"], 0);
    let wrong = bench.page("_fake/policy").json(&json!({ "rule": "lose" })).send().await.unwrap();
    assert_eq!(wrong.status(), 422);
}
