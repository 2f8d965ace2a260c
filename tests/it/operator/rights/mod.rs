//! What the operator may do: no more than it does, and nothing to anybody else's harm. All of it with the token of its own service account,
//! under the chart's roles and admission policies, against the real API server.

mod account;
mod attacks;
mod hostile;
mod objects;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt as _};
use paddock::clock::SystemClock;
use paddock::ids::{InstanceId, RunId};
use paddock::operator::settings::Park;
use paddock::operator::{self, Settings};
use paddock::resource::{
    ConditionKind, InstanceStatus, MastodonInstance, MastodonRun, RunPhase, condition, is_true, namespace_name, resource_name,
    run_name,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::account::{Right, granted};
use self::attacks::Wall;
use self::objects::{Own, Target};
use super::{Host, Operator};
use crate::harness::chart;
pub use account::SharedLog;
pub use attacks::{Attack, policy, send, with_pods};
pub use hostile::hostile;

/// Rights that a life does not use each time, with what they are for.
const EXCUSED: [(&str, &str, &str, Option<&str>, &str); 0] = [];

impl Host {
    /// The settings of the tests, with a login at the mail relay and a lease as the chart sets it.
    fn settings_of_the_chart(&self, identity: &str) -> Settings {
        let mut settings = self.settings();
        settings.mail.login = Some(serde_json::from_value(json!({"username": "u", "password": "p"})).unwrap());
        let lease = json!({"namespace": chart::RELEASE, "name": "paddock-operator", "identity": identity});
        settings.leader = Some(serde_json::from_value(lease).unwrap());
        settings.park = Some(Self::park_of_the_chart());
        settings
    }

    /// Who answers for paused servers, as the chart calls it.
    pub fn park_of_the_chart() -> Park {
        serde_json::from_value(json!({"namespace": chart::RELEASE, "service": "paddock-park", "port": 80})).unwrap()
    }

    /// Installs the chart and waits until its policies hold.
    pub async fn install_chart(&self) {
        let settings = self.settings();
        let mut releases = String::new();
        for (version, release) in &settings.releases {
            write!(
                releases,
                "[[release]]\nversion = \"{version}\"\nweb = \"{}\"\nstreaming = \"{}\"\n",
                release.web, release.streaming
            )
            .unwrap();
        }
        let values = json!({
            "catalogue": {"releases": releases},
            "operator": {
                "images": [settings.postgres_image, settings.valkey_image, settings.program_image],
                "issuer": {"name": "simulated"}, "media": {"addresses": ["192.0.2.10"], "port": 7070},
                "backups": {"endpoint": self.rig.s3().endpoint()},
            },
            "route": {"enabled": true, "hostnames": ["pages.example"], "gateway": {"name": "hosts", "namespace": "paddock"}},
            "networkPolicy": {"metricsNamespace": "monitoring"},
        });
        chart::install(self.rig, &values).await;
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(self.client.clone());
        self.until("the policies are compiled", async || {
            let all = policies.list(&ListParams::default()).await.unwrap();
            let ours = all.iter().filter(|one| one.name_any().starts_with("paddock-operator-"));
            let checked =
                ours.map(|one| one.status.as_ref().is_some_and(|status| status.observed_generation == one.metadata.generation));
            let checked: Vec<bool> = checked.collect();
            (checked.len() == 9 && checked.iter().all(|checked| *checked)).then_some(())
        })
        .await;
        for policy in policies.list(&ListParams::default()).await.unwrap() {
            let warnings = policy.status.as_ref().and_then(|status| status.type_checking.clone());
            let warnings = warnings.and_then(|checking| checking.expression_warnings).unwrap_or_default();
            assert!(warnings.is_empty(), "{}: {warnings:#?}", policy.name_any());
        }
    }

    /// An operator with its own account's token, as one of the chart's pods has it.
    async fn operator_of_the_chart(&self, settings: Settings, log: &SharedLog) -> Operator {
        let client = self.client_of("operator", log).await;
        let stop = CancellationToken::new();
        let run = operator::run(settings, client, Arc::new(SystemClock), stop.clone());
        Operator { stop, task: tokio::spawn(async { run.await.unwrap() }), written: Arc::default() }
    }

    /// Orders a server in the fleet's name.
    async fn order_as(&self, fleet: &Client) -> InstanceId {
        self.order_as_with(fleet, |_| {}).await
    }

    /// The same, changed.
    async fn order_as_with(&self, fleet: &Client, change: impl FnOnce(&mut Value)) -> InstanceId {
        let id = InstanceId::new();
        let name = resource_name(id);
        let mut wanted = Self::wanted(&name);
        change(&mut wanted);
        let instances: Api<MastodonInstance> = Api::all(fleet.clone());
        instances.patch(&name, &PatchParams::apply("fleet").force(), &Patch::Apply(&wanted)).await.unwrap();
        id
    }

    fn namespaced(&self, group: &str, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    async fn target(&self, id: InstanceId, neighbour: InstanceId) -> Target {
        let server = namespace_name(id);
        let spec = async |group: &str, version: &str, kind: &str, name: &str| {
            self.namespaced(group, version, kind, &server).get(name).await.unwrap().data["spec"].clone()
        };
        let web = spec("apps", "v1", "Deployment", "web").await["template"].clone();
        Target {
            web,
            database: spec("postgresql.cnpg.io", "v1", "Cluster", "db-1").await,
            store: spec("barmancloud.cnpg.io", "v1", "ObjectStore", "backups").await,
            quota: spec("", "v1", "ResourceQuota", "mastodon").await,
            route: spec("gateway.networking.k8s.io", "v1", "HTTPRoute", "mastodon").await,
            own: self.own(neighbour).await,
            resource: resource_name(id),
            impostor: self.impostor().await,
            neighbour: namespace_name(neighbour),
            server,
        }
    }

    /// What is made for a domain of the customer's own, at the server that has one.
    async fn own(&self, id: InstanceId) -> Own {
        let server = namespace_name(id);
        let get = async |group: &str, version: &str, kind: &str, name: &str| {
            self.namespaced(group, version, kind, &server).get(name).await.unwrap().data
        };
        let endpoints = get("discovery.k8s.io", "v1", "EndpointSlice", "media").await;
        Own {
            listeners: get("gateway.networking.k8s.io", "v1", "ListenerSet", "mastodon").await["spec"].clone(),
            certificate: get("cert-manager.io", "v1", "Certificate", "web").await["spec"].clone(),
            endpoints: json!({
                "addressType": endpoints["addressType"], "ports": endpoints["ports"], "endpoints": endpoints["endpoints"],
            }),
        }
    }

    /// A namespace that somebody else called like a server's.
    async fn impostor(&self) -> String {
        let name = "mastodon-01jd000000000000000000000z";
        let yaml = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}");
        self.rig.cluster().apply(&yaml).await.unwrap();
        name.to_owned()
    }
}

/// Tries them all; what was answered otherwise than by the wall that it names.
async fn breaches(client: &Client, attacks: &[Attack]) -> Vec<String> {
    let mut breaches = Vec::new();
    for attack in attacks {
        let (status, message) = send(client, attack).await;
        let by = match attack.wall {
            Wall::Role => message.contains("cannot ") || message.contains("forbidden: User"),
            // A pod by itself is refused by other plugins before, the restricted profile among them.
            Wall::Policy => {
                message.contains("ValidatingAdmissionPolicy 'paddock-operator-")
                    || attack.what.starts_with("Pod ") && message.contains("forbidden")
            }
        };
        if status != 403 || !by {
            breaches.push(format!("{} ({} {}): {status} {message}", attack.what, attack.method, attack.path));
        }
    }
    breaches
}

/// What of the granted rights was not used, and is not excused.
fn unused(granted: &BTreeSet<Right>, used: &BTreeSet<Right>) -> Vec<String> {
    let is_used = |right: &&Right| {
        used.iter().any(|used| {
            (&used.group, &used.resource, &used.verb) == (&right.group, &right.resource, &right.verb)
                && (right.name.is_none() || used.name == right.name)
        })
    };
    let excused = |right: &&Right| {
        EXCUSED.iter().any(|(group, resource, verb, name, why)| {
            assert!(!why.is_empty());
            (right.group.as_str(), right.resource.as_str(), right.verb.as_str(), right.name.as_deref())
                == (*group, *resource, *verb, *name)
        })
    };
    granted.iter().filter(|right| !is_used(right) && !excused(right)).map(|right| format!("{right:?}")).collect()
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one life, from its beginning to its end")]
async fn a_server_lives_under_the_operators_own_rights_which_are_what_it_uses_and_nothing_else_is_possible() {
    let host = Host::new().await;
    host.install_chart().await;
    let log = SharedLog::default();
    let fleet = host.client_of("fleet", &SharedLog::default()).await;
    let operator = host.operator_of_the_chart(host.settings_of_the_chart("one"), &log).await;

    // It comes up.
    let id = host.order_as(&fleet).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    // Beside it lives one on a domain of the customer's own.
    let own = |wanted: &mut Value| {
        wanted["spec"]["domain"] = "cats-of-the-neighbour.example".into();
        wanted["spec"]["addressConfirmed"] = true.into();
    };
    let neighbour = host.order_as_with(&fleet, own).await;
    host.until_condition(neighbour, ConditionKind::Ready, "True").await;
    // It is repaired.
    let deployments = host.deployments(id);
    deployments.delete("streaming", &DeleteParams::default()).await.unwrap();
    host.until("the Deployment is back", async || deployments.get_opt("streaming").await.unwrap()).await;
    // It is suspended, twice, and resumed.
    let instances: Api<MastodonInstance> = Api::all(fleet.clone());
    for _ in 0..2 {
        for (mode, ready) in [
            (json!({"running": null, "suspended": {"reason": "unpaid"}}), "False"),
            (json!({"suspended": null, "running": {}}), "True"),
        ] {
            let patch = json!({"spec": {"mode": mode}});
            instances.patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
            host.until_condition(id, ConditionKind::Ready, ready).await;
        }
    }
    // It gets another release.
    let patch = json!({"spec": {"version": "4.6.9"}});
    instances.patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    host.until_version(id, "4.6.9").await;
    // Upkeep is asked for, twice: the second waits until the first's Job has left.
    let runs: Api<MastodonRun> = Api::all(fleet.clone());
    for _ in 0..2 {
        let name = run_name(RunId::new());
        let wanted = json!({
            "apiVersion": "paddock.host/v1alpha1", "kind": "MastodonRun", "metadata": {"name": name},
            "spec": {"instance": resource_name(id), "action": {"maintenance": {"cacheClear": {}}}},
        });
        runs.patch(&name, &PatchParams::apply("fleet").force(), &Patch::Apply(&wanted)).await.unwrap();
        host.until("the run is done", async || {
            let phase = runs.get(&name).await.unwrap().status?.phase;
            (phase == Some(RunPhase::Succeeded)).then_some(())
        })
        .await;
    }
    // The neighbour's ways in go, and come back.
    for confirmed in [false, true] {
        let patch = json!({"spec": {"addressConfirmed": confirmed}});
        instances.patch(&resource_name(neighbour), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        host.until_condition(neighbour, ConditionKind::Ready, if confirmed { "True" } else { "False" }).await;
    }
    operator.stop().await;

    // An image that the list does not name is refused, and that is told; a server in which nothing was put goes again.
    let mut other = host.settings_of_the_chart("one");
    other.valkey_image = other.valkey_image.replace("@sha256:0", "@sha256:1");
    let operator = host.operator_of_the_chart(other, &log).await;
    let empty = host.order_as(&fleet).await;
    let status = host.until_condition(empty, ConditionKind::Stalled, "True").await.status.unwrap();
    let stalled = condition(&status.conditions, ConditionKind::Stalled).unwrap();
    assert_eq!(stalled.reason, "Forbidden");
    assert!(
        stalled.message.contains("the ConfigMap paddock-images does not list registry.example/valkey"),
        "{}",
        stalled.message
    );
    assert!(!status.database_initialised);
    host.until("it asks why there is no pod", async || {
        let used = &log.lock().unwrap().used;
        used.iter().any(|right| (right.resource.as_str(), right.verb.as_str()) == ("events", "list")).then_some(())
    })
    .await;
    instances.delete(&resource_name(empty), &DeleteParams::default()).await.unwrap();
    host.until("the empty one is gone", async || instances.get_opt(&resource_name(empty)).await.unwrap().is_none().then_some(()))
        .await;
    operator.stop().await;
    let refused = std::mem::take(&mut log.lock().unwrap().refused);
    assert!(refused.iter().all(|what| what.contains("statefulsets/cache")), "{refused:#?}");

    // A new one goes on.
    let operator = host.operator_of_the_chart(host.settings_of_the_chart("two"), &log).await;
    host.until("the stall is over", async || {
        (!is_true(&host.get(id).await.status?.conditions, ConditionKind::Stalled)).then_some(())
    })
    .await;
    host.until_condition(id, ConditionKind::Ready, "True").await;

    // Meanwhile somebody has its token.
    let client = host.client_of("operator", &SharedLog::default()).await;
    let held = json!({"metadata": {"finalizers": ["paddock.host/instance", "others.example/keep"]}});
    host.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&held)).await.unwrap();
    let target = host.target(id, neighbour).await;
    for kind in objects::WRITTEN {
        let (place, body) = attacks::with_pods(kind, &target.server, &target.web);
        let (status, message) = send(&client, &attacks::policy("ours", "POST", place, body)).await;
        assert_eq!(status, 201, "a {kind} of our own make is let in: {message}");
    }
    let beyond = attacks::beyond_the_role(&target.server);
    let mut forbidden = objects::others(&target);
    forbidden.extend(objects::pods(&target, &objects::WRITTEN));
    let breaches_of = [breaches(&client, &beyond).await, breaches(&client, &forbidden).await].concat();
    let (by_role, by_policy) = (beyond.len(), forbidden.len());
    assert!(breaches_of.is_empty(), "{} of {} got elsewhere: {breaches_of:#?}", breaches_of.len(), by_role + by_policy);
    assert!(by_role + by_policy >= 60);
    println!(
        "{} requests with the operator's token refused: {by_role} by its role, {by_policy} by admission policies",
        by_role + by_policy
    );

    // With the role of an administrator the policies refuse the same, and pods of any other make.
    let binding = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: too-much}, roleRef: {apiGroup: \
                   rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{kind: ServiceAccount, name: paddock-operator, namespace: paddock}]}";
    host.rig.cluster().apply(binding).await.unwrap();
    host.until("it has too many rights", async || {
        (send(&client, &attacks::role("", "GET", "/api/v1/nodes")).await.0 == 200).then_some(())
    })
    .await;
    forbidden.extend(objects::pods(&target, &objects::UNWRITTEN));
    let breaches_of = breaches(&client, &forbidden).await;
    let bindings: Api<k8s_openapi::api::rbac::v1::ClusterRoleBinding> = Api::all(host.client.clone());
    bindings.delete("too-much", &DeleteParams::default()).await.unwrap();
    assert!(breaches_of.is_empty(), "{} of {}: {breaches_of:#?}", breaches_of.len(), forbidden.len());
    println!("{} refused by admission policies alone, with the role of an administrator", forbidden.len());
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(host.client.clone());
    namespaces.delete(&target.impostor, &DeleteParams::default()).await.unwrap();

    // What it has lost it looks for.
    let unheld = json!({"metadata": {"finalizers": ["paddock.host/instance"]}});
    host.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&unheld)).await.unwrap();
    // (A volume goes once no pod uses it.)
    let patch = json!({"spec": {"mode": {"running": null, "suspended": {"reason": "unpaid"}}}});
    instances.patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    let cache = ListParams::default().labels("app.kubernetes.io/component=cache");
    host.until("the cache is stopped", async || {
        let pods = host.namespaced("", "v1", "Pod", &target.server).list(&cache).await.unwrap();
        pods.items.is_empty().then_some(())
    })
    .await;
    host.namespaced("postgresql.cnpg.io", "v1", "Cluster", &target.server)
        .delete("db-1", &DeleteParams::default())
        .await
        .unwrap();
    host.namespaced("", "v1", "PersistentVolumeClaim", &target.server).delete("cache", &DeleteParams::default()).await.unwrap();
    host.until("both losses are told", async || {
        let status = host.get(id).await.status?;
        let stalled = condition(&status.conditions, ConditionKind::Stalled)?;
        ["Cluster db-1", "PersistentVolumeClaim cache"].iter().all(|lost| stalled.message.contains(lost)).then_some(())
    })
    .await;

    // Both end, and are removed with all that is left of them.
    for id in [neighbour, id] {
        let patch = json!({"spec": {"mode": {"running": null, "suspended": null, "archived": {}}, "removal": {"staffOverride": {
            "reason": "the customer wants it gone and has no use for an archive", "by": "stf_one", "second": "stf_two",
        }}}});
        instances.patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        let finished = |status: &InstanceStatus| status.removal.as_ref().is_some_and(|removal| removal.finished_at.is_some());
        host.until_status(id, "it is removed", finished).await;
    }
    operator.stop().await;

    // It used what it may, and was refused nothing.
    let log = std::mem::take(&mut *log.lock().unwrap());
    assert!(log.refused.is_empty(), "{:#?}", log.refused);
    let granted = granted(&host.client, "operator").await;
    let idle = unused(&granted, &log.used);
    assert!(idle.is_empty(), "the role has rights that nothing uses: {idle:#?}");
    for (group, resource, verb, name, _) in EXCUSED {
        let name = name.map(str::to_owned);
        let right = Right { group: group.into(), resource: resource.into(), verb: verb.into(), name };
        assert!(granted.contains(&right) && !log.used.contains(&right), "an excuse that is not needed: {right:?}");
    }
    println!("{} rights granted, {} used", granted.len(), granted.len() - EXCUSED.len());
}

#[tokio::test]
async fn no_role_of_the_chart_has_what_would_lead_to_more() {
    let host = Host::new().await;
    host.install_chart().await;
    for part in ["fleet", "operator"] {
        for right in granted(&host.client, part).await {
            let Right { group, resource, verb, name } = &right;
            let texts = [group, resource, verb];
            assert!(!texts.iter().any(|text| text.contains('*')), "{part}: {right:?}");
            assert!(!["escalate", "bind", "impersonate", "deletecollection"].contains(&verb.as_str()), "{part}: {right:?}");
            // What a run has printed stands in the status of its pod.
            let last_words = (part, resource.as_str(), verb.as_str()) == ("operator", "pods", "list");
            let beyond = ["pods", "nodes", "serviceaccounts"].iter().any(|kind| resource.starts_with(kind));
            assert!(!beyond || last_words, "{part}: {right:?}");
            assert!(
                !group.contains("rbac") && !group.contains("admission") && !group.contains("certificates"),
                "{part}: {right:?}"
            );
            assert!(resource != "secrets" || name.is_some() || verb == "create", "{part}: {right:?}");
            let ordered = ["mastodoninstances", "mastodonruns"].contains(&resource.as_str());
            // What it publishes has fixed names, which a creation can't be bound to; it is in Paddock's own namespace.
            let published = group.is_empty() && resource == "configmaps" && (name.is_some() || verb == "create");
            assert!(part == "operator" || group == "paddock.host" && ordered || published, "{part}: {right:?}");
        }
    }
    // Nobody else has any right at all, or a token to ask with.
    let deployments: Api<Deployment> = Api::namespaced(host.client.clone(), chart::RELEASE);
    for deployment in deployments.list(&ListParams::default().labels("app.kubernetes.io/name=paddock")).await.unwrap() {
        let name = deployment.name_any();
        let pod = deployment.spec.unwrap().template.spec.unwrap();
        let speaks = ["paddock-fleet", "paddock-operator"].contains(&name.as_str());
        assert_eq!(pod.automount_service_account_token, Some(speaks), "{name}");
        assert_eq!(pod.service_account_name.as_deref(), Some(name.as_str()), "each part has an account of its own");
        assert_eq!(pod.host_users, Some(false), "{name}");
    }
    // The fleet's token opens the custom resources and nothing else.
    let fleet = host.client_of("fleet", &SharedLog::default()).await;
    let status = "/apis/paddock.host/v1alpha1/mastodoninstances/ins-00000000000000000000000000/status";
    let attacks = [
        attacks::role("say how a server is", "PATCH", status),
        attacks::role("list Secrets", "GET", "/api/v1/secrets"),
        attacks::role("read its own configuration", "GET", "/api/v1/namespaces/paddock/secrets/paddock-config"),
        attacks::role("make a namespace", "POST", "/api/v1/namespaces"),
        attacks::role("look at namespaces", "GET", "/api/v1/namespaces"),
        attacks::role("make a Deployment", "POST", "/apis/apps/v1/namespaces/paddock/deployments"),
        attacks::role("change another ConfigMap", "PATCH", "/api/v1/namespaces/paddock/configmaps/paddock-other"),
        attacks::role("take the list of images away", "DELETE", "/api/v1/namespaces/paddock/configmaps/paddock-images"),
        attacks::role(
            "take the operator's lease",
            "PUT",
            "/apis/coordination.k8s.io/v1/namespaces/paddock/leases/paddock-operator",
        ),
        attacks::role("widen its role", "PATCH", "/apis/rbac.authorization.k8s.io/v1/clusterroles/paddock-fleet"),
        attacks::role("take the operator's token", "POST", "/api/v1/namespaces/paddock/serviceaccounts/paddock-operator/token"),
    ];
    assert_eq!(breaches(&fleet, &attacks).await, Vec::<String>::new());
}
