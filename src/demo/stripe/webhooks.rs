//! The post: signed webhooks to one endpoint, with retries, and a policy for tests that want them lost, late, twice or out of order.
//!
//! Simpler than Stripe: retries come after fractions of a second and end after some minutes (Stripe: up to three days). What was dropped
//! or given up stays in the list of events and can be sent again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Shop;
use super::store::State;
use crate::billing::stripe::sign_webhook;

const ATTEMPTS: u32 = 100;
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How events are delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The order of those that fall due together: what one request set off makes such a group.
    pub order: Order,
    /// For all types of events…
    pub rule: Rule,
    /// … but these.
    pub by_type: BTreeMap<String, Rule>,
}

/// What happens to an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// It is sent.
    Deliver {
        /// How many times, at once.
        #[serde(default = "one")]
        copies: u32,
        /// How much later.
        #[serde(default)]
        delay_millis: u64,
    },
    /// It is not sent.
    Drop,
}

/// The order of deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they happened.
    #[default]
    InOrder,
    /// The last one first.
    Reversed,
    /// As the seed says, copies apart from one another.
    Shuffled(u64),
}

fn one() -> u32 {
    1
}

impl Default for Rule {
    fn default() -> Self {
        Self::Deliver { copies: 1, delay_millis: 0 }
    }
}

/// An event on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Delivery {
    id: String,
    event: String,
    copies: u32,
    failures: u32,
    #[serde(skip)]
    not_before: Option<Instant>,
}

impl State {
    /// Puts an event into the post as the policy says.
    pub(super) fn post(&mut self, event: &str, kind: &str) {
        if let Rule::Deliver { copies, delay_millis } = *self.policy.by_type.get(kind).unwrap_or(&self.policy.rule) {
            self.send(event, copies, Duration::from_millis(delay_millis));
        }
    }

    /// Puts an event into the post, whatever the policy says.
    pub(super) fn send(&mut self, event: &str, copies: u32, delay: Duration) {
        let delivery = Delivery {
            id: self.id("dlv"),
            event: event.to_owned(),
            copies,
            failures: 0,
            not_before: Some(Instant::now() + delay),
        };
        self.deliveries.push(delivery);
    }

    pub(super) fn is_on_its_way(&self, event: &str) -> bool {
        self.deliveries.iter().any(|delivery| delivery.event == event)
    }

    /// What is due, in the order of the policy, and when the next one is.
    fn due(&self, now: Instant) -> (Vec<Delivery>, Option<Instant>) {
        let (mut due, later): (Vec<_>, Vec<_>) =
            self.deliveries.iter().cloned().partition(|delivery| delivery.not_before.is_none_or(|at| at <= now));
        match self.policy.order {
            Order::InOrder => {}
            Order::Reversed => due.reverse(),
            Order::Shuffled(seed) => {
                let apart = |delivery: Delivery| {
                    let copies = usize::try_from(delivery.copies).unwrap_or(1);
                    std::iter::repeat_n(Delivery { copies: 1, ..delivery }, copies)
                };
                let mut all: Vec<_> = due.into_iter().flat_map(apart).enumerate().collect();
                all.sort_by_cached_key(|(place, _)| Sha256::digest(format!("{seed}-{place}")).to_vec());
                due = all.into_iter().map(|(_, delivery)| delivery).collect();
            }
        }
        (due, later.iter().filter_map(|delivery| delivery.not_before).min())
    }

    /// Books how a delivery went.
    fn settle(&mut self, delivery: &Delivery, taken: bool, now: Instant) {
        if taken {
            self.undelivered.remove(&delivery.event);
            self.deliveries.retain(|other| other.id != delivery.id);
            if let Some(event) = self.events.get_mut(&delivery.event) {
                event["pending_webhooks"] = 0.into();
            }
            return;
        }
        let Some(kept) = self.deliveries.iter_mut().find(|other| other.id == delivery.id) else { return };
        kept.failures += 1;
        let wait = Duration::from_millis(50).saturating_mul(1 << kept.failures.min(10)).min(LONGEST_WAIT);
        kept.not_before = Some(now + wait);
        if kept.failures >= ATTEMPTS {
            self.deliveries.retain(|other| other.id != delivery.id);
        }
    }
}

/// Delivers until told to stop.
pub(super) async fn run(shop: Arc<Shop>, client: reqwest::Client, ended: CancellationToken) {
    loop {
        let work = shop.look(|state| state.webhook_url.clone().map(|url| (url, state.due(Instant::now()))));
        let next = match work {
            Some((url, (due, _))) if !due.is_empty() => {
                tokio::select! {
                    () = deliver(&shop, &client, &url, due) => continue,
                    () = ended.cancelled() => return,
                }
            }
            Some((_, (_, next))) => next,
            None => None,
        };
        let wait = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            () = shop.posted() => {}
            () = ended.cancelled() => return,
        }
    }
}

async fn deliver(shop: &Shop, client: &reqwest::Client, url: &Url, due: Vec<Delivery>) {
    let mut left: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    for delivery in &due {
        left.entry(delivery.id.clone()).or_default().0 += 1;
    }
    for delivery in due {
        let Some(body) = shop.look(|state| state.events.get(&delivery.event).map(ToString::to_string)) else {
            shop.book(|state| state.settle(&delivery, true, Instant::now()));
            continue;
        };
        let copies = (0..delivery.copies.max(1)).map(|_| send(shop, client, url, &body));
        let taken = join_all(copies).await.into_iter().any(|taken| taken);
        // Copies that were sent apart count as one delivery: taken when one of them was.
        let Some((count, any)) = left.get_mut(&delivery.id) else { continue };
        *count -= 1;
        *any |= taken;
        if *count == 0 {
            let taken = *any;
            shop.book(|state| state.settle(&delivery, taken, Instant::now()));
        }
    }
}

async fn send(shop: &Shop, client: &reqwest::Client, url: &Url, body: &str) -> bool {
    // Signed by the given clock, not the advanced one: Stripe's test clocks do not touch signatures either.
    let signature = sign_webhook(body.as_bytes(), &shop.settings.webhook_secret, shop.settings.clock.now());
    let request =
        client.post(url.clone()).header("content-type", "application/json; charset=utf-8").header("stripe-signature", signature);
    match request.body(body.to_owned()).send().await {
        Ok(response) => response.status().is_success(),
        Err(error) => {
            tracing::debug!(%error, "the fake Stripe could not deliver a webhook");
            false
        }
    }
}
