use chrono::TimeDelta;

use super::*;
use crate::billing::wish::Wish;
use crate::ids::{AccountId, InstanceId, SubscriptionId};
use crate::money::Currency;
use crate::plan::Catalogue;

fn catalogue() -> Catalogue {
    Catalogue::parse(include_str!("../../../../catalogue/plans.toml")).unwrap()
}

fn at() -> DateTime<Utc> {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn subscription() -> Subscription {
    Subscription {
        id: SubscriptionId::new(),
        account_id: AccountId::new(),
        instance_id: InstanceId::new(),
        stripe_subscription_id: "sub_1".parse().unwrap(),
        status: RemoteStatus::Active,
        amount_minor: 5900,
        currency: Currency::Eur,
        billing_interval: Interval::Month,
        current_period_end: at() + TimeDelta::days(20),
        cancel_at: None,
        open_invoice_since: None,
        ended_at: None,
        synced_at: at(),
        owed_since: None,
        standing: Standing::Good,
        standing_since: None,
        standing_until: None,
        extended_until: None,
        wish: None,
        wish_at: None,
        wish_ends_at: None,
        packs: 0,
    }
}

fn size(plan: &Plan, packs: u32) -> StoredSize {
    StoredSize { size: plan.size.clone(), media_gib: plan.limits.media_gib + 50 * packs, packs }
}

fn usage(media_gib: i64, database_gib: i64) -> Option<Usage> {
    Some(Usage { media_bytes: media_gib * GIB, database_bytes: database_gib * GIB, measured_at: at() - TimeDelta::days(1) })
}

/// A server of the middle plan with so many packs, and what becomes of a wish for another.
fn try_step(
    packs: u32,
    usage: Option<Usage>,
    wish: (&str, Interval, u32),
    change: impl FnOnce(&mut Subscription, &mut Situation<'_>),
) -> Result<Step, Refusal> {
    let catalogue = catalogue();
    let (mut subscription, size) = (subscription(), size(catalogue.get("community").unwrap(), packs));
    subscription.packs = i32::try_from(packs).unwrap();
    let copy = subscription.clone();
    let mut now = Situation {
        subscription: &copy,
        plan_code: "community",
        plan: catalogue.get("community"),
        size: &size,
        usage,
        under_way: false,
        held: false,
    };
    change(&mut subscription, &mut now);
    let now = Situation { subscription: &subscription, ..now };
    let wanted = Wanted { plan: catalogue.get(wish.0).unwrap(), interval: wish.1, packs: wish.2 };
    step(&now, wanted, catalogue.pack(), at())
}

const NOTHING: fn(&mut Subscription, &mut Situation<'_>) = |_, _| {};

#[test]
fn a_larger_plan_is_had_at_its_price_whatever_is_on_the_server() {
    let up = try_step(0, None, ("town", Interval::Month, 0), NOTHING).unwrap();
    let town = catalogue().get("town").unwrap().clone();
    assert_eq!(up, Step { size: size(&town, 0), reprices: true, plan_price: town.monthly, pack_price: None });
}

#[test]
fn a_smaller_plan_needs_room_for_what_is_there_and_keeps_the_disks() {
    let down = try_step(0, usage(20, 3), ("family", Interval::Month, 0), NOTHING).unwrap();
    assert_eq!((down.size.media_gib, down.size.size.database.storage_gib, down.size.size.cache.storage_gib), (25, 40, 2));
    assert_eq!(down.size.size.database.memory_mib, 512, "only disks stay");
    let full = try_step(0, usage(26, 9), ("family", Interval::Month, 0), NOTHING).unwrap_err();
    let media = TooMuch { room: Room::Media, used: 26 * GIB, gib: 25 };
    let database = TooMuch { room: Room::Database, used: 9 * GIB, gib: 8 };
    assert_eq!(full, Refusal::DoesNotFit(vec![media, database]));
    assert_eq!(try_step(0, usage(60, 3), ("family", Interval::Month, 1), NOTHING).unwrap().size.media_gib, 75, "packs help");
    assert_eq!(try_step(0, usage(20, 9), ("family", Interval::Month, 1), NOTHING), Err(Refusal::DoesNotFit(vec![database])));
    // Exactly full is not too much.
    assert!(try_step(0, usage(25, 8), ("family", Interval::Month, 0), NOTHING).is_ok());
}

#[test]
fn what_is_not_known_is_not_assumed() {
    assert_eq!(try_step(0, None, ("family", Interval::Month, 0), NOTHING), Err(Refusal::Unmeasured));
    let old = usage(1, 1).map(|usage| Usage { measured_at: at() - TimeDelta::days(4), ..usage });
    assert_eq!(try_step(0, old, ("family", Interval::Month, 0), NOTHING), Err(Refusal::Unmeasured));
    // A plan that has left the catalogue: its disk is the only limit that is known.
    let gone = |_: &mut Subscription, now: &mut Situation<'_>| {
        now.plan = None;
        now.plan_code = "gone";
    };
    assert_eq!(try_step(0, usage(200, 2), ("town", Interval::Month, 0), gone).unwrap().size.media_gib, 600);
    assert_eq!(try_step(0, None, ("community", Interval::Month, 0), gone), Err(Refusal::Unmeasured));
}

#[test]
fn packs_come_and_go_at_the_price_that_the_plan_has() {
    let more = try_step(1, None, ("community", Interval::Month, 3), NOTHING).unwrap();
    assert_eq!((more.size.media_gib, more.size.packs, more.reprices), (300, 3, false));
    assert_eq!(more.pack_price, Some(Money::new(300, Currency::Eur)));
    let fewer = try_step(3, usage(160, 1), ("community", Interval::Month, 1), NOTHING).unwrap();
    assert_eq!((fewer.size.media_gib, fewer.reprices), (200, false));
    let none = try_step(3, usage(160, 1), ("community", Interval::Month, 0), NOTHING);
    assert_eq!(none, Err(Refusal::DoesNotFit(vec![TooMuch { room: Room::Media, used: 160 * GIB, gib: 150 }])));
    assert_eq!(try_step(0, None, ("community", Interval::Month, 41), NOTHING), Err(Refusal::Packs { most: 40 }));
    // Who has more than are sold keeps them.
    assert!(try_step(60, None, ("community", Interval::Year, 60), NOTHING).is_ok());
    // Packs that came back as a part of the plan's price are sold apart from the next change on.
    let came_back = |of: &mut Subscription, _: &mut Situation<'_>| of.packs = 0;
    assert!(try_step(2, None, ("community", Interval::Month, 3), came_back).unwrap().reprices);
}

#[test]
fn a_year_is_another_price_of_the_same_size() {
    let year = try_step(1, None, ("community", Interval::Year, 1), NOTHING).unwrap();
    assert_eq!((year.plan_price, year.pack_price), (Money::new(59000, Currency::Eur), Some(Money::new(3000, Currency::Eur))));
    assert_eq!((year.size.media_gib, year.reprices), (200, true));
}

#[test]
fn what_can_not_be_changed_says_why() {
    type Change = fn(&mut Subscription, &mut Situation<'_>);
    let wish = ("town", Interval::Month, 0);
    let cases: [(Change, Refusal); 6] = [
        (|_, now| now.under_way = true, Refusal::Busy),
        (|of, _| of.wish = Some(Wish::EndNow), Refusal::Busy),
        (|of, _| of.status = RemoteStatus::PastDue, Refusal::NotNow),
        (|of, _| of.standing = Standing::Grace, Refusal::NotNow),
        (|of, _| of.cancel_at = Some(at()), Refusal::NotNow),
        (|_, now| now.held = true, Refusal::Held),
    ];
    for (change, refusal) in cases {
        assert_eq!(try_step(0, None, wish, change), Err(refusal));
    }
    assert_eq!(try_step(2, None, ("community", Interval::Month, 2), NOTHING), Err(Refusal::Same));
}

#[test]
fn what_is_not_sold_any_more_is_kept_and_not_given() {
    let text = include_str!("../../../../catalogue/plans.toml").replacen("offered = true", "offered = false", 1);
    let catalogue = Catalogue::parse(&text).unwrap();
    let (subscription, old) = (subscription(), catalogue.get("family").unwrap());
    let size = size(old, 0);
    let situation = |plan_code| Situation {
        subscription: &subscription,
        plan_code,
        plan: catalogue.get(plan_code),
        size: &size,
        usage: usage(1, 1),
        under_way: false,
        held: false,
    };
    let wanted = Wanted { plan: old, interval: Interval::Year, packs: 0 };
    assert!(step(&situation("family"), wanted, None, at()).is_ok());
    assert_eq!(step(&situation("community"), wanted, None, at()), Err(Refusal::NotOffered));
    let packs = Wanted { packs: 1, ..wanted };
    assert_eq!(step(&situation("family"), packs, None, at()), Err(Refusal::Packs { most: 0 }));
}

#[test]
fn each_room_has_its_word() {
    assert_eq!([Room::Media, Room::Database].map(Room::as_str), ["media", "database"]);
}
