//! The key that signs checkpoints, and its public half.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// Signs checkpoints (Ed25519). Made from 32 bytes of the configuration.
#[derive(Clone)]
pub struct Signer(Arc<Ed25519KeyPair>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public())
    }
}

impl Signer {
    /// The key that these bytes are the seed of.
    ///
    /// # Panics
    /// Never: every 32 bytes are the seed of a key.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(Arc::new(Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are the seed of a key")))
    }

    /// What others know it by.
    pub fn public(&self) -> Public {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        Public(key)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

/// The public half of a [`Signer`]; as text 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Public([u8; 32]);

impl Public {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A text that is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no public key of 64 hexadecimal digits")]
pub struct BadPublic;

impl FromStr for Public {
    type Err = BadPublic;
    fn from_str(text: &str) -> Result<Self, BadPublic> {
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim(), &mut key).map_err(|_| BadPublic)?;
        Ok(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 §7.1, the first test: what other programs would compute.
    #[test]
    fn a_seed_gives_the_key_of_the_standard() {
        let mut seed = [0; 32];
        hex::decode_to_slice("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", &mut seed).unwrap();
        let signer = Signer::new(&seed);
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(signer.public().to_string(), public);
        assert_eq!(public.parse(), Ok(signer.public()));
        let signature = signer.sign(b"");
        assert!(hex::encode(&signature).starts_with("e5564300c360ac729086e2cc806e828a"));
        assert!(signer.public().verifies(b"", &signature) && !signer.public().verifies(b"x", &signature));
        assert_eq!("d75a".parse::<Public>(), Err(BadPublic));
    }
}
