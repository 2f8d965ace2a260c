//! The identity: the keys that make a server itself, in the formats of Mastodon's own generators.
//!
//! `SECRET_KEY_BASE` is `SecureRandom.hex(64)`; the three of Active Record's encryption `SecureRandom.alphanumeric(32)`
//! (`lib/tasks/db.rake`); VAPID a P-256 pair in URL-safe base64 with padding (`webpush`, `lib/webpush/vapid_key.rb`).
//! From Mastodon 4.7 on the encryption keys guard every local actor's signing key: without them nobody can speak as this
//! server any more.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use k8s_openapi::ByteString;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::crypto;

/// The names of the variables, sorted.
pub const VARIABLES: [&str; 6] = [
    "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
    "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
    "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY",
    "SECRET_KEY_BASE",
    "VAPID_PRIVATE_KEY",
    "VAPID_PUBLIC_KEY",
];

/// The identity of one server. Never shown, not even by `Debug`.
pub struct Identity([SecretString; 6]);

impl Identity {
    /// An identity unlike any other.
    pub fn generate() -> Self {
        let (private, public) = vapid();
        Self([
            alphanumeric(32).into(),
            alphanumeric(32).into(),
            alphanumeric(32).into(),
            random_hex::<64>().into(),
            private.into(),
            public.into(),
        ])
    }

    /// The identity in a Secret; the name of a variable that it lacks otherwise.
    pub fn read(data: &BTreeMap<String, ByteString>) -> Result<Self, &'static str> {
        let mut values = [const { None }; 6];
        for (value, name) in values.iter_mut().zip(VARIABLES) {
            let text = data.get(name).and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).filter(|text| !text.is_empty());
            *value = Some(SecretString::from(text.ok_or(name)?));
        }
        Ok(Self(values.map(Option::unwrap_or_default)))
    }

    /// Name and value of each variable.
    pub fn variables(&self) -> BTreeMap<&'static str, &str> {
        VARIABLES.into_iter().zip(self.0.iter().map(ExposeSecret::expose_secret)).collect()
    }

    /// The lines of an `.env` file: what somebody needs who runs this server elsewhere.
    pub fn to_env(&self) -> Zeroizing<String> {
        // As large as it gets, so that it never moves and leaves a copy behind.
        let length = self.variables().iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut text = Zeroizing::new(String::with_capacity(length));
        for (name, value) in self.variables() {
            text.push_str(name);
            text.push('=');
            text.push_str(value);
            text.push('\n');
        }
        text
    }

    /// The identity in the lines of an `.env` file; the name of a variable that they lack otherwise.
    pub fn from_env(text: &str) -> Result<Self, &'static str> {
        let mut values = [const { None }; 6];
        for (value, name) in values.iter_mut().zip(VARIABLES) {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).filter(|text| !text.is_empty());
            *value = Some(SecretString::from(found.ok_or(name)?));
        }
        Ok(Self(values.map(Option::unwrap_or_default)))
    }

    /// SHA-256 over names and values, in hex: tells two identities apart without giving one away.
    pub fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for (name, value) in self.variables() {
            digest.update(name.as_bytes());
            digest.update([0]);
            digest.update(value.as_bytes());
            digest.update([0]);
        }
        hex::encode(digest.finalize())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// `N` random bytes in hex.
pub fn random_hex<const N: usize>() -> String {
    hex::encode(*Zeroizing::new(crypto::random::<N>()))
}

/// Random letters and digits, each as likely as every other.
fn alphanumeric(length: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let bytes = crypto::random::<64>();
        // 248 is the largest multiple of 62 in a byte.
        let fair = bytes.into_iter().filter(|byte| *byte < 248).map(|byte| char::from(LETTERS[usize::from(byte % 62)]));
        text.extend(fair.take(length - text.len()));
    }
    text
}

/// A pair of keys for web push: private (the scalar without leading zeros) and public (the uncompressed point).
fn vapid() -> (String, String) {
    loop {
        let bytes = Zeroizing::new(crypto::random::<32>());
        // Fails for zero and for what exceeds the order of the curve: once in 2³² times.
        let Ok(key) = SecretKey::from_slice(&*bytes) else { continue };
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        return (URL_SAFE.encode(&bytes[zeros..]), URL_SAFE.encode(key.public_key().to_sec1_point(false).as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(identity: &Identity) -> BTreeMap<String, ByteString> {
        identity.variables().into_iter().map(|(name, value)| (name.to_owned(), ByteString(value.as_bytes().to_vec()))).collect()
    }

    #[test]
    fn the_formats_are_those_of_mastodon() {
        let identity = Identity::generate();
        let values = identity.variables();
        assert_eq!(values["SECRET_KEY_BASE"].len(), 128);
        assert!(values["SECRET_KEY_BASE"].bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
        for name in &VARIABLES[..3] {
            assert_eq!(values[name].len(), 32, "{name}");
            assert!(values[name].bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
        }
        let public = URL_SAFE.decode(values["VAPID_PUBLIC_KEY"]).unwrap();
        assert_eq!((values["VAPID_PUBLIC_KEY"].len(), public.len(), public[0]), (88, 65, 4));
        let mut private = URL_SAFE.decode(values["VAPID_PRIVATE_KEY"]).unwrap();
        assert!(private.len() <= 32 && private[0] != 0);
        while private.len() < 32 {
            private.insert(0, 0);
        }
        let key = SecretKey::from_slice(&private).unwrap();
        assert_eq!(key.public_key().to_sec1_point(false).as_bytes(), public, "the two halves belong together");
    }

    #[test]
    fn an_identity_survives_its_secret_and_has_one_fingerprint() {
        let identity = Identity::generate();
        let again = Identity::read(&data(&identity)).unwrap();
        assert_eq!(identity.fingerprint(), again.fingerprint());
        assert_ne!(identity.fingerprint(), Identity::generate().fingerprint());
        let mut lacking = data(&identity);
        lacking.remove("SECRET_KEY_BASE");
        assert_eq!(Identity::read(&lacking).err(), Some("SECRET_KEY_BASE"));
        assert_eq!(format!("{identity:?}"), "Identity(…)");

        let lines = identity.to_env();
        assert_eq!((lines.lines().count(), lines.capacity()), (6, lines.len()));
        assert_eq!(Identity::from_env(&format!("# whose\n\n{}OTHER=1\n", *lines)).unwrap().variables(), identity.variables());
        let lacking = lines.replace("VAPID_PRIVATE_KEY=", "# VAPID_PRIVATE_KEY=");
        assert_eq!(Identity::from_env(&lacking).err(), Some("VAPID_PRIVATE_KEY"));
    }
}
