//! From the order to the money.

use chrono::TimeDelta;
use paddock::billing::stripe::{Checkout, CheckoutStatus, CheckoutWanted, Interval, RemoteStatus, Stripe, StripeError};
use paddock::money::{Currency, Money};

use super::bench::{ASKS, Bench, DECLINED, GOOD, noon};

fn card(number: &str) -> [(&'static str, String); 3] {
    [("number", number.to_owned()), ("expiry", "12/34".to_owned()), ("cvc", "123".to_owned())]
}

#[tokio::test]
async fn an_order_has_one_session_however_often_it_is_asked_for() {
    let bench = Bench::new().await;
    let (wanted, first) = bench.checkout().await;
    assert_eq!((first.status, first.paid, first.order), (CheckoutStatus::Open, false, Some(wanted.order)));
    assert_eq!((first.customer.as_ref(), first.expires_at), (Some(&wanted.customer), wanted.expires_at));
    assert_eq!(bench.stripe.open_checkout(&wanted).await.unwrap(), first);
    assert_eq!(bench.stripe.checkout(&first.id).await.unwrap(), first);
    let changed = CheckoutWanted { expires_at: wanted.expires_at + TimeDelta::minutes(1), ..wanted };
    let refused = bench.stripe.open_checkout(&changed).await.unwrap_err();
    assert!(matches!(refused, StripeError::Refused { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_session_lasts_half_an_hour_to_a_day() {
    let bench = Bench::new().await;
    for (minutes, fits) in [(29, false), (30, true), (24 * 60, true), (24 * 60 + 1, false)] {
        let wanted = CheckoutWanted { expires_at: noon() + TimeDelta::minutes(minutes), ..bench.order().await };
        match bench.stripe.open_checkout(&wanted).await {
            Ok(_) => assert!(fits, "{minutes}"),
            Err(StripeError::Refused { param, .. }) => {
                assert!(!fits && param.as_deref() == Some("expires_at"), "{minutes} {param:?}");
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_page_takes_one_payment_and_sends_the_customer_back() {
    let bench = Bench::new().await;
    let (wanted, open) = bench.checkout().await;
    let page = bench.http.get(open.url.clone().unwrap()).send().await.unwrap().text().await.unwrap();
    for words in ["Test checkout. No money moves", "Small", "€19", "per month", "ada@example.test", "http://127.0.0.1:1/back"] {
        assert!(page.contains(words), "no `{words}` on the page");
    }
    let path = format!("checkout/{}", open.id);
    for _ in 0..2 {
        let paid = bench.page(&path).form(&card(GOOD)).send().await.unwrap();
        assert_eq!(paid.status(), 303);
        assert_eq!(paid.headers()["location"], format!("http://127.0.0.1:1/paid?session={}", open.id));
    }
    assert_eq!(bench.control.charges_of(wanted.order), 1);

    let done = bench.stripe.checkout(&open.id).await.unwrap();
    assert_eq!((done.status, done.paid, done.url), (CheckoutStatus::Complete, true, None));
    let subscription = bench.stripe.subscription(&done.subscription.unwrap()).await.unwrap();
    assert_eq!(subscription.status, RemoteStatus::Active);
    assert_eq!((subscription.amount, subscription.interval), (Money::new(1900, Currency::Eur), Interval::Month));
    assert_eq!((subscription.customer, subscription.price), (wanted.customer, wanted.price));
    assert_eq!(
        (subscription.order, subscription.account, subscription.instance),
        (Some(wanted.order), Some(wanted.account), Some(wanted.instance))
    );
    assert_eq!(subscription.current_period_start, noon());
    assert_eq!(subscription.current_period_end, "2026-12-23T12:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    assert!(subscription.latest_invoice.is_some());
    assert_eq!(bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap(), None);
    assert_eq!(
        bench.control.event_types(),
        ["customer.created", "customer.subscription.created", "invoice.paid", "checkout.session.completed"]
    );
}

#[tokio::test]
async fn declined_then_not_confirmed_then_paid() {
    let bench = Bench::new().await;
    let (wanted, open) = bench.checkout().await;
    let path = format!("checkout/{}", open.id);
    let declined = bench.page(&path).form(&card(DECLINED)).send().await.unwrap();
    assert_eq!(declined.status(), 402);
    let page = declined.text().await.unwrap();
    assert!(page.contains("Your card was declined") && page.contains(DECLINED), "says so, and keeps what was typed");
    assert_eq!(bench.stripe.last_decline(&open).await.unwrap(), Some(noon()));
    let (_, other) = bench.checkout().await;
    assert_eq!(bench.stripe.last_decline(&other).await.unwrap(), None, "somebody else's");
    let dearer = Checkout { total: Some(Money::new(2900, Currency::Eur)), ..open.clone() };
    assert_eq!(bench.stripe.last_decline(&dearer).await.unwrap(), None, "another amount");
    let later = Checkout { created: noon() + TimeDelta::seconds(1), ..open.clone() };
    assert_eq!(bench.stripe.last_decline(&later).await.unwrap(), None, "before it was made");
    assert_eq!(bench.control.event_types().last().map(String::as_str), Some("customer.created"));
    let mistyped = bench.page(&path).form(&card("1234")).send().await.unwrap().text().await.unwrap();
    assert!(mistyped.contains("not one of the test cards"));

    let asked = bench.page(&path).form(&card(ASKS)).send().await.unwrap();
    assert_eq!(
        (asked.status().as_u16(), asked.headers()["location"].to_str().unwrap()),
        (303, format!("/{path}/authenticate").as_str())
    );
    assert_eq!(bench.stripe.checkout(&open.id).await.unwrap().status, CheckoutStatus::Open);
    let confirm = format!("{path}/authenticate");
    let question = bench.http.get(bench.fake.base_url().join(&confirm).unwrap()).send().await.unwrap().text().await.unwrap();
    assert!(question.contains("3-D Secure"));
    let failed = bench.page(&confirm).form(&[("result", "fail")]).send().await.unwrap();
    assert!(failed.text().await.unwrap().contains("could not confirm"));
    assert_eq!(bench.control.charges_of(wanted.order), 0);
    assert_eq!(bench.page(&confirm).form(&[("result", "complete")]).send().await.unwrap().status(), 303);
    assert_eq!(bench.control.charges_of(wanted.order), 1);
    assert!(bench.stripe.checkout(&open.id).await.unwrap().paid);
}

#[tokio::test]
async fn sessions_expire_by_the_clock() {
    let bench = Bench::new().await;
    let (_, open) = bench.checkout().await;
    bench.clock.advance(TimeDelta::minutes(61));
    let over = bench.stripe.checkout(&open.id).await.unwrap();
    assert_eq!((over.status, over.paid, over.url), (CheckoutStatus::Expired, false, None));
    let late = bench.page(&format!("checkout/{}", open.id)).form(&card(GOOD)).send().await.unwrap();
    assert_eq!(late.status(), 410);
    assert!(bench.control.charges().is_empty());
    let last = bench.stripe.events_since(None).await.unwrap().items.pop().unwrap();
    assert_eq!((last.kind.as_str(), last.refs.checkout), ("checkout.session.expired", Some(open.id)));
    assert_eq!(last.created, open.expires_at, "it happened when it was due, not when somebody looked");
}

#[tokio::test]
async fn expiring_says_what_became_of_the_session() {
    let bench = Bench::new().await;
    let (_, left) = bench.checkout().await;
    for _ in 0..2 {
        assert_eq!(bench.stripe.expire_checkout(&left.id).await.unwrap().status, CheckoutStatus::Expired);
    }
    bench.control.pay(&left.id, GOOD).unwrap_err();
    let (_, paid) = bench.checkout().await;
    bench.control.pay(&paid.id, GOOD).unwrap();
    let done = bench.stripe.expire_checkout(&paid.id).await.unwrap();
    assert_eq!((done.status, done.paid), (CheckoutStatus::Complete, true));
}
