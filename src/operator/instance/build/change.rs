//! What a change of the release takes besides the pods: a backup, and migrations in two phases.

use super::jobs::{Attempts, Task, migration};
use super::pods::Pods;
use super::{Object, backups};
use crate::operator::instance::upgrade::UnderWay;
use crate::operator::instance::validate::Valid;
use crate::resource::{Upgrade, instant};

/// What is done once for another release.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// A base backup from right before.
    pub backup: Object,
    /// Migrations that the old release can live with.
    pub pre: Object,
    /// The other migrations.
    pub post: Object,
}

/// The name of the backup before another release: `before-4-6-9-1790000000`, and with `-2` for the second attempt. The time is that
/// of the upgrade's begin: a second upgrade to the same release has a backup of its own.
pub fn backup_name(upgrade: &Upgrade, attempt: u32) -> String {
    let name = format!("before-{}-{}", upgrade.to.replace('.', "-"), instant(&upgrade.since).timestamp());
    if attempt <= 1 { name } else { format!("{name}-{attempt}") }
}

/// What is done once for the release that is on its way.
pub fn change(valid: &Valid<'_>, pods: &Pods<'_>, attempts: Attempts, under_way: &UnderWay) -> Change {
    let Attempts { prepare: _, seed: _, owner: _, backup, pre, post, major: _ } = attempts;
    Change {
        backup: backups::base(valid, backup_name(&under_way.upgrade, backup)),
        pre: migration(valid, pods, Task::PreMigration, pre, under_way),
        post: migration(valid, pods, Task::PostMigration, post, under_way),
    }
}
