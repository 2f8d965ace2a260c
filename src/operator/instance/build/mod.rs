//! What an instance consists of, computed and not yet written: no client in here, so everything can be looked at in a test.

pub mod names;

mod archive;
mod backups;
mod budgets;
mod cache;
mod certificates;
mod change;
mod database;
mod endpoints;
mod env;
mod jobs;
mod limits;
mod listeners;
mod major;
mod measure;
mod namespace;
mod pods;
mod policies;
mod processes;
mod routes;
mod run;
mod secrets;
mod services;

#[cfg(test)]
mod egress;
#[cfg(test)]
pub mod tests;

use serde_json::{Map, Value, json};

pub use archive::{LIMIT_SECONDS, archive_job};
pub use backups::{first as first_backup, first_name as first_backup_name, server_name};
pub use change::{Change, backup_name};
pub use jobs::{Attempts, Jobs, Task, job_name};
pub use major::{MajorChange, Moment, major_backup_name};
pub use measure::{MEASURE, measured_by};
pub use namespace::namespace;
pub use processes::Processes;
pub use routes::route_names;
pub use run::{RUN_LABEL, TIMED_OUT, Work, run_job};
pub use secrets::{bucket_secret, cache_password, identity_secret};
pub use services::Services;

use super::address::Use;
use super::found::Foundation;
use super::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::seen::{APPLIED_ANNOTATION, INSTANCE_LABEL, Key, MANAGED_BY, MANAGED_BY_LABEL, hash};

/// An object as we want it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; nothing for a Namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// All of it, with labels and the hash as annotation.
    pub body: Value,
    /// Hash of the body without the annotation.
    pub hash: u64,
}

impl Object {
    /// Completes a body with what every object of ours has: name, labels, hash. `body` has no metadata but annotations.
    fn new(valid: &Valid<'_>, kind: Kind, name: impl Into<String>, component: &str, body: Value) -> Self {
        Self::within(valid, (kind != Kind::Namespace).then(|| valid.namespace.clone()), kind, name, component, body)
    }

    /// The same in another namespace than the instance's own.
    fn within(
        valid: &Valid<'_>,
        namespace: Option<String>,
        kind: Kind,
        name: impl Into<String>,
        component: &str,
        mut body: Value,
    ) -> Self {
        let name = name.into();
        body["apiVersion"] = kind.api_version().into();
        body["kind"] = kind.as_str().into();
        body["metadata"]["name"] = name.clone().into();
        if let Some(namespace) = &namespace {
            body["metadata"]["namespace"] = namespace.clone().into();
        }
        let mut all = labels(valid, component);
        if let Some(Value::Object(own)) = body["metadata"].get("labels") {
            all.extend(own.clone());
        }
        body["metadata"]["labels"] = Value::Object(all);
        let hash = hash(&body);
        body["metadata"]["annotations"][APPLIED_ANNOTATION] = format!("{hash:016x}").into();
        Self { kind, namespace, name, body, hash }
    }

    /// Its key among what we have seen.
    pub fn key(&self) -> Key {
        (self.kind, self.name.clone())
    }
}

/// The labels of an object and of its pods.
fn labels(valid: &Valid<'_>, component: &str) -> Map<String, Value> {
    let mut all = selector(valid, component);
    all.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.into());
    all.insert("app.kubernetes.io/name".to_owned(), "mastodon".into());
    all
}

/// The labels that tell the pods of a component from all others; they can never change.
fn selector(valid: &Valid<'_>, component: &str) -> Map<String, Value> {
    let mut chosen = Map::new();
    chosen.insert(INSTANCE_LABEL.to_owned(), valid.name.clone().into());
    chosen.insert("app.kubernetes.io/component".to_owned(), component.into());
    chosen
}

/// Everything that an instance consists of, except what is created once and never applied (Secrets with keys).
#[derive(Debug, Clone, PartialEq)]
pub struct Objects {
    /// How much it may have at all.
    pub quota: Object,
    /// What a pod gets that asks for nothing.
    pub limits: Object,
    /// The walls.
    pub policies: Vec<Object>,
    /// Settings of Mastodon that are no secrets.
    pub env: Object,
    /// Who it is to the mail relay, when the relay asks.
    pub mail: Option<Object>,
    /// Names inside the namespace.
    pub services: Services,
    /// Valkey's volume: holds data, made once.
    pub volume: Object,
    /// Where the database's backups go.
    pub backups: Object,
    /// The database: holds data, made once.
    pub database: Object,
    /// When its base backups are made.
    pub schedule: Object,
    /// Valkey.
    pub cache: Object,
    /// The ways in.
    pub routes: Vec<Object>,
    /// What they need for a customer's own domain.
    pub own_domain: Option<OwnDomain>,
    /// The way to who answers while it is paused.
    pub park: Option<Object>,
    /// What a drain of a node must leave.
    pub budgets: Vec<Object>,
    /// Mastodon's processes.
    pub processes: Processes,
    /// What is done once.
    pub jobs: Jobs,
    /// What another release takes that is on its way.
    pub change: Option<Change>,
    /// What another major release of PostgreSQL takes that is on its way.
    pub major: Option<MajorChange>,
    /// What measures the database, where its volume may grow by itself.
    pub measure: Option<Object>,
}

impl Objects {
    /// All of them, in the order in which they are made.
    pub fn into_all(self) -> Vec<Object> {
        let Self {
            quota,
            limits,
            policies,
            env,
            mail,
            services,
            volume,
            backups,
            database,
            schedule,
            cache,
            routes,
            own_domain,
            park,
            budgets,
            processes,
            jobs,
            change,
            major,
            measure,
        } = self;
        let Services { web, streaming, cache: cache_service } = services;
        let mut all = vec![quota, limits];
        all.extend(policies);
        all.extend([env, backups, web, streaming, cache_service, volume, database, schedule, cache]);
        all.extend(mail);
        all.extend(routes);
        all.extend(budgets);
        if let Some(OwnDomain { listeners, certificates, media }) = own_domain {
            all.push(listeners);
            all.extend(certificates);
            all.extend(media.into_iter().flatten());
        }
        all.extend(park);
        all.extend(measure);
        let Jobs { prepare, seed, owner } = jobs;
        let Processes { web, streaming, sidekiq, scheduler } = processes;
        all.extend([prepare, seed, owner, web, streaming, sidekiq, scheduler]);
        if let Some(Change { backup, pre, post }) = change {
            all.extend([backup, pre, post]);
        }
        if let Some(MajorChange { before, analyze, after }) = major {
            all.extend([before, analyze, after]);
        }
        all
    }

    /// The walls: quota, limits and policies.
    pub fn walls(&self) -> Vec<Key> {
        [&self.quota, &self.limits].into_iter().chain(&self.policies).map(Object::key).collect()
    }
}

/// What is made for a customer's own domain, besides routes.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnDomain {
    /// Listeners of its own on the Gateway.
    pub listeners: Object,
    /// A certificate for each name.
    pub certificates: Vec<Object>,
    /// The object store, as routes can name it, and where it is; nothing when media are under the host's domain.
    pub media: Option<[Object; 2]>,
}

fn own_domain(valid: &Valid<'_>) -> Option<OwnDomain> {
    let media = valid.addresses.own().into_iter().any(|(what, _)| what == Use::Media);
    Some(OwnDomain {
        listeners: listeners::listeners(valid)?,
        certificates: certificates::certificates(valid),
        media: media.then(|| [services::media(valid), endpoints::media(valid)]),
    })
}

/// Everything that an instance consists of.
pub fn build(valid: &Valid<'_>, foundation: &Foundation, attempts: Attempts) -> Objects {
    let env = env::config_map(valid);
    let mail = secrets::mail(valid);
    let pods = pods::Pods::new(valid, foundation, &env, mail.as_ref());
    Objects {
        quota: limits::quota(valid),
        limits: limits::range(valid),
        policies: policies::policies(valid),
        services: services::services(valid),
        volume: cache::volume(valid),
        backups: backups::store(valid),
        database: database::cluster(valid),
        schedule: backups::schedule(valid),
        cache: cache::stateful_set(valid, foundation),
        routes: routes::routes(valid),
        own_domain: own_domain(valid),
        park: routes::park(valid),
        budgets: budgets::budgets(valid),
        processes: processes::processes(valid, &pods),
        jobs: jobs::jobs(valid, &pods, attempts),
        measure: valid.spec.size.database.storage_most_gib.map(|_| measure::measure(valid)),
        major: valid.database.kept().map(|upgrade| major::major_change(valid, &pods, attempts.major, upgrade)),
        change: valid.under_way.as_ref().map(|under_way| change::change(valid, &pods, attempts, under_way)),
        mail,
        env,
    }
}

/// Requests and limits: memory is what is asked for, CPU may go to twice that.
fn resources(memory_mib: u32, cpu_milli: u32) -> Value {
    json!({
        "requests": {"cpu": format!("{cpu_milli}m"), "memory": format!("{memory_mib}Mi")},
        "limits": {"cpu": format!("{}m", u64::from(cpu_milli) * 2), "memory": format!("{memory_mib}Mi")},
    })
}
