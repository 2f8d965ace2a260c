//! The namespace: the wall around an instance. It has no owner reference, for a restored custom resource has a new UID and
//! garbage collection would take everything.

use serde_json::json;

use super::Object;
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;

/// The namespace, in which the API server refuses every pod beyond the restricted profile.
pub fn namespace(valid: &Valid<'_>) -> Object {
    let body = json!({"metadata": {"labels": {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
        "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/audit": "restricted",
    }}});
    Object::new(valid, Kind::Namespace, valid.namespace.clone(), "namespace", body)
}
