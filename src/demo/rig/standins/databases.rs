//! CloudNativePG: each `Cluster` gets a database and a role of its own in the rig's Postgres, and the login in the Secret
//! `<cluster>-app` with the keys that CloudNativePG writes (its documentation, "Applications").

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::super::manifests::MANAGER;
use super::super::postgres::quoted;
use super::super::{Postgres, RigError, Work};
use super::{Seen, follow, majors};
use crate::clock::{Clock, SystemClock};

pub(super) const HEALTHY: &str = "Cluster in healthy state";
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
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Databases").field("work", &self.work).finish_non_exhaustive()
    }
}

impl Databases {
    pub fn new(client: Client, postgres: Arc<Postgres>, work: Work) -> Self {
        Self(Arc::new(Inner { client, postgres, work, provided: Mutex::default() }))
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
    async fn provide(&self, cluster: &DynamicObject) -> Result<(), RigError> {
        let uid = cluster.uid().unwrap_or_default();
        let provided = || self.provided.lock().unwrap_or_else(PoisonError::into_inner);
        if !provided().contains(&uid) {
            let password = self.login(cluster).await?;
            if self.work == Work::Real {
                self.make_database(&name_of(cluster), &password).await?;
            }
            provided().insert(uid);
        }
        self.report(cluster).await
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
        self.provided.lock().unwrap_or_else(PoisonError::into_inner).remove(&cluster.uid().unwrap_or_default());
        if self.work == Work::Real {
            self.postgres.drop_database(&name_of(cluster)).await?;
        }
        Ok(())
    }

    async fn report(&self, cluster: &DynamicObject) -> Result<(), RigError> {
        let instances = cluster.data.pointer("/spec/instances").and_then(Value::as_i64).unwrap_or(1);
        let image = cluster.data["spec"]["imageName"].as_str().unwrap_or_default();
        let report = |phase, ready, runs| Report { phase, instances, ready, runs };
        if cluster.labels().contains_key("paddock.rig/never-ready") {
            return self.say(cluster, report("Setting up primary", 0, None)).await;
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
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &cluster_kind());
        let status = &cluster.data["status"];
        let same_image = runs.is_none_or(|image| status["pgDataImageInfo"]["image"] == image);
        if status["phase"] == phase && status["readyInstances"] == ready && status["instances"] == instances && same_image {
            return Ok(());
        }
        let now = jiff::Timestamp::from_second(SystemClock.now().timestamp()).unwrap_or_default().to_string();
        let (truth, reason, message) = if ready > 0 {
            ("True", "ClusterIsReady", "Cluster is Ready")
        } else {
            ("False", "ClusterIsNotReady", "Cluster Is Not Ready")
        };
        let primary = format!("{name}-1");
        let mut status = json!({"status": {
            "phase": phase, "instances": instances, "readyInstances": ready,
            "currentPrimary": primary, "targetPrimary": primary,
            "writeService": format!("{name}-rw"),
            "conditions": [{"type": "Ready", "status": truth, "reason": reason, "message": message, "lastTransitionTime": now}],
        }});
        if let Some(image) = runs {
            status["status"]["image"] = image.into();
            status["status"]["pgDataImageInfo"] = json!({"image": image, "majorVersion": major(image)});
        }
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let reported = api.patch_status(&name, &params, &Patch::Merge(&status)).await;
        reported.map(|_| ()).map_err(RigError::kube(format!("report on the database {namespace}/{name}")))
    }
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
