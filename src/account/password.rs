//! Passwords: argon2id, on threads of their own, a few at a time.

use std::collections::HashSet;
use std::io::Read as _;
use std::sync::{Arc, LazyLock};

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory of one hash in KiB, passes, lanes: the first of the equal settings that OWASP's password storage cheat sheet names.
const COST: (u32, u32, u32) = (47_104, 1, 1);

/// Fewest and most characters of a password. No rules of composition: length is what counts (NIST SP 800-63B).
pub const LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

/// A hash as a PHC string.
#[derive(Debug, Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash that comes out of the database.
    pub fn from_phc(text: String) -> Self {
        Self(text)
    }

    /// As the database keeps it.
    pub fn as_phc(&self) -> &str {
        &self.0
    }

    /// A hash that no password matches but that takes as long to check: for addresses that we don't know.
    pub fn nobody() -> Self {
        let (memory, passes, lanes) = COST;
        Self(format!(
            "$argon2id$v=19$m={memory},t={passes},p={lanes}$bm9ib2R5IGlzIGhlcmU$qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo"
        ))
    }
}

/// What is wrong with a password as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Fewer characters than [`LENGTH`] asks for.
    #[error("is too short")]
    TooShort,
    /// More characters than [`LENGTH`] allows.
    #[error("is too long")]
    TooLong,
    /// One of those that whoever breaks in tries first.
    #[error("is one of those that are tried first")]
    TooCommon,
}

/// Passwords from breaches, in small letters, those that are long enough to be chosen here. They are Django's (the license stands beside
/// the file), which has taken the most frequent of several hundred million.
static COMMON: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut text = String::new();
    let mut packed = flate2::read::GzDecoder::new(include_bytes!("common_passwords.txt.gz").as_slice());
    if let Err(error) = packed.read_to_string(&mut text) {
        tracing::error!(error = %error, "the list of common passwords can't be read");
    }
    text.lines().map(str::to_owned).collect()
});

/// Whether `password` may be chosen.
pub fn check(password: &SecretString) -> Result<(), BadPassword> {
    let length = password.expose_secret().chars().count();
    if length < *LENGTH.start() {
        Err(BadPassword::TooShort)
    } else if length > *LENGTH.end() {
        Err(BadPassword::TooLong)
    } else if COMMON.contains(&password.expose_secret().to_lowercase()) {
        Err(BadPassword::TooCommon)
    } else {
        Ok(())
    }
}

/// Hashes and verifies. At most `at_once` of them run at a time, each on a thread for blocking work: hashing is the cheapest way
/// to keep a server busy, and pages must go on while somebody tries.
#[derive(Debug, Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

/// Of those whose browser nobody knows, so many may be at it or wait for each slot: half a second's worth. Whoever comes then is told to come
/// again, before anything else is done for them; those whose browser is known wait behind these few and nobody else.
const ROOM: usize = 8;

/// The thread that hashed went away, or the library refused.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashingFailed;

impl Passwords {
    /// At most `at_once` hashes at a time.
    pub fn new(at_once: usize) -> Self {
        let at_once = at_once.max(1);
        Self { slots: Arc::new(Semaphore::new(at_once)), room: Arc::new(Semaphore::new(at_once * ROOM)) }
    }

    /// A place among those whose browser nobody knows, given back when it is dropped; none while too many of them wait.
    pub fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// A hash with a salt of its own.
    pub async fn hash(&self, password: SecretString) -> Result<PasswordHash, HashingFailed> {
        self.run(move || {
            let hash = argon2()?.hash_password(password.expose_secret().as_bytes()).map_err(|_| HashingFailed)?;
            Ok(PasswordHash(hash.to_string()))
        })
        .await
    }

    /// Whether `password` is the one that was hashed. A hash that does not parse matches nothing.
    pub async fn matches(&self, password: SecretString, hash: PasswordHash) -> Result<bool, HashingFailed> {
        self.run(move || {
            let Ok(parsed) = argon2::password_hash::phc::PasswordHash::new(&hash.0) else { return Ok(false) };
            Ok(argon2()?.verify_password(password.expose_secret().as_bytes(), &parsed).is_ok())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashingFailed> + Send + 'static,
    ) -> Result<T, HashingFailed> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| HashingFailed)?;
        // The slot goes with the work: a visitor who hangs up does not make room while the hash is still being made.
        let work = move || {
            let _slot = slot;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| HashingFailed)?
    }
}

fn argon2() -> Result<Argon2<'static>, HashingFailed> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|_| HashingFailed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_matches() {
        let passwords = Passwords::new(2);
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.as_phc().starts_with("$argon2id$v=19$m=47104,t=1,p=1$"), "{hash:?}");
        assert!(passwords.matches("correct horse".into(), hash.clone()).await.unwrap());
        assert!(!passwords.matches("correct hors".into(), hash).await.unwrap());
        assert!(!passwords.matches("anything".into(), PasswordHash::from_phc("not a hash".into())).await.unwrap());
    }

    #[test]
    fn strangers_wait_in_a_room_that_is_small() {
        let passwords = Passwords::new(2);
        let mut inside: Vec<_> = std::iter::from_fn(|| passwords.room()).collect();
        assert_eq!(inside.len(), 2 * ROOM);
        inside.pop();
        assert!(passwords.room().is_some());
    }

    #[test]
    fn nobodys_hash_parses_so_that_it_costs_as_much() {
        assert!(argon2::password_hash::phc::PasswordHash::new(PasswordHash::nobody().as_phc()).is_ok());
    }

    #[test]
    fn what_is_tried_first_is_refused_whatever_the_size_of_its_letters() {
        assert!(COMMON.len() > 8_000 && COMMON.iter().all(|one| one.chars().count() >= *LENGTH.start()), "{}", COMMON.len());
        for common in ["password", "PassWord1", "football1", "12345678"] {
            assert_eq!(check(&common.into()), Err(BadPassword::TooCommon), "{common}");
        }
        assert_eq!(check(&"password of a heron".into()), Ok(()));
    }

    #[test]
    fn length_counts_characters() {
        assert_eq!(check(&"1234567".into()), Err(BadPassword::TooShort));
        assert_eq!(check(&"ääääääää".into()), Ok(()));
        assert_eq!(check(&"a".repeat(129).into()), Err(BadPassword::TooLong));
    }
}
