//! Every object of an instance, looked at without a cluster.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, PodTemplateSpec, ResourceQuota, Secret, Service,
};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;
use crate::internet::{INTERNET_V6, NOT_THE_INTERNET_V4, NOT_THE_INTERNET_V6};
use crate::operator::instance::buckets::BucketState;
use crate::operator::instance::keys::Known;
use crate::operator::instance::validate::validate;
use crate::operator::settings::Settings;
use crate::resource::{InstanceStatus, LocalDomain, MastodonInstance, MastodonInstanceSpec, Upgrade, UpgradePhase};

/// Names on purpose unlike the program's and each other, to catch what is swapped.
pub fn settings() -> Settings {
    let image = |name: &str| format!("registry.example/{name}@sha256:{}", "a".repeat(64));
    let (operator, offline) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    serde_json::from_value(json!({
        "releases": {
            "4.5.20": {"web": image("masto:v4.5.20"), "streaming": image("masto-streaming:v4.5.20"), "min_from": "4.2.0"},
            "4.6.9": {"web": image("masto:v4.6.9"), "streaming": image("masto-streaming:v4.6.9"), "min_from": "4.2.0"},
        },
        "address": {
            "wildcard_domain": "herd.example",
            "gateway": {"name": "front", "namespace": "edge", "section": "tls", "ports": [443, 9443]},
            "issuer": {"name": "signer"},
            "media": {"addresses": ["10.9.8.7", "10.9.8.6"], "port": 3902},
        },
        "storage": {
            "driver": "versitygw", "pod_endpoint": "http://s3.inside.example:7070", "endpoint": "http://127.0.0.1:7070",
            "region": "eu-1", "access_key": "root", "secret_key": "rootsecret", "media_host": "files.herd.example/{bucket}",
        },
        "vault": {"bucket": "vault", "access_key": "GKvault", "secret_key": "vaultsecret",
            "operator_key": operator.to_string().expose_secret(), "recovery_recipient": offline.to_public().to_string()},
        "mail": {"server": "relay.example", "port": 587, "from": "mastodon@{domain}", "login": {"username": "u", "password": "p"}},
        "postgres_image": image("postgres:17.6"),
        "valkey_image": image("valkey:8.1"),
        "program_image": image("paddock:1"),
        "network": {
            "reach": [{"cidr": "10.9.8.7/32", "port": 7070}],
            "api_server": [{"cidr": "10.0.0.1/32", "port": 443}],
            "backup_store": [{"cidr": "10.9.8.5/32", "port": 7071}],
            "database_operator": "cnpg-system",
            "metrics": "figures",
            "cluster": ["198.41.7.0/24", "2a01:db9::/48", "fd00:7::/48"],
        },
    }))
    .unwrap()
}

pub fn instance(mode: &Value, web_replicas: u16) -> MastodonInstance {
    serde_json::from_value(json!({
        "apiVersion": "paddock.host/v1alpha1", "kind": "MastodonInstance",
        "metadata": {"name": "ins-01jd0000000000000000000000", "uid": "u-1", "generation": 3},
        "spec": {
            "domain": "cats.herd.example", "mode": mode, "version": "4.5.20", "locale": "de",
            "owner": {"username": "ada", "email": "ada@mail.example"},
            "size": {
                "web": {"replicas": web_replicas, "concurrency": 2, "threads": 5, "memoryMib": 900, "cpuMilli": 300},
                "streaming": {"replicas": 1, "dbPool": 4, "memoryMib": 200, "cpuMilli": 100},
                "sidekiq": {"replicas": 1, "concurrency": 10, "memoryMib": 700, "cpuMilli": 200},
                "scheduler": {"concurrency": 3, "memoryMib": 500, "cpuMilli": 100},
                "database": {"instances": 1, "storageGib": 20, "memoryMib": 1024, "cpuMilli": 300},
                "cache": {"memoryMib": 256, "storageGib": 2},
                "mediaGib": 50,
            },
        },
    }))
    .unwrap()
}

pub fn foundation() -> Foundation {
    Foundation { secrets: 7, identity: Known { fingerprint: "f".into(), unproven: None }, bucket: BucketState::There }
}

const FIRST: Attempts = Attempts { prepare: 1, seed: 1, owner: 1, backup: 1, pre: 1, post: 1, major: [1; 3] };

/// An upgrade, so that what it takes is built too.
fn on_its_way() -> Upgrade {
    let start = crate::resource::time(chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap());
    Upgrade { from: "4.5.20".into(), to: "4.6.9".into(), phase: UpgradePhase::Backup, since: start.clone(), phase_since: start }
}

/// An instance and its settings, both as changed.
pub fn with(change: impl FnOnce(&mut Settings, &mut MastodonInstanceSpec), look: impl FnOnce(&Valid<'_>)) {
    let (mut settings, mut instance) = (settings(), instance(&json!({"running": {}}), 1));
    change(&mut settings, &mut instance.spec);
    look(&validate(&settings, &instance, &InstanceStatus::default(), &BTreeMap::new()).unwrap());
}

/// On the customer's own `cats.example`; with the pages at `social.cats.example` when it is said who answers at the domain itself.
pub fn own_domain(local: Option<LocalDomain>, confirmed: bool) -> impl Fn(&mut Settings, &mut MastodonInstanceSpec) {
    move |_, spec| {
        spec.domain = "cats.example".into();
        spec.web_domain = local.map(|_| "social.cats.example".to_owned());
        (spec.local_domain, spec.address_confirmed) = (local, confirmed);
    }
}

fn with_objects(mode: &Value, web_replicas: u16, look: impl FnOnce(Vec<Object>)) {
    let (settings, instance) = (settings(), instance(mode, web_replicas));
    let status = InstanceStatus { version: Some("4.5.20".into()), upgrade: Some(on_its_way()), ..InstanceStatus::default() };
    look(objects(&validate(&settings, &instance, &status, &BTreeMap::new()).unwrap()));
}

fn objects(valid: &Valid<'_>) -> Vec<Object> {
    let mut all = vec![namespace(valid)];
    all.extend(build(valid, &foundation(), FIRST).into_all());
    all
}

/// The policies of a server that runs.
pub fn policies_of_a_server() -> Vec<Value> {
    let (settings, instance) = (settings(), instance(&json!({"running": {}}), 1));
    let valid = validate(&settings, &instance, &InstanceStatus::default(), &BTreeMap::new()).unwrap();
    policies::policies(&valid).into_iter().map(|object| object.body).collect()
}

fn find(all: &[Object], kind: Kind, name: &str) -> Object {
    all.iter().find(|object| object.kind == kind && object.name == name).unwrap_or_else(|| panic!("no {kind:?} {name}")).clone()
}

fn pod_template(object: &Object) -> Option<PodTemplateSpec> {
    let template = object.body["spec"].get("template")?;
    Some(serde_json::from_value(template.clone()).unwrap())
}

#[test]
fn every_field_is_one_that_kubernetes_knows() {
    fn same<K: Serialize + DeserializeOwned>(object: &Object) {
        let typed: K = serde_json::from_value(object.body.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap(), object.body, "{:?} {}", object.kind, object.name);
    }
    let mut kinds = BTreeSet::new();
    let mut known = |all: Vec<Object>| {
        for object in &all {
            match object.kind {
                Kind::Namespace => same::<Namespace>(object),
                Kind::ResourceQuota => same::<ResourceQuota>(object),
                Kind::LimitRange => same::<LimitRange>(object),
                Kind::NetworkPolicy => same::<NetworkPolicy>(object),
                Kind::ConfigMap => same::<ConfigMap>(object),
                Kind::Secret => same::<Secret>(object),
                Kind::Service => same::<Service>(object),
                Kind::PersistentVolumeClaim => same::<PersistentVolumeClaim>(object),
                Kind::StatefulSet => same::<StatefulSet>(object),
                Kind::Deployment => same::<Deployment>(object),
                Kind::Job => same::<Job>(object),
                Kind::PodDisruptionBudget => same::<PodDisruptionBudget>(object),
                Kind::EndpointSlice => same::<EndpointSlice>(object),
                // The API server of the integration tests knows these.
                Kind::Cluster
                | Kind::Backup
                | Kind::ScheduledBackup
                | Kind::ObjectStore
                | Kind::HttpRoute
                | Kind::ListenerSet
                | Kind::Certificate => {}
            }
        }
        kinds.extend(all.iter().map(|object| object.kind));
    };
    with_objects(&json!({"running": {}}), 3, &mut known);
    with(own_domain(Some(LocalDomain::Served), true), |valid| known(objects(valid)));
    assert_eq!(kinds, Kind::ALL.into_iter().collect());
}

#[test]
fn a_certificate_can_be_signed_inside_the_walls() {
    let look = |valid: &Valid<'_>| {
        let all = objects(valid);
        let quota = find(&all, Kind::ResourceQuota, names::MASTODON).body["spec"]["hard"].clone();
        let pods: u64 = quota["pods"].as_str().unwrap().parse().unwrap();
        let memory: u64 = quota["limits.memory"].as_str().unwrap().trim_end_matches("Mi").parse().unwrap();
        let wall = all.iter().find(|object| object.kind == Kind::NetworkPolicy && object.name == "certificates");
        (pods, memory, wall.map(|wall| wall.body["spec"].clone()))
    };
    let (mut hosted, mut own) = (None, None);
    with(own_domain(None, false), |valid| hosted = Some(look(valid)));
    with(own_domain(None, true), |valid| own = Some(look(valid)));
    let ((pods, memory, none), (more_pods, more_memory, wall)) = (hosted.unwrap(), own.unwrap());
    assert_eq!((more_pods - pods, more_memory - memory, none), (2, 256, None));
    let wall = wall.unwrap();
    assert_eq!(wall["podSelector"]["matchLabels"], json!({"acme.cert-manager.io/http01-solver": "true"}));
    assert_eq!(wall["policyTypes"], json!(["Ingress"]));
    assert_eq!(wall["ingress"].as_array().unwrap().len(), 1);
    assert_eq!(wall["ingress"][0]["ports"], json!([{"protocol": "TCP", "port": 8089}]));
    let from = &wall["ingress"][0]["from"];
    assert_eq!(*from, json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}}]));
}

#[test]
fn media_of_an_own_domain_leave_with_it() {
    let alias = |valid: &Valid<'_>| find(&objects(valid), Kind::ConfigMap, names::ENV).body["data"]["S3_ALIAS_HOST"].clone();
    for confirmed in [false, true] {
        with(own_domain(None, confirmed), |valid| assert_eq!(alias(valid), "files.cats.example"));
        let split = own_domain(Some(LocalDomain::Elsewhere), confirmed);
        with(split, |valid| assert_eq!(alias(valid), "files.social.cats.example"));
    }
}

#[test]
fn every_pod_fits_the_restricted_profile_and_is_pinned() {
    with_objects(&json!({"running": {}}), 1, |all| {
        let mut pods = 0;
        for object in &all {
            let Some(template) = pod_template(object) else { continue };
            pods += 1;
            let name = &object.name;
            let spec = template.spec.unwrap();
            assert_eq!(spec.automount_service_account_token, Some(false), "{name}");
            assert_eq!(spec.host_users, Some(false), "{name}");
            let security = spec.security_context.unwrap();
            assert_eq!(security.run_as_non_root, Some(true), "{name}");
            assert!(security.run_as_user.unwrap() > 0, "{name}");
            assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault", "{name}");
            for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
                let name = format!("{name}/{}", container.name);
                let security = container.security_context.as_ref().unwrap();
                assert_eq!(security.allow_privilege_escalation, Some(false), "{name}");
                assert_eq!(security.read_only_root_filesystem, Some(true), "{name}");
                assert_eq!(security.capabilities.as_ref().unwrap().drop, Some(vec!["ALL".to_owned()]), "{name}");
                assert!(container.image.as_ref().unwrap().contains("@sha256:"), "{name}");
                let resources = container.resources.as_ref().unwrap();
                for part in [&resources.limits, &resources.requests] {
                    let part = part.as_ref().unwrap();
                    assert!(part.contains_key("cpu") && part.contains_key("memory"), "{name}");
                }
            }
            for volume in spec.volumes.iter().flatten() {
                assert!(volume.empty_dir.is_some() || volume.persistent_volume_claim.is_some(), "{name} mounts {volume:?}");
            }
        }
        assert_eq!(pods, 10);
    });
}

#[test]
fn mastodon_is_told_what_it_needs_and_no_secret_stands_in_the_open() {
    with_objects(&json!({"running": {}}), 1, |all| {
        let env = find(&all, Kind::ConfigMap, names::ENV).body["data"].clone();
        for (name, value) in [
            ("LOCAL_DOMAIN", "cats.herd.example"),
            ("DEFAULT_LOCALE", "de"),
            ("S3_ALIAS_HOST", "files.herd.example/mastodon-01jd0000000000000000000000"),
            ("S3_ENDPOINT", "http://s3.inside.example:7070"),
            ("S3_PROTOCOL", "https"),
            ("S3_BUCKET", "mastodon-01jd0000000000000000000000"),
            ("S3_PERMISSION", ""),
            ("SMTP_FROM_ADDRESS", "mastodon@cats.herd.example"),
            ("REDIS_HOST", "cache"),
        ] {
            assert_eq!(env[name], value, "{name}");
        }
        assert!(env.get("WEB_DOMAIN").is_none());
        let sources = |object: &Object| {
            let container = &pod_template(object).unwrap().spec.unwrap().containers[0];
            let whole = container.env_from.iter().flatten().map(|source| {
                let map = source.config_map_ref.as_ref().map(|map| map.name.clone());
                map.or_else(|| source.secret_ref.as_ref().map(|secret| secret.name.clone())).unwrap()
            });
            let single = container.env.iter().flatten().map(|variable| variable.name.clone());
            whole.chain(single).collect::<BTreeSet<_>>()
        };
        for object in all.iter().filter(|object| matches!(object.kind, Kind::Deployment | Kind::Job)) {
            let given = sources(object);
            for needed in [names::ENV, "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASS", "REDIS_PASSWORD"] {
                assert!(given.contains(needed), "{} lacks {needed}", object.name);
            }
            for secret in [names::IDENTITY, names::MEDIA, names::MAIL] {
                let needs = object.name != names::STREAMING;
                assert_eq!(given.contains(secret), needs, "{} and {secret}", object.name);
            }
        }
        // Everything but the Secret of the mail relay's login may be read by whoever may look at pods.
        for object in all.iter().filter(|object| object.kind != Kind::Secret) {
            assert!(!object.body.to_string().contains("rootsecret"), "{}", object.name);
        }
    });
}

#[test]
fn the_database_takes_as_many_connections_as_processes_can_hold() {
    with_objects(&json!({"running": {}}), 2, |all| {
        let cluster = find(&all, Kind::Cluster, names::DATABASE).body;
        let most: u32 = cluster["spec"]["postgresql"]["parameters"]["max_connections"].as_str().unwrap().parse().unwrap();
        let pool = |object: &Object| -> u32 {
            let container = &pod_template(object).unwrap().spec.unwrap().containers[0];
            let number = |name: &str| -> Option<u32> {
                container.env.iter().flatten().find(|variable| variable.name == name)?.value.as_ref()?.parse().ok()
            };
            number("DB_POOL").unwrap() * number("WEB_CONCURRENCY").unwrap_or(1).max(1)
        };
        let sum: u32 = all
            .iter()
            .filter(|object| object.kind == Kind::Deployment)
            .map(|object| {
                let replicas = u32::try_from(object.body["spec"]["replicas"].as_u64().unwrap()).unwrap();
                let surge = u32::from(object.body["spec"]["strategy"]["type"] == "RollingUpdate");
                pool(object) * (replicas + surge)
            })
            .sum();
        assert!(sum + 20 <= most, "processes can hold {sum} of {most}, which leaves too few for Jobs and backups");
        assert_eq!(cluster["spec"]["enablePDB"], false);
        assert_eq!(cluster["spec"]["managed"]["services"]["disabledDefaultServices"], json!(["r", "ro"]));
    });
}

#[test]
fn only_one_process_ever_listens_to_the_scheduler_queue() {
    with_objects(&json!({"running": {}}), 2, |all| {
        let listens = |object: &&Object| {
            object.body["spec"]["template"]["spec"]["containers"][0]["command"].to_string().contains("\"scheduler\"")
        };
        let listening: Vec<&Object> = all.iter().filter(|object| object.kind == Kind::Deployment).filter(listens).collect();
        assert_eq!(listening.len(), 1);
        assert_eq!(listening[0].body["spec"]["replicas"], 1);
        assert_eq!(listening[0].body["spec"]["strategy"]["type"], "Recreate");
        assert!(listening[0].body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap() >= 60);
    });
}

#[test]
fn a_suspended_server_runs_no_pod_and_keeps_its_data() {
    for mode in [json!({"suspended": {"reason": "unpaid"}}), json!({"archived": {}})] {
        with_objects(&mode, 3, |all| {
            for object in all.iter().filter(|object| matches!(object.kind, Kind::Deployment | Kind::StatefulSet)) {
                assert_eq!(object.body["spec"]["replicas"], 0, "{}", object.name);
            }
            find(&all, Kind::Cluster, names::DATABASE);
            find(&all, Kind::PersistentVolumeClaim, names::CACHE);
            assert!(!all.iter().any(|object| object.kind == Kind::PodDisruptionBudget));
        });
    }
}

#[test]
fn nothing_has_an_owner_and_everything_carries_its_labels_and_hash() {
    with_objects(&json!({"running": {}}), 1, |all| {
        for object in &all {
            let metadata = &object.body["metadata"];
            assert!(metadata.get("ownerReferences").is_none(), "{}", object.name);
            assert_eq!(metadata["labels"][MANAGED_BY_LABEL], MANAGED_BY);
            assert_eq!(metadata["labels"][INSTANCE_LABEL], "ins-01jd0000000000000000000000");
            assert_eq!(metadata["annotations"][APPLIED_ANNOTATION], format!("{:016x}", object.hash));
        }
    });
}

#[test]
fn the_walls_of_the_chart_know_our_secrets_and_ranges() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/paddock/templates/wall");
    let helpers = std::fs::read_to_string(format!("{folder}/_helpers.tpl")).unwrap();
    let mut secrets = names::SECRETS.to_vec();
    secrets.sort_unstable();
    let mut signed = [Use::Web, Use::Media, Use::Handles].map(Use::tls_secret);
    signed.sort_unstable();
    let signed = signed.each_ref().map(String::as_str);
    for texts in [&secrets[..], &signed, &NOT_THE_INTERNET_V4, &NOT_THE_INTERNET_V6] {
        let list = format!("[{}]", texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", "));
        assert!(helpers.contains(&list), "charts/paddock/templates/wall/_helpers.tpl lacks {list}");
    }
    let network = std::fs::read_to_string(format!("{folder}/network.yaml")).unwrap();
    assert!(network.contains(&format!("block.cidr == '{INTERNET_V6}'")));
}

#[test]
fn building_twice_gives_the_same() {
    with_objects(&json!({"running": {}}), 2, |one| with_objects(&json!({"running": {}}), 2, |two| assert_eq!(one, two)));
}

#[test]
fn the_owner_is_named_by_variables_and_never_by_a_command_line() {
    with_objects(&json!({"running": {}}), 1, |all| {
        let job = find(&all, Kind::Job, "owner-4-5-20");
        let container = &pod_template(&job).unwrap().spec.unwrap().containers[0];
        assert!(!container.command.as_ref().unwrap().iter().any(|word| word.contains("ada")));
        assert_eq!(job.body["spec"]["template"]["metadata"]["labels"]["paddock.host/job"], "owner");
        assert_eq!(job.body["metadata"]["labels"]["paddock.host/job"], "owner");
    });
}

#[test]
fn the_copy_of_tmp_keeps_neither_times_nor_owners() {
    with_objects(&json!({"running": {}}), 1, |all| {
        let mut copies = 0;
        for container in all.iter().filter_map(pod_template).flat_map(|pod| pod.spec.unwrap().init_containers.unwrap_or_default())
        {
            let command = container.command.unwrap();
            assert_eq!(command[0], "cp");
            // As user 991 on a volume whose root belongs to root, `-a` and `-p` end with "Operation not permitted".
            let short = |word: &&String| word.starts_with('-') && !word.starts_with("--");
            assert!(!command.iter().filter(short).any(|word| word.contains(['a', 'p'])), "{command:?}");
            assert!(!command.iter().any(|word| word.starts_with("--")), "{command:?}");
            copies += 1;
        }
        assert_eq!(copies, 8, "web, sidekiq, scheduler and five Jobs");
    });
}

#[test]
fn another_login_at_the_mail_relay_replaces_the_pods_that_send_mail() {
    let template = |password: &str, name: &str| {
        let (mut settings, instance) = (settings(), instance(&json!({"running": {}}), 1));
        settings.mail.login.as_mut().unwrap().password = password.to_owned().into();
        let valid = validate(&settings, &instance, &InstanceStatus::default(), &BTreeMap::new()).unwrap();
        let Processes { web, streaming, sidekiq, scheduler } = build(&valid, &foundation(), FIRST).processes;
        find(&[web, streaming, sidekiq, scheduler], Kind::Deployment, name).body["spec"]["template"].clone()
    };
    for name in [names::WEB, names::SIDEKIQ, names::SCHEDULER] {
        assert_ne!(template("one", name), template("two", name), "{name}");
    }
    assert_eq!(template("one", names::STREAMING), template("two", names::STREAMING));
}

#[test]
fn every_job_ends_some_time() {
    with_objects(&json!({"running": {}}), 1, |all| {
        let deadline = |name: &str| find(&all, Kind::Job, name).body["spec"]["activeDeadlineSeconds"].clone();
        assert_eq!([deadline("prepare-4-5-20"), deadline("seed-4-5-20"), deadline("owner-4-5-20")], [3600, 3600, 900]);
        // `create` prints a password: nothing of it is kept. `modify` says why it fails.
        let script =
            find(&all, Kind::Job, "owner-4-5-20").body["spec"]["template"]["spec"]["containers"][0]["command"][2].clone();
        let (create, modify) = script.as_str().unwrap().split_once("||").unwrap();
        assert!(create.trim_end().ends_with(">/dev/null 2>&1"), "{create}");
        assert!(modify.contains("2>&1") && !modify.contains("/dev/null"), "{modify}");
    });
}
