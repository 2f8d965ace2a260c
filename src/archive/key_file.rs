//! A secret key of age in a file that a passphrase opens: what `age-keygen | age -p` makes and `age -i` takes. So whoever asks for an archive
//! by a form chooses a passphrase, and nobody who writes the archive ever has it.

use std::io::{Read as _, Write as _};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::ExposeSecret as _;
use age::{Decryptor, Encryptor, scrypt, x25519};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::error::ArchiveError;
use super::secrets::{MOST_WORK, Unlock};

/// How much work the passphrase asks for, as a power of two: 64 MiB of memory and some tenths of a second.
const WORK: u8 = 16;
/// The largest key file that is read, in bytes.
const LARGEST: usize = 16 * 1024;

/// A new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedKey {
    /// Its public half: `age1…`.
    pub recipient: String,
    /// Its secret half, sealed with the passphrase; text.
    pub file: String,
}

/// Makes a key that a passphrase opens.
///
/// # Errors
/// Only when the operating system has no chance to give.
pub fn make(passphrase: SecretString) -> Result<LockedKey, ArchiveError> {
    let key = x25519::Identity::generate();
    let recipient = key.to_public().to_string();
    let text = Zeroizing::new(format!("# public key: {recipient}\n{}\n", key.to_string().expose_secret()));
    let mut lock = scrypt::Recipient::new(passphrase);
    lock.set_work_factor(WORK);
    let seal = || {
        let encryptor =
            Encryptor::with_recipients(std::iter::once(&lock as &dyn age::Recipient)).map_err(std::io::Error::other)?;
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(text.as_bytes())?;
        writer.finish()?.finish()
    };
    let sealed = seal().map_err(ArchiveError::file("seal", "key.age"))?;
    let file = String::from_utf8(sealed).map_err(|_| ArchiveError::Given("the key file is no text".into()))?;
    Ok(LockedKey { recipient, file })
}

/// Opens the file of a key with its passphrase.
///
/// # Errors
/// The passphrase is another one, or there is no key in it.
pub fn open(file: &str, passphrase: &SecretString) -> Result<Unlock, ArchiveError> {
    let closed = |_| ArchiveError::Given("the key file does not open: the passphrase is another one, or it is damaged".into());
    if file.len() > LARGEST {
        return Err(ArchiveError::Given("the key file is too large to be one".into()));
    }
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(file.as_bytes())).map_err(closed)?;
    let mut identity = scrypt::Identity::new(passphrase.clone());
    identity.set_max_work_factor(MOST_WORK);
    let mut reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(closed)?;
    let mut text = Zeroizing::new(String::with_capacity(file.len()));
    reader.read_to_string(&mut text).map_err(ArchiveError::file("read", "key.age"))?;
    Unlock::key(&text)
}

#[cfg(test)]
mod tests {
    use super::super::secrets::{self, Lock, Secrets};
    use super::*;

    #[test]
    fn what_is_sealed_to_it_opens_with_the_file_and_the_passphrase() {
        let phrase = || SecretString::from("correct horse battery".to_owned());
        let LockedKey { recipient, file } = make(phrase()).unwrap();
        assert!(file.starts_with("-----BEGIN AGE ENCRYPTED FILE-----") && !file.contains("AGE-SECRET-KEY"));
        let values = [("LOCAL_DOMAIN".to_owned(), "birds.example".to_owned())];
        let sealed = secrets::seal(&Secrets::pick(&values.into()), Lock::recipients(&[recipient]).unwrap()).unwrap();
        let opened = secrets::open(&sealed, &open(&file, &phrase()).unwrap()).unwrap();
        assert_eq!(opened.get("LOCAL_DOMAIN"), Some("birds.example"));
        let wrong = open(&file, &"correct horse batterx".to_owned().into()).unwrap_err().to_string();
        assert!(wrong.contains("the passphrase is another one"), "{wrong}");
        assert!(open("nonsense", &phrase()).is_err());
    }
}
