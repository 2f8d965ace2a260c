//! What others add to objects that are ours alone. Server-side apply sees no drift in a field that we never set, and takes none away:
//! a variable more in the environment, arguments for a command, a rule more would stay.

use kube::api::ObjectMeta;
use serde_json::{Map, Value, json};

use super::kind::Kind;

/// The parts of an object that say what it should be.
const PARTS: [&str; 5] = ["spec", "data", "binaryData", "endpoints", "ports"];

/// The fields of what an object should be that somebody else set. Statuses and scales have controllers of their own, and of some
/// kinds others write the spec as a matter of course.
pub fn additions<'a>(kind: Kind, metadata: &'a ObjectMeta, field_manager: &str) -> Vec<&'a Value> {
    if !is_ours_alone(kind) {
        return Vec::new();
    }
    let others = metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.manager.as_deref() != Some(field_manager) && entry.subresource.is_none());
    let fields = others.filter_map(|entry| entry.fields_v1.as_ref());
    fields.flat_map(|fields| PARTS.map(|part| &fields.0[format!("f:{part}")])).filter(|fields| fields.is_object()).collect()
}

fn is_ours_alone(kind: Kind) -> bool {
    match kind {
        Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::NetworkPolicy
        | Kind::ConfigMap
        | Kind::Secret
        | Kind::Service
        | Kind::StatefulSet
        | Kind::Deployment
        | Kind::PodDisruptionBudget
        | Kind::HttpRoute
        | Kind::ListenerSet
        | Kind::Certificate
        | Kind::ScheduledBackup
        | Kind::ObjectStore
        | Kind::EndpointSlice => true,
        // Whatever holds data is not touched for the sake of order: a volume's name is written by the controller of volumes, a
        // Cluster is CloudNativePG's to complete.
        Kind::Namespace | Kind::PersistentVolumeClaim | Kind::Cluster | Kind::Backup | Kind::Job => false,
    }
}

/// The merge patch that leads from `live` to `wanted`, in what they should be. What the API server filled in goes as well, and is
/// filled in again.
pub fn without_additions(live: &Value, wanted: &Value) -> Value {
    let mut patch = json!({});
    for part in PARTS {
        if let Some(difference) = difference(&live[part], &wanted[part]) {
            patch[part] = difference;
        }
    }
    patch
}

/// Nothing when they are the same.
fn difference(live: &Value, wanted: &Value) -> Option<Value> {
    match (live, wanted) {
        (live, wanted) if live == wanted => None,
        (Value::Object(live), Value::Object(wanted)) => {
            let mut patch = Map::new();
            for (key, value) in live {
                match wanted.get(key) {
                    Some(wanted) => patch.extend(difference(value, wanted).map(|value| (key.clone(), value))),
                    None => drop(patch.insert(key.clone(), Value::Null)),
                }
            }
            patch.extend(
                wanted.iter().filter(|(key, _)| !live.contains_key(*key)).map(|(key, value)| (key.clone(), value.clone())),
            );
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        (_, wanted) => Some(wanted.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_others_show_where_all_is_ours() {
        let metadata = |manager: &str, subresource: Option<&str>, fields: Value| -> ObjectMeta {
            let ours = json!({"manager": "paddock", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}});
            let theirs = json!({"manager": manager, "operation": "Update", "subresource": subresource, "fieldsV1": fields});
            serde_json::from_value(json!({"name": "web", "managedFields": [ours, theirs]})).unwrap()
        };
        let spec = json!({"f:spec": {"f:paused": {}}});
        let has = |kind, metadata: &ObjectMeta| !additions(kind, metadata, "paddock").is_empty();
        assert!(has(Kind::Deployment, &metadata("kubectl-edit", None, spec.clone())));
        assert!(has(Kind::ConfigMap, &metadata("kubectl-edit", None, json!({"f:data": {"f:EVIL": {}}}))));
        assert!(!has(Kind::Deployment, &metadata("kube-controller-manager", Some("status"), spec.clone())));
        assert!(!has(Kind::Deployment, &metadata("kube-controller-manager", None, json!({"f:metadata": {"f:annotations": {}}}))));
        assert!(!has(Kind::Deployment, &metadata("paddock", None, spec.clone())));
        assert!(!has(Kind::PersistentVolumeClaim, &metadata("kube-controller-manager", None, spec)));
    }

    #[test]
    fn what_others_add_is_taken_away_and_the_rest_stays() {
        let wanted = json!({"spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "web", "image": "i"}]}}}});
        let mut live = wanted.clone();
        assert_eq!(without_additions(&live, &wanted), json!({}));
        live["spec"]["paused"] = true.into();
        live["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst".into();
        live["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["--evil"]);
        live["status"] = json!({"replicas": 2});
        let containers = wanted["spec"]["template"]["spec"]["containers"].clone();
        assert_eq!(
            without_additions(&live, &wanted),
            json!({"spec": {"paused": null, "template": {"spec": {"dnsPolicy": null, "containers": containers}}}})
        );
        let (live, wanted) = (json!({"data": {"A": "1", "EVIL": "1"}}), json!({"data": {"A": "1", "B": "2"}}));
        assert_eq!(without_additions(&live, &wanted), json!({"data": {"EVIL": null, "B": "2"}}));
    }
}
