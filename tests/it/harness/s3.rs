//! Somebody with a key of an S3 server, or without one.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use paddock::clock::{Clock, SystemClock};
use sha2::{Digest as _, Sha256};

/// Who asks an S3 server.
#[derive(Debug, Clone)]
pub struct S3Client {
    endpoint: String,
    region: String,
    access: String,
    secret: String,
}

impl S3Client {
    pub fn new(endpoint: &str, region: &str, access: &str, secret: &str) -> Self {
        Self { endpoint: endpoint.into(), region: region.into(), access: access.into(), secret: secret.into() }
    }

    /// One signed request; returns status and body.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> (u16, String) {
        let (url, body) = (format!("{}{path}", self.endpoint), body.into());
        let identity = Credentials::new(&self.access, &self.secret, None, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(SystemTime::from(SystemClock.now()))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let signable = SignableRequest::new(method, &url, headers.iter().copied(), SignableBody::Bytes(&body)).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let mut request = http::Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body).unwrap();
        instructions.apply_to_request_http1x(&mut request);
        let response = reqwest::Client::new().execute(request.try_into().unwrap()).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// One request without headers of its own; returns status and body.
    pub async fn ask(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> (u16, String) {
        let body = body.into();
        // Who deletes several at once or changes a bucket must send a checksum, and is told so before who they are is looked at.
        let sum = STANDARD.encode(Sha256::digest(&body));
        let sums = [("x-amz-checksum-sha256", sum.as_str())];
        self.send(method, path, if path.contains('?') && !body.is_empty() { &sums } else { &[] }, body).await
    }

    /// The status alone.
    pub async fn status(&self, method: &str, path: &str, body: impl Into<Vec<u8>>) -> u16 {
        self.ask(method, path, body).await.0
    }

    pub async fn put(&self, path: &str, body: impl Into<Vec<u8>>) {
        let (status, text) = self.send("PUT", path, &[], body).await;
        assert_eq!(status, 200, "{path}: {text}");
    }
}
