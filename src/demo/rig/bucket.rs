//! Writes into a bucket as somebody who has a key of it. (The stand-ins that do so speak to Kubernetes; this does not.)

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use url::Url;

use crate::archive::key::MediaKey;
use crate::archive::media::{S3Address, S3Target, Target as _};
use crate::clock::SystemClock;
use crate::crypto::sha256;
use crate::telemetry::chain;

/// A bucket and a key.
#[derive(Clone)]
pub(super) struct Place {
    /// Address of the server.
    pub endpoint: String,
    /// Region that requests are signed for.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

/// Writes a small object, which may be there already with the same content.
///
/// # Errors
/// Why it could not be written, as a sentence: there is no such bucket, or the key does not open it.
pub(super) async fn write(place: Place, name: String, body: Vec<u8>) -> Result<(), String> {
    let handle = Handle::current();
    let written = spawn_blocking(move || put(&handle, place, &name, &body));
    written.await.unwrap_or_else(|error| Err(error.to_string()))
}

fn put(handle: &Handle, place: Place, name: &str, body: &[u8]) -> Result<(), String> {
    let Place { endpoint, region, bucket, access_key, secret_key } = place;
    let address = S3Address {
        endpoint: endpoint.parse::<Url>().map_err(|error| format!("{endpoint} is no address: {error}"))?,
        region,
        bucket,
        prefix: String::new(),
        access_key,
        secret_key: secret_key.into(),
        acl: None,
    };
    let key = MediaKey::new(name).map_err(|error| format!("{name} {error}"))?;
    let size = u64::try_from(body.len()).map_err(|error| error.to_string())?;
    let mut target = S3Target::new(handle, address, Arc::new(SystemClock)).map_err(|error| chain(&error))?;
    target.put(&key, size, &hex::encode(sha256(body)), &mut &body[..]).map_err(|error| chain(&error))?;
    target.finish().map_err(|error| chain(&error))
}
