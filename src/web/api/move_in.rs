//! Moving in: a look at an archive before anything of it is fetched.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use crate::archive::inspect::{Facts, Report};
use crate::instance::arrival;
use crate::web::AppState;
use crate::web::error::{FieldError, WebError};
use crate::web::session::Customer;

/// Where an archive is, or its manifest and signature themselves.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLook {
    /// Address of any of its files, such as `https://files.example/archive/manifest.json`. Then its parts are asked for their sizes.
    #[serde(default)]
    address: Option<String>,
    /// The text of its `manifest.json`, byte for byte; with `signature`, in place of `address`.
    #[serde(default)]
    manifest: Option<String>,
    /// The text of its `manifest.sig`.
    #[serde(default)]
    signature: Option<String>,
}

async fn looked(state: &AppState, new: NewLook) -> Result<Report, WebError> {
    let wrong = |field: &str, text: String| WebError::Invalid(vec![FieldError { field: field.to_owned(), text }]);
    match new {
        NewLook { address: Some(address), manifest: None, signature: None } => {
            let looked = arrival::look(state.sites.as_ref(), &address).await;
            looked.map_err(|failed| wrong("address", failed.to_string()))
        }
        NewLook { address: None, manifest: Some(manifest), signature: Some(signature) } => {
            Ok(arrival::look_at(&manifest, &signature))
        }
        NewLook { address: _, manifest: _, signature: _ } => {
            Err(wrong("address", "send either address, or manifest and signature".to_owned()))
        }
    }
}

/// Something that stands in the way, or that whoever moves should know.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemView {
    /// One word for it, such as `fork` or `missing-part`.
    code: &'static str,
    /// What it is about.
    detail: String,
    /// Whether the archive can't be taken in with it.
    refuses: bool,
}

/// What an archive says it is, signed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FactsView {
    /// What stands behind the `@` of its people.
    domain: String,
    /// Where its pages were.
    web_domain: String,
    /// Mastodon's release, as far as the schema tells.
    mastodon: Option<String>,
    /// Major version of its Postgres.
    postgres: u32,
    /// As of when its database is.
    snapshot: String,
    /// What the database took on disk.
    database_bytes: u64,
    /// People who can sign in.
    users: u64,
    /// Posts that it knows, of all servers.
    statuses: u64,
    /// Media files.
    objects: u64,
    /// Their bytes.
    object_bytes: u64,
    /// Bytes of all parts.
    bytes: u64,
    /// Who signed it.
    signer: String,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReportView {
    /// Whether it could be taken in.
    fits: bool,
    /// What stands in the way, what refuses it first.
    problems: Vec<ProblemView>,
    /// What it is; nothing where it is damaged or none.
    facts: Option<FactsView>,
    /// The code of the smallest plan that it fits into.
    plan: Option<String>,
}

/// Look at an archive that is to move here
///
/// Reads manifest and signature and asks for the size of each part. Nothing is stored and nothing restored. 422 names the address as wrong
/// when it can't be reached.
#[utoipa::path(post, path = "/api/v1/move-ins/inspect", tag = "instance", operation_id = "inspect_move_in", request_body = NewLook,
    responses((status = 200, description = "What was found", body = ReportView)))]
pub(super) async fn inspect(
    State(state): State<AppState>,
    _customer: Customer,
    JsonBody(new): JsonBody<NewLook>,
) -> Result<Answer<ReportView>, WebError> {
    let report = looked(&state, new).await?;
    let fits = report.fits();
    let plan = report.facts.as_ref().and_then(|facts| {
        arrival::fitting(&state.catalogue, facts.database_bytes, facts.object_bytes).map(|plan| plan.code.clone())
    });
    let problems = report.problems.iter().map(|problem| ProblemView {
        code: problem.word(),
        detail: problem.detail(),
        refuses: problem.refuses(),
    });
    let problems = problems.collect();
    let facts = report.facts.map(|facts| {
        let Facts { domain, web_domain, mastodon, postgres, snapshot, database_bytes, users, statuses, .. } = facts;
        let (objects, object_bytes, bytes, signer) = (facts.objects, facts.object_bytes, facts.bytes, facts.signer);
        FactsView {
            domain,
            web_domain,
            mastodon,
            postgres,
            snapshot,
            database_bytes,
            users,
            statuses,
            objects,
            object_bytes,
            bytes,
            signer,
        }
    });
    Ok(Answer(StatusCode::OK, ReportView { fits, problems, facts, plan }))
}
