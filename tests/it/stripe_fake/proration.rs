//! The adapter changes subscriptions: what a look says, as we sort it out for people, is what is then billed, in currencies with two decimal
//! places, none and three.

use chrono::TimeDelta;
use paddock::billing::stripe::{
    Bill, CheckoutWanted, End, Interval, ItemChange, PACK, PriceId, PriceWanted, RemoteStatus, RemoteSubscription, Stripe,
    StripeError, SubscriptionChange, items_to,
};
use paddock::ids::ChangeId;
use paddock::money::{Currency, Money};
use proptest::prelude::*;
use serde_json::Value;

use super::bench::{Bench, DECLINED, GOOD};

/// A price of a plan of ours, or of the storage pack.
async fn price(bench: &Bench, code: &str, amount: Money, interval: Interval) -> PriceId {
    let wanted = PriceWanted {
        lookup_key: format!("{code}-{}-{}-{}", interval.as_str(), amount.minor, amount.currency.code()),
        plan_code: code.to_owned(),
        plan_name: code.to_owned(),
        amount,
        interval,
    };
    bench.stripe.ensure_price(&wanted).await.unwrap()
}

/// A subscription that was paid at this price.
async fn subscribed(bench: &Bench, amount: Money, interval: Interval) -> RemoteSubscription {
    let price = price(bench, "small", amount, interval).await;
    let wanted = CheckoutWanted { price, ..bench.order().await };
    let checkout = bench.stripe.open_checkout(&wanted).await.unwrap();
    bench.control.pay(&checkout.id, GOOD).unwrap();
    let id = bench.stripe.checkout(&checkout.id).await.unwrap().subscription.unwrap();
    bench.stripe.subscription(&id).await.unwrap()
}

fn change(bench: &Bench, remote: &RemoteSubscription, items: Vec<ItemChange>) -> SubscriptionChange {
    SubscriptionChange { subscription: remote.id.clone(), items, as_of: bench.control.now() }
}

async fn now(bench: &Bench, remote: &RemoteSubscription) -> RemoteSubscription {
    bench.stripe.subscription(&remote.id).await.unwrap()
}

/// The newest invoice of a subscription.
async fn invoice(bench: &Bench, remote: &RemoteSubscription) -> Value {
    let id = now(bench, remote).await.latest_invoice.unwrap();
    bench.ask("GET", &format!("invoices/{id}"), &[]).await
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

#[tokio::test]
async fn we_look_change_once_and_read_plan_and_packs_apart() {
    let bench = Bench::new().await;
    let remote = subscribed(&bench, eur(1900), Interval::Month).await;
    bench.control.advance(TimeDelta::days(15));
    let (large, pack) =
        (price(&bench, "large", eur(4900), Interval::Month).await, price(&bench, PACK, eur(300), Interval::Month).await);
    let wanted = change(&bench, &remote, items_to(&remote, Some(&large), Some((&pack, 2))));
    let bill = bench.stripe.preview_change(&wanted).await.unwrap();
    assert_eq!(
        bill,
        Bill { currency: Currency::Eur, lines: vec![-950, 2450, 300], discount: 0, tax: 0, total: 1800, balance: 0, due: 1800 }
    );
    assert_eq!(now(&bench, &remote).await, remote, "a look changes nothing");

    let key = ChangeId::new();
    for _ in 0..3 {
        bench.stripe.change_subscription(&wanted, key).await.unwrap();
    }
    let after = now(&bench, &remote).await;
    assert_eq!((after.price.clone(), after.amount), (large.clone(), eur(4900 + 600)));
    let held = after.packs.clone().unwrap();
    assert_eq!((held.price, held.each, held.quantity), (pack.clone(), eur(300), 2));
    assert_eq!(bench.control.charges().iter().map(|charge| charge.amount).collect::<Vec<_>>(), [1900, 1800], "one charge");
    assert_eq!(items_to(&after, Some(&large), Some((&pack, 2))), []);
    // Packs go, and what they had left is the customer's.
    let fewer = change(&bench, &after, items_to(&after, None, None));
    assert_eq!(bench.stripe.preview_change(&fewer).await.unwrap().quote().credit_left, eur(300));
    bench.stripe.change_subscription(&fewer, ChangeId::new()).await.unwrap();
    assert_eq!(now(&bench, &remote).await.packs, None);
    let next = change(&bench, &after, items_to(&now(&bench, &remote).await, None, Some((&pack, 1))));
    let quote = bench.stripe.preview_change(&next).await.unwrap().quote();
    assert_eq!((quote.charged, quote.credit_used, quote.due, quote.credit_left), (eur(150), eur(150), eur(0), eur(150)));
}

#[tokio::test]
async fn a_change_that_is_not_paid_or_not_possible_is_told_apart() {
    let bench = Bench::new().await;
    let remote = subscribed(&bench, eur(1900), Interval::Month).await;
    let (large, pack) =
        (price(&bench, "large", eur(4900), Interval::Month).await, price(&bench, PACK, eur(3000), Interval::Year).await);
    let up = change(&bench, &remote, items_to(&remote, Some(&large), None));
    bench.control.set_card(&remote.customer, DECLINED).unwrap();
    let declined = bench.stripe.change_subscription(&up, ChangeId::new()).await.unwrap_err();
    assert!(matches!(declined, StripeError::Declined { .. }) && !declined.is_retryable(), "{declined:?}");
    assert_eq!(now(&bench, &remote).await, remote);
    let mixed = change(&bench, &remote, items_to(&remote, None, Some((&pack, 1))));
    for refused in
        [bench.stripe.preview_change(&mixed).await.map(drop), bench.stripe.change_subscription(&mixed, ChangeId::new()).await]
    {
        assert!(matches!(&refused, Err(StripeError::Refused { param: Some(param), .. }) if param == "items"), "{refused:?}");
    }
    let early = SubscriptionChange { as_of: remote.current_period_start - TimeDelta::seconds(1), ..up };
    let refused = bench.stripe.preview_change(&early).await;
    assert!(
        matches!(&refused, Err(StripeError::Refused { param: Some(param), .. }) if param.contains("proration_date")),
        "{refused:?}"
    );
    let gone = SubscriptionChange { subscription: "sub_none".parse().unwrap(), ..early };
    assert!(matches!(bench.stripe.preview_change(&gone).await, Err(StripeError::NotFound { .. })));
}

#[tokio::test]
async fn an_end_on_a_date_is_set_and_taken_back_as_one_with_the_period_is() {
    let bench = Bench::new().await;
    let remote = subscribed(&bench, eur(1900), Interval::Month).await;
    let date = bench.control.now() + TimeDelta::days(40);
    for end in [End::On(date), End::WithPeriod] {
        for _ in 0..2 {
            bench.stripe.set_end(&remote.id, end).await.unwrap();
        }
        let set = now(&bench, &remote).await;
        assert_eq!(
            (set.cancel_at, set.cancel_at_period_end),
            match end {
                End::On(at) => (Some(at), false),
                End::WithPeriod => (Some(remote.current_period_end), true),
                End::Never => (None, false),
            }
        );
        for _ in 0..2 {
            bench.stripe.set_end(&remote.id, End::Never).await.unwrap();
        }
        assert_eq!((now(&bench, &remote).await.cancel_at, now(&bench, &remote).await.cancel_at_period_end), (None, false));
    }
    let past = bench.stripe.set_end(&remote.id, End::On(bench.control.now())).await;
    assert!(matches!(&past, Err(StripeError::Refused { param: Some(param), .. }) if param == "cancel_at"), "{past:?}");
    bench.stripe.set_end(&remote.id, End::On(date)).await.unwrap();
    bench.control.advance(TimeDelta::days(41));
    assert_eq!(now(&bench, &remote).await.status, RemoteStatus::Canceled);
}

fn currency() -> impl Strategy<Value = Currency> {
    prop::sample::select(Currency::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is changed and when: the sums that people are shown are those of the invoice, and each amount is one that a card can be charged.
    #[test]
    fn what_people_are_shown_is_what_is_billed(
        currency in currency(),
        amounts in (1i64..30_000, 1i64..30_000, 1i64..3000),
        (days, seconds) in (0i64..30, 0i64..86_400),
        (packs, yearly) in (0u32..4, any::<bool>()),
        credit in 0i64..4000,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let bench = Bench::new().await;
            let step = currency.step();
            let of = |minor: i64| Money::new(minor * step, currency);
            let remote = subscribed(&bench, of(amounts.0), Interval::Month).await;
            if credit > 0 {
                let (amount, code) = ((-credit * step).to_string(), currency.code());
                let path = format!("customers/{}/balance_transactions", remote.customer);
                bench.ask("POST", &path, &[("amount", &amount), ("currency", code)]).await;
            }
            bench.control.advance(TimeDelta::days(days) + TimeDelta::seconds(seconds));
            let interval = if yearly { Interval::Year } else { Interval::Month };
            let plan = price(&bench, "large", of(amounts.1), interval).await;
            let pack = price(&bench, PACK, of(amounts.2), interval).await;
            let items = items_to(&remote, Some(&plan), (packs > 0).then_some((&pack, packs)));
            let wanted = change(&bench, &remote, items);
            let bill = bench.stripe.preview_change(&wanted).await.unwrap();
            let quote = bill.quote();
            bench.stripe.change_subscription(&wanted, ChangeId::new()).await.unwrap();

            let invoice = invoice(&bench, &remote).await;
            let field = |name: &str| invoice[name].as_i64().unwrap();
            let lines: Vec<i64> = invoice["lines"]["data"].as_array().unwrap().iter().map(|line| line["amount"].as_i64().unwrap()).collect();
            assert_eq!(bill.lines, lines);
            assert!(lines.iter().all(|amount| amount % step == 0), "{currency:?}: {lines:?}");
            assert_eq!((bill.total, bill.due, bill.balance), (field("total"), field("amount_due"), field("starting_balance")));
            assert_eq!(quote.charged.minor - quote.given_back.minor - quote.discount.minor + quote.tax.minor, field("total"));
            assert_eq!(quote.due.minor - quote.credit_left.minor, field("total") + field("starting_balance"));
            assert_eq!(-quote.credit_left.minor, field("ending_balance"));
            assert_eq!(field("amount_paid"), quote.due.minor, "what was due is what was paid");
            let charges = bench.control.charges();
            assert_eq!(charges.iter().skip(1).map(|charge| charge.amount).sum::<i64>(), quote.due.minor);
            assert_eq!(now(&bench, &remote).await.amount, of(amounts.1 + amounts.2 * i64::from(packs)));
            // What is read as people write it is the same amount.
            let text = quote.due.to_string();
            let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
            assert_eq!(Money::parse(digits, currency), Some(quote.due));
        });
    }
}
