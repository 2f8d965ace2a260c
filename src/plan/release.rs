//! Releases: which versions of Mastodon can run, each as the exact images that it is.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::read::{self, Entry, Fault, FileError};
pub use crate::resource::{BadVersion, Version};
use crate::resource::{VersionChange, plan_version_change};

/// New servers start with a line that still gets security fixes.
const OLDEST_OFFERED: Version = Version::new(4, 5, 0);
/// 4.7.0 loses signing keys when its migration is interrupted (mastodon/mastodon#40264, fixed in 4.7.1).
const REFUSED: Version = Version::new(4, 7, 0);

/// An image by tag and digest. The digest decides what runs; the tag is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Image {
    repository: String,
    tag: String,
    digest: String,
}

impl Image {
    /// `registry/repository:tag@sha256:…`, what goes into a pod.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.tagged(), self.digest)
    }

    /// `registry/repository:tag`, what one asks a registry about.
    pub fn tagged(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }

    /// `sha256:` and 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether the digest is the stand-in that the demo and the tests use: the SHA-256 of the image's own name. No registry has it.
    pub fn is_stand_in(&self) -> bool {
        self.digest == format!("sha256:{}", hex::encode(Sha256::digest(self.tagged())))
    }

    fn parse(text: &str) -> Option<Self> {
        let (tagged, digest) = text.split_once('@')?;
        let (repository, tag) = tagged.rsplit_once(':')?;
        let hexadecimal = digest.strip_prefix("sha256:")?;
        let exact = hexadecimal.len() == 64 && hexadecimal.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        // Without a registry host a cluster would complete the name to its own default registry.
        let hosted = repository.split_once('/').is_some_and(|(host, path)| host.contains(['.', ':']) && !path.is_empty());
        let tag_fits = !tag.is_empty() && !tag.contains('/');
        (exact && hosted && tag_fits).then(|| Self {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: digest.to_owned(),
        })
    }
}

/// The text does not name an image by registry, tag and digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an image is registry/name:tag@sha256: and 64 hexadecimal digits in lower case")]
pub struct BadImage;

impl TryFrom<String> for Image {
    type Error = BadImage;

    fn try_from(text: String) -> Result<Self, BadImage> {
        Self::parse(&text).ok_or(BadImage)
    }
}

impl From<Image> for String {
    fn from(image: Image) -> Self {
        image.reference()
    }
}

/// One version that can run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Release {
    /// Which.
    #[sqlx(try_from = "String")]
    pub version: Version,
    /// Image of web, Sidekiq and all Jobs.
    #[sqlx(try_from = "String")]
    pub web: Image,
    /// Image of the streaming API.
    #[sqlx(try_from = "String")]
    pub streaming: Image,
    /// The oldest version that may be upgraded to this one without a stop in between.
    #[sqlx(try_from = "String")]
    pub min_from: Version,
    /// Name of the set of schema migrations that a complete database of this version has: one per minor.
    pub schema: String,
    /// What staff should know before an upgrade.
    pub notes: String,
    /// What changes for customers, in a sentence or two for them; may be empty.
    pub changes: String,
    /// Whether it closes a hole: then it is rolled out faster, see `rollout::Policy`.
    pub security: bool,
    /// Whether new servers may start with it.
    pub offered: bool,
    /// Whether somebody has looked the digests up in the registry.
    pub digest_verified: bool,
}

impl Release {
    /// Whether a server of version `from` may go straight to this release: forward, and from no older than it allows.
    pub fn can_follow(&self, from: Version) -> bool {
        let offered = BTreeMap::from([(self.version, self.min_from)]);
        plan_version_change(Some(from), self.version, &offered) == VersionChange::Upgrade
    }

    /// Reads one release of its fields, as they stand in a `[[release]]` of the file, or names everything that is wrong with it. Without
    /// `schema` it has its own minor's set of migrations.
    pub fn read(mut fields: toml::Table) -> Result<Self, FileError> {
        let version = fields.get("version").and_then(toml::Value::as_str).and_then(|text| text.trim().parse::<Version>().ok());
        if let Some(Version { major, minor, patch: _ }) = version {
            fields.entry("schema").or_insert_with(|| format!("{major}.{minor}").into());
        }
        let mut faults = Vec::new();
        let mut entry = Entry::new("", fields, &mut faults);
        let release = read_release(&mut entry, &mut Vec::new());
        entry.end();
        match release {
            Some(release) if faults.is_empty() => Ok(release),
            _ => Err(FileError::Faults(faults)),
        }
    }
}

/// Releases with digests that nobody has verified. Production refuses to start with them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} in the release catalogue {} not verified; look each up and set digest_verified = true:{}",
    .0.len(), if .0.len() == 1 { "image is" } else { "images are" }, lookups(.0))]
pub struct NotVerified(pub Vec<Image>);

fn lookups(images: &[Image]) -> String {
    let line = |image: &Image| {
        let name = image.tagged();
        format!("\n  - {name}: `crane digest {name}` or `skopeo inspect --format '{{{{.Digest}}}}' docker://{name}`")
    };
    images.iter().map(line).collect()
}

/// The release catalogue, newest version first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Releases {
    releases: Vec<Release>,
    newest_offered: usize,
}

impl Releases {
    /// Reads `path`, usually `catalogue/releases.toml`.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        Self::parse(&read::file(path)?)
    }

    /// Reads the text of a release catalogue, or names everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let mut faults = Vec::new();
        let mut file = Entry::new("", read::table(text)?, &mut faults);
        let tables = read::entries(&mut file, "release");
        file.end();
        let mut releases: Vec<Release> = Vec::new();
        let mut versions = Vec::new();
        for (index, table) in tables.into_iter().enumerate() {
            let label = match table.get("version").and_then(toml::Value::as_str) {
                Some(version) => format!("release \"{version}\""),
                None => format!("release #{}", index + 1),
            };
            let mut entry = Entry::new(label, table, &mut faults);
            let release = read_release(&mut entry, &mut versions);
            entry.end();
            releases.extend(release);
        }
        releases.sort_by_key(|release| std::cmp::Reverse(release.version));
        let newest_offered = releases.iter().position(|release| release.offered);
        if faults.is_empty() && newest_offered.is_none() {
            let remedy = "no release has offered = true; set it in the one that new servers should start with".to_owned();
            faults.push(Fault { entry: String::new(), field: "release".to_owned(), remedy });
        }
        match newest_offered {
            Some(newest_offered) if faults.is_empty() => Ok(Self { releases, newest_offered }),
            _ => Err(FileError::Faults(faults)),
        }
    }

    /// What production asks for before it starts.
    pub fn require_verified(&self) -> Result<(), NotVerified> {
        let unverified = self.releases.iter().filter(|release| !release.digest_verified);
        let images: Vec<Image> = unverified.flat_map(|release| [release.web.clone(), release.streaming.clone()]).collect();
        if images.is_empty() { Ok(()) } else { Err(NotVerified(images)) }
    }

    /// The release that new servers start with.
    pub fn newest_offered(&self) -> &Release {
        &self.releases[self.newest_offered]
    }

    /// All releases, newest first.
    pub fn all(&self) -> &[Release] {
        &self.releases
    }

    /// The releases for new servers, newest first.
    pub fn offered(&self) -> impl Iterator<Item = &Release> {
        self.releases.iter().filter(|release| release.offered)
    }

    /// The release of a version.
    pub fn get(&self, version: Version) -> Option<&Release> {
        self.releases.iter().find(|release| release.version == version)
    }

    /// Where a server of version `from` may go in one step, newest first.
    pub fn upgrades_from(&self, from: Version) -> impl Iterator<Item = &Release> {
        self.releases.iter().filter(move |release| release.can_follow(from))
    }
}

fn read_release(entry: &mut Entry<'_>, versions: &mut Vec<Version>) -> Option<Release> {
    let version = read_version(entry, "version");
    if let Some(version) = version {
        if versions.contains(&version) {
            entry.fault("version", "is in the catalogue already; keep one of the two");
        }
        versions.push(version);
    }
    let web = read_image(entry, "web", version);
    let streaming = read_image(entry, "streaming", version);
    if web.is_some() && streaming.as_ref().map(Image::digest) == web.as_ref().map(Image::digest) {
        entry.fault("streaming", "has the digest of web; the two are different images, look this one up too");
    }
    let min_from = read_version(entry, "min_from");
    if let (Some(version), Some(min_from)) = (version, min_from)
        && min_from > version
    {
        entry
            .fault("min_from", format!("is {min_from}, newer than the release; set the oldest version that may go to {version}"));
    }
    let offered = entry.flag("offered");
    if let (Some(version), Some(true)) = (version, offered)
        && (version < OLDEST_OFFERED || version == REFUSED)
    {
        let remedy = format!(
            "is true for {version}; new servers start with {OLDEST_OFFERED} or later and never with {REFUSED}; set false"
        );
        entry.fault("offered", remedy);
    }
    let digest_verified = entry.flag("digest_verified");
    if digest_verified == Some(true) && [&web, &streaming].into_iter().flatten().any(Image::is_stand_in) {
        entry.fault("digest_verified", "is true, but a digest is the demo's stand-in; put in the registry's digest or set false");
    }
    let schema = entry.text("schema", "the name of the set of schema migrations, such as \"4.7\"");
    let notes = entry.text("notes", "what staff should know before an upgrade");
    let changes = entry.optional_text("changes", "what changes for customers, in a sentence or two");
    let security = entry.optional_flag("security");
    Some(Release {
        version: version?,
        web: web?,
        streaming: streaming?,
        min_from: min_from?,
        schema: schema?,
        notes: notes?,
        changes: changes?,
        security: security?,
        offered: offered?,
        digest_verified: digest_verified?,
    })
}

fn read_version(entry: &mut Entry<'_>, field: &str) -> Option<Version> {
    let text = entry.text(field, "a version such as \"4.7.4\"")?;
    let version = text.parse().ok();
    if version.is_none() {
        entry.fault(field, format!("is \"{text}\"; write three numbers with points between, such as \"4.7.4\""));
    }
    version
}

fn read_image(entry: &mut Entry<'_>, field: &str, version: Option<Version>) -> Option<Image> {
    let text = entry.text(field, "the image as registry/name:vX.Y.Z@sha256:digest")?;
    let Some(image) = Image::parse(&text) else {
        let remedy = "must be registry/name:vX.Y.Z@sha256: with 64 hexadecimal digits in lower case; nothing runs by tag alone";
        entry.fault(field, remedy);
        return None;
    };
    if let Some(version) = version
        && image.tag != format!("v{version}")
    {
        entry.fault(field, format!("has the tag {}; the tag of this release is v{version}", image.tag));
    }
    Some(image)
}
