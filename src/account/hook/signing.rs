//! Signatures as Standard Webhooks has them, so that customers check them with a library that exists
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};

use crate::crypto::{self, HostKey};
use crate::ids::HookEventId;

/// How every secret begins.
const PREFIX: &str = "whsec_";
/// What the host's key is used for here.
const PURPOSE: &str = "webhook";

/// What an endpoint's requests are signed with.
#[derive(Debug)]
pub struct Secret(SecretBox<[u8; 32]>);

impl Secret {
    /// The secret that belongs to a seed.
    pub fn of(key: &HostKey, seed: &[u8]) -> Self {
        Self(SecretBox::new(Box::new(key.mac(PURPOSE, seed))))
    }

    /// As a customer gives it to their program.
    pub fn text(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    fn sign(&self, content: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(crypto::hmac(self.0.expose_secret(), content)))
    }
}

/// The headers of a request that tells of an event: a signature for each secret that is good at the moment.
pub fn headers(
    secrets: &[Secret],
    event: HookEventId,
    now: DateTime<Utc>,
    payload: &str,
) -> Result<HeaderMap, InvalidHeaderValue> {
    let (id, timestamp) = (event.to_string(), now.timestamp().to_string());
    let content = format!("{id}.{timestamp}.{payload}");
    let signatures: Vec<String> = secrets.iter().map(|secret| secret.sign(content.as_bytes())).collect();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("webhook-id"), HeaderValue::from_str(&id)?);
    headers.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from_str(&timestamp)?);
    headers.insert(HeaderName::from_static("webhook-signature"), HeaderValue::from_str(&signatures.join(" "))?);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_the_specification_says() {
        let key = HostKey::new([7; 32]);
        let (one, other) = (Secret::of(&key, &[1; 32]), Secret::of(&key, &[2; 32]));
        let text = one.text().expose_secret().to_owned();
        assert!(text.starts_with("whsec_") && text.len() == 6 + 44, "{text}");
        assert_ne!(text, other.text().expose_secret());
        let event = HookEventId::from(uuid::Uuid::from_u128(7));
        let now = DateTime::from_timestamp(1_795_503_600, 0).unwrap();
        let headers = headers(&[one, other], event, now, r#"{"type":"webhook.test"}"#).unwrap();
        assert_eq!(headers["webhook-id"], event.to_string().as_str());
        assert_eq!(headers["webhook-timestamp"], "1795503600");
        // As a receiver would, from the text of the secret.
        let secret: [u8; 32] = STANDARD.decode(text.strip_prefix(PREFIX).unwrap()).unwrap().try_into().unwrap();
        let content = format!("{event}.1795503600.{{\"type\":\"webhook.test\"}}");
        let expected = format!("v1,{}", STANDARD.encode(crypto::hmac(&secret, content.as_bytes())));
        let signatures: Vec<&str> = headers["webhook-signature"].to_str().unwrap().split(' ').collect();
        assert_eq!((signatures.len(), signatures[0]), (2, expected.as_str()));
    }
}
