//! Whatever holds no state comes back, whether it is deleted, changed, or added to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use paddock::operator::bucket::MemoryBuckets;
use paddock::operator::settings::MailLogin;
use paddock::resource::{ConditionKind, namespace_name};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::WHOLE;
use super::{Scene, percentiles};

/// Every object that holds no state: a change by somebody, and where it would be seen.
fn stateless() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let replicas = json!({"spec": {"replicas": 5}});
    let selector = json!({"spec": {"podSelector": {"matchLabels": {"paddock.test": "nobody"}}}});
    let ports = json!({"spec": {"selector": {"paddock.test": "nobody"}}});
    let mut all = vec![
        ("ConfigMap", "mastodon-env", json!({"data": {"LOCAL_DOMAIN": "evil.example"}}), "/data/LOCAL_DOMAIN"),
        ("HTTPRoute", "mastodon", json!({"spec": {"hostnames": ["evil.example"]}}), "/spec/hostnames"),
        ("ObjectStore", "backups", json!({"spec": {"retentionPolicy": "1d"}}), "/spec/retentionPolicy"),
        ("ScheduledBackup", "db-1", json!({"spec": {"schedule": "0 0 0 1 1 *"}}), "/spec/schedule"),
        ("LimitRange", "mastodon", json!({"spec": {"limits": []}}), "/spec/limits"),
        ("PodDisruptionBudget", "web", json!({"spec": {"maxUnavailable": 0}}), "/spec/maxUnavailable"),
        ("ResourceQuota", "mastodon", json!({"spec": {"hard": {"pods": "100000"}}}), "/spec/hard/pods"),
        ("Secret", "mastodon-mail", json!({"stringData": {"SMTP_LOGIN": "somebody-else"}}), "/data/SMTP_LOGIN"),
        ("StatefulSet", "cache", replicas.clone(), "/spec/replicas"),
    ];
    for name in ["scheduler", "sidekiq", "streaming", "web"] {
        all.push(("Deployment", name, replicas.clone(), "/spec/replicas"));
    }
    for name in ["cache", "streaming", "web"] {
        all.push(("Service", name, ports.clone(), "/spec/selector"));
    }
    for name in ["archive", "cache", "database", "default-deny", "mastodon", "names", "streaming", "web"] {
        all.push(("NetworkPolicy", name, selector.clone(), "/spec/podSelector"));
    }
    all
}

/// What is put right when it is changed, and never made anew.
const KEPT: [&str; 10] = [
    "Cluster/db-1",
    "Job/owner-4-5-20",
    "Job/prepare-4-5-20",
    "Job/seed-4-5-20",
    "Namespace/the one",
    "PersistentVolumeClaim/cache",
    "Secret/cache-password",
    "Secret/mastodon-backup",
    "Secret/mastodon-identity",
    "Secret/mastodon-media",
];

/// Things that others add to what is ours alone, and where they would be seen.
fn additions() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    let policy = json!({"spec": {"ingress": [{}]}});
    let args = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "args": ["--evil"]}]}}}});
    let volume = json!({"spec": {"template": {"spec": {"volumes": [{"name": "more", "emptyDir": {}}]}}}});
    vec![
        ("ConfigMap", "mastodon-env", json!({"data": {"LD_PRELOAD": "spy.so"}}), "/data/LD_PRELOAD"),
        ("Deployment", "web", args, "/spec/template/spec/containers/0/args"),
        ("StatefulSet", "cache", volume, "/spec/template/spec/volumes/1"),
        ("NetworkPolicy", "default-deny", policy, "/spec/ingress"),
        (
            "ObjectStore",
            "backups",
            json!({"spec": {"instanceSidecarConfiguration": {"additionalContainerArgs": ["--evil"]}}}),
            "/spec/instanceSidecarConfiguration/additionalContainerArgs",
        ),
        ("ResourceQuota", "mastodon", json!({"spec": {"hard": {"count/configmaps": "1"}}}), "/spec/hard/count~1configmaps"),
        ("Service", "web", json!({"spec": {"externalIPs": ["192.0.2.1"]}}), "/spec/externalIPs"),
    ]
}

/// Patches an object as somebody else, and returns how long it took until `at` was as before.
async fn change_and_wait(scene: &Scene, kind: &str, name: &str, patch: &Value, at: &str) -> Duration {
    let id = scene.ids[0];
    let name = if kind == "Namespace" { namespace_name(id) } else { name.to_owned() };
    let api = scene.api(id, kind);
    let read = async || serde_json::to_value(api.get(&name).await.unwrap()).unwrap().pointer(at).cloned();
    let before = read().await;
    let strategic = ["Deployment", "StatefulSet", "Service"].contains(&kind);
    let patch = if strategic { Patch::Strategic(patch.clone()) } else { Patch::Merge(patch.clone()) };
    let begun = Instant::now();
    let params = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let changed = api.patch(&name, &params, &patch).await.unwrap();
    let changed = serde_json::to_value(changed).unwrap().pointer(at).cloned();
    assert_ne!(changed, before, "{kind}/{name} was not changed");
    scene.soon(&format!("{kind}/{name} {at} is put right"), async || (read().await == before).then_some(())).await;
    begun.elapsed()
}

#[tokio::test]
async fn whatever_holds_no_state_comes_back() {
    let table: BTreeSet<String> = stateless().into_iter().map(|(kind, name, _, _)| format!("{kind}/{name}")).collect();
    let whole: BTreeSet<String> = WHOLE.iter().map(ToString::to_string).chain(["Secret/mastodon-mail".to_owned()]).collect();
    let kept: BTreeSet<String> = KEPT.iter().map(ToString::to_string).collect();
    assert_eq!(table.union(&kept).cloned().collect::<BTreeSet<_>>(), whole, "each object is either repaired or kept");

    let mut scene = Scene::new(1).await;
    let id = scene.ids[0];
    let mut settings = scene.settings();
    settings.mail.login = Some(MailLogin { username: "paddock".into(), password: "secret".into() });
    scene.start_with(settings, Arc::<MemoryBuckets>::default());
    scene.order(id, |_| {}).await;
    scene.until_condition(id, ConditionKind::Ready, "True").await;
    scene.settle().await;
    let before = scene.host.objects(id).await;

    let (mut deleted, mut changed) = (Vec::new(), Vec::new());
    for (kind, name, patch, at) in stateless() {
        changed.push(change_and_wait(&scene, kind, name, &patch, at).await);
        deleted.push(scene.delete_and_wait(id, kind, name).await);
    }
    for (name, times) in [("changed", changed), ("deleted", deleted)] {
        let count = times.len();
        let (p50, p99) = percentiles(times);
        println!("{name}: {count} objects come back, p50 {p50} ms, p99 {p99} ms");
    }

    // What holds data is put right too, and stays the same object.
    let privileged = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    change_and_wait(&scene, "Namespace", "", &privileged, "/metadata/labels/pod-security.kubernetes.io~1enforce").await;
    let other = json!({"spec": {"imageName": "registry.example/evil:17"}});
    change_and_wait(&scene, "Cluster", "db-1", &other, "/spec/imageName").await;

    scene.until_condition(id, ConditionKind::Ready, "True").await;
    scene.settle().await;
    let after = scene.host.objects(id).await;
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for name in KEPT {
        assert_eq!(after[name].0, before[name].0, "{name} is the same");
    }
}

#[tokio::test]
async fn what_others_add_to_what_is_ours_alone_goes() {
    let scene = Scene::ready(1).await;
    for (kind, name, patch, at) in additions() {
        let took = change_and_wait(&scene, kind, name, &patch, at).await;
        println!("{kind}/{name}: what was added is gone after {} ms", took.as_millis());
    }
    scene.until_condition(scene.ids[0], ConditionKind::Ready, "True").await;
    let rests = async || (scene.wire.idle() > Duration::from_secs(3)).then_some(());
    scene.host.until("nothing is written any more", rests).await;
}
