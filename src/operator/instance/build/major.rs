//! What another major release of PostgreSQL takes besides the image: backups before and after, and a look through the tables.

use super::jobs::analyze;
use super::pods::Pods;
use super::{Object, backups};
use crate::operator::instance::validate::Valid;
use crate::operator::stores::major;
use crate::resource::{DatabaseUpgrade, instant};

/// What is done once for another major release.
#[derive(Debug, Clone, PartialEq)]
pub struct MajorChange {
    /// A base backup from right before.
    pub before: Object,
    /// `ANALYZE`: what the planner knows of the tables is not taken over.
    pub analyze: Object,
    /// A base backup of the new release: none from before can be rolled forward into it.
    pub after: Object,
}

/// When a backup is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before anything is touched.
    Before,
    /// When the new release serves.
    After,
}

/// The name of a backup around another major release: `before-postgres-18-1790000000`, and with `-2` for the second attempt.
pub fn major_backup_name(upgrade: &DatabaseUpgrade, moment: Moment, attempt: u32) -> String {
    let moment = match moment {
        Moment::Before => "before",
        Moment::After => "after",
    };
    let name = format!("{moment}-postgres-{}-{}", major(&upgrade.to).unwrap_or_default(), instant(&upgrade.since).timestamp());
    if attempt <= 1 { name } else { format!("{name}-{attempt}") }
}

/// What is done once for the major release that is on its way. `attempts`: of the three, in order.
pub fn major_change(valid: &Valid<'_>, pods: &Pods<'_>, attempts: [u32; 3], upgrade: &DatabaseUpgrade) -> MajorChange {
    let [before, look, after] = attempts;
    let backup = |moment, attempt| backups::base(valid, major_backup_name(upgrade, moment, attempt));
    MajorChange {
        before: backup(Moment::Before, before),
        analyze: analyze(valid, pods, look, major(&upgrade.to).unwrap_or_default()),
        after: backup(Moment::After, after),
    }
}
