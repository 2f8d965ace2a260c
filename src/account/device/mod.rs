//! Browsers and programs that somebody has logged in from: a new one is told by mail, a known one is not in the way of strangers' attempts.

mod store;

use std::net::IpAddr;

use chrono::TimeDelta;
use sqlx::PgConnection;

use super::Person;
use crate::clock::Clock;
use crate::ids::PersonId;
use crate::mail::{self, Notice};

/// One that nobody logs in from for this long is forgotten.
const KEPT: TimeDelta = TimeDelta::days(400);

/// Whether somebody with this address, in the form to compare, has logged in from the device.
pub async fn is_known(conn: &mut PgConnection, device: &[u8], address: &str) -> sqlx::Result<bool> {
    store::is_known(conn, device, address).await
}

/// Notes that somebody has logged in from a device. If they have used others before and this one is new, they are told.
pub async fn seen(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    person: &Person,
    device: &[u8],
    agent: &str,
    network: IpAddr,
) -> sqlx::Result<()> {
    let (new, had) = store::put(conn, clock, device, person.id).await?;
    if new && had {
        let agent = agent.chars().filter(|letter| !letter.is_control()).take(120).collect();
        let notice = Notice::NewDevice { agent, network: network.to_canonical().to_string(), at: clock.now() };
        mail::owe(conn, clock, &person.email, &person.locale, &notice, None).await?;
    }
    Ok(())
}

/// Whoever has set a password by mail is known from then on where they did it. They are told of that anyway.
pub async fn trust(conn: &mut PgConnection, clock: &dyn Clock, person: PersonId, device: &[u8]) -> sqlx::Result<()> {
    store::put(conn, clock, device, person).await.map(drop)
}

/// No device of a person is known any more: what was logged in from before may be in other hands.
pub async fn forget_all(conn: &mut PgConnection, person: PersonId) -> sqlx::Result<()> {
    store::forget_all(conn, person).await
}

/// Forgets those that nobody uses any more. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    store::forget_old(conn, clock.now() - KEPT).await
}
