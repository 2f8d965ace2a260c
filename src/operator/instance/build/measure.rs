//! The Job that measures how much the database takes: Postgres' own client in its own image, for a moment.

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::jobs::JOB_LABEL;
use super::pods::{container_security, keep_from_host_users, pod_security};
use super::{Object, labels, names, resources};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;

/// Its name, of the container too, and what the label of Jobs says.
pub const MEASURE: &str = "measure";
/// The user of CloudNativePG's images.
const POSTGRES_USER: i64 = 26;
/// How long it may take, in seconds.
const DEADLINE: u32 = 300;
/// Every database that Mastodon's role may look at, in bytes.
const QUERY: &str =
    "select sum(pg_database_size(oid))::bigint from pg_database where datallowconn and has_database_privilege(oid, 'connect')";

/// The Job.
pub fn measure(valid: &Valid<'_>) -> Object {
    let login =
        [("PGHOST", "host"), ("PGPORT", "port"), ("PGDATABASE", "dbname"), ("PGUSER", "username"), ("PGPASSWORD", "password")]
            .map(|(name, key)| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": names::DATABASE_LOGIN, "key": key}}}));
    let mut env = login.to_vec();
    env.push(json!({"name": "QUERY", "value": QUERY}));
    let mut labels = labels(valid, "job");
    labels.insert(JOB_LABEL.to_owned(), MEASURE.into());
    let mut template = json!({
        "metadata": {"labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": pod_security(POSTGRES_USER),
            "terminationGracePeriodSeconds": 5,
            "containers": [{
                "name": MEASURE,
                "image": valid.images.postgres,
                "command": ["sh", "-c", "psql -AtX -c \"$QUERY\" >/dev/termination-log"],
                "env": env,
                "securityContext": container_security(),
                "resources": resources(64, 50),
            }],
        },
    });
    keep_from_host_users(valid, &mut template);
    let body = json!({
        "metadata": {"labels": {JOB_LABEL: MEASURE}},
        "spec": {"activeDeadlineSeconds": DEADLINE, "backoffLimit": 1, "completions": 1, "parallelism": 1, "template": template},
    });
    Object::new(valid, Kind::Job, MEASURE, "job", body)
}

/// The bytes that a pod of the Job has found, when it is done.
pub fn measured_by(pod: &Pod) -> Option<u64> {
    let container = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
    let ended = container.state.as_ref()?.terminated.as_ref()?;
    if ended.exit_code != 0 {
        return None;
    }
    ended.message.as_deref()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::batch::v1::Job;

    use super::super::tests::with;
    use super::*;

    #[test]
    fn the_job_is_one_that_kubernetes_knows_and_hands_over_the_login_alone() {
        with(
            |_, spec| spec.size.database.storage_most_gib = Some(40),
            |valid| {
                let object = measure(valid);
                let typed: Job = serde_json::from_value(object.body.clone()).unwrap();
                assert_eq!(serde_json::to_value(&typed).unwrap(), object.body);
                let pod = typed.spec.unwrap().template.spec.unwrap();
                assert_eq!(pod.containers[0].env_from, None);
                assert_eq!(pod.containers[0].image.as_deref(), Some(valid.images.postgres.as_str()));
                assert_eq!(pod.security_context.unwrap().run_as_user, Some(26));
            },
        );
    }

    #[test]
    fn what_a_pod_has_found_is_its_last_word() {
        let pod = |code: i32, message: &str| -> Pod {
            serde_json::from_value(json!({"metadata": {}, "status": {"containerStatuses": [{
                "name": "measure", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"terminated": {"exitCode": code, "message": message}}}]}}))
            .unwrap()
        };
        assert_eq!(measured_by(&pod(0, "12345678\n")), Some(12_345_678));
        assert_eq!(measured_by(&pod(2, "12345678\n")), None);
        assert_eq!(measured_by(&pod(0, "connection refused")), None);
    }
}
