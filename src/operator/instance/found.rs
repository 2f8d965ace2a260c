//! What must stand before anything can be built: the namespace, the keys, the bucket. Made once, and then only looked at.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::Instant;

use super::build::{self, names};
use super::identity::{Identity, random_hex};
use super::observe::Observed;
use super::validate::Valid;
use super::{Context, apply};
use crate::crash;
use crate::operator::bucket::{BucketError, BucketKey};
use crate::operator::error::{Error, chain, is_taken};
use crate::operator::kind::Kind;
use crate::operator::seeded::Bug;
use crate::operator::seen::{Seen, hash};

/// How long a look at a bucket is good for.
const BUCKET_LOOK: Duration = Duration::from_mins(10);
/// How long a store that failed is left alone. The failure goes into the status, and that wakes us again at once.
pub const BUCKET_PAUSE: Duration = Duration::from_secs(15);

/// The proof that all of it stands: nothing is built without.
#[derive(Debug)]
pub struct Foundation {
    /// Changes when a Secret is another one.
    pub secrets: u64,
    /// The identity's fingerprint.
    pub fingerprint: String,
    /// The bucket: there, lost, or why it can't be had for now.
    pub bucket: BucketState,
}

/// How it is with the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketState {
    /// It is there.
    There,
    /// It was there and is gone.
    Lost,
    /// The object store does not do what we ask.
    Unavailable(String),
}

/// A Secret that was made once.
struct Made {
    uid: String,
    /// Its content, when it had to be read.
    content: Option<Secret>,
}

/// Sees to all of it.
pub async fn found(context: &Context, valid: &Valid<'_>, observed: &Observed) -> Result<Foundation, Error> {
    apply::ensure(context, &valid.name, observed, &build::namespace(valid)).await?;
    crash::point("operator.namespace_applied");
    let (identity, media, cache) = futures::join!(
        made_once(context, valid, observed, names::IDENTITY, || build::identity_secret(valid, &Identity::generate())),
        made_once(context, valid, observed, names::MEDIA, || build::media_secret(valid, &BucketKey::generate())),
        made_once(context, valid, observed, names::CACHE_PASSWORD, || {
            build::cache_password(valid, &SecretString::from(random_hex::<32>()))
        }),
    );
    let (identity, media, cache) = (identity?, media?, cache?);
    crash::point("operator.secrets_made");
    let secrets = hash(&serde_json::json!([identity.uid, media.uid, cache.uid]));
    let fingerprint = fingerprint(context, valid, &identity).await?;
    let bucket = bucket_state(context, valid, observed, media).await?;
    Ok(Foundation { secrets, fingerprint, bucket })
}

/// How it is with the bucket; a failure of the store is an answer too, and is remembered for [`BUCKET_PAUSE`].
async fn bucket_state(context: &Context, valid: &Valid<'_>, observed: &Observed, media: Made) -> Result<BucketState, Error> {
    let failed = context.with_memory(&valid.name, |memory| memory.bucket_failure.clone());
    if let Some((why, _)) = failed.filter(|(_, at)| at.elapsed() < BUCKET_PAUSE) {
        return Ok(BucketState::Unavailable(why));
    }
    let looked = bucket(context, valid, observed, media).await;
    let (state, failure) = match looked {
        Ok(state) => (state, None),
        Err(Error::Bucket(error)) => {
            let why = chain(&error);
            tracing::warn!(instance.name = valid.name, error = why, "the media bucket can't be had for now");
            (BucketState::Unavailable(why.clone()), Some((why, Instant::now())))
        }
        Err(error) => return Err(error),
    };
    context.with_memory(&valid.name, |memory| memory.bucket_failure = failure);
    Ok(state)
}

/// Creates a Secret unless it is there. Of two operators that try at once, one wins and the other reads what the winner wrote.
async fn made_once(
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

async fn content(context: &Context, valid: &Valid<'_>, name: &str, made: Option<Secret>) -> Result<Secret, Error> {
    if let Some(secret) = made {
        return Ok(secret);
    }
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &valid.namespace);
    api.get(name).await.map_err(Error::kube(format!("read Secret {name}")))
}

/// The identity's fingerprint: read again only when the Secret is another one than last time.
async fn fingerprint(context: &Context, valid: &Valid<'_>, made: &Made) -> Result<String, Error> {
    let known = context.with_memory(&valid.name, |memory| memory.fingerprint.clone());
    if let Some((_, fingerprint)) = known.filter(|(uid, _)| *uid == made.uid) {
        return Ok(fingerprint);
    }
    let secret = content(context, valid, names::IDENTITY, made.content.clone()).await?;
    let identity = Identity::read(&secret.data.unwrap_or_default())
        .map_err(|variable| Error::Foreign(format!("Secret {} (it has no {variable})", names::IDENTITY)))?;
    let fingerprint = identity.fingerprint();
    context.with_memory(&valid.name, |memory| memory.fingerprint = Some((made.uid.clone(), fingerprint.clone())));
    Ok(fingerprint)
}

/// The bucket: prepared once for each key, afterwards only looked for.
async fn bucket(context: &Context, valid: &Valid<'_>, observed: &Observed, media: Made) -> Result<BucketState, Error> {
    let uid = media.uid.clone();
    let looked = context.with_memory(&valid.name, |memory| memory.bucket.clone()).filter(|(of, _)| *of == uid);
    if looked.as_ref().is_some_and(|(_, at)| at.elapsed() < BUCKET_LOOK) {
        return Ok(BucketState::There);
    }
    let filled = observed.status.database_initialised;
    if looked.is_some() || filled {
        let exists = context.buckets.exists(&valid.bucket).await?;
        if !exists && filled {
            return Ok(BucketState::Lost);
        }
        if exists && looked.is_some() {
            context.with_memory(&valid.name, |memory| memory.bucket = Some((uid, Instant::now())));
            return Ok(BucketState::There);
        }
    }
    // Also for a bucket that is there: the key may be a new one.
    let secret = content(context, valid, names::MEDIA, media.content).await?;
    let data = secret.data.unwrap_or_default();
    let text = |name: &str| {
        let bytes = data.get(name).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
        bytes.ok_or_else(|| Error::Foreign(format!("Secret {} (it has no {name})", names::MEDIA)))
    };
    let key = BucketKey { access: text("AWS_ACCESS_KEY_ID")?, secret: text("AWS_SECRET_ACCESS_KEY")?.into() };
    if Bug::NotesBeforeDoing.is_made() {
        context.with_memory(&valid.name, |memory| memory.bucket = Some((uid.clone(), Instant::now())));
    }
    context.buckets.ensure(&valid.bucket, &key).await.map_err(|error: BucketError| Error::Bucket(error))?;
    crash::point("operator.bucket_made");
    context.with_memory(&valid.name, |memory| memory.bucket = Some((uid, Instant::now())));
    Ok(BucketState::There)
}
