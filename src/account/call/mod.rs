//! Calls of the API that carry a key: done once, and answered the same however often they are sent.

mod store;

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::clock::Clock;
use crate::ids::PersonId;

/// For how long an answer is kept.
pub const KEPT: TimeDelta = TimeDelta::days(1);
/// A call that has no answer after this long broke off: the program that sends it again has it done again.
pub const BROKEN_AFTER: TimeDelta = TimeDelta::minutes(1);

/// A call with a key.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Who calls.
    pub person: PersonId,
    /// Their key for it.
    pub key: &'a str,
    /// What tells it from others: the same key is for the same call.
    pub fingerprint: &'a [u8],
}

/// What a call was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: i16,
    /// Content type, if there is a body.
    pub kind: Option<String>,
    /// Body.
    pub body: Vec<u8>,
}

/// What is to be done with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is new: it is to be done, and its answer to be kept.
    New,
    /// It was done; this was the answer.
    Done(Answer),
    /// It is being done.
    Busy,
    /// The key was used for another call.
    Another,
}

/// Looks whether a call was made before, and notes that it is.
pub async fn begin(conn: &mut PgConnection, clock: &dyn Clock, call: &Call<'_>) -> sqlx::Result<Begun> {
    if store::insert(conn, clock, call).await? {
        return Ok(Begun::New);
    }
    // It may have been forgotten between the two questions.
    let Some(row) = store::find(conn, call).await? else { return Ok(Begun::Busy) };
    if row.fingerprint != call.fingerprint {
        return Ok(Begun::Another);
    }
    if let Some(status) = row.status {
        return Ok(Begun::Done(Answer { status, kind: row.kind, body: row.body.unwrap_or_default() }));
    }
    let broken = clock.now() - row.begun_at >= BROKEN_AFTER;
    let mine = broken && store::take_over(conn, clock, call, row.begun_at).await?;
    Ok(if mine { Begun::New } else { Begun::Busy })
}

/// Keeps the answer of a call that was done.
pub async fn finish(conn: &mut PgConnection, call: &Call<'_>, answer: &Answer) -> sqlx::Result<()> {
    store::keep(conn, call, answer).await
}

/// The call was not done, for a fault of ours: it may be sent again.
pub async fn give_up(conn: &mut PgConnection, call: &Call<'_>) -> sqlx::Result<()> {
    store::delete(conn, call).await
}

/// Forgets answers that are old. Returns how many.
pub async fn forget_old(conn: &mut PgConnection, clock: &dyn Clock) -> sqlx::Result<u64> {
    store::forget_old(conn, clock.now() - KEPT).await
}
