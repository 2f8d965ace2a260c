//! The identity of a server: made once, sealed into the vault before anything uses it, put back when its Secret is lost.
//!
//! Why no two operators and no crash can end with a Secret that is not in the vault:
//!
//! 1. An operator that has made up an identity stores it in the vault *first*, under its own fingerprint. Two that do this at once
//!    store two, and neither is in the other's way. A crash here leaves a sealed identity that nobody ever used.
//! 2. Then it creates the Secret. The API server lets one of them succeed; the other reads what the winner wrote, and forgets its
//!    own. So each Secret that an operator creates was in the vault before it existed.
//! 3. Whoever goes on, winner or not, in this pass or after a crash in a later one, reads the Secret that *is* there and sees to it
//!    that the vault holds just that: this covers Secrets that others have written.
//! 4. Only then does it write down which fingerprint is this server's (`current` in the vault, later the status), and only then is
//!    anything built that uses it. All who come here write the same, for the Secret is immutable. From now on a missing Secret is
//!    put back from the vault: the status or `current` says which, and no other is ever made.
//!
//! Should somebody delete the Secret between 2 and 4, another identity is made, and nothing has used the first.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use tokio::time::Instant;

use super::build::{self, names};
use super::found::{Made, content, made_once};
use super::identity::Identity;
use super::observe::Observed;
use super::remove::Lost;
use super::status::Stall;
use super::validate::Valid;
use super::{Context, data_lost};
use crate::crash;
use crate::operator::error::{Error, chain};
use crate::operator::kind::Kind;
use crate::operator::vault::VaultError;
use crate::resource::{InstanceStatus, VaultedIdentity};

/// How long it is good that the vault was seen to hold an identity.
const LOOK: Duration = Duration::from_hours(6);
/// How long a vault that failed is left alone. The failure goes into the status, and that wakes us again at once.
pub const PAUSE: Duration = Duration::from_secs(15);

/// How it is with the identity.
#[derive(Debug)]
pub enum Identified {
    /// Its Secret is there.
    There(Known),
    /// The vault can't be asked, and nothing may be started without.
    Waits(String),
    /// Somebody has to look.
    Stalled(Stall),
}

/// An identity whose Secret is there.
#[derive(Debug)]
pub struct Known {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Why it could not be seen whether the vault holds it; nothing when it does.
    pub unproven: Option<String>,
}

/// What is remembered of the identity between passes.
#[derive(Debug, Default, Clone)]
pub struct Remembered {
    /// UID of the Secret that was read, and the fingerprint of what is in it.
    read: Option<(String, String)>,
    /// UID of the Secret that the vault was seen to hold, and until when that is good.
    held: Option<(String, Instant)>,
    /// Why the vault could not be asked, and when that was.
    failed: Option<(String, Instant)>,
}

impl Remembered {
    /// What an operator before us has noted: what is in an immutable Secret, and that the vault holds it, sealed to the keys of today. So
    /// that not all servers are looked at in the minutes after a start, each has a time of its own.
    pub fn recalled(status: &InstanceStatus, sealed_to: &str) -> Self {
        let (Some(vault), Some(fingerprint)) = (&status.vault, &status.identity_fingerprint) else { return Self::default() };
        let read = Some((vault.secret.clone(), fingerprint.clone()));
        let until = Instant::now() + LOOK.mul_f64(rand::random_range(0.0..1.0));
        Self { read, held: (vault.sealed_to == sealed_to).then(|| (vault.secret.clone(), until)), failed: None }
    }

    /// Until when the vault is known to hold it.
    pub fn until(&self) -> Option<Instant> {
        self.held.as_ref().map(|(_, until)| *until)
    }

    /// The same, for the operator after us; nothing unless the vault was seen to hold it.
    pub fn noted(&self, sealed_to: &str) -> Option<VaultedIdentity> {
        let (secret, _) = self.held.as_ref()?;
        Some(VaultedIdentity { secret: secret.clone(), sealed_to: sealed_to.to_owned() })
    }

    fn failure(&self) -> Option<String> {
        self.failed.as_ref().filter(|(_, at)| at.elapsed() < PAUSE).map(|(why, _)| why.clone())
    }
}

/// Sees to it that the identity is there, the right one, and in the vault.
pub async fn identity(context: &Context, valid: &Valid<'_>, observed: &Observed) -> Result<Identified, Error> {
    let looked = look(context, valid, observed).await;
    match looked {
        Ok(identified) => Ok(identified),
        Err(Error::Vault(error)) if error.is_unavailable() => Ok(Identified::Waits(note_failure(context, valid, &error))),
        Err(Error::Vault(error)) => Ok(Identified::Stalled(unusable(&error))),
        Err(error) => Err(error),
    }
}

async fn look(context: &Context, valid: &Valid<'_>, observed: &Observed) -> Result<Identified, Error> {
    let made = if let Some(seen) = observed.seen.get(&(Kind::Secret, names::IDENTITY.to_owned())) {
        Made { uid: seen.uid.clone(), content: None }
    } else {
        if let Some(why) = context.with_memory(&valid.name, |memory| memory.identity.failure()) {
            return Ok(Identified::Waits(why));
        }
        let Some(identity) = chosen(context, valid, observed).await? else {
            let lost = Lost { kind: Kind::Secret, name: names::IDENTITY, replaced: false };
            return Ok(Identified::Stalled(data_lost(&[lost])));
        };
        made_once(context, valid, observed, names::IDENTITY, || build::identity_secret(valid, &identity)).await?
    };
    crash::point("operator.identity_made");
    let fingerprint = fingerprint(context, valid, &made).await?;
    if let Some(known) = observed.status.identity_fingerprint.as_ref().filter(|known| **known != fingerprint) {
        return Ok(Identified::Stalled(changed(&fingerprint, known)));
    }
    kept(context, valid, observed, &made, fingerprint).await
}

/// The identity for a Secret that is missing: the one that the server has, or a new one for a server that has none yet; nothing
/// when it has one and the vault does not.
async fn chosen(context: &Context, valid: &Valid<'_>, observed: &Observed) -> Result<Option<Identity>, Error> {
    let current = match &observed.status.identity_fingerprint {
        Some(known) => Some(known.clone()),
        None => context.vault.current(&valid.namespace).await?,
    };
    if let Some(fingerprint) = current {
        let identity = context.vault.open(&valid.namespace, &fingerprint).await?;
        if identity.is_some() {
            tracing::warn!(
                instance.name = valid.name,
                fingerprint,
                "the identity's Secret is missing and is put back from the vault"
            );
        }
        return Ok(identity);
    }
    if observed.status.database_initialised {
        return Ok(None);
    }
    let identity = Identity::generate();
    context.vault.put(&valid.namespace, &identity).await?;
    crash::point("operator.identity_sealed");
    Ok(Some(identity))
}

/// Sees to it that the vault holds what the Secret does, and knows that it is this server's.
async fn kept(
    context: &Context,
    valid: &Valid<'_>,
    observed: &Observed,
    made: &Made,
    fingerprint: String,
) -> Result<Identified, Error> {
    let remembered = context.with_memory(&valid.name, |memory| memory.identity.clone());
    let known = |unproven| Identified::There(Known { fingerprint: fingerprint.clone(), unproven });
    if remembered.held.as_ref().is_some_and(|(uid, until)| *uid == made.uid && Instant::now() < *until) {
        return Ok(known(None));
    }
    // A server that has begun to hold data goes on whatever becomes of the vault; one that has not, waits.
    let goes_on = observed.status.database_initialised;
    if let Some(why) = remembered.failure() {
        return Ok(if goes_on { known(Some(why)) } else { Identified::Waits(why) });
    }
    match keep(context, valid, made).await {
        Ok(current) if current == fingerprint => {
            crash::point("operator.identity_settled");
            let held = Some((made.uid.clone(), Instant::now() + LOOK));
            context.with_memory(&valid.name, |memory| (memory.identity.held, memory.identity.failed) = (held, None));
            Ok(known(None))
        }
        Ok(current) => Ok(Identified::Stalled(changed(&fingerprint, &current))),
        Err(Error::Vault(error)) if goes_on => Ok(known(Some(note_failure(context, valid, &error)))),
        Err(error) => Err(error),
    }
}

/// Has the vault keep what the Secret holds. Returns which identity the vault says is the server's.
async fn keep(context: &Context, valid: &Valid<'_>, made: &Made) -> Result<String, Error> {
    let secret = content(context, valid, names::IDENTITY, made.content.clone()).await?;
    Ok(context.vault.keep(&valid.namespace, &read(&secret)?).await?)
}

/// The fingerprint of what is in the Secret: read again only when it is another one than last time.
async fn fingerprint(context: &Context, valid: &Valid<'_>, made: &Made) -> Result<String, Error> {
    let known = context.with_memory(&valid.name, |memory| memory.identity.read.clone());
    if let Some((_, fingerprint)) = known.filter(|(uid, _)| *uid == made.uid) {
        return Ok(fingerprint);
    }
    let secret = content(context, valid, names::IDENTITY, made.content.clone()).await?;
    let fingerprint = read(&secret)?.fingerprint();
    context.with_memory(&valid.name, |memory| memory.identity.read = Some((made.uid.clone(), fingerprint.clone())));
    Ok(fingerprint)
}

fn read(secret: &Secret) -> Result<Identity, Error> {
    let nothing = std::collections::BTreeMap::new();
    Identity::read(secret.data.as_ref().unwrap_or(&nothing))
        .map_err(|variable| Error::Foreign(format!("Secret {} (it has no {variable})", names::IDENTITY)))
}

fn note_failure(context: &Context, valid: &Valid<'_>, error: &VaultError) -> String {
    let why = chain(error);
    tracing::warn!(instance.name = valid.name, error = why, "the vault can't be used for now");
    metrics::counter!("paddock_operator_vault_failures_total").increment(1);
    context.with_memory(&valid.name, |memory| memory.identity.failed = Some((why.clone(), Instant::now())));
    why
}

fn changed(found: &str, known: &str) -> Stall {
    let message = format!(
        "the Secret {} holds another identity (fingerprint {found}) than this server has (fingerprint {known}): delete it, and the right \
         one is put back from the vault",
        names::IDENTITY
    );
    Stall::identity("IdentityChanged", message)
}

fn unusable(error: &VaultError) -> Stall {
    let remedy = "put the right operator.vault.operator_key back, or recover the identity with the offline key: paddock admin vault recover";
    Stall::identity("VaultUnusable", format!("{}; {remedy}", chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_believed_as_long_as_the_keys_are_the_same() {
        let vault = VaultedIdentity { secret: "uid".into(), sealed_to: "a b".into() };
        let noted =
            InstanceStatus { identity_fingerprint: Some("f".into()), vault: Some(vault.clone()), ..InstanceStatus::default() };
        let recalled = Remembered::recalled(&noted, "a b");
        assert_eq!(recalled.read, Some(("uid".to_owned(), "f".to_owned())));
        assert!(recalled.held.as_ref().is_some_and(|(uid, until)| uid == "uid" && *until <= Instant::now() + LOOK));
        assert_eq!(recalled.noted("a b"), Some(vault));
        let other = Remembered::recalled(&noted, "a c");
        assert_eq!((other.read.is_some(), &other.held), (true, &None), "other keys: it is sealed anew");
        assert_eq!(other.noted("a c"), None);
        let nothing = Remembered::recalled(&InstanceStatus { identity_fingerprint: None, ..noted }, "a b");
        assert_eq!((nothing.read, nothing.held), (None, None));
    }
}
