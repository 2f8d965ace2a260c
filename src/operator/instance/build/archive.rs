//! The Job of a run that makes or proves an archive: Postgres' own image, which has the programs of exactly the server's version, with
//! Paddock's program carried over from its image. It works inside the server's walls with the server's keys, and has nothing else.

use serde_json::{Value, json};

use super::jobs::JOB_LABEL;
use super::pods::{container_security, database_login, from_secret, keep_from_host_users, pod_security};
use super::run::{AROUND_SECONDS, KEPT_SECONDS, RUN_LABEL, TIMED_OUT, WRAPPER};
use super::{Object, labels, names, resources};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::resource::{Action, ArchiveName, ArchiveScope};

/// The user of CloudNativePG's images: `initdb` wants one that the image knows.
const POSTGRES_USER: i64 = 26;
/// The program in Paddock's image.
const PROGRAM: &str = "/usr/local/bin/paddock";
/// Where it is carried to, with the authorities that it trusts.
const PROGRAM_FOLDER: &str = "/program";
const CARRIED: &str = "/program/paddock";
const AUTHORITIES: &str = "/program/authorities.pem";
/// Where what is not complete yet is written.
const SCRATCH: &str = "/scratch";
/// How long either may take, in seconds. What was written of an archive stays: asked for again, it is another one.
pub const LIMIT_SECONDS: u32 = 12 * 3600;

/// What a Job does with an archive.
struct Errand {
    command: Vec<String>,
    /// The Secrets whose every entry becomes a variable.
    secrets: Vec<&'static str>,
    /// Whether it speaks to the server's own database.
    database: bool,
    memory_mib: u32,
    scratch_gib: u32,
}

/// What is to be done; nothing for what has nothing to do with archives.
fn errand(valid: &Valid<'_>, action: &Action) -> Option<Errand> {
    let database_gib = valid.spec.size.database.storage_gib;
    let place = |archive: ArchiveName| format!("s3://{}/{}", valid.backup_bucket, archive.prefix());
    let paddock = |what: &str, archive: ArchiveName| vec![CARRIED.to_owned(), "archive".into(), what.into(), place(archive)];
    match action {
        Action::Export { archive, scope, recipients } => {
            let mut command = paddock("create", *archive);
            command.push("--environment".into());
            // With the equals sign: what follows is a value, whatever it begins with.
            command.extend(recipients.iter().map(|recipient| format!("--recipient={}", recipient.as_str())));
            let mut secrets = vec![names::IDENTITY];
            match scope {
                ArchiveScope::DatabaseOnly => command.push("--database-only".into()),
                ArchiveScope::WithoutCache => secrets.push(names::MEDIA),
            }
            // A dump is smaller than the database; a part of media is 256 MiB and at most one file more.
            Some(Errand { command, secrets, database: true, memory_mib: 512, scratch_gib: database_gib + 2 })
        }
        Action::Verify { archive, manifest } | Action::RestoreDrill { archive, manifest } => {
            let mut command = paddock("verify", *archive);
            command.extend(["--restore".to_owned(), "--environment".into(), format!("--manifest={}", manifest.as_str())]);
            let secrets = vec![names::IDENTITY];
            // The database once more, with its log and what building indexes takes.
            Some(Errand { command, secrets, database: false, memory_mib: 1536, scratch_gib: database_gib * 2 + 2 })
        }
        Action::Import {} | Action::Maintenance(_) => None,
    }
}

/// The Job of the run with this name; nothing for actions that are not about archives. `image` is Paddock's own.
pub fn archive_job(valid: &Valid<'_>, run: &str, action: &Action, image: &str, limit: u32) -> Option<Object> {
    let Errand { command, secrets, database, memory_mib, scratch_gib } = errand(valid, action)?;
    let storage = &valid.settings.storage;
    let plain = |name: &str, value: &str| json!({"name": name, "value": value});
    let mut env = if database { database_login() } else { Vec::new() };
    env.extend([
        plain("DB_SSLMODE", "prefer"),
        plain("PADDOCK_ARCHIVE_ENDPOINT", storage.pod_endpoint.as_str()),
        plain("PADDOCK_ARCHIVE_REGION", &storage.region),
        from_secret("PADDOCK_ARCHIVE_ACCESS_KEY_ID", names::BACKUP, "AWS_ACCESS_KEY_ID"),
        from_secret("PADDOCK_ARCHIVE_SECRET_ACCESS_KEY", names::BACKUP, "AWS_SECRET_ACCESS_KEY"),
        plain("TMPDIR", SCRATCH),
        plain("HOME", SCRATCH),
        plain("SSL_CERT_FILE", AUTHORITIES),
        plain("RUN_LIMIT", &limit.to_string()),
    ]);
    let mut sources = vec![json!({"configMapRef": {"name": names::ENV}})];
    sources.extend(secrets.iter().map(|name| json!({"secretRef": {"name": name}})));
    let wrapped: Vec<String> = ["sh", "-c", WRAPPER, "run"].map(str::to_owned).into_iter().chain(command).collect();
    let mut template = json!({
        "metadata": {"labels": labels(valid, names::ARCHIVE)},
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": pod_security(POSTGRES_USER),
            "terminationGracePeriodSeconds": 60,
            "restartPolicy": "Never",
            "initContainers": [{
                "name": "carry",
                "image": image,
                "command": [PROGRAM, "archive", "install", PROGRAM_FOLDER],
                "securityContext": container_security(),
                "resources": resources(128, 50),
                "volumeMounts": [{"name": "program", "mountPath": PROGRAM_FOLDER}],
            }],
            "containers": [{
                "name": names::ARCHIVE,
                "image": valid.settings.postgres_image,
                "command": wrapped,
                "envFrom": sources,
                "env": env,
                "securityContext": container_security(),
                "resources": resources(memory_mib, 500),
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "volumeMounts": [
                    {"name": "program", "mountPath": PROGRAM_FOLDER, "readOnly": true},
                    {"name": "scratch", "mountPath": SCRATCH},
                    // What a container gets by itself is too small for an index that Postgres builds with several workers.
                    {"name": "shared-memory", "mountPath": "/dev/shm"},
                ],
            }],
            "volumes": [
                {"name": "program", "emptyDir": {"sizeLimit": "1Gi"}},
                {"name": "scratch", "emptyDir": {"sizeLimit": format!("{scratch_gib}Gi")}},
                {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
            ],
        },
    });
    for (label, value) in [(JOB_LABEL, "run"), (RUN_LABEL, run)] {
        template["metadata"]["labels"][label] = value.into();
    }
    keep_from_host_users(valid, &mut template);
    Some(Object::new(valid, Kind::Job, names::RUN, names::ARCHIVE, job(run, &template, limit)))
}

/// Tried once more when it fails: it goes on with what lies in the bucket.
fn job(run: &str, template: &Value, limit: u32) -> Value {
    json!({
        "metadata": {"labels": {JOB_LABEL: "run", RUN_LABEL: run}},
        "spec": {
            "activeDeadlineSeconds": (limit + AROUND_SECONDS) * 2,
            "backoffLimit": 1,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "podFailurePolicy": {"rules": [
                // Too long once is too long twice; what is damaged, locked or differs does not get better by being looked at again.
                {"action": "FailJob", "onExitCodes": {"containerName": names::ARCHIVE, "operator": "In", "values": final_codes()}},
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]},
            "template": template,
        },
    })
}

/// Exit codes after which nothing is tried again; the table is in `docs/archive.md`.
fn final_codes() -> Vec<i32> {
    (2..=7).chain(TIMED_OUT).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{instance, settings};
    use super::*;
    use crate::ids::ArchiveId;
    use crate::operator::instance::validate;
    use crate::resource::InstanceStatus;

    fn rendered(action: &Value) -> Option<Value> {
        let (settings, instance) = (settings(), instance(&json!({"running": {}}), 1));
        let seen = std::collections::BTreeMap::new();
        let valid = validate(&settings, &instance, &InstanceStatus::default(), &seen).unwrap();
        let action = serde_json::from_value(action.clone()).unwrap();
        archive_job(&valid, "run-1", &action, "paddock@sha256:0", 60).map(|object| object.body)
    }

    #[test]
    fn an_export_has_the_servers_own_keys_and_no_other() {
        let key = age::x25519::Identity::generate().to_public().to_string();
        let id = ArchiveId::new();
        let export = |scope: &str| json!({"export": {"archive": id.to_string(), "scope": scope, "recipients": [key]}});
        let job = rendered(&export("withoutCache")).unwrap();
        let pod = &job["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let line: Vec<&str> = container["command"].as_array().unwrap().iter().skip(4).filter_map(Value::as_str).collect();
        assert_eq!(line[..3], ["/program/paddock", "archive", "create"]);
        assert!(line[3].starts_with("s3://mastodon-") && line[3].ends_with(&format!("-backup/archives/{id}")), "{line:?}");
        assert_eq!(line[4..], ["--environment".to_owned(), format!("--recipient={key}")]);
        assert_eq!(pod["automountServiceAccountToken"], false);
        let named = |what: &Value| what.to_string();
        assert!(named(&container["envFrom"]).contains(names::MEDIA) && named(&container["env"]).contains(names::BACKUP));
        assert!(!named(&job).contains(names::CACHE_PASSWORD) && !named(&job).contains(names::MAIL));
        let bare = rendered(&export("databaseOnly")).unwrap();
        assert!(!named(&bare).contains(names::MEDIA) && named(&bare).contains("--database-only"));
    }

    #[test]
    fn a_proof_does_not_reach_the_servers_database() {
        let manifest = "0a".repeat(32);
        for kind in ["verify", "restoreDrill"] {
            let action = json!({kind: {"archive": ArchiveId::new().to_string(), "manifest": manifest}});
            let job = rendered(&action).unwrap();
            let text = job["spec"]["template"]["spec"]["containers"][0].to_string();
            assert!(!text.contains(names::DATABASE_LOGIN) && !text.contains(names::MEDIA), "{text}");
            assert!(text.contains("--restore") && text.contains(&format!("--manifest={manifest}")), "{text}");
        }
        assert!(rendered(&json!({"maintenance": {"cacheClear": {}}})).is_none());
    }
}
