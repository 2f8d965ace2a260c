//! The vault: every server's identity, sealed, so that a lost Secret is put back and never made anew.
//!
//! Names in the vault's bucket: `<namespace>/<fingerprint>.age` is an identity, sealed to two keys (see [`Keys`]); `<namespace>/current`
//! says which fingerprint is this server's, for a custom resource can be restored without its status. `current` is written once and
//! never changed.

mod seal;
mod store;

use std::fmt;
use std::sync::Arc;

use secrecy::ExposeSecret as _;

pub use seal::{Keys, Opened, SealError, open_with};
pub use store::{MemoryVault, S3Vault, VaultStore};

use super::bucket::{BucketError, Buckets};
use super::error::Error;
use super::instance::Identity;
use super::settings::{Settings, VaultSettings};
use crate::clock::SharedClock;
use crate::crypto::EXAMPLE_KEY as EXAMPLE_SECRET;

/// What went wrong with the vault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// It can't be reached, or refuses.
    #[error("the vault could not be used")]
    Store(#[from] BucketError),
    /// What is in it can't be opened, or is not what its name says.
    #[error("{name} in the vault is of no use")]
    Unusable {
        /// The object.
        name: String,
        /// Why.
        #[source]
        why: Box<SealError>,
    },
    /// Sealing failed.
    #[error("could not seal the identity")]
    Unsealed(#[source] Box<SealError>),
    /// Something is not there that should be.
    #[error("{0} is not in the vault")]
    Absent(String),
    /// The vault says that the server has another identity.
    #[error("{name} in the vault says that this server's identity is {current}")]
    Other {
        /// The object.
        name: String,
        /// The fingerprint that it says.
        current: String,
    },
}

impl VaultError {
    /// Whether the vault could not be asked; it may well answer the next time.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Store(_) => true,
            Self::Unusable { name: _, why: _ } | Self::Unsealed(_) | Self::Absent(_) | Self::Other { name: _, current: _ } => {
                false
            }
        }
    }
}

/// The vault.
pub struct Vault {
    store: Arc<dyn VaultStore>,
    keys: Keys,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Vault {
    /// The vault of these settings. With `buckets` its bucket and key are made where they are missing; without, they have to be there.
    ///
    /// # Errors
    /// Settings that can't be used, or no TLS.
    pub fn connect(settings: &Settings, buckets: Option<Arc<dyn Buckets>>, clock: &SharedClock) -> Result<Self, Error> {
        let keys = Keys::new(&settings.vault)?;
        let store = S3Vault::connect(settings, buckets, clock).map_err(Error::Client)?;
        Ok(Self::new(Arc::new(store), keys))
    }

    /// With a store of the caller's choice.
    pub fn new(store: Arc<dyn VaultStore>, keys: Keys) -> Self {
        Self { store, keys }
    }

    /// The public keys that everything is sealed to.
    pub fn sealed_to(&self) -> String {
        self.keys.sealed_to()
    }

    /// Seals an identity and stores it under its fingerprint.
    pub async fn put(&self, namespace: &str, identity: &Identity) -> Result<(), VaultError> {
        let sealed = self.keys.seal(namespace, identity).map_err(|why| VaultError::Unsealed(Box::new(why)))?;
        self.store.ready().await?;
        Ok(self.store.put(&sealed_name(namespace, &identity.fingerprint()), sealed).await?)
    }

    /// The identity with this fingerprint; nothing when the vault has none.
    pub async fn open(&self, namespace: &str, fingerprint: &str) -> Result<Option<Identity>, VaultError> {
        Ok(self.look(namespace, fingerprint).await?.map(|opened| opened.identity))
    }

    async fn look(&self, namespace: &str, fingerprint: &str) -> Result<Option<Opened>, VaultError> {
        let name = sealed_name(namespace, fingerprint);
        self.store.ready().await?;
        let Some(sealed) = self.store.get(&name).await? else { return Ok(None) };
        let opened = self.keys.open(&sealed).and_then(|opened| opened.of(namespace, fingerprint));
        opened.map(Some).map_err(|why| VaultError::Unusable { name, why: Box::new(why) })
    }

    /// Sees to it that the keys of today open this identity in the vault; stores it where they do not. So keys can be changed.
    async fn hold(&self, namespace: &str, identity: &Identity) -> Result<(), VaultError> {
        let why = match self.look(namespace, &identity.fingerprint()).await {
            Ok(Some(opened)) if opened.sealed_to == self.keys.sealed_to() => return Ok(()),
            Ok(Some(_)) => "it was sealed to other keys".to_owned(),
            Ok(None) => "it was not there".to_owned(),
            Err(VaultError::Unusable { name: _, why }) => why.to_string(),
            Err(error) => return Err(error),
        };
        self.put(namespace, identity).await?;
        tracing::info!(namespace, why, "the identity was put into the vault");
        Ok(())
    }

    /// The fingerprint of this server's identity; nothing before it has one.
    pub async fn current(&self, namespace: &str) -> Result<Option<String>, VaultError> {
        self.store.ready().await?;
        let name = current_name(namespace);
        let Some(content) = self.store.get(&name).await? else { return Ok(None) };
        let text = String::from_utf8_lossy(&content).trim().to_owned();
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Some(text));
        }
        Err(VaultError::Unusable { name, why: Box::new(SealError::Garbled) })
    }

    /// Sees to it that the vault holds this identity and says that it is the server's. Returns which one the vault says it is; when that
    /// is another, nothing is stored.
    ///
    /// Not every store can refuse to overwrite (Garage can't), so `current` is looked at first and read back afterwards. That is
    /// enough: who comes here has read the identity out of the one Secret that the API server has let exist, so two that write at the
    /// same time write the same.
    pub async fn keep(&self, namespace: &str, identity: &Identity) -> Result<String, VaultError> {
        let fingerprint = identity.fingerprint();
        let current = self.current(namespace).await?;
        if let Some(other) = current.as_ref().filter(|current| **current != fingerprint) {
            return Ok(other.clone());
        }
        self.hold(namespace, identity).await?;
        if let Some(same) = current {
            return Ok(same);
        }
        let name = current_name(namespace);
        self.store.put_new(&name, fingerprint.into_bytes()).await?;
        self.current(namespace).await?.ok_or(VaultError::Absent(name))
    }

    /// That the vault holds this server's identity and that the operator's key opens it, sealed to both keys of the settings.
    ///
    /// # Errors
    /// What is not so.
    pub async fn prove(&self, namespace: &str, fingerprint: &str) -> Result<(), VaultError> {
        let name = current_name(namespace);
        match self.current(namespace).await? {
            None => return Err(VaultError::Absent(name)),
            Some(current) if current != fingerprint => return Err(VaultError::Other { name, current }),
            Some(_) => {}
        }
        let name = sealed_name(namespace, fingerprint);
        match self.look(namespace, fingerprint).await? {
            None => Err(VaultError::Absent(name)),
            Some(opened) if opened.sealed_to != self.keys.sealed_to() => {
                Err(VaultError::Unusable { name, why: Box::new(SealError::OtherKeys) })
            }
            Some(_) => Ok(()),
        }
    }

    /// Forgets a server for good. For the very end, after its final archive is proven: nobody can speak as this server afterwards.
    pub async fn forget(&self, namespace: &str) -> Result<(), VaultError> {
        self.store.ready().await?;
        for name in self.store.list(&format!("{namespace}/")).await? {
            self.store.delete(&name).await?;
        }
        Ok(())
    }
}

/// The operator's key in the documented example.
pub const EXAMPLE_KEY: &str = "AGE-SECRET-KEY-12Q2XDS5335FWGSVLMZL2XQJMZMTLA7XT6AJNPS3C4ECYV46LTFVQ5YFGUK";
/// The recovery key's public half there; nobody has the other.
pub const EXAMPLE_RECIPIENT: &str = "age1vwzhh6qs6pcaehvn9mfs85jjnkuue8jjvm45eyvjc092fa052djqkea0sa";

/// The settings that are still the documented example's, which everybody can read.
pub fn examples(settings: &VaultSettings) -> Vec<&'static str> {
    let same = [
        ("secret_key", settings.secret_key.expose_secret() == EXAMPLE_SECRET),
        ("operator_key", settings.operator_key.expose_secret() == EXAMPLE_KEY),
        ("recovery_recipient", settings.recovery_recipient == EXAMPLE_RECIPIENT),
    ];
    same.into_iter().filter(|(_, same)| *same).map(|(name, _)| name).collect()
}

/// The name of a sealed identity.
pub fn sealed_name(namespace: &str, fingerprint: &str) -> String {
    format!("{namespace}/{fingerprint}.age")
}

/// The name of what says which identity is a server's.
pub fn current_name(namespace: &str) -> String {
    format!("{namespace}/current")
}

#[cfg(test)]
mod tests {
    use super::*;
    use seal::tests::keys;

    const CATS: &str = "mastodon-cats";

    fn vault(store: &Arc<MemoryVault>, keys: Keys) -> Vault {
        Vault::new(Arc::clone(store) as Arc<dyn VaultStore>, keys)
    }

    #[tokio::test]
    async fn an_identity_comes_back_as_it_was() {
        let (store, (keys, _)) = (Arc::<MemoryVault>::default(), keys());
        let vault = vault(&store, keys);
        let identity = Identity::generate();
        let fingerprint = identity.fingerprint();
        assert!(vault.open(CATS, &fingerprint).await.unwrap().is_none());
        vault.put(CATS, &identity).await.unwrap();
        let again = vault.open(CATS, &fingerprint).await.unwrap().unwrap();
        assert_eq!(again.variables(), identity.variables());
        vault.hold(CATS, &identity).await.unwrap();
        assert_eq!(store.writes(), 1, "what is held is not written again");
        let stored = store.get(&sealed_name(CATS, &fingerprint)).await.unwrap().unwrap();
        for value in identity.variables().values() {
            assert!(!stored.windows(value.len()).any(|window| window == value.as_bytes()), "nothing of it can be read");
        }
    }

    #[tokio::test]
    async fn what_the_vault_has_lost_or_can_not_open_is_stored_again() {
        let (store, (first, _)) = (Arc::<MemoryVault>::default(), keys());
        let (identity, name) = (Identity::generate(), |identity: &Identity| sealed_name(CATS, &identity.fingerprint()));
        let vault_of_first = vault(&store, first);
        vault_of_first.hold(CATS, &identity).await.unwrap();
        store.delete(&name(&identity)).await.unwrap();
        vault_of_first.hold(CATS, &identity).await.unwrap();

        // The keys were changed: the old ones open it no more, the new ones do.
        let second = vault(&store, keys().0);
        let fingerprint = identity.fingerprint();
        let unusable = second.open(CATS, &fingerprint).await.unwrap_err();
        assert!(matches!(unusable, VaultError::Unusable { .. }), "{unusable}");
        second.hold(CATS, &identity).await.unwrap();
        assert!(second.open(CATS, &fingerprint).await.unwrap().is_some());

        // Damage, and another server's identity under this one's name.
        store.put(&name(&identity), b"age-encryption.org/v1\n".to_vec()).await.unwrap();
        second.hold(CATS, &identity).await.unwrap();
        let foreign = Identity::generate();
        second.put("mastodon-dogs", &foreign).await.unwrap();
        let stolen = store.get(&sealed_name("mastodon-dogs", &foreign.fingerprint())).await.unwrap().unwrap();
        store.put(&name(&foreign), stolen.clone()).await.unwrap();
        assert!(matches!(second.open(CATS, &foreign.fingerprint()).await.unwrap_err(), VaultError::Unusable { .. }));
        store.put(&name(&identity), stolen).await.unwrap();
        assert!(matches!(second.open(CATS, &fingerprint).await.unwrap_err(), VaultError::Unusable { .. }));
    }

    #[tokio::test]
    async fn which_identity_is_a_servers_is_settled_once() {
        let store = Arc::<MemoryVault>::default();
        let vault = vault(&store, keys().0);
        let (one, other) = (Identity::generate(), Identity::generate());
        assert_eq!(vault.current(CATS).await.unwrap(), None);
        assert_eq!(vault.keep(CATS, &one).await.unwrap(), one.fingerprint());
        let writes = store.writes();
        assert_eq!(vault.keep(CATS, &other).await.unwrap(), one.fingerprint());
        assert_eq!(vault.keep(CATS, &one).await.unwrap(), one.fingerprint());
        assert_eq!(store.writes(), writes, "neither another one nor the same again is stored");
        // Two at the same time, of which the other was faster between our look and our writing.
        store.be_overtaken(&current_name("mastodon-dogs"), other.fingerprint().into_bytes());
        assert_eq!(vault.keep("mastodon-dogs", &one).await.unwrap(), other.fingerprint());
    }

    #[tokio::test]
    async fn a_proof_wants_all_of_it_and_what_is_forgotten_is_gone() {
        let store = Arc::<MemoryVault>::default();
        let vault = vault(&store, keys().0);
        let identity = Identity::generate();
        let fingerprint = identity.fingerprint();
        assert!(matches!(vault.prove(CATS, &fingerprint).await, Err(VaultError::Absent(_))));
        vault.put(CATS, &identity).await.unwrap();
        assert!(
            matches!(vault.prove(CATS, &fingerprint).await, Err(VaultError::Absent(_))),
            "nothing says that it is the server's"
        );
        vault.keep(CATS, &identity).await.unwrap();
        vault.prove(CATS, &fingerprint).await.unwrap();
        store.delete(&sealed_name(CATS, &fingerprint)).await.unwrap();
        assert!(matches!(vault.prove(CATS, &fingerprint).await, Err(VaultError::Absent(_))));
        assert!(matches!(vault.prove(CATS, &"3".repeat(64)).await, Err(VaultError::Other { .. })));
        vault.put("mastodon-cats2", &identity).await.unwrap();
        vault.forget(CATS).await.unwrap();
        assert!(matches!(vault.prove(CATS, &fingerprint).await, Err(VaultError::Absent(_))));
        assert!(vault.open("mastodon-cats2", &fingerprint).await.unwrap().is_some(), "others are kept");
    }

    #[tokio::test]
    async fn a_vault_that_does_not_answer_is_told_from_one_that_is_empty() {
        let store = Arc::<MemoryVault>::default();
        let vault = vault(&store, keys().0);
        store.fail(true);
        let error = vault.current(CATS).await.unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        store.fail(false);
        assert_eq!(vault.current(CATS).await.unwrap(), None);
    }
}
