//! Whether network policies are enforced: nothing in the API tells. Three pods in a throw-away namespace: a server behind a server's
//! walls, a client that the walls let through, and one that they do not. What counts is what the clients write, not that they ended: a
//! cluster without kubelets simulates the latter.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, LogParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::report::Check;
use super::walls::{Sample, create};
use crate::operator::{Settings, error_chain as chain};

/// How long pods may take to start and to end: an image may have to be fetched.
const PATIENCE: Duration = Duration::from_mins(2);

const REACHED: &str = "REACHED";
const NOT_REACHED: &str = "NO ANSWER";

const NAME: &str = "network policies";

pub(super) async fn look(client: &Client, settings: &Settings, sample: &Sample) -> Check {
    match run(client, settings, sample).await {
        Ok((allowed, other)) => judge(&allowed, &other),
        Err(why) => unknown(&why),
    }
}

fn unknown(why: &str) -> Check {
    let remedy = "run it where pods start; until then nothing shows that one server can't reach another's database. It takes a network plug-in \
                  that enforces NetworkPolicies, such as Cilium or Calico";
    Check::warn(NAME, format!("could not be shown: {why}"), remedy)
}

/// What the two clients wrote.
fn judge(allowed: &str, other: &str) -> Check {
    let says = |log: &str, word: &str| log.lines().any(|line| line.trim() == word);
    match (says(allowed, REACHED), says(other, REACHED), says(other, NOT_REACHED)) {
        (true, false, true) => Check::ok(NAME, "are enforced: a pod that no policy lets through got no answer"),
        (true, true, _) => {
            let remedy = "use a network plug-in that enforces them, such as Cilium or Calico: without one every server can reach every other's \
                          database and queues";
            Check::fault(NAME, "are not enforced: a pod reached what no policy lets it reach", remedy)
        }
        (false, _, _) => unknown("the pod that should have been let through got no answer either"),
        (true, false, false) => unknown("the other pod wrote nothing"),
    }
}

/// Runs the three pods; what the clients wrote.
async fn run(client: &Client, settings: &Settings, sample: &Sample) -> Result<(String, String), String> {
    for policy in sample.objects.iter().filter(|object| object["kind"] == "NetworkPolicy") {
        create(client, policy, false).await?;
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), &sample.namespace);
    let command = ["valkey-server", "--port", "6379", "--protected-mode", "no", "--save", "", "--dir", "/data"];
    create(client, &pod(settings, sample, "server", "cache", &command), false).await?;
    let address = until(&pods, "server", |pod| {
        let status = pod.status.as_ref()?;
        (status.phase.as_deref() == Some("Running")).then(|| status.pod_ip.clone()).flatten()
    })
    .await?;
    // Where nothing runs there is nothing to read.
    pods.logs("server", &LogParams::default()).await.map_err(|error| format!("pods don't run: {}", chain(&error)))?;
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8; do if [ \"$(timeout 3 valkey-cli -h {address} -p 6379 ping 2>&1)\" = PONG ]; then echo {REACHED}; \
         exit 0; fi; sleep 1; done; echo {NOT_REACHED}"
    );
    let command = ["sh", "-c", &script];
    // `web` is one of those that a server's policies let speak to its cache.
    create(client, &pod(settings, sample, "allowed", "web", &command), false).await?;
    create(client, &pod(settings, sample, "other", "other", &command), false).await?;
    let log = async |name: &str| {
        until(&pods, name, |pod| {
            let phase = pod.status.as_ref()?.phase.as_deref()?;
            ["Succeeded", "Failed"].contains(&phase).then_some(())
        })
        .await?;
        pods.logs(name, &LogParams::default()).await.map_err(|error| format!("no log of a pod: {}", chain(&error)))
    };
    let (allowed, other) = tokio::join!(log("allowed"), log("other"));
    Ok((allowed?, other?))
}

async fn until<T>(pods: &Api<Pod>, name: &str, look: impl Fn(&Pod) -> Option<T>) -> Result<T, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pod = pods.get(name).await.map_err(|error| chain(&error))?;
        if let Some(found) = look(&pod) {
            return Ok(found);
        }
        if Instant::now() > deadline {
            let phase = pod.status.and_then(|status| status.phase).unwrap_or_default();
            return Err(format!("the pod {name} is {phase} after {} minutes", PATIENCE.as_secs() / 60));
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// A pod under the restricted profile, of the image that each server has anyway.
fn pod(settings: &Settings, sample: &Sample, name: &str, component: &str, command: &[&str]) -> Value {
    let resources = json!({"cpu": "100m", "memory": "64Mi"});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": sample.namespace,
            "labels": {"paddock.host/instance": sample.instance, "app.kubernetes.io/component": component},
        },
        "spec": {
            "automountServiceAccountToken": false, "enableServiceLinks": false, "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 999, "runAsGroup": 999, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": name, "image": settings.valkey_image, "command": command,
                "resources": {"requests": resources, "limits": resources},
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
            "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "16Mi"}}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn only_what_the_pods_wrote_counts() {
        let verdict = |allowed: &str, other: &str| judge(allowed, other).verdict;
        assert_eq!(verdict("REACHED\n", "NO ANSWER\n"), Verdict::Ok);
        assert_eq!(verdict("REACHED\n", "REACHED\n"), Verdict::Fault);
        assert_eq!(verdict("NO ANSWER\n", "NO ANSWER\n"), Verdict::Warn);
        assert_eq!(verdict("", ""), Verdict::Warn);
        assert_eq!(verdict("REACHED\n", "sh: not found\n"), Verdict::Warn);
    }
}
