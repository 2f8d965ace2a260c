//! Valkey: one per instance, since its channels cross database numbers. It holds queues, so it writes to disk and evicts nothing.

use serde_json::json;

use super::{Object, labels, names, pods, resources, selector};
use crate::operator::instance::found::Foundation;
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::template::IMAGE_ANNOTATION;
use crate::resource::CacheSize;

/// The volume. Ours and not the `StatefulSet`'s: a `StatefulSet` would make a lost one anew without a word.
pub fn volume(valid: &Valid<'_>) -> Object {
    let CacheSize { memory_mib: _, storage_gib } = valid.spec.size.cache;
    let mut body = json!({"spec": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": format!("{storage_gib}Gi")}},
    }});
    if let Some(class) = &valid.cache_class {
        body["spec"]["storageClassName"] = class.clone().into();
    }
    Object::new(valid, Kind::PersistentVolumeClaim, names::CACHE, names::CACHE, body)
}

/// The one pod of Valkey.
pub fn stateful_set(valid: &Valid<'_>, foundation: &Foundation) -> Object {
    let CacheSize { memory_mib, storage_gib: _ } = valid.spec.size.cache;
    // A quarter is left for the copy on write while the append-only file is rewritten.
    let keys_mib = u64::from(memory_mib) * 3 / 4;
    let maxmemory = format!("{keys_mib}mb");
    let port = names::CACHE_PORT.to_string();
    // Expanded by the kubelet, so that no shell is needed.
    let command = [
        "valkey-server",
        "--dir",
        "/data",
        "--port",
        &port,
        "--requirepass",
        "$(REDIS_PASSWORD)",
        // The append-only file is what we keep; an empty list of save points turns snapshots off.
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--save",
        "",
        "--maxmemory",
        &maxmemory,
        "--maxmemory-policy",
        "noeviction",
    ];
    let annotations = json!({"annotations": {IMAGE_ANNOTATION: valid.images.valkey}});
    let mut body = json!({"metadata": annotations, "spec": {
        "serviceName": names::CACHE,
        "replicas": i32::from(valid.runs),
        "selector": {"matchLabels": selector(valid, names::CACHE)},
        "template": {
            "metadata": {
                "labels": labels(valid, names::CACHE),
                "annotations": {"paddock.host/secrets": format!("{:016x}", foundation.secrets)},
            },
            "spec": {
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": pods::pod_security(999),
                "terminationGracePeriodSeconds": 60,
                "containers": [{
                    "name": names::CACHE,
                    "image": valid.images.valkey,
                    "command": command,
                    "env": [{"name": "REDIS_PASSWORD", "valueFrom": {"secretKeyRef": {
                        "name": names::CACHE_PASSWORD, "key": "REDIS_PASSWORD",
                    }}}],
                    "ports": [{"name": names::CACHE, "containerPort": names::CACHE_PORT, "protocol": "TCP"}],
                    "securityContext": pods::container_security(),
                    "resources": resources(memory_mib, 50),
                    "startupProbe": {"tcpSocket": {"port": names::CACHE}, "periodSeconds": 2, "failureThreshold": 150},
                    "readinessProbe": {"tcpSocket": {"port": names::CACHE}, "periodSeconds": 10},
                    "livenessProbe": {"tcpSocket": {"port": names::CACHE}, "periodSeconds": 20, "failureThreshold": 6},
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": names::CACHE}}],
            },
        },
    }});
    pods::keep_from_host_users(valid, &mut body["spec"]["template"]);
    Object::new(valid, Kind::StatefulSet, names::CACHE, names::CACHE, body)
}
