use proptest::prelude::*;

use super::*;
use crate::billing::stripe::PackItem;
use crate::billing::stripe::tests::remote;

fn with_packs(quantity: u32) -> RemoteSubscription {
    let each = Money::new(300, Currency::Eur);
    let packs = PackItem { item: "si_pack".parse().unwrap(), price: "price_pack".parse().unwrap(), each, quantity };
    RemoteSubscription { packs: Some(packs), ..remote() }
}

fn price(id: &str) -> PriceId {
    id.parse().unwrap()
}

#[test]
fn only_what_differs_is_changed() {
    let (plan, pack) = (remote().price, price("price_pack"));
    assert_eq!(items_to(&remote(), None, None), []);
    assert_eq!(items_to(&remote(), Some(&plan), None), []);
    assert_eq!(items_to(&with_packs(2), Some(&plan), Some((&pack, 2))), []);
    let large = price("price_large");
    let set =
        |item: &str, price: &PriceId, quantity| ItemChange::Set { item: item.parse().unwrap(), price: price.clone(), quantity };
    assert_eq!(items_to(&remote(), Some(&large), None), [set("si_1", &large, 1)]);
    assert_eq!(items_to(&remote(), None, Some((&pack, 3))), [ItemChange::Add { price: pack.clone(), quantity: 3 }]);
    assert_eq!(items_to(&with_packs(2), None, None), [ItemChange::Remove { item: "si_pack".parse().unwrap() }]);
    assert_eq!(items_to(&with_packs(2), None, Some((&pack, 3))), [set("si_pack", &pack, 3)]);
    let yearly = price("price_pack_year");
    assert_eq!(items_to(&with_packs(2), Some(&large), Some((&yearly, 2))), [set("si_1", &large, 1), set("si_pack", &yearly, 2)]);
}

#[test]
fn a_look_says_the_same_as_the_change() {
    let items = vec![
        ItemChange::Set { item: "si_1".parse().unwrap(), price: price("price_2"), quantity: 1 },
        ItemChange::Add { price: price("price_3"), quantity: 2 },
        ItemChange::Remove { item: "si_2".parse().unwrap() },
    ];
    let as_of = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let change = SubscriptionChange { subscription: "sub_1".parse().unwrap(), items, as_of };
    let (look, mut made) = (change.preview_form(), change.form());
    assert_eq!(made["payment_behavior"], "error_if_incomplete");
    made.as_object_mut().unwrap().remove("payment_behavior");
    assert_eq!((&look["subscription"], &look["subscription_details"]), (&"sub_1".into(), &made));
    assert_eq!(made["items"][2], json!({ "id": "si_2", "deleted": true }));
    assert_eq!(made["proration_date"], 1_800_000_000);
}

fn invoice() -> Value {
    json!({
        "currency": "eur", "total": 1785, "amount_due": 1085, "starting_balance": -700,
        "lines": { "has_more": false, "data": [{ "amount": -950 }, { "amount": 2450 }] },
        "total_discount_amounts": [], "total_taxes": [{ "amount": 285, "tax_behavior": "exclusive" }],
    })
}

#[test]
fn a_bill_is_sorted_out() {
    let quote = bill(&invoice()).unwrap().quote();
    let minor = [quote.given_back, quote.charged, quote.discount, quote.tax, quote.credit_used, quote.due, quote.credit_left];
    assert_eq!(minor.map(|money| money.minor), [950, 2450, 0, 285, 700, 1085, 0]);
    let mut lower = invoice();
    lower["total"] = (-300).into();
    lower["amount_due"] = 0.into();
    let quote = bill(&lower).unwrap().quote();
    assert_eq!([quote.credit_used, quote.due, quote.credit_left].map(|money| money.minor), [0, 0, 1000]);
    // Tax that is part of the price is not added to it, and what is not there is nothing.
    let mut inside = invoice();
    inside["total_taxes"][0]["tax_behavior"] = "inclusive".into();
    inside["total_discount_amounts"] = Value::Null;
    assert_eq!(bill(&inside).unwrap().tax, 0);
    inside["total_discount_amounts"] = json!([{ "amount": 20 }, { "amount": 5 }]);
    assert_eq!(bill(&inside).unwrap().discount, 25);
}

#[test]
fn a_bill_that_can_not_be_read_is_not_guessed_at() {
    let broken: [(&str, Value); 8] = [
        ("/currency", "dkk".into()),
        ("/currency", Value::Null),
        ("/total", Value::Null),
        ("/starting_balance", Value::Null),
        ("/amount_due", "1".into()),
        ("/lines/data", Value::Null),
        ("/lines/has_more", true.into()),
        ("/total_taxes/0/amount", Value::Null),
    ];
    for (place, value) in broken {
        let mut invoice = invoice();
        *invoice.pointer_mut(place).unwrap() = value;
        assert!(matches!(bill(&invoice), Err(StripeError::Unreadable { .. })), "{place}");
    }
    let mut discount = invoice();
    discount["total_discount_amounts"] = json!([{}]);
    assert!(bill(&discount).is_err());
}

proptest! {
    /// Nothing is lost between what was in the customer's favour, what is charged and what is left.
    #[test]
    fn a_quote_adds_up(lines in prop::collection::vec(-100_000i64..100_000, 0..5), discount in 0i64..500, balance in -50_000i64..=0) {
        let total = lines.iter().sum::<i64>() - discount;
        let bill = Bill { currency: Currency::Eur, lines, discount, tax: 0, total, balance, due: (total + balance).max(0) };
        let quote = bill.quote();
        prop_assert_eq!(quote.charged.minor - quote.given_back.minor - quote.discount.minor, total);
        prop_assert_eq!(quote.due.minor - quote.credit_left.minor, total + balance);
        prop_assert!(quote.credit_used.minor >= 0 && quote.due.minor >= 0 && quote.credit_left.minor >= 0);
        prop_assert!(quote.due.minor == 0 || quote.credit_left.minor == 0);
    }
}
