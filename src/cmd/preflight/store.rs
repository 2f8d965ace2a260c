//! The object store: a bucket is made, written to, read, kept from another key, and removed.

use super::Surroundings;
use super::report::Check;
use crate::operator::{self, Trial};
use crate::telemetry::chain;

pub(super) async fn look(surroundings: &Surroundings) -> Vec<Check> {
    let name = "object store";
    let Surroundings { parts, operator: settings, .. } = surroundings;
    let place = settings.storage.endpoint.as_str().trim_end_matches('/');
    vec![match operator::try_store(&settings.storage, &parts.clock).await {
        Ok(Trial::Apart) => Check::ok(name, format!("{place} makes buckets, and another key is refused")),
        Ok(Trial::OneKey) => {
            let remedy = "use a store whose driver gives each server a key of its own (garage or versitygw) before customers come";
            Check::warn(name, format!("{place} works, with one key for every server"), remedy)
        }
        Err(error) => {
            let remedy = "correct operator.storage (endpoint, region, access_key, secret_key, driver); the key must be an administrator's";
            Check::fault(name, format!("{place}: {}", chain(&error)), remedy)
        }
    }]
}
