//! Requests to a server that speaks S3, signed with one key (Signature Version 4), in path style.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sha2::Digest as _;
use url::Url;

use super::{BucketError, PUBLIC_FOLDERS};
use crate::clock::SharedClock;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An S3 server and a key of it.
pub struct S3 {
    client: reqwest::Client,
    clock: SharedClock,
    endpoint: Url,
    region: String,
    access_key: String,
    secret_key: SecretString,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3")
            .field("endpoint", &self.endpoint.as_str())
            .field("access_key", &self.access_key)
            .finish_non_exhaustive()
    }
}

/// One request.
pub struct Ask {
    what: &'static str,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// A request without a body. `path` is below the endpoint, with its query; names in it are [`encoded`].
    pub fn new(what: &'static str, method: Method, path: impl Into<String>) -> Self {
        Self { what, method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// With a header, which is signed too.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With a body and the checksum that S3 demands for some requests.
    pub fn checked_body(self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let checksum = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(&body));
        self.header("x-amz-checksum-sha256", checksum).body(body)
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text; what is no text is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What stands in `<Code>` of an error, as far as it is a plain word.
    pub fn code(&self) -> String {
        plain_word(between(&self.text(), "<Code>", "</Code>").next().unwrap_or_default())
    }
}

impl S3 {
    /// A client with this key.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new(
        endpoint: &Url,
        region: &str,
        access_key: &str,
        secret_key: &SecretString,
        clock: SharedClock,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            clock,
            endpoint: endpoint.clone(),
            region: region.to_owned(),
            access_key: access_key.to_owned(),
            secret_key: secret_key.clone(),
        })
    }

    /// The key that signs.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// Sends a signed request. Every answer is one, whatever its status.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, BucketError> {
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
        let named = || headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new(method.as_str(), url.as_str(), named(), SignableBody::Bytes(&body))
            .map_err(|error| unsigned(error.to_string()))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| unsigned(error.to_string()))?.into_parts();
        let mut request = self.client.request(method.clone(), url.clone());
        for (name, value) in named().chain(instructions.headers()) {
            request = request.header(name, value);
        }
        let unreachable = |source: reqwest::Error| BucketError::Unreachable { what, source: source.without_url() };
        let answer = request.body(body).send().await.map_err(unreachable)?;
        let status = answer.status();
        Ok(Answer { status, body: answer.bytes().await.map_err(unreachable)?.to_vec() })
    }

    /// Sends a request; any status but success and `fine` is an error.
    pub async fn demand(&self, ask: Ask, fine: &[StatusCode]) -> Result<Answer, BucketError> {
        let what = ask.what;
        let answer = self.ask(ask).await?;
        if answer.status.is_success() || fine.contains(&answer.status) {
            return Ok(answer);
        }
        Err(BucketError::Refused { what, status: answer.status.as_u16(), code: answer.code() })
    }

    /// Whether the bucket is there and this key may look at it.
    pub async fn bucket_exists(&self, bucket: &str) -> Result<bool, BucketError> {
        let ask = Ask::new("look for a bucket", Method::HEAD, bucket);
        Ok(self.demand(ask, &[StatusCode::NOT_FOUND]).await?.status.is_success())
    }

    /// Says who may do what with a bucket, in place of what was said before.
    pub async fn set_policy(&self, bucket: &str, statements: &[Value]) -> Result<(), BucketError> {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        let ask = Ask::new("say who may do what with a bucket", Method::PUT, format!("{bucket}?policy"));
        self.demand(ask.checked_body(policy.to_string()), &[]).await.map(drop)
    }

    /// Lets pages of other servers load from a bucket.
    pub async fn allow_pages(&self, bucket: &str) -> Result<(), BucketError> {
        let cors = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
                    <AllowedMethod>HEAD</AllowedMethod><AllowedHeader>*</AllowedHeader><MaxAgeSeconds>86400</MaxAgeSeconds>\
                    </CORSRule></CORSConfiguration>";
        let ask = Ask::new("let pages of other servers load from a bucket", Method::PUT, format!("{bucket}?cors"));
        self.demand(ask.checked_body(cors), &[]).await.map(drop)
    }
}

/// Statement of a policy: anybody may read [`PUBLIC_FOLDERS`], and list nothing.
pub fn public_folders(bucket: &str) -> Value {
    let resources = PUBLIC_FOLDERS.map(|folder| format!("arn:aws:s3:::{bucket}/{folder}/*"));
    json!({"Sid": "Media", "Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject"], "Resource": resources})
}

/// A name as it may stand in a path or a query: everything but letters, digits and `-_.~` is escaped; `/` stays.
pub fn encoded(name: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing into a String can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Every text between two marks, in order.
pub fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(inside, _)| inside))
}

/// A word for why something was refused. Anything else is dropped: it may differ with each request, and what differs would be
/// written into the status again and again.
pub fn plain_word(text: &str) -> String {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) { text.chars().take(80).collect() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_error_only_what_is_the_same_each_time_is_kept() {
        let code_in = |text: &str| Answer { status: StatusCode::FORBIDDEN, body: text.as_bytes().to_vec() }.code();
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

    #[test]
    fn names_are_escaped_for_addresses() {
        assert_eq!(encoded("a/b c+d&e=é.png"), "a/b%20c%2Bd%26e%3D%C3%A9.png");
    }
}
