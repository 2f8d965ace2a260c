//! More than one person may give: one of the staff asks, and it is given once another one agrees (`account::approval`).

use sqlx::PgConnection;

use super::limit::{self, Allowed, GiveError};
use super::{NewGiving, give, left_of, store};
use crate::account::approval::{self, Approval, ApprovalError, Kind};
use crate::billing::store::find_subscription;
use crate::billing::stripe::{InvoiceId, PaidInvoice};
use crate::clock::Clock;
use crate::ids::{GivingId, InstanceId, StaffId};
use crate::instance::Instance;
use crate::money::{Currency, Money};

/// What another one is to agree to. Who asked for it, and why, is in its [`Approval`].
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Proposal {
    /// For which server.
    pub instance_id: InstanceId,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
    /// Of which invoice; as credit without one.
    pub invoice_id: Option<InvoiceId>,
}

impl Proposal {
    /// How much.
    pub fn amount(&self) -> Money {
        Money::new(self.amount_minor, self.currency)
    }
}

/// Why nothing was asked for, or nothing given. The keys of the words that say so are `give-…`.
#[derive(Debug, thiserror::Error)]
pub enum ProposalError {
    /// It can't be given at all.
    #[error(transparent)]
    Give(#[from] GiveError),
    /// The two-person rule.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// The database.
    #[error("what is asked for could not be read or written")]
    Database(#[from] sqlx::Error),
}

impl ProposalError {
    /// The key of the words that say so to staff; nothing for what is no fault of theirs.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            Self::Give(error) => error.key(),
            Self::Approval(ApprovalError::Reason) => Some("give-ask-reason-length"),
            Self::Approval(ApprovalError::Asked) => Some("give-asked-already"),
            Self::Approval(ApprovalError::NotOpen) => Some("give-not-open"),
            Self::Approval(ApprovalError::TooSoon) => Some("give-too-soon"),
            Self::Approval(ApprovalError::SamePerson) => Some("give-same-person"),
            Self::Approval(ApprovalError::Database(_)) | Self::Database(_) => None,
        }
    }
}

/// The first step: somebody asks for what they may not give alone. One at a time for each server.
///
/// # Errors
/// What could not be given when another one agreed is not asked for either.
pub async fn propose(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    instance: &Instance,
    new: &NewGiving<'_>,
) -> Result<(), ProposalError> {
    let NewGiving { amount, invoice, reason } = *new;
    if !limit::REASON.contains(&reason.trim().chars().count()) {
        return Err(GiveError::Reason.into());
    }
    find_subscription(conn, instance.id).await?.ok_or(GiveError::NothingPaid)?;
    let (left, nothing) = (left_of(conn, invoice).await?, Money::new(0, amount.currency));
    // Whoever the second will be: the limit of one person does not count.
    limit::check(amount, left, nothing, Allowed::ByTwo { second: staff })?;
    approval::ask(conn, clock, staff, Kind::Giving, &instance.id.to_string(), reason).await?;
    let proposal = Proposal {
        instance_id: instance.id,
        amount_minor: amount.minor,
        currency: amount.currency,
        invoice_id: invoice.map(|invoice| invoice.id.clone()),
    };
    Ok(store::propose(conn, &proposal).await?)
}

/// What waits for somebody's word about a server.
pub async fn open_proposal(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    instance: InstanceId,
) -> sqlx::Result<Option<(Approval, Proposal)>> {
    let open = approval::open_about(conn, clock, Kind::Giving, &instance.to_string()).await?;
    let proposal = store::proposal(conn, instance).await?;
    Ok(open.zip(proposal))
}

/// The second step: another one agrees, and it is given. `paid`: the paid invoices as Stripe has them now.
///
/// # Errors
/// When another one has to agree, or what was asked for can't be given any more.
pub async fn agree(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    instance: &Instance,
    paid: &[PaidInvoice],
) -> Result<GivingId, ProposalError> {
    let Approval { asked_by, reason, .. } = approval::give(conn, clock, staff, Kind::Giving, &instance.id.to_string()).await?;
    let proposal = store::take_proposal(conn, instance.id).await?.ok_or(ApprovalError::NotOpen)?;
    let invoice = match &proposal.invoice_id {
        Some(id) => Some(paid.iter().find(|invoice| invoice.id == *id).ok_or(GiveError::NothingPaid)?),
        None => None,
    };
    let new = NewGiving { amount: proposal.amount(), invoice, reason: &reason };
    Ok(give(conn, clock, asked_by, instance, Allowed::ByTwo { second: staff }, &new).await?)
}

/// Who asked takes it back, or another one says no.
///
/// # Errors
/// When nothing waits.
pub async fn refuse(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    staff: StaffId,
    instance: InstanceId,
) -> Result<(), ProposalError> {
    approval::refuse(conn, clock, staff, Kind::Giving, &instance.to_string()).await?;
    store::take_proposal(conn, instance).await?;
    Ok(())
}
