//! Sealing: the lines of an `.env` file, encrypted with age to the operator's key and to the recovery key, which is kept offline.
//!
//! So the offline key and any program that knows age give the identity back, without ours: `age -d -i offline.key <fingerprint>.age`.

use std::fmt;
use std::io::{Read as _, Write as _};

use age::{Decryptor, Encryptor, Recipient, x25519};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::operator::instance::Identity;
use crate::operator::settings::{BadSetting, VaultSettings};

/// Why something can't be sealed or opened. Never says what is inside.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not for this key, or damaged.
    #[error("this key does not open it, or it is damaged")]
    Closed(#[source] Box<age::DecryptError>),
    /// It broke off.
    #[error("it is damaged")]
    Io(#[from] std::io::Error),
    /// The encryption refused.
    #[error("the encryption refused")]
    Encrypt(#[from] age::EncryptError),
    /// It is open, and there is something else in it.
    #[error("what is in it is no identity")]
    Garbled,
    /// It lacks a variable.
    #[error("the identity in it has no {0}")]
    Incomplete(&'static str),
    /// It is the identity of another server, or another one of this server.
    #[error("it holds the identity {fingerprint} of {namespace}")]
    Foreign {
        /// Whose.
        namespace: String,
        /// Which.
        fingerprint: String,
    },
    /// It is sealed to other keys than those of the settings.
    #[error("it is sealed to other keys than operator_key and recovery_recipient; a restart of the operator seals it anew")]
    OtherKeys,
}

/// The two keys that identities are sealed to. The operator's opens them, the other one only seals.
pub struct Keys {
    operator: x25519::Identity,
    recovery: x25519::Recipient,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// A sealed identity, opened.
#[derive(Debug)]
pub struct Opened {
    /// The identity.
    pub identity: Identity,
    /// The namespace of the server whose it is.
    pub namespace: String,
    /// The public keys that it was sealed to; see [`Keys::sealed_to`].
    pub sealed_to: String,
}

/// What stands before the namespace.
const OF: &str = "# Identity of ";
/// What stands before the public keys.
const TO: &str = "# Sealed to ";

impl Keys {
    /// The keys of the settings.
    ///
    /// # Errors
    /// One that is none.
    pub fn new(settings: &VaultSettings) -> Result<Self, BadSetting> {
        let bad = |field: &str| {
            let field = format!("vault.{field}");
            move |why: &'static str| BadSetting { field, message: format!("is no key: {why}") }
        };
        Ok(Self {
            operator: settings.operator_key.expose_secret().parse().map_err(bad("operator_key"))?,
            recovery: settings.recovery_recipient.parse().map_err(bad("recovery_recipient"))?,
        })
    }

    /// The public halves, which are no secret: they tell whether something was sealed to these keys.
    pub fn sealed_to(&self) -> String {
        format!("{} {}", self.operator.to_public(), self.recovery)
    }

    /// Seals an identity to both.
    pub fn seal(&self, namespace: &str, identity: &Identity) -> Result<Vec<u8>, SealError> {
        let operator = self.operator.to_public();
        let recipients: [&dyn Recipient; 2] = [&operator, &self.recovery];
        let mut sealed = Vec::new();
        let mut writer = Encryptor::with_recipients(recipients.into_iter())?.wrap_output(&mut sealed)?;
        writer.write_all(format!("{OF}{namespace}\n{TO}{}\n", self.sealed_to()).as_bytes())?;
        writer.write_all(identity.to_env().as_bytes())?;
        writer.finish()?;
        Ok(sealed)
    }

    /// Opens what was sealed, with the operator's key.
    pub fn open(&self, sealed: &[u8]) -> Result<Opened, SealError> {
        open_with(&self.operator, sealed)
    }
}

/// Opens what was sealed, with one of its two keys.
pub fn open_with(key: &x25519::Identity, sealed: &[u8]) -> Result<Opened, SealError> {
    let decryptor = Decryptor::new_buffered(sealed).map_err(|error| SealError::Closed(Box::new(error)))?;
    let mut reader =
        decryptor.decrypt(std::iter::once(key as &dyn age::Identity)).map_err(|error| SealError::Closed(Box::new(error)))?;
    // As large as it can get, so that it never moves and leaves a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(sealed.len()));
    reader.read_to_string(&mut text)?;
    let line = |mark: &str| text.lines().find_map(|line| line.strip_prefix(mark)).map(str::to_owned).ok_or(SealError::Garbled);
    Ok(Opened { namespace: line(OF)?, sealed_to: line(TO)?, identity: Identity::from_env(&text).map_err(SealError::Incomplete)? })
}

impl Opened {
    /// This, if it is the identity with this fingerprint of this server.
    ///
    /// # Errors
    /// It is another one.
    pub fn of(self, namespace: &str, fingerprint: &str) -> Result<Self, SealError> {
        let found = self.identity.fingerprint();
        if self.namespace == namespace && found == fingerprint {
            return Ok(self);
        }
        Err(SealError::Foreign { namespace: self.namespace, fingerprint: found })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The keys, and the offline one.
    pub fn keys() -> (Keys, x25519::Identity) {
        let (operator, offline) = (x25519::Identity::generate(), x25519::Identity::generate());
        (Keys { operator, recovery: offline.to_public() }, offline)
    }

    #[test]
    fn either_key_opens_it_and_no_other() {
        let (keys, offline) = keys();
        let identity = Identity::generate();
        let sealed = keys.seal("mastodon-cats", &identity).unwrap();
        for opened in [keys.open(&sealed).unwrap(), open_with(&offline, &sealed).unwrap()] {
            assert_eq!(opened.identity.variables(), identity.variables());
            assert_eq!((opened.namespace.as_str(), opened.sealed_to), ("mastodon-cats", keys.sealed_to()));
        }
        let stranger = open_with(&x25519::Identity::generate(), &sealed).unwrap_err();
        assert!(matches!(stranger, SealError::Closed(_)), "{stranger}");
        let mut damaged = sealed.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(matches!(keys.open(&damaged).unwrap_err(), SealError::Io(_)));
        assert!(keys.open(&sealed[..sealed.len() - 20]).is_err());
    }

    #[test]
    fn nothing_secret_is_shown() {
        let (keys, offline) = keys();
        let identity = Identity::generate();
        let opened = keys.open(&keys.seal("mastodon-cats", &identity).unwrap()).unwrap();
        let shown = format!("{keys:?} {opened:?}");
        let wrong = opened.of("mastodon-dogs", "f").unwrap_err().to_string();
        for value in identity.variables().values().copied().chain([offline.to_string().expose_secret()]) {
            assert!(!shown.contains(value) && !wrong.contains(value));
        }
    }
}
