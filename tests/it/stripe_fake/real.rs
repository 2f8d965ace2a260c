//! Stripe itself, in test mode, where a key is given: `PADDOCK_STRIPE_TEST_KEY=sk_test_… ./dev test stripe_in_test_mode`.
//!
//! It makes a customer, a price and a session, reads them back, lets the session expire, and walks the lists; then it asks Stripe what our
//! fake claims of it. Nothing is charged. Prices can't be deleted at Stripe: the lookup key is always the same, so there is one.

use chrono::{SubsecRound as _, TimeDelta};
use paddock::billing::stripe::{CheckoutStatus, CheckoutWanted, NewCustomer, RealStripe, Stripe, StripeError, StripeMode, Terms};
use paddock::clock::{Clock as _, SystemClock};
use paddock::ids::{AccountId, InstanceId, OrderId};

use super::bench::price_wanted;

#[tokio::test]
async fn stripe_in_test_mode_does_what_the_fake_does() {
    let Ok(key) = std::env::var("PADDOCK_STRIPE_TEST_KEY") else {
        println!("skipped: PADDOCK_STRIPE_TEST_KEY is not set");
        return;
    };
    assert_eq!(StripeMode::of_key(&key), StripeMode::Test, "only ever with a test key");
    let stripe = RealStripe::new(&key.into(), None).unwrap();
    assert_eq!(stripe.account().await.unwrap().mode, StripeMode::Test);
    stripe.webhook_endpoints().await.unwrap();

    let account = AccountId::new();
    let email = format!("{account}@example.com");
    let wanted = NewCustomer { account, email, name: "Paddock's test".into() };
    let customer = stripe.ensure_customer(&wanted).await.unwrap();
    assert_eq!(stripe.ensure_customer(&wanted).await.unwrap(), customer, "the same request, the same customer");
    let price = stripe.ensure_price(&price_wanted()).await.unwrap();
    assert_eq!(stripe.ensure_price(&price_wanted()).await.unwrap(), price);
    let wanted = CheckoutWanted {
        order: OrderId::new(),
        account,
        instance: InstanceId::new(),
        customer: customer.clone(),
        price,
        success_url: "https://example.com/paid?session={CHECKOUT_SESSION_ID}".into(),
        cancel_url: "https://example.com/back".into(),
        expires_at: SystemClock.now().trunc_subsecs(0) + TimeDelta::hours(1),
        terms: Terms::default(),
    };
    let open = stripe.open_checkout(&wanted).await.unwrap();
    assert_eq!((open.status, open.order, open.expires_at), (CheckoutStatus::Open, Some(wanted.order), wanted.expires_at));
    assert_eq!(stripe.open_checkout(&wanted).await.unwrap().id, open.id, "the same key, the same session");
    assert_eq!(stripe.last_decline(&open).await.unwrap(), None);
    let other = CheckoutWanted { expires_at: wanted.expires_at + TimeDelta::minutes(1), ..wanted.clone() };
    let refused = stripe.open_checkout(&other).await.unwrap_err();
    assert!(matches!(refused, StripeError::Refused { .. }), "other parameters under the key: {refused:?}");
    let soon = CheckoutWanted { order: OrderId::new(), expires_at: SystemClock.now() + TimeDelta::minutes(5), ..wanted };
    let refused = stripe.open_checkout(&soon).await.unwrap_err();
    assert!(matches!(&refused, StripeError::Refused { param: Some(param), .. } if param == "expires_at"), "{refused:?}");
    for _ in 0..2 {
        assert_eq!(stripe.expire_checkout(&open.id).await.unwrap().status, CheckoutStatus::Expired);
    }
    assert!(stripe.portal_url(&customer, "https://example.com/").await.is_ok(), "the portal is set up in the dashboard");

    let missing = stripe.subscription(&"sub_000000000000000000000000".parse().unwrap()).await.unwrap_err();
    assert!(matches!(missing, StripeError::NotFound { .. }), "{missing:?}");
    stripe.list_subscriptions(None).await.unwrap();
    stripe.list_owed(None).await.unwrap();
    let events = stripe.events_since(None).await.unwrap();
    let last = events.items.last().expect("making a customer is an event").id.clone();
    assert!(events.items.is_sorted_by_key(|event| event.created), "oldest first");
    stripe.events_since(Some(&last)).await.unwrap();
    let gone = stripe.events_since(Some(&"evt_000000000000000000000000".parse().unwrap())).await.unwrap_err();
    assert!(matches!(gone, StripeError::NotFound { .. }), "{gone:?}");
}
