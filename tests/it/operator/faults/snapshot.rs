//! Everything there is of a server, field by field, in a form in which two servers can be compared.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::try_join_all;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::discovery::verbs;
use kube::discovery::{Discovery, Scope};
use kube::{Client, ResourceExt as _};
use paddock::ids::InstanceId;
use paddock::resource::{namespace_name, resource_name};
use serde_json::Value;

/// The fields of an object: `spec.replicas` → `2`.
pub type Fields = BTreeMap<String, String>;

/// All objects of a server: `Deployment/web` → its fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot(pub BTreeMap<String, Fields>);

/// What is looked at: every kind that the API server knows, until it is known which of them a server has.
pub struct Lens {
    kinds: Vec<ApiResource>,
    /// Kinds of which a server has had an object.
    met: Mutex<BTreeSet<String>>,
    narrow: AtomicBool,
}

/// Objects that their controllers name by chance: they are known by their owner.
const NAMED_BY_CHANCE: [&str; 5] = ["Pod", "ReplicaSet", "EndpointSlice", "ControllerRevision", "Backup"];

/// Keys of lists of objects, so that an entry is compared with the same entry.
const KEYS: [&str; 6] = ["name", "type", "manager", "operation", "subresource", "mountPath"];

impl Lens {
    /// Asks the API server for its kinds.
    pub async fn new(client: &Client) -> anyhow::Result<Self> {
        let found = Discovery::new(client.clone()).run_aggregated().await?;
        let all = found.groups().flat_map(kube::discovery::ApiGroup::recommended_resources);
        let looked_at = all.filter(|(kind, can)| {
            // Events tell, they are no state; one that is lost is not written again.
            can.scope == Scope::Namespaced && can.supports_operation(verbs::LIST) && kind.kind != "Event"
        });
        let kinds = looked_at.map(|(kind, _)| kind).collect();
        Ok(Self { kinds, met: Mutex::default(), narrow: AtomicBool::new(false) })
    }

    /// From now on only kinds are looked at of which some server has had an object: a third of all, and most of the work is the API
    /// server's. What an operator makes of another kind is seen by its requests.
    pub fn narrow(&self) {
        self.narrow.store(true, Ordering::Relaxed);
    }

    fn looked_at(&self) -> Vec<&ApiResource> {
        let (narrow, met) = (self.narrow.load(Ordering::Relaxed), self.met.lock().unwrap());
        self.kinds.iter().filter(|kind| !narrow || met.contains(&kind.kind)).collect()
    }

    /// Everything of a server: all in its namespace, the namespace (and others of ours by another name), the custom resource.
    pub async fn look(&self, client: &Client, id: InstanceId) -> anyhow::Result<Snapshot> {
        let namespace = namespace_name(id);
        let within = self
            .looked_at()
            .into_iter()
            .map(|kind| list(Api::namespaced_with(client.clone(), &namespace, kind), kind, ListParams::default()));
        let ours = ListParams::default().labels(&format!("paddock.host/instance={}", resource_name(id)));
        let namespaces = ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&());
        let itself = ListParams::default().fields(&format!("metadata.name={}", resource_name(id)));
        let instances = ApiResource::erase::<paddock::resource::MastodonInstance>(&());
        let (within, namespaces, instance) = tokio::try_join!(
            try_join_all(within),
            list(Api::all_with(client.clone(), &namespaces), &namespaces, ours),
            list(Api::all_with(client.clone(), &instances), &instances, itself),
        )?;
        let within: Vec<_> = within.into_iter().flatten().collect();
        self.met.lock().unwrap().extend(within.iter().map(|(kind, _)| kind.clone()));
        Ok(snapshot(id, within.into_iter().chain(namespaces).chain(instance).collect()))
    }
}

async fn list(api: Api<DynamicObject>, kind: &ApiResource, which: ListParams) -> anyhow::Result<Vec<(String, DynamicObject)>> {
    let found = api.list(&which).await?;
    Ok(found.items.into_iter().map(|object| (kind.kind.clone(), object)).collect())
}

fn snapshot(id: InstanceId, mut objects: Vec<(String, DynamicObject)>) -> Snapshot {
    objects.sort_by_key(|(kind, object)| {
        (kind.clone(), object.metadata.creation_timestamp.clone().map(|at| at.0), object.name_any())
    });
    let owner_of: HashMap<String, String> = objects
        .iter()
        .filter_map(|(kind, object)| {
            let owner = object.owner_references().iter().find(|owner| owner.controller == Some(true))?;
            Some((format!("{kind}/{}", object.name_any()), format!("{}/{}", owner.kind, owner.name)))
        })
        .collect();
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut keys: HashMap<String, String> = HashMap::new();
    // Names and hashes that are made by chance, and what stands for them.
    let mut by_chance: Vec<(String, String)> = vec![(resource_name(id)[4..].to_owned(), "~".to_owned())];
    for (kind, object) in &objects {
        let own = format!("{kind}/{}", object.name_any());
        let mut key = own.clone();
        let mut told = own.clone();
        if NAMED_BY_CHANCE.contains(&kind.as_str()) {
            // A pod's owner is named by chance itself: the owner's owner tells more.
            let owner = owner_of.get(&own).map(|owner| owner_of.get(owner).unwrap_or(owner)).map_or("nobody", String::as_str);
            told = format!("{kind} of {owner}");
            let count = counts.entry(told.clone()).and_modify(|count| *count += 1).or_insert(1);
            key = format!("{kind} {count} of {owner}");
            by_chance.push((object.name_any(), told.clone()));
            by_chance.extend(object.labels().get("pod-template-hash").map(|hash| (hash.clone(), "#".to_owned())));
        }
        by_chance.extend(object.uid().map(|uid| (uid, told)));
        keys.insert(own, key);
    }
    // The longest first: the name of a set is the beginning of its pods' names.
    by_chance.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    by_chance.dedup();
    let told = |text: &str| -> String {
        if chrono::DateTime::parse_from_rfc3339(text).is_ok() || is_compact_time(text.trim_start_matches("backup-")) {
            return "a time".to_owned();
        }
        let mut text = text.to_owned();
        for (name, instead) in &by_chance {
            if text.len() >= name.len() && text.contains(name) {
                text = text.replace(name, instead);
            }
        }
        without_addresses(&text)
    };
    let fields = objects.iter().map(|(kind, object)| {
        let mut value = serde_json::to_value(object).unwrap_or_default();
        // What the test itself writes to wake the operator.
        if let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove(super::world::NUDGE);
            // Whether Kubernetes' own controllers come to an object once or twice is not the operator's doing.
            annotations.remove("endpoints.kubernetes.io/last-change-trigger-time");
            if annotations.is_empty() {
                value["metadata"].as_object_mut().unwrap().remove("annotations");
            }
        }
        // Counted anew by Kubernetes when it comes to it.
        if kind == "ResourceQuota" {
            value.as_object_mut().unwrap().remove("status");
        }
        if let Some(fields) = value.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut) {
            fields.retain(|entry| !entry["manager"].as_str().is_some_and(|name| name == "kwok" || name.starts_with("kube-")));
        }
        let mut fields = Fields::new();
        flatten(&value, String::new(), &told, &mut fields);
        (keys[&format!("{kind}/{}", object.name_any())].replace(&resource_name(id)[4..], "~"), fields)
    });
    Snapshot(fields.collect())
}

/// A time as backups are called by it: `20261125T170000`.
fn is_compact_time(text: &str) -> bool {
    let digit = |(at, byte): (usize, u8)| if at == 8 { byte == b'T' } else { byte.is_ascii_digit() };
    text.len() == 15 && text.bytes().enumerate().all(digit)
}

/// Addresses of pods and Services are given by chance; ranges are not.
fn without_addresses(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let run = &rest[start..];
        let end = run.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(run.len());
        let is_address = run[..end].parse::<Ipv4Addr>().is_ok() && !run[end..].starts_with('/');
        told.push_str(&rest[..start]);
        told.push_str(if is_address { "an address" } else { &run[..end] });
        rest = &run[end..];
    }
    told + rest
}

fn flatten(value: &Value, path: String, told: &impl Fn(&str) -> String, into: &mut Fields) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                flatten(value, format!("{path}.{}", told(key)), told, into);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, value) in list.iter().enumerate() {
                let names: Vec<&str> = KEYS.iter().filter_map(|key| value[key].as_str()).collect();
                let key = if names.is_empty() { index.to_string() } else { told(&names.join(" ")) };
                // Two entries of one name: the second is told apart by its place.
                let mut at = format!("{path}[{key}]");
                if into.range(at.clone()..).next().is_some_and(|(taken, _)| taken.starts_with(&at)) {
                    at = format!("{path}[{key} {index}]");
                }
                flatten(value, at, told, into);
            }
        }
        Value::String(text) => {
            into.insert(path, told(text));
        }
        leaf => {
            into.insert(path, leaf.to_string());
        }
    }
}

/// How a server looks that nothing disturbed, and which fields differ from one to the next.
#[derive(Debug, Clone)]
pub struct Likeness {
    objects: BTreeMap<String, Fields>,
    differing: BTreeMap<String, BTreeSet<String>>,
}

impl Likeness {
    /// Learns from several. They must have the same objects.
    ///
    /// # Errors
    /// In words, when they do not.
    pub fn learn(snapshots: &[Snapshot]) -> anyhow::Result<Self> {
        let Some((Snapshot(first), others)) = snapshots.split_first() else { anyhow::bail!("nothing to learn from") };
        let mut differing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for Snapshot(other) in others {
            let (mine, theirs): (BTreeSet<_>, BTreeSet<_>) = (first.keys().collect(), other.keys().collect());
            anyhow::ensure!(
                mine == theirs,
                "undisturbed runs differ in their objects: {:?}",
                mine.symmetric_difference(&theirs).collect::<Vec<_>>()
            );
            for (key, fields) in first {
                let theirs = &other[key];
                let paths = fields.keys().chain(theirs.keys()).filter(|path| fields.get(*path) != theirs.get(*path));
                differing.entry(key.clone()).or_default().extend(paths.cloned());
            }
        }
        Ok(Self { objects: first.clone(), differing })
    }

    /// How many fields are compared, and how many are not.
    pub fn fields(&self) -> (usize, usize) {
        let all: usize = self.objects.values().map(BTreeMap::len).sum();
        let masked: usize = self.differing.values().map(BTreeSet::len).sum();
        (all.saturating_sub(masked), masked)
    }

    /// What is otherwise in `other`, one line each.
    pub fn differences(&self, Snapshot(other): &Snapshot) -> Vec<String> {
        let mut lines: Vec<String> =
            other.keys().filter(|key| !self.objects.contains_key(*key)).map(|key| format!("{key} is too much")).collect();
        for (key, fields) in &self.objects {
            let Some(theirs) = other.get(key) else {
                lines.push(format!("{key} is missing"));
                continue;
            };
            let masked = |path: &&String| !self.differing.get(key).is_some_and(|differing| differing.contains(*path));
            let paths: BTreeSet<&String> = fields.keys().chain(theirs.keys()).filter(masked).collect();
            for path in paths {
                let (wanted, found) = (fields.get(path), theirs.get(path));
                if wanted != found {
                    let word =
                        |value: Option<&String>| value.map_or("nothing".to_owned(), |value| value.chars().take(200).collect());
                    lines.push(format!("{key} {path}: {} instead of {}", word(found), word(wanted)));
                }
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> (String, DynamicObject) {
        (value["kind"].as_str().unwrap().to_owned(), serde_json::from_value(value).unwrap())
    }

    /// `digit` makes the UIDs.
    fn server(id: InstanceId, digit: &str, replicas: u32, more: &[Value]) -> Snapshot {
        let (namespace, uid) = (namespace_name(id), format!("{}-0000-4000-8000-000000000000", digit.repeat(8)));
        let uid_of_set = uid.replace("-8000-", "-9000-");
        let mut all = vec![
            object(
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": namespace, "uid": uid},
                "spec": {"replicas": replicas, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}}),
            ),
            object(
                json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": format!("web-{digit}"), "uid": uid_of_set,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid, "controller": true}]}}),
            ),
        ];
        all.extend(more.iter().cloned().map(object));
        snapshot(id, all)
    }

    #[test]
    fn two_servers_are_alike_but_for_what_differs_by_chance() {
        let (one, two) = (server(InstanceId::new(), "a", 2, &[]), server(InstanceId::new(), "b", 2, &[]));
        assert_eq!(one.0.keys().collect::<Vec<_>>(), ["Deployment/web", "ReplicaSet 1 of Deployment/web"]);
        assert_eq!(one.0["ReplicaSet 1 of Deployment/web"][".metadata.ownerReferences[web].uid"], "Deployment/web");
        assert_eq!(without_addresses("at 172.16.0.9:80, not 10.0.0.0/8 or 4.5.20"), "at an address:80, not 10.0.0.0/8 or 4.5.20");
        let likeness = Likeness::learn(&[one, two]).unwrap();
        assert_eq!(likeness.differences(&server(InstanceId::new(), "c", 2, &[])), Vec::<String>::new());
        assert_eq!(
            likeness.differences(&server(InstanceId::new(), "c", 3, &[])),
            ["Deployment/web .spec.replicas: 3 instead of 2"]
        );
        let twin = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys-x7x", "uid": "uid-of-the-twin"}});
        assert_eq!(likeness.differences(&server(InstanceId::new(), "c", 2, &[twin])), ["Secret/keys-x7x is too much"]);
        assert_eq!(likeness.differences(&Snapshot::default()).len(), 2);
    }

    #[test]
    fn runs_with_different_objects_are_no_reference() {
        let twin = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "uid": "s"}});
        let pair = [server(InstanceId::new(), "a", 2, &[]), server(InstanceId::new(), "b", 2, &[twin])];
        assert!(Likeness::learn(&pair).unwrap_err().to_string().contains("Secret/keys"));
    }
}
