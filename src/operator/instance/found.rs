//! What must stand before anything can be built: the namespace, the keys, the buckets. Made once, and then only looked at.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use secrecy::SecretString;
use serde_json::Value;

use super::buckets::{BucketState, buckets};
use super::build::{self, names};
use super::identity::random_hex;
use super::keys::{Identified, Known, identity};
use super::observe::Observed;
use super::status::Stall;
use super::validate::Valid;
use super::{Context, apply};
use crate::crash;
use crate::operator::error::{Error, is_taken};
use crate::operator::kind::Kind;
use crate::operator::seeded::Bug;
use crate::operator::seen::{Seen, hash};

/// What came of it.
#[derive(Debug)]
pub enum Found {
    /// All of it stands.
    Stands(Foundation),
    /// The vault can't be asked: nothing is built until it can.
    NoVault(String),
    /// Somebody has to look.
    Stalled(Stall),
}

/// The proof that all of it stands: nothing is built without.
#[derive(Debug)]
pub struct Foundation {
    /// Changes when a Secret holds something else.
    pub secrets: u64,
    /// The identity.
    pub identity: Known,
    /// The buckets: there, lost, or why they can't be had for now.
    pub bucket: BucketState,
}

/// A Secret that was made once.
#[derive(Debug)]
pub struct Made {
    /// Tells it from a later one of the same name.
    pub uid: String,
    /// Its content, when it had to be read.
    pub content: Option<Secret>,
}

/// Sees to all of it.
pub async fn found(context: &Context, valid: &Valid<'_>, observed: &Observed) -> Result<Found, Error> {
    apply::ensure(context, &valid.name, observed, &build::namespace(valid)).await?;
    crash::point("operator.namespace_applied");
    let bucket_key =
        |name| made_once(context, valid, observed, name, move || build::bucket_secret(valid, name, &context.buckets.new_key()));
    let (identity, media, backup, cache) = futures::join!(
        identity(context, valid, observed),
        bucket_key(names::MEDIA),
        bucket_key(names::BACKUP),
        made_once(context, valid, observed, names::CACHE_PASSWORD, || {
            build::cache_password(valid, &SecretString::from(random_hex::<32>()))
        }),
    );
    let (identity, media, backup, cache) = (identity?, media?, backup?, cache?);
    crash::point("operator.secrets_made");
    let identity = match identity {
        Identified::There(known) => known,
        Identified::Waits(why) => return Ok(Found::NoVault(why)),
        Identified::Stalled(stall) => return Ok(Found::Stalled(stall)),
    };
    // The identity by what is in it: one that is put back is the same, and no pod has to be replaced for it.
    let secrets = hash(&serde_json::json!([identity.fingerprint, media.uid, cache.uid]));
    let bucket = buckets(context, valid, observed, media, backup).await?;
    Ok(Found::Stands(Foundation { secrets, identity, bucket }))
}

/// Creates a Secret unless it is there. Of two operators that try at once, one wins and the other reads what the winner wrote.
pub async fn made_once(
    context: &Context,
    valid: &Valid<'_>,
    observed: &Observed,
    name: &'static str,
    make: impl FnOnce() -> Value,
) -> Result<Made, Error> {
    let key = (Kind::Secret, name.to_owned());
    if let Some(seen) = observed.seen.get(&key) {
        return Ok(Made { uid: seen.uid.clone(), content: None });
    }
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &valid.namespace, &Kind::Secret.resource());
    let wanted: DynamicObject = serde_json::from_value(make())?;
    let params = PostParams { field_manager: Some(context.settings.field_manager.clone()), ..PostParams::default() };
    let object = match api.create(&params, &wanted).await {
        Ok(object) => object,
        Err(error) if is_taken(&error) && Bug::SecretAnewOnConflict.is_made() => {
            api.delete(name, &DeleteParams::default()).await.map_err(Error::kube("delete a Secret"))?;
            api.create(&params, &wanted).await.map_err(Error::kube("create a Secret again"))?
        }
        Err(error) if is_taken(&error) => api.get(name).await.map_err(Error::kube(format!("read Secret {name}")))?,
        Err(error) => return Err(Error::kube(format!("create Secret {name}"))(error)),
    };
    context.seen.put(&valid.name, key, Seen::of_object(Kind::Secret, &object, &context.settings.field_manager));
    let secret: Secret = object.try_parse().map_err(|_| Error::Foreign(format!("Secret {name}")))?;
    Ok(Made { uid: secret.metadata.uid.clone().unwrap_or_default(), content: Some(secret) })
}

/// What is in a Secret, read if need be.
pub async fn content(context: &Context, valid: &Valid<'_>, name: &str, made: Option<Secret>) -> Result<Secret, Error> {
    if let Some(secret) = made {
        return Ok(secret);
    }
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &valid.namespace);
    api.get(name).await.map_err(Error::kube(format!("read Secret {name}")))
}
