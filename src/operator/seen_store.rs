//! What was seen of all objects of all instances: fed by the watches and by the answers to our own writes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::seen::{Key, Seen};

/// All objects of all instances.
#[derive(Debug, Default)]
pub struct SeenStore(Mutex<Store>);

#[derive(Debug, Default)]
struct Store {
    instances: HashMap<String, Objects>,
    /// Counts all changes.
    last: u64,
}

/// The objects of one instance.
#[derive(Debug, Default)]
struct Objects {
    known: BTreeMap<Key, Seen>,
    /// The number of the last change to them.
    epoch: u64,
}

impl Store {
    fn changed(&mut self, instance: &str) {
        self.last += 1;
        if let Some(objects) = self.instances.get_mut(instance) {
            objects.epoch = self.last;
        }
    }

    /// The object with this UID.
    fn get_mut(&mut self, instance: &str, key: &Key, uid: &str) -> Option<&mut Seen> {
        self.instances.get_mut(instance)?.known.get_mut(key).filter(|seen| seen.uid == uid)
    }
}

impl SeenStore {
    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of an instance.
    pub fn of(&self, instance: &str) -> BTreeMap<Key, Seen> {
        self.lock().instances.get(instance).map(|objects| objects.known.clone()).unwrap_or_default()
    }

    /// How many instances there are.
    pub fn count(&self) -> usize {
        self.lock().instances.len()
    }

    /// The instances of which this holds.
    pub fn names(&self, of: &dyn Fn(&BTreeMap<Key, Seen>) -> bool) -> Vec<String> {
        self.lock().instances.iter().filter(|(_, objects)| of(&objects.known)).map(|(name, _)| name.clone()).collect()
    }

    /// A number that is another one after anything has changed that is known of an instance.
    pub fn epoch(&self, instance: &str) -> u64 {
        self.lock().instances.get(instance).map_or(0, |objects| objects.epoch)
    }

    /// Takes note of an object; an older version than the known one is ignored. Returns whether anything we look at changed.
    pub fn put(&self, instance: &str, key: Key, mut seen: Seen) -> bool {
        let mut store = self.lock();
        let objects = store.instances.entry(instance.to_owned()).or_default();
        if let Some(known) = objects.known.get_mut(&key) {
            if known.uid == seen.uid {
                if seen.resource_version < known.resource_version {
                    return false;
                }
                seen.accepted = seen.accepted.or(known.accepted);
            }
            let same = Seen { resource_version: known.resource_version, ..seen.clone() } == *known;
            *known = seen;
            if same {
                return false;
            }
        } else {
            objects.known.insert(key, seen);
        }
        store.changed(instance);
        true
    }

    /// Notes that we have deleted an object, which may take a while.
    pub fn goes(&self, instance: &str, key: &Key, uid: &str) {
        let mut store = self.lock();
        if let Some(seen) = store.get_mut(instance, key, uid) {
            seen.deleting = true;
            store.changed(instance);
        }
    }

    /// What there is of an instance is taken for what we have left there, if all of it is as `holds` wants it.
    pub fn trust(&self, instance: &str, holds: impl FnOnce(&BTreeMap<Key, Seen>) -> bool) {
        if let Some(objects) = self.lock().instances.get_mut(instance)
            && holds(&objects.known)
        {
            for seen in objects.known.values_mut() {
                seen.accepted = Some(seen.ours);
            }
        }
    }

    /// Forgets an object that is gone; one of the same name that came later stays. Returns whether it was known.
    pub fn remove(&self, instance: &str, key: &Key, uid: &str) -> bool {
        let mut store = self.lock();
        if store.get_mut(instance, key, uid).is_none() {
            return false;
        }
        store.changed(instance);
        if let Some(objects) = store.instances.get_mut(instance) {
            objects.known.remove(key);
            if objects.known.is_empty() {
                store.instances.remove(instance);
            }
        }
        true
    }

    /// After a new listing of a kind: forgets what it did not name. Returns the instances that lost something.
    pub fn keep_only(&self, within: &dyn Fn(&Key) -> bool, listed: &HashSet<String>) -> Vec<String> {
        let mut store = self.lock();
        let mut touched = Vec::new();
        store.instances.retain(|instance, objects| {
            let before = objects.known.len();
            objects.known.retain(|key, seen| !within(key) || listed.contains(&seen.uid));
            if objects.known.len() != before {
                touched.push(instance.clone());
            }
            !objects.known.is_empty()
        });
        for instance in &touched {
            store.changed(instance);
        }
        touched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::kind::Kind;
    use crate::operator::seen::State;

    fn seen(uid: &str, version: u64, ours: u64) -> Seen {
        Seen { uid: uid.into(), resource_version: version, ours, applied: Some(7), ..Seen::bare(State::None) }
    }

    #[test]
    fn an_old_watch_event_never_hides_our_own_write() {
        let store = SeenStore::default();
        let key = (Kind::Service, "web".to_owned());
        store.put("a", key.clone(), Seen { accepted: Some(2), ..seen("u", 12, 2) });
        assert!(!store.put("a", key.clone(), seen("u", 11, 1)));
        assert_eq!(store.of("a")[&key].ours, 2);
        assert!(store.put("a", key.clone(), seen("u", 13, 3)));
        assert_eq!(store.of("a")[&key].accepted, Some(2), "what we accepted outlives later events");
        assert!(!store.remove("a", &key, "older"));
        assert_eq!(store.of("a").len(), 1);
        assert!(store.remove("a", &key, "u"));
        assert!(store.of("a").is_empty());
    }

    #[test]
    fn whatever_changes_begins_another_epoch() {
        let store = SeenStore::default();
        let key = (Kind::Service, "web".to_owned());
        let mut epochs = vec![store.epoch("a")];
        let mut is_new = |epoch| {
            let new = !epochs.contains(&epoch);
            epochs.push(epoch);
            new
        };
        store.put("a", key.clone(), seen("u", 12, 2));
        assert!(is_new(store.epoch("a")));
        store.put("a", key.clone(), seen("u", 13, 2));
        store.put("a", key.clone(), seen("u", 11, 9));
        store.put("b", key.clone(), seen("u", 14, 2));
        assert!(!is_new(store.epoch("a")), "nothing of it that we look at");
        store.put("a", key.clone(), seen("u", 15, 3));
        assert!(is_new(store.epoch("a")));
        store.goes("a", &key, "u");
        assert!(is_new(store.epoch("a")));
        store.put("a", (Kind::Service, "streaming".to_owned()), seen("v", 15, 3));
        assert!(is_new(store.epoch("a")));
        store.remove("a", &key, "u");
        assert!(is_new(store.epoch("a")));
        store.keep_only(&|_| true, &HashSet::new());
        store.put("a", key.clone(), seen("u", 16, 3));
        assert!(is_new(store.epoch("a")), "also when it comes back after all was gone");
    }

    #[test]
    fn a_new_listing_forgets_what_it_does_not_name() {
        let store = SeenStore::default();
        store.put("a", (Kind::Service, "web".into()), seen("one", 1, 1));
        store.put("a", (Kind::Job, "seed".into()), seen("two", 1, 1));
        let touched = store.keep_only(&|key| key.0 == Kind::Service, &HashSet::new());
        assert_eq!(touched, ["a"]);
        assert_eq!(store.of("a").len(), 1);
    }
}
