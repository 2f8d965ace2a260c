//! VersityGW: S3 with an admin API on the same address (`PATCH /create-user` and the like, signed as S3 requests are).
//!
//! Read from versitygw 1.8.0: `s3api/admin-router.go`, `s3api/controllers/admin.go`, `auth/iam.go`.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

use super::{BucketError, BucketKey, Buckets, PUBLIC_FOLDERS, Removal};
use crate::clock::SharedClock;
use crate::operator::settings::Storage;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A VersityGW that we administer.
#[derive(Debug)]
pub struct VersityGw {
    client: reqwest::Client,
    clock: SharedClock,
    endpoint: Url,
    region: String,
    access_key: String,
    secret_key: SecretString,
}

/// One request to the store.
struct Ask<'a> {
    what: &'static str,
    method: Method,
    path: String,
    headers: Vec<(&'static str, &'a str)>,
    body: String,
}

impl VersityGw {
    /// A client for the store of these settings.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new(storage: &Storage, clock: SharedClock) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            clock,
            endpoint: storage.endpoint.clone(),
            region: storage.region.clone(),
            access_key: storage.access_key.clone(),
            secret_key: storage.secret_key.clone(),
        })
    }

    /// Sends a signed request and returns the answer's status and text.
    async fn ask(&self, ask: Ask<'_>) -> Result<(StatusCode, String), BucketError> {
        let Ask { what, method, path, headers, body } = ask;
        let unsigned = |why: String| BucketError::Unsigned { what, why };
        let url = self.endpoint.join(&path).map_err(|error| unsigned(error.to_string()))?;
        let identity = Credentials::new(&self.access_key, self.secret_key.expose_secret(), None, None, "settings").into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::from(self.clock.now()))
            .settings(settings)
            .build()
            .map_err(|error| unsigned(error.to_string()))?
            .into();
        let signable =
            SignableRequest::new(method.as_str(), url.as_str(), headers.iter().copied(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|error| unsigned(error.to_string()))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| unsigned(error.to_string()))?.into_parts();
        let mut request = self.client.request(method, url);
        for (name, value) in headers.iter().copied().chain(instructions.headers()) {
            request = request.header(name, value);
        }
        let unreachable = |source: reqwest::Error| BucketError::Unreachable { what, source: source.without_url() };
        let answer = request.body(body).send().await.map_err(unreachable)?;
        let status = answer.status();
        Ok((status, answer.text().await.map_err(unreachable)?))
    }

    /// Sends a request; any status but success and `fine` is an error.
    async fn demand(&self, ask: Ask<'_>, fine: &[StatusCode]) -> Result<StatusCode, BucketError> {
        let what = ask.what;
        let (status, body) = self.ask(ask).await?;
        if status.is_success() || fine.contains(&status) {
            return Ok(status);
        }
        Err(BucketError::Refused { what, status: status.as_u16(), code: code_in(&body) })
    }

    async fn ensure_user(&self, key: &BucketKey) -> Result<(), BucketError> {
        let BucketKey { access, secret } = key;
        let secret = secret.expose_secret();
        let body = format!("<Account><Access>{access}</Access><Secret>{secret}</Secret><Role>user</Role></Account>");
        let ask = Ask { what: "make a key", method: Method::PATCH, path: "create-user".into(), headers: Vec::new(), body };
        if self.demand(ask, &[StatusCode::CONFLICT]).await? == StatusCode::CONFLICT {
            let body = format!("<MutableProps><Secret>{secret}</Secret></MutableProps>");
            let path = format!("update-user?access={access}");
            self.demand(Ask { what: "set the secret of a key", method: Method::PATCH, path, headers: Vec::new(), body }, &[])
                .await?;
        }
        Ok(())
    }

    async fn ensure_bucket(&self, bucket: &str, owner: &str) -> Result<(), BucketError> {
        let ask = Ask {
            what: "make a bucket",
            method: Method::PATCH,
            path: format!("{bucket}/create"),
            headers: vec![("x-vgw-owner", owner)],
            body: String::new(),
        };
        if self.demand(ask, &[StatusCode::CONFLICT]).await? == StatusCode::CONFLICT {
            let path = format!("change-bucket-owner?bucket={bucket}&owner={owner}");
            let what = "hand a bucket to its key";
            self.demand(Ask { what, method: Method::PATCH, path, headers: Vec::new(), body: String::new() }, &[]).await?;
        }
        Ok(())
    }

    /// The key that a bucket belongs to; none when there is no bucket.
    async fn owner(&self, bucket: &str) -> Result<Option<String>, BucketError> {
        let what = "ask whose a bucket is";
        let ask = Ask { what, method: Method::GET, path: format!("{bucket}?acl"), headers: Vec::new(), body: String::new() };
        let (status, body) = self.ask(ask).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let owner = body.split_once("<Owner>").and_then(|(_, owner)| texts(owner, "ID").next());
        match owner {
            Some(owner) if status.is_success() => Ok(Some(owner.to_owned())),
            Some(_) | None => Err(BucketError::Refused { what, status: status.as_u16(), code: code_in(&body) }),
        }
    }

    async fn remove_key(&self, access: &str) -> Result<(), BucketError> {
        let (what, path) = ("remove a key", format!("delete-user?access={access}"));
        let ask = Ask { what, method: Method::PATCH, path, headers: Vec::new(), body: String::new() };
        self.demand(ask, &[StatusCode::NOT_FOUND]).await.map(drop)
    }

    /// Deletes what a page of the listing names, at most a thousand objects. Returns how many those were.
    async fn delete_some(&self, bucket: &str) -> Result<u64, BucketError> {
        let what = "list what is in a bucket";
        let path = format!("{bucket}?list-type=2");
        let (status, page) = self.ask(Ask { what, method: Method::GET, path, headers: Vec::new(), body: String::new() }).await?;
        if !status.is_success() {
            return Err(BucketError::Refused { what, status: status.as_u16(), code: code_in(&page) });
        }
        // Names come escaped for XML, and go back the same way.
        let names: Vec<&str> = texts(&page, "Key").collect();
        if names.is_empty() {
            return Ok(0);
        }
        let objects: String = names.iter().map(|name| format!("<Object><Key>{name}</Key></Object>")).collect();
        let body = format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>{objects}</Delete>");
        let what = "delete what is in a bucket";
        let checksum = base64_sha256(body.as_bytes());
        let headers = vec![("x-amz-checksum-sha256", checksum.as_str())];
        let (status, answer) = self.ask(Ask { what, method: Method::POST, path: format!("{bucket}?delete"), headers, body }).await?;
        // One that could not be deleted is told in an answer that says 200.
        if !status.is_success() || answer.contains("<Error>") {
            return Err(BucketError::Refused { what, status: status.as_u16(), code: code_in(&answer) });
        }
        Ok(u64::try_from(names.len()).unwrap_or(u64::MAX))
    }

    async fn open_public_folders(&self, bucket: &str) -> Result<(), BucketError> {
        let resources = PUBLIC_FOLDERS.map(|folder| format!("arn:aws:s3:::{bucket}/{folder}/*"));
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{"Sid": "Media", "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": resources}],
        });
        let path = format!("{bucket}?policy");
        let what = "open the public folders of a bucket";
        self.demand(Ask { what, method: Method::PUT, path, headers: Vec::new(), body: policy.to_string() }, &[]).await?;
        let cors = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
                    <AllowedMethod>HEAD</AllowedMethod><AllowedHeader>*</AllowedHeader><MaxAgeSeconds>86400</MaxAgeSeconds>\
                    </CORSRule></CORSConfiguration>";
        let path = format!("{bucket}?cors");
        let what = "let pages of other servers load from a bucket";
        let checksum = base64_sha256(cors.as_bytes());
        let headers = vec![("x-amz-checksum-sha256", checksum.as_str())];
        self.demand(Ask { what, method: Method::PUT, path, headers, body: cors.to_owned() }, &[]).await?;
        Ok(())
    }
}

/// The texts of all elements of this name.
fn texts<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts: Vec<&str> = xml.split(open.as_str()).skip(1).filter_map(|rest| Some(rest.split_once(close.as_str())?.0)).collect();
    parts.into_iter()
}

/// What stands in `<Code>` of an error, as far as it is a plain word.
fn code_in(body: &str) -> String {
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code.trim());
    if code.bytes().all(|byte| byte.is_ascii_alphanumeric()) { code.chars().take(80).collect() } else { String::new() }
}

fn base64_sha256(bytes: &[u8]) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(bytes))
}

#[async_trait]
impl Buckets for VersityGw {
    async fn ensure(&self, bucket: &str, key: &BucketKey) -> Result<(), BucketError> {
        self.ensure_user(key).await?;
        self.ensure_bucket(bucket, &key.access).await?;
        self.open_public_folders(bucket).await
    }

    async fn exists(&self, bucket: &str) -> Result<bool, BucketError> {
        let what = "look for a bucket";
        let ask = Ask { what, method: Method::HEAD, path: bucket.to_owned(), headers: Vec::new(), body: String::new() };
        Ok(self.demand(ask, &[StatusCode::NOT_FOUND]).await?.is_success())
    }

    async fn remove_empty(&self, bucket: &str, access: Option<&str>) -> Result<(), BucketError> {
        let what = "remove an empty bucket";
        let ask = Ask { what, method: Method::DELETE, path: bucket.to_owned(), headers: Vec::new(), body: String::new() };
        self.demand(ask, &[StatusCode::NOT_FOUND]).await?;
        match access {
            Some(access) => self.remove_key(access).await,
            None => Ok(()),
        }
    }

    async fn remove(&self, bucket: &str) -> Result<Removal, BucketError> {
        let Some(owner) = self.owner(bucket).await? else { return Ok(Removal::Gone) };
        // First, so that nothing is put in meanwhile.
        self.remove_key(&owner).await?;
        let removed = self.delete_some(bucket).await?;
        if removed > 0 {
            return Ok(Removal::Emptying { removed });
        }
        self.remove_empty(bucket, None).await?;
        Ok(Removal::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_error_only_what_is_the_same_each_time_is_kept() {
        let error = |id: &str| {
            format!(
                "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message><RequestId>{id}</RequestId></Error>"
            )
        };
        assert_eq!(code_in(&error("one")), "AccessDenied");
        assert_eq!(code_in(&error("one")), code_in(&error("two")));
        assert_eq!(code_in("gone wrong"), "");
        assert_eq!(code_in("<Code>two words</Code>"), "");
    }
}
