//! What there is. Reads of its own happen only where memory could be wrong about data.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::api::{Api, DynamicObject};

use super::Context;
use super::build::names;
use super::{majors, upgrade};
use crate::operator::error::{Error, is_missing};
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen, holds_data};
use crate::resource::{InstanceStatus, MastodonInstance, instance_id, namespace_name};

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
    /// What held data and is gone, in words; empty before the first start. Never the identity, which can be put back.
    pub lost: Vec<String>,
}

/// Looks.
pub async fn observe(context: &Context, cached: Arc<MastodonInstance>) -> Result<Observed, Error> {
    let name = cached.metadata.name.clone().unwrap_or_default();
    let mut instance = context.newest(&name, cached);
    let mut seen = context.seen.of(&name);
    let mut lost = Vec::new();
    let namespace = instance_id(&name).map(namespace_name).unwrap_or_default();
    let mut marked = seen.get(&(Kind::Namespace, namespace.clone())).is_some_and(|seen| seen.holds_data);
    let missing: Vec<_> = DATA.into_iter().filter(|(kind, name)| !seen.contains_key(&(*kind, (*name).to_owned()))).collect();
    if !missing.is_empty() {
        // Whether these may be made is decided by the status as it is, not as we remember it: another operator may have begun.
        let live = context.instances.get_opt(&name).await.map_err(Error::kube("read the MastodonInstance"))?;
        if let Some(live) = live {
            instance = Arc::new(live);
        }
        // Namespace and status may both be gone, with a cluster that was lost. The fleet's rows know better.
        marked = marked || instance.spec.holds_data || namespace_is_marked(context, &namespace).await?;
        let initialised = marked || instance.status.as_ref().is_some_and(|status| status.database_initialised);
        for (kind, object) in missing.into_iter().filter(|_| initialised) {
            let what = format!("{} {object}", kind.as_str());
            // A watch may be behind: only the API server can say that something is gone.
            let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &namespace, &kind.resource());
            match api.get_metadata(object).await {
                Ok(found) => {
                    let found = Seen::of(kind, &found.metadata, &serde_json::Value::Null, &context.settings.field_manager);
                    seen.insert((kind, object.to_owned()), found);
                }
                // The vault has it.
                Err(error) if is_missing(&error) && kind == Kind::Secret => {}
                Err(error) if is_missing(&error) => lost.push(what),
                Err(error) => return Err(Error::kube(format!("look for {what}"))(error)),
            }
        }
    }
    let mut status = instance.status.clone().unwrap_or_default();
    status.database_initialised |= marked;
    if status.database_initialised
        && status.version.is_none()
        && let Some((version, on_its_way)) = upgrade::recover(&context.settings, &seen, context.clock.now())
    {
        (status.version, status.upgrade) = (Some(version), on_its_way);
    }
    if status.database_initialised && status.database_upgrade.is_none() {
        status.database_upgrade = majors::recover(&context.current(), &seen, context.clock.now());
    }
    Ok(Observed { instance, status, seen, lost })
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
