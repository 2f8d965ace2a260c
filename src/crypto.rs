//! Chance and keys: random secrets, MACs under the host's key, comparison in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::{Digest as _, Sha256};

/// The key of the documented example and the demo; production refuses it.
pub const EXAMPLE_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The host's key: 32 bytes from the configuration. Whoever has it can forge links in mails and form tokens.
#[derive(Debug, Clone)]
pub struct HostKey(std::sync::Arc<SecretBox<[u8; 32]>>);

impl HostKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(std::sync::Arc::new(SecretBox::new(Box::new(bytes))))
    }

    /// Whether this is a key that stands in an example: all bytes alike, or the demo's.
    pub fn is_default(&self) -> bool {
        let bytes = self.0.expose_secret();
        bytes.iter().all(|byte| *byte == bytes[0]) || hex::encode(bytes) == EXAMPLE_KEY
    }

    /// HMAC-SHA-256 of `message`; `purpose` keeps a MAC made for one thing from being good for another.
    pub fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        self.keyed(purpose, message).finalize().into_bytes().into()
    }

    /// Whether `mac` is ours, compared in constant time.
    pub fn verifies(&self, purpose: &str, message: &[u8], mac: &[u8]) -> bool {
        self.keyed(purpose, message).verify_slice(mac).is_ok()
    }

    fn keyed(&self, purpose: &str, message: &[u8]) -> Hmac<Sha256> {
        let mut keyed = <Hmac<Sha256>>::new_from_slice(self.0.expose_secret()).expect("HMAC takes keys of any length");
        keyed.update(purpose.as_bytes());
        keyed.update(&[0]);
        keyed.update(message);
        keyed
    }
}

/// Bytes from the operating system's generator.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// HMAC-SHA-256 of `message` under a key that somebody else has as well.
pub fn hmac(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut keyed = <Hmac<Sha256>>::new_from_slice(key).expect("HMAC takes keys of any length");
    keyed.update(message);
    keyed.finalize().into_bytes().into()
}

/// SHA-256, for looking a secret up without storing it.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// URL-safe base 64 without padding.
pub fn to_base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The reverse of [`to_base64`]; `None` for anything else.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Whether two byte strings are equal, in time that depends on their lengths only.
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    one.ct_eq(other).into()
}
