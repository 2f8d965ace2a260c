//! What both sides of a measurement have in common: a rig of their own, and how their figures are told.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use secrecy::SecretString;

use super::child::{Program, processor_seconds};
use crate::clock::{SharedClock, SystemClock};
use crate::demo::rig::{REGION, Rig, RigSettings, Work};
use crate::demo::stage::HOSTS_DOMAIN;
use crate::operator::bucket::{self, Buckets};
use crate::operator::settings::{Storage, StorageDriver};
use crate::resource;

/// One side: servers that nobody else uses.
pub(super) struct Side {
    pub rig: Rig,
}

impl Side {
    /// Starts them in `dir`. Without `pods` no controller makes any: what would be ready with pods is ready without.
    pub async fn start(dir: &Path, pods: bool) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let settings = RigSettings {
            hosts_domain: HOSTS_DOMAIN.to_owned(),
            crds: resource::crds_yaml()?.into_iter().map(|(_, text)| text).collect(),
            work: Work::Skipped,
            pods,
            ..RigSettings::throwaway(dir.join("rig"))
        };
        let rig = step("Postgres, Kubernetes and S3", async { Ok(Box::pin(Rig::start(&settings)).await?) }).await?;
        Ok(Self { rig })
    }

    /// The object store, administered as the operator does it.
    pub fn buckets(&self) -> anyhow::Result<Arc<dyn Buckets>> {
        let s3 = self.rig.s3();
        let (access_key, secret_key) = s3.root_credentials();
        let storage = Storage {
            driver: StorageDriver::VersityGw,
            pod_endpoint: s3.endpoint().parse()?,
            endpoint: s3.endpoint().parse()?,
            region: REGION.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: SecretString::from(secret_key),
            admin_endpoint: None,
            admin_token: None,
            accept_shared_key: None,
            media_host: HOSTS_DOMAIN.to_owned(),
        };
        let clock: SharedClock = Arc::new(SystemClock);
        Ok(bucket::connect(&storage, &clock)?)
    }

    /// Processor seconds of everything on this side so far.
    pub async fn used(&self, program: Option<&Program>) -> Used {
        let mut pids = self.rig.pids().await;
        pids.push(("this program, with stand-ins".to_owned(), std::process::id()));
        pids.extend(program.map(|program| ("paddock".to_owned(), program.pid())));
        Used(pids.into_iter().filter_map(|(part, pid)| Some((part, processor_seconds(pid)?))).collect())
    }
}

/// Processor seconds by program.
pub(super) struct Used(BTreeMap<String, f64>);

impl Used {
    /// Says who has used how much since `before`.
    pub fn tell_since(&self, before: &Self) {
        let spent = self.0.iter().map(|(part, seconds)| format!("{part} {:.1}", seconds - before.0.get(part).unwrap_or(&0.0)));
        eprintln!("processor seconds: {}", spent.collect::<Vec<_>>().join("; "));
    }
}

/// The value that `percent` of the sorted values don't exceed (nearest rank).
pub(super) fn percentile(sorted: &[i64], percent: usize) -> i64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// Says what a step's result took.
pub(super) async fn step<T>(name: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let began = Instant::now();
    let done = work.await.with_context(|| name.to_owned())?;
    eprintln!("{name}: {:.1} s", began.elapsed().as_secs_f64());
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<i64> = (1..=200).collect();
        assert_eq!([1, 50, 99, 100].map(|percent| percentile(&values, percent)), [2, 100, 198, 200]);
        assert_eq!(percentile(&[7], 50), 7);
        assert_eq!(percentile(&[], 50), 0);
    }
}
