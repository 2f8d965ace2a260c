//! A customer's own mail server for the mails of their server. What is kept of it in the clear is what the customer may see again; the
//! password is only ever kept sealed to the operator's key.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use super::{Instance, store};
use crate::audit::{self, Actor};
use crate::clock::Clock;
use crate::resource::MailSecurity;

/// What may be shown of a customer's own mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnMailFacts {
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How the way there is protected.
    pub security: MailSecurity,
    /// User name.
    pub login: String,
    /// The sender.
    pub from: String,
}

/// Sets the customer's own mail server, whose settings with the password are `sealed`. In the caller's transaction; the fleet carries it
/// on when that commits.
pub async fn set_own_mail(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    instance: &Instance,
    facts: &OwnMailFacts,
    sealed: &str,
) -> sqlx::Result<()> {
    store::update_own_mail(conn, clock, instance.id, Some((facts, sealed))).await?;
    let detail = json!({ "host": facts.host, "port": facts.port, "login": facts.login, "from": facts.from });
    audit::record(conn, clock, actor, Some(instance.account_id), "instance.own_mail", &instance.id.to_string(), detail).await
}

/// Back to the host's relay; whether anything changed.
pub async fn remove_own_mail(
    conn: &mut PgConnection,
    clock: &dyn Clock,
    actor: Actor,
    instance: &Instance,
) -> sqlx::Result<bool> {
    if instance.own_mail.is_none() {
        return Ok(false);
    }
    store::update_own_mail(conn, clock, instance.id, None).await?;
    let (account, subject) = (Some(instance.account_id), instance.id.to_string());
    audit::record(conn, clock, actor, account, "instance.own_mail_removed", &subject, json!({})).await?;
    Ok(true)
}
