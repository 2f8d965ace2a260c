//! A copy of all that is known of an account and of whoever asks for it, in one document of JSON.
//!
//! Tables are named one by one, with what is left out of each; a test fails when a table with rows of accounts is in neither list.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;

use super::store;
use crate::db::AccountTx;
use crate::ids::PersonId;

/// A table of an account: its columns as SQL, and those of them that are left out.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The column that says whose a row is.
    pub whose: &'static str,
    /// What is read.
    pub columns: &'static str,
    /// What of it is left out: secrets, sealed or not.
    pub without: &'static [&'static str],
}

const fn whole(name: &'static str) -> Table {
    Table { name, whose: "account_id", columns: "*", without: &[] }
}

/// What is in the copy, in this order.
pub const TABLES: [Table; 26] = [
    Table { name: "accounts", whose: "id", columns: "*", without: &[] },
    whole("members"),
    whole("second_contacts"),
    whole("invitations"),
    Table { without: &["own_mail_sealed"], ..whole("instances") },
    whole("orders"),
    whole("subscriptions"),
    whole("holds"),
    whole("places"),
    whole("waiting_list"),
    whole("changes"),
    whole("givings"),
    whole("free_servers"),
    whole("runs"),
    Table { without: &["key_file"], ..whole("archives") },
    whole("usage_days"),
    whole("rollout_items"),
    Table {
        columns: "id, account_id, person_id, name, scope, instance_id, expires_at, last_used_at, created_at",
        ..whole("api_tokens")
    },
    Table { without: &["seed", "old_seed"], ..whole("hook_endpoints") },
    whole("hook_events"),
    whole("hook_deliveries"),
    whole("hook_tries"),
    Table {
        columns: "id, staff_id, account_id, reason, ticket, began_at, ends_at, ended_at, ended_by, changes_at, changes_by",
        ..whole("staff_accesses")
    },
    whole("consents"),
    whole("erasures"),
    whole("audit_events"),
];

/// Tables with rows of accounts that are not in it, and why.
pub const LEFT_OUT: [(&str, &str); 2] = [
    ("sessions", "those of whoever asks are below `person`; those of other members are theirs"),
    ("erasure_keeps", "it is written when there is nobody left to ask"),
];

/// All of an account, and of the person who asks.
pub async fn export(tx: &mut AccountTx, auth: &mut PgConnection, person: PersonId, at: DateTime<Utc>) -> sqlx::Result<Value> {
    let account = tx.account();
    let mut document = Map::new();
    document.insert("format".to_owned(), json!("paddock-account/1"));
    document.insert("made_at".to_owned(), json!(at));
    document.insert("account".to_owned(), json!(account));
    document.insert("person".to_owned(), store::person(auth, person).await?);
    for table in &TABLES {
        document.insert(table.name.to_owned(), store::rows(tx.conn(), table, account).await?);
    }
    Ok(Value::Object(document))
}
