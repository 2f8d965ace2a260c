//! SQL of what staff have given.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::proposal::Proposal;
use crate::billing::stripe::InvoiceId;
use crate::clock::Clock;
use crate::ids::{AccountId, GivingId, InstanceId, StaffId};
use crate::money::{Currency, Money};

/// What is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Kind {
    /// Money of a paid invoice, to the card.
    Refund,
    /// Credit, set off against the next invoices.
    Credit,
}

impl Kind {
    /// What the audit log calls it.
    pub(super) fn action(self) -> &'static str {
        match self {
            Self::Refund => "money.refund",
            Self::Credit => "money.credit",
        }
    }

    /// The word in keys of locale files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::Credit => "credit",
        }
    }
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum GivingState {
    /// On its way to Stripe.
    Asked,
    /// Given.
    Done,
    /// Stripe refused it; nothing was given.
    Void,
}

/// Something that staff have given a customer.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Giving {
    /// Which.
    pub id: GivingId,
    /// To whom.
    pub account_id: AccountId,
    /// For which server.
    pub instance_id: InstanceId,
    /// What.
    pub kind: Kind,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
    /// Of which invoice.
    pub invoice_id: Option<InvoiceId>,
    /// Why.
    pub reason: String,
    /// By whom.
    pub staff_id: StaffId,
    /// Who agreed, where that was needed.
    pub second_id: Option<StaffId>,
    /// Where it stands.
    pub state: GivingState,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was given, or refused.
    pub ended_at: Option<DateTime<Utc>>,
    /// Stripe's words, when it refused.
    pub why: Option<String>,
}

impl Giving {
    /// How much.
    pub fn amount(&self) -> Money {
        Money::new(self.amount_minor, self.currency)
    }
}

macro_rules! columns {
    () => {
        "id, account_id, instance_id, kind, amount_minor, currency, invoice_id, reason, staff_id, second_id, state, created_at, ended_at, why"
    };
}

/// What was given for a server, newest first, at most 50.
pub async fn list_givings(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Vec<Giving>> {
    sqlx::query_as(concat!("select ", columns!(), " from givings where instance_id = $1 order by id desc limit 50"))
        .bind(instance)
        .fetch_all(conn)
        .await
}

pub(super) async fn find(conn: &mut PgConnection, id: GivingId) -> sqlx::Result<Option<Giving>> {
    sqlx::query_as(concat!("select ", columns!(), " from givings where id = $1")).bind(id).fetch_optional(conn).await
}

/// Others who give something to this account wait until this transaction ends.
pub(super) async fn take_turns(conn: &mut PgConnection, account: AccountId) -> sqlx::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('paddock.giving.' || $1::text, 0))")
        .bind(account)
        .execute(conn)
        .await?;
    Ok(())
}

/// What somebody has given to an account by themselves since then, in minor units.
pub(super) async fn given(
    conn: &mut PgConnection,
    staff: StaffId,
    account: AccountId,
    since: DateTime<Utc>,
    currency: Currency,
) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "select coalesce(sum(amount_minor), 0)::bigint from givings
         where staff_id = $1 and account_id = $2 and created_at > $3 and currency = $4 and state <> 'void' and second_id is null",
    )
    .bind(staff)
    .bind(account)
    .bind(since)
    .bind(currency)
    .fetch_one(conn)
    .await
}

/// What of an invoice is to be given back and Stripe does not know yet, in minor units.
pub(super) async fn promised(conn: &mut PgConnection, invoice: &InvoiceId) -> sqlx::Result<i64> {
    sqlx::query_scalar("select coalesce(sum(amount_minor), 0)::bigint from givings where invoice_id = $1 and state = 'asked'")
        .bind(invoice)
        .fetch_one(conn)
        .await
}

pub(super) async fn insert(conn: &mut PgConnection, giving: &Giving) -> sqlx::Result<()> {
    let Giving {
        id,
        account_id,
        instance_id,
        kind,
        amount_minor,
        currency,
        invoice_id,
        reason,
        staff_id,
        second_id,
        state,
        created_at,
        ended_at: _,
        why: _,
    } = giving;
    sqlx::query(
        "insert into givings (id, account_id, instance_id, kind, amount_minor, currency, invoice_id, reason, staff_id, second_id, state,
                              created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(id)
    .bind(account_id)
    .bind(instance_id)
    .bind(kind)
    .bind(amount_minor)
    .bind(currency)
    .bind(invoice_id)
    .bind(reason)
    .bind(staff_id)
    .bind(second_id)
    .bind(state)
    .bind(created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// What was proposed and nobody has agreed to in time makes room.
pub(super) async fn propose(conn: &mut PgConnection, proposal: &Proposal) -> sqlx::Result<()> {
    let Proposal { instance_id, amount_minor, currency, invoice_id } = proposal;
    sqlx::query(
        "insert into giving_proposals (instance_id, amount_minor, currency, invoice_id) values ($1, $2, $3, $4)
         on conflict (instance_id) do update
         set amount_minor = excluded.amount_minor, currency = excluded.currency, invoice_id = excluded.invoice_id",
    )
    .bind(instance_id)
    .bind(amount_minor)
    .bind(currency)
    .bind(invoice_id)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn proposal(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Option<Proposal>> {
    sqlx::query_as("select instance_id, amount_minor, currency, invoice_id from giving_proposals where instance_id = $1")
        .bind(instance)
        .fetch_optional(conn)
        .await
}

pub(super) async fn take_proposal(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Option<Proposal>> {
    sqlx::query_as(
        "delete from giving_proposals where instance_id = $1 returning instance_id, amount_minor, currency, invoice_id",
    )
    .bind(instance)
    .fetch_optional(conn)
    .await
}

/// It is over; `false` when it was before.
pub(super) async fn end(conn: &mut PgConnection, clock: &dyn Clock, id: GivingId, why: Option<&str>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update givings set state = case when $2::text is null then 'done' else 'void' end, why = $2, ended_at = $3
         where id = $1 and state = 'asked'",
    )
    .bind(id)
    .bind(why)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
