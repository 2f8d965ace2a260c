//! Webhooks for customers: programs of theirs that are told what happens to their servers.
//!
//! Whatever makes something happen writes the event and who is owed it in its own transaction ([`happened`]); a loop of the worker tells
//! them, and tries again with growing pauses ([`delivery`]). An event may come twice and late, and then carries the same `webhook-id`.

pub mod delivery;
mod event;
mod signing;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::PgConnection;
use url::Url;

pub use event::Event;
pub use signing::{Secret, headers};
pub use store::{DeliveryRow, TryRow, deliveries, find_delivery, find_endpoint, list_endpoints, tries};

use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::crypto::{self, HostKey};
use crate::ids::{AccountId, HookDeliveryId, HookEndpointId, HookEventId, PersonId};
use crate::internet::Reach;

/// Endpoints that an account may have.
pub const MOST: usize = 10;
/// Characters of an address, at most.
pub const LONGEST_URL: usize = 500;
/// For how long the secret before signs as well, after it was changed.
pub const BOTH_SIGN: TimeDelta = TimeDelta::hours(24);
/// For how long what was told is kept.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Whether an endpoint is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// It is.
    On,
    /// Its customer has switched it off.
    Off,
    /// It has not taken anything for days, so we have.
    Failing,
}

/// How far an event is with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type, serde::Serialize, utoipa::ToSchema)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is tried, or tried again.
    Due,
    /// It was taken.
    Delivered,
    /// It was not, and is not tried any more.
    GivenUp,
}

/// An endpoint.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Endpoint {
    /// Which.
    pub id: HookEndpointId,
    /// Whose.
    pub account_id: AccountId,
    /// Where its program listens.
    pub url: String,
    /// The kinds of events that it is told of; none: all of them.
    pub kinds: Vec<String>,
    /// What its secret is made from.
    pub seed: Vec<u8>,
    /// Until when the secret before signs as well.
    pub old_until: Option<DateTime<Utc>>,
    /// Whether it is told.
    pub state: EndpointState,
    /// Since when it has taken nothing.
    pub failing_since: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl Endpoint {
    /// What its requests are signed with.
    pub fn secret(&self, key: &HostKey) -> Secret {
        Secret::of(key, &self.seed)
    }
}

/// Why an endpoint could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// No address, or none that may be called.
    #[error("the address is not one that we call; it begins with https:// and leads to the public internet")]
    Url,
    /// A kind that there is not.
    #[error("there is no such kind of event")]
    Kind,
    /// As many as there may be.
    #[error("there are too many endpoints")]
    TooMany,
    /// Nothing is sent to one that is switched off.
    #[error("the endpoint is switched off; switch it on first")]
    Off,
    /// The database.
    #[error("the endpoints could not be read or written")]
    Database(#[from] sqlx::Error),
}

impl HookError {
    /// The key of the words that say so; nothing for what is no fault of the caller's.
    pub fn key(&self) -> Option<&'static str> {
        match self {
            Self::Url => Some("hooks-url-wrong"),
            Self::Kind => Some("hooks-kind-wrong"),
            Self::TooMany => Some("hooks-too-many"),
            Self::Off => Some("hooks-is-off"),
            Self::Database(_) => None,
        }
    }
}

/// What an endpoint is to be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where its program listens.
    pub url: &'a str,
    /// What it is told of; none: everything.
    pub kinds: &'a [String],
}

/// The address as it is kept, if it may be called.
fn check(reach: Reach, wanted: Wanted<'_>) -> Result<String, HookError> {
    let typed = wanted.url.trim();
    let mut url: Url = typed.parse().map_err(|_| HookError::Url)?;
    url.set_fragment(None);
    if !reach.admits(&url) || url.as_str().chars().count() > LONGEST_URL {
        return Err(HookError::Url);
    }
    if !wanted.kinds.iter().all(|kind| Event::KINDS.contains(&kind.as_str())) {
        return Err(HookError::Kind);
    }
    Ok(url.into())
}

/// Makes an endpoint, in a transaction of its account.
pub async fn create(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    account: AccountId,
    reach: Reach,
    wanted: Wanted<'_>,
) -> Result<HookEndpointId, HookError> {
    let url = check(reach, wanted)?;
    if store::list_endpoints(conn, account).await?.len() >= MOST {
        return Err(HookError::TooMany);
    }
    let id = HookEndpointId::new();
    store::insert_endpoint(conn, clock, id, account, (&url, wanted.kinds), &crypto::random::<32>()).await?;
    let told = json!({ "url": url, "kinds": wanted.kinds });
    audit::record(conn, clock, Actor::Person(person), Some(account), "hook.made", &id.to_string(), told).await?;
    Ok(id)
}

/// Changes where an endpoint is and what it is told of.
pub async fn change(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    endpoint: &Endpoint,
    reach: Reach,
    wanted: Wanted<'_>,
) -> Result<(), HookError> {
    let url = check(reach, wanted)?;
    store::update_endpoint(conn, endpoint.id, &url, wanted.kinds).await?;
    let told = json!({ "url": url, "kinds": wanted.kinds });
    note(conn, clock, person, endpoint, "hook.changed", told).await?;
    Ok(())
}

/// Switches an endpoint on or off. What was owed to one that is switched off is given up; it can be replayed.
pub async fn switch(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    endpoint: &Endpoint,
    on: bool,
) -> sqlx::Result<()> {
    let state = if on { "on" } else { "off" };
    store::set_state(conn, clock, endpoint.id, state).await?;
    note(conn, clock, person, endpoint, if on { "hook.switched_on" } else { "hook.switched_off" }, json!({})).await
}

/// Takes an endpoint away.
pub async fn remove(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId, endpoint: &Endpoint) -> sqlx::Result<()> {
    store::set_state(conn, clock, endpoint.id, "removed").await?;
    note(conn, clock, person, endpoint, "hook.removed", json!({ "url": endpoint.url })).await
}

/// Gives an endpoint another secret; for a day the one before signs as well, so that its program can be changed in between.
pub async fn rotate(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId, endpoint: &Endpoint) -> sqlx::Result<()> {
    store::set_seed(conn, endpoint.id, &crypto::random::<32>(), clock.now() + BOTH_SIGN).await?;
    note(conn, clock, person, endpoint, "hook.secret_changed", json!({})).await
}

/// Owes an endpoint an event that says nothing, to see whether it arrives.
pub async fn test(conn: &mut PgConnection, clock: &dyn Clock, endpoint: &Endpoint) -> Result<HookDeliveryId, HookError> {
    if endpoint.state != EndpointState::On {
        return Err(HookError::Off);
    }
    let event = write(conn, clock, endpoint.account_id, &Event::Test {}).await?;
    Ok(store::insert_delivery(conn, clock, endpoint.account_id, endpoint.id, event).await?)
}

/// Owes an event once more, from the first try on. The request is the same, but for its time and signature.
pub async fn replay(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    endpoint: &Endpoint,
    delivery: HookDeliveryId,
) -> Result<(), HookError> {
    if endpoint.state != EndpointState::On {
        return Err(HookError::Off);
    }
    store::owe_again(conn, clock, delivery).await?;
    note(conn, clock, person, endpoint, "hook.replayed", json!({ "delivery": delivery })).await?;
    Ok(())
}

async fn note(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: PersonId,
    endpoint: &Endpoint,
    action: &str,
    detail: serde_json::Value,
) -> sqlx::Result<()> {
    let (account, id) = (Some(endpoint.account_id), endpoint.id.to_string());
    audit::record(conn, clock, Actor::Person(person), account, action, &id, detail).await
}

/// Something happened: whoever of the account wants to know is owed it once the transaction commits. Nothing is kept where nobody does.
pub async fn happened(conn: &mut PgConnection, clock: &dyn Clock, account: AccountId, event: &Event) -> sqlx::Result<()> {
    let listening = store::listening(conn, account, event.kind()).await?;
    if listening.is_empty() {
        return Ok(());
    }
    let id = write(conn, clock, account, event).await?;
    for endpoint in listening {
        store::insert_delivery(conn, clock, account, endpoint, id).await?;
    }
    Ok(())
}

async fn write(conn: &mut PgConnection, clock: &dyn Clock, account: AccountId, event: &Event) -> sqlx::Result<HookEventId> {
    let payload = event.payload(clock.now()).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let id = HookEventId::new();
    store::insert_event(conn, clock, id, account, event.kind(), &payload).await?;
    Ok(id)
}

/// Forgets what was told a month ago, and endpoints that were taken away. Returns how many events.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    store::forget_old(conn, clock.now() - KEPT).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_called_is_kept() {
        let check = |url: &str, kinds: &[&str]| {
            let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
            check(Reach::Internet, Wanted { url, kinds: &kinds })
        };
        assert_eq!(check(" https://Birds.example/hook#top ", &[]).unwrap(), "https://birds.example/hook");
        assert!(check("https://birds.example/hook", &["server.ready", "payment.failed"]).is_ok());
        let long = format!("https://birds.example/{}", "a".repeat(LONGEST_URL));
        for bad in ["", "birds.example", "http://birds.example/", "https://127.0.0.1/", "https://me:x@birds.example/", &long] {
            assert!(matches!(check(bad, &[]), Err(HookError::Url)), "{bad}");
        }
        assert!(matches!(check("https://birds.example/", &["webhook.test"]), Err(HookError::Kind)));
    }
}
