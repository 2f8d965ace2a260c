//! Ed25519 signatures under manifests, and the file that holds one.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

/// What stands before the manifest in what is signed, so that the signature is good for nothing else.
const PURPOSE: &[u8] = b"paddock-archive/1\n";
/// The first line of the file.
const HEAD: &str = "paddock-archive-signature-v1";

/// Whoever signs archives.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

/// A key that can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSigningKey {
    /// Of a public one.
    #[error("is no public key of a signer: 44 letters of base 64")]
    Public,
    /// Of a private one.
    #[error("is no Ed25519 key in PEM; make one with: openssl genpkey -algorithm ed25519")]
    Private,
    /// The operating system gave none.
    #[error("no key could be made")]
    NoChance,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// Only when the operating system has no chance to give.
    pub fn generate() -> Result<Self, BadSigningKey> {
        Ed25519KeyPair::generate().map(Self).map_err(|_| BadSigningKey::NoChance)
    }

    /// Reads a key as `openssl genpkey -algorithm ed25519` writes it: PKCS #8 in PEM.
    ///
    /// # Errors
    /// It is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, BadSigningKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| BadSigningKey::Private)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Self).map_err(|_| BadSigningKey::Private)
    }

    /// The public half.
    pub fn public(&self) -> SignerKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        SignerKey(key)
    }

    /// The signature file of a manifest.
    pub fn sign(&self, manifest: &[u8]) -> String {
        let signature = self.0.sign(&message(manifest));
        format!("{HEAD}\n{}\n{}\n", self.public(), STANDARD.encode(signature.as_ref()))
    }
}

/// The public half of a signer's key: what whoever receives an archive knows it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerKey([u8; 32]);

impl fmt::Display for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for SignerKey {
    type Err = BadSigningKey;

    fn from_str(text: &str) -> Result<Self, BadSigningKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| BadSigningKey::Public)?;
        bytes.try_into().map(Self).map_err(|_| BadSigningKey::Public)
    }
}

/// What is wrong with a signature file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// It does not have its three lines.
    #[error("it does not have the form of a signature")]
    Form,
    /// The manifest is not what was signed.
    #[error("the manifest is not what {0} has signed")]
    Wrong(SignerKey),
}

/// Checks a signature file against a manifest; says who signed.
///
/// # Errors
/// It is none, or is one of something else.
pub fn check(file: &str, manifest: &[u8]) -> Result<SignerKey, BadSignature> {
    let lines: Vec<&str> = file.strip_suffix('\n').ok_or(BadSignature::Form)?.split('\n').collect();
    let [HEAD, key, signature] = lines[..] else { return Err(BadSignature::Form) };
    let key: SignerKey = key.parse().map_err(|_| BadSignature::Form)?;
    let signature = STANDARD.decode(signature).map_err(|_| BadSignature::Form)?;
    let public = UnparsedPublicKey::new(&ED25519, key.0);
    public.verify(&message(manifest), &signature).map_err(|_| BadSignature::Wrong(key))?;
    Ok(key)
}

fn message(manifest: &[u8]) -> Vec<u8> {
    [PURPOSE, manifest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_one_manifest_of_one_signer() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let file = key.sign(b"{}");
        assert_eq!(check(&file, b"{}"), Ok(key.public()));
        assert_eq!(check(&file, b"{} "), Err(BadSignature::Wrong(key.public())));
        let swapped = file.replace(&key.public().to_string(), &other.public().to_string());
        assert_eq!(check(&swapped, b"{}"), Err(BadSignature::Wrong(other.public())));
        for bad in ["", "\n\n\n", file.trim_end(), &file.replace('\n', "\r\n"), &format!("{file}\n"), &file.replace("v1", "v2")] {
            assert_eq!(check(bad, b"{}"), Err(BadSignature::Form), "{bad:?}");
        }
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
        assert_eq!("AAAA".parse::<SignerKey>(), Err(BadSigningKey::Public));
    }

    #[test]
    fn a_key_that_openssl_made_is_read() {
        // The private key of RFC 8410, section 10.3; its public half stands in section 10.1.
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(key.public().to_string(), "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
        assert!(!format!("{key:?}").contains("1O5y"));
        assert!(SigningKey::from_pem(b"nonsense").is_err());
    }
}
