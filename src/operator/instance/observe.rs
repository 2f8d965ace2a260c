//! What there is. Reads of its own happen only where memory could be wrong about data.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::api::{Api, DynamicObject};

use super::Context;
use super::build::names;
use super::remove::Lost;
use super::{majors, upgrade};
use crate::operator::error::{Error, is_missing};
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen, holds_data};
use crate::resource::{DataObjects, InstanceStatus, MastodonInstance, instance_id, namespace_name};

/// What holds data, and may be made only once.
const DATA: [(Kind, &str); 3] =
    [(Kind::Secret, names::IDENTITY), (Kind::Cluster, names::DATABASE), (Kind::PersistentVolumeClaim, names::CACHE)];

/// What there is.
#[derive(Debug)]
pub struct Observed {
    /// The custom resource, the newest version that anybody has shown us.
    pub instance: Arc<MastodonInstance>,
    /// Its status, or an empty one. It has been filled if either the status or the mark on the namespace says so: a custom
    /// resource that was restored has no status.
    pub status: InstanceStatus,
    /// Our objects.
    pub seen: BTreeMap<Key, Seen>,
    /// What held data and is not there any more; empty before the first start. Never the identity, which can be put back.
    pub lost: Vec<Lost>,
    /// It was filled, its status is lost, and nothing tells of which release its tables are.
    pub nameless: bool,
}

/// Looks.
pub async fn observe(context: &Context, cached: Arc<MastodonInstance>) -> Result<Observed, Error> {
    let name = cached.metadata.name.clone().unwrap_or_default();
    let mut instance = context.newest(&name, cached);
    context.meet(&name, &instance);
    let mut seen = context.seen.of(&name);
    let mut lost = Vec::new();
    let namespace = instance_id(&name).map(namespace_name).unwrap_or_default();
    let mut marked = seen.get(&(Kind::Namespace, namespace.clone())).is_some_and(|seen| seen.holds_data);
    let recorded = |instance: &MastodonInstance| instance.status.as_ref().and_then(|status| status.data.clone());
    let data = recorded(&instance);
    let doubtful: Vec<_> = DATA.into_iter().filter(|(kind, name)| !is_the_one(&seen, *kind, name, data.as_ref())).collect();
    if !doubtful.is_empty() {
        // Whether these may be made is decided by the status as it is, not as we remember it: another operator may have begun.
        let live = context.instances.get_opt(&name).await.map_err(Error::kube("read the MastodonInstance"))?;
        if let Some(live) = live {
            instance = Arc::new(live);
        }
        // Namespace and status may both be gone, with a cluster that was lost. The fleet's rows know better.
        marked = marked || instance.spec.holds_data || namespace_is_marked(context, &namespace).await?;
        let initialised = marked || instance.status.as_ref().is_some_and(|status| status.database_initialised);
        let data = recorded(&instance);
        for (kind, name) in doubtful.into_iter().filter(|_| initialised) {
            // A watch may be behind: only the API server can say that something is gone, or is another one.
            let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &namespace, &kind.resource());
            // What is in a Secret is of no interest here.
            let live = if kind == Kind::Secret {
                api.get_metadata(name).await.map(|live| (live.metadata, serde_json::Value::Null))
            } else {
                api.get(name).await.map(|live| (live.metadata, live.data))
            };
            match live {
                Ok((metadata, body)) => {
                    let found = Seen::of(kind, &metadata, &body, &context.settings.field_manager);
                    // What was seen of it tells more, if it is the same.
                    let key = (kind, name.to_owned());
                    if seen.get(&key).is_none_or(|seen| seen.uid != found.uid) {
                        seen.insert(key, found);
                    }
                    if !is_the_one(&seen, kind, name, data.as_ref()) {
                        lost.push(Lost { kind, name, replaced: true });
                    }
                }
                // The vault has it.
                Err(error) if is_missing(&error) && kind == Kind::Secret => {}
                Err(error) if is_missing(&error) => lost.push(Lost { kind, name, replaced: false }),
                Err(error) => return Err(Error::kube(format!("look for {} {name}", kind.as_str()))(error)),
            }
        }
    }
    let mut status = known(context, &instance, marked, &seen);
    let mut nameless = is_nameless(&instance, &status, &seen);
    if nameless {
        // As above: a watch may be behind.
        look_for_processes(context, &namespace, &mut seen).await?;
        status = known(context, &instance, marked, &seen);
        nameless = is_nameless(&instance, &status, &seen);
    }
    Ok(Observed { instance, status, seen, lost, nameless })
}

/// The status, with what is known although it does not say so.
fn known(context: &Context, instance: &MastodonInstance, marked: bool, seen: &BTreeMap<Key, Seen>) -> InstanceStatus {
    let mut status = instance.status.clone().unwrap_or_default();
    status.database_initialised |= marked;
    if status.database_initialised
        && status.version.is_none()
        && let Some((version, on_its_way)) = upgrade::recover(&context.current(), seen, context.clock.now())
    {
        (status.version, status.upgrade) = (Some(version), on_its_way);
    }
    if status.database_initialised && status.database_upgrade.is_none() {
        status.database_upgrade = majors::recover(&context.current(), seen, context.clock.now());
    }
    status
}

/// Whether a filled server has lost its status, and nothing tells of which release its tables are.
fn is_nameless(instance: &MastodonInstance, status: &InstanceStatus, seen: &BTreeMap<Key, Seen>) -> bool {
    status.database_initialised && !begins(instance.status.as_ref()) && !upgrade::is_told(status, &instance.spec.version, seen)
}

/// Looks at the Deployments themselves.
async fn look_for_processes(context: &Context, namespace: &str, seen: &mut BTreeMap<Key, Seen>) -> Result<(), Error> {
    let kind = Kind::Deployment;
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, &kind.resource());
    for name in [names::WEB, names::STREAMING, names::SIDEKIQ, names::SCHEDULER] {
        let found = api.get_opt(name).await.map_err(Error::kube(format!("look for Deployment {name}")))?;
        if let Some(found) = found {
            let found = Seen::of(kind, &found.metadata, &found.data, &context.settings.field_manager);
            seen.insert((kind, name.to_owned()), found);
        }
    }
    Ok(())
}

/// Whether this is the status of a server in its first start. What is filled is noted together with that it is; one that has been given
/// a new status since has no such note. Right before both there is a status of all that stands already.
fn begins(status: Option<&InstanceStatus>) -> bool {
    status.is_some_and(|status| if status.database_initialised { status.data.is_some() } else { !status.conditions.is_empty() })
}

/// Whether what was seen under this name is there and, where that is known, the one that was filled.
fn is_the_one(seen: &BTreeMap<Key, Seen>, kind: Kind, name: &str, data: Option<&DataObjects>) -> bool {
    let Some(found) = seen.get(&(kind, name.to_owned())) else { return false };
    let filled = data.and_then(|DataObjects { database, cache }| match name {
        names::DATABASE => Some(database),
        names::CACHE => Some(cache),
        _ => None,
    });
    filled.is_none_or(|uid| *uid == found.uid)
}

/// What is filled, or about to be, once it is there.
pub fn data(seen: &BTreeMap<Key, Seen>) -> Option<DataObjects> {
    let uid = |kind, name: &str| seen.get(&(kind, name.to_owned())).map(|seen| seen.uid.clone());
    Some(DataObjects { database: uid(Kind::Cluster, names::DATABASE)?, cache: uid(Kind::PersistentVolumeClaim, names::CACHE)? })
}

/// Whether all that holds data was seen, so that nothing has to be asked about it.
pub fn is_whole(seen: &BTreeMap<Key, Seen>) -> bool {
    DATA.into_iter().all(|(kind, name)| seen.contains_key(&(kind, name.to_owned())))
}

/// Whether the namespace, as it is right now, is marked as holding data.
async fn namespace_is_marked(context: &Context, namespace: &str) -> Result<bool, Error> {
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &Kind::Namespace.resource());
    match api.get_metadata(namespace).await {
        Ok(live) => Ok(holds_data(&live.metadata)),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(Error::kube("look for the namespace")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::seen::State;

    #[test]
    fn a_first_start_is_told_from_a_status_that_was_lost() {
        let data = DataObjects { database: "d".into(), cache: "c".into() };
        let conditions = crate::resource::conditions(
            &[],
            &[crate::resource::Finding::fails(crate::resource::ConditionKind::Ready, "Starting", "")],
            1,
            chrono::DateTime::UNIX_EPOCH,
        );
        let status = |database_initialised, data: Option<&DataObjects>, told: bool| InstanceStatus {
            database_initialised,
            data: data.cloned(),
            conditions: if told { conditions.clone() } else { Vec::new() },
            ..InstanceStatus::default()
        };
        assert!(!begins(None), "a custom resource that was restored");
        assert!(!begins(Some(&status(false, None, false))));
        assert!(begins(Some(&status(false, None, true))), "the namespace was marked, and then the operator died");
        assert!(begins(Some(&status(true, Some(&data), true))));
        assert!(!begins(Some(&status(true, None, true))), "what an operator has said since it was lost");
    }

    #[test]
    fn what_has_the_name_and_another_uid_is_another_one() {
        let object = |kind, name: &str, uid: &str| ((kind, name.to_owned()), Seen { uid: uid.into(), ..Seen::bare(State::None) });
        let of = |database: &str| {
            let cache = object(Kind::PersistentVolumeClaim, names::CACHE, "c");
            BTreeMap::from([object(Kind::Cluster, names::DATABASE, database), cache, object(Kind::Secret, names::IDENTITY, "i")])
        };
        let recorded = data(&of("d"));
        assert_eq!(recorded, Some(DataObjects { database: "d".into(), cache: "c".into() }));
        assert_eq!(data(&BTreeMap::new()), None);
        let wrong = |seen: &BTreeMap<Key, Seen>, data: Option<&DataObjects>| -> Vec<&str> {
            DATA.into_iter().filter(|(kind, name)| !is_the_one(seen, *kind, name, data)).map(|(_, name)| name).collect()
        };
        assert_eq!(wrong(&of("d"), recorded.as_ref()), Vec::<&str>::new());
        assert_eq!(wrong(&of("later"), recorded.as_ref()), ["db-1"]);
        assert_eq!(wrong(&of("later"), None), Vec::<&str>::new(), "nothing is recorded of what is older than records");
        assert_eq!(wrong(&BTreeMap::new(), recorded.as_ref()).len(), 3);
    }
}
