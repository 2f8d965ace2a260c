//! Waiting for a place: no charge, one entry for each account, an honest position.

use serde_json::json;

use super::store::{Joined, Waiting, join_waiting_list, leave_waiting_list, waiting_entry};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::db::AccountTx;
use crate::mail::{self, Notice};

/// Puts the account on the waiting list and owes a mail that says so to `email`, in the caller's transaction. An account that waits
/// already keeps its position, with the newer wish, and is not written to again.
pub async fn wait(
    tx: &mut AccountTx,
    clock: &dyn Clock,
    actor: Actor,
    email: &str,
    locale: &str,
    plan_code: &str,
    domain: &str,
) -> sqlx::Result<(Waiting, Joined)> {
    let account = tx.account();
    let conn = tx.conn();
    let joined = join_waiting_list(conn, clock, account, plan_code, domain).await?;
    let entry = waiting_entry(conn, account).await?.ok_or(sqlx::Error::RowNotFound)?;
    let action = match joined {
        Joined::New => "waiting.joined",
        Joined::Changed => "waiting.changed",
        Joined::Same => return Ok((entry, joined)),
    };
    if joined == Joined::New {
        let position = u32::try_from(entry.position).unwrap_or(u32::MAX);
        let notice = Notice::WaitingListJoined { domain: domain.to_owned(), position };
        // No unique key: the entry is new in this very transaction.
        mail::owe(conn, clock, email, locale, &notice, None).await?;
    }
    let detail = json!({ "plan": plan_code, "domain": domain });
    audit::record(conn, clock, actor, Some(account), action, &entry.id.to_string(), detail).await?;
    Ok((entry, joined))
}

/// Takes the account off the list. Whether it was on it.
pub async fn stop_waiting(tx: &mut AccountTx, clock: &dyn Clock, actor: Actor) -> sqlx::Result<bool> {
    let account = tx.account();
    let conn = tx.conn();
    let Some(entry) = waiting_entry(conn, account).await? else { return Ok(false) };
    leave_waiting_list(conn, account).await?;
    audit::record(conn, clock, actor, Some(account), "waiting.left", &entry.id.to_string(), json!({})).await?;
    Ok(true)
}
