//! Archives of a server: asked for, looked at, fetched by a link.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::json::{Answer, JsonBody};
use crate::archive::secrets::is_long_enough;
use crate::instance::export::{self, ArchiveState, ExportError, NewArchive, Scope, ServerArchive};
use crate::instance::run::RunState;
use crate::resource::{AgeRecipient, ProvenArchive};
use crate::web::AppState;
use crate::web::download;
use crate::web::error::{FieldError, WebError};
use crate::web::instance::archives::with_passphrase;
use crate::web::session::{Customer, OwnedArchive, OwnedInstance};

/// The most archives in a list.
const LISTED: i64 = 200;

/// An archive that somebody wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedArchive {
    /// What it is to hold.
    scope: Scope,
    /// Passphrase that seals the server's keys, at least 12 letters. This or `recipient`.
    #[serde(default)]
    passphrase: Option<String>,
    /// Public key of age (`age1…`) that they are sealed to.
    #[serde(default)]
    recipient: Option<String>,
}

/// What a restore into a throw-away database has shown.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProofView {
    /// When.
    at: DateTime<Utc>,
    /// How many seconds it took.
    seconds: Option<f64>,
    /// Tables whose rows were counted.
    tables: i64,
    /// Rows in them.
    rows: i64,
    /// Media files whose checksums were compared.
    objects: i64,
    /// Local accounts whose public key is the one of the archive.
    actors: i64,
    /// Of those, accounts whose private key fits.
    pairs: i64,
}

/// An archive.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ArchiveView {
    /// Which.
    #[schema(example = "arc_01kanyg7c3e8ht2w9c5m1r4q6z")]
    id: String,
    /// Of which server.
    instance: String,
    /// The run that writes it; call that off to stop it.
    run: String,
    /// How far that run is.
    run_state: RunState,
    /// What it holds.
    scope: Scope,
    /// How far it is.
    state: ArchiveState,
    /// Whether it can be fetched.
    available: bool,
    /// SHA-256 of its manifest.
    manifest: Option<String>,
    /// The public key that signed it.
    signer: Option<String>,
    /// Bytes of all its parts.
    bytes: Option<i64>,
    /// How many parts it has.
    parts: Option<i32>,
    /// Media files in it.
    objects: Option<i64>,
    /// Media files that could not be taken along.
    missing: Option<i64>,
    /// As of when its database is.
    snapshot_at: Option<DateTime<Utc>>,
    /// The last proof.
    proof: Option<ProofView>,
    /// Why the last proof failed, until one succeeds.
    proof_failure: Option<String>,
    /// When it was asked for.
    asked_at: DateTime<Utc>,
    /// When it is deleted.
    expires_at: Option<DateTime<Utc>>,
    /// When nothing of it was left.
    removed_at: Option<DateTime<Utc>>,
}

/// A server's archives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Archives {
    /// Newest first, at most 200.
    archives: Vec<ArchiveView>,
}

/// A way to fetch an archive, good for whoever has it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkView {
    /// A list of all files for curl: `curl -fsS URL | curl -K -`. The same again goes on where it broke off.
    list: String,
    /// The manifest; every other part is fetched by its name in place of `manifest.json`.
    manifest: String,
    /// Until when both are good.
    until: DateTime<Utc>,
}

fn view(archive: ServerArchive, now: DateTime<Utc>) -> ArchiveView {
    let available = archive.is_there(now);
    let proof = archive.proven_at.zip(archive.proof).map(|(at, proof)| {
        let ProvenArchive { manifest: _, tables, rows, objects, actors, pairs, opened: _ } = proof.0;
        ProofView { at, seconds: archive.proof_seconds, tables, rows, objects, actors, pairs }
    });
    ArchiveView {
        id: archive.id.to_string(),
        instance: archive.instance_id.to_string(),
        run: archive.run_id.to_string(),
        run_state: archive.run_state,
        scope: archive.scope,
        state: archive.state,
        available,
        manifest: archive.manifest,
        signer: archive.signer,
        bytes: archive.bytes,
        parts: archive.parts,
        objects: archive.objects,
        missing: archive.missing,
        snapshot_at: archive.snapshot_at,
        proof,
        proof_failure: archive.proof_failure,
        asked_at: archive.created_at,
        expires_at: archive.expires_at,
        removed_at: archive.removed_at,
    }
}

/// What seals the keys.
async fn wanted(new: WantedArchive) -> Result<NewArchive, WebError> {
    let WantedArchive { scope, passphrase, recipient } = new;
    let wrong = |field: &str, text: &str| WebError::Invalid(vec![FieldError { field: field.to_owned(), text: text.to_owned() }]);
    match (passphrase.map(SecretString::from), recipient) {
        (Some(passphrase), None) if is_long_enough(&passphrase) => with_passphrase(scope, passphrase).await,
        (Some(_), None) => {
            Err(wrong("passphrase", "send at least 12 letters: whoever finds the archive could guess a shorter one"))
        }
        (None, Some(text)) => {
            let recipient = AgeRecipient::new(&text);
            let recipient = recipient.ok_or_else(|| wrong("recipient", "send a public key of age, which begins with age1"))?;
            Ok(NewArchive { scope, recipient, key_file: None })
        }
        (Some(_), Some(_)) => Err(wrong("recipient", "send passphrase or recipient, not both")),
        (None, None) => Err(wrong("passphrase", "send passphrase, or recipient with a public key of age")),
    }
}

/// List a server's archives
#[utoipa::path(get, path = "/api/v1/instances/{id}/archives", tag = "instance", operation_id = "list_archives",
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 200, description = "Its archives", body = Archives)))]
pub(super) async fn list(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
) -> Result<Answer<Archives>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let now = state.clock.now();
    let archives = export::list_archives(tx.conn(), instance.id, LISTED).await?;
    Ok(Answer(StatusCode::OK, Archives { archives: archives.into_iter().map(|archive| view(archive, now)).collect() }))
}

/// Ask for an archive
///
/// It is written beside the running server and then proven by restoring its database into a throw-away one; `state` goes from `requested`
/// over `written` to `proven`. 409 has one of the codes `no_server` (there is none yet, or none any more), `open` (one is being made)
/// and `enough` (remove one first). 422 names the field that is wrong.
#[utoipa::path(post, path = "/api/v1/instances/{id}/archives", tag = "instance", operation_id = "ask_for_archive", request_body = WantedArchive,
    params(("id" = String, Path, description = "Id of the server")),
    responses((status = 202, description = "It is asked for", body = ArchiveView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    JsonBody(new): JsonBody<WantedArchive>,
) -> Result<Answer<ArchiveView>, WebError> {
    let new = wanted(new).await?;
    let mut tx = state.db.begin_account(customer.account).await?;
    let asked = export::request_archive(tx.conn(), state.clock.as_ref(), customer.actor(), &instance, new).await;
    let refused = |code, error: ExportError| WebError::Refused { code, text: error.to_string(), errors: Vec::new() };
    let id = asked.map_err(|error| match error {
        ExportError::NoServer => refused("no_server", error),
        ExportError::Open => refused("open", error),
        ExportError::Enough => refused("enough", error),
        ExportError::Database(error) => error.into(),
    })?;
    let archive = export::find_archive(tx.conn(), instance.id, id).await?.ok_or(WebError::NotFound)?;
    tx.commit().await?;
    Ok(Answer(StatusCode::ACCEPTED, view(archive, state.clock.now())))
}

/// Look at an archive
#[utoipa::path(get, path = "/api/v1/instances/{id}/archives/{archive}", tag = "instance", operation_id = "get_archive",
    params(("id" = String, Path, description = "Id of the server"), ("archive" = String, Path, description = "Id of the archive")),
    responses((status = 200, description = "The archive", body = ArchiveView)))]
pub(super) async fn get(State(state): State<AppState>, owned: OwnedArchive) -> Result<Answer<ArchiveView>, WebError> {
    let OwnedArchive(_, archive) = owned;
    Ok(Answer(StatusCode::OK, view(archive, state.clock.now())))
}

/// Make a link to an archive
///
/// It is good for a day for whoever has it. 409 `not_available`: the archive is not complete, its time is over, or this host hands out
/// none here.
#[utoipa::path(post, path = "/api/v1/instances/{id}/archives/{archive}/link", tag = "instance", operation_id = "link_archive",
    params(("id" = String, Path, description = "Id of the server"), ("archive" = String, Path, description = "Id of the archive")),
    responses((status = 200, description = "The link", body = LinkView)))]
pub(super) async fn link(
    State(state): State<AppState>,
    customer: Customer,
    owned: OwnedArchive,
) -> Result<Answer<LinkView>, WebError> {
    let OwnedArchive(_, archive) = owned;
    if !archive.is_there(state.clock.now()) || state.depot.is_none() {
        let text = "the archive is not complete, or its time is over; look at its state".to_owned();
        return Err(WebError::Refused { code: "not_available", text, errors: Vec::new() });
    }
    let link = download::link(&state, &archive);
    let mut tx = state.db.begin_account(customer.account).await?;
    export::note_link(tx.conn(), state.clock.as_ref(), customer.actor(), &archive, link.until).await?;
    tx.commit().await?;
    let (list, manifest) = (link.list(), link.file("manifest.json"));
    Ok(Answer(StatusCode::OK, LinkView { list, manifest, until: link.until }))
}

/// Remove an archive
///
/// Its bytes are deleted within minutes; nobody can fetch it from now on. 409 `not_available`: it is gone already, or not there yet.
#[utoipa::path(delete, path = "/api/v1/instances/{id}/archives/{archive}", tag = "instance", operation_id = "remove_archive",
    params(("id" = String, Path, description = "Id of the server"), ("archive" = String, Path, description = "Id of the archive")),
    responses((status = 202, description = "It is being removed", body = ArchiveView)))]
pub(super) async fn remove(
    State(state): State<AppState>,
    customer: Customer,
    OwnedArchive(instance, archive): OwnedArchive,
) -> Result<Answer<ArchiveView>, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    if !export::give_up_archive(tx.conn(), state.clock.as_ref(), customer.actor(), &archive).await? {
        let text = "the archive is gone already, or not there yet".to_owned();
        return Err(WebError::Refused { code: "not_available", text, errors: Vec::new() });
    }
    let archive = export::find_archive(tx.conn(), instance.id, archive.id).await?.ok_or(WebError::NotFound)?;
    tx.commit().await?;
    Ok(Answer(StatusCode::ACCEPTED, view(archive, state.clock.now())))
}
