//! VersityGW, the one of the rig.

use paddock::demo::rig::{REGION, Rig};
use paddock::operator::bucket::{Bucket, Purpose, Removal};
use serde_json::json;

use super::{Store, new_name};
use crate::harness::S3Client;

pub async fn store() -> Store {
    let s3 = Rig::shared().await.unwrap().s3();
    Store::connect(s3.endpoint(), REGION, s3.root_credentials(), json!({"driver": "versitygw"}))
}

#[tokio::test]
async fn each_key_of_versitygw_opens_its_own_bucket_alone() {
    super::each_key_opens_its_own_bucket_alone(&store().await).await;
}

#[tokio::test]
async fn of_versitygw_media_are_public_and_nothing_else_is() {
    let store = store().await;
    let ask = async |bucket: &str, path: &str| reqwest::Client::new().get(format!("{}/{bucket}/{path}", store.endpoint));
    super::media_are_public_and_nothing_else_is(&store, ask).await;
}

#[tokio::test]
async fn with_versitygw_everything_may_be_done_twice() {
    super::everything_may_be_done_twice(&store().await, &store().await).await;
}

#[tokio::test]
async fn what_is_removed_from_versitygw_is_gone_with_its_key() {
    super::what_is_removed_is_gone_with_its_key(&store().await).await;
}

#[tokio::test]
async fn a_key_that_was_given_a_bucket_by_hand_outlives_it() {
    let store = store().await;
    let (other, key) = (new_name(), store.buckets.new_key());
    store.buckets.ensure(Bucket { name: &other, purpose: Purpose::Backup }, &key).await.unwrap();
    let client = store.with(&key);
    assert_eq!(client.status("PUT", &format!("/{other}/kept"), "kept").await, 200);
    let (access, secret) = Rig::shared().await.unwrap().s3().root_credentials();
    let root = S3Client::new(&store.endpoint, REGION, access, secret);
    for empty in [false, true] {
        let handed = store.bucket(new_name(), Purpose::Backup).await;
        let path = format!("/change-bucket-owner?bucket={}&owner={}", handed.name, key.access);
        assert_eq!(root.status("PATCH", &path, "").await, 200);
        if empty {
            store.buckets.remove_empty(&handed.name).await.unwrap();
        } else {
            assert_eq!(store.buckets.remove(&handed.name).await.unwrap(), Removal::Gone);
        }
        assert!(!store.buckets.exists(&handed.name).await.unwrap());
        assert_eq!(client.status("GET", &format!("/{other}/kept"), "").await, 200, "it opens its own bucket still");
    }
}
