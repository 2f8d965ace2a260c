//! What follows from a standing: mails, a reason for which the server does not run, and none when the money has come. Called with each look
//! at Stripe, in its transaction, so nobody is paused by what we only remember; and what is due by time alone begins with such a look.

mod store;

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use self::store::{ExtensionRow, list_extensions, to_review};
use super::jobs::SyncSubscription;
use super::standing::{Course, Dates, Facts, Payment, Standing, Step, course};
use super::store::{Order, OrderState, Subscription, lock_subscription};
use super::stripe::RemoteStatus;
use super::sync::SyncError;
use crate::account::{self, Person, hook};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::StaffId;
use crate::instance::{self, Hold, Instance, Intent};
use crate::mail::{self, Notice};
use crate::queue;

const ACTOR: Actor = Actor::System("billing");
/// Characters of a reason.
const REASON: std::ops::RangeInclusive<usize> = 3..=200;

/// What Stripe says of the money of a paid order. What never began is no matter of standing.
fn payment(subscription: &Subscription, now: DateTime<Utc>) -> Option<Payment> {
    match subscription.status {
        RemoteStatus::Active | RemoteStatus::Trialing => Some(Payment::Settled),
        RemoteStatus::PastDue | RemoteStatus::Unpaid | RemoteStatus::Paused => {
            // Without an open invoice it is owed since we noticed.
            Some(Payment::Owed(subscription.open_invoice_since.or(subscription.owed_since).unwrap_or(now)))
        }
        RemoteStatus::Canceled => Some(Payment::Over(subscription.ended_at.unwrap_or(subscription.synced_at))),
        RemoteStatus::Incomplete | RemoteStatus::IncompleteExpired => None,
    }
}

/// What the matter is that mails are about.
fn episode(payment: Payment) -> Option<DateTime<Utc>> {
    match payment {
        Payment::Settled => None,
        Payment::Owed(since) | Payment::Over(since) => Some(since),
    }
}

/// Makes everything follow from where the order's subscription now stands, in the transaction that has looked at Stripe. The order's row is
/// locked by that.
pub async fn follow_standing(conn: &mut PgConnection, clock: &dyn Clock, dates: &Dates, order: &Order) -> Result<(), SyncError> {
    if order.state != OrderState::Paid {
        return Ok(());
    }
    let Some(subscription) = lock_subscription(conn, order.instance_id).await? else { return Ok(()) };
    let now = clock.now();
    let Some(payment) = payment(&subscription, now) else { return Ok(()) };
    let Some(instance) = instance::find(conn, order.instance_id).await? else { return Ok(()) };
    let gone = instance.released_at.is_some()
        || instance::removal_of(conn, instance.id).await?.is_some_and(|removal| removal.confirmed_at.is_some());
    if gone {
        // What is over at Stripe and here is as it should be.
        return if subscription.status.takes_money() { Err(SyncError::PaidTooLate(order.id)) } else { Ok(()) };
    }
    // By far the most looks find everything as it was.
    if payment == Payment::Settled && subscription.standing == Standing::Good && subscription.cancel_at.is_none() {
        return Ok(());
    }
    let owner = account::list_members(conn, order.account_id).await?.into_iter().next();

    let episode = episode(payment);
    let mut told = match episode {
        Some(episode) => store::told(conn, subscription.id, episode).await?,
        None => Vec::new(),
    };
    let archive_proven_at = instance::archive_proven_at(conn, instance.id).await?;
    let look = |told: &[(Step, DateTime<Utc>)]| {
        let facts = Facts { payment, told, extended_until: subscription.extended_until, archive_proven_at };
        course(&facts, dates, now)
    };
    let mut found = look(&told);
    if let (Some(step), Some(episode)) = (found.tell, episode) {
        store::note_told(conn, subscription.id, episode, step, now).await?;
        told.push((step, now));
        // What follows depends on when they were told.
        found = look(&told);
        let matter = Matter { subscription: &subscription, instance: &instance, owner: owner.as_ref() };
        matter.tell(conn, clock, step, &found, matches!(payment, Payment::Over(_)), dates).await?;
    }
    take_effect(conn, clock, &instance, payment, found.standing).await?;
    let matter = Matter { subscription: &subscription, instance: &instance, owner: owner.as_ref() };
    if payment == Payment::Settled {
        matter.settled(conn, clock, dates).await?;
    }
    let owed_since = match payment {
        Payment::Owed(since) => Some(since),
        Payment::Settled | Payment::Over(_) => None,
    };
    if store::write_standing(conn, subscription.id, &found, owed_since).await? {
        let Course { standing, since, until, tell: _, review_at: _, waits_for_archive } = found;
        let detail = json!({
            "from": subscription.standing, "to": standing, "since": since, "until": until, "waits_for_archive": waits_for_archive,
        });
        let (account, id) = (Some(order.account_id), subscription.id.to_string());
        audit::record(conn, clock, ACTOR, account, "subscription.standing", &id, detail).await?;
        if subscription.standing == Standing::Good && matches!(payment, Payment::Owed(_)) {
            let (instance, domain, amount) = (instance.id, instance.domain.clone(), subscription.price());
            let event = hook::Event::PaymentFailed { instance, domain, amount };
            hook::happened(conn, clock, order.account_id, &event).await?;
        }
    }
    Ok(())
}

/// Holds the server or lets go of it.
async fn take_effect(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    instance: &Instance,
    payment: Payment,
    standing: Standing,
) -> sqlx::Result<()> {
    let over: (Option<Hold>, &[Hold]) = (Some(Hold::Over), &[Hold::Unpaid]);
    let (set, lifted) = match payment {
        Payment::Over(_) => over,
        Payment::Settled | Payment::Owed(_) => match standing {
            Standing::Ended => over,
            Standing::Suspended | Standing::Ending => (Some(Hold::Unpaid), &[Hold::Over][..]),
            Standing::Good | Standing::Grace => (None, &[Hold::Unpaid, Hold::Over][..]),
        },
    };
    // The new reason first: in between nothing is let run.
    if let Some(hold) = set {
        instance::hold(conn, clock, ACTOR, instance.id, hold, "").await?;
    }
    instance::lift(conn, clock, ACTOR, instance.id, lifted, "paid").await?;
    Ok(())
}

/// Whom and what mails are about.
#[derive(Clone, Copy)]
struct Matter<'a> {
    subscription: &'a Subscription,
    instance: &'a Instance,
    owner: Option<&'a Person>,
}

impl Matter<'_> {
    async fn owe(self, conn: &mut PgConnection, clock: &dyn Clock, notice: &Notice) -> sqlx::Result<()> {
        // No unique key: `standing_mails` says what was told, and keeps it longer than mails are kept.
        let Some(owner) = self.owner else { return Ok(()) };
        mail::owe(conn, clock, &owner.email, &owner.locale, notice, None).await
    }

    /// Owes the mail of a step.
    async fn tell(
        self,
        conn: &mut PgConnection,
        clock: &dyn Clock,
        step: Step,
        found: &Course,
        over: bool,
        dates: &Dates,
    ) -> sqlx::Result<()> {
        let (instance, domain) = (self.instance.id, self.instance.domain.clone());
        let until = found.until.unwrap_or_else(|| clock.now());
        let notice = match step {
            Step::Owed(_) => Notice::PaymentFailed { instance, domain, amount: self.subscription.price(), until },
            Step::Suspended => Notice::ServerPaused { instance, domain, until },
            Step::Ending(day) => {
                let last = dates.ending_mails.last() == Some(&day);
                Notice::ServerEnding { instance, domain, until, unpaid: !over, last }
            }
        };
        self.owe(conn, clock, &notice).await
    }

    /// Says that the money has come where it was asked for, and when an end is noted.
    async fn settled(self, conn: &mut PgConnection, clock: &dyn Clock, dates: &Dates) -> sqlx::Result<()> {
        let (instance, domain) = (self.instance.id, self.instance.domain.clone());
        if self.subscription.standing != Standing::Good {
            let holds = instance::list_holds(conn, instance).await?;
            let runs = holds.is_empty() && self.instance.intent != Intent::Absent;
            self.owe(conn, clock, &Notice::PaymentReceived { instance, domain: domain.clone(), runs }).await?;
        }
        if let Some(at) = self.subscription.cancel_at.filter(|at| *at > clock.now())
            && store::note_cancellation(conn, self.subscription.id, at, clock.now()).await?
        {
            let kept_until = at + dates.ending;
            self.owe(conn, clock, &Notice::CancellationNoted { instance, domain, at, kept_until }).await?;
        }
        Ok(())
    }
}

/// Why staff could not give time. The keys of the words that say so are `extend-…`.
#[derive(Debug, thiserror::Error)]
pub enum ExtendError {
    /// It says nothing, or too much.
    #[error("a reason has between {} and {} characters", REASON.start(), REASON.end())]
    Reason,
    /// Not ahead, or more than a year ahead.
    #[error("time is given for a day to a year")]
    Date,
    /// Nothing is owed and nothing ends.
    #[error("nothing is asked of this customer")]
    NothingDue,
    /// The database.
    #[error("the time could not be written down")]
    Database(#[from] sqlx::Error),
}

/// Days that staff may give at a time.
const GIVEN: std::ops::RangeInclusive<u16> = 1..=365;

/// Staff give a customer time, counted from now, with a reason. What follows from it begins with the next look at Stripe, which is owed at once.
pub async fn extend(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    instance: &Instance,
    days: u16,
    reason: &str,
) -> Result<(), ExtendError> {
    let reason = reason.trim();
    if !REASON.contains(&reason.chars().count()) {
        return Err(ExtendError::Reason);
    }
    if !GIVEN.contains(&days) {
        return Err(ExtendError::Date);
    }
    let until = clock.now() + chrono::TimeDelta::days(days.into());
    let subscription = lock_subscription(conn, instance.id).await?.ok_or(ExtendError::NothingDue)?;
    if subscription.standing == Standing::Good {
        return Err(ExtendError::NothingDue);
    }
    store::insert_extension(conn, clock, subscription.id, until, reason, staff).await?;
    let remote = subscription.stripe_subscription_id.clone();
    queue::enqueue(conn, &SyncSubscription { subscription: remote }, None).await?;
    let detail = json!({ "until": until, "reason": reason });
    let (actor, account, id) = (Actor::Staff(staff), Some(instance.account_id), subscription.id.to_string());
    Ok(audit::record(conn, clock, actor, account, "subscription.extended", &id, detail).await?)
}

impl ExtendError {
    /// The key of the words that say so to staff; nothing for what is no fault of theirs.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            Self::Reason => Some("extend-reason-length"),
            Self::Date => Some("extend-days-wrong"),
            Self::NothingDue => Some("extend-nothing-due"),
            Self::Database(_) => None,
        }
    }
}
