//! How much an instance may have at all, and what a pod gets that asks for nothing.

use serde_json::json;

use super::{Object, backups, names};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::resource::{CacheSize, DatabaseSize, SchedulerSize, Size, StreamingSize, WebSize, WorkerSize};

/// Room for Jobs and for the pods of others (CloudNativePG's own Jobs), in MiB.
const SPARE_MIB: u64 = 4096;
/// Pods beyond those of the size: one more of each while they are replaced, and Jobs.
const SPARE_PODS: u64 = 12;
/// The pod that answers for a certificate while one is signed, in MiB: cert-manager's default of 64, and as much again.
const SOLVER_MIB: u64 = 128;

/// The quota: twice what the size asks for (everything may be replaced at once) and some for Jobs. It is a fuse, not a limit
/// that anybody should feel.
pub fn quota(valid: &Valid<'_>) -> Object {
    let Size { web, streaming, sidekiq, scheduler, database, cache, media_gib: _ } = &valid.spec.size;
    let WebSize { replicas: web_pods, concurrency: _, threads: _, memory_mib: web_mib, cpu_milli: _ } = web;
    let StreamingSize { replicas: streaming_pods, db_pool: _, memory_mib: streaming_mib, cpu_milli: _ } = streaming;
    let WorkerSize { replicas: sidekiq_pods, concurrency: _, memory_mib: sidekiq_mib, cpu_milli: _ } = sidekiq;
    let SchedulerSize { concurrency: _, memory_mib: scheduler_mib, cpu_milli: _ } = scheduler;
    let DatabaseSize { instances, storage_gib, storage_most_gib: _, memory_mib: database_mib, cpu_milli: _ } = database;
    let CacheSize { memory_mib: cache_mib, storage_gib: queues_gib } = cache;
    let each = [
        (*web_pods, *web_mib),
        (*streaming_pods, *streaming_mib),
        (*sidekiq_pods, *sidekiq_mib),
        (1, *scheduler_mib),
        (*instances, *database_mib + backups::SIDECAR_MIB),
        (1, *cache_mib),
    ];
    let memory: u64 = each.iter().map(|(pods, mib)| u64::from(*pods) * u64::from(*mib)).sum();
    let pods: u64 = each.iter().map(|(pods, _)| u64::from(*pods)).sum();
    // One for each name, all at once.
    let solvers: u64 = valid.addresses.own().iter().map(|_| 1).sum();
    // Twice: a database of the next generation is filled beside the old one.
    let volumes = (u64::from(*instances) + 1) * 2;
    let disk = (u64::from(*instances) * u64::from(*storage_gib) + u64::from(*queues_gib)) * 2;
    let body = json!({"spec": {"hard": {
        "limits.memory": format!("{}Mi", memory * 2 + solvers * SOLVER_MIB + SPARE_MIB),
        "pods": (pods * 2 + solvers + SPARE_PODS).to_string(),
        "persistentvolumeclaims": volumes.to_string(),
        "requests.storage": format!("{disk}Gi"),
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }}});
    Object::new(valid, Kind::ResourceQuota, names::MASTODON, "limits", body)
}

/// What a container gets that asks for nothing: CloudNativePG's own Jobs do not.
pub fn range(valid: &Valid<'_>) -> Object {
    let body = json!({"spec": {"limits": [{
        "type": "Container",
        "default": {"cpu": "500m", "memory": "512Mi"},
        "defaultRequest": {"cpu": "50m", "memory": "128Mi"},
    }]}});
    Object::new(valid, Kind::LimitRange, names::MASTODON, "limits", body)
}
