//! Whether an archive is what was written: each part against the manifest, each media file against its index.

use super::error::{ArchiveError, Damage};
use super::names::PartName;
use super::reader::Archive;
use super::watch::{Progress, Step, Watch};

/// Checks all parts, one after the other.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(archive: &Archive, watch: &dyn Watch) -> Result<(), ArchiveError> {
    let total = archive.manifest.bytes();
    let (mut bytes, mut objects) = (0, 0);
    let mut previous = None;
    for part in &archive.manifest.parts {
        let name: PartName = part.name.parse().map_err(|_| Damage::Missing(part.name.clone()))?;
        let mut told = |read| {
            bytes += read;
            watch.progress(Progress { step: Step::Check, bytes, total: Some(total), objects });
        };
        match name {
            // In the order of their numbers, so that the order of files is checked over all parts.
            PartName::Media(number) => {
                archive.files_of(number, &mut previous, watch, &mut told, &mut |_, _, _, _| Ok(()))?;
                objects += part.objects.unwrap_or_default();
            }
            PartName::Database
            | PartName::Index(_)
            | PartName::Secrets
            | PartName::Guide
            | PartName::Compose
            | PartName::Script
            | PartName::Sums => archive.check(name, watch, &mut told)?,
        }
    }
    Ok(())
}
