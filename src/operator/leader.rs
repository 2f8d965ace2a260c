//! Which of several operators works. The lease spares double work; correctness never rests on it, since every write of ours
//! would be right twice.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};

use super::error::{Error, is_missing, is_taken};
use super::settings::LeaderLease;
use crate::clock::SharedClock;
use crate::resource::time;

/// How long a lease lasts without being renewed.
const LASTS: Duration = Duration::from_secs(15);
/// How often it is renewed, and how often others look.
const RENEW: Duration = Duration::from_secs(5);

/// A claim to a lease.
#[derive(Clone)]
pub struct Leader {
    api: Api<Lease>,
    settings: LeaderLease,
    clock: SharedClock,
}

impl Leader {
    /// A claim that has not been made yet.
    pub fn new(client: Client, settings: LeaderLease, clock: SharedClock) -> Self {
        Self { api: Api::namespaced(client, &settings.namespace), settings, clock }
    }

    /// Waits until the lease is ours.
    pub async fn acquire(&self) {
        loop {
            match self.claim().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(error = %super::error::chain(&error), "could not ask for the lease"),
            }
            tokio::time::sleep(RENEW).await;
        }
    }

    /// Renews the lease until it is lost: held by another, or not renewed in time.
    pub async fn hold(&self) {
        let mut renewed = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(RENEW).await;
            match tokio::time::timeout(RENEW, self.claim()).await {
                Ok(Ok(true)) => renewed = tokio::time::Instant::now(),
                // Not heard: ours until it lapses, and we stop before others may take it.
                Ok(Err(_)) | Err(_) if renewed.elapsed() + RENEW < LASTS => {}
                Ok(Ok(false) | Err(_)) | Err(_) => return,
            }
        }
    }

    /// Takes or renews the lease; `false` when another holds it.
    async fn claim(&self) -> Result<bool, Error> {
        let now = MicroTime(time(self.clock.now()).0);
        let LeaderLease { namespace: _, name, identity } = &self.settings;
        let wanted = |transitions: i32, since: &MicroTime| LeaseSpec {
            holder_identity: Some(identity.clone()),
            lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
            acquire_time: Some(since.clone()),
            renew_time: Some(now.clone()),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        };
        let written = match self.api.get(name).await {
            Ok(mut lease) => {
                let spec = lease.spec.take().unwrap_or_default();
                let ours = spec.holder_identity.as_ref() == Some(identity);
                let lapsed = spec
                    .renew_time
                    .as_ref()
                    .is_none_or(|at| now.0.as_second() - at.0.as_second() > i64::from(spec.lease_duration_seconds.unwrap_or(0)));
                if !ours && !lapsed {
                    return Ok(false);
                }
                let transitions = spec.lease_transitions.unwrap_or(0);
                let since = spec.acquire_time.filter(|_| ours);
                lease.spec = Some(match since {
                    Some(since) => wanted(transitions, &since),
                    None => wanted(transitions.saturating_add(1), &now),
                });
                // The resource version goes along: of two that claim a lapsed lease one is refused.
                self.api.replace(name, &PostParams::default(), &lease).await
            }
            Err(error) if is_missing(&error) => {
                let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
                self.api.create(&PostParams::default(), &Lease { metadata, spec: Some(wanted(0, &now)) }).await
            }
            Err(error) => Err(error),
        };
        match written {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(Error::kube("take the lease")(error)),
        }
    }
}
