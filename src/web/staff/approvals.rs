//! What takes two: what was asked for and waits for the word of another one, and what became of the rest.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use crate::account::approval::{self, Approval, Kind};
use crate::account::{self, StaffMember};
use crate::billing::giving::{self, ProposalError};
use crate::ids::{ApprovalId, InstanceId, StaffId};
use crate::instance::{self, RemovalError};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{PageContext, StateView, html, pages};
use crate::words::Words;

const HERE: &str = "/staff/approvals";
/// Decided ones on the page.
const RECENT: i64 = 30;

#[derive(Template)]
#[template(path = "pages/staff/approvals.html")]
struct StaffApprovalsPage {
    page: PageContext,
    open: Vec<ApprovalRow>,
    recent: Vec<ApprovalRow>,
}

pages!(StaffApprovalsPage);

struct ApprovalRow {
    id: String,
    what: String,
    subject: String,
    /// Where it is agreed to.
    href: String,
    /// Who asked, when and why.
    asked: String,
    state: StateView,
    /// Whether whoever looks may say no, or take it back.
    may_refuse: bool,
    mine: bool,
}

/// GET `/staff/approvals`
pub(super) async fn list(State(state): State<AppState>, member: StaffMember, page: PageContext) -> Result<Response, WebError> {
    let (mut conn, clock) = (state.db.staff().acquire().await?, state.clock.as_ref());
    let open = approval::list_open(&mut conn, clock).await?;
    let recent = approval::list_recent(&mut conn, clock, RECENT).await?;
    let people: Vec<StaffId> =
        open.iter().chain(&recent).flat_map(|one| [Some(one.asked_by), one.decided_by]).flatten().collect();
    let names = account::staff_names(&mut conn, &people).await?;
    drop(conn);
    let words = page.w.clone();
    let row = |one: &Approval| row(&words, &member, &names, one);
    Ok(html(&StaffApprovalsPage { open: open.iter().map(row).collect(), recent: recent.iter().map(row).collect(), page })?)
}

fn row(words: &Words, member: &StaffMember, names: &[(StaffId, String)], one: &Approval) -> ApprovalRow {
    let name = |id: StaffId| super::named(names, id).unwrap_or_default().to_owned();
    let state = match one.decision {
        None => {
            StateView::new(words, "waiting", "approval-waits", words.t1("until", "time", time::moment(words, one.expires_at)))
        }
        Some(decision) => {
            let at = one.decided_at.map(|at| time::moment(words, at)).unwrap_or_default();
            let by = one.decided_by.map(name).unwrap_or_default();
            StateView::new(words, "done", decision.key(), format!("{by} {at}").trim().to_owned())
        }
    };
    ApprovalRow {
        id: one.id.to_string(),
        what: words.t(&format!("approval-kind-{}", one.kind.word())),
        href: page_of(one),
        subject: one.subject.clone(),
        asked: words.with(
            "removal-requested-by",
            &[("by", &name(one.asked_by)), ("at", &time::moment(words, one.asked_at)), ("reason", &one.reason)],
        ),
        state,
        may_refuse: one.decision.is_none() && member.may(one.kind.scope()),
        mine: one.asked_by == member.id,
    }
}

/// The page that says what it would do, and on which it is agreed to.
fn page_of(one: &Approval) -> String {
    match one.kind {
        Kind::Removal => format!("/staff/instances/{}/removal", one.subject),
        Kind::Giving => format!("/staff/instances/{}/money", one.subject),
    }
}

/// POST `/staff/approvals/{id}/refuse`
pub(super) async fn refuse(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
) -> Result<Response, WebError> {
    let id: ApprovalId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut tx = state.db.staff().begin().await?;
    let found = approval::find(&mut tx, id).await?.filter(|found| found.decision.is_none()).ok_or(WebError::NotFound)?;
    if !member.may(found.kind.scope()) {
        return Err(WebError::Forbidden);
    }
    let subject: InstanceId = found.subject.parse().map_err(|_| WebError::NotFound)?;
    match found.kind {
        Kind::Giving => match giving::refuse(&mut tx, state.clock.as_ref(), member.id, subject).await {
            Ok(()) => {}
            Err(ProposalError::Database(error)) => return Err(error.into()),
            Err(ProposalError::Give(_) | ProposalError::Approval(_)) => {
                return Ok(with_message(&state, HERE, "failed", "give-not-open"));
            }
        },
        Kind::Removal => match instance::withdraw_removal(&mut tx, state.clock.as_ref(), member.id, subject).await {
            Ok(()) => {}
            Err(RemovalError::Database(error)) => return Err(error.into()),
            Err(
                RemovalError::NotEnded
                | RemovalError::Kept
                | RemovalError::NoArchive
                | RemovalError::Approval(_)
                | RemovalError::WrongName,
            ) => {
                return Ok(with_message(&state, HERE, "failed", "removal-not-open"));
            }
        },
    }
    tx.commit().await?;
    Ok(with_message(&state, HERE, "done", "approval-refused-done"))
}
