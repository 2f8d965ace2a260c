//! Keeps the waiting list, and owes those whom it concerns a mail.

use sqlx::PgConnection;

use super::{Deps, Handle, JobError};
use crate::account;
use crate::capacity::{self, Invited, KeepWaitingList, Kept};
use crate::mail::{self, Notice};

impl Handle for KeepWaitingList {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut tx = deps.db.worker().begin().await?;
        let Kept { invited, until, lapsed } = capacity::keep_waiting_list(&mut tx, deps.clock.as_ref(), deps.invitation).await?;
        for entry in &lapsed {
            owe(&mut tx, deps, entry, &Notice::WaitingListLapsed { domain: entry.domain.clone() }).await?;
        }
        for entry in &invited {
            owe(&mut tx, deps, entry, &Notice::WaitingListInvited { domain: entry.domain.clone(), until }).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// No unique key: the entry is in its new state in this very transaction.
async fn owe(conn: &mut PgConnection, deps: &Deps, entry: &Invited, notice: &Notice) -> sqlx::Result<()> {
    let Some(person) = account::list_members(conn, entry.account_id).await?.into_iter().next() else { return Ok(()) };
    mail::owe(conn, deps.clock.as_ref(), &person.email, &person.locale, notice, None).await
}
