//! Writes an announcement to everybody who has a server, a few at a time.

use super::{Deps, Handle, JobError};
use crate::desk::announcements::{self, MailAnnouncement};
use crate::mail::{self, Notice};
use crate::queue;

/// Accounts of one job.
const BATCH: i64 = 200;

impl Handle for MailAnnouncement {
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut tx = deps.db.worker().begin().await?;
        let now = deps.clock.now();
        // Taken down before its mails were written: then the rest is not written either.
        let Some(said) = announcements::to_mail(&mut tx, self.announcement, now).await? else { return Ok(()) };
        let notice = Notice::Announcement { title: said.title, text: said.text };
        let readers = announcements::readers(&mut tx, self.after, BATCH).await?;
        for reader in &readers {
            let key = format!("announcement:{}:{}", self.announcement, reader.account_id);
            mail::owe(&mut tx, deps.clock.as_ref(), &reader.email, &reader.locale, &notice, Some(&key)).await?;
        }
        // Fewer than asked for: these were the last.
        if let Some(last) = readers.get(usize::try_from(BATCH - 1)?) {
            let next = MailAnnouncement { announcement: self.announcement, after: Some(last.account_id) };
            queue::enqueue(&mut tx, &next, None).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
