//! The keys with which local accounts sign: without them nobody believes that the server is still the same.

use std::fmt::Write as _;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::KeyPair as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest as _, Sha256};

use super::rails::{CantOpen, RailsKey};

/// A local account's pair, as the database has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// Whose.
    pub username: String,
    /// `BEGIN PUBLIC KEY`.
    pub public: String,
    /// `BEGIN RSA PRIVATE KEY`, or that encrypted; nothing where the database has none.
    pub private: Option<String>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").field("username", &self.username).finish_non_exhaustive()
    }
}

/// What is wrong with a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPair {
    /// There is no private key.
    #[error("has no private key")]
    Missing,
    /// It is encrypted, and there is nothing to open it with.
    #[error("has an encrypted private key, and secrets.age has no ACTIVE_RECORD_ENCRYPTION keys")]
    Sealed,
    /// It is encrypted with other keys.
    #[error("has a private key that does not open: {0}")]
    Closed(CantOpen),
    /// One of the two is no RSA key.
    #[error("has a key that can't be read")]
    Garbled,
    /// They don't belong together.
    #[error("has a private key that does not fit its public key")]
    Foreign,
}

/// Whether the two halves of a pair belong together.
///
/// # Errors
/// They don't, or one can't be read.
pub fn check(pair: &Pair, key: Option<&RailsKey>) -> Result<(), BadPair> {
    let private = pair.private.as_deref().filter(|text| !text.is_empty()).ok_or(BadPair::Missing)?;
    if private.trim_start().starts_with('{') {
        let opened = key.ok_or(BadPair::Sealed)?.open(private).map_err(BadPair::Closed)?;
        return fits(&opened, &pair.public);
    }
    fits(private, &pair.public)
}

fn fits(private: &str, public: &str) -> Result<(), BadPair> {
    let pem = private.as_bytes();
    let pair = if let Ok(der) = PrivatePkcs1KeyDer::from_pem_slice(pem) {
        KeyPair::from_der(der.secret_pkcs1_der())
    } else {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| BadPair::Garbled)?;
        KeyPair::from_pkcs8(der.secret_pkcs8_der())
    };
    let pair = pair.map_err(|_| BadPair::Garbled)?;
    let derived: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| BadPair::Garbled)?;
    let stored = SubjectPublicKeyInfoDer::from_pem_slice(public.as_bytes()).map_err(|_| BadPair::Garbled)?;
    if derived.as_ref() == stored.as_ref() { Ok(()) } else { Err(BadPair::Foreign) }
}

/// What the manifest says of all public keys: how many, and a checksum over them.
pub fn digest(pairs: &[Pair]) -> (u64, String) {
    let mut lines: Vec<String> = pairs
        .iter()
        .map(|Pair { username, public, private: _ }| {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(public.as_bytes());
            // What can't be read is recognised by its text.
            let hash = der.map_or_else(|_| Sha256::digest(public.as_bytes()), |der| Sha256::digest(der.as_ref()));
            format!("{username} {}\n", hex::encode(hash))
        })
        .collect();
    lines.sort();
    let mut all = String::new();
    for line in &lines {
        // Writing into a String can't fail.
        let _ = all.write_str(line);
    }
    (u64::try_from(lines.len()).unwrap_or(u64::MAX), hex::encode(Sha256::digest(all.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::encoding::Pkcs8V1Der;
    use aws_lc_rs::rsa::KeySize;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    fn pair(username: &str) -> Pair {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = key.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        Pair {
            username: username.into(),
            public: pem("PUBLIC KEY", public.as_ref()),
            private: Some(pem("PRIVATE KEY", private.as_ref())),
        }
    }

    #[test]
    fn halves_that_do_not_belong_together_are_found() {
        let (wren, robin) = (pair("wren"), pair("robin"));
        assert_eq!(check(&wren, None), Ok(()));
        let swapped = Pair { private: robin.private.clone(), ..wren.clone() };
        assert_eq!(check(&swapped, None), Err(BadPair::Foreign));
        assert_eq!(check(&Pair { private: None, ..wren.clone() }, None), Err(BadPair::Missing));
        assert_eq!(check(&Pair { private: Some("{}".into()), ..wren.clone() }, None), Err(BadPair::Sealed));
        assert_eq!(check(&Pair { private: Some("x".into()), ..wren.clone() }, None), Err(BadPair::Garbled));
        let key = RailsKey::new("a", "b").unwrap();
        let closed = check(&Pair { private: Some("{}".into()), ..wren.clone() }, Some(&key));
        assert_eq!(closed, Err(BadPair::Closed(CantOpen::Form)));
        assert!(!format!("{wren:?}").contains("BEGIN"));

        let both = digest(&[wren.clone(), robin.clone()]);
        assert_eq!(both, digest(&[robin.clone(), wren.clone()]), "the order of rows does not matter");
        assert_eq!(both.0, 2);
        assert_ne!(both.1, digest(&[Pair { username: "wrens".into(), ..wren }, robin]).1);
    }
}
