//! Secrets that customers bring, on their way to the operator: sealed to its public key where they come in, opened where they are used.
//! Database and etcd hold what is in between. (The format is age's, version 1, armored: the programs `age` and `rage` read it.)

use std::io::{Read as _, Write as _};
use std::str::FromStr;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{Decryptor, Encryptor, x25519};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// The operator's public key: `age1…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient(x25519::Recipient);

/// The operator's secret key: `AGE-SECRET-KEY-1…`.
#[derive(Clone)]
pub struct Key(x25519::Identity);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Of a public one.
    #[error("is not a public key of age such as age1…; make a pair with: age-keygen")]
    Recipient,
    /// Of a secret one.
    #[error("is not a secret key of age such as AGE-SECRET-KEY-1…; make a pair with: age-keygen")]
    Key,
}

/// What was sealed can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum CantOpen {
    /// It is sealed to another key, or is nothing that was sealed.
    #[error("it is not sealed to the operator's key")]
    Closed(#[source] age::DecryptError),
    /// It breaks off.
    #[error("what is sealed can't be read to its end")]
    Broken(#[source] std::io::Error),
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Recipient {
    type Err = BadKey;
    fn from_str(text: &str) -> Result<Self, BadKey> {
        text.trim().parse().map(Self).map_err(|_| BadKey::Recipient)
    }
}

impl Recipient {
    /// Seals a text: armored, so that it can stand in a file of text.
    ///
    /// # Errors
    /// Only when the operating system has no chance to give.
    pub fn seal(&self, text: &SecretString) -> std::io::Result<String> {
        let encryptor =
            Encryptor::with_recipients(std::iter::once(&self.0 as &dyn age::Recipient)).map_err(std::io::Error::other)?;
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(text.expose_secret().as_bytes())?;
        let sealed = writer.finish()?.finish()?;
        String::from_utf8(sealed).map_err(std::io::Error::other)
    }
}

impl Key {
    /// Reads a key.
    ///
    /// # Errors
    /// The text is none.
    pub fn new(text: &SecretString) -> Result<Self, BadKey> {
        text.expose_secret().trim().parse().map(Self).map_err(|_| BadKey::Key)
    }

    /// Its public half.
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// Opens what was sealed to it.
    ///
    /// # Errors
    /// It was sealed to another key, or is broken.
    pub fn open(&self, sealed: &str) -> Result<Zeroizing<String>, CantOpen> {
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(sealed.as_bytes())).map_err(CantOpen::Closed)?;
        let mut reader = decryptor.decrypt(std::iter::once(&self.0 as &dyn age::Identity)).map_err(CantOpen::Closed)?;
        // As large as it can get, so that it never moves and leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(sealed.len()));
        reader.read_to_string(&mut text).map_err(CantOpen::Broken)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key(x25519::Identity::generate())
    }

    #[test]
    fn what_is_sealed_is_opened_by_the_one_key_alone() {
        let (key, other) = (key(), key());
        let sealed = key.recipient().seal(&"a secret".to_owned().into()).unwrap();
        assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n") && !sealed.contains("secret"), "{sealed}");
        assert_eq!(*key.open(&sealed).unwrap(), "a secret");
        assert!(matches!(other.open(&sealed), Err(CantOpen::Closed(_))));
        assert!(key.open("").is_err() && key.open("hello").is_err() && key.open(&sealed[..sealed.len() / 2]).is_err());
        assert_ne!(sealed, key.recipient().seal(&"a secret".to_owned().into()).unwrap());
    }

    #[test]
    fn the_keys_of_the_example_belong_together() {
        let table = crate::config::REFERENCE.parse::<toml::Table>().unwrap();
        let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
        let key = Key::new(&text(&table["operator"]["sealing"]["operator_key"]).into()).unwrap();
        assert_eq!(key.recipient().0.to_string(), text(&table["sealing"]["operator_recipient"]));
    }

    #[test]
    fn keys_are_read_and_told_apart() {
        assert_eq!("age1nonsense".parse::<Recipient>(), Err(BadKey::Recipient));
        assert!(Key::new(&"age1nonsense".to_owned().into()).is_err());
        assert!(!format!("{:?}", key()).contains("AGE"));
    }
}
