//! A server of which we have one key for all: VersityGW, without its admin API.

use paddock::demo::rig::{REGION, Rig};
use paddock::operator::bucket::{Bucket, BucketError, BucketKey, Purpose, Removal};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{MEDIA, Store, new_name, versitygw};
use crate::harness::S3Client;

/// With the root account's key: what it may do no policy takes away, as it is with other servers' keys.
async fn store() -> Store {
    let s3 = Rig::shared().await.unwrap().s3();
    let more = json!({"driver": "static", "accept_shared_key": s3.root_credentials().0});
    Store::connect(s3.endpoint(), REGION, s3.root_credentials(), more)
}

/// With a key that may make buckets and does not open those of others.
async fn store_of_its_own() -> Store {
    let s3 = Rig::shared().await.unwrap().s3();
    let BucketKey { access, secret } = BucketKey::generate();
    let secret = secret.expose_secret();
    let (root, root_secret) = s3.root_credentials();
    let account = format!("<Account><Access>{access}</Access><Secret>{secret}</Secret><Role>userplus</Role></Account>");
    let made = S3Client::new(s3.endpoint(), REGION, root, root_secret).send("PATCH", "/create-user", &[], account).await;
    assert_eq!(made.0, 201, "{}", made.1);
    Store::connect(s3.endpoint(), REGION, (&access, secret), json!({"driver": "static", "accept_shared_key": access}))
}

#[tokio::test]
async fn with_one_key_for_all_media_are_public_and_nothing_else_is() {
    let store = store().await;
    let ask = async |bucket: &str, path: &str| reqwest::Client::new().get(format!("{}/{bucket}/{path}", store.endpoint));
    super::media_are_public_and_nothing_else_is(&store, ask).await;
}

#[tokio::test]
async fn with_one_key_for_all_everything_may_be_done_twice_and_no_other_key_is_taken() {
    let store = store().await;
    let (name, key) = (new_name(), store.buckets.new_key());
    let bucket = Bucket { name: &name, purpose: MEDIA };
    let both = futures::join!(store.buckets.ensure(bucket, &key), store.buckets.ensure(bucket, &key));
    println!("two at once: {both:?}");
    store.buckets.ensure(bucket, &key).await.unwrap();
    store.with(&key).put(&format!("/{name}/thing"), "kept").await;
    assert_eq!(store.buckets.size(&name).await.unwrap().objects, 1);
    let other = store.buckets.ensure(bucket, &BucketKey::generate()).await.unwrap_err();
    assert!(matches!(other, BucketError::NotTheSharedKey), "{other}");

    assert!(store.buckets.remove_empty(&name).await.is_err());
    assert_eq!(store.buckets.remove(&name).await.unwrap(), Removal::Emptying { removed: 1 });
    assert_eq!(store.buckets.remove(&name).await.unwrap(), Removal::Gone);
    assert_eq!(store.buckets.remove(&name).await.unwrap(), Removal::Gone);
    assert!(!store.buckets.exists(&name).await.unwrap());
}

#[tokio::test]
async fn the_key_that_all_servers_have_must_not_open_the_vault() {
    let (store, root) = (store_of_its_own().await, versitygw::store().await);
    let name = format!("vault-{}", new_name());
    let (vault, key) = (Bucket { name: &name, purpose: Purpose::Vault }, BucketKey::generate());
    let missing = store.buckets.ensure(vault, &key).await.unwrap_err();
    assert!(matches!(missing, BucketError::NoVault(_)), "{missing}");
    root.buckets.ensure(vault, &key).await.unwrap();
    store.buckets.ensure(vault, &key).await.unwrap();
    // One that it does open.
    let own = new_name();
    store.with(&store.buckets.new_key()).put(&format!("/{own}"), "").await;
    let open = store.buckets.ensure(Bucket { name: &own, purpose: Purpose::Vault }, &key).await.unwrap_err();
    assert!(matches!(open, BucketError::VaultOpen), "{open}");
}
