//! A server's upgrades: what it runs, what it will run and when, and the hours that suit its owner.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::time;
use super::view::readable;
use crate::account::Role;
use crate::instance::Instance;
use crate::instance::upkeep::{self, Day, Window};
use crate::rollout::{self, Due, ItemState};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Form;
use crate::web::order::with_message;
use crate::web::page::{Choice, FieldErrors, PageContext, StateView, html, pages, refused};
use crate::web::session::{Customer, OwnedInstance};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/instance/upgrades.html")]
struct UpgradesPage {
    page: PageContext,
    id: String,
    address: String,
    version: String,
    /// What is planned or being made; the state's word is empty when there is nothing.
    state: StateView,
    /// From what to what.
    step: String,
    changes: String,
    /// What a new minor or a hole means.
    remark: String,
    /// The window in words.
    window: String,
    /// Whether the visitor may change it.
    changeable: bool,
    any: bool,
    days: Vec<Choice>,
    hours_of_day: Vec<Choice>,
    hours: String,
    zone: String,
    errors: FieldErrors,
}

pages!(UpgradesPage);

/// Fields of the form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WindowForm {
    /// `any` or `window`.
    when: String,
    /// A day's word, or empty for every day.
    day: String,
    from: String,
    hours: String,
    zone: String,
}

impl WindowForm {
    fn of(window: Option<&Window>) -> Self {
        match window {
            Some(Window { day, from, hours, zone }) => Self {
                when: "window".to_owned(),
                day: day.map(|day| day.word().to_owned()).unwrap_or_default(),
                from: from.to_string(),
                hours: hours.to_string(),
                zone: zone.clone(),
            },
            None => Self {
                when: "any".to_owned(),
                day: String::new(),
                from: "2".to_owned(),
                hours: "4".to_owned(),
                zone: String::new(),
            },
        }
    }

    /// The window that is wanted, or what is wrong with it; none for any time.
    fn read(&self, words: &Words) -> Result<Option<Window>, FieldErrors> {
        let mut errors = FieldErrors::default();
        match self.when.as_str() {
            "any" => return Ok(None),
            "window" => {}
            _ => {
                errors.add("when", words.t("window-bad-when"));
                return Err(errors);
            }
        }
        let day = Day::ALL.into_iter().find(|day| day.word() == self.day);
        if day.is_none() && !self.day.is_empty() {
            errors.add("day", words.t("window-bad-day"));
        }
        // What is no number is outside of the bounds.
        let number = |text: &str| text.trim().parse().unwrap_or(u8::MAX);
        let window = Window { day, from: number(&self.from), hours: number(&self.hours), zone: self.zone.trim().to_owned() };
        for fault in window.check() {
            errors.add(fault.field(), words.t(&format!("window-bad-{}", fault.field())));
        }
        if errors.is_empty() { Ok(Some(window)) } else { Err(errors) }
    }
}

/// `Sundays from 2:00, 4 hours (Europe/Berlin)`.
pub(in crate::web) fn window_words(words: &Words, window: Option<&Window>) -> String {
    let Some(Window { day, from, hours, zone }) = window else { return words.t("window-any") };
    let day = words.t(&format!("window-day-{}", day.map_or("every", Day::word)));
    words.with("window-words", &[("day", &day), ("from", &format!("{from}:00")), ("hours", hours), ("zone", zone)])
}

/// When an upgrade is to begin, and what there is to say about it.
fn planned(words: &Words, due: &Due, window: Option<&Window>) -> StateView {
    let begin = rollout::may_begin(due.due_at, window, due.window_until);
    let at = words.t1("upgrade-at", "time", time::moment(words, begin));
    match due.state {
        ItemState::Waiting if due.paused => StateView::new(words, "waiting", "upgrade-paused", words.t("upgrade-paused-text")),
        ItemState::Waiting => StateView::new(words, "waiting", "upgrade-planned", at),
        ItemState::Upgrading
        | ItemState::Done
        | ItemState::Failed
        | ItemState::LeftOut
        | ItemState::ToReturn
        | ItemState::Returning
        | ItemState::Returned => StateView::new(words, "doing", "upgrade-under-way", ""),
    }
}

fn upgrades_page(
    page: PageContext,
    customer: &Customer,
    instance: &Instance,
    due: Option<&Due>,
    form: &WindowForm,
    errors: FieldErrors,
) -> UpgradesPage {
    let words = page.w.clone();
    let window = instance.maintenance_window.as_ref().map(|window| &window.0);
    let hour = |hour: u8| Choice::new(hour, format!("{hour}:00"), form.from == hour.to_string());
    let every = Choice::new("", words.t("window-day-every"), form.day.is_empty());
    let day = |day: Day| Choice::new(day.word(), words.t(&format!("window-day-{}", day.word())), form.day == day.word());
    UpgradesPage {
        id: instance.id.to_string(),
        address: readable(&instance.domain),
        version: instance.status().and_then(|status| status.version.clone()).unwrap_or_else(|| instance.mastodon_version.clone()),
        state: due.map(|due| planned(&words, due, window)).unwrap_or_default(),
        step: due.map(|due| words.t2("upgrade-step", "from", &due.from_version, "to", due.version)).unwrap_or_default(),
        changes: due.map(|due| due.changes.clone()).unwrap_or_default(),
        remark: match due {
            Some(due) if due.security => words.t("upgrade-security"),
            Some(due) if due.minor => words.t("upgrade-minor"),
            Some(_) | None => String::new(),
        },
        window: window_words(&words, window),
        changeable: customer.role >= Role::Admin,
        any: form.when != "window",
        days: std::iter::once(every).chain(Day::ALL.map(day)).collect(),
        hours_of_day: (0..24).map(hour).collect(),
        hours: form.hours.clone(),
        zone: form.zone.clone(),
        errors,
        page,
    }
}

async fn due_of(state: &AppState, customer: &Customer, instance: &Instance) -> sqlx::Result<Option<Due>> {
    let mut tx = state.db.begin_account(customer.account).await?;
    rollout::due_of(tx.conn(), instance.id).await
}

/// GET `/instances/{id}/upgrades`
pub(super) async fn show(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    let due = due_of(&state, &customer, &instance).await?;
    let form = WindowForm::of(instance.maintenance_window.as_ref().map(|window| &window.0));
    Ok(html(&upgrades_page(page, &customer, &instance, due.as_ref(), &form, FieldErrors::default()))?)
}

/// POST `/instances/{id}/upgrades`
pub(super) async fn choose(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
    Form(form): Form<WindowForm>,
) -> Result<Response, WebError> {
    let window = match form.read(&page.w) {
        Ok(window) => window,
        Err(errors) => {
            let due = due_of(&state, &customer, &instance).await?;
            return Ok(refused(&upgrades_page(page, &customer, &instance, due.as_ref(), &form, errors))?);
        }
    };
    let mut tx = state.db.begin_account(customer.account).await?;
    upkeep::set_window(&mut tx, state.clock.as_ref(), customer.actor(), instance.id, window.as_ref()).await?;
    tx.commit().await?;
    Ok(with_message(&state, &format!("/instances/{}/upgrades", instance.id), "done", "window-set"))
}
