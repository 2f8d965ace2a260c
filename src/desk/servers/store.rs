//! SQL of the list of servers.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{Server, Show, Sort, Wanted};
use crate::db::slice::{Slice, Sorted, begins_with};
use crate::desk::figures::{BACKED_UP_WITHIN, UNPROVEN_AFTER};
use crate::instance::COLUMNS;

const DOMAIN: &str = r#"domain collate "C""#;
const WEB_DOMAIN: &str = r#"web_domain collate "C""#;

/// One page of the servers that are asked for.
pub async fn list(conn: &mut PgConnection, wanted: Wanted<'_>, now: DateTime<Utc>) -> sqlx::Result<Slice<Server>> {
    let Wanted { begins, show, version, newest, sort, start } = wanted;
    let mut query = QueryBuilder::<Postgres>::new(format!(
        "select {COLUMNS}, (select a.name from accounts a where a.id = instances.account_id) as account_name,
                s.amount_minor, s.currency, s.billing_interval
         from instances left join lateral
           (select amount_minor, currency, billing_interval from subscriptions where instance_id = instances.id) s on true
         where true"
    ));
    if !begins.is_empty() {
        query.push(" and (");
        begins_with(&mut query, DOMAIN, begins);
        query.push(" or ");
        begins_with(&mut query, WEB_DOMAIN, begins);
        query.push(")");
    }
    if let Some(version) = version {
        query.push(" and mastodon_version = ").push_bind(version.to_owned());
    }
    query.push(condition(show));
    if show == Show::Behind {
        query.push_bind(newest.map(str::to_owned));
    } else if show == Show::Unproven {
        query.push_bind(now - UNPROVEN_AFTER);
    } else if show == Show::NotBackedUp {
        query.push_bind(now - BACKED_UP_WITHIN);
    }
    let (by, downwards) = match sort {
        Sort::Newest => (None, true),
        Sort::Oldest => (None, false),
        Sort::Address => (Some(DOMAIN), false),
        Sort::AddressBackwards => (Some(DOMAIN), true),
    };
    Sorted { table: "instances", by, downwards }.cut(&mut query, start);
    Ok(Slice::new(query.build_query_as().fetch_all(conn).await?, &start))
}

/// The condition of a choice; a value follows those of `Behind`, `Unproven` and `NotBackedUp`. That of `Look` is the one of the index
/// `instances_to_look_at`.
fn condition(show: Show) -> &'static str {
    match show {
        Show::All => "",
        Show::Look => {
            " and intent <> 'absent' and released_at is null
              and (intent = 'running' and (ready_at is null or not observed @> '{\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}')
                   or observed @> '{\"conditions\": [{\"type\": \"Stalled\", \"status\": \"True\"}]}'
                   or outrun_generation is not null)"
        }
        Show::Building => " and released_at is null and intent = 'running' and ready_at is null",
        Show::Running => " and released_at is null and intent = 'running' and ready_at is not null",
        Show::Certificate => {
            " and released_at is null and intent = 'running' and ready_at is not null
              and observed @> '{\"conditions\": [{\"type\": \"CertificateReady\", \"status\": \"False\"}]}'"
        }
        Show::Reserved => " and released_at is null and intent = 'absent'",
        Show::Paused => " and released_at is null and intent = 'suspended'",
        Show::Leaving => " and released_at is null and intent = 'archived'",
        Show::Gone => " and released_at is not null",
        Show::Behind => " and released_at is null and intent in ('running', 'suspended') and mastodon_version <> ",
        Show::Unproven => {
            " and released_at is null and intent = 'running'
              and not coalesce(observed @> '{\"conditions\": [{\"type\": \"RestoreProven\", \"status\": \"True\"}]}', false)
              and ready_at < "
        }
        Show::NotBackedUp => {
            " and released_at is null and intent = 'running'
              and observed @> '{\"conditions\": [{\"type\": \"BackedUp\", \"status\": \"False\"}]}' and ready_at < "
        }
    }
}
