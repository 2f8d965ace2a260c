//! Sends a mail.

use anyhow::Context as _;
use url::Url;
use uuid::Uuid;

use super::{Deps, Handle, JobError};
use crate::account::link::{self, Purpose};
use crate::crash;
use crate::ids::{InstanceId, OrderId};
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

    fn instance(&self, instance: InstanceId) -> Url {
        self.at(&format!("/instances/{instance}"))
    }

    fn upgrades(&self, instance: InstanceId) -> Url {
        self.at(&format!("/instances/{instance}/upgrades"))
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

impl Handle for SendMail {
    /// Network between two transactions: dying after the server took the mail and before we wrote that down sends it once more,
    /// with the same Message-ID. SMTP offers no way to tell.
    async fn handle(self, deps: &Deps) -> Result<(), JobError> {
        let mut conn = deps.db.worker().acquire().await?;
        let Some(owed) = mail::take(&mut conn, self.mail).await? else { return Ok(()) };
        drop(conn);
        let words = Words::english();
        let rendered = render(&owed.notice, &words, &SignedLinks(deps), &deps.host_name).context("rendering")?;
        let letter = rendered.into_letter(self.mail, owed.created_at, &deps.mail_from, Some(&deps.support), &owed.recipient);
        crash::point("mail.before_send");
        let outcome = deps.transport.send(&letter).await;
        crash::point("mail.after_send");
        let mut conn = deps.db.worker().acquire().await?;
        match outcome {
            Ok(()) => {
                mail::sent(&mut conn, deps.clock.as_ref(), self.mail).await?;
                crash::point("mail.noted");
                Ok(())
            }
            Err(error @ SendError::Later(_)) => {
                mail::failed(&mut conn, self.mail, &crate::telemetry::chain(&error), false).await?;
                Err(JobError::Retry(error.into()))
            }
            Err(error @ SendError::Refused(_)) => {
                mail::failed(&mut conn, self.mail, &crate::telemetry::chain(&error), true).await?;
                Err(JobError::Fail(error.into()))
            }
        }
    }
}
