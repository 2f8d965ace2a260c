//! What Stripe calls us with. Verified over the raw bytes, then read for ids only: a webhook is a hint that something changed, never
//! the change itself.
//!
//! The scheme (<https://docs.stripe.com/webhooks#verify-manually>): header `Stripe-Signature: t=<unix>,v1=<hex>[,v1=<hex>…]`, each `v1` an
//! HMAC-SHA256 of `<t>.<body>` under an endpoint secret. It is written out here because async-stripe's `Webhook::construct_event` reads the
//! system's clock, takes one secret, and fails as a whole on a body whose type it knows but can't parse.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use super::{CheckoutId, CustomerId, EventId, InvoiceId, RemoteSubscriptionId};

/// How far the signature's time may lie from ours, either way: Stripe's own default.
const WINDOW: TimeDelta = TimeDelta::seconds(300);
/// Signatures looked at in one header; Stripe sends one per secret that is live, at most a handful.
const MOST_SIGNATURES: usize = 8;

/// That something happened at Stripe, and to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventHint {
    /// The same in each delivery.
    pub id: EventId,
    /// Such as `customer.subscription.updated`.
    pub kind: String,
    /// When it happened.
    pub created: DateTime<Utc>,
    /// Which version of the API wrote it.
    pub api_version: Option<String>,
    /// What it happened to.
    pub refs: EventRefs,
}

/// The things that an event names, as far as we deal in them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRefs {
    /// The session.
    pub checkout: Option<CheckoutId>,
    /// The subscription, also that of a session or an invoice.
    pub subscription: Option<RemoteSubscriptionId>,
    /// The customer.
    pub customer: Option<CustomerId>,
    /// The invoice.
    pub invoice: Option<InvoiceId>,
}

/// Why a webhook was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefused {
    /// The header is not of the form `t=…,v1=…`.
    #[error("the Stripe-Signature header is malformed")]
    BadHeader,
    /// None of the signatures was made with one of our secrets.
    #[error("no signature matches one of the endpoint's secrets")]
    BadSignature,
    /// Well signed, but too long ago or ahead of our clock: a replay, or a clock that is off.
    #[error("the signature's time is more than five minutes from ours")]
    Stale,
    /// Well signed, and not an event. It came from Stripe, so it deserves an alarm.
    #[error("the body is not a Stripe event")]
    Unreadable,
}

/// Takes a webhook: `signature` is the header `Stripe-Signature`, `secrets` those that are live (two while one is being replaced).
///
/// # Errors
/// See [`WebhookRefused`]; nothing of the body is looked at before the signature holds.
pub fn verify_webhook(
    body: &[u8],
    signature: &str,
    secrets: &[SecretString],
    now: DateTime<Utc>,
) -> Result<EventHint, WebhookRefused> {
    let header = SignatureHeader::read(signature)?;
    // All pairs are compared, without stopping at the first hit: the time taken says nothing.
    let mut matches = Choice::from(0);
    for secret in secrets {
        let Some(expected) = mac(secret, header.time_text, body) else { continue };
        for given in &header.signatures {
            matches |= expected.as_slice().ct_eq(given);
        }
    }
    if !bool::from(matches) {
        return Err(WebhookRefused::BadSignature);
    }
    if (now - header.time).abs() > WINDOW {
        return Err(WebhookRefused::Stale);
    }
    let event: Value = serde_json::from_slice(body).map_err(|_| WebhookRefused::Unreadable)?;
    EventHint::read(&event).ok_or(WebhookRefused::Unreadable)
}

/// The header `Stripe-Signature` for a body, signed at `at`: what the fake sends and tests need.
pub fn sign_webhook(body: &[u8], secret: &SecretString, at: DateTime<Utc>) -> String {
    let time = at.timestamp().to_string();
    let signature = mac(secret, &time, body).map(hex::encode).unwrap_or_default();
    format!("t={time},v1={signature}")
}

/// An empty secret signs nothing: anybody could have made its signature.
fn mac(secret: &SecretString, time: &str, body: &[u8]) -> Option<Vec<u8>> {
    let key = Some(secret.expose_secret().as_bytes()).filter(|key| !key.is_empty())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac.finalize().into_bytes().to_vec())
}

struct SignatureHeader<'a> {
    time: DateTime<Utc>,
    /// The digits as they were signed.
    time_text: &'a str,
    signatures: Vec<Vec<u8>>,
}

impl<'a> SignatureHeader<'a> {
    fn read(header: &'a str) -> Result<Self, WebhookRefused> {
        let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
        let time_text = fields().find(|(name, _)| *name == "t").ok_or(WebhookRefused::BadHeader)?.1;
        if time_text.is_empty() || !time_text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(WebhookRefused::BadHeader);
        }
        let time =
            time_text.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or(WebhookRefused::BadHeader)?;
        // Other schemes (`v0` in test mode) are passed over, as Stripe asks: taking them would be a downgrade.
        let signatures: Vec<_> = fields()
            .filter(|(scheme, _)| *scheme == "v1")
            .take(MOST_SIGNATURES)
            .filter_map(|(_, value)| hex::decode(value).ok())
            .collect();
        if signatures.is_empty() { Err(WebhookRefused::BadHeader) } else { Ok(Self { time, time_text, signatures }) }
    }
}

impl EventHint {
    /// Reads the body of an event whose signature was verified when it came.
    pub fn parse(body: &[u8]) -> Option<Self> {
        Self::read(&serde_json::from_slice(body).ok()?)
    }

    /// Reads an event of Stripe's API, from a webhook or from the list of events; `None` when it is none.
    pub(super) fn read(event: &Value) -> Option<Self> {
        Some(Self {
            id: id_at(event, "/id")?,
            kind: event.pointer("/type")?.as_str()?.to_owned(),
            created: DateTime::from_timestamp(event.pointer("/created")?.as_i64()?, 0)?,
            api_version: event.pointer("/api_version").and_then(Value::as_str).map(str::to_owned),
            refs: event.pointer("/data/object").map(EventRefs::read).unwrap_or_default(),
        })
    }
}

impl EventRefs {
    /// What it can find. A field that is missing or odd is no reason to lose the hint.
    fn read(object: &Value) -> Self {
        let kind = object.pointer("/object").and_then(Value::as_str).unwrap_or_default();
        Self {
            checkout: if kind == "checkout.session" { id_at(object, "/id") } else { None },
            subscription: match kind {
                "subscription" => id_at(object, "/id"),
                // Since 2025-03-31 an invoice names its subscription under `parent`.
                _ => id_at(object, "/subscription").or_else(|| id_at(object, "/parent/subscription_details/subscription")),
            },
            customer: if kind == "customer" { id_at(object, "/id") } else { id_at(object, "/customer") },
            invoice: if kind == "invoice" { id_at(object, "/id") } else { id_at(object, "/invoice") },
        }
    }
}

/// The id at `pointer`, written plainly or as an expanded object.
fn id_at<T: TryFrom<String>>(value: &Value, pointer: &str) -> Option<T> {
    let found = value.pointer(pointer)?;
    found.as_str().or_else(|| found.pointer("/id").and_then(Value::as_str))?.to_owned().try_into().ok()
}
