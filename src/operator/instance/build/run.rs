//! The Job of a run: one pod of Mastodon's own image that does one thing, says what came of it, and ends.

use serde_json::json;

use super::jobs::JOB_LABEL;
use super::pods::{Pods, Process};
use super::{Object, names, resources, secrets};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::operator::settings::Images;
use crate::resource::Owner;

/// On a run's Job and its pods: the name of the run's custom resource.
pub const RUN_LABEL: &str = "paddock.host/run";

/// How long after its end a Job may stay, in seconds, for somebody who wants to read all of its log.
pub(super) const KEPT_SECONDS: u32 = 86_400;
/// What a pod may take beside its work: scheduling, pulling the image, loading Rails. In seconds, for each try.
pub(super) const AROUND_SECONDS: u32 = 600;

/// Runs the command with a time limit, shows what it prints, and leaves the end of that as the pod's last word. (Kubernetes takes
/// 4 KiB of it. Where a pod is killed from outside, the kubelet takes the end of the log instead.)
pub const WRAPPER: &str = "out=$(mktemp)\n\
     { timeout --kill-after=20 \"$RUN_LIMIT\" \"$@\" 2>&1; echo $? >\"$out.code\"; } | tee \"$out\"\n\
     tail -c 4000 \"$out\" >/dev/termination-log\n\
     exit \"$(cat \"$out.code\")\"";

/// The code with which a command ends that took longer than it may: `timeout`'s own, or 128 and the signal of the kill.
pub const TIMED_OUT: [i32; 2] = [124, 137];

/// What a run's pod does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Program and arguments, without a shell in between.
    pub command: Vec<String>,
    /// What the command reads beside Mastodon's own environment.
    pub env: Vec<(&'static str, String)>,
    /// How many seconds it may take.
    pub limit: u32,
    /// Whether a pod that failed is tried once more.
    pub again: bool,
}

/// The Job of the run with this name. There is one such Job in a namespace: whoever creates it has the server to itself.
pub fn run_job(valid: &Valid<'_>, run: &str, work: Work) -> Object {
    let Work { command, mut env, limit, again } = work;
    let Images { web, streaming: _ } = &valid.release;
    let Owner { username, email: _ } = &valid.spec.owner;
    let wrapped = ["sh", "-c", WRAPPER, "run"].map(str::to_owned).into_iter().chain(command).collect();
    env.extend([("OWNER_USERNAME", username.clone()), ("RUN_LIMIT", limit.to_string()), ("DB_SSLMODE", "prefer".to_owned())]);
    let pods = Pods::alone(valid, secrets::mail(valid).as_ref());
    let mut template = pods.ruby(Process {
        component: "job",
        image: web.clone(),
        command: wrapped,
        env,
        resources: resources(valid.spec.size.web.memory_mib.max(512), valid.spec.size.web.cpu_milli.max(250)),
        grace: 60,
    });
    for (label, value) in [(JOB_LABEL, "run"), (RUN_LABEL, run)] {
        template["metadata"]["labels"][label] = value.into();
    }
    template["spec"]["restartPolicy"] = "Never".into();
    template["spec"]["containers"][0]["terminationMessagePolicy"] = "FallbackToLogsOnError".into();
    let tries = if again { 2 } else { 1 };
    let mut body = json!({
        "metadata": {"labels": {JOB_LABEL: "run", RUN_LABEL: run}},
        "spec": {
            "activeDeadlineSeconds": (limit + AROUND_SECONDS) * tries,
            "backoffLimit": tries - 1,
            "completions": 1,
            "parallelism": 1,
            // A new pod only when the old one has ended: never two at work on one server.
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": template,
        },
    });
    if again {
        // What took too long once would take too long again; a node that goes away is nobody's fault.
        body["spec"]["podFailurePolicy"] = json!({"rules": [
            {"action": "FailJob", "onExitCodes": {"containerName": "job", "operator": "In", "values": TIMED_OUT}},
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]});
    }
    Object::new(valid, Kind::Job, names::RUN, "job", body)
}
