//! Who each server is to the host's mail relay: a login of its own, made from one secret that the operator and the relay's keeper share.
//!
//! No relay that is in common use has a way of its own to make logins that others have too, but every one can check a login and a password
//! against a list. So nothing is registered anywhere: name and password follow from the secret and the server's name, whoever has the
//! secret can make the list (`paddock admin mail-map`), and a server that comes or goes changes nothing at the operator.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::crypto::{HostKey, equal, to_base64};

/// Keeps this from being a MAC for anything else.
const PURPOSE: &str = "mail relay password";
const SALT: &str = "mail relay salt";

/// Memory of the list's hashes in KiB, passes and lanes. A password is 256 bits that nobody can guess, so a costly hash would only slow
/// the relay down, which checks one for each mail.
const COST: (u32, u32, u32) = (1024, 1, 1);

/// The logins of all servers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logins {
    /// What stands behind the @ of each.
    pub domain: String,
    /// From it the passwords are made: 64 hexadecimal digits.
    pub secret: SecretString,
}

/// One server's login.
#[derive(Debug, Clone)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password.
    pub password: SecretString,
}

impl Logins {
    /// What is wrong with the settings.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        if self.domain.is_empty() || !self.domain.contains('.') || self.domain.contains(['@', ' ', ':', '/']) {
            return Some(("domain", "must be a domain such as relay.meadow.social; logins end with @ and it"));
        }
        self.key().is_none().then_some(("secret", "must be 64 hexadecimal digits; make one with: openssl rand -hex 32"))
    }

    fn key(&self) -> Option<HostKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(self.secret.expose_secret(), &mut bytes).ok()?;
        Some(HostKey::new(bytes))
    }

    /// The login of the server with this custom resource; nothing when the settings are of no use ([`Logins::fault`]).
    pub fn of(&self, server: &str) -> Option<Login> {
        let username = format!("{server}@{}", self.domain);
        let password = to_base64(&self.key()?.mac(PURPOSE, username.as_bytes()));
        Some(Login { username, password: password.into() })
    }

    /// Whether it is the server's password, compared in constant time.
    pub fn verifies(&self, server: &str, password: &SecretString) -> bool {
        let own = self.of(server);
        own.is_some_and(|own| equal(own.password.expose_secret().as_bytes(), password.expose_secret().as_bytes()))
    }

    /// A hash of the server's password as Dovecot reads it. The same each time, so that a list in which nothing changed is the same file.
    pub fn hash(&self, server: &str) -> Option<String> {
        let login = self.of(server)?;
        let salt: [u8; 16] = self.key()?.mac(SALT, login.username.as_bytes())[..16].try_into().ok()?;
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, None).ok()?;
        let mut hash = [0; 32];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(login.password.expose_secret().as_bytes(), &salt, &mut hash).ok()?;
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
        Some(format!("{{ARGON2ID}}$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}"))
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordVerifier as _;

    use super::*;

    fn logins(secret: &str) -> Logins {
        Logins { domain: "relay.example".into(), secret: secret.repeat(32).into() }
    }

    #[test]
    fn each_server_has_a_login_that_follows_from_the_secret() {
        let ours = logins("ab");
        let [one, again, other] = ["ins-1", "ins-1", "ins-2"].map(|server| ours.of(server).unwrap());
        assert_eq!(one.username, "ins-1@relay.example");
        assert_eq!(one.password.expose_secret().len(), 43);
        assert_eq!(one.password.expose_secret(), again.password.expose_secret());
        assert_ne!(one.password.expose_secret(), other.password.expose_secret());
        assert_ne!(one.password.expose_secret(), logins("cd").of("ins-1").unwrap().password.expose_secret());
        assert!(ours.verifies("ins-1", &one.password) && !ours.verifies("ins-2", &one.password));
    }

    #[test]
    fn the_list_holds_a_hash_that_the_password_fits() {
        let ours = logins("ab");
        let hash = ours.hash("ins-1").unwrap();
        assert_eq!(hash, ours.hash("ins-1").unwrap());
        let phc = hash.strip_prefix("{ARGON2ID}").unwrap();
        let parsed = argon2::password_hash::phc::PasswordHash::new(phc).unwrap();
        let verify = |password: &SecretString| Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed);
        assert!(verify(&ours.of("ins-1").unwrap().password).is_ok());
        assert!(verify(&ours.of("ins-2").unwrap().password).is_err());
        assert!(!hash.contains(':'), "it stands in a file whose fields end with colons");
    }

    #[test]
    fn settings_that_are_of_no_use_say_so() {
        assert_eq!(logins("ab").fault(), None);
        assert_eq!(logins("xy").fault().unwrap().0, "secret");
        assert_eq!(Logins { domain: "a@b".into(), ..logins("ab") }.fault().unwrap().0, "domain");
    }
}
