//! Mastodon's processes: web, streaming, workers, and the one scheduler. Commands and probes as in Mastodon's own images.

use serde_json::{Value, json};

use super::pods::{Pods, Process};
use super::{Object, names, resources, selector};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::Images;
use crate::resource::{SchedulerSize, Size, StreamingSize, WebSize, WorkerSize};

/// Sidekiq gives its jobs 25 seconds to end, and needs some for itself.
const GRACE: u32 = 60;

/// Sidekiq touches this file when it begins to work, and removes it when it stops. The name is set in Mastodon's image.
const WORKS: &str = "/opt/mastodon/tmp/sidekiq_process_has_started_and_will_begin_processing_jobs";

/// The queues of Mastodon with their weights, but for `scheduler`: no two processes may ever listen to that one.
const QUEUES: [&str; 6] = ["default,8", "push,6", "ingress,4", "mailers,2", "pull", "fasp"];

/// The Deployments of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Processes {
    /// Pages and API.
    pub web: Object,
    /// Live timelines.
    pub streaming: Object,
    /// Background work.
    pub sidekiq: Object,
    /// Regular work, in exactly one process.
    pub scheduler: Object,
}

/// The Deployments of an instance.
pub fn processes(valid: &Valid<'_>, pods: &Pods<'_>) -> Processes {
    let Size { web, streaming, sidekiq, scheduler, database: _, cache: _, media_gib: _ } = &valid.spec.size;
    Processes {
        web: self::web(valid, pods, web),
        streaming: self::streaming(valid, pods, streaming),
        sidekiq: self::sidekiq(valid, pods, sidekiq),
        scheduler: self::scheduler(valid, pods, scheduler),
    }
}

/// A new pod is ready before an old one goes.
fn rolling() -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
}

fn deployment(valid: &Valid<'_>, component: &'static str, replicas: u16, strategy: &Value, template: &Value) -> Object {
    let body = json!({"spec": {
        "replicas": if valid.runs { replicas } else { 0 },
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": 900,
        "strategy": strategy,
        "selector": {"matchLabels": selector(valid, component)},
        "template": template,
    }});
    Object::new(valid, Kind::Deployment, component, component, body)
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn web(valid: &Valid<'_>, pods: &Pods<'_>, size: &WebSize) -> Object {
    let WebSize { replicas, concurrency, threads, memory_mib, cpu_milli } = size;
    let Images { web, streaming: _ } = &valid.release;
    let mut template = pods.ruby(Process {
        component: names::WEB,
        image: web.clone(),
        command: words("bundle exec puma -C config/puma.rb"),
        env: vec![
            ("WEB_CONCURRENCY", concurrency.to_string()),
            ("MAX_THREADS", threads.to_string()),
            ("DB_POOL", threads.to_string()),
            ("DB_SSLMODE", "prefer".to_owned()),
            ("PORT", names::WEB_PORT.to_string()),
        ],
        resources: resources(*memory_mib, *cpu_milli),
        grace: GRACE,
    });
    let health = json!({"path": "/health", "port": names::WEB});
    let container = &mut template["spec"]["containers"][0];
    container["ports"] = json!([{"name": names::WEB, "containerPort": names::WEB_PORT, "protocol": "TCP"}]);
    container["startupProbe"] = json!({"httpGet": health, "initialDelaySeconds": 10, "periodSeconds": 5, "failureThreshold": 60});
    container["readinessProbe"] = json!({"httpGet": health, "periodSeconds": 10, "timeoutSeconds": 5});
    container["livenessProbe"] = json!({"tcpSocket": {"port": names::WEB}, "periodSeconds": 20, "failureThreshold": 6});
    deployment(valid, names::WEB, *replicas, &rolling(), &template)
}

fn streaming(valid: &Valid<'_>, pods: &Pods<'_>, size: &StreamingSize) -> Object {
    let StreamingSize { replicas, db_pool, memory_mib, cpu_milli } = size;
    let Images { web: _, streaming } = &valid.release;
    let mut template = pods.node(Process {
        component: names::STREAMING,
        image: streaming.clone(),
        command: words("node ./streaming/index.js"),
        env: vec![
            ("PORT", names::STREAMING_PORT.to_string()),
            ("DB_POOL", db_pool.to_string()),
            // The database's certificate is signed by an authority of its own; inside our own walls encryption is enough.
            ("DB_SSLMODE", "no-verify".to_owned()),
        ],
        resources: resources(*memory_mib, *cpu_milli),
        grace: GRACE,
    });
    let health = json!({"path": "/api/v1/streaming/health", "port": names::STREAMING});
    let container = &mut template["spec"]["containers"][0];
    container["ports"] = json!([{"name": names::STREAMING, "containerPort": names::STREAMING_PORT, "protocol": "TCP"}]);
    container["startupProbe"] = json!({"httpGet": health, "initialDelaySeconds": 2, "periodSeconds": 5, "failureThreshold": 30});
    container["readinessProbe"] = json!({"httpGet": health, "periodSeconds": 10, "timeoutSeconds": 5});
    container["livenessProbe"] = json!({"httpGet": health, "periodSeconds": 20, "timeoutSeconds": 5, "failureThreshold": 6});
    deployment(valid, names::STREAMING, *replicas, &rolling(), &template)
}

fn worker(
    valid: &Valid<'_>,
    pods: &Pods<'_>,
    component: &'static str,
    queues: &[&str],
    (concurrency, memory_mib, cpu_milli): (u16, u32, u32),
) -> Value {
    let Images { web, streaming: _ } = &valid.release;
    let mut command = words("bundle exec sidekiq");
    command.extend(["-c".to_owned(), concurrency.to_string()]);
    for queue in queues {
        command.extend(["-q".to_owned(), (*queue).to_owned()]);
    }
    let mut template = pods.ruby(Process {
        component,
        image: web.clone(),
        command,
        env: vec![
            ("SIDEKIQ_CONCURRENCY", concurrency.to_string()),
            ("DB_POOL", concurrency.to_string()),
            ("DB_SSLMODE", "prefer".to_owned()),
        ],
        resources: resources(memory_mib, cpu_milli),
        grace: GRACE,
    });
    let works = json!({"command": ["test", "-f", WORKS]});
    let container = &mut template["spec"]["containers"][0];
    container["startupProbe"] = json!({"exec": works, "initialDelaySeconds": 5, "periodSeconds": 5, "failureThreshold": 60});
    container["readinessProbe"] = json!({"exec": works, "periodSeconds": 20, "timeoutSeconds": 5});
    template
}

fn sidekiq(valid: &Valid<'_>, pods: &Pods<'_>, size: &WorkerSize) -> Object {
    let WorkerSize { replicas, concurrency, memory_mib, cpu_milli } = size;
    let template = worker(valid, pods, names::SIDEKIQ, &QUEUES, (*concurrency, *memory_mib, *cpu_milli));
    deployment(valid, names::SIDEKIQ, *replicas, &rolling(), &template)
}

fn scheduler(valid: &Valid<'_>, pods: &Pods<'_>, size: &SchedulerSize) -> Object {
    let SchedulerSize { concurrency, memory_mib, cpu_milli } = size;
    let template = worker(valid, pods, names::SCHEDULER, &["scheduler"], (*concurrency, *memory_mib, *cpu_milli));
    deployment(valid, names::SCHEDULER, 1, &json!({"type": "Recreate"}), &template)
}
