//! The walls between servers: the chart's role and policies are there and hold, and a server's objects are let in by them. In a namespace
//! that is made for this and removed again.

use std::collections::BTreeSet;

use anyhow::Context as _;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::config::AuthInfo;
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt, discovery};
use serde_json::{Value, json};

use super::Surroundings;
use super::probe;
use super::report::Check;
use crate::fleet;
use crate::ids::InstanceId;
use crate::instance::StoredSize;
use crate::operator::{self, Settings, error_chain as chain};
use crate::resource::{IMAGES_NAME, MastodonInstance, namespace_name, resource_name};

/// What the chart's policies are about; their names end in these.
const POLICIES: [&str; 9] = ["databases", "images", "namespaces", "network", "places", "pods", "removals", "resources", "stores"];

/// What the operator must be let do, and what nobody with its token may: group, resource, verb, name.
const MAY: [(&str, &str, &str, &str); 12] = [
    ("paddock.host", "mastodoninstances", "watch", ""),
    ("paddock.host", "mastodoninstances/status", "update", ""),
    ("paddock.host", "mastodonruns/status", "update", ""),
    ("", "namespaces", "create", ""),
    ("", "secrets", "create", ""),
    ("", "secrets", "watch", "mastodon-identity"),
    ("apps", "deployments", "patch", ""),
    ("postgresql.cnpg.io", "clusters", "create", ""),
    ("postgresql.cnpg.io", "scheduledbackups", "create", ""),
    ("barmancloud.cnpg.io", "objectstores", "create", ""),
    ("gateway.networking.k8s.io", "listenersets", "create", ""),
    ("cert-manager.io", "certificates", "create", ""),
];
const MAY_NOT: [(&str, &str, &str, &str); 8] = [
    ("", "secrets", "list", ""),
    ("", "secrets", "get", "paddock-config"),
    ("", "pods/exec", "create", ""),
    ("", "nodes/proxy", "get", ""),
    ("", "serviceaccounts/token", "create", ""),
    ("rbac.authorization.k8s.io", "clusterroles", "escalate", ""),
    ("rbac.authorization.k8s.io", "clusterrolebindings", "create", ""),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies", "delete", ""),
];

pub(super) async fn look(surroundings: &Surroundings) -> Vec<Check> {
    let mut checks = vec![policies(surroundings).await, images(surroundings).await];
    let operator = match as_operator(surroundings).await {
        Ok(operator) => {
            checks.push(rights(&operator).await);
            Some(operator)
        }
        Err(error) => {
            let remedy =
                "install the chart, or name its release (--release, --namespace); else look as somebody who may make tokens";
            checks.push(Check::warn("operator's rights", format!("could not be shown: {error:#}"), remedy));
            None
        }
    };
    let sample = match sample(surroundings) {
        Ok(sample) => sample,
        Err(error) => {
            checks.push(Check::fault(
                "a server's objects",
                format!("{error:#}"),
                "correct the section [operator] and the catalogue",
            ));
            return checks;
        }
    };
    let namespaces: Api<Namespace> = Api::all(surroundings.client.clone());
    let maker = operator.as_ref().unwrap_or(&surroundings.client);
    match create(maker, &sample.objects[0], false).await {
        Ok(()) => {
            checks.extend(inside(surroundings, operator.as_ref(), &sample).await);
            if let Err(error) = namespaces.delete(&sample.namespace, &DeleteParams::default()).await {
                let remedy = format!("kubectl delete namespace {}", sample.namespace);
                checks.push(Check::warn("a server's objects", chain(&error), remedy));
            }
        }
        Err(error) => {
            checks.push(Check::fault(
                "a server's objects",
                error,
                "install the chart, and look as somebody who may make namespaces",
            ));
        }
    }
    checks
}

/// Everything that is looked at in the namespace.
async fn inside(surroundings: &Surroundings, operator: Option<&Client>, sample: &Sample) -> Vec<Check> {
    let mut checks = vec![objects(operator.unwrap_or(&surroundings.client), sample).await];
    if let Some(operator) = operator {
        checks.push(refused(operator, sample).await);
    }
    checks.push(profile(&surroundings.client, sample).await);
    checks.extend(if surroundings.pods {
        probe::look(&surroundings.client, &surroundings.operator, sample).await
    } else {
        probe::not_looked_at()
    });
    checks
}

async fn policies(surroundings: &Surroundings) -> Check {
    let name = "admission policies";
    let Surroundings { client, release, .. } = surroundings;
    let api: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let there: BTreeSet<String> = match api.list(&ListParams::default()).await {
        Ok(all) => all.iter().filter(|one| denies(one)).map(ResourceExt::name_any).collect(),
        Err(error) => return Check::warn(name, chain(&error), "look as somebody who may list admission policies"),
    };
    let missing: Vec<String> =
        POLICIES.iter().map(|about| format!("{release}-operator-{about}")).filter(|name| !there.contains(name)).collect();
    if missing.is_empty() {
        return Check::ok(name, format!("{} in force", POLICIES.len()));
    }
    Check::fault(name, format!("not in force: {}", missing.join(", ")), "install the chart, or name its release (--release)")
}

fn denies(binding: &ValidatingAdmissionPolicyBinding) -> bool {
    let actions = binding.spec.as_ref().and_then(|spec| spec.validation_actions.as_ref());
    actions.is_some_and(|actions| actions.iter().any(|action| action == "Deny"))
}

/// Whether the list of images names what the operator will run.
async fn images(surroundings: &Surroundings) -> Check {
    let name = "images";
    let Surroundings { client, namespace, operator, .. } = surroundings;
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let lists = match api.get_opt(IMAGES_NAME).await {
        Ok(Some(map)) => map.data.unwrap_or_default(),
        Ok(None) => {
            return Check::fault(name, format!("there is no ConfigMap {IMAGES_NAME} in {namespace}"), "install the chart");
        }
        Err(error) => return Check::warn(name, chain(&error), "look as somebody who may read ConfigMaps of the release"),
    };
    let listed: BTreeSet<&str> = lists.values().flat_map(|list| list.lines()).map(str::trim).collect();
    let wanted = operator.images();
    let missing: Vec<&str> = wanted.iter().copied().filter(|image| !listed.contains(image)).collect();
    if missing.is_empty() {
        return Check::ok(name, format!("all {} are in the list", wanted.len()));
    }
    let remedy = "paddock admin images --config config.toml > images.yaml; helm upgrade … -f images.yaml";
    Check::fault(name, format!("the API server would refuse {}", missing.join(", ")), remedy)
}

/// A client with a token of the operator's account.
async fn as_operator(surroundings: &Surroundings) -> anyhow::Result<Client> {
    let Surroundings { client, kube, namespace, release, .. } = surroundings;
    let account = format!("{release}-operator");
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}});
    let request = http::Request::post(path).header("content-type", "application/json").body(body.to_string().into_bytes())?;
    let answer: Value = client.request(request).await.map_err(|error| anyhow::anyhow!("{}", chain(&error)))?;
    let token = answer["status"]["token"].as_str().context("the API server gave no token")?;
    let mut config = kube.clone();
    config.auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
    Ok(Client::try_from(config)?)
}

/// What its role lets it do.
async fn rights(operator: &Client) -> Check {
    let name = "operator's rights";
    let api: Api<SelfSubjectAccessReview> = Api::all(operator.clone());
    let mut wrong = Vec::new();
    let asked = MAY.iter().map(|right| (right, true)).chain(MAY_NOT.iter().map(|right| (right, false)));
    for ((group, resource, verb, title), expected) in asked {
        let (resource, subresource) = resource.split_once('/').map_or((*resource, None), |(kind, sub)| (kind, Some(sub)));
        let attributes = ResourceAttributes {
            group: Some((*group).to_owned()),
            resource: Some(resource.to_owned()),
            subresource: subresource.map(str::to_owned),
            verb: Some((*verb).to_owned()),
            name: (!title.is_empty()).then(|| (*title).to_owned()),
            ..ResourceAttributes::default()
        };
        let spec =
            SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        match api.create(&PostParams::default(), &review).await {
            Ok(review) => {
                let allowed = review.status.is_some_and(|status| status.allowed);
                if allowed != expected {
                    wrong.push(
                        format!("{} {verb} {resource} {title}", if allowed { "may" } else { "may not" }).trim_end().to_owned(),
                    );
                }
            }
            Err(error) => return Check::warn(name, chain(&error), "the API server should answer such questions to everybody"),
        }
    }
    if wrong.is_empty() {
        return Check::ok(name, "what it needs, and nothing that leads to more");
    }
    let remedy = "install the chart of this version, and take away other bindings of its account";
    Check::fault(name, wrong.join("; "), remedy)
}

/// A server that is never made, with everything that would be written for it.
pub(super) struct Sample {
    pub instance: String,
    pub namespace: String,
    pub objects: Vec<Value>,
}

fn sample(surroundings: &Surroundings) -> anyhow::Result<Sample> {
    let Surroundings { parts, operator, .. } = surroundings;
    let plan = parts.catalogue().plans().first().context("the catalogue has no plan")?;
    let size = fleet::resource_size(&StoredSize { size: plan.size.clone(), media_gib: plan.limits.media_gib, packs: 0 })?;
    let id = InstanceId::new();
    let instance = resource_name(id);
    let wanted: MastodonInstance = serde_json::from_value(json!({
        "apiVersion": "paddock.host/v1alpha1", "kind": "MastodonInstance", "metadata": {"name": instance},
        "spec": {
            // With listeners, certificates and a way to media of its own, so that everything is seen that is ever written.
            "domain": "preflight.example", "addressConfirmed": true, "mode": {"running": {}}, "locale": "en", "size": size,
            "version": newest(operator), "owner": {"username": "preflight", "email": "preflight@paddock.example"},
        },
    }))?;
    let objects = operator::render(operator, &wanted)?;
    Ok(Sample { instance, namespace: namespace_name(id), objects })
}

fn newest(settings: &Settings) -> String {
    settings.releases.keys().next_back().cloned().unwrap_or_default()
}

/// Creates an object, or only asks whether it would be.
pub(super) async fn create(client: &Client, object: &Value, dry_run: bool) -> Result<(), String> {
    let read = |error: serde_json::Error| error.to_string();
    let object: DynamicObject = serde_json::from_value(object.clone()).map_err(read)?;
    let title = format!("{} {}", object.types.as_ref().map_or("", |types| &types.kind), object.name_any());
    let types = object.types.as_ref().ok_or_else(|| format!("{title} has no kind"))?;
    let kind = GroupVersionKind::try_from(types).map_err(|error| error.to_string())?;
    let (resource, _) = discovery::pinned_kind(client, &kind).await.map_err(|error| format!("{title}: {}", chain(&error)))?;
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PostParams { dry_run, field_manager: Some("paddock".to_owned()) };
    api.create(&params, &object).await.map(|_| ()).map_err(|error| format!("{title}: {}", chain(&error)))
}

/// Whether all of a server would be let in.
async fn objects(client: &Client, sample: &Sample) -> Check {
    let name = "a server's objects";
    let mut refused = Vec::new();
    for object in &sample.objects[1..] {
        refused.extend(create(client, object, true).await.err());
    }
    if refused.is_empty() {
        return Check::ok(name, format!("all {} are let in", sample.objects.len()));
    }
    let found = format!("{} of {} are refused: {}", refused.len(), sample.objects.len(), refused.join("; "));
    Check::fault(name, found, "install what defines them, and the chart of this version")
}

/// Whether what no server may have is refused to the operator.
async fn refused(operator: &Client, sample: &Sample) -> Check {
    let name = "policies hold";
    let web = sample.objects.iter().find(|object| object["kind"] == "Deployment").cloned().unwrap_or_default();
    let with = |at: &str, value: Value| {
        let mut changed = web.clone();
        if let Some(place) = changed.pointer_mut(at) {
            *place = value;
        }
        changed
    };
    let container = "/spec/template/spec/containers/0";
    let attempts = [
        with("/spec/template/spec/automountServiceAccountToken", true.into()),
        with(&format!("{container}/image"), "registry.example/other:1".into()),
        with(&format!("{container}/securityContext"), json!({"privileged": true})),
        with("/spec/template/spec/volumes/0", json!({"name": "tmp", "hostPath": {"path": "/"}})),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": sample.namespace}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other", "namespace": "default"}}),
    ];
    let mut got_in = 0_u32;
    for attempt in &attempts {
        let answer = create(operator, attempt, true).await;
        got_in += u32::from(!answer.is_err_and(|why| why.contains("ValidatingAdmissionPolicy")));
    }
    if got_in == 0 {
        return Check::ok(name, format!("{} forbidden objects are refused to the operator", attempts.len()));
    }
    let remedy = "install the chart's policies; see that none of their bindings was changed";
    Check::fault(name, format!("{got_in} of {} forbidden objects are not refused to the operator", attempts.len()), remedy)
}

/// Whether the restricted profile is enforced at all.
async fn profile(client: &Client, sample: &Sample) -> Check {
    let name = "Pod Security";
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "hostile", "namespace": sample.namespace},
        "spec": {"containers": [{"name": "hostile", "image": "registry.example/x", "securityContext": {"privileged": true}}]},
    });
    match create(client, &pod, true).await {
        Err(why) if why.contains("PodSecurity") => Check::ok(name, "the restricted profile is enforced"),
        Err(why) => Check::warn(name, why, "look as somebody who may make pods"),
        Ok(()) => {
            Check::fault(name, "a privileged pod is let in", "turn the admission plugin PodSecurity on; see its exemptions")
        }
    }
}
