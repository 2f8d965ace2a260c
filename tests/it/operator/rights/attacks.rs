//! What somebody with the operator's token might try. None of it may be answered with anything but 403.

use http::Request;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// Which wall refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    /// The role does not have the verb.
    Role,
    /// The role has it (or would have it); an admission policy refuses the object.
    Policy,
}

/// One attempt.
#[derive(Debug, Clone)]
pub struct Attack {
    pub what: String,
    pub wall: Wall,
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
    /// Headers beyond the usual.
    pub header: Option<(&'static str, &'static str)>,
}

/// Asked by the role's wall: the body is never read.
pub fn role(what: impl Into<String>, method: &'static str, path: impl Into<String>) -> Attack {
    Attack { what: what.into(), wall: Wall::Role, method, path: path.into(), body: Some(json!({})), header: None }
}

/// Asked by a policy's wall.
pub fn policy(what: impl Into<String>, method: &'static str, path: impl Into<String>, body: Value) -> Attack {
    Attack { what: what.into(), wall: Wall::Policy, method, path: path.into(), body: Some(body), header: None }
}

/// An answer: status and the API server's sentence.
pub async fn send(client: &Client, attack: &Attack) -> (u16, String) {
    let Attack { what: _, wall: _, method, path, body, header } = attack;
    // Should one get through, nothing is to come of it.
    let dry = if *method == "GET" { "" } else { "dryRun=All&fieldManager=paddock" };
    let uri = format!("{path}{}{dry}", if path.contains('?') { "&" } else { "?" });
    let kind = match *method {
        "PATCH" => "application/merge-patch+json",
        _ => "application/json",
    };
    let mut request =
        Request::builder().method(*method).uri(uri).header("content-type", kind).header("accept", "application/json");
    if let Some((name, value)) = header {
        request = request.header(*name, *value);
    }
    let text = body.as_ref().filter(|_| !["GET", "DELETE"].contains(method)).map(Value::to_string).unwrap_or_default();
    let answer = client.send(request.body(Body::from(text.into_bytes())).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect_bytes().await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let message = serde_json::from_str::<Value>(&text).ok().and_then(|status| Some(status["message"].as_str()?.to_owned()));
    (status, message.unwrap_or(text))
}

/// What no verb of the role allows. `server` is the namespace of a server that runs.
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn beyond_the_role(server: &str) -> Vec<Attack> {
    let core = |rest: &str| format!("/api/v1/{rest}");
    let rbac = |rest: &str| format!("/apis/rbac.authorization.k8s.io/v1/{rest}");
    let admission = |rest: &str| format!("/apis/admissionregistration.k8s.io/v1/{rest}");
    let inside = |rest: &str| format!("/api/v1/namespaces/{server}/{rest}");
    let mut all = vec![
        // Pods: made by controllers alone, and nobody goes in.
        role("make a pod", "POST", inside("pods")),
        role("watch all pods", "GET", core("pods?watch=true")),
        role("look at one pod", "GET", inside("pods/web")),
        role("run a command in a pod", "POST", inside("pods/web/exec?command=sh&stdin=true")),
        role("attach to a pod", "POST", inside("pods/web/attach?stdin=true")),
        role("forward a port", "POST", inside("pods/web/portforward?ports=3000")),
        role("put a container into a pod", "PATCH", inside("pods/web/ephemeralcontainers")),
        role("speak through a pod", "GET", inside("pods/web/proxy/")),
        role("speak through a Service", "GET", inside("services/web/proxy/")),
        role("read a log", "GET", inside("pods/web/log")),
        role("evict a pod", "POST", inside("pods/web/eviction")),
        role("bind a pod to a node", "POST", inside("pods/web/binding")),
        role("resize a pod", "PATCH", inside("pods/web/resize")),
        // Nodes.
        role("list nodes", "GET", core("nodes")),
        role("speak to a kubelet", "GET", core("nodes/fake-0/proxy/configz")),
        role("run something by a kubelet", "POST", core("nodes/fake-0/proxy/run/kube-system/x/y?cmd=id")),
        role("change a node", "PATCH", core("nodes/fake-0")),
        // Tokens and identities.
        role("take a token of the system", "POST", core("namespaces/kube-system/serviceaccounts/default/token")),
        role("take a longer token of itself", "POST", core("namespaces/paddock/serviceaccounts/paddock-operator/token")),
        role("take the fleet's token", "POST", core("namespaces/paddock/serviceaccounts/paddock-fleet/token")),
        role("make an account", "POST", inside("serviceaccounts")),
        role("change an account", "PATCH", inside("serviceaccounts/default")),
        role("ask for a certificate", "POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests"),
        role("approve a certificate", "PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/x/approval"),
        role("check others' tokens", "POST", "/apis/authentication.k8s.io/v1/tokenreviews"),
        role("ask what others may", "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
        // Secrets.
        role("list all Secrets", "GET", core("secrets")),
        role("watch all Secrets", "GET", core("secrets?watch=true")),
        role("list Secrets by type", "GET", core("secrets?fieldSelector=type%3DOpaque")),
        role("list Secrets but one", "GET", core("secrets?fieldSelector=metadata.name%21%3Dmastodon-mail")),
        role("list Secrets of another name", "GET", core("secrets?fieldSelector=metadata.name%3Ddb-1-superuser")),
        role("list a server's Secrets", "GET", inside("secrets")),
        role("list the host's Secrets", "GET", core("namespaces/paddock/secrets")),
        role("list the system's Secrets", "GET", core("namespaces/kube-system/secrets")),
        role("read the host's configuration", "GET", core("namespaces/paddock/secrets/paddock-config")),
        role("read the database's login", "GET", inside("secrets/db-1-app")),
        role("read the login of the database's administrator", "GET", inside("secrets/db-1-superuser")),
        role("change another's Secret", "PATCH", core("namespaces/paddock/secrets/paddock-config")),
        role("delete an identity", "DELETE", inside("secrets/mastodon-identity")),
        role("delete all of a server's Secrets", "DELETE", inside("secrets")),
        // Rights.
        role("make a cluster role", "POST", rbac("clusterroles")),
        role("widen its own role", "PATCH", rbac("clusterroles/paddock-operator")),
        role("bind itself to the administrator's role", "POST", rbac("clusterrolebindings")),
        role("widen its own binding", "PATCH", rbac("clusterrolebindings/paddock-operator")),
        role("make a role", "POST", rbac(&format!("namespaces/{server}/roles"))),
        role("bind a role", "POST", rbac("namespaces/kube-system/rolebindings")),
        role("widen its role here", "PATCH", rbac("namespaces/paddock/roles/paddock-operator")),
        Attack {
            header: Some(("impersonate-user", "admin")),
            ..role("speak as the administrator", "GET", core("namespaces/kube-system/secrets"))
        },
        Attack {
            header: Some(("impersonate-user", "system:serviceaccount:paddock:paddock-fleet")),
            ..role("speak as the fleet", "GET", "/apis/paddock.host/v1alpha1/mastodoninstances")
        },
        // The wall itself.
        role("take its policy away", "DELETE", admission("validatingadmissionpolicies/paddock-operator-pods")),
        role("take its policy's binding away", "DELETE", admission("validatingadmissionpolicybindings/paddock-operator-pods")),
        role("change its policy", "PATCH", admission("validatingadmissionpolicies/paddock-operator-places")),
        role("make a policy that changes objects", "POST", admission("mutatingadmissionpolicies")),
        role("make a webhook that changes objects", "POST", admission("mutatingwebhookconfigurations")),
        role("make a webhook that refuses objects", "POST", admission("validatingwebhookconfigurations")),
        role("make a priority level", "POST", "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations"),
        role("widen its priority", "PATCH", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/paddock-control"),
        // What the cluster is made of.
        role(
            "change our definition",
            "PATCH",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/mastodoninstances.paddock.host",
        ),
        role(
            "delete a definition",
            "DELETE",
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/clusters.postgresql.cnpg.io",
        ),
        role("put itself before the API", "POST", "/apis/apiregistration.k8s.io/v1/apiservices"),
        role("make a volume", "POST", core("persistentvolumes")),
        role("look at volumes", "GET", core("persistentvolumes")),
        role("make a storage class", "POST", "/apis/storage.k8s.io/v1/storageclasses"),
        role("make a priority class", "POST", "/apis/scheduling.k8s.io/v1/priorityclasses"),
        role("make a runtime class", "POST", "/apis/node.k8s.io/v1/runtimeclasses"),
        role("make a cluster issuer", "POST", "/apis/cert-manager.io/v1/clusterissuers"),
        role("change the Gateway", "PATCH", "/apis/gateway.networking.k8s.io/v1/namespaces/paddock/gateways/hosts"),
        role("open a way between namespaces", "POST", "/apis/gateway.networking.k8s.io/v1/namespaces/paddock/referencegrants"),
        role("make an Ingress", "POST", format!("/apis/networking.k8s.io/v1/namespaces/{server}/ingresses")),
        role("let a namespace go without its finalizers", "PUT", core(&format!("namespaces/{server}/finalize"))),
        // Other kinds and verbs of work.
        role("a DaemonSet", "POST", format!("/apis/apps/v1/namespaces/{server}/daemonsets")),
        role("a ReplicaSet", "POST", format!("/apis/apps/v1/namespaces/{server}/replicasets")),
        role("a CronJob", "POST", format!("/apis/batch/v1/namespaces/{server}/cronjobs")),
        role("a replication controller", "POST", inside("replicationcontrollers")),
        role("scale by the side door", "PATCH", format!("/apis/apps/v1/namespaces/{server}/deployments/web/scale")),
        role("delete all volume claims", "DELETE", inside("persistentvolumeclaims")),
        role("delete all databases", "DELETE", format!("/apis/postgresql.cnpg.io/v1/namespaces/{server}/clusters")),
        role("take the fuse's ledger away", "DELETE", core("namespaces/paddock/configmaps/paddock-fuse")),
        role(
            "delete the place of backups",
            "DELETE",
            format!("/apis/barmancloud.cnpg.io/v1/namespaces/{server}/objectstores/backups"),
        ),
        role(
            "say what is backed up",
            "PATCH",
            format!("/apis/barmancloud.cnpg.io/v1/namespaces/{server}/objectstores/backups/status"),
        ),
        role("delete the walls", "DELETE", format!("/apis/networking.k8s.io/v1/namespaces/{server}/networkpolicies")),
        // Leases and custom resources.
        role(
            "take the system's lease",
            "GET",
            "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager",
        ),
        role("take another's lease", "PUT", "/apis/coordination.k8s.io/v1/namespaces/paddock/leases/other"),
        role("make a lease elsewhere", "POST", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"),
        role("order a server", "POST", "/apis/paddock.host/v1alpha1/mastodoninstances"),
        role("order upkeep", "POST", "/apis/paddock.host/v1alpha1/mastodonruns"),
        role("change what was ordered", "PATCH", "/apis/paddock.host/v1alpha1/mastodonruns/run-00000000000000000000000000"),
        role("delete a server", "DELETE", "/apis/paddock.host/v1alpha1/mastodoninstances/ins-00000000000000000000000000"),
        role("delete all servers", "DELETE", "/apis/paddock.host/v1alpha1/mastodoninstances"),
        role("say how a database is", "PATCH", format!("/apis/postgresql.cnpg.io/v1/namespaces/{server}/clusters/db-1/status")),
        role(
            "say how a route is",
            "PATCH",
            format!("/apis/gateway.networking.k8s.io/v1/namespaces/{server}/httproutes/mastodon/status"),
        ),
        role("say how a namespace is", "PATCH", core(&format!("namespaces/{server}/status"))),
        // The API server's own pages.
        role("the API server's figures", "GET", "/metrics"),
        role("the API server's memory", "GET", "/debug/pprof/heap"),
        role("the API server's logs", "GET", "/logs"),
    ];
    for verb in ["bind", "escalate"] {
        // These two have no request of their own: they show in whether a role can be given away.
        let path = format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/cluster-admin?{verb}=1");
        all.push(role(format!("{verb} the administrator's role"), "PATCH", path));
    }
    all
}

/// The path of a kind of object that has pods, and the object with this template.
pub fn with_pods(kind: &str, namespace: &str, template: &Value) -> (String, Value) {
    let labels = template["metadata"]["labels"].clone();
    let selector = json!({"matchLabels": labels});
    let (group, spec) = match kind {
        "Pod" => {
            let mut pod = template.clone();
            pod["metadata"]["name"] = "attempt".into();
            pod["metadata"]["namespace"] = namespace.into();
            return (format!("/api/v1/namespaces/{namespace}/pods"), pod);
        }
        "PodTemplate" => {
            let body = json!({"metadata": {"name": "attempt"}, "template": template});
            return (format!("/api/v1/namespaces/{namespace}/podtemplates"), body);
        }
        "ReplicationController" => ("", json!({"selector": labels, "template": template})),
        "Deployment" | "ReplicaSet" | "DaemonSet" => ("apps", json!({"selector": selector, "template": template})),
        "StatefulSet" => ("apps", json!({"serviceName": "web", "selector": selector, "template": template})),
        "Job" | "CronJob" => {
            let mut template = template.clone();
            template["spec"]["restartPolicy"] = "Never".into();
            let job = json!({"template": template});
            ("batch", if kind == "Job" { job } else { json!({"schedule": "0 0 * * *", "jobTemplate": {"spec": job}}) })
        }
        other => panic!("{other}"),
    };
    let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{group}/v1") };
    let path = format!("{root}/namespaces/{namespace}/{}s", kind.to_lowercase());
    (path, json!({"metadata": {"name": "attempt"}, "spec": spec}))
}
