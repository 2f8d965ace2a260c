//! The catalogue of releases as clusters have it: a ConfigMap beside the operator, which the fleet writes and the operator reads.
//!
//! The images alone also go into a value of the ConfigMap by which the chart's policy tells what may run: a policy takes one ConfigMap, and
//! that one holds what the release itself lists beside them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::version::Version;

/// Name of the ConfigMap, in the operator's namespace.
pub const CATALOGUE_NAME: &str = "paddock-releases";
/// Name of the ConfigMap of images, beside it. The chart makes it.
pub const IMAGES_NAME: &str = "paddock-images";
/// Its value with the images of the catalogue, one a line, which the fleet writes. What the chart lists is in another.
pub const IMAGES_OF_RELEASES: &str = "releases";

/// One value, as JSON; its key is the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedRelease {
    /// Image of web, workers and Jobs, by tag and digest.
    pub web: String,
    /// Image of streaming, by tag and digest.
    pub streaming: String,
    /// The oldest version that may go straight to it.
    pub min_from: Version,
}

/// What is wrong with an entry. It is passed over: what is not pinned does not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// Not JSON of that form.
    #[error("{version} can't be read: {why}")]
    Unreadable {
        /// The key.
        version: String,
        /// Why.
        why: String,
    },
    /// An image without a digest.
    #[error("{version} names the image {image:?} without a digest")]
    Unpinned {
        /// The key.
        version: String,
        /// The image.
        image: String,
    },
}

/// Whether an image is named by its digest.
pub fn is_pinned(image: &str) -> bool {
    let digest = image.split_once("@sha256:").map(|(_, digest)| digest);
    digest.is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads the ConfigMap's data: what is right, and what is wrong with the rest.
pub fn read_catalogue(data: &BTreeMap<String, String>) -> (BTreeMap<String, PublishedRelease>, Vec<BadEntry>) {
    let (mut good, mut bad) = (BTreeMap::new(), Vec::new());
    for (version, text) in data {
        match serde_json::from_str::<PublishedRelease>(text) {
            Ok(release) => {
                let unpinned = [&release.web, &release.streaming].into_iter().find(|image| !is_pinned(image)).cloned();
                match unpinned {
                    Some(image) => bad.push(BadEntry::Unpinned { version: version.clone(), image }),
                    None => {
                        good.insert(version.clone(), release);
                    }
                }
            }
            Err(error) => bad.push(BadEntry::Unreadable { version: version.clone(), why: error.to_string() }),
        }
    }
    (good, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_pinned_is_passed_over() {
        let digest = "a".repeat(64);
        let entry =
            |web: &str| format!(r#"{{"web": "{web}", "streaming": "r.example/s:v1@sha256:{digest}", "minFrom": "4.5.0"}}"#);
        let data = BTreeMap::from([
            ("4.5.20".to_owned(), entry(&format!("r.example/m:v1@sha256:{digest}"))),
            ("4.6.0".to_owned(), entry("r.example/m:v1")),
            ("4.7.1".to_owned(), entry(&format!("r.example/m:v1@sha256:{}", &digest[1..]))),
            ("4.8.0".to_owned(), "{}".to_owned()),
        ]);
        let (good, bad) = read_catalogue(&data);
        assert_eq!(good.keys().collect::<Vec<_>>(), ["4.5.20"]);
        assert_eq!(good["4.5.20"].min_from, Version::new(4, 5, 0));
        let told: Vec<String> = bad.iter().map(ToString::to_string).collect();
        assert_eq!(told[0], "4.6.0 names the image \"r.example/m:v1\" without a digest");
        assert!(
            told[1].starts_with("4.7.1 names the image") && told[2].starts_with("4.8.0 can't be read: missing field"),
            "{told:?}"
        );
    }
}
