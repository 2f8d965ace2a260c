//! CloudNativePG: each `Cluster` gets a database and a role of its own in the rig's Postgres, the login in the Secret `<cluster>-app` with
//! the keys that CloudNativePG writes (its documentation, "Applications"), and the disruption budgets that it makes. One that names a
//! plugin which is not installed, or a store that is not there, is not begun.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::super::manifests::MANAGER;
use super::super::postgres::quoted;
use super::super::{Postgres, RigError, Work};
use super::backups::now;
use super::barman::{self, Usage};
use super::{Seen, follow, majors};

pub(super) const HEALTHY: &str = "Cluster in healthy state";
const UNKNOWN_PLUGIN: &str = "Cluster cannot proceed to reconciliation due to an unknown plugin being required";
/// On a `Cluster`: it never becomes ready.
const NEVER_READY: &str = "paddock.rig/never-ready";
/// On a `Cluster`: its write-ahead log does not get to the store.
const ARCHIVING_FAILS: &str = "paddock.rig/archiving-fails";
/// How often a status is written anew because somebody else has just written it.
const ATTEMPTS: u32 = 20;
/// What CloudNativePG says while it exchanges the pods (its `api/v1/cluster_types.go`).
const UPGRADING: &str = "Upgrading cluster";
/// The same while the data are rewritten.
const REWRITING: &str = "Upgrading Postgres major version";
/// What is said of a wish that its webhook refuses.
const NOT_BACK: &str = "an older major release was asked for";
/// On a `Cluster`: its pods do not come back from an exchange.
const HOLDS: &str = "paddock.rig/holds-exchange";
/// How long an exchange of the pods takes.
const RESTART: Duration = Duration::from_secs(2);
/// Postgres cuts identifiers after this many bytes.
const LONGEST_NAME: usize = 63;

/// The stand-in for CloudNativePG.
#[derive(Debug)]
pub(super) struct Databases(Arc<Inner>);

struct Inner {
    client: Client,
    postgres: Arc<Postgres>,
    work: Work,
    /// Clusters, by uid, whose database and Secret were looked after since we started.
    provided: Mutex<HashSet<String>>,
    /// Names of the disruption budgets of each cluster, by uid.
    guarded: Mutex<HashMap<String, HashSet<String>>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Databases").field("work", &self.work).finish_non_exhaustive()
    }
}

impl Databases {
    pub fn new(client: Client, postgres: Arc<Postgres>, work: Work) -> Self {
        Self(Arc::new(Inner { client, postgres, work, provided: Mutex::default(), guarded: Mutex::default() }))
    }

    pub async fn run(self) {
        let clusters: Api<DynamicObject> = Api::all_with(self.0.client.clone(), &cluster_kind());
        follow(clusters, watcher::Config::default(), |seen| {
            let inner = Arc::clone(&self.0);
            async move {
                match &*seen {
                    Seen::There(cluster) if cluster.metadata.deletion_timestamp.is_none() => inner.provide(cluster).await,
                    Seen::There(_) => Ok(()),
                    Seen::Gone(cluster) => inner.remove(cluster).await,
                }
            }
        })
        .await;
    }
}

impl Inner {
    async fn provide(&self, seen: &DynamicObject) -> Result<(), RigError> {
        let (namespace, name, uid) = (seen.namespace().unwrap_or_default(), seen.name_any(), seen.uid().unwrap_or_default());
        // This may be a late attempt: what counts is how it is now.
        let clusters: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &cluster_kind());
        let live = clusters.get_opt(&name).await.map_err(RigError::kube(format!("read the Cluster {namespace}/{name}")))?;
        let stays = |live: &&DynamicObject| live.metadata.uid == seen.metadata.uid && live.metadata.deletion_timestamp.is_none();
        let Some(cluster) = live.as_ref().filter(stays) else { return Ok(()) };
        if phase(cluster) == UNKNOWN_PLUGIN {
            return self.report(cluster).await;
        }
        let store = match Usage::of(cluster) {
            None => None,
            Some(usage) => {
                let what = format!("the ObjectStore {namespace}/{}", usage.store);
                let store = usage.find_store(&self.client, &namespace).await?;
                Some((usage, store.ok_or(RigError::TooLate { what, after: std::time::Duration::ZERO })?))
            }
        };
        let provided = || self.provided.lock().unwrap_or_else(PoisonError::into_inner);
        if !provided().contains(&uid) {
            let password = self.login(cluster).await?;
            if self.work == Work::Real {
                self.make_database(&name_of(cluster), &password).await?;
            }
            provided().insert(uid);
        }
        self.guard(cluster).await?;
        self.report(cluster).await?;
        match store {
            Some((usage, store)) if usage.archives => self.archive(cluster, &usage, &store).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Makes the disruption budgets, or takes them away.
    async fn guard(&self, cluster: &DynamicObject) -> Result<(), RigError> {
        let (namespace, uid) = (cluster.namespace().unwrap_or_default(), cluster.uid().unwrap_or_default());
        let api: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), &namespace);
        let wanted = budgets(cluster);
        let names: HashSet<String> =
            wanted.iter().filter_map(|budget| budget["metadata"]["name"].as_str().map(str::to_owned)).collect();
        let guarded = || self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        let before = guarded().insert(uid, names.clone()).unwrap_or_default();
        for budget in &wanted {
            let name = budget["metadata"]["name"].as_str().unwrap_or_default();
            let doing = format!("make the PodDisruptionBudget {namespace}/{name}");
            api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(budget)).await.map_err(RigError::kube(doing))?;
        }
        for name in before.difference(&names) {
            let doing = format!("delete the PodDisruptionBudget {namespace}/{name}");
            api.delete(name, &DeleteParams::default()).await.map_err(RigError::kube(doing))?;
        }
        Ok(())
    }

    /// Sends the first segment of the write-ahead log, which is told once that has worked, and as long as it does not.
    async fn archive(&self, cluster: &DynamicObject, usage: &Usage, store: &DynamicObject) -> Result<(), RigError> {
        let fails = cluster.labels().contains_key(ARCHIVING_FAILS);
        let works = conditions(cluster).iter().any(|one| one["type"] == "ContinuousArchiving" && one["status"] == "True");
        if works && !fails {
            return Ok(());
        }
        let segment = "wals/0000000100000000/000000010000000000000001";
        let sent = if fails {
            Err(format!("the label {ARCHIVING_FAILS} says so"))
        } else {
            match self.work {
                Work::Real => usage.write(&self.client, store, segment, "the first segment").await,
                Work::Skipped => Ok(()),
            }
        };
        let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
        let (truth, reason, message) = match &sent {
            Ok(()) => ("True", "ContinuousArchivingSuccess", "Continuous archiving is working"),
            Err(why) => ("False", "ContinuousArchivingFailing", why.as_str()),
        };
        tell(&self.client, &namespace, &name, ["ContinuousArchiving", truth, reason, message]).await?;
        match sent {
            Err(why) if !fails => Err(RigError::TooLate {
                what: format!("archiving of {namespace}/{name} ({why})"),
                after: std::time::Duration::ZERO,
            }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The password in the Secret that the cluster uses, which is made if the cluster names none of its own.
    async fn login(&self, cluster: &DynamicObject) -> Result<String, RigError> {
        let namespace = cluster.namespace().unwrap_or_default();
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
        let given = cluster.data.pointer("/spec/bootstrap/initdb/secret/name").and_then(Value::as_str);
        let name = given.map_or_else(|| format!("{}-app", cluster.name_any()), str::to_owned);
        let doing = format!("read the Secret {namespace}/{name}");
        let found = secrets.get_opt(&name).await.map_err(RigError::kube(doing))?;
        let known = found.and_then(|secret| String::from_utf8(secret.data?.remove("password")?.0).ok());
        match (given, known) {
            (Some(_), Some(password)) => Ok(password),
            (Some(_), None) => Err(RigError::TooLate { what: format!("the Secret {name}"), after: Duration::ZERO }),
            (None, known) => {
                let password = known.unwrap_or_else(|| hex::encode(rand::random::<[u8; 32]>()));
                let secret = self.login_secret(cluster, &name, &password);
                let params = PatchParams::apply(MANAGER).force();
                let doing = format!("write the Secret {namespace}/{name}");
                secrets.patch(&name, &params, &Patch::Apply(&secret)).await.map_err(RigError::kube(doing))?;
                Ok(password)
            }
        }
    }

    fn login_secret(&self, cluster: &DynamicObject, name: &str, password: &str) -> Value {
        let (user, port) = (name_of(cluster), self.postgres.port());
        let host = "127.0.0.1";
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/basic-auth",
            "metadata": {
                "name": name,
                "labels": {"cnpg.io/cluster": cluster.name_any(), "cnpg.io/reload": "true", "cnpg.io/userType": "app"},
                "ownerReferences": [{
                    "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "controller": true,
                    "name": cluster.name_any(), "uid": cluster.uid(),
                }],
            },
            "stringData": {
                "username": user, "user": user, "password": password, "dbname": user, "host": host, "port": port.to_string(),
                "uri": format!("postgresql://{user}:{password}@{host}:{port}/{user}"),
                "jdbc-uri": format!("jdbc:postgresql://{host}:{port}/{user}?password={password}&user={user}"),
                "pgpass": format!("{host}:{port}:{user}:{user}:{password}\n"),
            },
        })
    }

    async fn make_database(&self, name: &str, password: &str) -> Result<(), RigError> {
        let doing = format!("make the database {name}");
        let mut admin = PgConnection::connect(&self.postgres.url("postgres")).await.map_err(RigError::sql(&doing))?;
        let (role, exists) = (quoted(name), "select exists (select 1 from pg_database where datname = $1)");
        // Role names are derived and passwords hexadecimal; CREATE ROLE takes no parameters.
        let password = password.replace('\'', "''");
        let make_role = format!(
            "do $$ begin create role {role} login; exception when duplicate_object then null; end $$; \
             alter role {role} password '{password}'"
        );
        sqlx::raw_sql(AssertSqlSafe(make_role)).execute(&mut admin).await.map_err(RigError::sql(&doing))?;
        let there: bool = sqlx::query_scalar(exists).bind(name).fetch_one(&mut admin).await.map_err(RigError::sql(&doing))?;
        if !there {
            let made = sqlx::raw_sql(AssertSqlSafe(format!("create database {role} owner {role}"))).execute(&mut admin).await;
            made.map_err(RigError::sql(&doing))?;
            let closed =
                sqlx::raw_sql(AssertSqlSafe(format!("revoke all on database {role} from public"))).execute(&mut admin).await;
            closed.map_err(RigError::sql(&doing))?;
        }
        admin.close().await.map_err(RigError::sql(doing))
    }

    /// A deleted cluster takes its volumes along: what was in it is gone.
    async fn remove(&self, cluster: &DynamicObject) -> Result<(), RigError> {
        let uid = cluster.uid().unwrap_or_default();
        self.provided.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        if self.work == Work::Real {
            self.postgres.drop_database(&name_of(cluster)).await?;
        }
        Ok(())
    }

    async fn report(&self, cluster: &DynamicObject) -> Result<(), RigError> {
        let instances = cluster.data.pointer("/spec/instances").and_then(Value::as_i64).unwrap_or(1);
        let image = cluster.data["spec"]["imageName"].as_str().unwrap_or_default();
        let report = |phase, ready, runs| Report { phase, instances, ready, runs };
        let phase = phase(cluster);
        if phase != HEALTHY {
            return self.say(cluster, report(phase, 0, None)).await;
        }
        let well = report(HEALTHY, instances, Some(image));
        match Exchange::of(cluster) {
            Exchange::None => {
                if cluster.data["status"]["phase"] == REWRITING {
                    majors::clear(&self.client, cluster).await?;
                }
                self.say(cluster, well).await
            }
            Exchange::Minor => {
                self.say(cluster, report(UPGRADING, 0, None)).await?;
                if cluster.labels().contains_key(HOLDS) {
                    return Ok(());
                }
                // The pods are exchanged one after the other, the primary last.
                tokio::time::sleep(RESTART).await;
                self.say(cluster, well).await
            }
            Exchange::Major => {
                self.say(cluster, report(REWRITING, 0, None)).await?;
                if majors::rewrite(&self.client, cluster).await? { self.say(cluster, well).await } else { Ok(()) }
            }
            Exchange::Never => self.say(cluster, report(NOT_BACK, 0, None)).await,
        }
    }

    async fn say(&self, cluster: &DynamicObject, report: Report<'_>) -> Result<(), RigError> {
        let Report { phase, instances, ready, runs } = report;
        let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
        let (truth, reason, message) = if ready > 0 {
            ("True", "ClusterIsReady", "Cluster is Ready")
        } else {
            ("False", "ClusterIsNotReady", "Cluster Is Not Ready")
        };
        let primary = format!("{name}-1");
        let mut status = json!({
            "phase": phase, "instances": instances, "readyInstances": ready,
            "currentPrimary": primary, "targetPrimary": primary,
            "writeService": format!("{name}-rw"),
        });
        // A field without a value would never be found as it was written.
        if let Some(image) = runs
            && let Some(major) = major(image)
        {
            status["image"] = image.into();
            status["pgDataImageInfo"] = json!({"image": image, "majorVersion": major});
        }
        let ready = ["Ready", truth, reason, message];
        write_status(&self.client, &namespace, &name, &status, ready).await
    }
}

/// What CloudNativePG says of a `Cluster` that it looks after.
fn phase(cluster: &DynamicObject) -> &'static str {
    if barman::plugins(cluster).iter().any(|plugin| plugin != barman::PLUGIN) {
        UNKNOWN_PLUGIN
    } else if cluster.labels().contains_key(NEVER_READY) {
        "Setting up primary"
    } else {
        HEALTHY
    }
}

fn conditions(cluster: &DynamicObject) -> Vec<Value> {
    cluster.data["status"]["conditions"].as_array().cloned().unwrap_or_default()
}

/// Sets one condition of a `Cluster`: its type, status, reason and message.
pub(super) async fn tell(client: &Client, namespace: &str, name: &str, said: [&str; 4]) -> Result<(), RigError> {
    write_status(client, namespace, name, &json!({}), said).await
}

/// Writes a part of a `Cluster`'s status, and one condition beside the others. Several stand-ins do, so each begins with what is there.
async fn write_status(client: &Client, namespace: &str, name: &str, part: &Value, said: [&str; 4]) -> Result<(), RigError> {
    let [kind, truth, reason, message] = said;
    let doing = || format!("report on the database {namespace}/{name}");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &cluster_kind());
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let mut attempt = 0;
    loop {
        attempt += 1;
        let live = api.get(name).await.map_err(RigError::kube(doing()))?;
        let mut all = conditions(&live);
        let told =
            |one: &Value| one["type"] == kind && one["status"] == truth && one["reason"] == reason && one["message"] == message;
        let same = part.as_object().is_none_or(|part| part.iter().all(|(key, value)| live.data["status"][key] == *value));
        if same && all.iter().any(told) {
            return Ok(());
        }
        all.retain(|one| one["type"] != kind);
        all.push(json!({"type": kind, "status": truth, "reason": reason, "message": message, "lastTransitionTime": now()}));
        let mut status = part.clone();
        status["conditions"] = all.into();
        let patch = json!({"metadata": {"resourceVersion": live.resource_version()}, "status": status});
        match api.patch_status(name, &params, &Patch::Merge(&patch)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(answer)) if answer.code == 409 && attempt < ATTEMPTS => {}
            Err(error) => return Err(RigError::kube(doing())(error)),
        }
    }
}

/// The disruption budgets of a `Cluster` (CloudNativePG's `pkg/specs/poddisruptionbudget.go`). What is to be inherited by its objects comes
/// over their own labels.
fn budgets(cluster: &DynamicObject) -> Vec<Value> {
    let spec = &cluster.data["spec"];
    let instances = spec["instances"].as_i64().unwrap_or(1);
    if spec["enablePDB"] == false {
        return Vec::new();
    }
    let name = cluster.name_any();
    let mut labels = json!({"app.kubernetes.io/managed-by": "cloudnative-pg", "app.kubernetes.io/instance": name});
    for (key, value) in spec["inheritedMetadata"]["labels"].as_object().into_iter().flatten() {
        labels[key.as_str()] = value.clone();
    }
    labels["cnpg.io/cluster"] = name.clone().into();
    let budget = |budget: String, role: &str, available: i64| {
        json!({
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {
                "name": budget,
                "labels": labels,
                "ownerReferences": [{
                    "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "controller": true, "name": name, "uid": cluster.uid(),
                }],
            },
            "spec": {
                "minAvailable": available,
                "selector": {"matchLabels": {"cnpg.io/cluster": name, "cnpg.io/instanceRole": role}},
            },
        })
    };
    let mut all = vec![budget(format!("{name}-primary"), "primary", 1)];
    all.extend((instances >= 3).then(|| budget(name.clone(), "replica", instances - 2)));
    all
}

/// What is said of a cluster.
#[derive(Clone, Copy)]
struct Report<'a> {
    phase: &'a str,
    instances: i64,
    ready: i64,
    /// The image that its data are of, once that is so.
    runs: Option<&'a str>,
}

/// What another image asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exchange {
    /// Nothing: it is the one that runs, or the first.
    None,
    /// Another image of the same major release: the pods are exchanged.
    Minor,
    /// An image of a newer major release: the data are rewritten.
    Major,
    /// An image of an older major release, which CloudNativePG's webhook refuses.
    Never,
}

impl Exchange {
    fn of(cluster: &DynamicObject) -> Self {
        let wanted = cluster.data["spec"]["imageName"].as_str().unwrap_or_default();
        let Some(runs) = cluster.data["status"]["pgDataImageInfo"]["image"].as_str() else { return Self::None };
        if runs == wanted {
            return Self::None;
        }
        match major(runs).cmp(&major(wanted)) {
            Ordering::Equal => Self::Minor,
            Ordering::Less => Self::Major,
            Ordering::Greater => Self::Never,
        }
    }
}

/// The major release that CloudNativePG reads out of an image's tag.
fn major(image: &str) -> Option<u16> {
    let (_, tag) = image.split('@').next()?.rsplit('/').next()?.split_once(':')?;
    tag.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// The name of database and role of a `Cluster`.
pub(crate) fn database_name(namespace: &str, cluster: &str) -> String {
    let name = format!("{namespace}_{cluster}");
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let digest = hex::encode(Sha256::digest(name.as_bytes()));
    format!("{}_{}", &name[..40], &digest[..16])
}

fn name_of(cluster: &DynamicObject) -> String {
    database_name(&cluster.namespace().unwrap_or_default(), &cluster.name_any())
}

pub(super) fn cluster_kind() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("postgresql.cnpg.io", "v1", "Cluster"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_with_standbys_has_budgets_with_the_labels_that_it_hands_down() {
        let cluster = |instances: u32, enabled: bool| -> DynamicObject {
            let inherited = json!({"labels": {"a": "b", "app.kubernetes.io/managed-by": "somebody"}});
            let object = json!({
                "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "db-1"},
                "spec": {"instances": instances, "enablePDB": enabled, "inheritedMetadata": inherited},
            });
            serde_json::from_value(object).unwrap()
        };
        let names = |all: Vec<Value>| all.iter().map(|one| one["metadata"]["name"].clone()).collect::<Vec<_>>();
        assert_eq!(names(budgets(&cluster(1, false))), Vec::<Value>::new());
        assert_eq!(names(budgets(&cluster(2, true))), ["db-1-primary"]);
        assert_eq!(names(budgets(&cluster(3, true))), ["db-1-primary", "db-1"]);
        let labels = budgets(&cluster(2, true))[0]["metadata"]["labels"].clone();
        assert_eq!((&labels["a"], &labels["app.kubernetes.io/managed-by"]), (&json!("b"), &json!("somebody")), "over its own");
    }

    #[test]
    fn a_cluster_that_names_an_unknown_plugin_is_not_begun() {
        let cluster = |plugins: Value| -> DynamicObject {
            let object = json!({"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "db-1"}, "spec": {"plugins": plugins}});
            serde_json::from_value(object).unwrap()
        };
        assert_eq!(phase(&cluster(json!([{"name": barman::PLUGIN}]))), HEALTHY);
        assert_eq!(phase(&cluster(json!([{"name": barman::PLUGIN}, {"name": "other"}]))), UNKNOWN_PLUGIN);
    }
}
