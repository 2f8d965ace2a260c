//! A server's buckets: one for media, one for backups, each with a key of its own. Made once, and then only looked for.

use std::time::Duration;

use tokio::time::Instant;

use super::Context;
use super::build::names;
use super::found::{Made, content};
use super::observe::Observed;
use super::validate::Valid;
use crate::crash;
use crate::operator::bucket::{Bucket, BucketKey, Purpose};
use crate::operator::error::{Error, chain};
use crate::operator::seeded::Bug;
use crate::resource::{InstanceStatus, PreparedBucket, PreparedBuckets};

/// How long a look at a bucket is good for.
const LOOK: Duration = Duration::from_mins(10);
/// How long a store that failed is left alone. The failure goes into the status, and that wakes us again at once.
pub const PAUSE: Duration = Duration::from_secs(15);
/// How many times its plan's media a bucket may hold: a wall far behind the plan's limit, which is a figure and no wall. It keeps one
/// server that has gone wild from filling the store for all.
const ROOM: u64 = 2;

/// How it is with the buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketState {
    /// They are there.
    There,
    /// This one was there and is gone.
    Lost(String),
    /// The object store does not do what we ask.
    Unavailable(String),
}

/// What is remembered of the buckets between passes.
#[derive(Debug, Default, Clone)]
pub struct Remembered {
    media: Option<Look>,
    backup: Option<Look>,
    /// Why they could not be had, and when that was.
    failed: Option<(String, Instant)>,
}

/// A bucket that was there.
#[derive(Debug, Clone)]
struct Look {
    /// UID of the Secret whose key it was prepared for.
    uid: String,
    /// As what it was prepared.
    purpose: Purpose,
    /// Until when that is good.
    until: Instant,
}

impl Remembered {
    /// What an operator before us has noted. So that not all buckets are looked for in the minutes after a start, each has a time of
    /// its own.
    pub fn recalled(status: &InstanceStatus) -> Self {
        let Some(PreparedBuckets { media, backup }) = status.buckets.clone() else { return Self::default() };
        let look = |noted: PreparedBucket, purpose: Option<Purpose>| {
            let until = Instant::now() + LOOK.mul_f64(rand::random_range(0.0..1.0));
            Some(Look { uid: noted.secret, purpose: purpose?, until })
        };
        Self {
            media: media.and_then(|noted| {
                let purpose = noted.most.map(|most| Purpose::Media { most });
                look(noted, purpose)
            }),
            backup: backup.and_then(|noted| look(noted, Some(Purpose::Backup))),
            failed: None,
        }
    }

    /// Until when both are known to be there.
    pub fn until(&self) -> Option<Instant> {
        let Self { media, backup, failed: _ } = self;
        media.as_ref().zip(backup.as_ref()).map(|(media, backup)| media.until.min(backup.until))
    }

    /// The same, for the operator after us. What is not known to us stays as it was noted.
    pub fn noted(&self, before: Option<PreparedBuckets>) -> Option<PreparedBuckets> {
        let before = before.unwrap_or_default();
        let prepared = |look: &Option<Look>, before| {
            let known = look.as_ref().map(|Look { uid, purpose, until: _ }| PreparedBucket {
                secret: uid.clone(),
                most: match purpose {
                    Purpose::Media { most } => Some(*most),
                    Purpose::Backup | Purpose::Vault => None,
                },
            });
            known.or(before)
        };
        let noted = PreparedBuckets { media: prepared(&self.media, before.media), backup: prepared(&self.backup, before.backup) };
        (noted != PreparedBuckets::default()).then_some(noted)
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy)]
enum Which {
    Media,
    Backup,
}

impl Which {
    fn secret(self) -> &'static str {
        match self {
            Self::Media => names::MEDIA,
            Self::Backup => names::BACKUP,
        }
    }

    fn of(self, remembered: &mut Remembered) -> &mut Option<Look> {
        match self {
            Self::Media => &mut remembered.media,
            Self::Backup => &mut remembered.backup,
        }
    }
}

/// Sees to both. A failure of the store is an answer too, and is remembered for [`PAUSE`].
pub async fn buckets(
    context: &Context,
    valid: &Valid<'_>,
    observed: &Observed,
    media: Made,
    backup: Made,
) -> Result<BucketState, Error> {
    let failed = context.with_memory(&valid.name, |memory| memory.buckets.failed.clone());
    if let Some((why, _)) = failed.filter(|(_, at)| at.elapsed() < PAUSE) {
        return Ok(BucketState::Unavailable(why));
    }
    let most = u64::from(valid.spec.size.media_gib) * (1 << 30) * ROOM;
    let media_bucket = Bucket { name: &valid.bucket, purpose: Purpose::Media { most } };
    let backup_bucket = Bucket { name: &valid.backup_bucket, purpose: Purpose::Backup };
    let looked = futures::join!(
        bucket(context, valid, observed, Which::Media, media_bucket, media),
        bucket(context, valid, observed, Which::Backup, backup_bucket, backup),
    );
    let (state, failure) = match both(looked.0, looked.1) {
        Ok(state) => (state, None),
        Err(Error::Bucket(error)) => {
            let why = chain(&error);
            tracing::warn!(instance.name = valid.name, error = why, "a bucket can't be had for now");
            (BucketState::Unavailable(why.clone()), Some((why, Instant::now())))
        }
        Err(error) => return Err(error),
    };
    context.with_memory(&valid.name, |memory| memory.buckets.failed = failure);
    Ok(state)
}

/// The worse of the two.
fn both(media: Result<BucketState, Error>, backup: Result<BucketState, Error>) -> Result<BucketState, Error> {
    let (media, backup) = (media?, backup?);
    Ok(if media == BucketState::There { backup } else { media })
}

/// A bucket: prepared once for each key, afterwards only looked for.
async fn bucket(
    context: &Context,
    valid: &Valid<'_>,
    observed: &Observed,
    which: Which,
    bucket: Bucket<'_>,
    made: Made,
) -> Result<BucketState, Error> {
    let Made { uid, content: fresh } = made;
    let remember = |look: Option<Look>| context.with_memory(&valid.name, |memory| *which.of(&mut memory.buckets) = look);
    let looked = context.with_memory(&valid.name, |memory| which.of(&mut memory.buckets).clone());
    let looked = looked.filter(|look| look.uid == uid && look.purpose == bucket.purpose);
    if looked.as_ref().is_some_and(|look| Instant::now() < look.until) {
        return Ok(BucketState::There);
    }
    let look = Look { uid, purpose: bucket.purpose, until: Instant::now() + LOOK };
    let filled = observed.status.database_initialised;
    let was_there = observed.status.buckets.as_ref().is_some_and(|noted| noted.backup.is_some());
    if looked.is_some() || filled {
        let exists = context.buckets.exists(bucket.name).await?;
        // A server that is older than these buckets has just been given the key of one that is still to be made. One that was there
        // once is lost, whatever becomes of its Secret.
        let to_be_made = matches!(which, Which::Backup) && fresh.is_some() && !was_there;
        if !exists && filled && !to_be_made {
            // Should it come back, it is prepared again.
            remember(Some(Look { uid: String::new(), until: Instant::now(), ..look }));
            return Ok(BucketState::Lost(bucket.name.to_owned()));
        }
        if exists && looked.is_some() {
            remember(Some(look));
            return Ok(BucketState::There);
        }
    }
    // Also for a bucket that is there: the key may be a new one.
    let name = which.secret();
    let data = content(context, valid, name, fresh).await?.data.unwrap_or_default();
    let text = |variable: &str| {
        let bytes = data.get(variable).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
        bytes.ok_or_else(|| Error::Foreign(format!("Secret {name} (it has no {variable})")))
    };
    let key = BucketKey { access: text("AWS_ACCESS_KEY_ID")?, secret: text("AWS_SECRET_ACCESS_KEY")?.into() };
    if Bug::NotesBeforeDoing.is_made() {
        remember(Some(look.clone()));
    }
    context.buckets.ensure(bucket, &key).await?;
    match which {
        Which::Media => crash::point("operator.bucket_made"),
        Which::Backup => crash::point("operator.backup_bucket_made"),
    }
    remember(Some(look));
    Ok(BucketState::There)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_prepared_is_known_after_a_start() {
        let prepared = |secret: &str, most| Some(PreparedBucket { secret: secret.to_owned(), most });
        let noted = PreparedBuckets { media: prepared("m", Some(7)), backup: prepared("b", None) };
        let status = InstanceStatus { buckets: Some(noted.clone()), ..InstanceStatus::default() };
        let recalled = Remembered::recalled(&status);
        let media = recalled.media.as_ref().unwrap();
        assert_eq!((media.uid.as_str(), media.purpose), ("m", Purpose::Media { most: 7 }));
        assert!(media.until <= Instant::now() + LOOK);
        assert_eq!(recalled.noted(None), Some(noted.clone()));
        // What is not known stays as it was.
        assert_eq!(Remembered::default().noted(Some(noted.clone())), Some(noted));
        assert_eq!(Remembered::default().noted(None), None);
    }
}
