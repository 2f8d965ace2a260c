//! Stripe's events: kept as they come, then handed on as jobs that fetch what they are about.
//!
//! A webhook is answered once it is kept: nothing else stands between Stripe and its 200. What webhooks did not bring, Stripe's list of
//! events does, from where it was last read; what is older than the list reaches, the comparison of everything (`difference`) finds.

mod store;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

pub use self::store::{Reading, keep, reading, waiting};
use super::jobs::{SyncCheckout, SyncSubscription};
use super::stripe::{CheckoutId, EventHint, EventId, EventRefs, RemoteSubscriptionId};
use crate::clock::Clock;
use crate::queue;

/// Events that are handed on in one transaction.
pub const BATCH: u32 = 500;
/// Stripe's list may show events of the same moment one after the other: so much of its end is read again.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

/// An event as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// The same in each delivery.
    pub id: EventId,
    /// Such as `invoice.paid`.
    pub kind: String,
    /// Which version of the API wrote it.
    pub api_version: String,
    /// The body that was verified.
    pub raw: Vec<u8>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What is to be fetched, each thing once.
#[derive(Debug, Default)]
struct Wanted {
    subscriptions: BTreeSet<RemoteSubscriptionId>,
    checkouts: BTreeSet<CheckoutId>,
}

impl Wanted {
    fn add(&mut self, refs: EventRefs) {
        let EventRefs { checkout, subscription, customer: _, invoice: _ } = refs;
        self.subscriptions.extend(subscription);
        self.checkouts.extend(checkout);
    }

    async fn enqueue(self, conn: &mut PgConnection) -> sqlx::Result<()> {
        for subscription in self.subscriptions {
            queue::enqueue(conn, &SyncSubscription { subscription }, None).await?;
        }
        for checkout in self.checkouts {
            queue::enqueue(conn, &SyncCheckout { checkout }, None).await?;
        }
        Ok(())
    }
}

/// Enqueues the jobs of up to [`BATCH`] events that nobody has handed on yet; says how many there were. Run it in a transaction.
pub async fn hand_on(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<usize> {
    let bodies = store::take_unhandled(conn, clock.now()).await?;
    let mut wanted = Wanted::default();
    for body in &bodies {
        // It was read once before it was kept.
        if let Some(event) = EventHint::parse(body) {
            wanted.add(event.refs);
        }
    }
    wanted.enqueue(conn).await?;
    Ok(bodies.len())
}

/// Takes a page of Stripe's list of events: those that no webhook has brought are kept and handed on. Says how many that were. The place up
/// to which the list need not be read again moves on.
pub async fn hear(conn: &mut PgConnection, clock: &dyn Clock, events: &[EventHint]) -> sqlx::Result<usize> {
    let now = clock.now();
    let mut wanted = Wanted::default();
    let mut news = 0;
    for event in events {
        if store::keep_listed(conn, event, now).await? {
            news += 1;
            wanted.add(event.refs.clone());
        }
    }
    wanted.enqueue(conn).await?;
    let settled = events.iter().rev().find(|event| event.created <= now - OVERLAP);
    store::move_cursor(conn, settled.map(|event| &event.id), now).await?;
    Ok(news)
}

/// The list no longer reaches back to where it was read: it is read anew from its end.
pub async fn forget_cursor(conn: &mut PgConnection) -> sqlx::Result<()> {
    store::forget_cursor(conn).await
}
