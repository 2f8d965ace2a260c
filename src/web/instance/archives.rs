//! Archives of a server: asking for one, how far it is, what was proven, and the way to fetch it.

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use secrecy::SecretString;
use serde::Deserialize;

use super::archive_view::{ArchiveView, Working, archive_view, proof_words, working};
use super::live::{self, Frame};
use super::time;
use super::view::readable;
use crate::account::Role;
use crate::archive::key_file::{self, LockedKey};
use crate::archive::names::PROGRESS;
use crate::archive::secrets::is_long_enough;
use crate::ids::{AccountId, ArchiveId, InstanceId};
use crate::instance::export::{self, ExportError, NewArchive, Proof, Scope, ServerArchive};
use crate::instance::run::{self, Run};
use crate::instance::{self, Instance, Intent};
use crate::resource::AgeRecipient;
use crate::web::AppState;
use crate::web::download;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::order::with_message;
use crate::web::page::{Choice, Fact, FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Customer, OwnedArchive, OwnedInstance};
use crate::words::Words;

/// Archives on the page.
const SHOWN: i64 = 30;

#[derive(Template)]
#[template(path = "pages/instance/archives.html")]
struct ArchivesPage {
    page: PageContext,
    id: String,
    address: String,
    list: ListView,
    /// Whether there is a server of which one could be made.
    fit: bool,
    /// Whether the one who looks may ask.
    may: bool,
    scopes: Vec<Choice>,
    recipient: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "pages/instance/_archives.html")]
struct ArchivesFragment {
    page: PageContext,
    id: String,
    list: ListView,
    may: bool,
}

#[derive(Template)]
#[template(path = "pages/instance/archive.html")]
struct ArchivePage {
    page: PageContext,
    id: String,
    address: String,
    archive: ArchiveView,
    facts: Vec<Fact>,
    /// Commands to fetch it with; empty while, or where, it can't be fetched.
    commands: Vec<Command>,
    /// Its files, for those who fetch them one by one.
    files: Vec<File>,
    until: String,
    gone: String,
    /// Whether there is a key file among it.
    locked: bool,
}

pages!(ArchivesPage, ArchivesFragment, ArchivePage);

/// A line to type.
struct Command {
    system: String,
    line: String,
}

/// A file to fetch.
struct File {
    name: &'static str,
    href: String,
}

/// What there is: what is at work, then the archives.
struct ListView {
    working: Vec<Working>,
    archives: Vec<ArchiveView>,
    /// The last proven restore in words; empty where there was none.
    proof: String,
    /// Whether nothing more comes by itself. A proof is asked for a moment after the archive is there: not over before that is.
    over: bool,
}

/// What was typed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ArchiveForm {
    scope: String,
    passphrase: String,
    recipient: String,
}

/// What was read out of a form.
struct Wanted {
    scope: Scope,
    lock: Lock,
}

enum Lock {
    Passphrase(SecretString),
    Recipient(AgeRecipient),
}

impl ArchiveForm {
    fn read(&self, words: &Words) -> Result<Wanted, FieldErrors> {
        let mut errors = FieldErrors::default();
        let scope = match self.scope.as_str() {
            "without_cache" => Some(Scope::WithoutCache),
            "database_only" => Some(Scope::DatabaseOnly),
            _ => None,
        };
        if scope.is_none() {
            errors.add("scope", words.t("archive-scope-wrong"));
        }
        let lock = match (self.passphrase.as_str(), self.recipient.trim()) {
            ("", "") => Err(("passphrase", "archive-lock-missing")),
            (_, "") => {
                let passphrase = SecretString::from(self.passphrase.clone());
                if is_long_enough(&passphrase) {
                    Ok(Lock::Passphrase(passphrase))
                } else {
                    Err(("passphrase", "archive-passphrase-short"))
                }
            }
            ("", text) => AgeRecipient::new(text).map(Lock::Recipient).ok_or(("recipient", "archive-recipient-wrong")),
            (_, _) => Err(("recipient", "archive-lock-both")),
        };
        match (scope, lock) {
            (Some(scope), Ok(lock)) => Ok(Wanted { scope, lock }),
            (_, lock) => {
                if let Err((field, key)) = lock {
                    errors.add(field, words.t(key));
                }
                Err(errors)
            }
        }
    }
}

struct Loaded {
    instance: Instance,
    archives: Vec<ServerArchive>,
    runs: Vec<Run>,
    proof: Option<Proof>,
}

impl Loaded {
    async fn load(state: &AppState, account: AccountId, id: InstanceId) -> Result<Self, WebError> {
        let mut tx = state.db.begin_account(account).await?;
        let instance = instance::find_owned(tx.conn(), account, id).await?.ok_or(WebError::NotFound)?;
        let archives = export::list_archives(tx.conn(), id, SHOWN).await?;
        let runs = run::list_runs(tx.conn(), id, SHOWN).await?;
        let proof = export::last_proof(tx.conn(), id).await?;
        Ok(Self { instance, archives, runs, proof })
    }

    /// With how far the one at work is, as it notes beside the archive itself.
    async fn list(&self, state: &AppState, words: &Words) -> ListView {
        let mut all = Vec::new();
        for run in self.runs.iter().filter(|run| !run.state.is_over()) {
            let Some(archive) = run.action.archive() else { continue };
            let noted = progress(state, self.instance.id, archive.0).await;
            all.push(working(words, run, noted.as_deref(), state.clock.now()));
        }
        let view = |archive: &ServerArchive| archive_view(words, archive, state.clock.now());
        let proof = self.proof.as_ref().map(|proof| proof_words(words, proof)).unwrap_or_default();
        let archives: Vec<ArchiveView> = self.archives.iter().map(view).collect();
        let over = all.is_empty() && archives.iter().all(|archive| archive.settled);
        ListView { working: all, archives, proof, over }
    }

    async fn page(
        &self,
        state: &AppState,
        page: PageContext,
        customer: &Customer,
        form: &ArchiveForm,
        errors: FieldErrors,
    ) -> ArchivesPage {
        let choice = |value: &str, key: &str| Choice::new(value, page.w.t(key), form.scope == value);
        ArchivesPage {
            id: self.instance.id.to_string(),
            address: readable(&self.instance.domain),
            list: self.list(state, &page.w).await,
            fit: self.instance.intent != Intent::Absent && self.instance.ready_at.is_some(),
            may: may(customer),
            scopes: vec![choice("without_cache", "archive-scope-all"), choice("database_only", "archive-scope-database")],
            recipient: form.recipient.clone(),
            errors,
            page,
        }
    }
}

fn may(customer: &Customer) -> bool {
    customer.role >= Role::Admin
}

/// What a run has noted beside its archive; nothing where nobody can look, or there is nothing yet.
async fn progress(state: &AppState, instance: InstanceId, archive: ArchiveId) -> Option<Vec<u8>> {
    let depot = state.depot.as_ref()?;
    export::shelf(depot, instance, archive).small(PROGRESS).await.ok().flatten()
}

/// GET `/instances/{id}/archives`
pub(super) async fn show(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    let loaded = Loaded::load(&state, customer.account, instance.id).await?;
    Ok(html(&loaded.page(&state, page, &customer, &ArchiveForm::default(), FieldErrors::default()).await)?)
}

/// GET `/instances/{id}/archives/live`: the list as a stream of events, or once as HTML.
pub(super) async fn watch(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    headers: HeaderMap,
    page: PageContext,
) -> Result<Response, WebError> {
    let (id, may) = (instance.id.to_string(), may(&customer));
    if !live::wanted(&headers) {
        let list = Loaded::load(&state, customer.account, instance.id).await?.list(&state, &page.w).await;
        return Ok(html(&ArchivesFragment { page, id, list, may })?);
    }
    let (renders, account) = (state.clone(), customer.account);
    Ok(live::stream(&state, &headers, &customer, instance.id, move || {
        let (state, page, id) = (renders.clone(), page.clone(), id.clone());
        async move {
            let list = Loaded::load(&state, account, instance.id).await?.list(&state, &page.w).await;
            let last = list.over;
            Ok(Frame { html: ArchivesFragment { page, id, list, may }.render()?, last })
        }
    }))
}

/// POST `/instances/{id}/archives`: asks for one.
pub(super) async fn ask(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
    Form(form): Form<ArchiveForm>,
) -> Result<Response, WebError> {
    let to = format!("/instances/{}/archives", instance.id);
    let Wanted { scope, lock } = match form.read(&page.w) {
        Ok(wanted) => wanted,
        Err(errors) => {
            let loaded = Loaded::load(&state, customer.account, instance.id).await?;
            return Ok(refused(&loaded.page(&state, page, &customer, &form, errors).await)?);
        }
    };
    let new = locked(scope, lock).await?;
    let mut tx = state.db.begin_account(customer.account).await?;
    let asked = export::request_archive(tx.conn(), state.clock.as_ref(), customer.actor(), &instance, new).await;
    let (kind, key) = match asked {
        Ok(_) => {
            tx.commit().await?;
            ("done", "archive-asked")
        }
        Err(ExportError::NoServer) => ("failed", "archive-no-server"),
        Err(ExportError::Open) => ("failed", "archive-open"),
        Err(ExportError::Enough) => ("failed", "archive-enough"),
        Err(ExportError::Database(error)) => return Err(error.into()),
    };
    Ok(with_message(&state, &to, kind, key))
}

async fn locked(scope: Scope, lock: Lock) -> Result<NewArchive, WebError> {
    match lock {
        Lock::Recipient(recipient) => Ok(NewArchive { scope, recipient, key_file: None }),
        Lock::Passphrase(passphrase) => with_passphrase(scope, passphrase).await,
    }
}

/// With a new key that this passphrase opens. It takes a core for some tenths of a second.
pub(in crate::web) async fn with_passphrase(scope: Scope, passphrase: SecretString) -> Result<NewArchive, WebError> {
    let internal = |what: String| WebError::Internal(what);
    let made = tokio::task::spawn_blocking(move || key_file::make(passphrase)).await;
    let LockedKey { recipient, file } =
        made.map_err(|gone| internal(gone.to_string()))?.map_err(|error| internal(error.to_string()))?;
    let recipient = AgeRecipient::new(&recipient).ok_or_else(|| internal("a new key is none".to_owned()))?;
    Ok(NewArchive { scope, recipient, key_file: Some(file) })
}

/// GET `/instances/{id}/archives/{archive}`: what is in it, what was proven, and how it is fetched. A link to everything of a server is for
/// those who have just shown who they are.
pub(super) async fn one(
    State(state): State<AppState>,
    customer: Customer,
    OwnedArchive(instance, archive): OwnedArchive,
    page: PageContext,
) -> Result<Response, WebError> {
    let now = state.clock.now();
    let mut shown = ArchivePage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        facts: super::archive_view::facts(&page.w, &archive),
        archive: archive_view(&page.w, &archive, now),
        commands: Vec::new(),
        files: Vec::new(),
        until: String::new(),
        gone: archive.expires_at.map(|at| time::moment(&page.w, at)).unwrap_or_default(),
        locked: archive.key_file.is_some(),
        page,
    };
    if archive.is_there(now) && state.depot.is_some() {
        let link = download::link(&state, &archive);
        let mut tx = state.db.begin_account(customer.account).await?;
        export::note_link(tx.conn(), state.clock.as_ref(), customer.actor(), &archive, link.until).await?;
        tx.commit().await?;
        let list = link.list();
        let line = |key: &str, curl: &str| Command {
            system: shown.page.w.t(key),
            line: format!("{curl} -fsS \"{list}\" | {curl} -K -"),
        };
        shown.commands = vec![line("archive-command-unix", "curl"), line("archive-command-windows", "curl.exe")];
        let key = shown.locked.then_some(download::KEY_FILE);
        let file = |name: &'static str| File { name, href: link.file(name) };
        shown.files = ["manifest.json", "RESTORE.md", "SHA256SUMS"].into_iter().chain(key).map(file).collect();
        shown.until = time::moment(&shown.page.w, link.until);
    }
    Ok(html(&shown)?)
}

/// POST `/instances/{id}/archives/{archive}/remove`
pub(super) async fn give_up(
    State(state): State<AppState>,
    customer: Customer,
    OwnedArchive(instance, archive): OwnedArchive,
) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let done = export::give_up_archive(tx.conn(), state.clock.as_ref(), customer.actor(), &archive).await?;
    tx.commit().await?;
    let (kind, key) = if done { ("done", "archive-given-up") } else { ("failed", "archive-gone-already") };
    Ok(with_message(&state, &format!("/instances/{}/archives", instance.id), kind, key))
}
