//! Staff give money back, or credit for the next invoices: within a limit that depends on what they may, with a reason, and in the audit log.
//!
//! In one transaction it is written down, and a job tells Stripe. How much somebody may give is counted over [`WINDOW`] for each account, so that
//! many small ones are not more than a large one. More than that needs a second person: it is refused here with [`GiveError::SecondNeeded`], and
//! can be [proposed](propose); once another one [agrees](agree) it is given.

mod carry;
pub mod limit;
mod proposal;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;

pub use self::carry::{GivingError, carry_giving};
pub use self::limit::{Allowed, GiveError, Limits, check};
pub use self::proposal::{Proposal, ProposalError, agree, open_proposal, propose, refuse};
pub use self::store::{Giving, GivingState, Kind, list_givings};
use super::jobs::CarryGiving;
use super::store::find_subscription;
use super::stripe::{InvoiceId, PaidInvoice};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::{GivingId, StaffId};
use crate::instance::Instance;
use crate::money::{Currency, Money};
use crate::queue;

/// Over how long what somebody has given to an account is counted together.
pub const WINDOW: TimeDelta = TimeDelta::days(30);

/// What is to be given.
#[derive(Debug, Clone)]
pub struct NewGiving<'a> {
    /// How much.
    pub amount: Money,
    /// To the card, of a paid invoice as Stripe now has it; without one as credit.
    pub invoice: Option<&'a PaidInvoice>,
    /// Why.
    pub reason: &'a str,
}

/// Writes down what staff give, in the caller's transaction; a job tells Stripe.
///
/// # Errors
/// See [`GiveError`].
pub async fn give(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    instance: &Instance,
    allowed: Allowed,
    new: &NewGiving<'_>,
) -> Result<GivingId, GiveError> {
    let NewGiving { amount, invoice, reason } = *new;
    let reason = reason.trim();
    if !limit::REASON.contains(&reason.chars().count()) {
        return Err(GiveError::Reason);
    }
    let subscription = find_subscription(conn, instance.id).await?.ok_or(GiveError::NothingPaid)?;
    // Two at once take turns: else each would find that the other had given nothing.
    store::take_turns(conn, instance.account_id).await?;
    let given = store::given(conn, staff, instance.account_id, clock.now() - WINDOW, amount.currency).await?;
    let left = left_of(conn, invoice).await?;
    check(amount, left, Money::new(given, amount.currency), allowed)?;
    let giving = Giving {
        id: GivingId::new(),
        account_id: instance.account_id,
        instance_id: instance.id,
        kind: if invoice.is_some() { Kind::Refund } else { Kind::Credit },
        amount_minor: amount.minor,
        currency: amount.currency,
        invoice_id: invoice.map(|invoice| invoice.id.clone()),
        reason: reason.to_owned(),
        staff_id: staff,
        second_id: match allowed {
            Allowed::ByOne { most: _ } => None,
            Allowed::ByTwo { second } => Some(second),
        },
        state: GivingState::Asked,
        created_at: clock.now(),
        ended_at: None,
        why: None,
    };
    store::insert(conn, &giving).await?;
    queue::enqueue(conn, &CarryGiving { giving: giving.id }, None).await?;
    let detail = json!({
        "giving": giving.id, "amount": amount, "invoice": giving.invoice_id, "reason": reason, "second": giving.second_id,
    });
    let (action, account, id) = (giving.kind.action(), Some(instance.account_id), subscription.id.to_string());
    audit::record(conn, clock, Actor::Staff(staff), account, action, &id, detail).await?;
    Ok(giving.id)
}

/// What of an invoice can still be given back, with what Stripe does not know yet.
async fn left_of(conn: &mut PgConnection, invoice: Option<&PaidInvoice>) -> sqlx::Result<Option<Money>> {
    let Some(invoice) = invoice else { return Ok(None) };
    let promised = store::promised(conn, &invoice.id).await?;
    Ok(Some(Money::new(invoice.left().minor.saturating_sub(promised), invoice.paid.currency)))
}

/// Since when what is given now is counted together with what was given before.
pub fn counted_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - WINDOW
}

/// What somebody has given to an account lately.
pub async fn given_lately(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    instance: &Instance,
    currency: Currency,
) -> sqlx::Result<Money> {
    let given = store::given(conn, staff, instance.account_id, counted_since(clock.now()), currency).await?;
    Ok(Money::new(given, currency))
}

/// The invoice of this id among those that are paid.
pub fn find_invoice<'a>(paid: &'a [PaidInvoice], id: &str) -> Option<&'a PaidInvoice> {
    let id: InvoiceId = id.parse().ok()?;
    paid.iter().find(|invoice| invoice.id == id)
}
