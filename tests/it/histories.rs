//! Histories of a subscription at Stripe, whose events come in every order there is: the rows are Stripe's each time.
//!
//! Each order is played in a transaction that is rolled back: every event is kept and handed on, and what it is about is taken in, as the
//! jobs do it.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use paddock::billing::difference::{self, Theirs};
use paddock::billing::inbox::{self, Received};
use paddock::billing::jobs::SweepStripe;
use paddock::billing::stripe::{EventHint, RemoteSubscriptionId};
use paddock::billing::{self, Order, OrderState, Remote};
use paddock::clock::Clock as _;
use paddock::demo::stripe::{Policy, Rule};
use paddock::queue;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::harness::{Capacity, Start, TestApp};

const HISTORIES: usize = 20;

/// Every order of `count` things.
fn orders_of(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders_of(count - 1);
    let longer = |order: &Vec<usize>| {
        let order = order.clone();
        (0..=order.len()).map(move |place| {
            let mut order = order.clone();
            order.insert(place, count - 1);
            order
        })
    };
    shorter.iter().flat_map(longer).collect()
}

/// Something that happens at Stripe to a subscription that is paid for: one event or more.
async fn something(app: &TestApp, id: &RemoteSubscriptionId, chance: &mut StdRng) {
    let remote = app.deps.stripe.subscription(id).await.unwrap();
    let portal = app.deps.stripe.portal_url(&remote.customer, "http://127.0.0.1:1/").await.unwrap();
    match chance.random_range(0..4) {
        0 => {
            app.shop.set_card(&remote.customer, "4000 0000 0000 0341").unwrap();
            app.advance(TimeDelta::days(31));
        }
        1 => app.advance(TimeDelta::days(31)),
        act => {
            let act = if act == 2 { "cancel" } else { "resume" };
            let form = [("act", act), ("subscription", id.as_str())];
            reqwest::Client::new().post(portal).form(&form).send().await.unwrap();
        }
    }
}

/// What the jobs of a history's events would fetch.
struct Fetched {
    checkout: Remote,
    subscription: Remote,
    theirs: Theirs,
}

/// Plays the events in one order; the order as it then is, and the differences.
async fn play(app: &TestApp, order: &Order, events: &[&Received], fetched: &Fetched) -> (OrderState, usize) {
    let clock = app.clock.as_ref();
    let mut tx = app.db.worker().begin().await.unwrap();
    for event in events {
        inbox::keep(&mut tx, vec![(*event).clone()]).await.unwrap();
        assert_eq!(inbox::hand_on(&mut tx, clock).await.unwrap(), 1);
        let refs = EventHint::parse(&event.raw).unwrap().refs;
        for remote in
            [refs.subscription.map(|_| &fetched.subscription), refs.checkout.map(|_| &fetched.checkout)].into_iter().flatten()
        {
            billing::sync(&mut tx, clock, remote).await.unwrap();
        }
    }
    let (mirrors, waiting) = (difference::mirrors(&mut tx).await.unwrap(), billing::orders_to_sweep(&mut tx).await.unwrap());
    let left = difference::compare(&mirrors, &waiting, &fetched.theirs);
    let state = billing::find_order(&mut tx, order.id).await.unwrap().unwrap().state;
    tx.rollback().await.unwrap();
    (state, left.len())
}

#[tokio::test]
async fn in_whatever_order_events_come_the_rows_are_stripes() {
    let Start { app, customer, .. } = TestApp::start_with(Capacity(30)).await;
    let mut chance = StdRng::seed_from_u64(7);
    app.shop.set_policy(Policy { rule: Rule::Drop, ..Policy::default() });
    let mut played = 0;
    for number in 0..HISTORIES {
        // Three to five events each, and once six: 720 orders.
        let length = if number == 0 { 6 } else { 3 + number % 3 };
        let before: BTreeSet<_> = app.shop.events().into_iter().map(|(id, _)| id).collect();
        let order = app.order(&customer, &format!("birds-{number}")).await;
        app.shop_pays(&customer, &order).await;
        let order = app.find_order(order.id).await;
        let (stripe, clock) = (app.deps.stripe.as_ref(), app.clock.as_ref());
        let checkout = order.checkout_id.clone().unwrap();
        let id = stripe.checkout(&checkout).await.unwrap().subscription.unwrap();
        let ours = |(event, body): (paddock::billing::stripe::EventId, String)| {
            let hint = EventHint::parse(body.as_bytes())?;
            let is_new =
                !before.contains(&event) && (hint.refs.subscription.as_ref() == Some(&id) || hint.refs.checkout.is_some());
            let (kind, api_version) = (hint.kind, hint.api_version.unwrap_or_default());
            is_new.then(|| Received { id: event, kind, api_version, raw: body.into_bytes(), at: clock.now() })
        };
        let mut events: Vec<Received> = app.shop.events().into_iter().filter_map(ours).collect();
        for _ in 0..20 {
            if events.len() >= length {
                break;
            }
            something(&app, &id, &mut chance).await;
            // Stripe forgets what is older than thirty days: what was seen is kept here.
            let known: BTreeSet<_> = events.iter().map(|event| event.id.clone()).collect();
            events.extend(app.shop.events().into_iter().filter_map(ours).filter(|event| !known.contains(&event.id)));
        }
        events.truncate(length);
        assert_eq!(events.len(), length, "a history of its own");
        let mut fetched = Fetched {
            checkout: billing::fetch_checkout(stripe, clock, &checkout).await.unwrap(),
            subscription: billing::fetch_subscription(stripe, clock, &id).await.unwrap(),
            theirs: difference::look(stripe, clock, std::slice::from_ref(&order)).await.unwrap(),
        };
        // Servers of the histories before may have changed by the clock: only this one is looked at.
        fetched.theirs.subscriptions.retain(|found, _| *found == id);
        // One that was over before anybody heard of it is never begun.
        let takes_money = fetched.subscription.subscription.as_ref().unwrap().status.takes_money();
        let end = if takes_money { OrderState::Paid } else { OrderState::Expired };
        let others = difference_of_others(&app, &order, &fetched).await;
        for places in orders_of(length) {
            let in_order: Vec<&Received> = places.iter().map(|place| &events[*place]).collect();
            let (state, left) = play(&app, &order, &in_order, &fetched).await;
            assert_eq!((state, left), (end, others), "history {number}, order {places:?}");
            played += 1;
        }
        // For good, so that the next history begins with none open.
        queue::enqueue(&mut app.sql().acquire().await.unwrap(), &SweepStripe {}, None).await.unwrap();
        app.run_jobs().await;
    }
    assert!(played > 720 + 6 * 6, "{played}");
    app.leave_jobs();
}

/// Rows of earlier histories, which `fetched` does not list.
async fn difference_of_others(app: &TestApp, order: &Order, fetched: &Fetched) -> usize {
    let mut conn = app.db.worker().acquire().await.unwrap();
    let mirrors = difference::mirrors(&mut conn).await.unwrap();
    let id = fetched.subscription.subscription.as_ref().map(|found| found.id.clone());
    assert!(mirrors.iter().all(|mirror| Some(&mirror.stripe_subscription_id) != id.as_ref()), "{} is taken in already", order.id);
    let none: [Order; 0] = [];
    difference::compare(&mirrors, &none, &fetched.theirs)
        .iter()
        .filter(|one| Some(one.subject.as_str()) != id.as_ref().map(RemoteSubscriptionId::as_str))
        .count()
}
