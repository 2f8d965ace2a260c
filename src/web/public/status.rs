//! Is the host well? What the database knows at this moment, part by part, and what the host's people say of what is not.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};

use super::incidents::{self, IncidentView, incident_view};
use super::room_for_any;
use crate::incident::Impact;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::time;
use crate::web::page::{PageContext, StateView, html, pages};
use crate::words::Words;
use crate::{billing, capacity, instance};

/// A payment is settled half a minute after its deadline at the latest; later than this, nobody does the work.
const SETTLED_WITHIN: TimeDelta = TimeDelta::minutes(10);
/// A server is built in minutes; one that takes this long needs somebody's hand.
const BUILT_WITHIN: TimeDelta = TimeDelta::minutes(30);

/// A part of the host and how it is.
pub(in crate::web) struct StatusPart {
    /// What programs call it.
    pub id: &'static str,
    pub name: String,
    pub state: StateView,
}

#[derive(Template)]
#[template(path = "pages/public/status.html")]
struct StatusPage {
    page: PageContext,
    overall: StateView,
    open: Vec<IncidentView>,
    past: Vec<IncidentView>,
    parts: Vec<StatusPart>,
    checked_at: String,
}

#[derive(Template)]
#[template(path = "pages/public/_status.html")]
struct StatusFragment {
    page: PageContext,
    overall: StateView,
    open: Vec<IncidentView>,
    parts: Vec<StatusPart>,
    checked_at: String,
}

pages!(StatusPage, StatusFragment);

/// What was found in the database.
pub(in crate::web) struct Facts {
    room: bool,
    /// The earliest deadline of the orders that wait for their payment.
    unsettled_since: Option<DateTime<Utc>>,
    /// Since when the oldest unfinished server is being built.
    building_since: Option<DateTime<Utc>>,
}

/// GET `/status`
pub(super) async fn status(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    Ok(html(&whole(&state, page).await?)?)
}

/// GET `/status/live`: the part of it that changes.
pub(super) async fn live(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    let StatusPage { page, overall, open, past: _, parts, checked_at } = whole(&state, page).await?;
    Ok(html(&StatusFragment { page, overall, open, parts, checked_at })?)
}

async fn whole(state: &AppState, page: PageContext) -> Result<StatusPage, WebError> {
    let now = state.clock.now();
    let parts = parts(&page.w, &look(state).await?, now);
    let (incidents, updates) = incidents::load(state).await?;
    let told = incidents.iter().any(|incident| incident.over_at.is_none() && incident.impact != Impact::Notice);
    let (kind, key) = if told || parts.iter().any(|part| part.state.kind == "failed") {
        ("failed", "status-some-not-well")
    } else {
        ("done", "status-all-well")
    };
    let overall = StateView::new(&page.w, kind, key, "");
    let all = incidents.iter().map(|incident| incident_view(&page.w, incident, &updates));
    let (past, open): (Vec<_>, Vec<_>) = all.partition(|incident| incident.over);
    Ok(StatusPage { page, overall, open, past, parts, checked_at: now.format("%-H:%M UTC").to_string() })
}

/// What the database knows now.
pub(in crate::web) async fn look(state: &AppState) -> sqlx::Result<Facts> {
    let mut conn = state.db.staff().acquire().await?;
    Ok(Facts {
        room: room_for_any(state, &capacity::open_clusters(&mut conn, state.clock.as_ref(), None).await?),
        unsettled_since: billing::earliest_deadline(&mut conn).await?,
        building_since: instance::building_since(&mut conn).await?,
    })
}

/// What that means, part by part.
pub(in crate::web) fn parts(words: &Words, facts: &Facts, now: DateTime<Utc>) -> Vec<StatusPart> {
    let part = |id: &'static str, kind, key: &str, detail: String| StatusPart {
        id,
        name: words.t(&format!("status-{id}")),
        state: StateView::new(words, kind, key, detail),
    };
    let since = |at: DateTime<Utc>| words.t1("status-since", "time", time::moment(words, at));
    let pages = part("pages", "done", "status-working", String::new());
    let orders = if facts.room {
        part("orders", "done", "status-open", String::new())
    } else {
        part("orders", "waiting", "status-full", words.t("status-full-text"))
    };
    let payments = match facts.unsettled_since {
        Some(deadline) if deadline + SETTLED_WITHIN < now => part("payments", "failed", "status-slow", since(deadline)),
        _ => part("payments", "done", "status-working", String::new()),
    };
    let building = match facts.building_since {
        Some(begin) if begin + BUILT_WITHIN < now => part("building", "failed", "status-slow", since(begin)),
        Some(_) => part("building", "done", "status-working", words.t("status-building-now")),
        None => part("building", "done", "status-working", String::new()),
    };
    vec![pages, orders, payments, building]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(facts: &Facts, now: DateTime<Utc>) -> Vec<&'static str> {
        parts(&Words::english(), facts, now).iter().map(|part| part.state.kind).collect()
    }

    #[test]
    fn what_is_late_is_said() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let minutes_ago = |minutes| Some(now - TimeDelta::minutes(minutes));
        let well = Facts { room: true, unsettled_since: minutes_ago(-20), building_since: minutes_ago(2) };
        assert_eq!(kinds(&well, now), ["done"; 4]);
        let late = Facts { room: false, unsettled_since: minutes_ago(11), building_since: minutes_ago(31) };
        assert_eq!(kinds(&late, now), ["done", "waiting", "failed", "failed"]);
    }
}
