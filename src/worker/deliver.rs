//! Sends a mail.

use std::time::Duration;

use anyhow::Context as _;
use url::Url;
use uuid::Uuid;

use super::{Deps, Handle, JobError};
use crate::account::link::{self, Purpose};
use crate::capacity;
use crate::clock::SharedClock;
use crate::crash;
use crate::db::Db;
use crate::ids::{AccountId, HookEndpointId, InstanceId, MailId, OrderId, PersonId, WaitingId};
use crate::mail::{self, Links, SendError, SendMail, render};
use crate::words::Words;

/// Makes the links of mails, under the host's key.
struct SignedLinks<'a>(&'a Deps);

impl SignedLinks<'_> {
    fn at(&self, path: &str) -> Url {
        let mut url = self.0.base().clone();
        url.set_path(path);
        url
    }
}

impl Links for SignedLinks<'_> {
    fn verify(&self, token: Uuid) -> Url {
        self.at(&format!("/verify/{}", link::write(&self.0.key, token, Purpose::Verify)))
    }

    fn reset(&self, token: Uuid) -> Url {
        self.at(&format!("/reset/{}", link::write(&self.0.key, token, Purpose::Reset)))
    }

    fn join(&self, invitation: Uuid) -> Url {
        self.at(&format!("/join/{}", link::write(&self.0.key, invitation, Purpose::Join)))
    }

    fn leave_address(&self, change: Uuid) -> Url {
        self.at(&format!("/address/{}", link::write(&self.0.key, change, Purpose::LeaveAddress)))
    }

    fn take_address(&self, change: Uuid) -> Url {
        self.at(&format!("/address/{}", link::write(&self.0.key, change, Purpose::TakeAddress)))
    }

    fn members(&self) -> Url {
        self.at("/account/members")
    }

    fn security(&self) -> Url {
        self.at("/account/security")
    }

    fn accesses(&self) -> Url {
        self.at("/account/access")
    }

    fn webhook(&self, endpoint: HookEndpointId) -> Url {
        self.at(&format!("/account/webhooks/{endpoint}"))
    }

    fn instance(&self, instance: InstanceId) -> Url {
        self.at(&format!("/instances/{instance}"))
    }

    fn waiting(&self) -> Url {
        self.at("/waiting")
    }

    fn leave_waiting_list(&self, person: PersonId, account: AccountId, entry: WaitingId) -> Url {
        let leaver = capacity::Leaver { person, account, entry };
        self.at(&format!("/waiting/leave/{}", capacity::write_leave_link(&self.0.key, &leaver)))
    }

    fn billing(&self, instance: InstanceId) -> Url {
        self.at(&format!("/instances/{instance}/billing"))
    }

    fn upgrades(&self, instance: InstanceId) -> Url {
        self.at(&format!("/instances/{instance}/upgrades"))
    }

    fn servers(&self) -> Url {
        self.at("/instances")
    }

    fn alerts(&self) -> Url {
        self.at("/staff/alerts")
    }

    fn runbook(&self, rule: &str) -> Url {
        self.at(&format!("/staff/runbooks/{rule}"))
    }

    fn order(&self, order: OrderId) -> Url {
        self.at(&format!("/orders/{order}"))
    }

    fn sign_in(&self) -> Url {
        self.at("/log-in")
    }

    fn forgotten_password(&self) -> Url {
        self.at("/forgot")
    }

    fn home(&self) -> Url {
        self.at("/")
    }
}

/// For how long it is tried to note that a mail has left: a Postgres that is started again is back long before.
const NOTE_WITHIN: Duration = Duration::from_secs(30);
/// Between two tries.
const NOTE_AGAIN: Duration = Duration::from_millis(250);

async fn note_once(db: &Db, clock: &SharedClock, mail: MailId) -> sqlx::Result<()> {
    let mut conn = db.worker().acquire().await?;
    mail::sent(&mut conn, clock.as_ref(), mail).await
}

/// Notes that a mail has left. Only this process knows it, so it does not give up while the database is away for a moment.
async fn note_sent(db: Db, clock: SharedClock, mail: MailId) -> anyhow::Result<()> {
    let noted = async {
        while let Err(error) = note_once(&db, &clock, mail).await {
            tracing::warn!(mail.id = %mail, error = %error, "a mail has left and that could not be noted yet");
            tokio::time::sleep(NOTE_AGAIN).await;
        }
    };
    let outcome = tokio::time::timeout(NOTE_WITHIN, noted).await;
    outcome.with_context(|| format!("{mail} has left, but that could not be noted: it goes once more"))
}

impl Handle for SendMail {
    /// Network between two transactions: dying after the server took the mail and before we wrote that down sends it once more,
    /// with the same Message-ID. SMTP offers no way to tell.
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut conn = deps.db.worker().acquire().await?;
        let Some(owed) = mail::take(&mut conn, self.mail).await? else { return Ok(()) };
        drop(conn);
        let words = Words::of(&owed.locale);
        let rendered = render(&owed.notice, &words, &SignedLinks(deps), &deps.host_name).context("rendering")?;
        let letter = rendered.into_letter(self.mail, owed.created_at, &deps.mail_from, Some(&deps.support), &owed.recipient);
        crash::point("mail.before_send");
        let outcome = deps.transport.send(&letter).await;
        crash::point("mail.after_send");
        match outcome {
            Ok(()) => {
                // A task of its own: the queue gives its jobs up a while after it lost Postgres, and what this one knows with it.
                tokio::spawn(note_sent(deps.db.clone(), deps.clock.clone(), self.mail)).await??;
                crash::point("mail.noted");
                Ok(())
            }
            Err(error @ SendError::Later(_)) => {
                let mut conn = deps.db.worker().acquire().await?;
                mail::failed(&mut conn, self.mail, &crate::telemetry::chain(&error), false).await?;
                Err(JobError::Retry(error.into()))
            }
            Err(error @ SendError::Refused(_)) => {
                let mut conn = deps.db.worker().acquire().await?;
                mail::failed(&mut conn, self.mail, &crate::telemetry::chain(&error), true).await?;
                Err(JobError::Fail(error.into()))
            }
        }
    }
}
