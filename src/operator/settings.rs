//! What the operator has to be told. It reads no environment and no files: whoever composes the program fills this in.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::range::Range;

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
    /// Each release of Mastodon that is offered, with its images.
    pub releases: BTreeMap<String, Release>,
    /// Where servers are reached.
    pub address: Address,
    /// Where media lie.
    pub storage: Storage,
    /// The relay for mail of the servers.
    pub mail: MailRelay,
    /// The storage class of volumes; the cluster's default when missing.
    #[serde(default)]
    pub storage_class: Option<String>,
    /// Postgres for CloudNativePG: `name:17.6@sha256:…`. CloudNativePG reads the major version out of the tag.
    pub postgres_image: String,
    /// Valkey: `name:8.1@sha256:…`.
    pub valkey_image: String,
    /// Whether pods get a user namespace of their own (`hostUsers: false`), in which root is nobody on the node. Off for nodes that
    /// can't: it needs Linux 6.3, containerd 2.0 or CRI-O 1.25, and a file system of volumes that maps ids.
    #[serde(default = "yes")]
    pub user_namespaces: bool,
    /// What the walls around an instance must let through.
    #[serde(default)]
    pub network: Network,
    /// Set where several operators run: only the one that holds the lease works.
    #[serde(default)]
    pub leader: Option<LeaderLease>,
}

/// The images of one release.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Web, workers and Jobs; by digest.
    pub web: String,
    /// Streaming; by digest.
    pub streaming: String,
}

/// Where servers are reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The domain under which the host gives names away, without `*.`.
    pub wildcard_domain: String,
    /// The Gateway whose listener has the wildcard certificate.
    pub gateway: GatewayRef,
}

/// A listener of a Gateway.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayRef {
    /// Its name.
    pub name: String,
    /// Its namespace, which is also where its pods run.
    pub namespace: String,
    /// The listener's name.
    pub section: String,
}

/// Where media lie.
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
    /// The administrator's key.
    pub access_key: String,
    /// The administrator's secret.
    pub secret_key: SecretString,
    /// The public host of media, in which `{bucket}` stands for the bucket's name; a path may follow.
    pub media_host: String,
}

/// The object stores that we can administer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageDriver {
    /// VersityGW with its admin API on the same address.
    VersityGw,
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
    /// Who we are to the relay, when it asks.
    #[serde(default)]
    pub login: Option<MailLogin>,
}

/// Who we are to the relay.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailLogin {
    /// User name.
    pub username: String,
    /// Password.
    pub password: SecretString,
}

/// What the walls around an instance must let through.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Private addresses that every server must reach: the object store, the mail relay, the Gateway's own address.
    pub reach: Vec<Reach>,
    /// The API server's addresses, for the database's pods alone.
    pub api_server: Vec<Reach>,
    /// Ranges of nodes, pods and Services that are public addresses: no part of the internet that servers may reach. (Private ones
    /// never are.)
    pub cluster: Vec<String>,
    /// The namespace of CloudNativePG's operator.
    pub database_operator: Option<String>,
}

/// An address to let through.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// A range such as `10.0.0.5/32`.
    pub cidr: String,
    /// A TCP port.
    pub port: u16,
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
        let releases = self.releases.values().flat_map(|Release { web, streaming }| [web.as_str(), streaming.as_str()]);
        releases.chain([self.postgres_image.as_str(), self.valkey_image.as_str()]).collect()
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
        let domain = &self.address.wildcard_domain;
        if domain.is_empty() || domain.starts_with(['*', '.']) || domain.ends_with('.') {
            let message = format!("must be a domain without *. or a dot at either end, not {domain:?}");
            fault("address.wildcard_domain".to_owned(), message);
        }
        let mut images =
            vec![("postgres_image".to_owned(), &self.postgres_image), ("valkey_image".to_owned(), &self.valkey_image)];
        for (version, Release { web, streaming }) in &self.releases {
            images.push((format!("releases.{version}.web"), web));
            images.push((format!("releases.{version}.streaming"), streaming));
        }
        for (field, image) in images.into_iter().filter(|(_, image)| !is_pinned(image)) {
            fault(field, format!("must name an image by digest, such as name:tag@sha256:…, not {image:?}"));
        }
        let Network { reach, api_server, cluster, database_operator: _ } = &self.network;
        let named = reach.iter().map(|Reach { cidr, port: _ }| ("network.reach", cidr));
        let named = named.chain(api_server.iter().map(|Reach { cidr, port: _ }| ("network.api_server", cidr)));
        // The admission policy of the chart asks the same (wall/network.yaml).
        for (field, range) in named.filter(|(_, range)| range.parse().ok().is_none_or(Range::is_wide)) {
            let message = format!("must name ranges such as 10.0.0.5/32, of at least 16 bits (48 in IPv6), not {range:?}");
            fault(field.to_owned(), message);
        }
        for range in cluster.iter().filter(|range| range.parse::<Range>().is_err()) {
            fault("network.cluster".to_owned(), format!("must name ranges such as 198.51.100.0/24, not {range:?}"));
        }
        let name = self.postgres_image.split('@').next().unwrap_or_default();
        let tag = name.rsplit_once(':').map_or("", |(_, tag)| tag);
        if !tag.starts_with(|first: char| first.is_ascii_digit()) {
            let message = format!("must carry the version as its tag, such as name:17.6@sha256:…, not {:?}", self.postgres_image);
            fault("postgres_image".to_owned(), message);
        }
        faults
    }
}

fn yes() -> bool {
    true
}

/// Whether an image is named by its digest.
fn is_pinned(image: &str) -> bool {
    let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
    digest.is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
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
