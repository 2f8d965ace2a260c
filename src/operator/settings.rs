//! What the operator has to be told. It reads no environment and no files: whoever composes the program fills this in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

pub use super::network::{Network, Reach};
use super::relay::Logins;
use super::stores::{self, Stores};
use crate::resource::{Version, is_pinned};
use crate::sealing::Key;

/// Everything the operator has to be told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The name under which we own fields. It never changes: another name would be another owner.
    #[serde(default = "paddock")]
    pub field_manager: String,
    /// How many instances are worked on at a time.
    #[serde(default = "sixteen")]
    pub concurrency: u16,
    /// How often each instance is looked at without cause, in seconds; such a pass reads and, when all is well, writes nothing.
    #[serde(default = "ten_minutes")]
    pub look_seconds: u32,
    /// Each release of Mastodon that may run, with its images: to begin with, as long as the fleet has not written the ConfigMap
    /// [`crate::resource::CATALOGUE_NAME`].
    pub releases: BTreeMap<String, Release>,
    /// Where servers are reached.
    pub address: Address,
    /// Where media and backups lie.
    pub storage: Storage,
    /// Where the servers' identities are kept. There is no operator without.
    #[serde(default)]
    pub vault: VaultSettings,
    /// The relay for mail of the servers.
    pub mail: MailRelay,
    /// The storage class of volumes to come; the cluster's default when missing. Valkey's volume keeps the one that it has.
    #[serde(default)]
    pub storage_class: Option<String>,
    /// Postgres for CloudNativePG: `name:17.6@sha256:…`. CloudNativePG reads the major version out of the tag.
    pub postgres_image: String,
    /// Paddock itself, by digest: makes archives inside of servers' walls, within Postgres' image, which must be of Debian 12 or newer
    /// (such as `17.6-standard-bookworm`). Without one no archives are made.
    #[serde(default)]
    pub program_image: Option<String>,
    /// Valkey: `name:8.1@sha256:…`.
    pub valkey_image: String,
    /// Postgres and Valkey of servers that run: how they get newer ones.
    #[serde(default)]
    pub stores: Stores,
    /// Whether pods get a user namespace of their own (`hostUsers: false`), in which root is nobody on the node. Off for nodes that
    /// can't: it needs Linux 6.3, containerd 2.0 or CRI-O 1.25, and a file system of volumes that maps ids.
    #[serde(default = "yes")]
    pub user_namespaces: bool,
    /// Backups of the servers' databases.
    #[serde(default)]
    pub backups: Backups,
    /// What the walls around an instance must let through.
    #[serde(default)]
    pub network: Network,
    /// Opens what customers sealed to us.
    #[serde(default)]
    pub sealing: Sealing,
    /// Runs.
    #[serde(default)]
    pub runs: Runs,
    /// Set where several operators run: only the one that holds the lease works.
    #[serde(default)]
    pub leader: Option<LeaderLease>,
    /// The operator's own namespace, where the fleet puts that ConfigMap, and where all operators of the cluster keep what they have
    /// to know.
    #[serde(default = "paddock")]
    pub namespace: String,
    /// Who answers for servers that are paused; nobody when missing, and their visitors get the Gateway's own error.
    #[serde(default)]
    pub park: Option<Park>,
}

impl Settings {
    /// Where routes to who answers for paused servers are, or were as long as somebody did: the chart puts both into its own namespace.
    pub fn park_namespace(&self) -> &str {
        self.park.as_ref().map_or(&self.namespace, |park| &park.namespace)
    }
}

/// The Service of `paddock park`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Park {
    /// Its namespace, from which the Gateway's listeners must take routes.
    pub namespace: String,
    /// Its name.
    pub service: String,
    /// Its port.
    pub port: u16,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Web, workers and Jobs; by digest.
    pub web: String,
    /// Streaming; by digest.
    pub streaming: String,
    /// The oldest release that may go to this one in one step.
    pub min_from: Version,
}

/// The images of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// Web, workers and Jobs.
    pub web: String,
    /// Streaming.
    pub streaming: String,
}

impl Release {
    /// What its pods run.
    pub fn images(&self) -> Images {
        let Self { web, streaming, min_from: _ } = self;
        Images { web: web.clone(), streaming: streaming.clone() }
    }
}

/// Where servers are reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The domain under which the host gives names away, without `*.`.
    pub wildcard_domain: String,
    /// The Gateway whose listener has the wildcard certificate. Names of customers' own domains get listeners of their own on it, so it
    /// must allow listener sets of all namespaces.
    pub gateway: GatewayRef,
    /// Who signs the certificates of customers' own domains.
    pub issuer: Issuer,
    /// Where the Gateway finds the media of servers on customers' own domains.
    pub media: MediaBackend,
}

/// An issuer of cert-manager. It must solve HTTP-01 through the Gateway, with Services of type `ClusterIP` (a server's quota allows no
/// node ports).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its name.
    pub name: String,
    /// Its kind; of the namespaced kinds there is none in a server's namespace.
    #[serde(default = "cluster_issuer")]
    pub kind: String,
    /// The kind's API group.
    #[serde(default = "cert_manager")]
    pub group: String,
}

/// The object store as the Gateway reaches it to serve public media.
///
/// By address and not by the name of a Service: a route may use a Service of another namespace only when a `ReferenceGrant` there
/// names the route's namespace, each one by itself, and every server has a namespace of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaBackend {
    /// Its addresses, all IPv4 or all IPv6.
    pub addresses: Vec<IpAddr>,
    /// The TCP port; plain HTTP is spoken there.
    pub port: u16,
    /// The host name that requests must have for a bucket, `{bucket}` standing for its name: the way of website endpoints. Without
    /// one the bucket's name goes in front of the path, as S3 itself has it.
    #[serde(default)]
    pub host: Option<String>,
}

/// A listener of a Gateway.
///
/// Servers of one cluster speak to each other through it. What leaves for its public address is often translated to one of its pods
/// before walls are asked, and then goes to that pod's own port.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayRef {
    /// Its name.
    pub name: String,
    /// Its namespace, which is also where its pods run.
    pub namespace: String,
    /// The listener's name.
    pub section: String,
    /// The TCP ports on which its pods take what comes for 443, which servers may reach in its namespace.
    #[serde(default = "ports_of_gateways")]
    pub ports: Vec<u16>,
}

/// Where media and backups lie.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Which server it is.
    pub driver: StorageDriver,
    /// The address that pods use.
    #[serde(deserialize_with = "url")]
    pub pod_endpoint: Url,
    /// The address that we use.
    #[serde(deserialize_with = "url")]
    pub endpoint: Url,
    /// The region that requests name.
    pub region: String,
    /// The administrator's key; with Garage a key of our own; with `static` the one that every server gets.
    pub access_key: String,
    /// Its secret.
    pub secret_key: SecretString,
    /// Garage's admin API.
    #[serde(default, deserialize_with = "some_url")]
    pub admin_endpoint: Option<Url>,
    /// Its token.
    #[serde(default)]
    pub admin_token: Option<SecretString>,
    /// The access key that every server may have in common, said once more to show that this is meant.
    #[serde(default)]
    pub accept_shared_key: Option<String>,
    /// The public host of media, in which `{bucket}` stands for the bucket's name; a path may follow.
    pub media_host: String,
}

/// The object stores that we can administer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageDriver {
    /// VersityGW with its admin API on the same address.
    VersityGw,
    /// Garage, version 2, with its admin API.
    Garage,
    /// Any server that speaks S3, with one key for all.
    Static,
}

/// Where the servers' identities are kept, sealed to two keys.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultSettings {
    /// The bucket.
    pub bucket: String,
    /// The S3 server that it is on; the one of [`Storage`] when missing, where the bucket and its key are then made.
    #[serde(deserialize_with = "some_url")]
    pub endpoint: Option<Url>,
    /// The region that requests name; the one of [`Storage`] when missing.
    pub region: Option<String>,
    /// The vault's own key, which no server has.
    pub access_key: String,
    /// Its secret.
    pub secret_key: SecretString,
    /// The operator's key: `AGE-SECRET-KEY-1…`.
    pub operator_key: SecretString,
    /// The public half of the recovery key, which is kept offline: `age1…`.
    pub recovery_recipient: String,
}

/// The relay for mail of the servers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailRelay {
    /// Host name.
    pub server: String,
    /// Port.
    pub port: u16,
    /// The sender, in which `{domain}` stands for the server's domain.
    pub from: String,
    /// Who all servers are to a relay that knows one login only.
    #[serde(default)]
    pub login: Option<MailLogin>,
    /// Who each server is to the relay: a login of its own.
    #[serde(default)]
    pub each: Option<Logins>,
}

/// Who all servers are to the relay.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailLogin {
    /// User name.
    pub username: String,
    /// Password.
    pub password: SecretString,
}

/// Backups of the servers' databases.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backups {
    /// For how many days back a database can be restored to any second.
    pub retention_days: u16,
}

impl Default for Backups {
    fn default() -> Self {
        Self { retention_days: 14 }
    }
}

/// What opens what customers sealed to us.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sealing {
    /// The operator's key: `AGE-SECRET-KEY-1…`.
    pub operator_key: Option<SecretString>,
}

/// Runs: upkeep that customers ask for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Runs {
    /// The most seconds that any of them may take; each has a limit of its own as well.
    pub longest_seconds: Option<u32>,
}

/// The lease that says which operator works.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaderLease {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who we are; unlike every other operator, such as the pod's name.
    pub identity: String,
}

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct BadSetting {
    /// Which, with dots between the levels.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Settings {
    /// Every image that pods of servers may run: what the chart's list of images must name.
    pub fn images(&self) -> BTreeSet<&str> {
        let releases =
            self.releases.values().flat_map(|Release { web, streaming, min_from: _ }| [web.as_str(), streaming.as_str()]);
        releases.chain(stores::named_images(self).map(|(_, image)| image)).chain(self.program_image.as_deref()).collect()
    }

    /// The key that opens what customers sealed to us; without one nothing that they bring can be used.
    pub fn operator_key(&self) -> Option<&SecretString> {
        self.sealing.operator_key.as_ref()
    }

    /// Checks what types can't.
    ///
    /// # Errors
    /// The first setting that can't be used.
    pub fn check(&self) -> Result<(), BadSetting> {
        self.faults().into_iter().next().map_or(Ok(()), Err)
    }

    /// Everything that types can't check and that is wrong.
    pub fn faults(&self) -> Vec<BadSetting> {
        let mut faults = Vec::new();
        let mut fault = |field: String, message: String| faults.push(BadSetting { field, message });
        if self.releases.is_empty() {
            fault("releases".to_owned(), "must name at least one release of Mastodon".to_owned());
        }
        self.address.check(&mut fault);
        if self.runs.longest_seconds == Some(0) {
            fault(
                "runs.longest_seconds".to_owned(),
                "must be 1 or more; leave it out for the limits that each has by itself".to_owned(),
            );
        }
        if self.mail.login.is_some() && self.mail.each.is_some() {
            fault(
                "mail.login".to_owned(),
                "stands beside mail.each; keep one: a login for all servers, or one for each".to_owned(),
            );
        }
        if let Some((field, message)) = self.mail.each.as_ref().and_then(Logins::fault) {
            fault(format!("mail.each.{field}"), message.to_owned());
        }
        if let Some(Err(bad)) = self.operator_key().map(Key::new) {
            fault("sealing.operator_key".to_owned(), bad.to_string());
        }
        let mut images: Vec<(String, &str)> =
            stores::named_images(self).map(|(field, image)| (field.to_owned(), image)).collect();
        images.extend(self.program_image.as_deref().map(|image| ("program_image".to_owned(), image)));
        for (version, Release { web, streaming, min_from: _ }) in &self.releases {
            if version.parse::<Version>().is_err() {
                fault(format!("releases.{version}"), "is not named by a version, such as 4.7.4".to_owned());
            }
            images.push((format!("releases.{version}.web"), web));
            images.push((format!("releases.{version}.streaming"), streaming));
        }
        for (field, image) in images.into_iter().filter(|(_, image)| !is_pinned(image)) {
            fault(field, format!("must name an image by digest, such as name:tag@sha256:…, not {image:?}"));
        }
        if self.backups.retention_days == 0 {
            fault(
                "backups.retention_days".to_owned(),
                "must be 1 or more: without backups a database that is lost stays lost".to_owned(),
            );
        }
        faults.extend(stores::faults(self));
        faults.extend(self.network.faults());
        faults.extend(self.storage.faults());
        faults.extend(self.vault.faults(&self.storage));
        faults
    }

    /// Each release that can run, with the oldest that may go to it in one step.
    pub fn offered(&self) -> BTreeMap<Version, Version> {
        self.releases.iter().filter_map(|(version, release)| Some((version.parse().ok()?, release.min_from))).collect()
    }
}

impl Storage {
    /// The address that pods use, without a slash at its end.
    pub fn pod_address(&self) -> &str {
        self.pod_endpoint.as_str().trim_end_matches('/')
    }

    /// Everything that this driver can't do with.
    fn faults(&self) -> Vec<BadSetting> {
        let mut faults = Vec::new();
        let mut fault =
            |name: &str, message: &str| faults.push(BadSetting { field: format!("storage.{name}"), message: message.to_owned() });
        if self.driver == StorageDriver::Garage {
            if self.admin_endpoint.is_none() {
                fault("admin_endpoint", "is missing; write the address of Garage's admin API: admin_endpoint = \"https://…\"");
            }
            if self.admin_token.as_ref().is_none_or(|token| token.expose_secret().is_empty()) {
                fault("admin_token", "is missing; write the admin_token of Garage's configuration");
            }
            if !is_garage_key(&self.access_key, &self.secret_key) {
                fault("access_key", "is no key that Garage takes; make one with: paddock admin vault keygen");
            }
        } else if self.admin_endpoint.is_some() || self.admin_token.is_some() {
            fault("admin_endpoint", "and admin_token are Garage's; take them out, or write driver = \"garage\"");
        }
        if self.driver != StorageDriver::Static && self.accept_shared_key.is_some() {
            fault("accept_shared_key", "is for driver = \"static\"; this driver makes a key for each bucket: take it out");
        }
        faults
    }
}

fn yes() -> bool {
    true
}

impl VaultSettings {
    /// Everything that is wrong or missing.
    fn faults(&self, storage: &Storage) -> Vec<BadSetting> {
        const KEYGEN: &str = "is missing; make all keys of the vault with: paddock admin vault keygen";
        let mut faults = Vec::new();
        let mut fault =
            |name: &str, message: &str| faults.push(BadSetting { field: format!("vault.{name}"), message: message.to_owned() });
        if self.bucket.is_empty() {
            fault("bucket", "is missing; write for example bucket = \"paddock-vault\"");
        }
        if self.access_key.is_empty() {
            fault("access_key", KEYGEN);
        } else if self.access_key == storage.access_key {
            fault("access_key", "is the one of storage; the vault needs a key of its own: paddock admin vault keygen");
        }
        if self.secret_key.expose_secret().is_empty() {
            fault("secret_key", KEYGEN);
        }
        let operator = self.operator_key.expose_secret().parse::<age::x25519::Identity>();
        if self.operator_key.expose_secret().is_empty() {
            fault("operator_key", KEYGEN);
        } else if operator.is_err() {
            fault("operator_key", "is not a secret key of age (AGE-SECRET-KEY-1…); make one with: paddock admin vault keygen");
        }
        let recovery = self.recovery_recipient.parse::<age::x25519::Recipient>();
        if self.recovery_recipient.is_empty() {
            fault("recovery_recipient", KEYGEN);
        } else if recovery.is_err() {
            fault("recovery_recipient", "is not a public key of age (age1…); keygen prints it with the offline key");
        }
        if let (Ok(operator), Ok(recovery)) = (operator, recovery)
            && operator.to_public() == recovery
        {
            fault("recovery_recipient", "belongs to operator_key; the recovery key must be another one, kept offline");
        }
        faults
    }
}

/// From `Key::import` of `garage_model` 2.5.0.
fn is_garage_key(access: &str, secret: &SecretString) -> bool {
    let secret = secret.expose_secret();
    access.len() >= 8
        && access.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && secret.len() >= 16
        && secret.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Address {
    fn check(&self, fault: &mut impl FnMut(String, String)) {
        let Self { wildcard_domain, gateway, issuer: Issuer { name, kind: _, group: _ }, media } = self;
        if gateway.ports.is_empty() {
            let message = "is empty; name the ports on which the Gateway's pods take what comes for 443, or leave it out";
            fault("address.gateway.ports".to_owned(), message.to_owned());
        }
        if wildcard_domain.is_empty() || wildcard_domain.starts_with(['*', '.']) || wildcard_domain.ends_with('.') {
            let message = format!("must be a domain without *. or a dot at either end, not {wildcard_domain:?}");
            fault("address.wildcard_domain".to_owned(), message);
        }
        if name.is_empty() {
            let message = "is empty; name the ClusterIssuer of cert-manager that signs for customers' own domains";
            fault("address.issuer.name".to_owned(), message.to_owned());
        }
        let MediaBackend { addresses, port: _, host } = media;
        if let Some(why) = unusable(addresses) {
            let message = format!("must be addresses of the object store as the Gateway reaches it, all IPv4 or all IPv6: {why}");
            fault("address.media.addresses".to_owned(), message);
        }
        if let Some(same) = host.as_deref().filter(|host| !host.contains("{bucket}")) {
            let message = format!("must have {{bucket}} in it, such as {{bucket}}.web.store.example, not {same:?}");
            fault("address.media.host".to_owned(), message);
        }
    }
}

/// Why the API server would not take these for endpoints of a Service.
fn unusable(addresses: &[IpAddr]) -> Option<String> {
    let Some(first) = addresses.first() else { return Some("there is none".to_owned()) };
    let link_local = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    addresses.iter().find_map(|address| {
        if address.is_unspecified() || address.is_loopback() || address.is_multicast() || link_local(address) {
            return Some(format!("{address} is none"));
        }
        (address.is_ipv4() != first.is_ipv4()).then(|| format!("{first} and {address} differ in kind"))
    })
}

/// Where the pods of gateways listen for 443: on it (Cilium, Istio, NGINX), on 8443 (Traefik, kgateway), or ten thousand above (Envoy
/// Gateway).
fn ports_of_gateways() -> Vec<u16> {
    vec![443, 8443, 10443]
}

fn cluster_issuer() -> String {
    "ClusterIssuer".to_owned()
}

fn cert_manager() -> String {
    "cert-manager.io".to_owned()
}

fn paddock() -> String {
    "paddock".to_owned()
}

fn ten_minutes() -> u32 {
    600
}

fn sixteen() -> u16 {
    16
}

fn url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| serde::de::Error::custom(format!("{text:?} is not a URL: {error}")))
}

fn some_url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    url(deserializer).map(Some)
}
