//! VersityGW, the one of the rig.

use paddock::demo::rig::{REGION, Rig};
use serde_json::json;

use super::Store;

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
