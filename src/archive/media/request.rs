//! Signed requests to a server that speaks S3 (Signature Version 4, path style), and what they answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use reqwest::{Body, Method, Response, StatusCode};
use secrecy::ExposeSecret as _;

use super::MediaError;
use super::s3::S3Address;
use crate::clock::SharedClock;

/// SHA-256 of nothing.
pub const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// How often a request is made that the store could not answer.
const TRIES: u32 = 5;

/// A bucket and somebody with a key of it.
#[derive(Debug)]
pub struct Bucket {
    http: reqwest::Client,
    clock: SharedClock,
    /// Which bucket.
    pub address: S3Address,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// For messages: what is being done.
    pub what: &'a str,
    /// HTTP's method.
    pub method: Method,
    /// Name of the object with the prefix; nothing for the bucket.
    pub object: &'a str,
    /// `?…`, escaped.
    pub query: &'a str,
    /// SHA-256 of the body.
    pub sha256: &'a str,
    /// Other headers.
    pub headers: &'a [(&'static str, String)],
}

impl Bucket {
    /// Somebody who has the key of the address.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub fn new(address: S3Address, clock: SharedClock) -> Result<Arc<Self>, MediaError> {
        Ok(Self::with(client()?, address, clock))
    }

    /// The same with a client that there is already.
    pub fn with(http: reqwest::Client, address: S3Address, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { http, clock, address })
    }

    /// Makes one request. Every answer is one, whatever its status.
    pub async fn send(&self, ask: &Ask<'_>, body: Option<Body>) -> Result<Response, MediaError> {
        let Ask { what, method, object, query, sha256, headers } = ask;
        let unmade = |why: String| MediaError::Unmade { what: (*what).to_owned(), why };
        let slash = if object.is_empty() { "" } else { "/" };
        let path = format!("{}{slash}{}{query}", self.address.bucket, encoded(object));
        let url = self.address.endpoint.join(&path).map_err(|error| unmade(error.to_string()))?;
        let S3Address { access_key, secret_key, .. } = &self.address;
        let identity = Credentials::new(access_key, secret_key.expose_secret(), None, None, "settings").into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.address.region)
            .name("s3")
            .time(SystemTime::from(self.clock.now()))
            .settings(settings)
            .build()
            .map_err(|error| unmade(error.to_string()))?
            .into();
        let named = || headers.iter().map(|(name, value)| (*name, value.as_str()));
        let payload = SignableBody::Precomputed((*sha256).to_owned());
        let signable = SignableRequest::new(method.as_str(), url.as_str(), named(), payload);
        let signable = signable.map_err(|error| unmade(error.to_string()))?;
        let (instructions, _) = sign(signable, &params).map_err(|error| unmade(error.to_string()))?.into_parts();
        let mut request = self.http.request(method.clone(), url.clone());
        for (name, value) in named().chain(instructions.headers()) {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let sent = request.send().await;
        sent.map_err(|source| MediaError::Unreachable { what: (*what).to_owned(), source: source.without_url() })
    }

    /// Makes a request whose body can be sent again, as often as it takes. Returns success and what `fine` names.
    pub async fn demand(&self, ask: &Ask<'_>, body: Option<&[u8]>, fine: &[StatusCode]) -> Result<Response, MediaError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.send(ask, body.map(|body| Body::from(body.to_vec()))).await;
            let again = match &answer {
                Ok(answer) => answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS,
                Err(error) => matches!(error, MediaError::Unreachable { .. }),
            };
            if again && tries < TRIES {
                tokio::time::sleep(Duration::from_millis(200) * 2_u32.pow(tries)).await;
                continue;
            }
            let answer = answer?;
            if answer.status().is_success() || fine.contains(&answer.status()) {
                return Ok(answer);
            }
            return Err(refused(ask.what, answer).await);
        }
    }
}

/// Makes requests.
///
/// # Errors
/// When there is no TLS to be had.
pub fn client() -> Result<reqwest::Client, MediaError> {
    let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).read_timeout(Duration::from_mins(1));
    http.build().map_err(|source| MediaError::Unreachable { what: "prepare requests".into(), source })
}

/// An answer that says no.
pub async fn refused(what: &str, answer: Response) -> MediaError {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap_or_default();
    let code = between(&text, "<Code>", "</Code>").next().unwrap_or_default();
    let plain = code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    MediaError::Refused {
        what: what.to_owned(),
        status,
        code: if plain { code.chars().take(80).collect() } else { String::new() },
    }
}

/// A name as it may stand in a path: everything but letters, digits and `-_.~/` is escaped.
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

/// A text of XML with its entities resolved.
pub fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let resolved = after.split_once(';').and_then(|(name, after)| Some((entity(name)?, after)));
        let (letter, after) = resolved.unwrap_or(('&', after));
        out.push(letter);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        other => {
            let number = other.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_out_and_come_back() {
        assert_eq!(encoded("a/b c+d&e=\u{e9}.png"), "a/b%20c%2Bd%26e%3D%C3%A9.png");
        assert_eq!(unescaped("a &amp; b&#39;s &lt;1&gt; &#x65E5;&bogus;&"), "a & b's <1> 日&bogus;&");
        assert_eq!(hex::encode(crate::crypto::sha256(b"")), NOTHING);
    }
}
