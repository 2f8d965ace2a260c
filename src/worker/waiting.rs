//! Keeps the waiting list, and owes those whom it concerns a mail.

use sqlx::PgConnection;

use super::{Deps, Handle, JobError};
use crate::account::{self, Person};
use crate::capacity::{self, Invited, KeepWaitingList, Kept};
use crate::mail::{self, Notice};

impl Handle for KeepWaitingList {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut tx = deps.db.worker().begin().await?;
        let Kept { invited, until, lapsed } = capacity::keep_waiting_list(&mut tx, deps.clock.as_ref(), deps.invitation).await?;
        for entry in &lapsed {
            if let Some(person) = owner(&mut tx, entry).await? {
                owe(&mut tx, deps, &person, &Notice::WaitingListLapsed { domain: entry.domain.clone() }).await?;
            }
        }
        for entry in &invited {
            if let Some(person) = owner(&mut tx, entry).await? {
                let Invited { id: entry, account_id: account, domain } = entry.clone();
                let notice = Notice::WaitingListInvited { domain, until, person: person.id, account, entry };
                owe(&mut tx, deps, &person, &notice).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}

async fn owner(conn: &mut PgConnection, entry: &Invited) -> sqlx::Result<Option<Person>> {
    Ok(account::list_members(conn, entry.account_id).await?.into_iter().next())
}

/// No unique key: the entry is in its new state in this very transaction.
async fn owe(conn: &mut PgConnection, deps: &Deps, person: &Person, notice: &Notice) -> sqlx::Result<()> {
    mail::owe(conn, deps.clock.as_ref(), &person.email, &person.locale, notice, None).await
}
