//! Another plan, interval or number of storage packs for a server that is paid for.
//!
//! First a look: what it would cost is asked of Stripe, and shown. What was shown is then confirmed: in one transaction the change is written
//! down and the room that it needs is taken, so nobody pays for a size that no cluster has. A job makes it at Stripe, which charges the
//! difference at once or does nothing; what came of it is taken in, and the server follows.

mod carry;
pub mod fit;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use self::carry::carry_change;
pub use self::fit::{Refusal, Room, Step, TooMuch, Wanted};
pub(super) use self::store::is_under_way;
pub use self::store::{Change, ChangeState, Why, newest_change};
use super::checkout::{pack_wanted, price_wanted};
use super::jobs::CarryChange;
use super::store::{Subscription, find_subscription, known_price};
use super::stripe::{PriceId, PriceWanted, Quote, RemoteSubscription, Stripe, StripeError, SubscriptionChange, items_to};
use crate::audit::{self, Actor};
use crate::capacity;
use crate::clock::Clock;
use crate::db::{AccountTx, Db, violates};
use crate::ids::{AccountId, ChangeId};
use crate::instance::{self, Instance, StoredSize, usage};
use crate::money::Money;
use crate::plan::{Catalogue, Interval};
use crate::queue;

/// How long what was shown may be confirmed.
pub const SHOWN_FOR: TimeDelta = TimeDelta::minutes(30);

/// What money is dealt with.
#[derive(Debug, Clone, Copy)]
pub struct Till<'a> {
    /// The database.
    pub db: &'a Db,
    /// The present.
    pub clock: &'a dyn Clock,
    /// Stripe.
    pub stripe: &'a dyn Stripe,
    /// What is sold.
    pub catalogue: &'a Catalogue,
}

/// Why a change is not to be had. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The server can't have it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its cluster has no room for it, or what room there is others wait for.
    #[error("there is no room for it where the server runs")]
    NoRoom,
    /// It was shown too long ago, or never.
    #[error("what was shown is older than {} minutes", SHOWN_FOR.num_minutes())]
    Stale,
    /// Stripe.
    #[error("Stripe could not be asked what it costs")]
    Stripe(#[from] StripeError),
    /// The database.
    #[error("the change could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// What a change would cost, as it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// As of when is prorated; goes with the confirmation.
    pub as_of: DateTime<Utc>,
    /// What is due at once, and why.
    pub quote: Quote,
    /// What is paid now, each interval, before tax.
    pub before: Money,
    /// What is paid from then on, each interval, before tax.
    pub after: Money,
    /// Whether a new period begins with it, from then on.
    pub starts_over: bool,
}

/// What is known of a server, and what the change would make of it.
async fn look(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    catalogue: &Catalogue,
    instance: &Instance,
    wanted: Wanted<'_>,
) -> Result<(Subscription, Step), ChangeError> {
    let subscription = find_subscription(conn, instance.id).await?.ok_or(Refusal::NotNow)?;
    let size = instance::size_of(conn, instance.id).await?;
    let removed = instance::removal_of(conn, instance.id).await?.is_some();
    let situation = fit::Situation {
        subscription: &subscription,
        plan_code: &instance.plan_code,
        plan: catalogue.get(&instance.plan_code),
        size: &size,
        usage: usage::usage_of(conn, instance.id).await?,
        under_way: is_under_way(conn, subscription.id).await?,
        held: removed || !instance::list_holds(conn, instance.id).await?.is_empty(),
    };
    let step = fit::step(&situation, wanted, catalogue.pack(), clock.now())?;
    Ok((subscription, step))
}

/// What a change would cost. Stripe is asked; nothing is written.
pub async fn offer(till: Till<'_>, account: AccountId, instance: &Instance, wanted: Wanted<'_>) -> Result<Offer, ChangeError> {
    let Till { db, clock, stripe, catalogue } = till;
    let mut tx = db.begin_account(account).await?;
    let (subscription, step) = look(tx.conn(), clock, catalogue, instance, wanted).await?;
    let needs = step.size.size.footprint();
    if !capacity::has_room_to_grow(tx.conn(), clock, account, instance.id, &needs).await? {
        return Err(ChangeError::NoRoom);
    }
    let terms = Terms::of(&step, wanted);
    let known = Known::of(tx.conn(), catalogue, &terms).await?;
    drop(tx);
    let remote = stripe.subscription(&subscription.stripe_subscription_id).await?;
    let change = terms.change(stripe, &known, &remote, whole_second(clock.now())).await?.ok_or(Refusal::Same)?;
    let quote = stripe.preview_change(&change).await?.quote();
    Ok(Offer {
        as_of: change.as_of,
        quote,
        before: remote.amount,
        after: terms.after(&remote).ok_or(Refusal::Same)?,
        starts_over: remote.interval != wanted.interval,
    })
}

/// Writes down what was shown and confirmed, and takes the room that it needs, in the caller's transaction. `due` is what was shown as due at
/// once: more is never charged.
pub async fn ask(
    tx: &mut AccountTx,
    clock: &dyn Clock,
    catalogue: &Catalogue,
    actor: Actor,
    instance: &Instance,
    wanted: Wanted<'_>,
    shown: Shown,
) -> Result<ChangeId, ChangeError> {
    let account = tx.account();
    let Shown { as_of, due } = shown;
    if !(TimeDelta::zero()..=SHOWN_FOR).contains(&(clock.now() - as_of)) {
        return Err(ChangeError::Stale);
    }
    let conn = tx.conn();
    let (subscription, step) = look(conn, clock, catalogue, instance, wanted).await?;
    if !capacity::widen(conn, clock, account, instance.id, &step.size.size.footprint()).await? {
        return Err(ChangeError::NoRoom);
    }
    let change = Change {
        id: ChangeId::new(),
        account_id: account,
        instance_id: instance.id,
        subscription_id: subscription.id,
        state: ChangeState::Asked,
        plan_code: wanted.plan.code.clone(),
        billing_interval: wanted.interval,
        size: sqlx::types::Json(step.size),
        reprices: step.reprices,
        plan_minor: step.plan_price.minor,
        pack_minor: step.pack_price.map(|price| price.minor),
        due_minor: due,
        currency: step.plan_price.currency,
        as_of: whole_second(as_of),
        created_at: clock.now(),
        ended_at: None,
        why: None,
    };
    store::insert(conn, &change)
        .await
        .map_err(|error| if violates(&error, "changes_open_key") { Refusal::Busy.into() } else { ChangeError::from(error) })?;
    queue::enqueue(conn, &CarryChange { change: change.id, subscription: subscription.id }, None).await?;
    let detail = json!({
        "change": change.id, "from": instance.plan_code, "plan": change.plan_code, "period": change.billing_interval,
        "packs": change.size.packs, "due": change.due(),
    });
    audit::record(conn, clock, actor, Some(account), "subscription.change", &subscription.id.to_string(), detail).await?;
    Ok(change.id)
}

/// What somebody has seen and agrees to.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// As of when was prorated.
    pub as_of: DateTime<Utc>,
    /// What was due at once, in minor units.
    pub due: i64,
}

/// Stripe counts in whole seconds.
fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}

/// What a subscription is to be for, in the words of the catalogue.
struct Terms<'a> {
    plan_code: &'a str,
    interval: Interval,
    /// The plan's price, if it gets another one.
    plan_price: Option<Money>,
    /// The price of a pack where they don't keep the one that they have, and how many.
    packs: Option<(Money, u32)>,
}

/// Stripe's prices for [`Terms`], as far as we know them, and what they would be made from.
struct Known {
    plan: Option<(PriceWanted, Option<PriceId>)>,
    pack: Option<(PriceWanted, Option<PriceId>)>,
}

impl<'a> Terms<'a> {
    fn of(step: &Step, wanted: Wanted<'a>) -> Self {
        Self {
            plan_code: &wanted.plan.code,
            interval: wanted.interval,
            plan_price: step.reprices.then_some(step.plan_price),
            packs: step.pack_price.map(|price| (price, step.size.packs)),
        }
    }

    fn of_change(change: &'a Change) -> Self {
        let StoredSize { size: _, media_gib: _, packs } = change.size.0;
        Self {
            plan_code: &change.plan_code,
            interval: change.billing_interval,
            plan_price: change.reprices.then(|| change.plan_price()),
            packs: change.pack_price().map(|price| (price, packs)),
        }
    }

    /// The price of a pack that the subscription has keeps, as long as it is paid as often as before.
    fn kept<'r>(&self, remote: &'r RemoteSubscription) -> Option<&'r super::stripe::PackItem> {
        remote.packs.as_ref().filter(|_| remote.interval == self.interval)
    }

    /// What is paid each interval from then on; `None` beyond counting.
    fn after(&self, remote: &RemoteSubscription) -> Option<Money> {
        let held = match &remote.packs {
            Some(held) => held.each.checked_times(held.quantity)?,
            None => Money::new(0, remote.amount.currency),
        };
        let kept = Money::new(remote.amount.minor.checked_sub(held.minor)?, remote.amount.currency);
        let plan = self.plan_price.unwrap_or(kept);
        let Some((price, quantity)) = self.packs else { return Some(plan) };
        plan.checked_add(self.kept(remote).map_or(price, |held| held.each).checked_times(quantity)?)
    }

    /// What has to be changed at Stripe; `None` when it is so already.
    async fn change(
        &self,
        stripe: &dyn Stripe,
        known: &Known,
        remote: &RemoteSubscription,
        as_of: DateTime<Utc>,
    ) -> Result<Option<SubscriptionChange>, StripeError> {
        let plan = made(stripe, known.plan.as_ref()).await?;
        let pack = match self.kept(remote) {
            Some(held) => Some(held.price.clone()),
            None => made(stripe, known.pack.as_ref()).await?,
        };
        let packs = pack.as_ref().zip(self.packs.map(|(_, quantity)| quantity));
        let items = items_to(remote, plan.as_ref(), packs);
        let subscription = remote.id.clone();
        Ok((!items.is_empty()).then_some(SubscriptionChange { subscription, items, as_of }))
    }
}

impl Known {
    async fn of(conn: &mut PgConnection, catalogue: &Catalogue, terms: &Terms<'_>) -> sqlx::Result<Self> {
        let plan = terms.plan_price.map(|price| {
            let name = catalogue.get(terms.plan_code).map_or(terms.plan_code, |plan| plan.name.as_str());
            price_wanted(terms.plan_code, name, price, terms.interval)
        });
        let pack = terms.packs.map(|(price, _)| {
            let name = catalogue.pack().map_or("Storage", |pack| pack.name.as_str());
            pack_wanted(name, price, terms.interval)
        });
        let mut known = Self { plan: None, pack: None };
        if let Some(wanted) = plan {
            let id = known_price(conn, &wanted.lookup_key).await?;
            known.plan = Some((wanted, id));
        }
        if let Some(wanted) = pack {
            let id = known_price(conn, &wanted.lookup_key).await?;
            known.pack = Some((wanted, id));
        }
        Ok(known)
    }
}

async fn made(stripe: &dyn Stripe, price: Option<&(PriceWanted, Option<PriceId>)>) -> Result<Option<PriceId>, StripeError> {
    match price {
        None => Ok(None),
        Some((_, Some(known))) => Ok(Some(known.clone())),
        Some((wanted, None)) => stripe.ensure_price(wanted).await.map(Some),
    }
}
