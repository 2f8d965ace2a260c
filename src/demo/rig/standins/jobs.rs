//! Whoever runs our Jobs: does for real what a Job's pod would do to its instance's database, and writes how it ended as an
//! annotation on the pod, which a Stage turns into the pod's end.
//!
//! Only the pod's own environment is used, Secrets and `ConfigMap`s resolved: a Job with a wrong reference fails here as well.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{ConfigMap, EnvVar, Pod, Secret};
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use super::super::manifests::MANAGER;
use super::super::{Postgres, RigError};
use super::runs::{self, End};
use super::{Seen, archives, database_name, follow, migrations};

/// Says what a Job of ours does: `prepare`, `seed`, `owner`, `migrate-pre`, `migrate-post`, `analyze`, `measure` or `run`. On the Job and on its pod template.
const JOB_LABEL: &str = "paddock.host/job";
/// How the work ended: `ok` or `failed`.
const OUTCOME: &str = "paddock.rig/outcome";

pub(super) type Environment = BTreeMap<String, String>;

/// The stand-in that runs Jobs.
pub(super) struct Jobs(Arc<Inner>);

struct Inner {
    client: Client,
    postgres: Arc<Postgres>,
    /// Pods, by uid, that are being worked on or done: their annotation comes back as one more event. The token ends the work.
    taken: Mutex<HashMap<String, CancellationToken>>,
}

impl Jobs {
    pub fn new(client: Client, postgres: Arc<Postgres>) -> Self {
        Self(Arc::new(Inner { client, postgres, taken: Mutex::default() }))
    }

    pub async fn run(self) {
        let pods: Api<Pod> = Api::all(self.0.client.clone());
        follow(pods, watcher::Config::default().labels(JOB_LABEL), |seen| {
            let inner = Arc::clone(&self.0);
            async move {
                match &*seen {
                    Seen::There(pod) => inner.run(pod).await,
                    Seen::Gone(pod) => {
                        inner.end(pod);
                        Ok(())
                    }
                }
            }
        })
        .await;
    }
}

impl Inner {
    async fn run(&self, pod: &Pod) -> Result<(), RigError> {
        let running = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
        let uid = pod.uid().unwrap_or_default();
        let taken = || self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if !running || pod.annotations().contains_key(OUTCOME) || taken().contains_key(&uid) {
            return Ok(());
        }
        let gone = CancellationToken::new();
        taken().insert(uid.clone(), gone.clone());
        let result = self.run_taken(pod, &gone).await;
        if result.is_err() {
            taken().remove(&uid);
        }
        result
    }

    /// A pod that is deleted ends its work.
    fn end(&self, pod: &Pod) {
        let gone = self.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&pod.uid().unwrap_or_default());
        if let Some(gone) = gone {
            gone.cancel();
        }
    }

    async fn run_taken(&self, pod: &Pod, gone: &CancellationToken) -> Result<(), RigError> {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let end = match self.work(pod, &namespace, gone).await {
            Ok(None) => return Ok(()),
            Ok(Some(end)) => end,
            Err(why) => End { code: 1, message: why },
        };
        let End { code, message } = end;
        let outcome = if code == 0 { "ok" } else { "failed" };
        if code != 0 {
            tracing::info!(namespace, name, message, "a Job's work failed");
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
        let note = json!({"metadata": {"annotations": {
            OUTCOME: outcome, "paddock.rig/code": code.to_string(), "paddock.rig/message": message}}});
        let noted = pods.patch(&name, &params, &Patch::Merge(&note)).await;
        noted.map(|_| ()).map_err(RigError::kube(format!("note the outcome of {namespace}/{name}")))
    }

    /// Does the pod's work; the error is what its log would have said. Nothing when the pod was deleted meanwhile.
    async fn work(&self, pod: &Pod, namespace: &str, gone: &CancellationToken) -> Result<Option<End>, String> {
        let forced = pod.labels().get("paddock.rig/job").map(String::as_str);
        if forced == Some("failed") {
            return Err("the label paddock.rig/job says so".into());
        }
        let environment = self.environment(pod, namespace).await?;
        if let Some(spec) = pod.spec.as_ref().filter(|spec| archives::is_one(spec)) {
            return archives::run(spec, environment, gone).await;
        }
        let mut database = self.connect(&environment, namespace).await.map_err(|error| error.to_string())?;
        let container = pod.spec.as_ref().and_then(|spec| spec.containers.first());
        let image = container.and_then(|container| container.image.clone()).unwrap_or_default();
        let mut end = Some(End { code: 0, message: String::new() });
        let done = match pod.labels().get(JOB_LABEL).map(String::as_str) {
            Some("prepare") => migrations::prepare(&mut database, &image).await,
            Some("migrate-pre" | "migrate-post") => {
                let skip = environment.get("SKIP_POST_DEPLOYMENT_MIGRATIONS").is_some_and(|skip| skip == "true");
                migrations::migrate(&mut database, &image, skip).await?;
                Ok(())
            }
            Some("seed") => seed(&mut database).await,
            Some("owner") => {
                let get =
                    |name: &str| environment.get(name).filter(|value| !value.is_empty()).ok_or(format!("{name} is not set"));
                owner(&mut database, get("OWNER_USERNAME")?, get("OWNER_EMAIL")?).await
            }
            Some("measure") => {
                let size = "select pg_database_size(current_database())";
                let size: i64 = sqlx::query_scalar(size).fetch_one(&mut database).await.map_err(|error| error.to_string())?;
                end = Some(End { code: 0, message: size.to_string() });
                Ok(())
            }
            Some("analyze") => sqlx::raw_sql("analyze").execute(&mut database).await.map(|_| ()),
            Some("run") => {
                let command = container.and_then(|container| container.command.clone()).unwrap_or_default();
                end = runs::run(&command, &environment, &mut database, gone).await?;
                Ok(())
            }
            other => return Err(format!("no such work: {}", other.unwrap_or_default())),
        };
        done.map_err(|error| error.to_string())?;
        database.close().await.map_err(|error| error.to_string())?;
        Ok(end)
    }

    /// Connects as Mastodon would, or Postgres' own client. The host name of a database's Service resolves to the rig's Postgres.
    async fn connect(&self, environment: &Environment, namespace: &str) -> Result<PgConnection, sqlx::Error> {
        let get = |name: &str| {
            let of_client = match name {
                "DB_HOST" => "PGHOST",
                "DB_PORT" => "PGPORT",
                "DB_NAME" => "PGDATABASE",
                "DB_USER" => "PGUSER",
                _ => "PGPASSWORD",
            };
            environment.get(name).or_else(|| environment.get(of_client)).map_or("", String::as_str)
        };
        let options =
            PgConnectOptions::new_without_pgpass().host("127.0.0.1").ssl_mode(PgSslMode::Disable).password(get("DB_PASS"));
        let service = get("DB_HOST").split('.').next().and_then(|host| host.strip_suffix("-rw"));
        let options = if let Some(cluster) = service {
            let name = database_name(namespace, cluster);
            options.port(self.postgres.port()).database(&name).username(&name)
        } else {
            let port = get("DB_PORT").parse().unwrap_or_default();
            options.port(port).database(get("DB_NAME")).username(get("DB_USER"))
        };
        options.connect().await
    }

    /// The environment of the pod's first container, as a kubelet makes it: `envFrom` in order, then `env`.
    async fn environment(&self, pod: &Pod, namespace: &str) -> Result<Environment, String> {
        let container = pod.spec.as_ref().and_then(|spec| spec.containers.first()).ok_or("the pod has no container")?;
        let mut environment = Environment::new();
        for source in container.env_from.iter().flatten() {
            if let Some(reference) = &source.config_map_ref {
                environment.extend(self.config_map(namespace, &reference.name, reference.optional).await?);
            }
            if let Some(reference) = &source.secret_ref {
                environment.extend(self.secret(namespace, &reference.name, reference.optional).await?);
            }
        }
        for variable in container.env.iter().flatten() {
            let value = self.value(namespace, variable).await?;
            environment.insert(variable.name.clone(), value);
        }
        Ok(environment)
    }

    async fn value(&self, namespace: &str, variable: &EnvVar) -> Result<String, String> {
        let Some(source) = &variable.value_from else { return Ok(variable.value.clone().unwrap_or_default()) };
        let (mut values, key, optional) = if let Some(reference) = &source.secret_key_ref {
            (self.secret(namespace, &reference.name, reference.optional).await?, &reference.key, reference.optional)
        } else if let Some(reference) = &source.config_map_key_ref {
            (self.config_map(namespace, &reference.name, reference.optional).await?, &reference.key, reference.optional)
        } else {
            return Ok(String::new());
        };
        match values.remove(key) {
            None if optional != Some(true) => Err(format!("{}: no key {key} in what it refers to", variable.name)),
            value => Ok(value.unwrap_or_default()),
        }
    }

    async fn secret(&self, namespace: &str, name: &str, optional: Option<bool>) -> Result<Environment, String> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let secret = api.get_opt(name).await.map_err(|error| format!("the Secret {name}: {error}"))?;
        let secret = present(secret, optional).ok_or_else(|| format!("the Secret {name} is not there"))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, text(value.0))).collect())
    }

    async fn config_map(&self, namespace: &str, name: &str, optional: Option<bool>) -> Result<Environment, String> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = api.get_opt(name).await.map_err(|error| format!("the ConfigMap {name}: {error}"))?;
        let map = present(map, optional).ok_or_else(|| format!("the ConfigMap {name} is not there"))?;
        Ok(map.data.unwrap_or_default())
    }
}

/// What is there, or nothing's worth of it where the reference says that it may be missing.
fn present<T: Default>(found: Option<T>, optional: Option<bool>) -> Option<T> {
    if optional == Some(true) { Some(found.unwrap_or_default()) } else { found }
}

/// `rails db:seed`: roles and the account that signs for the server itself.
async fn seed(database: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(include_str!("../seeds.sql")).execute(database).await.map(|_| ())
}

/// `tootctl accounts create NAME --email … --confirmed --approve --role Owner`, again harmless.
async fn owner(database: &mut PgConnection, username: &str, email: &str) -> Result<(), sqlx::Error> {
    let mut tx = database.begin().await?;
    let account: i64 = sqlx::query_scalar(
        "insert into accounts (username) values ($1) \
         on conflict (lower(username), coalesce(lower(domain), '')) do update set updated_at = now() returning id",
    )
    .bind(username)
    .fetch_one(&mut *tx)
    .await?;
    sqlx::query(
        "insert into users (email, account_id, role_id, confirmed_at, approved) \
         values ($1, $2, (select id from user_roles where name = 'Owner'), now(), true) \
         on conflict (email) do update set role_id = excluded.role_id, confirmed_at = now(), approved = true",
    )
    .bind(email)
    .bind(account)
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}
