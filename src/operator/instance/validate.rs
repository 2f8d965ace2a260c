//! What is wanted, checked against what we can do. From here on nobody reads the custom resource any more.

use std::collections::BTreeMap;

use super::address::Addresses;
use super::build::names;
use super::mail::{self, MailWay};
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen};
use crate::operator::settings::{Release, Settings};
use crate::resource::{InstanceStatus, MastodonInstance, MastodonInstanceSpec, instance_id, namespace_name};

/// An instance that we can bring about.
#[derive(Debug)]
pub struct Valid<'a> {
    /// The name of its custom resource.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its media bucket.
    pub bucket: String,
    /// Its backup bucket.
    pub backup_bucket: String,
    /// What it should be.
    pub spec: &'a MastodonInstanceSpec,
    /// Its release: the one that runs, or the wanted one before anything runs.
    pub version: String,
    /// The images of its release.
    pub release: Release,
    /// The names under which it is reached.
    pub addresses: Addresses,
    /// A wish that can't be met, although all else goes on.
    pub refused: Option<Refusal>,
    /// Its way out for mail.
    pub mail: MailWay,
    /// What the operator was told.
    pub settings: &'a Settings,
    /// Whether processes should run.
    pub runs: bool,
}

/// Why nothing can be done until somebody changes something. The text is read by staff.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not the name of an instance.
    #[error("metadata.name {0:?} is not ins- and the 26 letters and digits of an instance's id")]
    BadName(String),
    /// Not in our catalogue.
    #[error("spec.version {version} is not offered by this operator; it offers {offered}")]
    UnknownRelease {
        /// What is wanted.
        version: String,
        /// What there is.
        offered: String,
    },
    /// A name at or below the host's domain that its certificate does not cover.
    #[error(
        "{host} is not a name directly under {wildcard}, so the wildcard's certificate does not cover it, and the domain is not the customer's own"
    )]
    NotCovered {
        /// What is wanted.
        host: String,
        /// What there is.
        wildcard: String,
    },
    /// The customer's own way out for mail.
    #[error("the customer's own mail server can't be used, so mails go through the relay: {why}")]
    OwnMail {
        /// Why not.
        why: String,
    },
    /// A change of the release.
    #[error("can't go from Mastodon {from} to {to}: {why}")]
    VersionChange {
        /// What runs.
        from: String,
        /// What is wanted.
        to: String,
        /// Why not.
        why: &'static str,
    },
}

impl Refusal {
    /// One word for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadName(_) => "BadName",
            Self::UnknownRelease { version: _, offered: _ } => "UnknownRelease",
            Self::NotCovered { host: _, wildcard: _ } => "NameNotCovered",
            Self::OwnMail { why: _ } => "OwnMailUnreadable",
            Self::VersionChange { from: _, to: _, why: _ } => "VersionChangeRefused",
        }
    }
}

/// How the wanted release relates to the one that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionChange {
    /// Nothing runs yet: install it.
    First,
    /// It runs already.
    Same,
    /// It can't be reached from here, and this is why.
    Refused(&'static str),
}

/// How to get from what runs to what is wanted.
///
/// Going back is never possible across minor releases (the schema of the newer one stays), and going forward means
/// migrations in two phases around the exchange of all pods: neither is done here yet.
pub fn plan_version_change(current: Option<&str>, wanted: &str) -> VersionChange {
    match current {
        None => VersionChange::First,
        Some(current) if current == wanted => VersionChange::Same,
        Some(_) => {
            VersionChange::Refused("this operator can't change the release of a running server yet; set spec.version back")
        }
    }
}

/// Checks what is wanted. `seen` tells the images of a running server whose release is no longer offered.
///
/// # Errors
/// The first thing that can't be done. A server that runs is not left alone because of its release: see [`Valid::refused`].
pub fn validate<'a>(
    settings: &'a Settings,
    instance: &'a MastodonInstance,
    status: &InstanceStatus,
    seen: &BTreeMap<Key, Seen>,
) -> Result<Valid<'a>, Refusal> {
    let name = instance.metadata.name.clone().unwrap_or_default();
    let Some(id) = instance_id(&name) else { return Err(Refusal::BadName(name)) };
    let spec = &instance.spec;
    let (version, release, refused) = choose_release(settings, &spec.version, status, seen)?;
    let (mail, unreadable) = mail::way(settings, &name, spec);
    let refused = refused.or(unreadable.map(|why| Refusal::OwnMail { why }));
    let namespace = namespace_name(id);
    let (bucket, backup_bucket) = (namespace.clone(), backup_bucket(&namespace));
    let addresses = Addresses::of(spec, settings, &bucket)?;
    let runs = spec.mode.runs();
    Ok(Valid { name, namespace, bucket, backup_bucket, spec, version, release, addresses, refused, mail, settings, runs })
}

/// The name of the backup bucket of the server in this namespace.
pub fn backup_bucket(namespace: &str) -> String {
    format!("{namespace}-backup")
}

/// The release to build, its images, and why it is not the wanted one.
fn choose_release(
    settings: &Settings,
    wanted: &str,
    status: &InstanceStatus,
    seen: &BTreeMap<Key, Seen>,
) -> Result<(String, Release, Option<Refusal>), Refusal> {
    let unknown = |version: &str| {
        let offered = settings.releases.keys().cloned().collect::<Vec<_>>().join(", ");
        Refusal::UnknownRelease { version: version.to_owned(), offered }
    };
    let version = status.version.as_deref().unwrap_or(wanted);
    let refused = match plan_version_change(status.version.as_deref(), wanted) {
        VersionChange::First | VersionChange::Same => None,
        VersionChange::Refused(why) => Some(Refusal::VersionChange { from: version.to_owned(), to: wanted.to_owned(), why }),
    };
    if let Some(release) = settings.releases.get(version) {
        return Ok((version.to_owned(), release.clone(), refused));
    }
    let refused = refused.unwrap_or_else(|| unknown(version));
    match running_release(seen).filter(|_| status.version.is_some()) {
        Some(release) => Ok((version.to_owned(), release, Some(refused))),
        None => Err(refused),
    }
}

/// The images that run, as far as we have put them there.
fn running_release(seen: &BTreeMap<Key, Seen>) -> Option<Release> {
    let image = |name: &str| seen.get(&(Kind::Deployment, name.to_owned()))?.template.as_ref()?.image.clone();
    let web = [names::WEB, names::SIDEKIQ, names::SCHEDULER].into_iter().find_map(image)?;
    Some(Release { web, streaming: image(names::STREAMING)? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::build::tests::{instance, settings};
    use super::*;
    use crate::operator::seen::State;
    use crate::operator::template::Template;

    #[test]
    fn what_can_not_be_done_is_refused_with_a_remedy() {
        let settings = settings();
        let (status, nothing) = (InstanceStatus::default(), BTreeMap::new());
        let running = json!({"running": {}});
        let good = instance(&running, 1);
        assert!(validate(&settings, &good, &status, &nothing).is_ok());

        let mut bad = good.clone();
        bad.metadata.name = Some("cats".into());
        assert_eq!(validate(&settings, &bad, &status, &nothing).unwrap_err().reason(), "BadName");

        let mut bad = good.clone();
        bad.spec.version = "9.9.9".into();
        let refusal = validate(&settings, &bad, &status, &nothing).unwrap_err();
        assert!(refusal.to_string().contains("4.5.20"), "{refusal}");

        for domain in ["herd.example", "a.b.herd.example"] {
            let mut bad = good.clone();
            bad.spec.domain = domain.into();
            assert_eq!(validate(&settings, &bad, &status, &nothing).unwrap_err().reason(), "NameNotCovered", "{domain}");
        }

        let other = InstanceStatus { version: Some("4.5.19".into()), ..InstanceStatus::default() };
        assert_eq!(validate(&settings, &good, &other, &nothing).unwrap_err().reason(), "VersionChangeRefused");
    }

    #[test]
    fn a_running_server_is_looked_after_whatever_becomes_of_its_release() {
        let deployment = |name: &str, image: &str| {
            let seen = Seen {
                uid: "u".into(),
                resource_version: 1,
                ours: 0,
                accepted: None,
                applied: None,
                deleting: false,
                holds_data: false,
                template: Some(Template { names: 0, image: Some(image.to_owned()) }),
                state: State::None,
            };
            ((Kind::Deployment, name.to_owned()), seen)
        };
        let mut seen = BTreeMap::from([deployment(names::SIDEKIQ, "web-image"), deployment(names::STREAMING, "streaming-image")]);
        let (mut settings, good) = (settings(), instance(&json!({"suspended": {"reason": "unpaid"}}), 1));

        // The wanted one is offered, the running one is not: what runs stays.
        let status = InstanceStatus { version: Some("4.5.19".into()), ..InstanceStatus::default() };
        let valid = validate(&settings, &good, &status, &seen).unwrap();
        assert_eq!((valid.version.as_str(), valid.release.web.as_str(), valid.runs), ("4.5.19", "web-image", false));
        assert_eq!(valid.refused.unwrap().reason(), "VersionChangeRefused");

        // The running one was taken out of the catalogue.
        let status = InstanceStatus { version: Some("4.5.20".into()), ..InstanceStatus::default() };
        assert!(validate(&settings, &good, &status, &seen).unwrap().refused.is_none());
        settings.releases = [("4.5.21".to_owned(), settings.releases["4.5.20"].clone())].into();
        let valid = validate(&settings, &good, &status, &seen).unwrap();
        assert_eq!((valid.version.as_str(), valid.release.streaming.as_str()), ("4.5.20", "streaming-image"));
        assert_eq!(valid.refused.unwrap().reason(), "UnknownRelease");
        seen.clear();
        assert_eq!(validate(&settings, &good, &status, &seen).unwrap_err().reason(), "UnknownRelease");
    }

    #[test]
    fn images_without_a_digest_are_refused() {
        let mut unpinned = settings();
        unpinned.valkey_image = "valkey:8".into();
        assert!(unpinned.check().unwrap_err().to_string().contains("valkey_image"));
        let mut untagged = settings();
        untagged.postgres_image = format!("postgres@sha256:{}", "a".repeat(64));
        assert!(untagged.check().is_err());
        assert!(settings().check().is_ok());
    }

    #[test]
    fn a_change_of_the_release_is_a_plan_of_its_own() {
        assert_eq!(plan_version_change(None, "4.5.20"), VersionChange::First);
        assert_eq!(plan_version_change(Some("4.5.20"), "4.5.20"), VersionChange::Same);
        assert!(matches!(plan_version_change(Some("4.5.19"), "4.5.20"), VersionChange::Refused(_)));
    }
}
