//! Joining an account by the link of an invitation.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::acts::role_word;
use super::read_new_password;
use crate::account::link::{self, Purpose};
use crate::account::member::{self, Invitation};
use crate::account::{Person, session};
use crate::ids::InvitationId;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::order::with_message;
use crate::web::page::{FieldErrors, PageContext, html, pages, refused};
use crate::web::session::{Caller, session_cookie};

#[derive(Template)]
#[template(path = "pages/account/join.html")]
struct JoinPage {
    page: PageContext,
    token: String,
    account: String,
    by: String,
    email: String,
    role: String,
    /// Who looks: `member` may join, `stranger` is logged in as somebody else, `known` has to log in, `new` sets a password.
    who: &'static str,
    errors: FieldErrors,
}

pages!(JoinPage);

/// Who looks at an invitation.
enum Who {
    /// Whom it is for, logged in.
    Invited(Person),
    /// Somebody else, logged in.
    Stranger,
    /// Nobody is logged in, and whom it is for has an account here.
    Known,
    /// Nobody is logged in, and whom it is for is new here.
    New,
}

impl Who {
    fn word(&self) -> &'static str {
        match self {
            Self::Invited(_) => "member",
            Self::Stranger => "stranger",
            Self::Known => "known",
            Self::New => "new",
        }
    }
}

async fn load(state: &AppState, caller: &Caller, token: &str) -> Result<(Invitation, Who), WebError> {
    let id: InvitationId = link::read(&state.key, token, Purpose::Join).ok_or(WebError::LinkUsedUp)?.into();
    let mut conn = state.db.auth().acquire().await?;
    let invitation = member::look(&mut conn, state.clock.as_ref(), id).await?;
    let who = match caller {
        Caller::Customer(customer) if invitation.is_for(&customer.person.email) => Who::Invited(customer.person.clone()),
        Caller::Customer(_) | Caller::Staff(_) => Who::Stranger,
        Caller::Nobody if member::invited_person(&mut conn, &invitation).await?.is_some() => Who::Known,
        Caller::Nobody => Who::New,
    };
    Ok((invitation, who))
}

fn view(page: PageContext, token: String, invitation: Invitation, who: &Who, errors: FieldErrors) -> JoinPage {
    let role = page.w.t(&format!("role-{}", role_word(invitation.role)));
    let Invitation { id: _, account_id: _, account_name: account, email, role: _, invited_by: by, expires_at: _ } = invitation;
    JoinPage { page, token, account, by, email, role, who: who.word(), errors }
}

/// GET `/join/{token}`: asks for one press, because mail scanners follow links.
pub(super) async fn ask(
    State(state): State<AppState>,
    page: PageContext,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<Response, WebError> {
    let (invitation, who) = load(&state, &caller, &token).await?;
    Ok(html(&view(page, token, invitation, &who, FieldErrors::default()))?)
}

/// Field of the form, for those who are new here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct JoinForm {
    password: String,
}

/// POST `/join/{token}`. Who is logged in acts for the account from then on; who is new logs in with the password that they have chosen.
pub(super) async fn submit(
    State(state): State<AppState>,
    page: PageContext,
    caller: Caller,
    headers: HeaderMap,
    Path(token): Path<String>,
    Form(form): Form<JoinForm>,
) -> Result<Response, WebError> {
    let (invitation, who) = load(&state, &caller, &token).await?;
    match who {
        Who::Invited(person) => {
            let account = invitation.account_id;
            let mut tx = state.db.begin_members(account).await?;
            member::accept(&mut tx, state.clock.as_ref(), &invitation, &person).await?;
            if let Some(secret) = session_cookie(&state, &headers) {
                session::act_for(&mut tx, &secret, account).await?;
            }
            tx.commit().await?;
            Ok(with_message(&state, "/instances", "done", "flash-joined"))
        }
        Who::Stranger => Err(WebError::Forbidden),
        Who::Known => {
            let next =
                url::form_urlencoded::Serializer::new(String::new()).append_pair("next", &format!("/join/{token}")).finish();
            Ok(Redirect::to(&format!("/log-in?{next}")).into_response())
        }
        Who::New => {
            let mut errors = FieldErrors::default();
            let Some(password) = read_new_password(&page.w, form.password, &mut errors) else {
                return Ok(refused(&view(page, token, invitation, &Who::New, errors))?);
            };
            let hash = state.passwords.hash(password).await?;
            let mut tx = state.db.begin_members(invitation.account_id).await?;
            member::accept_anew(&mut tx, state.clock.as_ref(), &invitation, &hash, &page.lang).await?;
            tx.commit().await?;
            Ok(with_message(&state, "/log-in", "done", "flash-joined-anew"))
        }
    }
}
