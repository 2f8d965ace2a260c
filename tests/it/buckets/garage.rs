//! Garage itself. It takes a quarter of an hour to build, so these tests run when asked for: `./dev garage`.

use std::sync::Arc;

use paddock::demo::rig::Garage;
use paddock::operator::bucket::{Bucket, BucketKey, Purpose};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::sync::OnceCell;

use super::{MEDIA, Store, new_name};

async fn garage() -> &'static Garage {
    static GARAGE: OnceCell<Arc<Garage>> = OnceCell::const_new();
    GARAGE.get_or_init(async || Arc::new(Garage::shared().await.unwrap())).await
}

async fn store() -> Store {
    // The operator's own key; the same for all operators.
    static KEY: OnceCell<BucketKey> = OnceCell::const_new();
    let garage = garage().await;
    let key = KEY.get_or_init(async || BucketKey::generate()).await;
    let more = json!({"driver": "garage", "admin_endpoint": garage.admin(), "admin_token": garage.admin_token()});
    Store::connect(garage.s3(), garage.region(), (&key.access, key.secret.expose_secret()), more)
}

#[tokio::test]
#[ignore = "needs Garage: ./dev garage"]
async fn each_key_of_garage_opens_its_own_bucket_alone() {
    super::each_key_opens_its_own_bucket_alone(&store().await).await;
}

#[tokio::test]
#[ignore = "needs Garage: ./dev garage"]
async fn of_garage_media_are_public_and_nothing_else_is() {
    let garage = garage().await;
    let ask = async |bucket: &str, path: &str| {
        let host = format!("{bucket}{}", garage.web_domain());
        reqwest::Client::new().get(format!("{}/{path}", garage.web())).header("host", host)
    };
    super::media_are_public_and_nothing_else_is(&store().await, ask).await;
}

#[tokio::test]
#[ignore = "needs Garage: ./dev garage"]
async fn with_garage_everything_may_be_done_twice() {
    super::everything_may_be_done_twice(&store().await, &store().await).await;
}

#[tokio::test]
#[ignore = "needs Garage: ./dev garage"]
async fn what_is_removed_from_garage_is_gone_with_its_key() {
    super::what_is_removed_is_gone_with_its_key(&store().await).await;
}

#[tokio::test]
#[ignore = "needs Garage: ./dev garage"]
async fn garage_keeps_a_server_within_its_room_and_a_key_can_not_widen_it() {
    let store = store().await;
    let name = new_name();
    let key = store.buckets.new_key();
    let small = Bucket { name: &name, purpose: Purpose::Media { most: 100_000 } };
    store.buckets.ensure(small, &key).await.unwrap();
    let client = store.with(&key);
    client.put(&format!("/{name}/cache/small"), vec![0; 60_000]).await;
    // Garage counts a moment later.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while client.status("PUT", &format!("/{name}/cache/large"), vec![0; 60_000]).await != 403 {
        assert!(tokio::time::Instant::now() < deadline, "there is no limit");
        client.status("DELETE", &format!("/{name}/cache/large"), "").await;
    }
    let website = "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>";
    assert_eq!(client.status("PUT", &format!("/{name}?website"), website).await, 403, "a server can't open its archives to all");
    store.buckets.ensure(Bucket { name: &name, purpose: MEDIA }, &key).await.unwrap();
    client.put(&format!("/{name}/cache/large"), vec![0; 60_000]).await;
}

#[tokio::test]
#[ignore = "needs Garage: ./dev garage"]
async fn a_key_that_garage_has_deleted_says_what_to_do() {
    let store = store().await;
    let (name, key) = (new_name(), store.buckets.new_key());
    let bucket = Bucket { name: &name, purpose: Purpose::Backup };
    store.buckets.ensure(bucket, &key).await.unwrap();
    store.buckets.remove(&name).await.unwrap();
    let burnt = store.buckets.ensure(bucket, &key).await.unwrap_err().to_string();
    assert!(burnt.contains("delete the Secret"), "{burnt}");
    store.buckets.ensure(bucket, &store.buckets.new_key()).await.unwrap();
    // Another secret under a name that is taken is not ours.
    let taken = BucketKey { access: store.buckets.new_key().access, secret: BucketKey::generate().secret };
    store.buckets.ensure(Bucket { name: &new_name(), purpose: Purpose::Backup }, &taken).await.unwrap();
    let other = BucketKey { access: taken.access.clone(), secret: BucketKey::generate().secret };
    assert!(store.buckets.ensure(bucket, &other).await.unwrap_err().to_string().contains("another secret"));
}
