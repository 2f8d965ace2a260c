//! Garage, by its admin API v2 (bearer token, JSON, a port of its own).
//!
//! Read from `garage_api_admin` 2.5.0: `router_v2.rs`, `bucket.rs`, `key.rs`, `api.rs`; and `garage_web` 2.5.0 for how routing rules are
//! followed. Garage has neither ACLs nor policies: its S3 side answers nobody without a key, and what is public is what its website
//! side serves (`[s3_web]`, by the host name `<bucket>.<root_domain>`), which knows rules. Names of keys that were deleted are never
//! given again.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::s3::{S3, plain_word};
use super::{Bucket, BucketError, BucketKey, Buckets, PUBLIC_FOLDERS, Purpose, Removal, Size};
use crate::operator::settings::Storage;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A Garage that we administer.
pub struct Garage {
    client: reqwest::Client,
    admin: Option<Url>,
    token: SecretString,
    /// A key of our own, which opens nothing but a bucket that is being emptied: the admin API lists and deletes no objects.
    sweeper: S3,
    sweeper_key: BucketKey,
}

impl fmt::Debug for Garage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Garage").field("admin", &self.admin.as_ref().map(Url::as_str)).finish_non_exhaustive()
    }
}

/// A bucket, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    id: String,
    website_access: bool,
    #[serde(default)]
    website_config: Option<Value>,
    #[serde(default)]
    cors_rules: Option<Value>,
    keys: Vec<Grant>,
    objects: i64,
    bytes: i64,
    quotas: Value,
}

/// Who may do what with a bucket.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grant {
    access_key_id: String,
    name: String,
    permissions: Rights,
}

/// What a key may do with a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Rights {
    read: bool,
    write: bool,
    owner: bool,
}

/// A server's key: it can't change what is public, nor the limit.
const USE: Rights = Rights { read: true, write: true, owner: false };

/// A key as the store knows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KnownKey {
    secret_access_key: SecretString,
}

/// One request to the admin API.
struct Call {
    what: &'static str,
    method: Method,
    path: String,
    body: Value,
}

impl Call {
    fn get(what: &'static str, path: String) -> Self {
        Self { what, method: Method::GET, path, body: Value::Null }
    }

    fn post(what: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self { what, method: Method::POST, path: path.into(), body }
    }
}

impl Garage {
    /// With the admin API of these settings, and their key for emptying buckets.
    pub(super) fn new(sweeper: S3, storage: &Storage) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            admin: storage.admin_endpoint.clone(),
            token: storage.admin_token.clone().unwrap_or_default(),
            sweeper_key: BucketKey { access: storage.access_key.clone(), secret: storage.secret_key.clone() },
            sweeper,
        })
    }

    /// Lets our own key into a bucket.
    async fn let_sweeper_in(&self, info: &Info) -> Result<(), BucketError> {
        let sweeper = &self.sweeper_key.access;
        self.ensure_key(&self.sweeper_key, "paddock").await?;
        let had = info.keys.iter().find(|grant| grant.access_key_id == *sweeper).map(|grant| grant.permissions);
        self.grant(info, sweeper, had, USE).await
    }

    async fn ask(&self, call: Call) -> Result<(StatusCode, Vec<u8>), BucketError> {
        let Call { what, method, path, body } = call;
        let url = self.admin.as_ref().and_then(|admin| admin.join(&path).ok()).ok_or(BucketError::Garbled { what })?;
        let mut request = self.client.request(method, url).bearer_auth(self.token.expose_secret());
        if !body.is_null() {
            request = request.json(&body);
        }
        let unreachable = |source: reqwest::Error| BucketError::Unreachable { what, source: source.without_url() };
        let answer = request.send().await.map_err(unreachable)?;
        Ok((answer.status(), answer.bytes().await.map_err(unreachable)?.to_vec()))
    }

    /// The answer read; nothing for a status of `absent`; an error for any other that is no success.
    async fn demand<T: DeserializeOwned>(&self, call: Call, absent: &[StatusCode]) -> Result<Option<T>, BucketError> {
        let what = call.what;
        let (status, body) = self.ask(call).await?;
        if absent.contains(&status) {
            return Ok(None);
        }
        if !status.is_success() {
            let code = serde_json::from_slice::<Value>(&body).ok().and_then(|body| Some(plain_word(body["code"].as_str()?)));
            return Err(BucketError::Refused { what, status: status.as_u16(), code: code.unwrap_or_default() });
        }
        serde_json::from_slice(&body).map(Some).map_err(|_| BucketError::Garbled { what })
    }

    async fn info(&self, bucket: &str) -> Result<Option<Info>, BucketError> {
        let path = format!("v2/GetBucketInfo?globalAlias={bucket}");
        self.demand(Call::get("look for a bucket", path), &[StatusCode::NOT_FOUND]).await
    }

    /// The key with the secret that we chose. `name` says to people what it is for: the bucket's name.
    async fn ensure_key(&self, key: &BucketKey, name: &str) -> Result<(), BucketError> {
        let BucketKey { access, secret } = key;
        let path = format!("v2/GetKeyInfo?id={access}&showSecretKey=true");
        let look = || Call::get("look for a key", path.clone());
        let same = |known: &KnownKey| known.secret_access_key.expose_secret() == secret.expose_secret();
        if let Some(known) = self.demand::<KnownKey>(look(), &[StatusCode::NOT_FOUND]).await? {
            return if same(&known) { Ok(()) } else { Err(BucketError::KeyTaken(access.clone())) };
        }
        let body = json!({"accessKeyId": access, "secretAccessKey": secret.expose_secret(), "name": name});
        let import = Call::post("make a key", "v2/ImportKey", body);
        if self.demand::<Value>(import, &[StatusCode::CONFLICT]).await?.is_some() {
            return Ok(());
        }
        // Another operator was faster with the same key, or there was one of this name once.
        match self.demand::<KnownKey>(look(), &[StatusCode::NOT_FOUND]).await? {
            Some(known) if same(&known) => Ok(()),
            Some(_) | None => Err(BucketError::KeyTaken(access.clone())),
        }
    }

    async fn ensure_bucket(&self, bucket: &str) -> Result<Info, BucketError> {
        if let Some(info) = self.info(bucket).await? {
            return Ok(info);
        }
        let what = "make a bucket";
        let make = Call::post(what, "v2/CreateBucket", json!({"globalAlias": bucket}));
        self.demand::<Value>(make, &[StatusCode::CONFLICT]).await?;
        // By its name again: of two that were made at once, the name leads to one.
        self.info(bucket).await?.ok_or(BucketError::Garbled { what })
    }

    async fn grant(&self, bucket: &Info, access: &str, had: Option<Rights>, wanted: Rights) -> Result<(), BucketError> {
        let had = had.unwrap_or(Rights { read: false, write: false, owner: false });
        let Rights { read, write, owner } = wanted;
        let call = |what, path: &str, read: bool, write: bool, owner: bool| {
            let permissions = json!({"read": read, "write": write, "owner": owner});
            Call::post(what, path, json!({"bucketId": bucket.id, "accessKeyId": access, "permissions": permissions}))
        };
        let (more, less) = ("v2/AllowBucketKey", "v2/DenyBucketKey");
        if (read && !had.read) || (write && !had.write) || (owner && !had.owner) {
            self.demand::<Value>(call("give a key its bucket", more, read, write, owner), &[]).await?;
        }
        if (!read && had.read) || (!write && had.write) || (!owner && had.owner) {
            // One that is gone is shut out.
            let absent = [StatusCode::NOT_FOUND];
            self.demand::<Value>(call("shut a key out of a bucket", less, !read, !write, !owner), &absent).await?;
        }
        Ok(())
    }

    /// Shuts out every key but these. The others stay as keys, for a name that was deleted is never given again: when an operator that was
    /// behind shuts out the right one, the next that prepares the bucket lets it in again.
    async fn shut_out_others(&self, bucket: &Info, kept: &[&str]) -> Result<(), BucketError> {
        for Grant { access_key_id, name: _, permissions } in &bucket.keys {
            if !kept.contains(&access_key_id.as_str()) {
                let nothing = Rights { read: false, write: false, owner: false };
                self.grant(bucket, access_key_id, Some(*permissions), nothing).await?;
            }
        }
        Ok(())
    }

    /// Deletes the keys that were made for this bucket; see [`Self::ensure_key`].
    async fn delete_keys(&self, bucket: &Info, name: &str) -> Result<(), BucketError> {
        for Grant { access_key_id, name: made_for, permissions: _ } in &bucket.keys {
            if made_for == name && *access_key_id != self.sweeper_key.access {
                let delete = Call::post("remove a key", format!("v2/DeleteKey?id={access_key_id}"), Value::Null);
                self.demand::<Value>(delete, &[StatusCode::NOT_FOUND]).await?;
            }
        }
        Ok(())
    }

    async fn delete_bucket(&self, bucket: &Info) -> Result<(), BucketError> {
        let delete = Call::post("remove an empty bucket", format!("v2/DeleteBucket?id={}", bucket.id), Value::Null);
        self.demand::<Value>(delete, &[StatusCode::NOT_FOUND]).await.map(drop)
    }
}

/// What has to be changed about a bucket; nothing when it is as its purpose says.
fn changes(info: &Info, purpose: Purpose) -> Option<Value> {
    let (website, cors, most) = match purpose {
        Purpose::Media { most } => (Some(public_folders()), Some(cors()), Some(most)),
        Purpose::Backup | Purpose::Vault => (None, None, None),
    };
    let mut changes = serde_json::Map::new();
    let rules = info.website_config.as_ref().map(|config| &config["routingRules"]);
    match &website {
        Some(wanted) if !info.website_access || rules != Some(wanted) => {
            let access = json!({"enabled": true, "indexDocument": INDEX, "routingRules": wanted});
            changes.insert("websiteAccess".to_owned(), access);
        }
        None if info.website_access => drop(changes.insert("websiteAccess".to_owned(), json!({"enabled": false}))),
        Some(_) | None => {}
    }
    if info.cors_rules != cors {
        changes.insert("corsRules".to_owned(), cors.unwrap_or_else(|| json!([])));
    }
    let quotas = json!({"maxSize": most, "maxObjects": null});
    if info.quotas != quotas {
        changes.insert("quotas".to_owned(), quotas);
    }
    (!changes.is_empty()).then_some(Value::Object(changes))
}

/// What a website shows for a folder; Garage demands one. No rule leads to it.
const INDEX: &str = "index.html";

/// Rules that serve [`PUBLIC_FOLDERS`] as they are and answer 404 to all else. The first that fits decides; one with status 200
/// shows the object under the name that it makes, which here is the same.
fn public_folders() -> Value {
    let shown = |folder: &str| {
        let prefix = format!("{folder}/");
        json!({
            "Condition": {"KeyPrefixEquals": prefix},
            "Redirect": {"HttpRedirectCode": 200, "ReplaceKeyPrefixWith": prefix},
        })
    };
    let all_else = json!({"Condition": {}, "Redirect": {"HttpRedirectCode": 404, "ReplaceKeyWith": "not-public"}});
    PUBLIC_FOLDERS.into_iter().map(shown).chain([all_else]).collect()
}

fn cors() -> Value {
    json!([{
        "MaxAgeSeconds": 86400, "AllowedOrigin": ["*"], "AllowedMethod": ["GET", "HEAD"], "AllowedHeader": ["*"], "ExposeHeader": [],
    }])
}

#[async_trait]
impl Buckets for Garage {
    async fn ensure(&self, bucket: Bucket<'_>, key: &BucketKey) -> Result<(), BucketError> {
        self.ensure_key(key, bucket.name).await?;
        let info = self.ensure_bucket(bucket.name).await?;
        let had = |key: &str| info.keys.iter().find(|grant| grant.access_key_id == key).map(|grant| grant.permissions);
        self.grant(&info, &key.access, had(&key.access), USE).await?;
        if bucket.purpose == Purpose::Backup {
            // Archives are handed to customers, and removed when their time is over, with the administrator's key.
            let sweeper = self.sweeper_key.access.as_str();
            self.ensure_key(&self.sweeper_key, "paddock").await?;
            self.grant(&info, sweeper, had(sweeper), USE).await?;
            self.shut_out_others(&info, &[&key.access, sweeper]).await?;
        } else {
            self.shut_out_others(&info, &[&key.access]).await?;
        }
        if let Some(changes) = changes(&info, bucket.purpose) {
            let path = format!("v2/UpdateBucket?id={}", info.id);
            self.demand::<Value>(Call::post("set a bucket's rules", path, changes), &[]).await?;
        }
        Ok(())
    }

    async fn exists(&self, bucket: &str) -> Result<bool, BucketError> {
        Ok(self.info(bucket).await?.is_some())
    }

    async fn size(&self, bucket: &str) -> Result<Size, BucketError> {
        let missing = || BucketError::Refused { what: "measure a bucket", status: 404, code: "NoSuchBucket".to_owned() };
        let info = self.info(bucket).await?.ok_or_else(missing)?;
        let counted = |number: i64| u64::try_from(number).unwrap_or(0);
        Ok(Size { objects: counted(info.objects), bytes: counted(info.bytes) })
    }

    async fn has(&self, bucket: &str, prefix: &str) -> Result<bool, BucketError> {
        let Some(info) = self.info(bucket).await? else { return Ok(false) };
        self.let_sweeper_in(&info).await?;
        self.sweeper.has(bucket, prefix).await
    }

    async fn remove_empty(&self, bucket: &str) -> Result<(), BucketError> {
        let Some(info) = self.info(bucket).await? else { return Ok(()) };
        self.delete_bucket(&info).await?;
        self.delete_keys(&info, bucket).await
    }

    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError> {
        let Some(info) = self.info(bucket).await? else { return Ok(Removal::Gone) };
        self.delete_keys(&info, bucket).await?;
        self.shut_out_others(&info, &[&self.sweeper_key.access]).await?;
        self.let_sweeper_in(&info).await?;
        let removed = self.sweeper.take_away(bucket).await?;
        if removed > 0 {
            return Ok(Removal::Emptying { removed });
        }
        let body = json!({"bucketId": info.id, "olderThanSecs": 0});
        self.demand::<Value>(Call::post("give up unfinished uploads", "v2/CleanupIncompleteUploads", body), &[]).await?;
        self.delete_bucket(&info).await?;
        Ok(Removal::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(more: Value) -> Info {
        let mut info = json!({
            "id": "6f", "created": "2026-01-01T00:00:00Z", "globalAliases": ["b"], "websiteAccess": false, "keys": [], "objects": 0,
            "bytes": 0, "quotas": {"maxSize": null, "maxObjects": null},
        });
        if let (Value::Object(info), Value::Object(more)) = (&mut info, more) {
            info.extend(more);
        }
        serde_json::from_value(info).unwrap()
    }

    #[test]
    fn a_bucket_that_is_right_is_left_alone() {
        let media = Purpose::Media { most: 5 };
        let fresh = changes(&info(json!({})), media).unwrap();
        assert_eq!(fresh.as_object().unwrap().keys().collect::<Vec<_>>(), ["websiteAccess", "corsRules", "quotas"]);
        let website = json!({"indexDocument": INDEX, "errorDocument": null, "routingRules": public_folders()});
        let right = json!({
            "websiteAccess": true, "websiteConfig": website, "corsRules": cors(), "quotas": {"maxSize": 5, "maxObjects": null},
        });
        assert_eq!(changes(&info(right.clone()), media), None);
        assert_eq!(
            changes(&info(right.clone()), Purpose::Media { most: 6 }).unwrap(),
            json!({"quotas": {"maxSize": 6, "maxObjects": null}})
        );

        // What is for one key alone is shown to nobody, whatever somebody has set there.
        assert_eq!(changes(&info(json!({})), Purpose::Backup), None);
        let closed = changes(&info(right), Purpose::Vault).unwrap();
        assert_eq!(
            closed,
            json!({"websiteAccess": {"enabled": false}, "corsRules": [], "quotas": {"maxSize": null, "maxObjects": null}})
        );
    }

    #[test]
    fn only_the_public_folders_are_shown() {
        let rules = public_folders();
        let rules = rules.as_array().unwrap();
        let shown: Vec<_> = rules.iter().filter(|rule| rule["Redirect"]["HttpRedirectCode"] == 200).collect();
        assert_eq!(shown.len(), PUBLIC_FOLDERS.len());
        assert!(shown.iter().all(|rule| rule["Condition"]["KeyPrefixEquals"] == rule["Redirect"]["ReplaceKeyPrefixWith"]));
        assert_eq!(rules.last().unwrap()["Redirect"]["HttpRedirectCode"], 404);
        assert_eq!(rules.last().unwrap()["Condition"], json!({}), "everything else");
    }
}
