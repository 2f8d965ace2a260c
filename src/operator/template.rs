//! Pod templates, as far as others can add to them without touching what is ours: server-side apply sees no drift in an entry
//! more, and takes none away.

use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::kind::Kind;
use super::seen::{hash, our_fields};

/// What is remembered of a pod template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Hash of the names of its containers, variables, mounts and volumes.
    pub names: u64,
    /// The image of the container that is called like the object, when it is the one that we applied.
    pub image: Option<String>,
}

impl Template {
    /// Of an object of the cluster that has one.
    pub fn of(kind: Kind, metadata: &ObjectMeta, data: &Value, field_manager: &str) -> Option<Self> {
        let names = names(kind, data)?;
        let name = metadata.name.as_deref().unwrap_or_default();
        let ours = our_fields(metadata, field_manager);
        let key = format!("k:{}", json!({"name": name}));
        // Whoever else sets the image takes the field from us.
        let is_ours =
            ours.is_some_and(|ours| ours["f:spec"]["f:template"]["f:spec"]["f:containers"][key.as_str()]["f:image"].is_object());
        let container = list(&pod(data)["containers"]).iter().find(|container| container["name"] == name);
        let image = container.filter(|_| is_ours).and_then(|container| container["image"].as_str()).map(str::to_owned);
        Some(Self { names, image })
    }
}

/// Hash of the names in an object's pod template; nothing for a kind whose template we don't look at.
pub fn names(kind: Kind, object: &Value) -> Option<u64> {
    let (Kind::Deployment | Kind::StatefulSet) = kind else { return None };
    let pod = pod(object);
    let containers = |which: &str| {
        let mut all: Vec<Value> = list(&pod[which])
            .iter()
            .map(|one| json!([one["name"], keys(&one["env"], "name"), keys(&one["volumeMounts"], "mountPath")]))
            .collect();
        all.sort_by_key(ToString::to_string);
        all
    };
    Some(hash(&json!([containers("containers"), containers("initContainers"), keys(&pod["volumes"], "name")])))
}

/// The patch that takes away what others added to `live`.
pub fn without_additions(live: &Value, wanted: &Value) -> Value {
    let (mut pod, wanted) = (pod(live).clone(), pod(wanted));
    for which in ["containers", "initContainers"] {
        retain(&mut pod, wanted, which, "name");
        for container in pod.get_mut(which).and_then(Value::as_array_mut).into_iter().flatten() {
            let own = list(&wanted[which]).iter().find(|own| own["name"] == container["name"]).unwrap_or(&Value::Null);
            retain(container, own, "env", "name");
            retain(container, own, "volumeMounts", "mountPath");
        }
    }
    retain(&mut pod, wanted, "volumes", "name");
    let mut lists = json!({});
    for which in ["containers", "initContainers", "volumes"] {
        if let Some(list) = pod.get(which) {
            lists[which] = list.clone();
        }
    }
    json!({"spec": {"template": {"spec": lists}}})
}

/// Keeps those entries of the list `which` whose `key` occurs in the wanted one.
fn retain(live: &mut Value, wanted: &Value, which: &str, key: &str) {
    let keys = keys(&wanted[which], key);
    if let Some(list) = live.get_mut(which).and_then(Value::as_array_mut) {
        list.retain(|entry| entry[key].as_str().is_some_and(|name| keys.contains(&name)));
    }
}

fn pod(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The sorted keys of a list.
fn keys<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    let mut keys: Vec<&str> = list(value).iter().filter_map(|entry| entry[key].as_str()).collect();
    keys.sort_unstable();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(containers: &Value, volumes: &Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": containers, "volumes": volumes}}}})
    }

    #[test]
    fn what_others_add_shows_and_is_taken_away() {
        let web = json!({"name": "web", "env": [{"name": "B"}, {"name": "A"}], "volumeMounts": [{"mountPath": "/tmp"}]});
        let wanted = deployment(&json!([web]), &json!([{"name": "tmp"}]));
        // In another order, with defaults, and with one thing more of each kind.
        let live = deployment(
            &json!([{"name": "spy"}, {
                "name": "web", "imagePullPolicy": "IfNotPresent", "env": [{"name": "A"}, {"name": "EVIL"}, {"name": "B"}],
                "volumeMounts": [{"mountPath": "/tmp"}, {"mountPath": "/host"}],
            }]),
            &json!([{"name": "host"}, {"name": "tmp"}]),
        );
        let of = |object: &Value| names(Kind::Deployment, object);
        assert_ne!(of(&live), of(&wanted));
        let cleaned = without_additions(&live, &wanted);
        assert_eq!(of(&cleaned), of(&wanted));
        assert_eq!(cleaned["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
        assert_eq!(names(Kind::Job, &live), None);
    }

    #[test]
    fn an_image_that_somebody_else_set_is_not_ours() {
        let metadata = |fields: &Value| -> ObjectMeta {
            let entry = json!({"manager": "paddock", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {
                "f:containers": {"k:{\"name\":\"web\"}": fields}}}}}});
            serde_json::from_value(json!({"name": "web", "managedFields": [entry]})).unwrap()
        };
        let data = deployment(&json!([{"name": "web", "image": "one"}]), &json!([]));
        let image = |fields: &Value| Template::of(Kind::Deployment, &metadata(fields), &data, "paddock").unwrap().image;
        assert_eq!(image(&json!({"f:image": {}})).as_deref(), Some("one"));
        assert_eq!(image(&json!({"f:command": {}})), None);
    }
}
