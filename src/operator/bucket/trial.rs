//! Trying the store out: a bucket is made, written to, read, kept from another key, and removed. For those who check before customers
//! come.

use reqwest::{Method, StatusCode};

use super::s3::{Ask, S3};
use super::{Bucket, BucketError, BucketKey, Buckets, Purpose, Removal, connect};
use crate::clock::SharedClock;
use crate::crypto;
use crate::operator::error::Error;
use crate::operator::settings::Storage;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// Each bucket is for its own key.
    Apart,
    /// Every bucket has the same key.
    OneKey,
}

/// Tries it out; what was made is removed, also after a failure.
///
/// # Errors
/// The first thing that the store does otherwise than it should.
pub async fn try_out(storage: &Storage, clock: &SharedClock) -> Result<Trial, Error> {
    let buckets = connect(storage, clock)?;
    let name = |which: &str| format!("preflight-{which}-{}", hex::encode(crypto::random::<6>()));
    let (one, two) = (name("one"), name("two"));
    let found = exchange(storage, clock, buckets.as_ref(), [&one, &two]).await;
    let cleared = [clear(buckets.as_ref(), &one).await, clear(buckets.as_ref(), &two).await];
    let found = found?;
    for one in cleared {
        one?;
    }
    Ok(found)
}

async fn exchange(storage: &Storage, clock: &SharedClock, buckets: &dyn Buckets, names: [&str; 2]) -> Result<Trial, Error> {
    let [one, two] = names;
    let keys = [buckets.new_key(), buckets.new_key()];
    for (name, key) in names.iter().zip(&keys) {
        buckets.ensure(Bucket { name, purpose: Purpose::Backup }, key).await?;
    }
    let [first, second] = &keys;
    let (owner, other) = (open(storage, clock, first)?, open(storage, clock, second)?);
    let content = crypto::random::<64>();
    let path = format!("{one}/preflight");
    owner.demand(Ask::new("write an object", Method::PUT, &path).body(content), &[]).await?;
    let read = owner.demand(Ask::new("read an object", Method::GET, &path), &[]).await?;
    if read.body != content {
        return Err(BucketError::Garbled { what: "read what was written" }.into());
    }
    if first.access == second.access {
        return Ok(Trial::OneKey);
    }
    let what = "keep another key out of a bucket";
    for (method, path) in [(Method::GET, path.as_str()), (Method::PUT, path.as_str()), (Method::GET, one)] {
        let answer = other.ask(Ask::new(what, method, path)).await?;
        if answer.status != StatusCode::FORBIDDEN {
            return Err(BucketError::Refused { what, status: answer.status.as_u16(), code: answer.code() }.into());
        }
    }
    // What it may not do there, it may do at home.
    other.demand(Ask::new("write an object", Method::PUT, format!("{two}/preflight")).body(content), &[]).await?;
    Ok(Trial::Apart)
}

fn open(storage: &Storage, clock: &SharedClock, key: &BucketKey) -> Result<S3, Error> {
    let BucketKey { access, secret } = key;
    S3::new(&storage.endpoint, &storage.region, access, secret, clock.clone()).map_err(Error::Client)
}

async fn clear(buckets: &dyn Buckets, name: &str) -> Result<(), Error> {
    while let Removal::Emptying { removed: _ } = buckets.remove(name).await? {}
    Ok(())
}
