//! An archive of a server that is to move here, looked at where it lies: manifest and signature are read, each part is asked for its size.
//! Nothing is stored, and nothing restored.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use url::Url;

use super::sites::{AskFailed, Sites};
use crate::archive::inspect::{Report, inspect};
use crate::archive::names::{MANIFEST, SIGNATURE};
use crate::plan::{Catalogue, Plan};

/// The largest manifest that is fetched over the internet for a look.
const LARGEST: usize = 4 * 1024 * 1024;
/// The largest signature.
const LARGEST_SIGNATURE: usize = 4096;
/// Parts that are asked for; an archive with more is looked at where it arrives.
const ASKED: usize = 400;
/// Requests at a time: the other server is not ours.
const AT_ONCE: usize = 4;
/// The Postgres that servers here have.
const POSTGRES: u32 = 17;

/// Why an archive could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookFailed {
    /// Not an address that can be asked.
    #[error("the address must begin with https:// and name a file of the archive, such as its manifest.json")]
    Address,
    /// Something did not answer, or not with what was asked for.
    #[error("{file} could not be fetched: {why}")]
    File {
        /// Which file.
        file: &'static str,
        /// Why.
        why: AskFailed,
    },
}

/// The address of a file beside the one that is named: what stands behind the question mark stays, for links of archives carry their key there.
fn beside(url: &Url, name: &str) -> Option<Url> {
    let mut other = url.clone();
    let mut segments = other.path_segments_mut().ok()?;
    segments.pop().push(name);
    drop(segments);
    Some(other)
}

/// Looks at a manifest and its signature that were sent, without asking anybody for the parts.
pub fn look_at(manifest: &str, signature: &str) -> Report {
    inspect(manifest.as_bytes(), signature, POSTGRES)
}

/// Looks at the archive of which `address` names any file.
///
/// # Errors
/// It can't be reached. What is wrong with what is reached stands in the report.
pub async fn look(sites: &dyn Sites, address: &str) -> Result<Report, LookFailed> {
    let url: Url = address.trim().parse().map_err(|_| LookFailed::Address)?;
    if url.scheme() != "https" || url.host_str().is_none() || !url.username().is_empty() || url.password().is_some() {
        return Err(LookFailed::Address);
    }
    let manifest = read(sites, &url, MANIFEST, LARGEST).await?;
    let signature = read(sites, &url, SIGNATURE, LARGEST_SIGNATURE).await?;
    let mut report = inspect(&manifest, &String::from_utf8_lossy(&signature), POSTGRES);
    let names: Vec<String> = report.facts.iter().flat_map(|facts| facts.sizes.keys().take(ASKED).cloned()).collect();
    let asked = futures::stream::iter(names).map(|name| size_of(sites, &url, name));
    let answers: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    // A part that did not answer just now may be there: only what is said to be missing is.
    let sizes: BTreeMap<String, Option<u64>> = answers.into_iter().filter_map(|(name, size)| Some((name, size.ok()?))).collect();
    report.found(&sizes);
    Ok(report)
}

async fn read(sites: &dyn Sites, url: &Url, file: &'static str, most: usize) -> Result<Vec<u8>, LookFailed> {
    let at = beside(url, file).ok_or(LookFailed::Address)?;
    sites.read(&at, most).await.map_err(|why| LookFailed::File { file, why })
}

/// How large the part of this name is, beside the file that `url` names.
async fn size_of(sites: &dyn Sites, url: &Url, name: String) -> (String, Result<Option<u64>, AskFailed>) {
    let size = match beside(url, &name) {
        Some(at) => sites.size(&at).await,
        None => Ok(None),
    };
    (name, size)
}

/// The smallest plan on offer that a server of these sizes fits into.
pub fn fitting<'a>(catalogue: &'a Catalogue, database_bytes: u64, media_bytes: u64) -> Option<&'a Plan> {
    let fits = |gib: u32, bytes: u64| bytes <= u64::from(gib) << 30;
    let mut offered: Vec<&Plan> = catalogue.plans().iter().filter(|plan| plan.offered).collect();
    offered.sort_by_key(|plan| (plan.limits.media_gib, plan.limits.database_gib));
    offered.into_iter().find(|plan| fits(plan.limits.media_gib, media_bytes) && fits(plan.limits.database_gib, database_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_beside_one_another_and_keep_the_key() {
        let url: Url = "https://a.example/downloads/arc_1/manifest.json?of=x&key=y".parse().unwrap();
        let other = beside(&url, "media-00001.tar.zst").unwrap();
        assert_eq!(other.as_str(), "https://a.example/downloads/arc_1/media-00001.tar.zst?of=x&key=y");
        let folder: Url = "https://a.example/archive/".parse().unwrap();
        assert_eq!(beside(&folder, "manifest.json").unwrap().path(), "/archive/manifest.json");
    }
}
