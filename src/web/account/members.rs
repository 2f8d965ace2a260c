//! The members of an account: who they are, who is asked to become one, and who speaks for the owner.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::acts::{self, Act, GIVEN, read_role, role_word};
use super::read_email;
use crate::account::Role;
use crate::account::member::{self, Invitation, Member, MemberError, SecondContact};
use crate::ids::AccountId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Customer, Verified, session_cookie};
use crate::words::Words;

const HERE: &str = "/account/members";

#[derive(Template)]
#[template(path = "pages/account/members.html")]
struct MembersPage {
    page: PageContext,
    account: String,
    members: Vec<MemberRow>,
    invitations: Vec<InvitationRow>,
    others: Vec<OtherAccount>,
    contact: ContactView,
    /// Whether the one who looks owns the account.
    owner: bool,
    /// Whether they have shown a short while ago who they are, so that forms that ask for it are taken.
    fresh: bool,
    /// What was typed to invite somebody.
    email: String,
    roles: Vec<RoleChoice>,
    errors: FieldErrors,
}

pages!(MembersPage);

struct MemberRow {
    id: String,
    email: String,
    role: String,
    since: String,
    /// Whether it is the one who looks.
    me: bool,
    owner: bool,
    roles: Vec<RoleChoice>,
}

struct InvitationRow {
    id: String,
    email: String,
    role: String,
    until: String,
}

struct OtherAccount {
    id: String,
    name: String,
    role: String,
}

/// For the macro `select`.
struct RoleChoice {
    value: &'static str,
    label: String,
    chosen: bool,
}

/// Empty texts where there is none.
#[derive(Default)]
struct ContactView {
    email: String,
    /// From when on they may take over; empty when nobody has asked.
    due: String,
    /// Whether it is the one who looks.
    me: bool,
    /// Whether the day has come.
    may_now: bool,
}

/// Everything that the page shows, as it was read.
struct Loaded {
    account: String,
    members: Vec<Member>,
    invitations: Vec<Invitation>,
    accounts: Vec<(AccountId, String, Role)>,
    contact: Option<SecondContact>,
}

impl Loaded {
    async fn load(state: &AppState, customer: &Customer) -> Result<Self, WebError> {
        let mut conn = state.db.auth().acquire().await?;
        Ok(Self {
            account: crate::account::account_name(&mut conn, customer.account).await?.unwrap_or_default(),
            members: member::list(&mut conn, customer.account).await?,
            // Who is asked is the owner's business.
            invitations: if customer.role == Role::Owner {
                member::open_invitations(&mut conn, state.clock.as_ref(), customer.account).await?
            } else {
                Vec::new()
            },
            // Staff who look into this account see no other of its owner's.
            accounts: match customer.me() {
                Some(me) => member::accounts_of(&mut conn, me).await?,
                None => Vec::new(),
            },
            contact: member::second_contact(&mut conn, customer.account).await?,
        })
    }

    fn page(
        self,
        state: &AppState,
        page: PageContext,
        customer: &Customer,
        typed: (String, &str),
        errors: FieldErrors,
    ) -> MembersPage {
        let (words, now) = (page.w.clone(), state.clock.now());
        let role = |role: Role| words.t(&format!("role-{}", role_word(role)));
        let row = |member: Member| MemberRow {
            id: member.person.to_string(),
            role: role(member.role),
            since: time::day(&words, member.since),
            me: Some(member.person) == customer.me(),
            owner: member.role == Role::Owner,
            roles: choices(&words, role_word(member.role)),
            email: member.email,
        };
        let invited = |one: Invitation| InvitationRow {
            id: one.id.to_string(),
            role: role(one.role),
            until: time::day(&words, one.expires_at),
            email: one.email,
        };
        let contact = self.contact.map_or_else(ContactView::default, |contact| ContactView {
            due: contact.take_over_due.map(|at| time::day(&words, at)).unwrap_or_default(),
            me: Some(contact.person) == customer.me(),
            may_now: contact.take_over_due.is_some_and(|due| due <= now),
            email: contact.email,
        });
        let others = self.accounts.into_iter().filter(|(id, ..)| *id != customer.account);
        let (email, chosen) = typed;
        MembersPage {
            account: self.account,
            members: self.members.into_iter().map(row).collect(),
            invitations: self.invitations.into_iter().map(invited).collect(),
            others: others.map(|(id, name, as_what)| OtherAccount { id: id.to_string(), name, role: role(as_what) }).collect(),
            contact,
            owner: customer.role == Role::Owner,
            fresh: customer.is_fresh(state),
            email,
            roles: choices(&words, chosen),
            errors,
            page,
        }
    }
}

fn choices(words: &Words, chosen: &str) -> Vec<RoleChoice> {
    let choice = |role: Role| {
        let value = role_word(role);
        RoleChoice { value, label: words.t(&format!("role-{value}")), chosen: value == chosen }
    };
    GIVEN.into_iter().map(choice).collect()
}

/// GET `/account/members`
pub(super) async fn show(State(state): State<AppState>, page: PageContext, customer: Customer) -> Result<Response, WebError> {
    let loaded = Loaded::load(&state, &customer).await?;
    Ok(html(&loaded.page(&state, page, &customer, (String::new(), "viewer"), FieldErrors::default()))?)
}

/// Fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct InviteForm {
    email: String,
    role: String,
}

/// POST `/account/members/invite`
pub(super) async fn invite(
    State(state): State<AppState>,
    page: PageContext,
    Verified(customer): Verified,
    Form(form): Form<InviteForm>,
) -> Result<Response, WebError> {
    let mut errors = FieldErrors::default();
    let email = read_email(&page.w, &form.email, &mut errors);
    let role = read_role(&form.role);
    if role.is_none() {
        errors.add("role", page.w.t("members-role-missing"));
    }
    if let (Some(email), Some(role)) = (email, role) {
        match acts::invite(&state, &customer, &email, role).await {
            Ok(_) => return Ok(with_message(&state, HERE, "done", "flash-invited")),
            Err(MemberError::Already) => errors.add("email", page.w.t("member-refused-already-member")),
            Err(MemberError::TooMany) => errors.add("email", page.w.t("member-refused-too-many-invitations")),
            Err(other) => return Err(other.into()),
        }
    }
    let loaded = Loaded::load(&state, &customer).await?;
    Ok(refused(&loaded.page(&state, page, &customer, (form.email, &form.role), errors))?)
}

/// POST `/account/members/invitations/{invitation}/withdraw`
pub(super) async fn withdraw(
    State(state): State<AppState>,
    customer: Customer,
    Path(invitation): Path<String>,
) -> Result<Response, WebError> {
    let invitation = invitation.parse().map_err(|_| WebError::NotFound)?;
    done(&state, &customer, Act::Withdraw(invitation), "flash-withdrawn").await
}

/// Does it, and says so on the page.
async fn done(state: &AppState, customer: &Customer, act: Act, key: &str) -> Result<Response, WebError> {
    acts::perform(state, customer, act).await?;
    Ok(with_message(state, HERE, "done", key))
}

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RoleForm {
    role: String,
}

/// POST `/account/members/{person}/role`
pub(super) async fn set_role(
    State(state): State<AppState>,
    customer: Customer,
    Path(person): Path<String>,
    Form(form): Form<RoleForm>,
) -> Result<Response, WebError> {
    let person = person.parse().map_err(|_| WebError::NotFound)?;
    let role = read_role(&form.role).ok_or(WebError::Unreadable {
        field: "role".to_owned(),
        message: "is not admin, billing or viewer; send one of these".to_owned(),
    })?;
    done(&state, &customer, Act::Role(person, role), "flash-role-set").await
}

/// Writes the handlers that need nothing but the member.
macro_rules! on_a_member {
    ($($(#[$doc:meta])* $name:ident = $act:ident, $key:literal;)+) => {$(
        $(#[$doc])*
        pub(super) async fn $name(
            State(state): State<AppState>,
            customer: Customer,
            Path(person): Path<String>,
        ) -> Result<Response, WebError> {
            let person = person.parse().map_err(|_| WebError::NotFound)?;
            done(&state, &customer, Act::$act(person), $key).await
        }
    )+};
}

on_a_member! {
    /// POST `/account/members/{person}/remove`
    remove = Remove, "flash-member-removed";
    /// POST `/account/members/{person}/hand-over`
    hand_over = HandOver, "flash-handed-over";
    /// POST `/account/members/{person}/nominate`
    nominate = Nominate, "flash-nominated";
}

/// Writes the handlers that need nothing at all.
macro_rules! on_the_account {
    ($($(#[$doc:meta])* $name:ident = $act:ident, $key:literal;)+) => {$(
        $(#[$doc])*
        pub(super) async fn $name(State(state): State<AppState>, customer: Customer) -> Result<Response, WebError> {
            done(&state, &customer, Act::$act, $key).await
        }
    )+};
}

on_the_account! {
    /// POST `/account/contact/dismiss`
    dismiss = Dismiss, "flash-dismissed";
    /// POST `/account/contact/take-over`
    ask_take_over = AskTakeOver, "flash-take-over-asked";
    /// POST `/account/contact/stop`
    stop_take_over = StopTakeOver, "flash-take-over-stopped";
    /// POST `/account/contact/finish`
    finish_take_over = FinishTakeOver, "flash-taken-over";
}

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LeaveForm {
    sure: String,
}

/// POST `/account/members/leave`. The session ends with the membership; the log-in leads to another account.
pub(super) async fn leave(
    State(state): State<AppState>,
    page: PageContext,
    customer: Customer,
    Form(form): Form<LeaveForm>,
) -> Result<Response, WebError> {
    if form.sure != "yes" {
        let mut errors = FieldErrors::default();
        errors.add("sure", page.w.t("members-leave-unsure"));
        let loaded = Loaded::load(&state, &customer).await?;
        return Ok(refused(&loaded.page(&state, page, &customer, (String::new(), "viewer"), errors))?);
    }
    acts::perform(&state, &customer, Act::Leave).await?;
    Ok(with_message(&state, "/log-in", "done", "flash-left"))
}

/// Field of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct SwitchForm {
    account: String,
}

/// POST `/account/switch`
pub(super) async fn switch(
    State(state): State<AppState>,
    customer: Customer,
    headers: HeaderMap,
    Form(form): Form<SwitchForm>,
) -> Result<Response, WebError> {
    let account: AccountId = form.account.parse().map_err(|_| WebError::NotFound)?;
    let secret = session_cookie(&state, &headers).ok_or(WebError::NotFound)?;
    acts::act_for(&state, &customer, &secret, account).await?;
    // What was begun for one account is not for another.
    let cookies = axum::response::AppendHeaders([crate::web::new::draft::forget_draft(&state)]);
    Ok((cookies, Redirect::to("/instances")).into_response())
}
