//! Where our rows and Stripe do not agree: expected, nowhere.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use crate::account::StaffMember;
use crate::audit::{self, Actor};
use crate::billing::difference::{self, DifferenceRow};
use crate::billing::inbox;
use crate::billing::jobs::SweepStripe;
use crate::queue;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{PageContext, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/differences.html")]
struct StaffDifferencesPage {
    page: PageContext,
    /// When and how much was compared, in words.
    looked: String,
    /// When Stripe's events were last read, in words.
    read: String,
    open: Vec<DifferenceView>,
    gone: Vec<DifferenceView>,
}

pages!(StaffDifferencesPage);

/// A row of either table.
struct DifferenceView {
    subject: String,
    what: String,
    ours: String,
    theirs: String,
    found: String,
    gone: String,
}

fn view(words: &Words, row: DifferenceRow) -> DifferenceView {
    DifferenceView {
        what: words.t(&format!("difference-{}", row.what.as_str())),
        subject: row.subject,
        ours: row.ours,
        theirs: row.theirs,
        found: time::moment(words, row.found_at),
        gone: row.gone_at.map(|at| time::moment(words, at)).unwrap_or_default(),
    }
}

/// GET `/staff/differences`
pub(super) async fn show(State(state): State<AppState>, page: PageContext) -> Result<Response, WebError> {
    let mut conn = state.db.staff().acquire().await?;
    let (reading, rows) = (inbox::reading(&mut conn).await?, difference::list(&mut conn).await?);
    drop(conn);
    let words = page.w.clone();
    let (open, gone): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.gone_at.is_none());
    let looked = match reading.compared_at {
        Some(at) => words.t2("staff-differences-looked", "time", time::moment(&words, at), "n", reading.compared),
        None => words.t("staff-differences-never"),
    };
    let read = match reading.events_read_at {
        Some(at) => words.t1("staff-differences-read", "time", time::moment(&words, at)),
        None => words.t("staff-differences-unread"),
    };
    let views = |rows: Vec<DifferenceRow>| rows.into_iter().map(|row| view(&words, row)).collect();
    Ok(html(&StaffDifferencesPage { looked, read, open: views(open), gone: views(gone), page })?)
}

/// POST `/staff/differences/look`: everything is compared now. It repairs what it can, and destroys nothing, so whoever may look may ask.
pub(super) async fn look(State(state): State<AppState>, member: StaffMember) -> Result<Response, WebError> {
    let mut tx = state.db.staff().begin().await?;
    queue::enqueue(&mut tx, &SweepStripe {}, None).await?;
    let actor = Actor::Staff(member.id);
    audit::record(&mut tx, state.clock.as_ref(), actor, None, "stripe.compared", "stripe", json!({})).await?;
    tx.commit().await?;
    Ok(with_message(&state, "/staff/differences", "done", "staff-differences-looking"))
}
