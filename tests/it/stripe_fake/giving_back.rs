//! Money that goes back: refunds, credit notes, balances, disputes.

use chrono::TimeDelta;
use paddock::billing::stripe::Stripe;
use serde_json::json;

use super::bench::{Bench, FAILS_LATER, GOOD};
use super::raw::text;

#[tokio::test]
async fn a_charge_is_given_back_in_parts_and_never_more() {
    let bench = Bench::new().await;
    let (wanted, subscription) = bench.subscribed(GOOD).await;
    let intent = bench.intent_of(subscription.latest_invoice.unwrap().as_str()).await;
    let refund = bench
        .ask("POST", "refunds", &[("payment_intent", &intent), ("amount", "500"), ("reason", "requested_by_customer")])
        .await;
    assert_eq!((refund["status"].as_str(), refund["amount"].as_i64()), (Some("succeeded"), Some(500)));
    assert_eq!(bench.refusal("POST", "refunds", &[("payment_intent", &intent), ("amount", "1401")]).await, "amount");
    bench.ask("POST", "refunds", &[("payment_intent", &intent)]).await;
    assert_eq!(bench.refusal("POST", "refunds", &[("payment_intent", &intent)]).await, "charge_already_refunded");
    assert_eq!(bench.control.refunded_of(wanted.order), 1900);
    let charge = bench.ask("GET", &format!("charges/{}", text(&refund["charge"])), &[]).await;
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&1900.into(), &true.into()));
    let list = bench.ask("GET", &format!("refunds?payment_intent={intent}"), &[]).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    assert_eq!(bench.refusal("POST", "refunds", &[("charge", "ch_none")]).await, "resource_missing");
    assert_eq!(bench.control.event_types().last().unwrap(), "charge.refunded");
}

#[tokio::test]
async fn a_refund_asked_for_twice_under_one_key_is_made_once() {
    let bench = Bench::new().await;
    let (wanted, subscription) = bench.subscribed(GOOD).await;
    let intent = bench.intent_of(subscription.latest_invoice.unwrap().as_str()).await;
    for _ in 0..3 {
        let request = bench.raw("POST", "v1/refunds").header("idempotency-key", "refund-1");
        request.form(&[("payment_intent", intent.as_str()), ("amount", "700")]).send().await.unwrap().error_for_status().unwrap();
    }
    assert_eq!(bench.control.refunded_of(wanted.order), 700);
}

#[tokio::test]
async fn a_credit_note_lowers_what_is_owed_or_gives_back_what_was_paid() {
    let bench = Bench::new().await;
    let (wanted, subscription) = bench.subscribed(FAILS_LATER).await;
    let paid = subscription.latest_invoice.clone().unwrap().to_string();
    let split = [("invoice", paid.as_str()), ("amount", "1000"), ("refund_amount", "600"), ("credit_amount", "400")];
    let note = bench.ask("POST", "credit_notes", &split).await;
    assert_eq!((note["type"].as_str(), &note["refunds"][0]["amount_refunded"]), (Some("post_payment"), &600.into()));
    assert_eq!(bench.control.refunded_of(wanted.order), 600);
    let customer = format!("customers/{}", subscription.customer);
    assert_eq!(bench.ask("GET", &customer, &[]).await["balance"], -400);
    assert_eq!(
        bench.refusal("POST", "credit_notes", &[("invoice", &paid), ("amount", "901"), ("credit_amount", "901")]).await,
        "amount"
    );
    assert_eq!(bench.refusal("POST", "credit_notes", &[("invoice", &paid), ("amount", "100")]).await, "amount");

    bench.control.advance(TimeDelta::days(31));
    let owed = bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap().unwrap();
    assert_eq!(owed.amount_due.minor, 1500, "the credit is set off");
    let id = owed.id.to_string();
    let note = bench.ask("POST", "credit_notes", &[("invoice", &id), ("amount", "500")]).await;
    assert_eq!(bench.ask("GET", &format!("invoices/{id}"), &[]).await["amount_remaining"], 1000);
    bench.ask("POST", &format!("credit_notes/{}/void", text(&note["id"])), &[]).await;
    assert_eq!(bench.ask("GET", &format!("invoices/{id}"), &[]).await["amount_remaining"], 1500);
    bench.ask("POST", "credit_notes", &[("invoice", &id), ("amount", "1500")]).await;
    assert_eq!(bench.ask("GET", &format!("invoices/{id}"), &[]).await["status"], "paid", "nothing is left of it");
    assert_eq!(bench.control.charges_of(wanted.order), 1);
    let list = bench.ask("GET", &format!("credit_notes?invoice={id}"), &[]).await;
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_credit_by_hand_is_set_off_against_the_next_invoice() {
    let bench = Bench::new().await;
    let (_, subscription) = bench.subscribed(GOOD).await;
    let path = format!("customers/{}/balance_transactions", subscription.customer);
    bench.ask("POST", &path, &[("amount", "-700"), ("currency", "eur"), ("description", "for the outage")]).await;
    assert_eq!(bench.refusal("POST", &path, &[("amount", "-700"), ("currency", "usd")]).await, "currency");
    bench.control.advance(TimeDelta::days(31));
    assert_eq!(bench.control.charges().last().unwrap().amount, 1200);
    let types: Vec<_> =
        bench.ask("GET", &path, &[]).await["data"].as_array().unwrap().iter().map(|one| text(&one["type"])).collect();
    assert_eq!(types, ["applied_to_invoice", "adjustment"]);
}

#[tokio::test]
async fn a_disputed_charge_can_not_be_refunded_until_it_is_won() {
    let bench = Bench::new().await;
    let (_, subscription) = bench.subscribed(GOOD).await;
    let charges = bench.ask("GET", &format!("charges?customer={}", subscription.customer), &[]).await;
    let charge = text(&charges["data"][0]["id"]);
    let dispute = bench.control.dispute(&charge, "fraudulent").unwrap();
    assert!(bench.control.dispute(&charge, "fraudulent").is_err(), "once");
    assert_eq!(bench.refusal("POST", "refunds", &[("charge", &charge)]).await, "charge_disputed");
    let shown = bench.ask("GET", &format!("disputes/{dispute}"), &[]).await;
    assert_eq!((shown["status"].as_str(), &shown["amount"]), (Some("needs_response"), &1900.into()));
    bench.control.decide(&dispute, true).unwrap();
    bench.ask("POST", "refunds", &[("charge", &charge)]).await;
    assert_eq!(bench.refusal("POST", &format!("disputes/{dispute}/close"), &[]).await, "id");

    let post = async |path: &str, body: serde_json::Value| bench.page(path).json(&body).send().await.unwrap().status();
    let (_, other) = bench.subscribed(GOOD).await;
    let charges = bench.ask("GET", &format!("charges?customer={}", other.customer), &[]).await;
    let charge = text(&charges["data"][0]["id"]);
    assert_eq!(post(&format!("_fake/charges/{charge}/dispute"), json!({ "reason": "duplicate" })).await, 200);
    let open = bench.ask("GET", &format!("disputes?charge={charge}"), &[]).await;
    let dispute = text(&open["data"][0]["id"]);
    assert_eq!(post(&format!("_fake/disputes/{dispute}/decide"), json!({ "won": false })).await, 200);
    assert_eq!(bench.control.event_types().last().unwrap(), "charge.dispute.closed");
    assert_eq!(post("_fake/collection", json!({ "retry_days": [1], "then": "cancel" })).await, 200);
    assert_eq!(post(&format!("_fake/customers/{}/card", other.customer), json!({ "card": FAILS_LATER })).await, 200);
}
