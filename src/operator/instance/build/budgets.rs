//! What a drain of a node must leave running, where there is more than one of something.

use serde_json::json;

use super::{Object, names, selector};
use crate::operator::instance::validate::Valid;
use crate::operator::kind::Kind;
use crate::resource::Size;

/// One budget for each process with several pods.
pub fn budgets(valid: &Valid<'_>) -> Vec<Object> {
    let Size { web, streaming, sidekiq, scheduler: _, database: _, cache: _, media_gib: _ } = &valid.spec.size;
    [(names::WEB, web.replicas), (names::STREAMING, streaming.replicas), (names::SIDEKIQ, sidekiq.replicas)]
        .into_iter()
        .filter(|(_, replicas)| valid.runs && *replicas >= 2)
        .map(|(component, _)| {
            let body = json!({"spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(valid, component)}}});
            Object::new(valid, Kind::PodDisruptionBudget, component, component, body)
        })
        .collect()
}
