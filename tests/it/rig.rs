//! The rig itself: what every other test on real servers stands on.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use paddock::demo::rig::{Fault, REGION, Rig, RigSettings, shared_postgres};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};

use crate::harness::S3Client;

/// Reads an object until `done` finds in it what it looks for.
async fn wait_for<K, T>(api: &Api<K>, name: &str, done: impl Fn(&K) -> Option<T>) -> T
where
    K: Clone + serde::de::DeserializeOwned + Debug,
{
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let object = api.get_opt(name).await.unwrap();
        if let Some(found) = object.as_ref().and_then(&done) {
            return found;
        }
        assert!(Instant::now() < deadline, "{name} did not get there: {object:#?}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn namespace(name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{pod-security.kubernetes.io/enforce: restricted}}}}}}\n---\n"
    )
}

/// A pod template that the profile `restricted` lets in.
fn pod_spec(more: &str) -> String {
    format!(
        "{{securityContext: {{runAsNonRoot: true, runAsUser: 991, seccompProfile: {{type: RuntimeDefault}}}}, restartPolicy: {more}, \
         containers: [{{name: main, image: 'registry.example/mastodon:v4.5.2', envFrom: [{{configMapRef: {{name: env, optional: true}}}}], env: [ENV], \
         securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}, volumeMounts: [MOUNTS]}}], volumes: [VOLUMES]}}"
    )
}

fn bare_pod_spec(restart: &str) -> String {
    pod_spec(restart).replace("ENV", "").replace("MOUNTS", "").replace("VOLUMES", "")
}

fn database_cluster(namespace: &str) -> String {
    format!(
        "{{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: {{name: db-1, namespace: {namespace}}}, spec: {{instances: 1, storage: {{size: 1Gi}}}}}}\n---\n"
    )
}

fn our_job(namespace: &str, work: &str) -> String {
    let variables =
        [("DB_HOST", "host"), ("DB_PORT", "port"), ("DB_NAME", "dbname"), ("DB_USER", "username"), ("DB_PASS", "password")];
    let mut env: Vec<String> = variables
        .iter()
        .map(|(name, key)| format!("{{name: {name}, valueFrom: {{secretKeyRef: {{name: db-1-app, key: {key}}}}}}}"))
        .collect();
    env.extend(["{name: OWNER_USERNAME, value: alice}".to_owned(), "{name: OWNER_EMAIL, value: alice@example.org}".to_owned()]);
    let spec = pod_spec("Never").replace("ENV", &env.join(", ")).replace("MOUNTS", "").replace("VOLUMES", "");
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: {work}, namespace: {namespace}, labels: {{paddock.host/job: {work}}}}}, \
         spec: {{backoffLimit: 0, template: {{metadata: {{labels: {{paddock.host/job: {work}}}}}, spec: {spec}}}}}}}\n---\n"
    )
}

/// Whether a Job ended, and well.
fn ended(job: &Job) -> Option<bool> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    let has = |name: &str| conditions.iter().any(|condition| condition.type_ == name && condition.status == "True");
    if has("Complete") { Some(true) } else { has("Failed").then_some(false) }
}

fn condition(object: &DynamicObject, path: &str, name: &str) -> Option<()> {
    let conditions = object.data.pointer(path)?.as_array()?;
    conditions.iter().any(|condition| condition["type"] == name && condition["status"] == "True").then_some(())
}

fn dynamic(group: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind))
}

#[tokio::test]
async fn a_database_can_be_copied_from_a_template() {
    let postgres = shared_postgres().await.unwrap();
    postgres.create_database("rig_rows", None).await.unwrap();
    let mut connection = PgConnection::connect(&postgres.url("rig_rows")).await.unwrap();
    sqlx::raw_sql("create table kept (n int); insert into kept values (41), (42)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    postgres.create_database("rig_copy", Some("rig_rows")).await.unwrap();
    let mut copy = PgConnection::connect(&postgres.url("rig_copy")).await.unwrap();
    let sum: i64 = sqlx::query_scalar("select sum(n) from kept").fetch_one(&mut copy).await.unwrap();
    assert_eq!(sum, 83);
    postgres.drop_database("rig_copy").await.unwrap();
    PgConnection::connect(&postgres.url("rig_copy")).await.unwrap_err();
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let postgres = shared_postgres().await.unwrap();
    PgConnection::connect(&postgres.url_as("postgres", "wrong", "postgres")).await.unwrap_err();
}

#[tokio::test]
async fn a_restricted_deployment_becomes_available_and_a_forbidden_pod_does_not_get_in() {
    let rig = Rig::shared().await.unwrap();
    let client = rig.cluster().client().await.unwrap();
    let spec = bare_pod_spec("Always");
    let deployment = |name: &str, spec: &str, label: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: rig-web}}, spec: {{replicas: 2, \
             selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}{label}}}}}, spec: {spec}}}}}}}\n---\n"
        )
    };
    let yaml = namespace("rig-web")
        + deployment("web", &spec, "").as_str()
        + deployment("stuck", &spec, ", paddock.rig/never-ready: ''").as_str()
        + deployment("privileged", &spec.replace("allowPrivilegeEscalation: false", "privileged: true"), "").as_str();
    rig.cluster().apply(&yaml).await.unwrap();
    let api: Api<Deployment> = Api::namespaced(client, "rig-web");
    let holds = |name: &'static str, truth: &'static str| {
        move |deployment: &Deployment| {
            let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
            conditions.iter().any(|condition| condition.type_ == name && condition.status == truth).then_some(())
        }
    };
    wait_for(&api, "web", holds("Available", "True")).await;
    wait_for(&api, "privileged", holds("ReplicaFailure", "True")).await;
    wait_for(&api, "stuck", holds("Available", "False")).await;
    let stuck = api.get("stuck").await.unwrap().status.unwrap();
    assert_eq!((stuck.replicas, stuck.ready_replicas.unwrap_or_default()), (Some(2), 0));
}

#[tokio::test]
async fn our_jobs_do_real_work_in_a_real_database() {
    let rig = Rig::shared().await.unwrap();
    let client = rig.cluster().client().await.unwrap();
    rig.cluster().apply(&(namespace("rig-jobs") + database_cluster("rig-jobs").as_str())).await.unwrap();
    let clusters: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), "rig-jobs", &dynamic("postgresql.cnpg.io", "Cluster"));
    wait_for(&clusters, "db-1", |cluster| condition(cluster, "/status/conditions", "Ready")).await;

    let jobs: Api<Job> = Api::namespaced(client.clone(), "rig-jobs");
    // Without a schema there is nothing to seed: the Job must fail, not be taken for done.
    rig.cluster().apply(&our_job("rig-jobs", "seed")).await.unwrap();
    assert!(!wait_for(&jobs, "seed", ended).await, "seeding an empty database went well");
    jobs.delete("seed", &kube::api::DeleteParams::background()).await.unwrap();
    for work in ["prepare", "seed", "owner"] {
        let deadline = Instant::now() + Duration::from_secs(20);
        while jobs.get_opt(work).await.unwrap().is_some() {
            assert!(Instant::now() < deadline, "{work} is still there");
            sleep(Duration::from_millis(50)).await;
        }
        rig.cluster().apply(&our_job("rig-jobs", work)).await.unwrap();
        assert!(wait_for(&jobs, work, ended).await, "{work} failed");
    }

    let secrets: Api<Secret> = Api::namespaced(client, "rig-jobs");
    let login = secrets.get("db-1-app").await.unwrap().data.unwrap();
    let uri = String::from_utf8(login["uri"].0.clone()).unwrap();
    let mut database = PgConnection::connect(&uri).await.unwrap();
    let role: String = sqlx::query_scalar(
        "select r.name from users u join accounts a on a.id = u.account_id join user_roles r on r.id = u.role_id \
         where a.username = 'alice' and u.email = 'alice@example.org'",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    assert_eq!(role, "Owner");
    let newest: String = sqlx::query_scalar("select max(version) from schema_migrations").fetch_one(&mut database).await.unwrap();
    assert_eq!(newest, "20251023210145");
    // The role of one database can't get into another.
    rig.cluster().apply(&database_cluster("rig-jobs").replace("db-1", "db-2")).await.unwrap();
    wait_for(&clusters, "db-2", |cluster| condition(cluster, "/status/conditions", "Ready")).await;
    PgConnection::connect(&uri.replace("/rig-jobs_db-1", "/rig-jobs_db-2")).await.unwrap_err();
}

#[tokio::test]
async fn a_deleted_database_cluster_takes_its_data_along() {
    let rig = Rig::shared().await.unwrap();
    let client = rig.cluster().client().await.unwrap();
    rig.cluster().apply(&(namespace("rig-gone") + database_cluster("rig-gone").as_str())).await.unwrap();
    let clusters: Api<DynamicObject> = Api::namespaced_with(client, "rig-gone", &dynamic("postgresql.cnpg.io", "Cluster"));
    wait_for(&clusters, "db-1", |cluster| condition(cluster, "/status/conditions", "Ready")).await;
    let mut admin = PgConnection::connect(&rig.postgres().url("postgres")).await.unwrap();
    let there = "select exists (select 1 from pg_database where datname = 'rig-gone_db-1')";
    assert!(sqlx::query_scalar::<_, bool>(there).fetch_one(&mut admin).await.unwrap());
    clusters.delete("db-1", &kube::api::DeleteParams::default()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while sqlx::query_scalar::<_, bool>(there).fetch_one(&mut admin).await.unwrap() {
        assert!(Instant::now() < deadline, "the database is still there");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_pod_with_a_volume_runs() {
    let rig = Rig::shared().await.unwrap();
    let client = rig.cluster().client().await.unwrap();
    let spec = pod_spec("Always")
        .replace("ENV", "")
        .replace("MOUNTS", "{name: data, mountPath: /data}")
        .replace("VOLUMES", "{name: data, persistentVolumeClaim: {claimName: data}}");
    let yaml = namespace("rig-volume")
        + "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: rig-volume}, \
           spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}\n---\n"
        + format!("{{apiVersion: v1, kind: Pod, metadata: {{name: cache, namespace: rig-volume}}, spec: {spec}}}").as_str();
    // Without the controllers' default service account the pod is refused; it appears a moment after the namespace.
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(error) = rig.cluster().apply(&yaml).await {
        assert!(Instant::now() < deadline, "{error:?}");
        sleep(Duration::from_millis(100)).await;
    }
    let pods: Api<Pod> = Api::namespaced(client, "rig-volume");
    wait_for(&pods, "cache", |pod| (pod.status.as_ref()?.phase.as_deref()? == "Running").then_some(())).await;
}

#[tokio::test]
async fn a_route_is_accepted_by_the_shared_gateway_and_again_after_a_change() {
    let rig = Rig::shared().await.unwrap();
    let client = rig.cluster().client().await.unwrap();
    let gateways: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), "paddock", &dynamic("gateway.networking.k8s.io", "Gateway"));
    wait_for(&gateways, "hosts", |gateway| condition(gateway, "/status/conditions", "Programmed")).await;
    let routes: Api<DynamicObject> =
        Api::namespaced_with(client, "rig-route", &dynamic("gateway.networking.k8s.io", "HTTPRoute"));
    for (host, generation) in [("a.hosts.example", 1), ("b.hosts.example", 2)] {
        let route = format!(
            "{{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {{name: web, namespace: rig-route}}, \
             spec: {{parentRefs: [{{name: hosts, namespace: paddock, sectionName: https}}], hostnames: [{host}]}}}}"
        );
        rig.cluster().apply(&(namespace("rig-route") + route.as_str())).await.unwrap();
        wait_for(&routes, "web", |route| {
            let parent = route.data.pointer("/status/parents/0")?;
            let fresh = parent["conditions"].as_array()?.iter().all(|condition| condition["observedGeneration"] == generation);
            (fresh && parent["controllerName"] == "paddock.rig/gateway").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn an_identity_has_the_rights_that_rbac_gives_it() {
    let rig = Rig::shared().await.unwrap();
    let client = rig.cluster().client_as("operator").await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(client, "kube-system");
    let error = secrets.list(&kube::api::ListParams::default()).await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!(status.code, 403);
    assert!(status.message.contains("system:serviceaccount:paddock:paddock-operator"), "{}", status.message);
}

#[tokio::test]
async fn s3_keeps_what_is_put_and_refuses_a_wrong_key() {
    let s3 = Rig::shared().await.unwrap().s3();
    let (access, secret) = s3.root_credentials();
    let root = S3Client::new(s3.endpoint(), REGION, access, secret);
    root.put("/rig-bucket", "").await;
    root.put("/rig-bucket/a/b.txt", "hello").await;
    assert_eq!(root.send("GET", "/rig-bucket/a/b.txt", &[], "").await, (200, "hello".to_owned()));
    let wrong = S3Client::new(s3.endpoint(), REGION, access, "wrong");
    assert_eq!(wrong.status("GET", "/rig-bucket/a/b.txt", "").await, 403);
}

/// On a rig of its own, since everything is taken down.
#[tokio::test]
async fn faults_and_a_second_start_lose_nothing() {
    let dir = std::env::temp_dir().join(format!("paddock-rig-faults-{}", std::process::id()));
    let settings = RigSettings { keep: true, ..RigSettings::throwaway(&dir) };
    let rig = Box::pin(Rig::start(&settings)).await.unwrap();
    let mark = "{apiVersion: v1, kind: ConfigMap, metadata: {name: mark, namespace: default}, data: {kept: 'yes'}}";
    rig.cluster().apply(mark).await.unwrap();
    rig.postgres().create_database("kept", None).await.unwrap();
    let mut rows = PgConnection::connect(&rig.postgres().url("kept")).await.unwrap();
    sqlx::raw_sql("create table kept (n int); insert into kept values (42)").execute(&mut rows).await.unwrap();
    let (port, before) = (rig.cluster().port(), rig.pids().await);

    rig.cluster().restart_apiserver(Fault::Killed).await.unwrap();
    rig.postgres().restart(Fault::Killed).await.unwrap();
    assert_kept(&rig).await;
    rig.postgres().restart(Fault::Clean).await.unwrap();
    assert_kept(&rig).await;
    let after = rig.pids().await;
    let pid = |pids: &[(String, u32)], part: &str| pids.iter().find(|(name, _)| name == part).unwrap().1;
    assert_ne!(pid(&before, "postgres"), pid(&after, "postgres"));
    assert_ne!(pid(&before, "kube-apiserver"), pid(&after, "kube-apiserver"));

    rig.stop().await;
    for (part, pid) in after {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "{part} is still there");
    }
    let started = Instant::now();
    let rig = Box::pin(Rig::start(&settings)).await.unwrap();
    println!("warm start: {:?}", started.elapsed());
    assert_eq!(rig.cluster().port(), port);
    assert_kept(&rig).await;
    rig.stop().await;
    std::fs::remove_dir_all(&dir).unwrap();
}

async fn assert_kept(rig: &Rig) {
    let mut rows = PgConnection::connect(&rig.postgres().url("kept")).await.unwrap();
    let n: i32 = sqlx::query_scalar("select n from kept").fetch_one(&mut rows).await.unwrap();
    assert_eq!(n, 42);
    let maps: Api<ConfigMap> = Api::default_namespaced(rig.cluster().client().await.unwrap());
    assert_eq!(maps.get("mark").await.unwrap().data.unwrap()["kept"], "yes");
}
