//! cert-manager with an ACME issuer that asks over HTTP-01: a Secret and the status Ready for each Certificate, when everything is as the
//! real one needs it (1.21, `pkg/issuer/acme/http`, `pkg/controller/certificates`).
//!
//! Nobody is asked for a signature, and the certificate in the Secret is none. But the issuer must exist, the listener set that the
//! Certificate names must have accepted a plain listener for the name, and the pod and the Service that would answer are sent to the API
//! server as cert-manager has them, as a dry run: Pod Security and quota judge them. An issuer with the annotation `paddock.rig/refuses`
//! refuses the names in it, as an authority does that a CAA record forbids.

use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::jiff;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use super::super::RigError;
use super::super::manifests::MANAGER;
use super::namespaces::{About, condition, judge_each, kind, list, report};
use crate::clock::{Clock as _, SystemClock};

const GROUP: &str = "cert-manager.io";
/// On an issuer: names that it refuses, with commas between them.
const REFUSES: &str = "paddock.rig/refuses";
const PARENT_KIND: &str = "acme.cert-manager.io/http01-parentrefkind";
const PARENT_NAME: &str = "acme.cert-manager.io/http01-parentrefname";
const NO_SECRET: &str = "Issuing certificate as Secret does not exist";

fn certificate_kind() -> ApiResource {
    kind(GROUP, "Certificate")
}

fn set_kind() -> ApiResource {
    kind("gateway.networking.k8s.io", "ListenerSet")
}

/// Looks after Certificates until the task ends.
pub(super) async fn run(client: Client) {
    let kinds = vec![
        (About::Namespace, certificate_kind(), None),
        (About::Part, set_kind(), None),
        (About::Part, kind("", "Secret"), Some("type=kubernetes.io/tls")),
        (About::All, kind(GROUP, "ClusterIssuer"), None),
    ];
    judge_each(client.clone(), kinds, |namespace| judge(client.clone(), namespace)).await;
}

async fn judge(client: Client, namespace: String) -> Result<(), RigError> {
    let sets = list(&client, &set_kind(), &namespace).await?;
    for certificate in list(&client, &certificate_kind(), &namespace).await? {
        let status = issue(&client, &namespace, &certificate, &sets).await?;
        report(&client, &certificate_kind(), &certificate, status).await?;
    }
    Ok(())
}

/// The status of a certificate, after whatever could be done about it.
async fn issue(client: &Client, namespace: &str, certificate: &DynamicObject, sets: &[DynamicObject]) -> Result<Value, RigError> {
    let spec = &certificate.data["spec"];
    let secret_name = spec["secretName"].as_str().unwrap_or_default();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let there = secrets.get_opt(secret_name).await.map_err(RigError::kube(format!("read the Secret {secret_name}")))?;
    let names: Vec<&str> = spec["dnsNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if there.is_some_and(|there| there.annotations().get(ALT_NAMES) == Some(&names.join(","))) {
        return Ok(ready(certificate));
    }
    let waits = json!({"conditions": [
        condition(certificate, "Ready", false, "DoesNotExist", NO_SECRET),
        condition(certificate, "Issuing", true, "DoesNotExist", NO_SECRET),
    ]});
    let issuers: Api<DynamicObject> = Api::all_with(client.clone(), &kind(GROUP, "ClusterIssuer"));
    let wanted = &spec["issuerRef"];
    let issuer = match (wanted["kind"].as_str(), wanted["name"].as_str()) {
        (Some("ClusterIssuer"), Some(name)) => {
            issuers.get_opt(name).await.map_err(RigError::kube(format!("read the ClusterIssuer {name}")))?
        }
        _ => None,
    };
    let Some(issuer) = issuer else { return Ok(waits) };
    let refuses = issuer.annotations().get(REFUSES).map(String::as_str).unwrap_or_default();
    if let Some(refused) = names.iter().find(|name| refuses.split(',').any(|refused| refused.trim() == **name)) {
        let message = format!(
            "The certificate request has failed to complete and will be retried: Failed to wait for order resource to become ready: \
             order is in \"errored\" state: acme: authorization error for {refused}: 403 urn:ietf:params:acme:error:caa: CAA record \
             for {refused} prevents issuance"
        );
        return Ok(json!({"conditions": [
            condition(certificate, "Ready", false, "DoesNotExist", NO_SECRET),
            condition(certificate, "Issuing", false, "Failed", &message),
        ]}));
    }
    if !names.iter().all(|name| can_be_asked(certificate, name, sets)) {
        return Ok(waits);
    }
    for name in &names {
        if let Err(error) = try_solver(client, namespace, &issuer, name).await {
            tracing::warn!(
                error = crate::telemetry::chain(&error),
                namespace,
                name,
                "what would answer for a certificate is refused"
            );
            return Ok(waits);
        }
    }
    write_secret(&secrets, certificate, secret_name, &names).await?;
    Ok(ready(certificate))
}

fn ready(certificate: &DynamicObject) -> Value {
    let up_to_date = condition(certificate, "Ready", true, "Ready", "Certificate is up to date and has not expired");
    // The merge patch takes the times along as they are, so that a status that is there already equals this one.
    let status = &certificate.data["status"];
    let day = 24 * 3600;
    let at = |name: &str, after: i64| {
        let known = status[name].as_str().map(str::to_owned);
        let fresh = || jiff::Timestamp::from_second(SystemClock.now().timestamp() + after).unwrap_or_default().to_string();
        known.unwrap_or_else(fresh)
    };
    json!({
        "conditions": [up_to_date],
        "notBefore": at("notBefore", 0), "notAfter": at("notAfter", 90 * day), "renewalTime": at("renewalTime", 60 * day), "revision": 1,
    })
}

/// Whether a question about the name would arrive: its plain listener is accepted.
fn can_be_asked(certificate: &DynamicObject, name: &str, sets: &[DynamicObject]) -> bool {
    let annotation = |key: &str| certificate.annotations().get(key).map(String::as_str);
    if annotation(PARENT_KIND) != Some("ListenerSet") {
        return false;
    }
    let Some(set) = sets.iter().find(|set| annotation(PARENT_NAME) == Some(&set.name_any())) else { return false };
    let listeners = set.data["spec"]["listeners"].as_array();
    let plain = listeners
        .into_iter()
        .flatten()
        .find(|listener| listener["port"] == 80 && listener["protocol"] == "HTTP" && listener["hostname"] == name);
    let Some(plain) = plain else { return false };
    let status = set.data["status"]["listeners"].as_array();
    let told = status.into_iter().flatten().find(|listener| listener["name"] == plain["name"]);
    let conditions = told.and_then(|listener| listener["conditions"].as_array());
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Programmed" && one["status"] == "True"))
}

/// The pod and the Service that answer for a name, as cert-manager makes them, judged by the API server and not kept.
async fn try_solver(client: &Client, namespace: &str, issuer: &DynamicObject, name: &str) -> Result<(), RigError> {
    let labels = json!({
        "acme.cert-manager.io/http-domain": "1", "acme.cert-manager.io/http-token": "2", "acme.cert-manager.io/http01-solver": "true",
    });
    let metadata = json!({"generateName": "cm-acme-http-solver-", "labels": labels});
    let pod: Pod = read(json!({
        "metadata": metadata,
        "spec": {
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "restartPolicy": "OnFailure",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "acmesolver",
                "image": "quay.io/jetstack/cert-manager-acmesolver:v1.21.2",
                "imagePullPolicy": "IfNotPresent",
                "args": ["--listen-port=8089", format!("--domain={name}"), "--token=t", "--key=k"],
                "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
                "ports": [{"name": "http", "containerPort": 8089}],
                "securityContext": {
                    "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    }))?;
    let solvers = &issuer.data["spec"]["acme"]["solvers"][0]["http01"]["gatewayHTTPRoute"];
    let service: Service = read(json!({
        "metadata": metadata,
        "spec": {
            "type": solvers["serviceType"].as_str().unwrap_or("NodePort"),
            "ports": [{"name": "http", "port": 8089, "targetPort": 8089}],
            "selector": labels,
        },
    }))?;
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let refused = |what: &str| RigError::kube(format!("make the {what} that answers for {name}"));
    Api::<Pod>::namespaced(client.clone(), namespace).create(&dry, &pod).await.map_err(refused("pod"))?;
    Api::<Service>::namespaced(client.clone(), namespace).create(&dry, &service).await.map_err(refused("Service"))?;
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(object: Value) -> Result<T, RigError> {
    serde_json::from_value(object).map_err(|error| RigError::Unreadable { what: "a solver".into(), why: error.to_string() })
}

const ALT_NAMES: &str = "cert-manager.io/alt-names";

async fn write_secret(
    secrets: &Api<Secret>,
    certificate: &DynamicObject,
    secret_name: &str,
    names: &[&str],
) -> Result<(), RigError> {
    let pem = |what: &str| format!("-----BEGIN {what}-----\nsimulated\n-----END {what}-----\n");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {
            "name": secret_name,
            "labels": {"controller.cert-manager.io/fao": "true"},
            "annotations": {"cert-manager.io/certificate-name": certificate.name_any(), ALT_NAMES: names.join(",")},
        },
        "stringData": {"tls.crt": pem("CERTIFICATE"), "tls.key": pem("PRIVATE KEY")},
    });
    let params = PatchParams::apply(MANAGER).force();
    let written = secrets.patch(secret_name, &params, &Patch::Apply(&secret)).await;
    written.map(|_| ()).map_err(RigError::kube(format!("write the Secret {secret_name}")))
}
