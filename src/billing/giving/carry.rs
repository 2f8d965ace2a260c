//! Tells Stripe what staff give.

use serde_json::json;

use super::store::{self, Giving, Kind};
use crate::audit::{self, Actor};
use crate::billing::store::customer_of;
use crate::billing::stripe::{Stripe, StripeError};
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::GivingId;

/// Why something was not given yet.
#[derive(Debug, thiserror::Error)]
pub enum GivingError {
    /// Stripe.
    #[error("Stripe could not be told what is given")]
    Stripe(#[from] StripeError),
    /// The database.
    #[error("what is given could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// Gives what was written down. What Stripe refuses is not given, and staff read why. It may be repeated: Stripe knows it by our id.
pub async fn carry_giving(db: &Db, clock: &dyn Clock, stripe: &dyn Stripe, id: GivingId) -> Result<(), GivingError> {
    let mut conn = db.worker().acquire().await?;
    let Some(giving) = store::find(&mut conn, id).await?.filter(|giving| giving.ended_at.is_none()) else { return Ok(()) };
    let customer = customer_of(&mut conn, giving.account_id).await?;
    drop(conn);
    let told = match (giving.kind, &giving.invoice_id, customer) {
        (Kind::Refund, Some(invoice), _) => stripe.refund(invoice, giving.amount(), giving.id, &giving.reason).await,
        (Kind::Credit, _, Some(customer)) => stripe.credit(&customer, giving.amount(), giving.id, &giving.reason).await,
        (Kind::Refund, None, _) | (Kind::Credit, _, None) => {
            Err(StripeError::NotFound { message: "there is no invoice, or no customer, to give it to".to_owned() })
        }
    };
    let why = match told {
        Ok(()) => None,
        Err(error) if error.is_retryable() => return Err(error.into()),
        Err(error) => Some(error.to_string()),
    };
    let mut tx = db.worker().begin().await?;
    if store::end(&mut tx, clock, giving.id, why.as_deref()).await? {
        let Giving { account_id, kind, instance_id, .. } = giving;
        let action = if why.is_none() { format!("{}_done", kind.action()) } else { format!("{}_void", kind.action()) };
        let detail = json!({ "giving": giving.id, "why": why });
        let actor = Actor::System("billing");
        audit::record(&mut tx, clock, actor, Some(account_id), &action, &instance_id.to_string(), detail).await?;
    }
    tx.commit().await?;
    Ok(())
}
