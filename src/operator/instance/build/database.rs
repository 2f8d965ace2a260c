//! The database: a CloudNativePG `Cluster`.

use serde_json::json;

use super::{Object, backups, names, resources, selector};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::template::IMAGE_ANNOTATION;
use crate::resource::{DatabaseSize, SchedulerSize, Size, StreamingSize, WebSize, WorkerSize};

/// Connections beside Mastodon's processes: Jobs (a pool of 5 each, two at a time), the exporter of CloudNativePG, replication,
/// backups, and a person who looks.
const BESIDES: u32 = 30;

/// The most connections that the processes of a size can hold at once, with one more web and streaming pod while they are
/// replaced. See Mastodon's documentation on scaling: every thread of puma and Sidekiq may hold one.
pub fn connections(size: &Size) -> u32 {
    let Size { web, streaming, sidekiq, scheduler, database: _, cache: _, media_gib: _ } = size;
    let WebSize { replicas: web_pods, concurrency, threads, memory_mib: _, cpu_milli: _ } = web;
    let StreamingSize { replicas: streaming_pods, db_pool, memory_mib: _, cpu_milli: _ } = streaming;
    let WorkerSize { replicas: sidekiq_pods, concurrency: workers, memory_mib: _, cpu_milli: _ } = sidekiq;
    let SchedulerSize { concurrency: scheduled, memory_mib: _, cpu_milli: _ } = scheduler;
    (u32::from(*web_pods) + 1) * u32::from(*concurrency).max(1) * u32::from(*threads)
        + (u32::from(*streaming_pods) + 1) * u32::from(*db_pool)
        + (u32::from(*sidekiq_pods) + 1) * u32::from(*workers)
        + u32::from(*scheduled)
}

/// When Postgres cleans up behind itself, by the plan. Its own defaults wait until a fifth of a table has changed, which is years for the
/// tables of posts; and the more processor and memory a database has, the more of both that may take. Each of these is taken over while
/// Postgres runs.
fn vacuum(memory_mib: u32, cpu_milli: u32) -> [(&'static str, String); 5] {
    [
        ("autovacuum_vacuum_scale_factor", "0.05".to_owned()),
        ("autovacuum_vacuum_insert_scale_factor", "0.05".to_owned()),
        ("autovacuum_analyze_scale_factor", "0.02".to_owned()),
        ("autovacuum_vacuum_cost_limit", cpu_milli.saturating_mul(2).clamp(200, 4000).to_string()),
        // Three work at a time: together at most a fifth of the memory.
        ("maintenance_work_mem", format!("{}MB", (memory_mib / 16).clamp(16, 512))),
    ]
}

/// The `Cluster`.
///
/// Its locale comes from Postgres itself (`builtin`, `C.UTF-8`): upper and lower case follow Unicode, which the default `C`
/// does not do, and unlike with ICU or the C library no update of an image can change an order that indexes rest on.
pub fn cluster(valid: &Valid<'_>) -> Object {
    let DatabaseSize { instances, storage_gib, storage_most_gib: _, memory_mib, cpu_milli } = valid.spec.size.database;
    let mut storage = json!({"size": format!("{storage_gib}Gi")});
    if let Some(class) = &valid.settings.storage_class {
        storage["storageClass"] = class.clone().into();
    }
    let mut parameters = json!({
        "max_connections": (connections(&valid.spec.size) + BESIDES).to_string(),
        "shared_buffers": format!("{}MB", (memory_mib / 4).max(32)),
    });
    for (name, value) in vacuum(memory_mib, cpu_milli) {
        parameters[name] = value.into();
    }
    let annotations = json!({"annotations": {IMAGE_ANNOTATION: valid.images.postgres}});
    let body = json!({"metadata": annotations, "spec": {
        "instances": instances,
        "imageName": valid.images.postgres,
        // A budget for the only pod would block every drain of its node.
        "enablePDB": instances > 1,
        "storage": storage,
        "resources": resources(memory_mib, cpu_milli),
        // Without the label of what we write: CloudNativePG passes these on to objects of its own, which are not ours to sweep away.
        "inheritedMetadata": {"labels": selector(valid, "database")},
        "plugins": backups::plugins(valid),
        "managed": {"services": {"disabledDefaultServices": ["r", "ro"]}},
        "bootstrap": {"initdb": {
            "database": "mastodon",
            "owner": "mastodon",
            "encoding": "UTF8",
            "localeProvider": "builtin",
            "builtinLocale": "C.UTF-8",
            "dataChecksums": true,
        }},
        "postgresql": {"parameters": parameters},
    }});
    Object::new(valid, Kind::Cluster, names::DATABASE, "database", body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_a_database_has_the_more_it_may_take_to_clean_up() {
        let of = |memory, cpu| vacuum(memory, cpu).map(|(_, value)| value);
        assert_eq!(of(512, 200)[3..], ["400", "32MB"]);
        assert_eq!(of(4096, 2000)[3..], ["4000", "256MB"]);
        assert_eq!(of(128, 10)[3..], ["200", "16MB"]);
        assert_eq!(of(1_048_576, 256_000)[3..], ["4000", "512MB"]);
    }
}
