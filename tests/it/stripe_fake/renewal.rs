//! What happens to a subscription as months pass.

use chrono::TimeDelta;
use paddock::billing::stripe::{CheckoutWanted, End, RemoteStatus, Stripe, StripeError};
use paddock::money::{Currency, Money};

use super::bench::{Bench, DECLINED, FAILS_LATER, GOOD, noon};

#[tokio::test]
async fn a_subscription_renews_each_month() {
    let bench = Bench::new().await;
    let (wanted, before) = bench.subscribed(GOOD).await;
    bench.control.advance(TimeDelta::days(65));
    let after = bench.stripe.subscription(&before.id).await.unwrap();
    assert_eq!(bench.control.charges_of(wanted.order), 3);
    assert_eq!((after.status, after.current_period_start), (RemoteStatus::Active, "2027-01-23T12:00:00Z".parse().unwrap()));
    assert_ne!(after.latest_invoice, before.latest_invoice);
    let at: Vec<i64> = bench.control.charges().iter().map(|charge| charge.at).collect();
    assert_eq!(at[1], before.current_period_end.timestamp(), "at its moment, however far the clock jumps");
}

#[tokio::test]
async fn a_failed_renewal_is_owed_until_it_is_paid() {
    let bench = Bench::new().await;
    let (wanted, subscription) = bench.subscribed(FAILS_LATER).await;
    bench.clock.advance(TimeDelta::days(30));
    let late = bench.stripe.subscription(&subscription.id).await.unwrap();
    assert_eq!(late.status, RemoteStatus::PastDue);
    let owed = bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap().unwrap();
    assert_eq!((owed.created, owed.amount_due), (subscription.current_period_end, Money::new(1900, Currency::Eur)));
    assert_eq!((owed.attempt_count, owed.next_attempt), (1, Some(owed.created + TimeDelta::days(3))));
    assert_eq!(Some(owed.id.clone()), late.latest_invoice);

    // 3, 5 and 7 days; then it gives up, and stays past due.
    bench.clock.advance(TimeDelta::days(16));
    let owed = bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap().unwrap();
    assert_eq!((owed.attempt_count, owed.next_attempt), (4, None));
    // The next month comes on top; the older one is what counts.
    bench.clock.advance(TimeDelta::days(16));
    assert_eq!(bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap().unwrap().id, owed.id);
    assert_eq!(bench.control.charges_of(wanted.order), 1);

    let portal = bench.stripe.portal_url(&wanted.customer, "http://127.0.0.1:1/billing").await.unwrap();
    let page = bench.http.get(&portal).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("past due") && page.contains("0341") && page.contains("http://127.0.0.1:1/billing"), "{page}");
    let card = [("act", "card"), ("number", GOOD), ("expiry", "12/34"), ("cvc", "123")];
    assert_eq!(bench.http.post(&portal).form(&card).send().await.unwrap().status(), 303);
    assert_eq!(bench.control.charges_of(wanted.order), 3, "both months");
    assert_eq!(bench.stripe.subscription(&subscription.id).await.unwrap().status, RemoteStatus::Active);
    assert_eq!(bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_declined_renewal_is_not_a_declined_checkout() {
    let bench = Bench::new().await;
    let (paid, subscription) = bench.subscribed(FAILS_LATER).await;
    bench.clock.advance(TimeDelta::days(30) - TimeDelta::minutes(10));
    let wanted = CheckoutWanted { customer: paid.customer, ..bench.order().await };
    let open = bench.stripe.open_checkout(&wanted).await.unwrap();
    assert_eq!(open.total, Some(subscription.amount), "nothing but the invoice tells them apart");
    bench.clock.advance(TimeDelta::minutes(20));
    assert_eq!(bench.stripe.subscription(&subscription.id).await.unwrap().status, RemoteStatus::PastDue);
    assert_eq!(bench.stripe.last_decline(&open).await.unwrap(), None);
    bench.control.pay(&open.id, DECLINED).unwrap_err();
    assert_eq!(bench.stripe.last_decline(&open).await.unwrap(), Some(bench.control.now()));
}

#[tokio::test]
async fn an_invoice_can_be_paid_on_its_own_page() {
    let bench = Bench::new().await;
    let (wanted, subscription) = bench.subscribed(FAILS_LATER).await;
    bench.clock.advance(TimeDelta::days(31));
    let owed = bench.stripe.oldest_open_invoice(&subscription.id).await.unwrap().unwrap();
    let url = owed.hosted_url.unwrap();
    assert!(bench.http.get(&url).send().await.unwrap().text().await.unwrap().contains("€19"));
    let card = [("number", GOOD), ("expiry", "12/34"), ("cvc", "123")];
    assert_eq!(bench.http.post(&url).form(&card).send().await.unwrap().status(), 303);
    assert_eq!(bench.control.charges_of(wanted.order), 2);
}

#[tokio::test]
async fn a_customer_cancels_and_keeps_it_to_the_end_of_the_period() {
    let bench = Bench::new().await;
    let (wanted, subscription) = bench.subscribed(GOOD).await;
    let portal = bench.stripe.portal_url(&wanted.customer, "http://127.0.0.1:1/billing").await.unwrap();
    let act = async |act: &str| {
        let form = [("act", act), ("subscription", subscription.id.as_str())];
        assert_eq!(bench.http.post(&portal).form(&form).send().await.unwrap().status(), 303);
        bench.stripe.subscription(&subscription.id).await.unwrap()
    };
    let leaving = act("cancel").await;
    assert!(leaving.cancel_at_period_end && leaving.status == RemoteStatus::Active);
    assert_eq!((leaving.cancel_at, leaving.canceled_at), (Some(subscription.current_period_end), Some(noon())));
    let staying = act("resume").await;
    assert_eq!((staying.cancel_at_period_end, staying.cancel_at, staying.canceled_at), (false, None, None));
    act("cancel").await;
    bench.control.advance(TimeDelta::days(31));
    let over = bench.stripe.subscription(&subscription.id).await.unwrap();
    assert_eq!((over.status, over.ended_at), (RemoteStatus::Canceled, Some(subscription.current_period_end)));
    assert_eq!(bench.control.charges_of(wanted.order), 1);
    assert_eq!(bench.control.event_types().last().unwrap(), "customer.subscription.deleted");
    // Others can't touch it.
    let (other, _) = bench.subscribed(GOOD).await;
    let foreign = bench.stripe.portal_url(&other.customer, "http://127.0.0.1:1/billing").await.unwrap();
    let form = [("act", "cancel"), ("subscription", subscription.id.as_str())];
    assert_eq!(bench.http.post(&foreign).form(&form).send().await.unwrap().status(), 402);
}

#[tokio::test]
async fn we_end_a_subscription_with_its_period_take_that_back_and_end_it_at_once() {
    let bench = Bench::new().await;
    let (wanted, subscription) = bench.subscribed(GOOD).await;
    let now = async || bench.stripe.subscription(&subscription.id).await.unwrap();
    // Each twice: whoever got no answer asks again.
    for _ in 0..2 {
        bench.stripe.set_end(&subscription.id, End::WithPeriod).await.unwrap();
        assert_eq!(now().await.cancel_at, Some(subscription.current_period_end));
    }
    for _ in 0..2 {
        bench.stripe.set_end(&subscription.id, End::Never).await.unwrap();
        assert_eq!((now().await.cancel_at, now().await.cancel_at_period_end), (None, false));
    }
    bench.control.advance(TimeDelta::days(3));
    bench.stripe.end_subscription(&subscription.id).await.unwrap();
    let over = now().await;
    assert_eq!((over.status, over.ended_at), (RemoteStatus::Canceled, Some(bench.control.now())));
    assert!(matches!(bench.stripe.end_subscription(&subscription.id).await, Err(StripeError::NotFound { .. })));
    assert!(matches!(bench.stripe.set_end(&subscription.id, End::Never).await, Err(StripeError::Refused { .. })));
    bench.control.advance(TimeDelta::days(60));
    assert_eq!(bench.control.charges_of(wanted.order), 1);
}
