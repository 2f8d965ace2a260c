//! Jobs that compare with Stripe. Network first, then one transaction.

use super::{Deps, Handle, JobError};
use crate::audit::Actor;
use crate::billing::change::{self, Till};
use crate::billing::giving::{self, GivingError};
use crate::billing::jobs::{
    CarryChange, CarryGiving, CarryWish, ReviewStandings, SettleOrder, SyncCheckout, SyncPrices, SyncSubscription, TakeFree,
};
use crate::billing::stripe::StripeError;
use crate::billing::{self, CarryError, Remote, SettleError, SyncError};
use crate::crash;
use crate::queue;

impl From<SyncFailed> for JobError {
    fn from(failed: SyncFailed) -> Self {
        match failed {
            SyncFailed::Stripe(error) => of_stripe(error),
            SyncFailed::Sync(error) if error.is_retryable() => Self::Retry(error.into()),
            SyncFailed::Sync(error) => Self::Fail(error.into()),
        }
    }
}

/// Keeps the two apart that a blanket conversion would throw together.
enum SyncFailed {
    Stripe(StripeError),
    Sync(SyncError),
}

pub(super) fn of_stripe(error: StripeError) -> JobError {
    if error.is_retryable() { JobError::Retry(error.into()) } else { JobError::Fail(error.into()) }
}

async fn take_in(deps: &Deps, remote: Result<Remote, StripeError>) -> Result<(), SyncFailed> {
    let remote = remote.map_err(SyncFailed::Stripe)?;
    crash::point("sync.fetched");
    let mut tx = deps.db.worker().begin().await.map_err(|error| SyncFailed::Sync(error.into()))?;
    let order = billing::sync(&mut tx, deps.clock.as_ref(), &remote).await.map_err(SyncFailed::Sync)?;
    if let Some(order) = order {
        let followed = billing::follow_standing(&mut tx, deps.clock.as_ref(), &deps.dates, &order).await;
        followed.map_err(SyncFailed::Sync)?;
    }
    crash::point("sync.before_commit");
    tx.commit().await.map_err(|error| SyncFailed::Sync(error.into()))?;
    crash::point("sync.committed");
    Ok(())
}

impl Handle for SyncCheckout {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let remote = billing::fetch_checkout(deps.stripe.as_ref(), deps.clock.as_ref(), &self.checkout).await;
        take_in(deps, remote).await.map_err(JobError::from)
    }
}

impl Handle for SyncSubscription {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let remote = billing::fetch_subscription(deps.stripe.as_ref(), deps.clock.as_ref(), &self.subscription).await;
        take_in(deps, remote).await.map_err(JobError::from)
    }
}

impl Handle for ReviewStandings {
    /// Only enqueues: each is then looked at by the job that a webhook would have caused. Nobody is paused by what we only remember.
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut conn = deps.db.worker().acquire().await?;
        for subscription in billing::to_review(&mut conn, deps.clock.now()).await? {
            queue::enqueue(&mut conn, &SyncSubscription { subscription }, None).await?;
        }
        Ok(())
    }
}

fn of_carrying(error: CarryError) -> JobError {
    match error {
        CarryError::Stripe(error) => of_stripe(error),
        CarryError::Sync(error) if !error.is_retryable() => JobError::Fail(error.into()),
        error @ (CarryError::Sync(_) | CarryError::Database(_)) => JobError::Retry(error.into()),
    }
}

impl Handle for CarryWish {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let (clock, stripe) = (deps.clock.as_ref(), deps.stripe.as_ref());
        billing::carry_wish(&deps.db, clock, stripe, &deps.dates, self.subscription).await.map_err(of_carrying)
    }
}

impl Handle for CarryChange {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let Deps { db, clock, stripe, catalogue, .. } = deps;
        let till = Till { db, clock: clock.as_ref(), stripe: stripe.as_ref(), catalogue };
        change::carry_change(till, &deps.dates, self.change).await.map_err(of_carrying)
    }
}

impl Handle for TakeFree {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        Ok(billing::take_free(&deps.db, deps.clock.as_ref(), self.order).await?)
    }
}

impl Handle for CarryGiving {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let given = giving::carry_giving(&deps.db, deps.clock.as_ref(), deps.stripe.as_ref(), self.giving).await;
        given.map_err(|error| match error {
            GivingError::Stripe(error) => of_stripe(error),
            error @ GivingError::Database(_) => JobError::Retry(error.into()),
        })
    }
}

impl Handle for SettleOrder {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let settled = billing::settle(&deps.db, deps.clock.as_ref(), deps.stripe.as_ref(), self.order, self.early).await;
        settled.map_err(|error| match error {
            SettleError::Stripe(error) => of_stripe(error),
            SettleError::Sync(error) if !error.is_retryable() => JobError::Fail(error.into()),
            error @ (SettleError::Sync(_) | SettleError::BeingOpened | SettleError::Database(_)) => JobError::Retry(error.into()),
        })
    }
}

impl Handle for SyncPrices {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        for wanted in billing::prices_wanted(&deps.catalogue) {
            let mut conn = deps.db.worker().acquire().await?;
            let known = billing::known_price(&mut conn, &wanted.lookup_key).await?;
            drop(conn);
            if known.is_none() {
                let price = deps.stripe.ensure_price(&wanted).await.map_err(of_stripe)?;
                let mut tx = deps.db.worker().begin().await?;
                billing::keep_price(&mut tx, deps.clock.as_ref(), Actor::System("billing"), &wanted, &price).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }
}
