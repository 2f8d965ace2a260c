//! Pod templates, as far as they tell what runs.

use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::kind::Kind;
use super::seen::our_fields;

/// On what holds data: the image that we have chosen for it. It tells even when somebody else has set another one.
pub const IMAGE_ANNOTATION: &str = "paddock.host/image";

/// The image that we have put there.
pub fn image(kind: Kind, metadata: &ObjectMeta, data: &Value, field_manager: &str) -> Option<String> {
    let chosen = || metadata.annotations.as_ref()?.get(IMAGE_ANNOTATION).cloned();
    match kind {
        Kind::Deployment => of_container(metadata, data, field_manager),
        Kind::StatefulSet => chosen().or_else(|| of_container(metadata, data, field_manager)),
        Kind::Cluster => chosen().or_else(|| {
            // One that was made before there was the annotation.
            let ours = our_fields(metadata, field_manager)?;
            ours["f:spec"]["f:imageName"].is_object().then(|| data["spec"]["imageName"].as_str().map(str::to_owned))?
        }),
        Kind::Namespace
        | Kind::ResourceQuota
        | Kind::LimitRange
        | Kind::NetworkPolicy
        | Kind::ConfigMap
        | Kind::Secret
        | Kind::Service
        | Kind::PersistentVolumeClaim
        | Kind::Backup
        | Kind::ScheduledBackup
        | Kind::ObjectStore
        | Kind::Job
        | Kind::HttpRoute
        | Kind::ListenerSet
        | Kind::Certificate
        | Kind::EndpointSlice
        | Kind::PodDisruptionBudget => None,
    }
}

/// The image of the container that is called like the object, when it is the one that we applied.
fn of_container(metadata: &ObjectMeta, data: &Value, field_manager: &str) -> Option<String> {
    let name = metadata.name.as_deref().unwrap_or_default();
    let key = format!("k:{}", json!({"name": name}));
    // Whoever else sets the image takes the field from us.
    let ours = our_fields(metadata, field_manager)?;
    if !ours["f:spec"]["f:template"]["f:spec"]["f:containers"][key.as_str()]["f:image"].is_object() {
        return None;
    }
    let containers = data["spec"]["template"]["spec"]["containers"].as_array()?;
    containers.iter().find(|container| container["name"] == name)?["image"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_somebody_else_set_is_not_ours() {
        let metadata = |fields: &Value| -> ObjectMeta {
            let entry = json!({"manager": "paddock", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {
                "f:containers": {"k:{\"name\":\"web\"}": fields}}}}}});
            serde_json::from_value(json!({"name": "web", "managedFields": [entry]})).unwrap()
        };
        let data = json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "one"}]}}}});
        let image = |fields: &Value| image(Kind::Deployment, &metadata(fields), &data, "paddock");
        assert_eq!(image(&json!({"f:image": {}})).as_deref(), Some("one"));
        assert_eq!(image(&json!({"f:command": {}})), None);
    }

    #[test]
    fn what_was_chosen_for_a_database_is_known_whatever_others_set() {
        let data = json!({"spec": {"imageName": "evil:18"}});
        let metadata = |annotations: &Value, fields: &Value| -> ObjectMeta {
            let entry = json!({"manager": "paddock", "operation": "Apply", "fieldsV1": {"f:spec": fields}});
            serde_json::from_value(json!({"name": "db-1", "annotations": annotations, "managedFields": [entry]})).unwrap()
        };
        let image = |annotations: &Value, fields: &Value| image(Kind::Cluster, &metadata(annotations, fields), &data, "paddock");
        assert_eq!(image(&json!({"paddock.host/image": "good:17"}), &json!({})).as_deref(), Some("good:17"));
        assert_eq!(image(&json!({}), &json!({"f:imageName": {}})).as_deref(), Some("evil:18"), "when it is ours");
        assert_eq!(image(&json!({}), &json!({})), None);
    }
}
