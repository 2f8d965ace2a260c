//! Whether a server may have another plan, interval or number of storage packs, and what it is then. Pure.

use chrono::{DateTime, Utc};

use crate::billing::standing::Standing;
use crate::billing::store::Subscription;
use crate::billing::stripe::RemoteStatus;
use crate::instance::StoredSize;
use crate::instance::usage::Usage;
use crate::money::Money;
use crate::plan::{Interval, Plan, Size, StoragePack};

/// What a customer wants of a server.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// How often it is paid.
    pub interval: Interval,
    /// Storage packs on top of it.
    pub packs: u32,
}

/// How a server and its subscription are now.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The subscription.
    pub subscription: &'a Subscription,
    /// Code of the plan.
    pub plan_code: &'a str,
    /// That plan, as long as the catalogue has it.
    pub plan: Option<&'a Plan>,
    /// How large the server is.
    pub size: &'a StoredSize,
    /// What is on it; `None` when that was never measured.
    pub usage: Option<Usage>,
    /// Another change is on its way.
    pub under_way: bool,
    /// It does not run, for whatever reason.
    pub held: bool,
}

/// Of what a plan has so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Media.
    Media,
    /// The database.
    Database,
}

impl Room {
    /// The word in the API and in keys of locale files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Media => "media",
            Self::Database => "database",
        }
    }
}

/// What is on a server and has no room in what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch {
    /// Of what.
    pub room: Room,
    /// Bytes of it that are there.
    pub used: i64,
    /// GiB that there would be for it.
    pub gib: u32,
}

/// Why a server can't have what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its subscription is over, ends, or is not paid.
    #[error("the subscription is over, set to end, or not paid")]
    NotNow,
    /// Something else is on its way to Stripe.
    #[error("another change of the subscription is on its way")]
    Busy,
    /// It does not run.
    #[error("the server does not run")]
    Held,
    /// The plan is not sold any more.
    #[error("the plan is not sold any more")]
    NotOffered,
    /// More packs than are sold for one server.
    #[error("at most {most} storage packs are sold for one server")]
    Packs {
        /// How many are; 0 where none are sold.
        most: u32,
    },
    /// It has that already.
    #[error("the server has that already")]
    Same,
    /// It would become smaller, and nobody knows how much is on it.
    #[error("nobody has measured lately how much is on the server")]
    Unmeasured,
    /// What is on it has no room there.
    #[error("what is on the server does not fit")]
    DoesNotFit(Vec<TooMuch>),
}

/// What a change makes of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its size from then on.
    pub size: StoredSize,
    /// Whether the plan gets the price that the catalogue now has. Otherwise it keeps the one that its customer has.
    pub reprices: bool,
    /// What the catalogue says that the plan costs.
    pub plan_price: Money,
    /// What it says that one pack costs; `None` without packs.
    pub pack_price: Option<Money>,
}

/// Looks whether a server may have what is wanted.
pub fn step(now: &Situation<'_>, wanted: Wanted<'_>, pack: Option<&StoragePack>, at: DateTime<Utc>) -> Result<Step, Refusal> {
    let of = now.subscription;
    if now.under_way || of.wish.is_some() {
        return Err(Refusal::Busy);
    }
    if of.status != RemoteStatus::Active || of.standing != Standing::Good || of.cancel_at.is_some() {
        return Err(Refusal::NotNow);
    }
    if now.held {
        return Err(Refusal::Held);
    }
    let same_plan = wanted.plan.code == now.plan_code;
    if !wanted.plan.offered && !same_plan {
        return Err(Refusal::NotOffered);
    }
    // Who has more than are sold now keeps them.
    let most = pack.map_or(0, |pack| pack.most.max(now.size.packs));
    if wanted.packs > most {
        return Err(Refusal::Packs { most });
    }
    let same_interval = wanted.interval == of.billing_interval;
    if same_plan && same_interval && wanted.packs == now.size.packs {
        return Err(Refusal::Same);
    }
    let size = size_of(now, wanted, pack.map_or(0, |pack| pack.gib), same_plan);
    fits(now, wanted, &size, at)?;
    // Packs that a server came back with are part of its plan's price: whoever changes anything then gets them apart.
    let apart = i64::from(of.packs) == i64::from(now.size.packs);
    Ok(Step {
        size,
        reprices: !(same_plan && same_interval && apart),
        plan_price: wanted.plan.price(wanted.interval),
        pack_price: pack.filter(|_| wanted.packs > 0).map(|pack| pack.price(wanted.interval)),
    })
}

/// A server keeps what its plan had when it got it, as long as it keeps the plan. Disks never shrink.
fn size_of(now: &Situation<'_>, wanted: Wanted<'_>, gib: u32, same_plan: bool) -> StoredSize {
    let Wanted { plan, interval: _, packs } = wanted;
    let more = gib.saturating_mul(packs);
    if same_plan {
        let without = now.size.media_gib.saturating_sub(gib.saturating_mul(now.size.packs));
        return StoredSize { size: now.size.size.clone(), media_gib: without.saturating_add(more), packs };
    }
    let (old, new) = (&now.size.size, &plan.size);
    let mut size: Size = new.clone();
    size.database.storage_gib = new.database.storage_gib.max(old.database.storage_gib);
    size.cache.storage_gib = new.cache.storage_gib.max(old.cache.storage_gib);
    StoredSize { size, media_gib: plan.limits.media_gib.saturating_add(more), packs }
}

/// Whether what is on it has room. Where a limit does not become smaller nothing has to be known.
fn fits(now: &Situation<'_>, wanted: Wanted<'_>, size: &StoredSize, at: DateTime<Utc>) -> Result<(), Refusal> {
    let database_now = now.plan.map_or(now.size.size.database.storage_gib, |plan| plan.limits.database_gib);
    let database = if wanted.plan.code == now.plan_code { database_now } else { wanted.plan.limits.database_gib };
    let smaller = [(Room::Media, now.size.media_gib, size.media_gib), (Room::Database, database_now, database)];
    let smaller: Vec<(Room, u32)> =
        smaller.into_iter().filter(|(_, before, after)| after < before).map(|(room, _, after)| (room, after)).collect();
    if smaller.is_empty() {
        return Ok(());
    }
    let usage = now.usage.filter(|usage| usage.is_fresh(at)).ok_or(Refusal::Unmeasured)?;
    let used = |room: Room| match room {
        Room::Media => usage.media_bytes,
        Room::Database => usage.database_bytes,
    };
    let too_much: Vec<TooMuch> = smaller
        .into_iter()
        .filter(|(room, gib)| used(*room) > i64::from(*gib) * GIB)
        .map(|(room, gib)| TooMuch { room, used: used(room), gib })
        .collect();
    if too_much.is_empty() { Ok(()) } else { Err(Refusal::DoesNotFit(too_much)) }
}

/// Bytes.
pub const GIB: i64 = 1 << 30;

#[cfg(test)]
mod tests;
