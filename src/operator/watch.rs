//! The watches over what we wrote. Each event leaves a few numbers in the [`SeenStore`] and wakes the instance that it is about.

use std::collections::HashSet;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt as _};
use kube::api::{Api, DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Resource, ResourceExt as _};
use serde_json::Value;

use super::kind::{Kind, Watched};
use super::seen::{Key, MANAGED_BY, MANAGED_BY_LABEL, Seen, SeenStore, instance_of};

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

/// Watches everything that we write. Also says how many watches there are: each says [`Wake::Listed`] once.
pub fn wakes(client: &Client, store: &Arc<SeenStore>, field_manager: &str) -> (Wakes, usize) {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let ours = watcher::Config::default().labels(&format!("{MANAGED_BY_LABEL}={MANAGED_BY}")).page_size(PAGE);
        match kind.watched() {
            Watched::Metadata => all.push(watch_metadata(client, kind, ours, None, store, field_manager)),
            Watched::Names(names) => {
                for name in names {
                    let of_one = ours.clone().fields(&format!("metadata.name={name}"));
                    all.push(watch_metadata(client, kind, of_one, Some(name), store, field_manager));
                }
            }
            Watched::Whole => {
                let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind.resource());
                let events = watcher(api, ours).default_backoff();
                all.push(follow(events, kind, None, store, field_manager, |object| (object.metadata, object.data)));
            }
        }
    }
    let count = all.len();
    (stream::select_all(all).boxed(), count)
}

fn watch_metadata(
    client: &Client,
    kind: Kind,
    config: watcher::Config,
    name: Option<&'static str>,
    store: &Arc<SeenStore>,
    field_manager: &str,
) -> Wakes {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &kind.resource());
    let events = watcher(api, config).default_backoff();
    follow(events, kind, name, store, field_manager, |object| (object.metadata, Value::Null))
}

fn follow<K>(
    events: impl stream::Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static,
    kind: Kind,
    only: Option<&'static str>,
    store: &Arc<SeenStore>,
    field_manager: &str,
    split: fn(K) -> (ObjectMeta, Value),
) -> Wakes
where
    K: Resource + Send + 'static,
{
    let store = Arc::clone(store);
    let field_manager = field_manager.to_owned();
    let mut listed = HashSet::new();
    let mut note = move |event: Result<Event<K>, watcher::Error>| {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(kind = kind.as_str(), error = %super::error::chain(&error), "a watch stumbled and is taken up again");
                return Vec::new();
            }
        };
        let mut put = |object: K, listing: bool| {
            let Some(instance) = instance_of(&object) else { return Vec::new() };
            let key: Key = (kind, object.name_any());
            let (metadata, data) = split(object);
            let seen = Seen::of(kind, &metadata, &data, &field_manager);
            if listing {
                listed.insert(seen.uid.clone());
            }
            if store.put(&instance, key, seen) { vec![instance] } else { Vec::new() }
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
                store.keep_only(&within, &std::mem::take(&mut listed))
            }
            Event::Delete(object) => {
                let Some(instance) = instance_of(&object) else { return Vec::new() };
                store.remove(&instance, &(kind, object.name_any()), &object.uid().unwrap_or_default());
                vec![instance]
            }
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
