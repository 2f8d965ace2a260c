//! Changes of a running subscription: what they cost, when that is paid, and that a preview says so before.

use chrono::TimeDelta;
use paddock::billing::stripe::{RemoteStatus, Stripe};
use proptest::prelude::*;
use serde_json::Value;

use super::bench::{Bench, DECLINED, FAILS_LATER, GOOD, noon};
use super::raw::text;

/// A subscription of €19 a month that is half over, its path and the id of its item.
async fn half_over(bench: &Bench) -> (paddock::billing::stripe::RemoteSubscription, String, String) {
    let (_, subscription) = bench.subscribed(GOOD).await;
    bench.control.advance(TimeDelta::days(15));
    let path = format!("subscriptions/{}", subscription.id);
    let item = text(&bench.ask("GET", &path, &[]).await["items"]["data"][0]["id"]);
    (subscription, path, item)
}

fn amounts(invoice: &Value) -> Vec<i64> {
    invoice["lines"]["data"].as_array().unwrap().iter().map(|line| line["amount"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn an_upgrade_is_previewed_then_billed_at_once() {
    let bench = Bench::new().await;
    let (subscription, path, item) = half_over(&bench).await;
    let large = bench.other_price("4900", "month").await;
    let change = [("items[0][id]", item.as_str()), ("items[0][price]", &large), ("proration_behavior", "always_invoice")];
    let nested: Vec<(String, String)> = change
        .iter()
        .map(|(name, value)| {
            let (first, rest) = name.split_once('[').map_or((*name, String::new()), |(first, rest)| (first, format!("[{rest}")));
            (format!("subscription_details[{first}]{rest}"), (*value).to_owned())
        })
        .chain([("subscription".to_owned(), subscription.id.to_string())])
        .collect();
    let nested: Vec<(&str, &str)> = nested.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let preview = bench.ask("POST", "invoices/create_preview", &nested).await;
    // 15 of 30 days: half of €49 less half of €19.
    assert_eq!((amounts(&preview), preview["amount_due"].as_i64()), (vec![-950, 2450], Some(1500)));
    assert!(text(&preview["id"]).starts_with("upcoming_in_") && preview["billing_reason"] == "subscription_update");
    assert_eq!(bench.control.charges().len(), 1, "a look costs nothing");
    assert_eq!(bench.ask("GET", &path, &[]).await["items"]["data"][0]["price"]["unit_amount"], 1900);

    let changed = bench.ask("POST", &path, &change).await;
    assert_eq!(changed["items"]["data"][0]["price"]["id"], large.as_str());
    let invoice = bench.ask("GET", &format!("invoices/{}", text(&changed["latest_invoice"])), &[]).await;
    assert_eq!((amounts(&invoice), &invoice["amount_paid"]), (amounts(&preview), &preview["amount_due"]));
    assert_eq!(invoice["lines"]["data"][0]["parent"]["subscription_item_details"]["proration"], true);
    assert_eq!(bench.control.charges().last().unwrap().amount, 1500);
    let after = bench.stripe.subscription(&subscription.id).await.unwrap();
    assert_eq!((after.current_period_end, after.status), (subscription.current_period_end, RemoteStatus::Active));
    bench.control.advance(TimeDelta::days(16));
    assert_eq!(bench.control.charges().last().unwrap().amount, 4900, "from then on the new price");
}

#[tokio::test]
async fn a_downgrade_waits_for_the_next_invoice_and_credit_is_kept() {
    let bench = Bench::new().await;
    let (subscription, path, item) = half_over(&bench).await;
    let small = bench.other_price("500", "month").await;
    bench.ask("POST", &path, &[("items[0][id]", &item), ("items[0][price]", &small)]).await;
    let id = subscription.id.to_string();
    let next = bench.ask("POST", "invoices/create_preview", &[("subscription", &id)]).await;
    assert_eq!(amounts(&next), [-950, 250, 500]);
    assert_eq!((next["total"].as_i64(), next["amount_due"].as_i64()), (Some(-200), Some(0)));
    bench.control.advance(TimeDelta::days(15));
    let customer = bench.ask("GET", &format!("customers/{}", subscription.customer), &[]).await;
    assert_eq!(customer["balance"], -200, "what is left over is the customer's");
    bench.control.advance(TimeDelta::days(31));
    assert_eq!(bench.control.charges().last().unwrap().amount, 300, "and is set off against the next one");
}

#[tokio::test]
async fn month_to_year_starts_a_new_period() {
    let bench = Bench::new().await;
    let (subscription, path, item) = half_over(&bench).await;
    let yearly = bench.other_price("19000", "year").await;
    bench.ask("POST", &path, &[("items[0][id]", &item), ("items[0][price]", &yearly)]).await;
    let after = bench.stripe.subscription(&subscription.id).await.unwrap();
    assert_eq!(after.current_period_start, noon() + TimeDelta::days(15));
    assert_eq!(after.current_period_end, "2027-12-08T12:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    assert_eq!(bench.control.charges().last().unwrap().amount, 19000 - 950);
}

#[tokio::test]
async fn an_addition_is_another_item_and_goes_again() {
    let bench = Bench::new().await;
    let (_, path, _) = half_over(&bench).await;
    let pack = bench.other_price("600", "month").await;
    let form = [("items[0][price]", pack.as_str()), ("items[0][quantity]", "2"), ("proration_behavior", "always_invoice")];
    let with_pack = bench.ask("POST", &path, &form).await;
    assert_eq!(bench.control.charges().last().unwrap().amount, 600);
    let added = text(&with_pack["items"]["data"][1]["id"]);
    let form = [("items[0][id]", added.as_str()), ("items[0][deleted]", "true"), ("proration_behavior", "none")];
    let without = bench.ask("POST", &path, &form).await;
    assert_eq!(without["items"]["data"].as_array().unwrap().len(), 1);
    let yearly = bench.other_price("600", "year").await;
    assert_eq!(bench.refusal("POST", &path, &[("items[0][price]", &yearly)]).await, "items");
    assert_eq!(
        bench.refusal("POST", &path, &[("items[0][id]", "si_none"), ("items[0][quantity]", "2")]).await,
        "resource_missing"
    );
}

#[tokio::test]
async fn a_change_that_can_not_be_paid_is_refused_or_owed() {
    let bench = Bench::new().await;
    let (subscription, path, item) = half_over(&bench).await;
    bench.control.set_card(&subscription.customer, DECLINED).unwrap();
    let large = bench.other_price("4900", "month").await;
    let change = [("items[0][id]", item.as_str()), ("items[0][price]", &large), ("proration_behavior", "always_invoice")];
    let strict = [&change[..], &[("payment_behavior", "error_if_incomplete")]].concat();
    assert_eq!(bench.refusal("POST", &path, &strict).await, "card_declined");
    assert_eq!(bench.ask("GET", &path, &[]).await["items"]["data"][0]["price"]["unit_amount"], 1900, "nothing has changed");
    let changed = bench.ask("POST", &path, &change).await;
    assert_eq!(
        (changed["status"].as_str(), &changed["items"]["data"][0]["price"]["unit_amount"]),
        (Some("past_due"), &4900.into())
    );
    assert_eq!(bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap().unwrap().amount_due.minor, 1500);
}

#[tokio::test]
async fn trials_end_in_a_payment_or_as_agreed() {
    let bench = Bench::new().await;
    let price = bench.price().await.to_string();
    let customer = bench.customer().await;
    let form = |word: &'static str| {
        [
            ("customer".to_owned(), customer.to_string()),
            ("items[0][price]".to_owned(), price.clone()),
            ("trial_period_days".to_owned(), "14".to_owned()),
            ("trial_settings[end_behavior][missing_payment_method]".to_owned(), word.to_owned()),
        ]
    };
    let start = async |word: &'static str| {
        let form = form(word);
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let made = bench.ask("POST", "subscriptions", &form).await;
        assert_eq!(
            (made["status"].as_str(), made["trial_end"].as_i64()),
            (Some("trialing"), Some((bench.control.now() + TimeDelta::days(14)).timestamp()))
        );
        format!("subscriptions/{}", text(&made["id"]))
    };
    let (ends, pauses, owes) = (start("cancel").await, start("pause").await, start("create_invoice").await);
    bench.control.advance(TimeDelta::days(15));
    let status = async |path: &str| text(&bench.ask("GET", path, &[]).await["status"]);
    assert_eq!([status(&ends).await, status(&pauses).await, status(&owes).await], ["canceled", "paused", "past_due"]);
    assert!(bench.control.charges().is_empty());
    bench.control.set_card(&customer, GOOD).unwrap();
    assert_eq!(bench.ask("POST", &format!("{pauses}/resume"), &[]).await["status"], "active");
    bench.control.advance(TimeDelta::days(3));
    assert_eq!(status(&owes).await, "active", "the next try finds the card");
    assert_eq!(bench.control.charges().len(), 2);

    let paid = start("cancel").await;
    bench.ask("POST", &paid, &[("trial_end", "now")]).await;
    assert_eq!(bench.control.charges().len(), 3, "who ends the trial early pays from now on");
}

#[tokio::test]
async fn a_pause_charges_nothing_until_it_is_over() {
    let bench = Bench::new().await;
    let (_, path, _) = half_over(&bench).await;
    bench.ask("POST", &path, &[("pause_collection[behavior]", "void")]).await;
    bench.control.advance(TimeDelta::days(31));
    assert_eq!(bench.control.charges().len(), 1);
    bench.ask("POST", &path, &[("pause_collection", "")]).await;
    bench.control.advance(TimeDelta::days(31));
    assert_eq!(bench.control.charges().len(), 2);
    let until = (bench.control.now() + TimeDelta::days(3)).timestamp().to_string();
    bench.ask("POST", &path, &[("pause_collection[behavior]", "keep_as_draft"), ("pause_collection[resumes_at]", &until)]).await;
    bench.control.advance(TimeDelta::days(4));
    assert!(bench.ask("GET", &path, &[]).await["pause_collection"].is_null());
}

#[tokio::test]
async fn an_end_is_set_taken_back_and_comes() {
    let bench = Bench::new().await;
    let (subscription, path, _) = half_over(&bench).await;
    let date = (bench.control.now() + TimeDelta::days(40)).timestamp().to_string();
    let ending = bench.ask("POST", &path, &[("cancel_at", &date)]).await;
    assert_eq!(
        (ending["cancel_at"].as_i64().unwrap().to_string(), &ending["cancel_at_period_end"]),
        (date.clone(), &false.into())
    );
    let still = bench.ask("POST", &path, &[("cancel_at_period_end", "false")]).await;
    assert_eq!(still["cancel_at"], ending["cancel_at"], "a date is taken back as a date");
    assert!(bench.ask("POST", &path, &[("cancel_at", "")]).await["cancel_at"].is_null());
    bench.ask("POST", &path, &[("cancel_at", &date)]).await;
    assert_eq!(bench.refusal("POST", &path, &[("cancel_at", "1")]).await, "cancel_at");
    bench.control.advance(TimeDelta::days(41));
    let over = bench.stripe.subscription(&subscription.id).await.unwrap();
    assert_eq!((over.status, over.ended_at), (RemoteStatus::Canceled, over.cancel_at));
    assert_eq!(bench.control.charges().len(), 2);
    assert_eq!(bench.refusal("POST", &path, &[("cancel_at", "")]).await, "id");

    // At once, with the rest given back.
    let (second, path, _) = half_over(&bench).await;
    bench.ask("DELETE", &format!("{path}?prorate=true&invoice_now=true"), &[]).await;
    let customer = bench.ask("GET", &format!("customers/{}", second.customer), &[]).await;
    assert!(customer["balance"].as_i64().unwrap() < -900, "{customer}");
}

#[tokio::test]
async fn a_first_payment_that_fails_leaves_nothing_behind() {
    let bench = Bench::new().await;
    let (customer, price) = (bench.customer().await, bench.price().await.to_string());
    bench.control.set_card(&customer, FAILS_LATER).unwrap();
    let form = [("customer", customer.as_str()), ("items[0][price]", price.as_str())];
    let made = bench.ask("POST", "subscriptions", &form).await;
    assert_eq!(made["status"], "incomplete");
    let strict = [&form[..], &[("payment_behavior", "error_if_incomplete")]].concat();
    assert_eq!(bench.refusal("POST", "subscriptions", &strict).await, "card_declined");
    let path = format!("subscriptions/{}", text(&made["id"]));
    bench.control.advance(TimeDelta::hours(24));
    let over = bench.ask("GET", &format!("{path}?expand[]=latest_invoice"), &[]).await;
    assert_eq!((over["status"].as_str(), over["latest_invoice"]["status"].as_str()), (Some("incomplete_expired"), Some("void")));

    let second = bench.ask("POST", "subscriptions", &form).await;
    bench.control.set_card(&customer, GOOD).unwrap();
    bench.ask("POST", &format!("invoices/{}/pay", text(&second["latest_invoice"])), &[]).await;
    assert_eq!(bench.ask("GET", &format!("subscriptions/{}", text(&second["id"])), &[]).await["status"], "active");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What is shown before is what is billed after, whatever is changed and when.
    #[test]
    fn a_preview_is_what_is_billed(amount in 0i64..100_000, days in 0i64..30, hours in 0i64..24, yearly: bool, quantity in 1i64..4) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let bench = Bench::new().await;
            let (_, subscription) = bench.subscribed(GOOD).await;
            bench.control.advance(TimeDelta::days(days) + TimeDelta::hours(hours));
            let (id, path) = (subscription.id.to_string(), format!("subscriptions/{}", subscription.id));
            let item = text(&bench.ask("GET", &path, &[]).await["items"]["data"][0]["id"]);
            let price = bench.other_price(&amount.to_string(), if yearly { "year" } else { "month" }).await;
            let quantity = quantity.to_string();
            let preview = bench.ask("POST", "invoices/create_preview", &[
                ("subscription", &id), ("subscription_details[items][0][id]", &item), ("subscription_details[items][0][price]", &price),
                ("subscription_details[items][0][quantity]", &quantity), ("subscription_details[proration_behavior]", "always_invoice"),
            ]).await;
            let changed = bench.ask("POST", &path, &[
                ("items[0][id]", &item), ("items[0][price]", &price), ("items[0][quantity]", &quantity),
                ("proration_behavior", "always_invoice"),
            ]).await;
            let invoice = bench.ask("GET", &format!("invoices/{}", text(&changed["latest_invoice"])), &[]).await;
            for field in ["total", "subtotal", "amount_due", "starting_balance", "ending_balance"] {
                assert_eq!(preview[field], invoice[field], "{field}");
            }
            assert_eq!(amounts(&preview), amounts(&invoice));
        });
    }
}
