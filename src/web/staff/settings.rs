//! The settings that hold in this process, without secrets, and the switches that can be turned without a restart.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::{OPERATES, yes_or_no};
use crate::account::StaffMember;
use crate::config::{Setting, Shown};
use crate::switch::{self, NotTurned, Switch, SwitchRow};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::instance::time;
use crate::web::order::with_message;
use crate::web::page::{PageContext, StateView, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/settings.html")]
struct StaffSettingsPage {
    page: PageContext,
    version: &'static str,
    switches: Vec<SwitchView>,
    settings: Vec<SettingView>,
    /// Whether whoever looks may turn switches.
    may_turn: bool,
}

pages!(StaffSettingsPage);

/// A setting; what is not shown is said in words.
struct SettingView {
    name: String,
    value: String,
    said: String,
}

/// A switch.
struct SwitchView {
    word: &'static str,
    label: String,
    text: String,
    state: StateView,
    reason: String,
    on: bool,
}

fn setting_view(words: &Words, setting: &Setting) -> SettingView {
    let (value, said) = match &setting.value {
        Shown::Value(value) => (value.clone(), String::new()),
        Shown::Secret => (String::new(), words.t("settings-secret")),
        Shown::Missing => (String::new(), words.t("settings-missing")),
    };
    SettingView { name: setting.name.clone(), value, said }
}

fn switch_view(words: &Words, switch: Switch, row: Option<&SwitchRow>) -> SwitchView {
    let on = row.is_none_or(|row| row.is_on);
    let since = row.map(|row| words.t1("since", "time", time::moment(words, row.changed_at))).unwrap_or_default();
    let (kind, key) = if on { ("done", "switch-on") } else { ("failed", "switch-off") };
    SwitchView {
        word: switch.word(),
        label: words.t(&format!("switch-name-{}", switch.word())),
        text: words.t(&format!("switch-text-{}", switch.word())),
        state: StateView::new(words, kind, key, since),
        reason: row.map(|row| row.reason.clone()).unwrap_or_default(),
        on,
    }
}

/// GET `/staff/settings`
pub(super) async fn show(State(state): State<AppState>, member: StaffMember, page: PageContext) -> Result<Response, WebError> {
    let rows = switch::list(&mut *state.db.staff().acquire().await?).await?;
    let words = page.w.clone();
    let row = |switch: Switch| rows.iter().find(|row| row.name == switch.word());
    Ok(html(&StaffSettingsPage {
        version: env!("CARGO_PKG_VERSION"),
        switches: Switch::ALL.into_iter().map(|switch| switch_view(&words, switch, row(switch))).collect(),
        settings: state.settings.iter().map(|setting| setting_view(&words, setting)).collect(),
        may_turn: member.may(OPERATES),
        page,
    })?)
}

/// Which switch, which way, and why.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TurnForm {
    switch: String,
    on: String,
    reason: String,
}

/// POST `/staff/settings/switches`
pub(super) async fn turn(
    State(state): State<AppState>,
    member: StaffMember,
    Form(form): Form<TurnForm>,
) -> Result<Response, WebError> {
    let back = |kind, key| Ok(with_message(&state, "/staff/settings", kind, key));
    let (Some(switch), Some(on)) = (Switch::from_word(&form.switch), yes_or_no(&form.on)) else {
        return back("failed", "staff-choice-missing");
    };
    let mut tx = state.db.staff().begin().await?;
    match switch::turn(&mut tx, state.clock.as_ref(), member.id, switch, on, &form.reason).await {
        Ok(()) => {
            tx.commit().await?;
            back("done", if on { "switch-turned-on" } else { "switch-turned-off" })
        }
        Err(NotTurned::Reason) => back("failed", "staff-reason-missing"),
        Err(NotTurned::Database(error)) => Err(error.into()),
    }
}
