//! `secrets.age`: the lines of `.env.production` that make the server itself, sealed to its owner.
//!
//! Not all of that file: logins of the old place's database, store and mail server are of no use elsewhere, and not the next host's to
//! have. (Which ones matter, and what their loss breaks: Mastodon's `.env.production.sample` and its "Configuring your environment".)

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};

use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::error::ArchiveError;

/// What goes along: identity, keys, and what changes how the server behaves towards others.
pub const KEPT: [&str; 14] = [
    "LOCAL_DOMAIN",
    "WEB_DOMAIN",
    "ALTERNATE_DOMAINS",
    "SECRET_KEY_BASE",
    "OTP_SECRET",
    "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY",
    "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY",
    "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT",
    "VAPID_PRIVATE_KEY",
    "VAPID_PUBLIC_KEY",
    "LIMITED_FEDERATION_MODE",
    "AUTHORIZED_FETCH",
    "SINGLE_USER_MODE",
    "S3_ALIAS_HOST",
];
/// The largest `secrets.age` that is read, in bytes.
pub const LARGEST: u64 = 1024 * 1024;
/// The most work that a passphrase may ask for, as a power of two: 1 GiB of memory and some seconds, so that a forged file can't ask for
/// all there is. Our own choose about a second.
pub(super) const MOST_WORK: u8 = 20;

/// The variables of a server.
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, Zeroizing<String>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Secrets {
    /// Takes what [`KEPT`] names out of the variables of a server.
    pub fn pick(variables: &BTreeMap<String, String>) -> Self {
        let kept = KEPT.into_iter().filter_map(|name| Some((name.to_owned(), variables.get(name)?)));
        Self(kept.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, Zeroizing::new(value.clone()))).collect())
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// What is missing for a server to be the same one elsewhere.
    pub fn missing(&self) -> Vec<&'static str> {
        let needed = ["LOCAL_DOMAIN", "SECRET_KEY_BASE", "VAPID_PRIVATE_KEY", "VAPID_PUBLIC_KEY"];
        needed.into_iter().filter(|name| !self.0.contains_key(*name)).collect()
    }

    /// The lines, as an `.env` file has them: each value in single quotes.
    ///
    /// # Errors
    /// A value has a quote or a line break in it, which no value of Mastodon's has.
    pub fn to_env(&self) -> Result<Zeroizing<String>, ArchiveError> {
        let mut text = Zeroizing::new(String::with_capacity(4096));
        for (name, value) in &self.0 {
            if value.contains(['\'', '\n', '\r', '\0']) {
                return Err(ArchiveError::Given(format!("the value of {name} has a quote or a line break in it")));
            }
            text.push_str(name);
            text.push_str("='");
            text.push_str(value);
            text.push_str("'\n");
        }
        Ok(text)
    }
}

/// Whom secrets are sealed to.
pub enum Lock {
    /// Whoever knows a passphrase. Nobody else then: age allows no other recipient beside one.
    Passphrase(SecretString),
    /// Whoever has one of these keys.
    Recipients(Vec<x25519::Recipient>),
}

/// What opens them.
pub enum Unlock {
    /// The passphrase.
    Passphrase(SecretString),
    /// A secret key.
    Key(x25519::Identity),
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock(…)")
    }
}

impl fmt::Debug for Unlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unlock(…)")
    }
}

impl Lock {
    /// Reads recipients: `age1…`.
    ///
    /// # Errors
    /// One is none.
    pub fn recipients(texts: &[String]) -> Result<Self, ArchiveError> {
        let read = |text: &String| {
            let bad = |why: &str| ArchiveError::Given(format!("--recipient: {text} is no public key of age: {why}"));
            text.trim().parse().map_err(|why: &str| bad(why))
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self::Recipients)
    }
}

impl Unlock {
    /// Reads the file of a secret key, as `age-keygen` writes it.
    ///
    /// # Errors
    /// There is none in it.
    pub fn key(text: &str) -> Result<Self, ArchiveError> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
        let key = line.parse().map_err(|why: &str| ArchiveError::Given(format!("the file holds no secret key of age: {why}")))?;
        Ok(Self::Key(key))
    }
}

/// Seals secrets.
///
/// # Errors
/// A value can't be written, or there is nobody to seal to.
pub fn seal(secrets: &Secrets, lock: Lock) -> Result<Vec<u8>, ArchiveError> {
    let text = secrets.to_env()?;
    let encryptor = match lock {
        Lock::Passphrase(passphrase) => Encryptor::with_user_passphrase(passphrase),
        Lock::Recipients(recipients) => {
            let recipients = recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
            Encryptor::with_recipients(recipients).map_err(|error| ArchiveError::Given(format!("could not seal: {error}")))?
        }
    };
    let mut sealed = Vec::new();
    let write = |sealed: &mut Vec<u8>| {
        let mut writer = encryptor.wrap_output(sealed)?;
        writer.write_all(text.as_bytes())?;
        writer.finish().map(drop)
    };
    write(&mut sealed).map_err(ArchiveError::file("seal", "secrets.age"))?;
    Ok(sealed)
}

/// Opens what was sealed.
///
/// # Errors
/// The passphrase or the key is another one, or what is inside is none of ours.
pub fn open(sealed: &[u8], unlock: &Unlock) -> Result<Secrets, ArchiveError> {
    let decryptor = Decryptor::new_buffered(sealed).map_err(|error| ArchiveError::Locked(why(&error)))?;
    if let (Unlock::Key(_), true) = (unlock, decryptor.is_scrypt()) {
        return Err(ArchiveError::Locked("it is sealed with a passphrase, not to a key"));
    }
    if let (Unlock::Passphrase(_), false) = (unlock, decryptor.is_scrypt()) {
        return Err(ArchiveError::Locked("it is sealed to a key, not with a passphrase"));
    }
    let reader = match unlock {
        Unlock::Passphrase(passphrase) => {
            let mut identity = scrypt::Identity::new(passphrase.clone());
            identity.set_max_work_factor(MOST_WORK);
            decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))
        }
        Unlock::Key(key) => decryptor.decrypt(std::iter::once(key as &dyn age::Identity)),
    };
    let reader = reader.map_err(|error| ArchiveError::Locked(why(&error)))?;
    // As large as it can get, so that it never moves and leaves a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(sealed.len()));
    reader.take(LARGEST).read_to_string(&mut text).map_err(|_| ArchiveError::Locked("it is damaged"))?;
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once('=').ok_or(ArchiveError::Locked("what is in it are no lines of an .env file"))?;
        let value = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')).unwrap_or(value);
        // What we don't know is not handed on.
        if KEPT.contains(&name) {
            found.insert(name.to_owned(), Zeroizing::new(value.to_owned()));
        }
    }
    Ok(Secrets(found))
}

fn why(error: &DecryptError) -> &'static str {
    match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => "the passphrase is another one",
        DecryptError::NoMatchingKeys => "it is sealed to another key",
        DecryptError::ExcessiveWork { .. } => "it asks for more work than any passphrase of ours does",
        // The header, its checksum, what follows, and whatever else age will know one day.
        _ => "it is damaged",
    }
}

/// The passphrase in a file: its first line.
pub fn passphrase(text: &str) -> SecretString {
    text.lines().next().unwrap_or_default().to_owned().into()
}

/// Whether a passphrase is long enough to be worth sealing with.
pub fn is_long_enough(passphrase: &SecretString) -> bool {
    passphrase.expose_secret().chars().count() >= 12
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let values =
            [("LOCAL_DOMAIN", "birds.example"), ("SECRET_KEY_BASE", "s e=c#ret"), ("DB_PASS", "hunter2"), ("OTP_SECRET", "")];
        Secrets::pick(&values.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    #[test]
    fn what_matters_elsewhere_is_sealed_and_comes_back() {
        let (key, other) = (x25519::Identity::generate(), x25519::Identity::generate());
        let lock = Lock::recipients(&[key.to_public().to_string()]).unwrap();
        let sealed = seal(&secrets(), lock).unwrap();
        let opened = open(&sealed, &Unlock::Key(key)).unwrap();
        assert_eq!(*opened.to_env().unwrap(), "LOCAL_DOMAIN='birds.example'\nSECRET_KEY_BASE='s e=c#ret'\n");
        assert_eq!(opened.missing(), ["VAPID_PRIVATE_KEY", "VAPID_PUBLIC_KEY"]);
        let error = open(&sealed, &Unlock::Key(other)).unwrap_err().to_string();
        assert_eq!(error, "secrets.age does not open: it is sealed to another key");
        let error = open(&sealed, &Unlock::Passphrase("x".to_owned().into())).unwrap_err().to_string();
        assert!(error.contains("to a key"), "{error}");
        assert!(Lock::recipients(&["age1x".into()]).is_err() && Unlock::key("# nothing\n").is_err());
        assert!(!format!("{opened:?}").contains("birds"));
    }

    #[test]
    fn a_passphrase_opens_and_another_does_not() {
        let lock = Lock::Passphrase(passphrase("correct horse battery\nmore"));
        let sealed = seal(&secrets(), lock).unwrap();
        assert!(open(&sealed, &Unlock::Passphrase("correct horse battery".to_owned().into())).is_ok());
        let error = open(&sealed, &Unlock::Passphrase("correct horse".to_owned().into())).unwrap_err().to_string();
        assert_eq!(error, "secrets.age does not open: the passphrase is another one");
        assert!(open(b"nonsense", &Unlock::Passphrase("x".to_owned().into())).unwrap_err().to_string().contains("damaged"));
        assert!(!is_long_enough(&"short".to_owned().into()) && is_long_enough(&"long enough for it".to_owned().into()));
    }
}
