//! The calls, and how they fail.

use chrono::TimeDelta;
use paddock::billing::stripe::{NewCustomer, Stripe, StripeError};
use paddock::demo::stripe::{Fault, FaultOrder};
use paddock::ids::AccountId;
use paddock::money::{Currency, Money};
use serde_json::Value;

use super::bench::{Bench, GOOD, KEY, noon, price_wanted, settings};

#[tokio::test]
async fn a_customer_is_made_once_and_found_again() {
    let bench = Bench::new().await;
    let ada = NewCustomer { account: AccountId::new(), email: "ada@example.test".into(), name: "Ada".into() };
    let first = bench.stripe.ensure_customer(&ada).await.unwrap();
    // Keys are forgotten after a day; then the lookup finds it.
    bench.control.advance(TimeDelta::days(2));
    assert_eq!(bench.stripe.ensure_customer(&ada).await.unwrap(), first);
    // Another account with the same address is another customer.
    let other = NewCustomer { account: AccountId::new(), ..ada.clone() };
    assert_ne!(bench.stripe.ensure_customer(&other).await.unwrap(), first);
    // The same account with another address does not run into the key of the first.
    let moved = NewCustomer { email: "ada@elsewhere.test".into(), ..ada };
    assert_ne!(bench.stripe.ensure_customer(&moved).await.unwrap(), first);
}

#[tokio::test]
async fn a_price_is_made_once_and_never_changed() {
    let bench = Bench::new().await;
    let first = bench.price().await;
    bench.control.advance(TimeDelta::days(2));
    assert_eq!(bench.price().await, first);
    // A second price of the same plan shares the product.
    let yearly = paddock::billing::stripe::PriceWanted {
        lookup_key: "small-year-eur-19000".into(),
        amount: Money::new(19000, Currency::Eur),
        interval: paddock::billing::stripe::Interval::Year,
        ..price_wanted()
    };
    assert_ne!(bench.stripe.ensure_price(&yearly).await.unwrap(), first);
    let dearer = paddock::billing::stripe::PriceWanted { amount: Money::new(2900, Currency::Eur), ..price_wanted() };
    let refused = bench.stripe.ensure_price(&dearer).await.unwrap_err();
    assert!(matches!(&refused, StripeError::Refused { message, .. } if message.contains("€19")), "{refused:?}");
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_a_wrong_key_is_refused() {
    let bench = Bench::new().await;
    let missing = bench.stripe.subscription(&"sub_none".parse().unwrap()).await.unwrap_err();
    assert!(matches!(missing, StripeError::NotFound { .. }), "{missing:?}");
    let missing = bench.stripe.checkout(&"cs_none".parse().unwrap()).await.unwrap_err();
    assert!(matches!(missing, StripeError::NotFound { .. }), "{missing:?}");
    let wrong =
        paddock::billing::stripe::RealStripe::new(&"sk_test_other".to_owned().into(), Some(bench.fake.base_url())).unwrap();
    let refused = wrong.list_subscriptions(None).await.unwrap_err();
    assert!(
        matches!(&refused, StripeError::Refused { message, request_id: Some(_), .. } if message.contains("API Key")),
        "{refused:?}"
    );
    assert!(!refused.is_retryable());
}

#[tokio::test]
async fn a_stripe_that_is_away_is_worth_a_retry() {
    let bench = Bench::new().await;
    let (url, stripe) = (bench.fake.base_url().clone(), bench.stripe.clone());
    for (fault, is_right) in [
        (Fault::Unavailable, (|error| matches!(error, StripeError::Unavailable { .. })) as fn(&StripeError) -> bool),
        (Fault::RateLimited, |error| matches!(error, StripeError::RateLimited)),
    ] {
        bench.control.fault(FaultOrder { fault, request: String::new() });
        let error = stripe.list_subscriptions(None).await.unwrap_err();
        assert!(is_right(&error) && error.is_retryable(), "{error:?}");
    }
    bench.fake.shutdown().await;
    let error = stripe.list_subscriptions(None).await.unwrap_err();
    assert!(matches!(error, StripeError::Unavailable { .. }), "{url}: {error:?}");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_given_again() {
    let bench = Bench::new().await;
    let wanted = bench.order().await;
    bench.control.fault(FaultOrder { fault: Fault::LostAnswer, request: "POST /v1/checkout/sessions".into() });
    let lost = bench.stripe.open_checkout(&wanted).await.unwrap_err();
    assert!(matches!(lost, StripeError::Unavailable { .. }), "{lost:?}");
    let again = bench.stripe.open_checkout(&wanted).await.unwrap();
    let state = bench.control.state();
    assert_eq!(state["checkouts"].as_array().unwrap().len(), 1);
    assert_eq!(state["checkouts"][0]["id"], again.id.as_str());
}

#[tokio::test]
async fn the_same_key_at_the_same_time_is_a_conflict() {
    let bench = Bench::new().await;
    let wanted = bench.order().await;
    bench.control.fault(FaultOrder { fault: Fault::Slow { millis: 1500 }, request: "POST /v1/checkout/sessions".into() });
    let (one, two) = tokio::join!(bench.stripe.open_checkout(&wanted), bench.stripe.open_checkout(&wanted));
    let conflicts = [&one, &two].into_iter().filter(|result| matches!(result, Err(StripeError::Conflict))).count();
    assert_eq!((conflicts, usize::from(one.is_ok()) + usize::from(two.is_ok())), (1, 1), "{one:?} {two:?}");
}

#[tokio::test]
async fn keys_replay_for_a_day_and_refuse_other_parameters() {
    let bench = Bench::new().await;
    let create = |name: &'static str| bench.raw("POST", "v1/products").header("idempotency-key", "k1").form(&[("name", name)]);
    let first = create("One").send().await.unwrap();
    assert!(!first.headers().contains_key("idempotent-replayed"));
    let first: Value = first.json().await.unwrap();
    let second = create("One").send().await.unwrap();
    assert_eq!(second.headers()["idempotent-replayed"], "true");
    assert_eq!(second.json::<Value>().await.unwrap(), first);
    let third = create("Two").send().await.unwrap();
    assert_eq!(third.status(), 400);
    assert_eq!(third.json::<Value>().await.unwrap()["error"]["type"], "idempotency_error");
    bench.control.advance(TimeDelta::hours(25));
    assert_ne!(create("Two").send().await.unwrap().json::<Value>().await.unwrap()["id"], first["id"]);

    // A 500 is kept like an answer.
    bench.control.fault(FaultOrder { fault: Fault::StoredError, request: "POST /v1/products".into() });
    let broken = || bench.raw("POST", "v1/products").header("idempotency-key", "k2").form(&[("name", "One")]).send();
    assert_eq!(broken().await.unwrap().status(), 500);
    let again = broken().await.unwrap();
    assert_eq!((again.status().as_u16(), again.headers()["idempotent-replayed"].to_str().unwrap()), (500, "true"));
}

#[tokio::test]
async fn it_is_as_strict_as_stripe() {
    let bench = Bench::new().await;
    let code = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        assert!(response.headers()["request-id"].to_str().unwrap().starts_with("req_"));
        let body: Value = response.json().await.unwrap();
        let text = |field: &str| body["error"][field].as_str().unwrap_or_default().to_owned();
        (status, text("code"), text("param"))
    };
    let is = |status: u16, code: &str, param: &str| (status, code.to_owned(), param.to_owned());

    let unknown = bench.raw("POST", "v1/customers").form(&[("email", "a@b.test"), ("address[line9]", "x")]);
    assert_eq!(code(unknown).await, is(400, "parameter_unknown", "address[line9]"));
    assert_eq!(code(bench.raw("GET", "v1/customers?what=1")).await, is(400, "parameter_unknown", "what"));
    assert_eq!(code(bench.raw("POST", "v1/products")).await, is(400, "parameter_missing", "name"));
    assert_eq!(code(bench.raw("GET", "v1/customers/cus_none")).await, is(404, "resource_missing", "id"));
    assert_eq!(code(bench.raw("GET", "v1/events?ending_before=evt_none")).await, is(400, "resource_missing", "ending_before"));
    assert_eq!(code(bench.raw("GET", "v1/nothing")).await, is(404, "", ""));
    assert_eq!(code(bench.http.get(bench.fake.base_url().join("v1/customers").unwrap())).await, is(401, "", ""));
    let basic = bench.http.get(bench.fake.base_url().join("v1/customers").unwrap()).basic_auth(KEY, None::<&str>);
    assert_eq!(basic.send().await.unwrap().status(), 200);
    let json = bench.raw("POST", "v1/products").json(&serde_json::json!({ "name": "x" }));
    assert_eq!(code(json).await.0, 400);
}

#[tokio::test]
async fn lists_are_walked_by_cursor() {
    let bench = Bench::new().await;
    for n in 0..5 {
        let form = [("email", format!("{n}@example.test"))];
        bench.raw("POST", "v1/customers").form(&form).send().await.unwrap().error_for_status().unwrap();
    }
    let list = async |query: &str| {
        let page: Value = bench.raw("GET", &format!("v1/customers?{query}")).send().await.unwrap().json().await.unwrap();
        let names =
            page["data"].as_array().unwrap().iter().map(|one| one["email"].as_str().unwrap()[..1].to_owned()).collect::<String>();
        let ids: Vec<String> =
            page["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        (names, page["has_more"].as_bool().unwrap(), ids)
    };
    let (names, more, ids) = list("limit=2").await;
    assert_eq!((names.as_str(), more), ("43", true));
    let (names, more, ids) = list(&format!("limit=3&starting_after={}", ids[1])).await;
    assert_eq!((names.as_str(), more), ("210", false));
    let (names, more, _) = list(&format!("limit=2&ending_before={}", ids[2])).await;
    assert_eq!((names.as_str(), more), ("21", true), "the page next to the cursor, newest first");
    assert_eq!(list("email=3@example.test").await.0, "3");
}

#[tokio::test]
async fn events_are_read_forward_from_where_we_stopped() {
    let bench = Bench::new().await;
    bench.customer().await;
    let first = bench.stripe.events_since(None).await.unwrap();
    assert_eq!((first.items.len(), first.more), (1, false));
    let last = first.items[0].id.clone();
    for _ in 0..130 {
        bench.customer().await;
    }
    let page = bench.stripe.events_since(Some(&last)).await.unwrap();
    assert_eq!((page.items.len(), page.more), (100, true));
    assert!(page.items.is_sorted_by_key(|event| event.id.clone()), "oldest first");
    assert!(page.items[0].refs.customer.is_some());
    let rest = bench.stripe.events_since(Some(&page.items[99].id)).await.unwrap();
    assert_eq!((rest.items.len(), rest.more), (30, false));
    assert!(bench.stripe.events_since(Some(&rest.items[29].id)).await.unwrap().items.is_empty());
    bench.control.advance(TimeDelta::days(31));
    let gone = bench.stripe.events_since(Some(&last)).await.unwrap_err();
    assert!(matches!(gone, StripeError::NotFound { .. }), "{gone:?}");
}

#[tokio::test]
async fn subscriptions_are_listed_in_any_state() {
    let bench = Bench::new().await;
    let (_, first) = bench.subscribed(GOOD).await;
    let (_, second) = bench.subscribed(GOOD).await;
    bench.raw("DELETE", &format!("v1/subscriptions/{}", first.id)).send().await.unwrap().error_for_status().unwrap();
    let all = bench.stripe.list_subscriptions(None).await.unwrap();
    assert_eq!(all.items.iter().map(|one| &one.id).collect::<Vec<_>>(), [&second.id, &first.id]);
    assert!(!all.more);
    let rest = bench.stripe.list_subscriptions(Some(&second.id)).await.unwrap();
    assert_eq!(rest.items.len(), 1);
    assert!(rest.items[0].ended_at.is_some());
}

#[tokio::test]
async fn what_was_answered_survives_a_restart() {
    let folder = std::env::temp_dir().join(format!("paddock-fake-stripe-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("state.json");
    let clock = paddock::clock::ManualClock::at(noon());
    let bench = Bench::over(settings(&clock, None, Some(file.clone())), clock.clone()).await;
    let (wanted, subscription) = bench.subscribed(GOOD).await;
    let order = bench.order().await;
    let open = bench.stripe.open_checkout(&order).await.unwrap();
    bench.control.advance(TimeDelta::minutes(5));
    // Dropped, not shut down: nothing is written at the end.
    drop(bench);

    let bench = Bench::over(settings(&clock, None, Some(file.clone())), clock.clone()).await;
    assert_eq!(bench.stripe.subscription(&subscription.id).await.unwrap(), subscription);
    assert_eq!(bench.control.charges_of(wanted.order), 1);
    assert_eq!(bench.control.now(), noon() + TimeDelta::minutes(5));
    assert_eq!(bench.stripe.open_checkout(&order).await.unwrap().id, open.id, "keys survive too");
    let (_, another) = bench.checkout().await;
    assert_ne!(another.id, open.id);
    bench.fake.shutdown().await;
    std::fs::remove_dir_all(folder).unwrap();
}
