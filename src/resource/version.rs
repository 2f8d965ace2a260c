//! Versions of Mastodon. The operator orders them by itself, since it knows the rules of going from one to another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version of Mastodon: `4.7.4`. Pre-releases are never run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// 4 in 4.7.4.
    pub major: u32,
    /// 7 in 4.7.4: what upgrades one at a time and can't go back.
    pub minor: u32,
    /// 4 in 4.7.4: within a minor the schema stays the same.
    pub patch: u32,
}

impl Version {
    /// The version `major.minor.patch`.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }
}

/// The text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is three numbers with points between: 4.7.4")]
pub struct BadVersion;

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let number = |part: &str| {
            let plain = part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            plain.then(|| part.parse::<u32>().ok()).flatten().ok_or(BadVersion)
        };
        match text.split('.').collect::<Vec<_>>().as_slice() {
            [major, minor, patch] => Ok(Self::new(number(major)?, number(minor)?, number(patch)?)),
            _ => Err(BadVersion),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = BadVersion;

    fn try_from(text: String) -> Result<Self, BadVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Version {
    /// Whether both belong to one minor release: the schema is the same then.
    pub const fn same_minor(self, other: Self) -> bool {
        self.major == other.major && self.minor == other.minor
    }
}

/// 4.7.0 loses signing keys when its migration is interrupted (mastodon/mastodon#40264, fixed in 4.7.1).
const NEVER: Version = Version::new(4, 7, 0);

/// How the wanted release relates to the one that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionChange {
    /// Nothing runs yet: install it.
    First,
    /// It runs already.
    Same,
    /// Forward: backup, migrations in two phases around the exchange of all pods.
    Upgrade,
    /// Back within a minor release, whose schema is the same: the pods are exchanged and nothing else.
    Rollback,
    /// It can't be reached from here.
    Refused(Refused),
}

/// Why a release can't be reached, with what to do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Migrations only go forward.
    #[error(
        "a minor release can't be undone, for the database keeps the newer tables; set spec.version back to {from}, or restore the \
         backup from before the upgrade"
    )]
    Back {
        /// What runs.
        from: Version,
    },
    /// Pods of both releases serve at the same time, which Mastodon allows from one minor release to the next only.
    #[error("no minor release may be left out; go to {next} first")]
    Skips {
        /// Where to go first.
        next: Version,
    },
    /// The same, and the step between is not known.
    #[error("no minor release may be left out, and the catalogue has none between; add its newest release first")]
    NoStep,
    /// The release's own rule.
    #[error("it can be reached from {min_from} or newer only; go to {next} first")]
    TooOld {
        /// The oldest that may go there.
        min_from: Version,
        /// Where to go first.
        next: Version,
    },
    /// The same, and nothing that is new enough is known.
    #[error("it can be reached from {min_from} or newer only, and the catalogue has no such release to go to first; add one")]
    NothingNewEnough {
        /// The oldest that may go there.
        min_from: Version,
    },
    /// A release that does harm.
    #[error("its migration loses signing keys when it is interrupted; take {}.{}.{} or newer", NEVER.major, NEVER.minor, NEVER.patch + 1)]
    Harmful,
}

/// How to get from what runs to what is wanted. `offered`: each release with the oldest that may go to it in one step.
///
/// Mastodon's rules (its documentation on upgrading, `lib/tasks/db.rake`): patches may be left out; an upgrade without a stop needs a
/// release of every minor, since the old pods serve with the new tables until they are gone; `db:migrate` without the
/// post-deployment migrations refuses a schema that is too old, which is what `min_from` says. Within a minor the schema is the
/// same, so that a patch can be taken back.
pub fn plan_version_change(
    current: Option<Version>,
    wanted: Version,
    offered: &std::collections::BTreeMap<Version, Version>,
) -> VersionChange {
    let Some(from) = current else { return VersionChange::First };
    if from == wanted {
        return VersionChange::Same;
    }
    if wanted == NEVER {
        return VersionChange::Refused(Refused::Harmful);
    }
    if wanted < from {
        let back = Refused::Back { from };
        return if wanted.same_minor(from) { VersionChange::Rollback } else { VersionChange::Refused(back) };
    }
    let min_from = offered.get(&wanted).copied().unwrap_or(wanted);
    let next_minor = wanted.major == from.major && wanted.minor == from.minor + 1;
    let newer_minor = offered.keys().any(|step| step.major == from.major && step.minor > from.minor);
    let next_major = wanted.major == from.major + 1 && wanted.minor == 0 && !newer_minor;
    let near = wanted.same_minor(from) || next_minor || next_major;
    if near && from >= min_from {
        return VersionChange::Upgrade;
    }
    // The newest release of the nearest minor that leads on; first that of what runs, where a newer patch is what is missing.
    let step =
        |fits: &dyn Fn(Version) -> bool| offered.keys().rev().copied().find(|step| *step > from && *step < wanted && fits(*step));
    let patch = step(&|step| step.same_minor(from) && step >= min_from);
    let minor = step(&|step| step.major == from.major && step.minor == from.minor + 1 && step != NEVER);
    let major = step(&|step| step.major == from.major + 1 && step.minor == 0);
    VersionChange::Refused(match (near, patch.filter(|_| near).or(minor).or(major)) {
        (true, Some(next)) => Refused::TooOld { min_from, next },
        (true, None) => Refused::NothingNewEnough { min_from },
        (false, Some(next)) => Refused::Skips { next },
        (false, None) => Refused::NoStep,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(from: &str, to: &str) -> VersionChange {
        // The last of each line as it stood in November 2026, and a 5.0 that wants a late 4.7.
        let offered = [
            ("4.3.23", "4.2.0"),
            ("4.4.27", "4.2.0"),
            ("4.5.19", "4.2.0"),
            ("4.5.20", "4.2.0"),
            ("4.6.9", "4.2.0"),
            ("4.7.0", "4.3.0"),
            ("4.7.3", "4.6.2"),
            ("4.7.4", "4.3.0"),
            ("5.0.1", "4.7.3"),
        ];
        let version = |text: &str| text.parse::<Version>().unwrap();
        let offered = offered.into_iter().map(|(release, min_from)| (version(release), version(min_from))).collect();
        plan_version_change(Some(version(from)), version(to), &offered)
    }

    fn refused(from: &str, to: &str) -> String {
        match plan(from, to) {
            VersionChange::Refused(why) => why.to_string(),
            other => panic!("{from} to {to}: {other:?}"),
        }
    }

    #[test]
    fn patches_go_up_by_any_number_and_back() {
        assert_eq!(plan("4.5.1", "4.5.20"), VersionChange::Upgrade);
        assert_eq!(plan("4.5.20", "4.5.19"), VersionChange::Rollback);
        assert_eq!(plan("4.5.20", "4.5.20"), VersionChange::Same);
        assert_eq!(
            plan_version_change(None, Version::new(4, 5, 20), &std::collections::BTreeMap::default()),
            VersionChange::First
        );
    }

    #[test]
    fn minors_go_up_one_at_a_time_and_never_back() {
        assert_eq!(plan("4.5.1", "4.6.9"), VersionChange::Upgrade);
        assert_eq!(plan("4.6.9", "4.7.4"), VersionChange::Upgrade);
        assert_eq!(refused("4.5.20", "4.7.4"), "no minor release may be left out; go to 4.6.9 first");
        assert_eq!(refused("4.4.27", "4.7.4"), "no minor release may be left out; go to 4.5.20 first");
        assert!(refused("4.6.9", "4.5.20").contains("set spec.version back to 4.6.9, or restore the backup"));
        assert!(refused("5.0.1", "4.7.4").contains("can't be undone"));
        assert!(refused("4.1.0", "4.3.23").contains("the catalogue has none between"));
    }

    #[test]
    fn a_release_says_how_new_one_must_be_to_reach_it() {
        assert_eq!(refused("4.6.1", "4.7.3"), "it can be reached from 4.6.2 or newer only; go to 4.6.9 first");
        assert_eq!(plan("4.6.2", "4.7.3"), VersionChange::Upgrade);
        assert_eq!(plan("4.7.3", "5.0.1"), VersionChange::Upgrade);
        assert_eq!(refused("4.7.1", "5.0.1"), "it can be reached from 4.7.3 or newer only; go to 4.7.4 first");
        assert_eq!(refused("4.6.9", "5.0.1"), "no minor release may be left out; go to 4.7.4 first");
        assert_eq!(refused("4.7.4", "5.1.0"), "no minor release may be left out; go to 5.0.1 first");
        let lone = [(Version::new(4, 6, 9), Version::new(4, 5, 9))].into();
        let stuck = plan_version_change(Some(Version::new(4, 5, 1)), Version::new(4, 6, 9), &lone);
        assert_eq!(stuck, VersionChange::Refused(Refused::NothingNewEnough { min_from: Version::new(4, 5, 9) }));
    }

    #[test]
    fn the_release_that_loses_keys_is_never_taken() {
        assert!(refused("4.6.9", "4.7.0").ends_with("take 4.7.1 or newer"));
        assert_eq!(plan("4.7.0", "4.7.4"), VersionChange::Upgrade, "whoever has it gets away from it");
    }
}
