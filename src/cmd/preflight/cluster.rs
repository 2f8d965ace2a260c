//! The cluster itself: its version, the definitions of others that we use, volumes, nodes, time.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::client::Body;
use kube::{Client, ResourceExt as _};

use super::Surroundings;
use super::report::Check;
use crate::clock::SharedClock;
use crate::operator::error_chain as chain;
use crate::resource;

/// The oldest that the chart takes.
const OLDEST: (u32, u32) = (1, 33);

/// A definition of somebody else: name, version that we write, whose it is, how to get it.
const DEFINITIONS: [(&str, &str, &str, &str); 8] = [
    ("clusters.postgresql.cnpg.io", "v1", "CloudNativePG", "install CloudNativePG 1.26 or newer"),
    ("scheduledbackups.postgresql.cnpg.io", "v1", "CloudNativePG", "install CloudNativePG 1.26 or newer"),
    ("objectstores.barmancloud.cnpg.io", "v1", "plugin-barman-cloud", "install plugin-barman-cloud beside CloudNativePG"),
    ("gateways.gateway.networking.k8s.io", "v1", "Gateway API", "install the standard channel of Gateway API 1.5 or newer"),
    ("httproutes.gateway.networking.k8s.io", "v1", "Gateway API", "install the standard channel of Gateway API 1.5 or newer"),
    ("listenersets.gateway.networking.k8s.io", "v1", "Gateway API", "install the standard channel of Gateway API 1.5 or newer"),
    ("certificates.cert-manager.io", "v1", "cert-manager", "install cert-manager 1.16 or newer"),
    ("clusterissuers.cert-manager.io", "v1", "cert-manager", "install cert-manager 1.16 or newer"),
];

pub(super) async fn look(surroundings: &Surroundings) -> Vec<Check> {
    let Surroundings { parts, client, operator, .. } = surroundings;
    let mut checks = vec![version(client).await];
    checks.extend(definitions(client).await);
    checks.push(ours(client).await);
    checks.extend(storage(client, operator.storage_class.as_deref()).await);
    if operator.user_namespaces {
        checks.push(nodes(client).await);
    }
    checks.push(time(client, &parts.clock).await);
    checks
}

async fn version(client: &Client) -> Check {
    let name = "API server";
    let info = match client.apiserver_version().await {
        Ok(info) => info,
        Err(error) => {
            return Check::fault(name, chain(&error), "correct cluster.kubeconfig, or bring the API server back");
        }
    };
    let number = |text: &str| text.trim_end_matches(|letter: char| !letter.is_ascii_digit()).parse::<u32>().unwrap_or(0);
    let found = (number(&info.major), number(&info.minor));
    let text = format!("Kubernetes {}.{}", found.0, found.1);
    if found < OLDEST {
        return Check::fault(name, text, format!("upgrade the cluster to {}.{} or newer", OLDEST.0, OLDEST.1));
    }
    Check::ok(name, text)
}

async fn definitions(client: &Client) -> Vec<Check> {
    let name = "definitions";
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let there = match api.list(&ListParams::default()).await {
        Ok(there) => there.items,
        Err(error) => return vec![Check::fault(name, chain(&error), "look as somebody who may list definitions")],
    };
    let mut checks = Vec::new();
    for (definition, version, whose, remedy) in DEFINITIONS {
        let Some(found) = there.iter().find(|one| one.name_any() == definition) else {
            checks.push(Check::fault(name, format!("{definition} is missing"), remedy));
            continue;
        };
        let served = found.spec.versions.iter().any(|one| one.name == version && one.served);
        let label = |key: &str| found.labels().get(key).or_else(|| found.annotations().get(key)).cloned();
        let of = label("gateway.networking.k8s.io/bundle-version").or_else(|| label("app.kubernetes.io/version"));
        let text = format!("{definition} of {whose}{}", of.map(|of| format!(" {of}")).unwrap_or_default());
        checks.push(if served {
            Check::ok(name, text)
        } else {
            Check::fault(name, format!("{text} does not serve {version}"), remedy)
        });
    }
    checks
}

/// Whether the cluster has our definitions as this program knows them.
async fn ours(client: &Client) -> Check {
    let name = "our definitions";
    let remedy =
        "helm leaves definitions alone on an upgrade: kubectl apply --server-side --force-conflicts -f charts/paddock/crds";
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut old = Vec::new();
    for wanted in resource::crds() {
        let definition = wanted.name_any();
        let there = match api.get_opt(&definition).await {
            Ok(Some(there)) => there,
            Ok(None) => return Check::fault(name, format!("{definition} is missing"), "install the chart"),
            Err(error) => return Check::fault(name, chain(&error), "look as somebody who may read definitions"),
        };
        // What an apply would change raises the generation.
        let params = PatchParams { dry_run: true, ..PatchParams::apply("paddock-preflight").force() };
        match api.patch(&definition, &params, &Patch::Apply(&wanted)).await {
            Ok(then) if then.metadata.generation == there.metadata.generation => {}
            Ok(_) => old.push(definition),
            Err(error) => return Check::warn(name, chain(&error), "look as somebody who may change definitions"),
        }
    }
    if old.is_empty() {
        return Check::ok(name, "as this program knows them");
    }
    Check::fault(name, format!("not as this program knows them: {}", old.join(", ")), remedy)
}

async fn storage(client: &Client, wanted: Option<&str>) -> Vec<Check> {
    const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
    let name = "storage class";
    let api: Api<StorageClass> = Api::all(client.clone());
    let all = match api.list(&ListParams::default()).await {
        Ok(all) => all.items,
        Err(error) => return vec![Check::fault(name, chain(&error), "look as somebody who may list storage classes")],
    };
    let defaults: Vec<_> = all.iter().filter(|one| one.annotations().get(DEFAULT).is_some_and(|is| is == "true")).collect();
    let class = match wanted {
        Some(wanted) => all.iter().find(|one| one.name_any() == wanted),
        None => defaults.first().copied(),
    };
    let Some(class) = class else {
        let (found, remedy) = match wanted {
            Some(wanted) => (format!("there is none called {wanted}"), "make it, or correct operator.storage_class"),
            None => ("none is the default".to_owned(), "mark one as the default, or name one in operator.storage_class"),
        };
        return vec![Check::fault(name, found, remedy)];
    };
    let title = class.name_any();
    let mut checks = Vec::new();
    checks.push(if class.allow_volume_expansion == Some(true) {
        Check::ok(name, format!("{title}, whose volumes can grow"))
    } else {
        let remedy = "set allowVolumeExpansion: true; databases grow, and stop where their disk does not";
        Check::fault(name, format!("the volumes of {title} can't grow"), remedy)
    });
    if class.reclaim_policy.as_deref() != Some("Retain") {
        let remedy =
            "use a class with reclaimPolicy: Retain; then a claim that is deleted by mistake does not take its data along";
        checks.push(Check::warn(name, format!("{title} deletes a volume together with its claim"), remedy));
    }
    if wanted.is_none() && defaults.len() > 1 {
        let remedy = "leave the mark on one alone, or name one in operator.storage_class";
        checks.push(Check::warn(name, format!("{} are marked as the default", defaults.len()), remedy));
    }
    checks
}

/// Whether the nodes can give pods user namespaces of their own.
async fn nodes(client: &Client) -> Check {
    let name = "user namespaces";
    let api: Api<Node> = Api::all(client.clone());
    let all = match api.list(&ListParams::default()).await {
        Ok(all) => all.items,
        Err(error) => return Check::warn(name, chain(&error), "look as somebody who may list nodes"),
    };
    let (mut unable, mut unknown) = (Vec::new(), Vec::new());
    for node in &all {
        let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
        match info.and_then(|info| can_map_users(&info.kernel_version, &info.container_runtime_version)) {
            Some(true) => {}
            Some(false) => unable.push(node.name_any()),
            None => unknown.push(node.name_any()),
        }
    }
    let remedy = "upgrade them to Linux 6.3 and containerd 2.0 or CRI-O 1.25, or set operator.user_namespaces = false (and \
                  userNamespaces: false in the chart's values)";
    if !unable.is_empty() {
        return Check::fault(name, format!("pods can't start on {}", unable.join(", ")), remedy);
    }
    if !unknown.is_empty() || all.is_empty() {
        return Check::warn(name, format!("nodes that don't say what they run: {}", unknown.join(", ")), remedy);
    }
    Check::ok(name, format!("{} nodes can do it", all.len()))
}

/// Linux 6.3 maps ids on tmpfs, which Secrets are mounted from; containerd 2.0 and CRI-O 1.25 know the field.
fn can_map_users(kernel: &str, runtime: &str) -> Option<bool> {
    let version = |text: &str| {
        let mut parts = text.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    let (runtime, oldest) = match runtime.split_once("://")? {
        ("containerd", version) => (version, (2, 0)),
        ("cri-o", version) => (version, (1, 25)),
        _ => return None,
    };
    Some(version(kernel)? >= (6, 3) && version(runtime)? >= oldest)
}

/// How far our clock is from the API server's. Signatures of Stripe and of the object store are good for minutes.
async fn time(client: &Client, clock: &SharedClock) -> Check {
    let name = "clock";
    let request = http::Request::get("/version").body(Body::empty());
    let answer = match request.map_err(kube::Error::HttpError) {
        Ok(request) => client.send(request).await,
        Err(error) => Err(error),
    };
    let date = answer.ok().and_then(|answer| {
        let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
        chrono::DateTime::parse_from_rfc2822(date).ok()
    });
    let Some(date) = date else {
        return Check::warn(name, "the API server does not say what time it is", "see that the machines' clocks are set by NTP");
    };
    let skew = (clock.now() - date.to_utc()).num_seconds().abs();
    // The header has whole seconds.
    match skew {
        0..=5 => Check::ok(name, "as the API server's, to some seconds"),
        6..=60 => Check::warn(name, format!("{skew} s from the API server's"), "set the clocks by NTP"),
        _ => Check::fault(
            name,
            format!("{skew} s from the API server's"),
            "set the clocks by NTP; signatures are good for minutes",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_runs_tells_what_it_can() {
        assert_eq!(can_map_users("6.12.9-generic", "containerd://2.1.4"), Some(true));
        assert_eq!(can_map_users("6.6.0", "cri-o://1.33.0"), Some(true));
        assert_eq!(can_map_users("6.1.0-32-amd64", "containerd://2.1.4"), Some(false));
        assert_eq!(can_map_users("6.12.9", "containerd://1.7.27"), Some(false));
        assert_eq!(can_map_users("kwok", "kwok"), None);
    }
}
