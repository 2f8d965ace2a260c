//! The runs that are not over, by server, as the watch and our own writes have shown them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::ResourceExt as _;

use crate::resource::{MastodonRun, RunStatus};

/// The runs that are not over, by the name of their server.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<String, BTreeMap<String, MastodonRun>>>);

impl Known {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, BTreeMap<String, MastodonRun>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of a server.
    pub fn of(&self, server: &str) -> Vec<MastodonRun> {
        self.lock().get(server).map(|runs| runs.values().cloned().collect()).unwrap_or_default()
    }

    /// Takes note of a run; an older version than the known one is ignored, and one that is over is forgotten.
    pub fn put(&self, mut run: MastodonRun) {
        run.metadata.managed_fields = None;
        let mut all = self.lock();
        let runs = all.entry(run.spec.instance.clone()).or_default();
        let name = run.name_any();
        let newer = runs.get(&name).is_none_or(|known| known.uid() != run.uid() || version(known) <= version(&run));
        if newer {
            if run.status.as_ref().is_some_and(RunStatus::is_over) {
                runs.remove(&name);
            } else {
                runs.insert(name, run.clone());
            }
        }
        if runs.is_empty() {
            all.remove(&run.spec.instance);
        }
    }

    /// Forgets a run that is gone.
    pub fn remove(&self, run: &MastodonRun) {
        let mut all = self.lock();
        let Some(runs) = all.get_mut(&run.spec.instance) else { return };
        if runs.get(&run.name_any()).is_some_and(|known| known.uid() == run.uid()) {
            runs.remove(&run.name_any());
        }
        if runs.is_empty() {
            all.remove(&run.spec.instance);
        }
    }

    /// After a new listing: forgets what it did not name.
    pub fn keep_only(&self, listed: &HashSet<String>) {
        self.lock().retain(|_, runs| {
            runs.retain(|name, _| listed.contains(name));
            !runs.is_empty()
        });
    }

    /// The servers that have any.
    pub fn servers(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }
}

fn version(run: &MastodonRun) -> u64 {
    run.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(version: u32, phase: &str) -> MastodonRun {
        serde_json::from_value(json!({
            "apiVersion": "paddock.host/v1alpha1", "kind": "MastodonRun",
            "metadata": {"name": "run-1", "uid": "u", "resourceVersion": version.to_string()},
            "spec": {"instance": "ins-1", "action": {"import": {}}}, "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn the_newest_version_counts_and_what_is_over_is_forgotten() {
        let known = Known::default();
        known.put(run(2, "Running"));
        known.put(run(1, "Queued"));
        assert_eq!(known.of("ins-1")[0].resource_version().as_deref(), Some("2"));
        known.put(run(3, "Succeeded"));
        assert!(known.of("ins-1").is_empty() && known.servers().is_empty());
        known.put(run(4, "Queued"));
        known.keep_only(&HashSet::new());
        assert!(known.servers().is_empty());
    }
}
