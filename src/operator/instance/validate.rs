//! What is wanted, checked against what we can do. From here on nobody reads the custom resource any more.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::address::Addresses;
use super::build::names;
use super::mail::{self, MailWay};
use super::majors;
use super::stores::{self, StoreImages};
use super::upgrade::{self, Decision, UnderWay};
use crate::operator::kind::Kind;
use crate::operator::seen::{Key, Seen, State};
use crate::operator::settings::{Images, Settings};
use crate::operator::stores::Store;
use crate::resource::{InstanceStatus, MastodonInstance, MastodonInstanceSpec, Mode, backup_bucket, instance_id, namespace_name};

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
    /// What it should be, as far as that can be.
    pub spec: Cow<'a, MastodonInstanceSpec>,
    /// Its release: the one that runs, or the wanted one before anything runs.
    pub version: String,
    /// The images of its pods.
    pub release: Images,
    /// The images of Postgres and Valkey.
    pub images: StoreImages,
    /// Another major release of PostgreSQL on its way.
    pub database: majors::Plan,
    /// Another release on its way.
    pub under_way: Option<UnderWay>,
    /// What is to become of that.
    pub decision: Decision,
    /// The names under which it is reached.
    pub addresses: Addresses,
    /// Its way out for mail.
    pub mail: MailWay,
    /// The storage class of Valkey's volume: the one that it has, or that of the settings for one that is to be made.
    pub cache_class: Option<String>,
    /// Wishes that can't be met, although all else goes on.
    pub refused: Vec<Refusal>,
    /// What the operator was told.
    pub settings: &'a Settings,
    /// Whether processes run: as the mode says, or still while the way in is handed over.
    pub runs: bool,
}

impl Valid<'_> {
    /// Why its processes do not run, in words.
    pub fn stopped(&self) -> &'static str {
        if self.database.paused_since().is_some() {
            "stopped while PostgreSQL gets another major release"
        } else {
            "stopped, as the mode says"
        }
    }
}

/// The reason that visitors of a server read while it is paused for its own sake (`paddock park`).
const UPKEEP: &str = "upkeep";

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
        /// Why not, and what to do instead.
        why: crate::resource::Refused,
    },
    /// Another major release of Postgres or Valkey than the one that runs.
    #[error(
        "{} runs from {running}, and the settings have no image of this major release but {offered}; another one is never taken by itself: add one of its own to stores.{}",
        .store.as_str(),
        .store.more_images()
    )]
    OtherMajor {
        /// Of which.
        store: Store,
        /// What there is.
        running: String,
        /// What new servers get.
        offered: String,
    },
    /// An older major release than the one that runs.
    #[error(
        "{} {asked} is asked for and {running} runs: there is no way back to an older major release; take the wish back",
        .store.as_str()
    )]
    MajorBack {
        /// Of which.
        store: Store,
        /// What there is.
        running: u16,
        /// What is wanted.
        asked: u16,
    },
    /// A major release of which there is no image.
    #[error(
        "{} {asked} is asked for and the settings have no image of it: add one to stores.{}, or take the wish back",
        .store.as_str(),
        .store.more_images()
    )]
    NoSuchMajor {
        /// Of which.
        store: Store,
        /// What is wanted.
        asked: u16,
    },
    /// Less disk than before.
    #[error(
        "{what} has a disk of {gib} GiB and can't shrink to {wanted}; set it back (a smaller one needs a move to a new server)"
    )]
    Shrink {
        /// Whose disk.
        what: &'static str,
        /// What there is.
        gib: u32,
        /// What is wanted.
        wanted: u32,
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
            Self::OtherMajor { store: _, running: _, offered: _ }
            | Self::MajorBack { store: _, running: _, asked: _ }
            | Self::NoSuchMajor { store: _, asked: _ } => "MajorRefused",
            Self::Shrink { what: _, gib: _, wanted: _ } => "ShrinkRefused",
        }
    }
}

/// Checks what is wanted. `seen` tells what can't be had from the settings: the images of a running server whose release is no
/// longer offered, and the disks that there are.
///
/// # Errors
/// The first thing that can't be done. A server that runs is not left alone because of its release or a disk: see
/// [`Valid::refused`].
pub fn validate<'a>(
    settings: &'a Settings,
    instance: &'a MastodonInstance,
    status: &InstanceStatus,
    seen: &BTreeMap<Key, Seen>,
) -> Result<Valid<'a>, Refusal> {
    let name = instance.metadata.name.clone().unwrap_or_default();
    let Some(id) = instance_id(&name) else { return Err(Refusal::BadName(name)) };
    let mut refused = Vec::new();
    let mut spec = Cow::Borrowed(&instance.spec);
    let chosen = upgrade::choose(settings, &spec, status, seen, &mut refused)?;
    let upgrade::Chosen { version, release, under_way, mut decision } = chosen;
    let free = under_way.is_none() && decision == Decision::Stay && spec.mode.runs() && status.version.is_some();
    let database = majors::plan(settings, spec.majors, status, seen, free, &mut refused);
    if status.database_upgrade.as_ref().is_some_and(|upgrade| upgrade.phase.is_under_way()) && under_way.is_none() {
        // One after the other: migrations need a database that nobody rewrites.
        decision = Decision::Stay;
    }
    if database.paused_since().is_some() && spec.mode.runs() {
        spec.to_mut().mode = Mode::Suspended { reason: UPKEEP.to_owned() };
    }
    let (mail, unreadable) = mail::way(settings, &name, &spec);
    refused.extend(unreadable.map(|why| Refusal::OwnMail { why }));
    let grown = status.database_room.as_ref().map(|room| room.gib).filter(|gib| *gib > spec.size.database.storage_gib);
    if let Some(gib) = grown.filter(|_| spec.size.database.storage_most_gib.is_some()) {
        spec.to_mut().size.database.storage_gib = gib;
    }
    keep_disks(&mut spec, seen, &mut refused);
    let volume = seen.get(&(Kind::PersistentVolumeClaim, names::CACHE.to_owned()));
    let cache_class = volume.map_or_else(|| settings.storage_class.clone(), |there| there.class.clone());
    let images = stores::choose(settings, spec.majors, &database, seen, &mut refused);
    let namespace = namespace_name(id);
    let (bucket, backup_bucket) = (namespace.clone(), backup_bucket(&namespace));
    let addresses = Addresses::of(&spec, settings, &bucket)?;
    let runs = spec.mode.runs();
    Ok(Valid {
        name,
        namespace,
        bucket,
        backup_bucket,
        spec,
        version,
        release,
        images,
        database,
        under_way,
        decision,
        addresses,
        mail,
        cache_class,
        refused,
        settings,
        runs,
    })
}

/// A disk that should shrink stays as it is: neither Kubernetes nor CloudNativePG makes one smaller.
fn keep_disks(spec: &mut Cow<'_, MastodonInstanceSpec>, seen: &BTreeMap<Key, Seen>, refused: &mut Vec<Refusal>) {
    let there = |kind, name: &str| match seen.get(&(kind, name.to_owned()))?.state {
        State::Database { ready: _, phase: _, storage_gib, major: _, trouble: _ } | State::Volume { storage_gib } => storage_gib,
        State::None
        | State::Pods { current: _, updated: _, all: _, ready: _, stuck: _ }
        | State::Job(_)
        | State::Store(_)
        | State::Route { accepted: _, objection: _ }
        | State::Listeners { accepted: _, objection: _ }
        | State::Certificate { ready: _, failed: _, message: _ } => None,
    };
    // What it has grown to by itself is kept without a word, also by those who have lost its status.
    let may_have = |gib: &u32| spec.size.database.storage_most_gib.is_some_and(|most| *gib <= most);
    let grown = there(Kind::Cluster, names::DATABASE).filter(|gib| *gib > spec.size.database.storage_gib).filter(may_have);
    if let Some(gib) = grown {
        spec.to_mut().size.database.storage_gib = gib;
    }
    let mut keep = |what, there: Option<u32>, wanted: u32| {
        let gib = there.filter(|gib| *gib > wanted)?;
        refused.push(Refusal::Shrink { what, gib, wanted });
        Some(gib)
    };
    let (database, cache) = (spec.size.database.storage_gib, spec.size.cache.storage_gib);
    if let Some(gib) = keep("the database", there(Kind::Cluster, names::DATABASE), database) {
        spec.to_mut().size.database.storage_gib = gib;
    }
    if let Some(gib) = keep("the cache", there(Kind::PersistentVolumeClaim, names::CACHE), cache) {
        spec.to_mut().size.cache.storage_gib = gib;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::build::tests::{instance, settings};
    use super::*;
    use crate::operator::seen::State;

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

        // What runs must be known, by the catalogue or by its pods.
        let other = InstanceStatus { version: Some("4.5.19".into()), ..InstanceStatus::default() };
        assert_eq!(validate(&settings, &good, &other, &nothing).unwrap_err().reason(), "UnknownRelease");
    }

    #[test]
    fn a_running_server_is_looked_after_whatever_becomes_of_its_release() {
        let deployment = |name: &str, image: &str| {
            let seen = Seen { image: Some(image.to_owned()), ..Seen::bare(State::None) };
            ((Kind::Deployment, name.to_owned()), seen)
        };
        let mut seen = BTreeMap::from([deployment(names::SIDEKIQ, "web-image"), deployment(names::STREAMING, "streaming-image")]);
        let (mut settings, good) = (settings(), instance(&json!({"suspended": {"reason": "unpaid"}}), 1));

        // The wanted one is offered, the running one is not: what runs stays.
        let status = InstanceStatus { version: Some("4.5.19".into()), ..InstanceStatus::default() };
        let valid = validate(&settings, &good, &status, &seen).unwrap();
        assert_eq!((valid.version.as_str(), valid.release.web.as_str(), valid.runs), ("4.5.19", "web-image", false));
        assert_eq!((valid.decision, valid.refused), (Decision::Stay, Vec::new()), "and one that is paused waits with it");

        // The running one was taken out of the catalogue.
        let status = InstanceStatus { version: Some("4.5.20".into()), ..InstanceStatus::default() };
        assert!(validate(&settings, &good, &status, &seen).unwrap().refused.is_empty());
        settings.releases = [("4.5.21".to_owned(), settings.releases["4.5.20"].clone())].into();
        let valid = validate(&settings, &good, &status, &seen).unwrap();
        assert_eq!((valid.version.as_str(), valid.release.streaming.as_str()), ("4.5.20", "streaming-image"));
        assert_eq!(valid.refused[0].reason(), "UnknownRelease");
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
        settings().check().unwrap();
    }

    #[test]
    fn another_storage_class_is_for_volumes_to_come() {
        let (mut settings, wanted) = (settings(), instance(&json!({"running": {}}), 1));
        let status = InstanceStatus::default();
        let of = |settings: &Settings, there: Option<Option<&str>>| {
            let volume = |class: Option<&str>| Seen { class: class.map(str::to_owned), ..Seen::bare(State::None) };
            let key = (Kind::PersistentVolumeClaim, names::CACHE.to_owned());
            let seen = there.map(|class| (key, volume(class))).into_iter().collect();
            validate(settings, &wanted, &status, &seen).unwrap().cache_class
        };
        settings.storage_class = Some("new".into());
        assert_eq!(of(&settings, None).as_deref(), Some("new"));
        assert_eq!(of(&settings, Some(Some("old"))).as_deref(), Some("old"));
        assert_eq!(of(&settings, Some(None)), None, "it has the cluster's default");
        settings.storage_class = None;
        assert_eq!(of(&settings, Some(Some("old"))).as_deref(), Some("old"));
        assert_eq!(of(&settings, None), None);
    }

    #[test]
    fn a_disk_grows_and_never_shrinks() {
        let (settings, mut wanted) = (settings(), instance(&json!({"running": {}}), 1));
        let object = |kind, name: &str, state| {
            let seen = Seen::bare(state);
            ((kind, name.to_owned()), seen)
        };
        let database =
            State::Database { ready: true, phase: String::new(), storage_gib: Some(20), major: Some(17), trouble: None };
        let seen = BTreeMap::from([
            object(Kind::Cluster, names::DATABASE, database),
            object(Kind::PersistentVolumeClaim, names::CACHE, State::Volume { storage_gib: Some(2) }),
        ]);
        let status = InstanceStatus::default();
        (wanted.spec.size.database.storage_gib, wanted.spec.size.cache.storage_gib) = (30, 2);
        assert_eq!(validate(&settings, &wanted, &status, &seen).unwrap().refused, []);
        (wanted.spec.size.database.storage_gib, wanted.spec.size.cache.storage_gib) = (10, 1);
        wanted.spec.size.web.memory_mib = 1234;
        let valid = validate(&settings, &wanted, &status, &seen).unwrap();
        assert_eq!((valid.spec.size.database.storage_gib, valid.spec.size.cache.storage_gib), (20, 2));
        assert_eq!(valid.spec.size.web.memory_mib, 1234, "all else is as wanted");
        assert_eq!(valid.refused.iter().map(Refusal::reason).collect::<Vec<_>>(), ["ShrinkRefused"; 2]);
        let text = valid.refused[0].to_string();
        assert!(text.contains("20 GiB") && text.contains("to 10"), "{text}");
    }
}
