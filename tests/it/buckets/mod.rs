//! What must hold of every object store that we administer, on real servers: each key opens its own bucket alone, media are public
//! and nothing else is, everything may be done twice, and what is removed is gone.

mod garage;
mod shared_key;
mod versitygw;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use paddock::clock::{SharedClock, SystemClock};
use paddock::ids::InstanceId;
use paddock::operator::bucket::{Bucket, BucketKey, Buckets, Purpose, Removal, Size, connect};
use paddock::operator::settings::Storage;
use paddock::resource::namespace_name;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::harness::S3Client;

const MEDIA: Purpose = Purpose::Media { most: 1 << 30 };

/// A store under test.
struct Store {
    buckets: Arc<dyn Buckets>,
    endpoint: String,
    region: &'static str,
}

impl Store {
    /// `driver` and everything else that differs, over what all have.
    fn connect(endpoint: &str, region: &'static str, (access, secret): (&str, &str), more: Value) -> Self {
        let mut settings = json!({
            "pod_endpoint": endpoint, "endpoint": endpoint, "region": region, "access_key": access, "secret_key": secret,
            "media_host": "files.example",
        });
        if let (Value::Object(settings), Value::Object(more)) = (&mut settings, more) {
            settings.extend(more);
        }
        let storage: Storage = serde_json::from_value(settings).unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        Self { buckets: connect(&storage, &clock).unwrap(), endpoint: endpoint.to_owned(), region }
    }

    fn with(&self, key: &BucketKey) -> S3Client {
        S3Client::new(&self.endpoint, self.region, &key.access, key.secret.expose_secret())
    }

    /// A bucket, ready, with its name, its key and a client that has the key.
    async fn bucket(&self, name: String, purpose: Purpose) -> Made {
        let key = self.buckets.new_key();
        self.buckets.ensure(Bucket { name: &name, purpose }, &key).await.unwrap();
        Made { client: self.with(&key), name }
    }
}

struct Made {
    name: String,
    client: S3Client,
}

impl Made {
    fn path(&self, object: &str) -> String {
        format!("/{}/{object}", self.name)
    }
}

fn new_name() -> String {
    namespace_name(InstanceId::new())
}

/// Everything that one might try with a key of somebody else's bucket: method, what follows the bucket's name, body.
const ATTEMPTS: [(&str, &str, &str); 11] = [
    ("GET", "/kept/thing", ""),
    ("HEAD", "/kept/thing", ""),
    ("PUT", "/kept/thing", "overwritten"),
    ("PUT", "/more/thing", "added"),
    ("DELETE", "/kept/thing", ""),
    ("POST", "/kept/large?uploads", ""),
    ("GET", "?list-type=2", ""),
    ("GET", "?uploads", ""),
    ("HEAD", "", ""),
    ("DELETE", "", ""),
    ("POST", "?delete", "<Delete><Object><Key>kept/thing</Key></Object></Delete>"),
];

/// What changes who may do what. A store that does not know such a thing may say that instead.
const TAKEOVERS: [(&str, &str, &str); 5] = [
    ("GET", "?policy", ""),
    (
        "PUT",
        "?policy",
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::*\"}]}",
    ),
    ("DELETE", "?policy", ""),
    (
        "PUT",
        "?cors",
        "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PUT</AllowedMethod></CORSRule></CORSConfiguration>",
    ),
    ("PUT", "?website", "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument></WebsiteConfiguration>"),
];

/// Media and backups of two servers, and the vault: each of the five keys on the four buckets that are not its own.
async fn each_key_opens_its_own_bucket_alone(store: &Store) {
    let (cats, dogs) = (new_name(), new_name());
    let mut all = Vec::new();
    for (name, purpose) in [
        (format!("{cats}-backup"), Purpose::Backup),
        (cats, MEDIA),
        (format!("{dogs}-backup"), Purpose::Backup),
        (dogs, MEDIA),
        (format!("vault-{}", new_name()), Purpose::Vault),
    ] {
        all.push(store.bucket(name, purpose).await);
    }
    for one in &all {
        one.client.put(&one.path("kept/thing"), one.name.clone()).await;
    }
    let mut refused = 0;
    for one in &all {
        for other in all.iter().filter(|other| other.name != one.name) {
            for (method, path, body) in ATTEMPTS {
                let (status, text) = one.client.ask(method, &format!("/{}{path}", other.name), body).await;
                // Of several at once S3 says for each whether it could be deleted.
                let denied = status == 200 && text.contains("<Code>AccessDenied</Code>") && !text.contains("<Deleted>");
                let refused_all = status == 403 || path == "?delete" && denied;
                assert!(refused_all, "{method} {}{path} with the key of {}: {status} {text}", other.name, one.name);
                refused += 1;
            }
            for (method, path, body) in TAKEOVERS {
                let status = one.client.status(method, &format!("/{}{path}", other.name), body).await;
                assert!([403, 501].contains(&status), "{method} {}{path} with the key of {}: {status}", other.name, one.name);
                refused += 1;
            }
            // Into one's own bucket, out of the other.
            let source = other.path("kept/thing");
            let (status, text) = one.client.send("PUT", &one.path("stolen"), &[("x-amz-copy-source", &source)], "").await;
            assert_eq!(status, 403, "a copy of {source} with the key of {}: {text}", one.name);
            refused += 1;
        }
        let status = one.client.status("PUT", &format!("/{}", new_name()), "").await;
        assert_eq!(status, 403, "a key makes no buckets");
    }
    println!("{refused} attempts with {} keys, 403 throughout", all.len());
    for one in &all {
        assert_eq!(one.client.send("GET", &one.path("kept/thing"), &[], "").await, (200, one.name.clone()));
        let (_, listed) = one.client.send("GET", &format!("/{}?list-type=2", one.name), &[], "").await;
        assert_eq!(listed.matches("<Contents>").count(), 1, "{listed}");
        let anonymous = reqwest::get(format!("{}{}", store.endpoint, one.path("kept/thing"))).await.unwrap();
        assert_eq!(anonymous.status().as_u16(), 403, "{}", one.name);
        // Not even of its own bucket can a key change who may do what.
        for (method, path, body) in TAKEOVERS {
            let status = one.client.status(method, &format!("/{}{path}", one.name), body).await;
            assert!([403, 501].contains(&status), "{method} {}{path} with its own key: {status}", one.name);
        }
    }
}

/// `ask` asks the public side for a path of a bucket, without a key.
async fn media_are_public_and_nothing_else_is(store: &Store, ask: impl AsyncFn(&str, &str) -> reqwest::RequestBuilder) {
    let media = store.bucket(new_name(), MEDIA).await;
    let backup = store.bucket(format!("{}-backup", media.name), Purpose::Backup).await;
    let picture = "media_attachments/files/001/original/a%20cat%20%26%20more.png";
    media.client.put(&media.path(picture), "a picture").await;
    media.client.put(&media.path("backups/dumps/everything.zip"), "private").await;
    media.client.put(&media.path("media_attachmentsx"), "private").await;
    backup.client.put(&backup.path("media_attachments/base.tar"), "private").await;

    let shown = ask(&media.name, picture).await.header("origin", "https://elsewhere.example").send().await.unwrap();
    assert_eq!(shown.status().as_u16(), 200);
    assert_eq!(shown.headers()["access-control-allow-origin"], "*");
    assert_eq!(shown.text().await.unwrap(), "a picture");
    for (bucket, path) in [
        (&media.name, "backups/dumps/everything.zip"),
        (&media.name, "media_attachmentsx"),
        (&media.name, "media_attachments/"),
        (&media.name, ""),
        (&media.name, "?list-type=2"),
        (&backup.name, "media_attachments/base.tar"),
        (&backup.name, ""),
    ] {
        let hidden = ask(bucket, path).await.send().await.unwrap();
        let (status, text) = (hidden.status().as_u16(), hidden.text().await.unwrap());
        assert!([403, 404].contains(&status), "{bucket}/{path}: {status}");
        assert!(!text.contains("private") && !text.contains("<Contents>"), "{bucket}/{path}: {text}");
    }
}

/// Two operators at once, and then another key.
async fn everything_may_be_done_twice(store: &Store, other: &Store) {
    let (name, key) = (new_name(), store.buckets.new_key());
    let bucket = Bucket { name: &name, purpose: MEDIA };
    let both = futures::join!(
        store.buckets.ensure(bucket, &key),
        other.buckets.ensure(bucket, &key),
        store.buckets.ensure(bucket, &key),
        other.buckets.ensure(bucket, &key),
    );
    // An operator that met the other's half-made work tries again.
    println!("four at once: {both:?}");
    store.buckets.ensure(bucket, &key).await.unwrap();
    assert!(store.buckets.exists(&name).await.unwrap());
    store.with(&key).put(&format!("/{name}/thing"), "kept").await;
    store.buckets.ensure(bucket, &key).await.unwrap();

    let next = store.buckets.new_key();
    store.buckets.ensure(bucket, &next).await.unwrap();
    assert_eq!(store.with(&next).send("GET", &format!("/{name}/thing"), &[], "").await, (200, "kept".to_owned()));
    assert_eq!(store.with(&key).status("GET", &format!("/{name}/thing"), "").await, 403, "the old key opens nothing any more");
    assert!(!store.buckets.exists(&new_name()).await.unwrap());
}

async fn what_is_removed_is_gone_with_its_key(store: &Store) {
    let media = store.bucket(new_name(), MEDIA).await;
    let neighbour = store.bucket(new_name(), MEDIA).await;
    neighbour.client.put(&neighbour.path("kept"), "kept").await;
    let strange = ["a%20b%2Bc", "%26%3Camp%3B%3E%27%22", "%C3%A9/%E6%97%A5"];
    for name in strange {
        media.client.put(&media.path(name), "strange").await;
    }
    let made = stream::iter(0..1100)
        .map(|number| {
            let (client, path) = (media.client.clone(), media.path(&format!("cache/{number:04}")));
            async move { client.put(&path, "four").await }
        })
        .buffer_unordered(16);
    made.collect::<Vec<()>>().await;
    let begun = media.client.send("POST", &media.path("begun?uploads"), &[], "").await;
    assert_eq!(begun.0, 200, "{}", begun.1);

    let whole = Size { objects: 1103, bytes: 1100 * 4 + 3 * 7 };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        // Garage counts a moment later.
        let size = store.buckets.size(&media.name).await.unwrap();
        if size == whole {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{size:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(store.buckets.remove_empty(&media.name).await.is_err(), "a bucket with something in it stays");
    let has = async |prefix: &str| store.buckets.has(&media.name, prefix).await.unwrap();
    assert_eq!((has("cache/00").await, has("cache/").await, has("none/").await), (true, true, false));
    assert_eq!(media.client.status("GET", &media.path("cache/0001"), "").await, 200, "and so does its key");

    let mut removed = 0;
    loop {
        match store.buckets.remove(&media.name).await.unwrap() {
            Removal::Gone => break,
            Removal::Emptying { removed: some } => removed += some,
        }
        assert_eq!(media.client.status("PUT", &media.path("more"), "more").await, 403, "nobody puts anything in meanwhile");
    }
    assert_eq!(removed, 1103);
    assert!(!store.buckets.exists(&media.name).await.unwrap() && !has("").await);
    assert_eq!(store.buckets.remove(&media.name).await.unwrap(), Removal::Gone, "again");
    assert_eq!(neighbour.client.status("GET", &neighbour.path("kept"), "").await, 200, "others are left alone");

    let empty = store.bucket(new_name(), Purpose::Backup).await;
    store.buckets.remove_empty(&empty.name).await.unwrap();
    store.buckets.remove_empty(&empty.name).await.unwrap();
    assert!(!store.buckets.exists(&empty.name).await.unwrap());
    assert_eq!(empty.client.status("PUT", &empty.path("more"), "more").await, 403);
}
