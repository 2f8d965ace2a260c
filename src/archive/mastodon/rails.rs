//! The encryption of Active Record, as Mastodon uses it since 4.3 (Rails 8.1, `active_record/encryption/*`): AES-256-GCM under a key
//! derived from two variables, the parts in JSON.

use std::io::Read as _;
use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Rounds of the derivation.
const ROUNDS: u32 = 65_536;
/// The most that a value may unpack to, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// The key that opens what is encrypted.
pub struct RailsKey(LessSafeKey);

impl std::fmt::Debug for RailsKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RailsKey(…)")
    }
}

/// Why a value does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CantOpen {
    /// It is not of this form.
    #[error("it is not encrypted as Mastodon encrypts")]
    Form,
    /// The key is another one.
    #[error("it was encrypted with other keys than those of secrets.age")]
    Key,
}

#[derive(Deserialize)]
struct Message {
    p: String,
    h: Headers,
}

#[derive(Deserialize)]
struct Headers {
    iv: String,
    at: String,
    #[serde(default)]
    c: bool,
}

fn derive(primary_key: &str, salt: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let rounds = NonZeroU32::new(ROUNDS)?;
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt.as_bytes(), primary_key.as_bytes(), &mut *key);
    Some(key)
}

impl RailsKey {
    /// The key of `ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY` and `ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT`.
    pub fn new(primary_key: &str, salt: &str) -> Option<Self> {
        let key = derive(primary_key, salt)?;
        UnboundKey::new(&AES_256_GCM, &*key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    /// Opens a value.
    ///
    /// # Errors
    /// It is none, or was encrypted with another key.
    pub fn open(&self, value: &str) -> Result<Zeroizing<String>, CantOpen> {
        let Message { p, h: Headers { iv, at, c } } = serde_json::from_str(value).map_err(|_| CantOpen::Form)?;
        let bytes = |text: &str| STANDARD.decode(text).map_err(|_| CantOpen::Form);
        let nonce = Nonce::try_assume_unique_for_key(&bytes(&iv)?).map_err(|_| CantOpen::Form)?;
        let mut sealed = Zeroizing::new(bytes(&p)?);
        sealed.extend(bytes(&at)?);
        let plain = self.0.open_in_place(nonce, Aad::empty(), &mut sealed).map_err(|_| CantOpen::Key)?;
        let mut text = Zeroizing::new(String::new());
        if c {
            flate2::read::ZlibDecoder::new(&*plain).take(LARGEST).read_to_string(&mut text).map_err(|_| CantOpen::Form)?;
        } else {
            text.push_str(std::str::from_utf8(plain).map_err(|_| CantOpen::Form)?);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Rails, and checked by hand with another program.
    const VALUE: &str =
        r#"{"p":"0FPGyR/IVLZmmkaXKurZn8ObaC6lkhYYAReMT0aybrM=","h":{"iv":"zsdCf+WmDsry0glG","at":"7WNpUj/AYOFWTMAwiCmZ6Q=="}}"#;

    #[test]
    fn a_value_of_rails_is_opened() {
        let (primary, salt) = ("A".repeat(32), "C".repeat(32));
        let key = derive(&primary, &salt).unwrap();
        assert_eq!(hex::encode(*key), "5ce932a1e7c19ce3e3a3307b7b9b3f871fe699b2282a15cb94640aa351618bff");
        let key = RailsKey::new(&primary, &salt).unwrap();
        assert_eq!(*key.open(VALUE).unwrap(), "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
        let with_encoding = VALUE.replace("\"}}", "\",\"e\":\"QVNDSUktOEJJVA==\"}}");
        assert_eq!(*key.open(&with_encoding).unwrap(), "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP");
        assert_eq!(RailsKey::new(&primary, "other").unwrap().open(VALUE), Err(CantOpen::Key));
        for bad in ["", "cleartext", "{}", "{\"p\":\"?\",\"h\":{\"iv\":\"\",\"at\":\"\"}}"] {
            assert_eq!(key.open(bad), Err(CantOpen::Form), "{bad}");
        }
    }
}
