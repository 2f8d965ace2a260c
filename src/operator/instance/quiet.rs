//! When a pass need not be made at all: nothing that it would look at has changed since one that changed nothing and waits for nothing.

use std::sync::Arc;

use tokio::time::Instant;

use crate::operator::settings::Settings;
use crate::resource::MastodonInstance;

/// All that a pass over an instance rests on, but for the time.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The custom resource's resource version.
    resource: Option<String>,
    /// See [`crate::operator::seen_store::SeenStore::epoch`].
    epoch: u64,
    /// What the operator was told.
    settings: Arc<Settings>,
}

impl Ground {
    /// As it is before a pass: what changes during the pass, through it or through others, makes another ground.
    pub fn new(instance: &MastodonInstance, epoch: u64, settings: Arc<Settings>) -> Self {
        Self { resource: instance.metadata.resource_version.clone(), epoch, settings }
    }

    /// What the operator was told.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings)
    }

    fn is(&self, other: &Self) -> bool {
        let Self { resource, epoch, settings } = self;
        *resource == other.resource && *epoch == other.epoch && Arc::ptr_eq(settings, &other.settings)
    }
}

/// A pass on this ground had nothing to do.
#[derive(Debug)]
pub struct Quiet {
    ground: Ground,
    /// Then it is time to look at what nobody tells us of: buckets, and the vault.
    until: Instant,
}

impl Quiet {
    /// From a pass that had nothing to do.
    pub fn new(ground: Ground, until: Instant) -> Self {
        Self { ground, until }
    }

    /// Whether another pass would have nothing to do either.
    pub fn lasts(&self, ground: &Ground, now: Instant) -> bool {
        now < self.until && self.ground.is(ground)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::build::tests::{instance, settings};
    use super::*;

    #[test]
    fn it_lasts_until_something_changes_or_it_is_time() {
        let (start, settings) = (Instant::now(), Arc::new(settings()));
        let ground = |version: &str, epoch| {
            let mut instance = instance(&json!({"running": {}}), 1);
            instance.metadata.resource_version = Some(version.into());
            Ground::new(&instance, epoch, Arc::clone(&settings))
        };
        let quiet = Quiet::new(ground("7", 3), start + Duration::from_mins(1));
        assert!(quiet.lasts(&ground("7", 3), start));
        assert!(!quiet.lasts(&ground("8", 3), start), "another spec or status");
        assert!(!quiet.lasts(&ground("7", 4), start), "another object, or one that is otherwise");
        assert!(!quiet.lasts(&ground("7", 3), start + Duration::from_mins(1)), "time to look");
        let told = Ground { settings: Arc::new(Settings::clone(&settings)), ..ground("7", 3) };
        assert!(!quiet.lasts(&told, start), "other releases");
    }
}
