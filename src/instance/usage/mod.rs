//! How servers are used, day by day: what they tell everybody (users, people who are active, posts) and whether they answered at all, and
//! what was measured to lie on them.

mod forecast;
mod measured;
mod store;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use url::Url;

pub use forecast::{Forecast, forecast};
pub use measured::{GOOD_FOR, Usage, note_usage};
pub use store::{Server, forget_old, keep, list_days, list_usages, to_ask, usage_of};

use super::sites::{AskFailed, Sites};
use crate::ids::InstanceId;
use crate::queue::Job;

/// Asks running servers how they are used: some of them, and then itself for the next.
#[derive(Debug, Serialize, Deserialize)]
pub struct AskUsage {
    /// Those behind this one; `None`: from the first on.
    pub after: Option<InstanceId>,
}

impl Job for AskUsage {
    const NAME: &'static str = "ask_usage";
    fn key(&self) -> Option<String> {
        Some(self.after.map_or_else(|| "first".to_owned(), |id| id.to_string()))
    }
}

/// What a server tells of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Accounts.
    pub users: Option<i64>,
    /// Accounts that were active within a month.
    pub active: Option<i64>,
    /// Posts that were written there.
    pub posts: Option<i64>,
    /// The last moment at which its certificate is good.
    pub certificate_until: Option<DateTime<Utc>>,
}

/// Why a server told nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTold {
    /// It did not answer.
    #[error("the server did not answer")]
    Failed(#[from] AskFailed),
    /// It answered with something else.
    #[error("the server answered {0}")]
    Status(u16),
    /// It answered with what is no `NodeInfo`.
    #[error("the server answered with something that can't be read")]
    Unreadable,
}

impl NotTold {
    /// The words of it in the locale files.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Failed(failed) => failed.key(),
            Self::Status(_) => "usage-trouble-status",
            Self::Unreadable => "usage-trouble-unreadable",
        }
    }

    /// Whether the server was there all the same.
    pub fn answered(&self) -> bool {
        match self {
            // One that lets nobody look is there; one that is broken is not.
            Self::Status(status) => *status < 500,
            Self::Unreadable => true,
            Self::Failed(_) => false,
        }
    }
}

/// <https://nodeinfo.diaspora.software/schema.html>, as far as it is looked at. Mastodon serves it without a log-in.
#[derive(Deserialize)]
struct NodeInfo {
    usage: NodeUsage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeUsage {
    users: NodeUsers,
    local_posts: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeUsers {
    total: Option<i64>,
    active_month: Option<i64>,
}

/// Asks the server at `host`.
///
/// # Errors
/// It told nothing.
pub async fn ask(sites: &dyn Sites, host: &str) -> Result<Told, NotTold> {
    let url: Url = format!("https://{host}/nodeinfo/2.0").parse().map_err(|_| NotTold::Failed(AskFailed::NoAddress))?;
    let page = sites.page(&url).await?;
    if page.status != 200 {
        return Err(NotTold::Status(page.status));
    }
    let NodeInfo { usage } = serde_json::from_slice(&page.body).map_err(|_| NotTold::Unreadable)?;
    // A server is its owner's: what it tells need not be true, but it must be a number that can be drawn.
    let sensible = |n: Option<i64>| n.filter(|n| (0..=1_000_000_000_000).contains(n));
    Ok(Told {
        users: sensible(usage.users.total),
        active: sensible(usage.users.active_month),
        posts: sensible(usage.local_posts),
        certificate_until: page.certificate_until,
    })
}

/// What is kept of a day.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Day {
    /// Which.
    pub day: NaiveDate,
    /// How often it was asked.
    pub looks: i32,
    /// How often it answered.
    pub answered: i32,
    /// Accounts.
    pub users: Option<i64>,
    /// Accounts that were active within a month.
    pub active: Option<i64>,
    /// Posts.
    pub posts: Option<i64>,
    /// Pictures and videos; `None` as long as nobody measures it, as for the next two.
    pub media_bytes: Option<i64>,
    /// Database.
    pub database_bytes: Option<i64>,
    /// How long the server's own oldest job waits.
    pub queue_seconds: Option<i64>,
    /// When it was last asked.
    pub looked_at: DateTime<Utc>,
    /// When it last answered.
    pub seen_at: Option<DateTime<Utc>>,
    /// Why it did not, the last time.
    pub trouble: Option<String>,
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// [`Day::users`].
    Users,
    /// [`Day::active`].
    Active,
    /// [`Day::posts`].
    Posts,
    /// [`Day::media_bytes`].
    Media,
    /// [`Day::database_bytes`].
    Database,
    /// [`Day::queue_seconds`].
    Queue,
}

impl Measure {
    /// All, in the order of the page.
    pub const ALL: [Self; 6] = [Self::Users, Self::Active, Self::Posts, Self::Media, Self::Database, Self::Queue];

    /// The word in keys of the locale files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Active => "active",
            Self::Posts => "posts",
            Self::Media => "media",
            Self::Database => "database",
            Self::Queue => "queue",
        }
    }

    /// Its value on a day.
    pub fn of(self, day: &Day) -> Option<i64> {
        match self {
            Self::Users => day.users,
            Self::Active => day.active,
            Self::Posts => day.posts,
            Self::Media => day.media_bytes,
            Self::Database => day.database_bytes,
            Self::Queue => day.queue_seconds,
        }
    }
}

/// The share of looks that were answered, in hundredths of hundredths; none without a look.
pub fn uptime(days: &[Day]) -> Option<i64> {
    let (looks, answered) =
        days.iter().fold((0, 0), |(looks, answered), day| (looks + i64::from(day.looks), answered + i64::from(day.answered)));
    (looks > 0).then(|| answered * 10_000 / looks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::sites::{Page, ScriptedSites};

    #[tokio::test]
    async fn what_a_server_tells_is_taken_and_what_makes_no_sense_is_not() {
        let sites = ScriptedSites::default();
        let page = |status, body: &str| Page { status, body: body.as_bytes().to_vec(), certificate_until: None };
        sites.set_page(
            "birds.example",
            page(200, r#"{"version":"2.0","usage":{"users":{"total":7,"activeMonth":3},"localPosts":41},"x":1}"#),
        );
        let told = ask(&sites, "birds.example").await.unwrap();
        assert_eq!((told.users, told.active, told.posts), (Some(7), Some(3), Some(41)));
        sites.set_page("birds.example", page(200, r#"{"usage":{"users":{"total":-7},"localPosts":9000000000000000}}"#));
        assert_eq!(ask(&sites, "birds.example").await, Ok(Told::default()));
        for (status, body, answered) in [(200, "<html>", true), (401, "", true), (502, "", false)] {
            sites.set_page("birds.example", page(status, body));
            assert_eq!(ask(&sites, "birds.example").await.unwrap_err().answered(), answered, "{status}");
        }
        assert!(!ask(&sites, "nobody.example").await.unwrap_err().answered());
        assert!(ask(&sites, "no host").await.is_err());
    }
}
