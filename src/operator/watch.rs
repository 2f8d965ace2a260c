//! The watches over what we wrote. Each event leaves a few numbers in the [`SeenStore`] and wakes the instance that it is about.

use std::collections::HashSet;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use kube::Client;
use kube::api::{Api, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;

use super::kind::{Kind, Watched};
use super::seen::{Key, MANAGED_BY, MANAGED_BY_LABEL, Seen};
use super::seen_store::SeenStore;
use super::settings::Settings;
use crate::resource::{instance_id, resource_of_namespace};

/// What the API server hands over at a time.
const PAGE: u32 = 500;

/// What a watch has to say.
#[derive(Debug)]
pub enum Wake {
    /// Objects of these instances changed.
    Changed(Vec<String>),
    /// A watch has listed everything for the first time.
    Listed,
}

/// News of all watches.
pub type Wakes = BoxStream<'static, Wake>;

/// Takes notes of what the watches show.
#[derive(Debug, Clone)]
pub struct Notes {
    store: Arc<SeenStore>,
    field_manager: String,
    /// The namespace of who answers for paused servers, or did.
    park: String,
}

impl Notes {
    /// Into this store.
    pub fn new(store: Arc<SeenStore>, settings: &Settings) -> Self {
        Self { store, field_manager: settings.field_manager.clone(), park: settings.park_namespace().to_owned() }
    }

    /// The server whose object this is, by where it is: in the server's namespace, or in that of who answers for paused ones, called
    /// like the server. Labels prove nothing: what is in a namespace that somebody restored beside the original has the same, and
    /// whoever changes one takes no object away from its server.
    fn home(&self, kind: Kind, metadata: &ObjectMeta) -> Option<String> {
        let (name, namespace) = (metadata.name.as_deref()?, metadata.namespace.as_deref());
        match (kind, namespace) {
            (Kind::Namespace, _) => resource_of_namespace(name),
            (_, None) => None,
            (Kind::HttpRoute, Some(namespace)) if self.park == namespace => instance_id(name).map(|_| name.to_owned()),
            (_, Some(namespace)) => resource_of_namespace(namespace),
        }
    }

    /// Takes note of an object. Returns the server that it is of, and whether anything of interest changed.
    fn put(&self, kind: Kind, metadata: &ObjectMeta, data: &Value) -> Option<(String, bool)> {
        let (home, key): (_, Key) = (self.home(kind, metadata)?, (kind, metadata.name.clone()?));
        let changed = self.store.put(&home, key, Seen::of(kind, metadata, data, &self.field_manager));
        Some((home, changed))
    }

    /// Forgets an object.
    fn remove(&self, kind: Kind, metadata: &ObjectMeta) -> Option<String> {
        let (home, key) = (self.home(kind, metadata)?, (kind, metadata.name.clone()?));
        self.store.remove(&home, &key, metadata.uid.as_deref().unwrap_or_default()).then_some(home)
    }
}

/// Watches everything that we write. Also says how many watches there are: each says [`Wake::Listed`] once.
pub fn wakes(client: &Client, notes: &Notes) -> (Wakes, usize) {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let ours = watcher::Config::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY}")).page_size(PAGE);
        match kind.watched() {
            Watched::Metadata => all.push(watch_metadata(client, kind, ours, None, notes)),
            Watched::Names(names) => {
                for name in names {
                    let of_one = ours.clone().fields(&format!("metadata.name={name}"));
                    all.push(watch_metadata(client, kind, of_one, Some(name), notes));
                }
            }
            Watched::Whole => {
                let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind.resource());
                let events = watcher(api, ours).default_backoff();
                all.push(follow(events, kind, None, notes, |object| (object.metadata, object.data)));
            }
        }
    }
    let count = all.len();
    (stream::select_all(all).boxed(), count)
}

fn watch_metadata(client: &Client, kind: Kind, config: watcher::Config, name: Option<&'static str>, notes: &Notes) -> Wakes {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &kind.resource());
    let events = watcher(api, config).default_backoff();
    follow(events, kind, name, notes, |object| (object.metadata, Value::Null))
}

fn follow<K>(
    events: impl stream::Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    kind: Kind,
    only: Option<&'static str>,
    notes: &Notes,
    split: fn(K) -> (ObjectMeta, Value),
) -> Wakes
where
    K: Send + 'static,
{
    let notes = notes.clone();
    let mut listed = HashSet::new();
    let mut note = move |event: Result<Event<K>, watcher::Error>| {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(kind = kind.as_str(), error = %super::error::chain(&error), "a watch stumbled and is taken up again");
                return Vec::new();
            }
        };
        let mut put = |object: K, listing: bool| -> Vec<String> {
            let (metadata, data) = split(object);
            let Some((home, changed)) = notes.put(kind, &metadata, &data) else { return Vec::new() };
            listed.extend(metadata.uid.filter(|_| listing));
            if changed { vec![home] } else { Vec::new() }
        };
        match event {
            Event::Init => {
                listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => put(object, true),
            Event::Apply(object) => put(object, false),
            Event::InitDone => {
                let within = |key: &Key| key.0 == kind && only.is_none_or(|name| key.1 == name);
                notes.store.keep_only(&within, &std::mem::take(&mut listed))
            }
            Event::Delete(object) => notes.remove(kind, &split(object).0).into_iter().collect(),
        }
    };
    let mut first = true;
    events
        .flat_map(move |event| {
            let done = matches!(event, Ok(Event::InitDone)) && std::mem::take(&mut first);
            let changed = note(event);
            stream::iter(
                [(!changed.is_empty()).then_some(Wake::Changed(changed)), done.then_some(Wake::Listed)].into_iter().flatten(),
            )
        })
        .boxed()
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt as _;
    use serde_json::json;

    use super::super::instance::build::tests::settings;
    use super::*;

    const SERVER: &str = "ins-01jd0000000000000000000000";
    const NAMESPACE: &str = "mastodon-01jd0000000000000000000000";

    fn object(namespace: &str, name: &str, uid: &str) -> DynamicObject {
        let labels = json!({"paddock.host/instance": SERVER, "app.kubernetes.io/managed-by": "paddock"});
        let metadata = json!({"name": name, "namespace": namespace, "uid": uid, "resourceVersion": "7", "labels": labels});
        serde_json::from_value(json!({"apiVersion": "v1", "kind": "X", "metadata": metadata})).unwrap()
    }

    fn notes() -> Notes {
        Notes::new(Arc::default(), &settings())
    }

    /// Whom these events wake.
    async fn woken(notes: &Notes, kind: Kind, events: Vec<Event<DynamicObject>>) -> Vec<String> {
        let events = stream::iter(events.into_iter().map(Ok));
        let wakes = follow(events, kind, None, notes, |object| (object.metadata, object.data));
        let changed = wakes.filter_map(async |wake| if let Wake::Changed(servers) = wake { Some(servers) } else { None });
        changed.collect::<Vec<_>>().await.concat()
    }

    #[tokio::test]
    async fn a_copy_of_a_namespace_beside_the_original_is_nobodys() {
        let notes = notes();
        let (original, copy) = (|| object(NAMESPACE, "cache", "one"), || object("forensics", "cache", "two"));
        let kind = Kind::PersistentVolumeClaim;
        assert_eq!(woken(&notes, kind, vec![Event::Apply(original())]).await, [SERVER]);
        let of_copy = vec![Event::Apply(copy()), Event::Delete(copy())];
        assert_eq!(woken(&notes, kind, of_copy).await, Vec::<String>::new());
        assert_eq!(notes.store.of(SERVER)[&(kind, "cache".to_owned())].uid, "one");
        // A new listing in which the copy alone is left: the original is gone.
        let listing = vec![Event::Init, Event::InitApply(copy()), Event::InitDone];
        assert_eq!(woken(&notes, kind, listing).await, [SERVER]);
        assert!(notes.store.of(SERVER).is_empty());
    }

    #[tokio::test]
    async fn the_namespace_decides_and_another_servers_label_takes_nothing_away() {
        let notes = notes();
        let mut relabelled = object(NAMESPACE, "web", "one");
        relabelled.labels_mut().insert("paddock.host/instance".into(), "ins-01jd0000000000000000000001".into());
        assert_eq!(woken(&notes, Kind::Service, vec![Event::Apply(relabelled)]).await, [SERVER]);
        assert!(notes.store.of(SERVER).contains_key(&(Kind::Service, "web".to_owned())));
        assert!(notes.store.of("ins-01jd0000000000000000000001").is_empty());
    }

    #[test]
    fn a_route_for_a_paused_server_is_known_by_its_own_name() {
        let mut settings = settings();
        settings.park = Some(serde_json::from_value(json!({"namespace": "gate", "service": "park", "port": 80})).unwrap());
        let elsewhere = Notes::new(Arc::default(), &settings);
        assert_eq!(elsewhere.home(Kind::HttpRoute, &object("gate", SERVER, "u").metadata).as_deref(), Some(SERVER));
        // Where nobody answers any more, who did was in the operator's own namespace.
        let notes = notes();
        let home = |kind, namespace: &str, name: &str| notes.home(kind, &object(namespace, name, "u").metadata);
        assert_eq!(home(Kind::HttpRoute, "paddock", SERVER).as_deref(), Some(SERVER));
        assert_eq!(home(Kind::HttpRoute, NAMESPACE, "mastodon").as_deref(), Some(SERVER));
        for (kind, namespace, name) in [
            (Kind::HttpRoute, "paddock", "mastodon"),
            (Kind::HttpRoute, "elsewhere", SERVER),
            (Kind::ConfigMap, "paddock", SERVER),
        ] {
            assert_eq!(home(kind, namespace, name), None, "{namespace}/{name}");
        }
        let namespace =
            |name: &str| notes.home(Kind::Namespace, &ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() });
        assert_eq!(namespace(NAMESPACE).as_deref(), Some(SERVER));
        assert_eq!(namespace("forensics"), None);
    }
}
