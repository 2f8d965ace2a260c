use super::*;
use crate::billing::stripe::RemoteStatus;
use crate::money::{Currency, Money};
use crate::plan::Interval;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn remote(id: &str) -> RemoteSubscription {
    RemoteSubscription { id: id.parse().unwrap(), ..crate::billing::stripe::tests::remote() }
}

fn mirror(id: &str) -> Mirror {
    Mirror {
        stripe_subscription_id: id.parse().unwrap(),
        status: RemoteStatus::Active,
        customer: Some("cus_1".parse().unwrap()),
        amount_minor: 1900,
        currency: Currency::Eur,
        billing_interval: Interval::Month,
        current_period_end: at("2026-12-01T00:00:00Z"),
        cancel_at: None,
        open_invoice_since: None,
        synced_at: at("2026-11-01T00:00:00Z"),
        created_at: at("2026-11-01T00:00:00Z"),
    }
}

fn theirs(all: Vec<RemoteSubscription>) -> Theirs {
    let asked_at = at("2026-11-20T00:00:00Z");
    let listed =
        |subscription: RemoteSubscription| (subscription.id.clone(), Listed { subscription, owed_since: None, at: asked_at });
    Theirs { asked_at, subscriptions: all.into_iter().map(listed).collect(), ..Theirs::default() }
}

fn whats(found: &[Difference]) -> Vec<What> {
    found.iter().map(|one| one.what).collect()
}

#[test]
fn what_is_the_same_is_no_difference() {
    assert_eq!(compare(&[mirror("sub_1")], &[], &theirs(vec![remote("sub_1")])), []);
}

#[test]
fn each_fact_is_named_for_itself() {
    let changed = RemoteSubscription {
        status: RemoteStatus::PastDue,
        customer: "cus_2".parse().unwrap(),
        amount: Money::new(4900, Currency::Eur),
        interval: Interval::Year,
        current_period_end: at("2027-01-01T00:00:00Z"),
        cancel_at: Some(at("2027-02-01T00:00:00Z")),
        ..remote("sub_1")
    };
    let mut all = theirs(vec![changed]);
    for listed in all.subscriptions.values_mut() {
        listed.owed_since = Some(at("2026-11-10T00:00:00Z"));
    }
    let found = compare(&[mirror("sub_1")], &[], &all);
    let expected = [What::Status, What::Customer, What::Amount, What::Interval, What::PaidUntil, What::EndsAt, What::OwedSince];
    assert_eq!(whats(&found), expected);
    assert_eq!((found[0].ours.as_str(), found[0].theirs.as_str()), ("active", "past_due"));
    assert_eq!((found[5].ours.as_str(), found[5].theirs.as_str()), ("–", "2027-02-01T00:00:00Z"));
}

#[test]
fn what_one_side_lacks_is_named_unless_it_needs_no_row() {
    let ended = RemoteSubscription { status: RemoteStatus::Canceled, ..remote("sub_ended") };
    let foreign = RemoteSubscription { order: None, ..remote("sub_foreign") };
    let found = compare(&[mirror("sub_gone")], &[], &theirs(vec![remote("sub_new"), ended, foreign]));
    assert_eq!(whats(&found), [What::MissingHere, What::MissingThere]);
    let mut odd = theirs(vec![]);
    odd.unreadable.push(Unreadable { id: "sub_odd".into(), why: "two items".into() });
    assert_eq!(whats(&compare(&[mirror("sub_odd")], &[], &odd)), [What::Unreadable]);
}

#[test]
fn what_was_taken_in_meanwhile_is_newer_than_the_list() {
    let later = at("2026-11-20T00:00:01Z");
    let newer = Mirror { status: RemoteStatus::PastDue, synced_at: later, ..mirror("sub_1") };
    let made = Mirror { created_at: later, ..mirror("sub_made_meanwhile") };
    assert_eq!(compare(&[newer, made], &[], &theirs(vec![remote("sub_1")])), []);
}
