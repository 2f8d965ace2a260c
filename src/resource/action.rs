//! What can be asked of a server beside its being there: a closed list with typed, bounded parameters.
//!
//! There is no command line and no free text in here. What Mastodon's `tootctl` can do and is not in this list (deleting or
//! rotating accounts, removing "orphans", purging domains or emoji, self-destruction) can't be asked for at all.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::archive::{AgeRecipient, ArchiveName, ArchiveScope, Digest};

/// What a run does.
#[derive(Serialize, Deserialize, JsonSchema, utoipa::ToSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[schemars(transform = structural)]
pub enum Action {
    /// Writes an archive of the server into its backup bucket.
    Export {
        /// Its id.
        #[schema(value_type = String)]
        archive: ArchiveName,
        /// What it is to hold.
        scope: ArchiveScope,
        /// Whom its secrets are sealed to; at least one.
        #[schema(value_type = Vec<String>)]
        #[schemars(length(min = 1, max = 4))]
        recipients: Vec<AgeRecipient>,
    },
    /// Takes an archive in.
    Import {},
    /// Proves an archive: reads every byte of it, restores its database into a throw-away one, and compares.
    Verify {
        /// Its id.
        #[schema(value_type = String)]
        archive: ArchiveName,
        /// SHA-256 of its manifest: this one and no other.
        #[schema(value_type = String)]
        manifest: Digest,
    },
    /// The same on a schedule, so that what was proven once is known to be so still.
    RestoreDrill {
        /// Its id.
        #[schema(value_type = String)]
        archive: ArchiveName,
        /// SHA-256 of its manifest.
        #[schema(value_type = String)]
        manifest: Digest,
    },
    /// One piece of upkeep.
    Maintenance(Maintenance),
}

/// One piece of upkeep.
#[derive(Serialize, Deserialize, JsonSchema, utoipa::ToSchema, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
#[schemars(transform = structural)]
pub enum Maintenance {
    /// Removes copies of files from other servers; they are fetched again when somebody looks at them.
    MediaRemoval {
        /// Which files.
        what: Media,
        /// Those not touched for so many days.
        #[schema(value_type = u16, minimum = 1, maximum = 365)]
        days: Bounded<1, 365>,
    },
    /// Removes the pictures of link previews. Mastodon fetches a preview again only when its link is posted again after two
    /// weeks, so younger ones stay.
    PreviewCardRemoval {
        /// Those not touched for so many days.
        #[schema(value_type = u16, minimum = 14, maximum = 730)]
        days: Bounded<14, 730>,
    },
    /// Says for how long files are kept; Mastodon itself removes older ones, every night. (For how long posts of other servers are kept
    /// can't be asked for: what goes with them, bookmarks and private messages too, never comes back.)
    Retention {
        /// Files of other servers' posts, in days since they were fetched; for ever when missing. They are fetched again when somebody
        /// looks at them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<u16>, minimum = 1, maximum = 730)]
        media_days: Option<Bounded<1, 730>>,
        /// Archives that people of this server have asked for, in days.
        #[schema(value_type = u16, minimum = 1, maximum = 90)]
        archive_days: Bounded<1, 90>,
    },
    /// Builds everybody's home and list timelines from the database.
    FeedBuild {
        /// Whether all of them are emptied first.
        clear_first: bool,
    },
    /// Empties Mastodon's cache; it fills again by itself.
    CacheClear {},
    /// Counts again what is shown as a number.
    Recount {
        /// Which numbers.
        what: Counters,
    },
    /// Fetches profiles from other servers again.
    AccountRefresh {
        /// Those of one server; of all when missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        domain: Option<Domain>,
    },
    /// Says who may register.
    Registrations {
        /// Who.
        mode: RegistrationMode,
    },
    /// Makes an invitation link of the owner's and mails it to the owner. Nobody else is shown it.
    OwnerInvite {
        /// How many people may use it.
        #[schema(value_type = u16, minimum = 1, maximum = 100)]
        uses: Bounded<1, 100>,
        /// How long.
        valid: InviteTime,
    },
    /// Lets Mastodon mail the owner a link to set a new password.
    PasswordMail {},
}

/// Files from other servers.
#[derive(Serialize, Deserialize, JsonSchema, utoipa::ToSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Media {
    /// Pictures, videos and sounds of posts.
    Attachments,
    /// Profile pictures and headers of accounts that nobody here follows or is followed by.
    Profiles,
    /// Headers of such accounts alone.
    Headers,
}

/// Numbers that Mastodon keeps beside what they count.
#[derive(Serialize, Deserialize, JsonSchema, utoipa::ToSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Counters {
    /// Followers, followed and posts of this server's accounts.
    Accounts,
    /// Answers, boosts and favourites of every post.
    Statuses,
}

/// Who may register.
#[derive(Serialize, Deserialize, JsonSchema, utoipa::ToSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum RegistrationMode {
    /// Anybody.
    Open,
    /// Anybody, after somebody of the server has agreed.
    Approved,
    /// Nobody without an invitation.
    Closed,
}

/// How long an invitation holds: what Mastodon itself offers.
#[derive(Serialize, Deserialize, JsonSchema, utoipa::ToSchema, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum InviteTime {
    /// An hour.
    Hour,
    /// Twelve hours.
    HalfDay,
    /// A day.
    Day,
    /// Seven days.
    Week,
}

impl InviteTime {
    /// In seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Hour => 3_600,
            Self::HalfDay => 43_200,
            Self::Day => 86_400,
            Self::Week => 604_800,
        }
    }
}

impl Action {
    /// The archive that it is about.
    pub fn archive(&self) -> Option<ArchiveName> {
        match self {
            Self::Export { archive, scope: _, recipients: _ }
            | Self::Verify { archive, manifest: _ }
            | Self::RestoreDrill { archive, manifest: _ } => Some(*archive),
            Self::Import {} | Self::Maintenance(_) => None,
        }
    }

    /// The one word for it: in the database, in metrics, in keys of the locale files.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Export { archive: _, scope: _, recipients: _ } => "export",
            Self::Import {} => "import",
            Self::Verify { archive: _, manifest: _ } => "verify",
            Self::RestoreDrill { archive: _, manifest: _ } => "restore-drill",
            Self::Maintenance(maintenance) => maintenance.kind(),
        }
    }
}

impl Maintenance {
    /// The one word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::MediaRemoval { what: _, days: _ } => "media-removal",
            Self::PreviewCardRemoval { days: _ } => "preview-card-removal",
            Self::Retention { media_days: _, archive_days: _ } => "retention",
            Self::FeedBuild { clear_first: _ } => "feed-build",
            Self::CacheClear {} => "cache-clear",
            Self::Recount { what: _ } => "recount",
            Self::AccountRefresh { domain: _ } => "account-refresh",
            Self::Registrations { mode: _ } => "registrations",
            Self::OwnerInvite { uses: _, valid: _ } => "owner-invite",
            Self::PasswordMail {} => "password-mail",
        }
    }

    /// How long it may take before it is ended. Each can be asked for again and goes on where it was, or begins anew.
    pub fn limit(&self) -> Duration {
        match self {
            Self::CacheClear {}
            | Self::Registrations { mode: _ }
            | Self::Retention { media_days: _, archive_days: _ }
            | Self::OwnerInvite { uses: _, valid: _ }
            | Self::PasswordMail {} => Duration::from_mins(10),
            Self::FeedBuild { clear_first: _ } | Self::PreviewCardRemoval { days: _ } => Duration::from_hours(6),
            Self::MediaRemoval { what: _, days: _ } | Self::Recount { what: _ } | Self::AccountRefresh { domain: _ } => {
                Duration::from_hours(12)
            }
        }
    }

    /// Whether doing it twice is the same as doing it once. What is not is never tried again by itself.
    pub fn is_idempotent(&self) -> bool {
        match self {
            Self::MediaRemoval { what: _, days: _ }
            | Self::PreviewCardRemoval { days: _ }
            | Self::Retention { media_days: _, archive_days: _ }
            | Self::FeedBuild { clear_first: _ }
            | Self::CacheClear {}
            | Self::Recount { what: _ }
            | Self::AccountRefresh { domain: _ }
            | Self::Registrations { mode: _ } => true,
            Self::OwnerInvite { uses: _, valid: _ } | Self::PasswordMail {} => false,
        }
    }
}

/// The schema of a custom resource must not say that other fields are refused: the API server takes them away.
fn structural(schema: &mut Schema) {
    schema.remove("additionalProperties");
    schemars::transform::transform_subschemas(&mut structural, schema);
}

/// A whole number from `MIN` to `MAX`.
#[derive(Serialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(transparent)]
pub struct Bounded<const MIN: u16, const MAX: u16>(u16);

impl<const MIN: u16, const MAX: u16> Bounded<MIN, MAX> {
    /// The number, when it is within the bounds.
    pub fn new(number: u16) -> Option<Self> {
        (MIN..=MAX).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl<'de, const MIN: u16, const MAX: u16> Deserialize<'de> for Bounded<MIN, MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u16::deserialize(deserializer)?;
        Self::new(number).ok_or_else(|| serde::de::Error::custom(format!("{number} is not a whole number from {MIN} to {MAX}")))
    }
}

impl<const MIN: u16, const MAX: u16> JsonSchema for Bounded<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("From{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
    }
}

/// A domain in lower-case ASCII, with at least one dot.
#[derive(Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(transparent)]
pub struct Domain(String);

impl Domain {
    /// The text, when it is a domain. Capitals are made small.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        ((4..=253).contains(&text.len()) && text.contains('.') && text.split('.').all(label)).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is not a domain such as mastodon.example in ASCII letters"))
        })
    }
}

impl JsonSchema for Domain {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Domain".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 4, "maxLength": 253,
            "pattern": "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_domains_are_read_within_their_bounds() {
        let read = |value| serde_json::from_value::<Action>(value).map_err(|error| error.to_string());
        let media = |days: i64| json!({"maintenance": {"mediaRemoval": {"what": "attachments", "days": days}}});
        assert!(read(media(1)).is_ok() && read(media(365)).is_ok());
        for days in [-1, 0, 366, 70_000] {
            assert!(read(media(days)).is_err(), "{days}");
        }
        assert!(read(media(0)).unwrap_err().contains("from 1 to 365"));
        let refresh = |domain: &str| read(json!({"maintenance": {"accountRefresh": {"domain": domain}}}));
        let Ok(Action::Maintenance(Maintenance::AccountRefresh { domain: Some(domain) })) = refresh("Mastodon.Example") else {
            panic!("a domain with capitals is read");
        };
        assert_eq!(domain.as_str(), "mastodon.example");
        for bad in
            ["", "localhost", "a b.example", "--all", "x.example; rm", "-a.example", "a..example", "ä.example", "$(id).example"]
        {
            assert!(refresh(bad).is_err(), "{bad}");
        }
        assert!(read(json!({"maintenance": {"accountRefresh": {}}})).is_ok());
        assert!(read(json!({"maintenance": {"cacheClear": {"dryRun": true}}})).is_err(), "what is not known is not passed over");
    }
}
