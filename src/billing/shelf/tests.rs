use super::*;
use crate::money::Currency;

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

fn wanted(code: &str, minor: i64, interval: Interval) -> PriceWanted {
    super::super::checkout::price_wanted(code, "Small", eur(minor), interval)
}

fn remote(wanted: &PriceWanted, active: bool) -> RemotePrice {
    RemotePrice {
        id: format!("price_{}", wanted.amount.minor).parse().unwrap(),
        lookup_key: Some(wanted.lookup_key.clone()),
        what: Some((wanted.amount, wanted.interval)),
        active,
        taxable: true,
    }
}

fn there(name: &str, active: bool, prices: Vec<RemotePrice>) -> BTreeMap<String, There> {
    let product = Some(RemoteProduct { name: name.to_owned(), active });
    BTreeMap::from([("small".to_owned(), There { product, prices })])
}

#[test]
fn what_is_not_there_is_made_product_first() {
    let all = [wanted("small", 900, Interval::Month), wanted("small", 9000, Interval::Year)];
    let plan = plan(&all, &BTreeMap::new());
    let told: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    let expected = [
        "make the product small: \"Small\"",
        "make the price paddock-small-month-900-eur of €9 per month",
        "make the price paddock-small-year-9000-eur of €90 per year",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_as_it_should_be_needs_nothing_and_what_is_old_is_kept() {
    let (now, old) = (wanted("small", 900, Interval::Month), wanted("small", 700, Interval::Month));
    let by_hand = RemotePrice { lookup_key: None, what: None, ..remote(&old, true) };
    let there = there("Small", true, vec![remote(&now, true), remote(&old, true), by_hand.clone()]);
    assert_eq!(plan(&[now], &there), Plan { kept: vec![remote(&old, true), by_hand], ..Plan::default() });
}

#[test]
fn what_is_called_otherwise_or_not_on_sale_is_put_right() {
    let now = wanted("small", 900, Interval::Month);
    let told = |there: &BTreeMap<String, There>| -> Vec<String> {
        plan(std::slice::from_ref(&now), there).steps.iter().map(ToString::to_string).collect()
    };
    assert_eq!(told(&there("Little", true, vec![remote(&now, true)])), ["call the product small \"Small\" (now \"Little\")"]);
    assert_eq!(told(&there("Small", false, vec![remote(&now, true)])), ["put the product small on sale again"]);
    let revived = told(&there("Small", true, vec![remote(&now, false)]));
    assert_eq!(revived, ["put the price paddock-small-month-900-eur (price_900) on sale again"]);
    let silent = told(&there("Small", true, vec![RemotePrice { taxable: false, ..remote(&now, true) }]));
    assert_eq!(silent, ["say that tax comes on top of the price paddock-small-month-900-eur"]);
}

#[test]
fn what_somebody_made_under_our_key_is_named_and_left_alone() {
    let now = wanted("small", 900, Interval::Month);
    let odd = RemotePrice { what: Some((eur(1), Interval::Month)), ..remote(&now, true) };
    let plan = plan(&[now], &there("Small", true, vec![odd.clone()]));
    assert_eq!(plan, Plan { odd: vec![odd], ..Plan::default() });
    assert_eq!([said(None), said(Some((eur(900), Interval::Year)))], ["an amount or interval that is not ours", "€9 per year"]);
}
