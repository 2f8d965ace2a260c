//! What an instance should be. The only thing that anybody decides about it; all else follows.

use serde_json::json;
use sqlx::PgConnection;

use super::{claim, store};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::ids::InstanceId;

/// What an instance should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type, serde::Serialize, serde::Deserialize)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// Nothing in any cluster: ordered and not paid, or over.
    Absent,
    /// A running server.
    Running,
    /// No process, all data kept, 503 to the world.
    Suspended,
    /// Over; data kept until its retention ends.
    Archived,
}

impl Intent {
    /// The word in database, API and pages' keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Archived => "archived",
        }
    }

    /// From which intents one may come here. Going back to `Absent` is the deletion that the operator's issue owns: nothing here
    /// leads there.
    fn may_follow(self) -> &'static [&'static str] {
        match self {
            Self::Absent => &[],
            Self::Running => &["absent", "running", "suspended", "archived"],
            Self::Suspended => &["running", "suspended"],
            Self::Archived => &["running", "suspended", "archived"],
        }
    }
}

/// Changes what an instance should be, in the caller's transaction; the fleet is nudged when it commits. The same intent again
/// changes nothing and writes nothing. [`sqlx::Error::RowNotFound`] when there is no such instance or no way from what it is now.
pub async fn set_intent(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    id: InstanceId,
    intent: Intent,
    reason: &str,
) -> sqlx::Result<()> {
    if !store::update_intent(conn, clock, id, intent, reason, intent.may_follow()).await? {
        return Ok(());
    }
    if intent == Intent::Running {
        claim::begin(conn, id).await?;
    }
    let account = store::account_of(conn, id).await?;
    let detail = json!({ "intent": intent, "reason": reason });
    audit::record(conn, clock, actor, Some(account), "instance.intent", &id.to_string(), detail).await
}

/// Changes which plan an instance has and how large it is meant to be, in the caller's transaction; the fleet is nudged when it commits.
/// [`sqlx::Error::RowNotFound`] when there is no such instance, or it is gone.
pub async fn set_plan(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    id: InstanceId,
    plan_code: &str,
    size: &store::StoredSize,
) -> sqlx::Result<()> {
    store::update_plan(conn, clock, id, plan_code, size).await?;
    let account = store::account_of(conn, id).await?;
    let detail = json!({ "plan": plan_code, "media_gib": size.media_gib, "packs": size.packs });
    audit::record(conn, clock, actor, Some(account), "instance.plan", &id.to_string(), detail).await
}
