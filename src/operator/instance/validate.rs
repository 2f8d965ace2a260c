//! What is wanted, checked against what we can do. From here on nobody reads the custom resource any more.

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
    /// What it should be.
    pub spec: &'a MastodonInstanceSpec,
    /// The images of its release.
    pub release: &'a Release,
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
    /// A name of the customer's own.
    #[error("{host} is not a name directly under {wildcard}; a customer's own domain can't be served yet")]
    ForeignDomain {
        /// What is wanted.
        host: String,
        /// What there is.
        wildcard: String,
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
            Self::ForeignDomain { host: _, wildcard: _ } => "OwnDomainNotYet",
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

/// Checks what is wanted.
///
/// # Errors
/// The first thing that can't be done.
pub fn validate<'a>(
    settings: &'a Settings,
    instance: &'a MastodonInstance,
    status: &InstanceStatus,
) -> Result<Valid<'a>, Refusal> {
    let name = instance.metadata.name.clone().unwrap_or_default();
    let Some(id) = instance_id(&name) else { return Err(Refusal::BadName(name)) };
    let spec = &instance.spec;
    let Some(release) = settings.releases.get(&spec.version) else {
        let offered = settings.releases.keys().cloned().collect::<Vec<_>>().join(", ");
        return Err(Refusal::UnknownRelease { version: spec.version.clone(), offered });
    };
    let wildcard = &settings.address.wildcard_domain;
    let label = spec.web_host().strip_suffix(wildcard.as_str()).and_then(|rest| rest.strip_suffix('.'));
    if label.is_none_or(|label| label.is_empty() || label.contains('.')) {
        return Err(Refusal::ForeignDomain { host: spec.web_host().to_owned(), wildcard: wildcard.clone() });
    }
    match plan_version_change(status.version.as_deref(), &spec.version) {
        VersionChange::First | VersionChange::Same => {}
        VersionChange::Refused(why) => {
            let from = status.version.clone().unwrap_or_default();
            return Err(Refusal::VersionChange { from, to: spec.version.clone(), why });
        }
    }
    let namespace = namespace_name(id);
    Ok(Valid { name, bucket: namespace.clone(), namespace, spec, release, settings, runs: spec.mode.runs() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::build::tests::{instance, settings};
    use super::*;

    #[test]
    fn what_can_not_be_done_is_refused_with_a_remedy() {
        let settings = settings();
        let status = InstanceStatus::default();
        let running = json!({"running": {}});
        let good = instance(&running, 1);
        assert!(validate(&settings, &good, &status).is_ok());

        let mut bad = good.clone();
        bad.metadata.name = Some("cats".into());
        assert_eq!(validate(&settings, &bad, &status).unwrap_err().reason(), "BadName");

        let mut bad = good.clone();
        bad.spec.version = "9.9.9".into();
        let refusal = validate(&settings, &bad, &status).unwrap_err();
        assert!(refusal.to_string().contains("4.5.20"), "{refusal}");

        for domain in ["cats.example", "herd.example", "a.b.herd.example", "xherd.example"] {
            let mut bad = good.clone();
            bad.spec.domain = domain.into();
            assert_eq!(validate(&settings, &bad, &status).unwrap_err().reason(), "OwnDomainNotYet", "{domain}");
        }
        let mut split = good.clone();
        (split.spec.domain, split.spec.web_domain) = ("cats.example".into(), Some("cats.herd.example".into()));
        assert!(validate(&settings, &split, &status).is_ok(), "handles may be under the customer's own domain");

        let other = InstanceStatus { version: Some("4.5.19".into()), ..InstanceStatus::default() };
        assert_eq!(validate(&settings, &good, &other).unwrap_err().reason(), "VersionChangeRefused");
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
