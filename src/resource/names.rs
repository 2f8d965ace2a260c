//! Names that are derived, never given.

use crate::ids::{InstanceId, RunId};

/// An id's text without its prefix: 26 letters and digits.
fn digits(id: InstanceId) -> String {
    id.to_string().trim_start_matches(InstanceId::PREFIX).to_owned()
}

/// The name of an instance's custom resource: `ins-01jd…`, since Kubernetes allows no underscore.
pub fn resource_name(id: InstanceId) -> String {
    format!("ins-{}", digits(id))
}

/// The instance that a custom resource's name stands for; nothing for any other name.
pub fn instance_id(resource_name: &str) -> Option<InstanceId> {
    let digits = resource_name.strip_prefix("ins-")?;
    format!("{}{digits}", InstanceId::PREFIX).parse().ok()
}

/// The namespace that holds everything of an instance: `mastodon-01jd…`.
pub fn namespace_name(id: InstanceId) -> String {
    format!("mastodon-{}", digits(id))
}

/// The name of the custom resource whose namespace this is; nothing for any other namespace.
pub fn resource_of_namespace(namespace: &str) -> Option<String> {
    let name = format!("ins-{}", namespace.strip_prefix("mastodon-")?);
    instance_id(&name).map(|_| name)
}

/// The name of the backup bucket of the server in this namespace.
pub fn backup_bucket(namespace: &str) -> String {
    format!("{namespace}-backup")
}

/// The name of a run's custom resource: `run-01jd…`.
pub fn run_name(id: RunId) -> String {
    format!("run-{}", id.to_string().trim_start_matches(RunId::PREFIX))
}

/// The run that a custom resource's name stands for; nothing for any other name.
pub fn run_id(resource_name: &str) -> Option<RunId> {
    let digits = resource_name.strip_prefix("run-")?;
    format!("{}{digits}", RunId::PREFIX).parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_stand_for_one_instance(value: u128) {
            let id = InstanceId::from(uuid::Uuid::from_u128(value));
            prop_assert_eq!(instance_id(&resource_name(id)), Some(id));
            prop_assert!(namespace_name(id).len() <= 63);
            prop_assert_eq!(resource_of_namespace(&namespace_name(id)), Some(resource_name(id)));
            let run = RunId::from(uuid::Uuid::from_u128(value));
            prop_assert_eq!(run_id(&run_name(run)), Some(run));
        }
    }

    #[test]
    fn other_names_stand_for_nothing() {
        for name in ["", "ins-", "ins-UPPER", "kube-system", "mastodon-01jd"] {
            assert_eq!((instance_id(name), run_id(name), resource_of_namespace(name)), (None, None, None), "{name}");
        }
    }
}
