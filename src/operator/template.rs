//! Pod templates, as far as they tell what runs.

use kube::api::ObjectMeta;
use serde_json::{Value, json};

use super::kind::Kind;
use super::seen::our_fields;

/// The image of the container that is called like the object, when it is the one that we applied.
pub fn image(kind: Kind, metadata: &ObjectMeta, data: &Value, field_manager: &str) -> Option<String> {
    let (Kind::Deployment | Kind::StatefulSet) = kind else { return None };
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
}
