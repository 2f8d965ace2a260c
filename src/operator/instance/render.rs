//! What would be written, without a cluster: for those who check beforehand whether a cluster takes it.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::Value;

use super::buckets::BucketState;
use super::build::{self, Attempts, names};
use super::found::Foundation;
use super::identity::{Identity, random_hex};
use super::keys::Known;
use super::validate::{Refusal, validate};
use crate::operator::bucket::BucketKey;
use crate::operator::settings::Settings;
use crate::resource::{InstanceStatus, MastodonInstance};

/// Nothing was tried yet.
const FIRST: Attempts = Attempts { prepare: 1, seed: 1, owner: 1, backup: 1, pre: 1, post: 1, major: [1; 3] };

/// Every object of an instance, the namespace first, then what stands before anything is built, then the rest in the order in which it
/// is made. The keys in it are made up and open nothing.
///
/// # Errors
/// The instance can't be brought about with these settings.
pub fn render(settings: &Settings, instance: &MastodonInstance) -> Result<Vec<Value>, Refusal> {
    let valid = validate(settings, instance, &InstanceStatus::default(), &BTreeMap::new())?;
    let foundation =
        Foundation { secrets: 0, identity: Known { fingerprint: String::new(), unproven: None }, bucket: BucketState::There };
    let objects = build::build(&valid, &foundation, FIRST);
    let mut all = vec![
        build::namespace(&valid).body,
        build::identity_secret(&valid, &Identity::generate()),
        build::bucket_secret(&valid, names::MEDIA, &BucketKey::generate()),
        build::bucket_secret(&valid, names::BACKUP, &BucketKey::generate()),
        build::cache_password(&valid, &SecretString::from(random_hex::<32>())),
    ];
    all.extend(objects.into_all().into_iter().map(|object| object.body));
    Ok(all)
}
