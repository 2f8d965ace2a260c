//! SQL of changes.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::clock::Clock;
use crate::ids::{AccountId, ChangeId, InstanceId, SubscriptionId};
use crate::instance::StoredSize;
use crate::money::{Currency, Money};
use crate::plan::Interval;

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum ChangeState {
    /// On its way to Stripe.
    Asked,
    /// Made.
    Done,
    /// Not made; nothing was charged for it.
    Void,
}

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The card was not charged.
    Declined,
    /// It would have cost more than was shown.
    Price,
    /// The subscription was no longer paid up when its turn came.
    NotNow,
    /// The payment company refused it.
    Refused,
}

impl Why {
    /// The word in keys of locale files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Price => "price",
            Self::NotNow => "not-now",
            Self::Refused => "refused",
        }
    }
}

/// A change.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Change {
    /// Which.
    pub id: ChangeId,
    /// Whose.
    pub account_id: AccountId,
    /// Of which server.
    pub instance_id: InstanceId,
    /// Of which subscription.
    pub subscription_id: SubscriptionId,
    /// Where it stands.
    pub state: ChangeState,
    /// The plan from then on.
    pub plan_code: String,
    /// How often it is paid from then on.
    pub billing_interval: Interval,
    /// How large the server is from then on.
    pub size: Json<StoredSize>,
    /// Whether the plan gets another price.
    pub reprices: bool,
    /// The plan's price, if so.
    pub plan_minor: i64,
    /// The price of one pack, where there are any.
    pub pack_minor: Option<i64>,
    /// What was shown as due at once.
    pub due_minor: i64,
    /// Of which currency.
    pub currency: Currency,
    /// As of when is prorated.
    pub as_of: DateTime<Utc>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was made, or given up.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it was not made.
    pub why: Option<Why>,
}

impl Change {
    /// What the plan costs from then on, if it gets another price.
    pub fn plan_price(&self) -> Money {
        Money::new(self.plan_minor, self.currency)
    }

    /// What one pack costs from then on.
    pub fn pack_price(&self) -> Option<Money> {
        self.pack_minor.map(|minor| Money::new(minor, self.currency))
    }

    /// What was shown as due at once.
    pub fn due(&self) -> Money {
        Money::new(self.due_minor, self.currency)
    }
}

macro_rules! columns {
    () => {
        "id, account_id, instance_id, subscription_id, state, plan_code, billing_interval, size, reprices, plan_minor, pack_minor, \
         due_minor, currency, as_of, created_at, ended_at, why"
    };
}

/// The newest change of a server.
pub async fn newest_change(conn: &mut PgConnection, instance: InstanceId) -> sqlx::Result<Option<Change>> {
    sqlx::query_as(concat!("select ", columns!(), " from changes where instance_id = $1 order by id desc limit 1"))
        .bind(instance)
        .fetch_optional(conn)
        .await
}

pub(super) async fn find(conn: &mut PgConnection, id: ChangeId) -> sqlx::Result<Option<Change>> {
    sqlx::query_as(concat!("select ", columns!(), " from changes where id = $1")).bind(id).fetch_optional(conn).await
}

/// Whether one is on its way.
pub(in crate::billing) async fn is_under_way(conn: &mut PgConnection, subscription: SubscriptionId) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from changes where subscription_id = $1 and state = 'asked')")
        .bind(subscription)
        .fetch_one(conn)
        .await
}

pub(super) async fn insert(conn: &mut PgConnection, change: &Change) -> sqlx::Result<()> {
    let Change {
        id,
        account_id,
        instance_id,
        subscription_id,
        state,
        plan_code,
        billing_interval,
        size,
        reprices,
        plan_minor,
        pack_minor,
        due_minor,
        currency,
        as_of,
        created_at,
        ended_at: _,
        why: _,
    } = change;
    sqlx::query(
        "insert into changes (id, account_id, instance_id, subscription_id, state, plan_code, billing_interval, size, reprices, plan_minor,
                              pack_minor, due_minor, currency, as_of, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(id)
    .bind(account_id)
    .bind(instance_id)
    .bind(subscription_id)
    .bind(state)
    .bind(plan_code)
    .bind(billing_interval)
    .bind(size)
    .bind(reprices)
    .bind(plan_minor)
    .bind(pack_minor)
    .bind(due_minor)
    .bind(currency)
    .bind(as_of)
    .bind(created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// It is over; `false` when it was before.
pub(super) async fn end(conn: &mut PgConnection, clock: &dyn Clock, id: ChangeId, why: Option<Why>) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "update changes set state = case when $2::text is null then 'done' else 'void' end, why = $2, ended_at = $3
         where id = $1 and state = 'asked'",
    )
    .bind(id)
    .bind(why)
    .bind(clock.now())
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
