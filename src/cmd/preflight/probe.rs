//! Whether network policies are enforced: nothing in the API tells. Three pods in a throw-away namespace: a server behind a server's
//! walls, a client that the walls let through, and one that they do not. What counts is what the clients write, not that they ended: a
//! cluster without kubelets simulates the latter.
//!
//! The client that is let through also goes to a name of the host's, as one server does to another: plug-ins differ in what they make of a
//! way that leads out of the cluster and in again.

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

const GATEWAY_REACHED: &str = "GATEWAY REACHED";
const GATEWAY_NOT_REACHED: &str = "GATEWAY NO ANSWER";

const NAME: &str = "network policies";
const BETWEEN: &str = "servers reach each other";

pub(super) async fn look(client: &Client, settings: &Settings, sample: &Sample) -> [Check; 2] {
    match run(client, settings, sample).await {
        Ok((allowed, other)) => [judge(&allowed, &other), judge_gateway(&allowed, &public_name(settings))],
        Err(why) => [unknown(&why), gateway_unknown(&why)],
    }
}

/// What is said when no pods are to be started.
pub(super) fn not_looked_at() -> [Check; 2] {
    [NAME, BETWEEN].map(|name| Check::warn(name, "not looked at (--no-pods)", "run preflight once without --no-pods"))
}

/// A name that leads to the Gateway as every server's does.
fn public_name(settings: &Settings) -> String {
    format!("preflight.{}", settings.address.wildcard_domain)
}

fn gateway_unknown(why: &str) -> Check {
    let remedy = "run it where pods start; until then nothing shows that servers of this cluster get each other's posts";
    Check::warn(BETWEEN, format!("could not be shown: {why}"), remedy)
}

/// What the client that is let through wrote of its way to the Gateway.
fn judge_gateway(allowed: &str, name: &str) -> Check {
    let says = |word: &str| allowed.lines().any(|line| line.trim() == word);
    if says(GATEWAY_REACHED) {
        return Check::ok(BETWEEN, format!("a pod behind a server's walls reaches {name}"));
    }
    if !says(GATEWAY_NOT_REACHED) {
        return gateway_unknown("the pod wrote nothing about it");
    }
    let remedy = "name the Gateway's own namespace and the ports that its pods listen on (kubectl get pods -o yaml: containerPort) in \
                  operator.address.gateway, and its address in operator.network.reach where that is a private one: without, no server of \
                  this cluster gets posts of another one of it";
    Check::fault(BETWEEN, format!("a pod behind a server's walls gets no answer from {name}, port 443"), remedy)
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
    let to_cache = format!(
        "said='{NOT_REACHED}'; for i in 1 2 3 4 5 6 7 8; do if [ \"$(timeout 3 valkey-cli -h {address} -p 6379 ping 2>&1)\" = PONG ]; then \
         said='{REACHED}'; break; fi; sleep 1; done; echo \"$said\""
    );
    // Whoever speaks TLS there ends what does not. Where nothing is heard at all, the walls are in the way.
    let to_gateway = format!(
        "said='{GATEWAY_NOT_REACHED}'; for i in 1 2 3; do heard=$(timeout 5 valkey-cli -h {} -p 443 ping 2>&1); case \"$? $heard\" in \
         124*|143*|*'Could not connect'*) sleep 1;; *) said='{GATEWAY_REACHED}'; break;; esac; done; echo \"$said\"",
        public_name(settings)
    );
    let both = format!("{to_cache}; {to_gateway}");
    // `web` is one of those that a server's policies let speak to its cache.
    create(client, &pod(settings, sample, "allowed", "web", &["sh", "-c", &both]), false).await?;
    create(client, &pod(settings, sample, "other", "other", &["sh", "-c", &to_cache]), false).await?;
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

    #[test]
    fn the_way_to_the_gateway_is_judged_by_itself() {
        let verdict = |allowed: &str| judge_gateway(allowed, "preflight.hosts.example").verdict;
        assert_eq!(verdict("REACHED\nGATEWAY REACHED\n"), Verdict::Ok);
        assert_eq!(verdict("NO ANSWER\nGATEWAY REACHED\n"), Verdict::Ok);
        assert_eq!(verdict("REACHED\nGATEWAY NO ANSWER\n"), Verdict::Fault);
        assert_eq!(verdict("REACHED\n"), Verdict::Warn);
    }
}
