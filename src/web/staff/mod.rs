//! The host's own people: whether money, servers and jobs are well, and what to do when they are not.

mod access;
mod alerts;
mod announcements;
mod approvals;
mod cases;
mod clusters;
mod customers;
mod differences;
mod extend;
mod free;
mod giving;
mod incidents;
mod instances;
mod jobs;
mod keys;
mod lifecycle;
mod log;
mod log_in;
mod majors;
mod money;
mod orders;
mod overview;
mod releases;
mod removal;
mod rollout_view;
mod rollouts;
mod search;
mod second_factor;
mod servers;
mod settings;
mod styleguide;

use super::access::{Access, Routes};
use super::instance::{time, view::readable};
use super::list::{Choice, Filter};
use super::page::StateView;
use super::{AppState, error::WebError};
use crate::account::{self, Scope};
use crate::billing::{Order, OrderState};
use crate::ids::{AccountId, InstanceId};
use crate::instance;
use crate::words::Words;

/// Who gives customers time, money and credit.
const BILLS: Scope = Scope::Billing;
/// Who gives jobs their tries again, changes servers, clusters, releases and rollouts, tells everybody of incidents, and looks after alerts.
const OPERATES: Scope = Scope::Operations;
/// Who ends servers and destroys what they hold; they show again who they are.
const DESTROYS: Scope = Scope::Admin;

pub(super) fn routes(routes: Routes) -> Routes {
    let reads = Access::Staff(Scope::Support);
    let (bills, operates, destroys) = (Access::Staff(BILLS), Access::Staff(OPERATES), Access::FreshStaff(DESTROYS));
    routes
        .get("/staff/log-in", Access::Public, log_in::show)
        .post("/staff/log-in", Access::Public, log_in::submit)
        .get("/staff/log-in/code", Access::Public, second_factor::ask)
        .post("/staff/log-in/code", Access::Public, second_factor::submit)
        .get("/staff/log-in/set-up", Access::Public, second_factor::set_up_form)
        .post("/staff/log-in/set-up", Access::Public, second_factor::set_up)
        .get("/staff/step-up", reads, second_factor::step_up_form)
        .post("/staff/step-up", reads, second_factor::step_up)
        .get("/staff/security", reads, second_factor::show)
        .post("/staff/security/codes", Access::FreshStaff(Scope::Support), second_factor::renew_codes)
        .get("/staff", reads, overview::show)
        .get("/staff/search", reads, search::show)
        .get("/staff/keys", reads, keys::show)
        .get("/staff/styleguide", reads, styleguide::show)
        .get("/staff/customers", reads, customers::list)
        .get("/staff/customers/{id}", reads, customers::show)
        .get("/staff/customers/{id}/access", Access::FreshStaff(Scope::Support), access::show)
        .post("/staff/customers/{id}/access", Access::FreshStaff(Scope::Support), access::begin)
        .post("/staff/access/end", reads, access::end)
        .get("/staff/customers/{id}/free", bills, free::show)
        .post("/staff/customers/{id}/free", bills, free::give)
        .post("/staff/customers/{id}/free/withdraw", bills, free::withdraw)
        .get("/staff/instances", reads, servers::list)
        .get("/staff/instances/{id}", reads, instances::show)
        .get("/staff/instances/{id}/extend", bills, extend::show)
        .post("/staff/instances/{id}/extend", bills, extend::submit)
        .get("/staff/instances/{id}/money", bills, giving::show)
        .post("/staff/instances/{id}/money", bills, giving::give)
        .post("/staff/instances/{id}/money/agree", Access::FreshStaff(BILLS), giving::agree)
        .get("/staff/instances/{id}/pause", operates, lifecycle::pause_form)
        .post("/staff/instances/{id}/pause", operates, lifecycle::pause)
        .post("/staff/instances/{id}/resume", operates, lifecycle::resume)
        .get("/staff/instances/{id}/end", destroys, lifecycle::end_form)
        .post("/staff/instances/{id}/end", destroys, lifecycle::end)
        .get("/staff/instances/{id}/majors", operates, majors::show)
        .post("/staff/instances/{id}/majors", operates, majors::submit)
        .get("/staff/instances/{id}/removal", destroys, removal::show)
        .post("/staff/instances/{id}/removal", destroys, removal::request)
        .post("/staff/instances/{id}/removal/archived", destroys, removal::archived)
        .post("/staff/instances/{id}/removal/confirm", destroys, removal::confirm)
        .post("/staff/instances/{id}/removal/withdraw", destroys, removal::withdraw)
        .get("/staff/approvals", reads, approvals::list)
        .post("/staff/approvals/{id}/refuse", Access::FreshStaff(Scope::Support), approvals::refuse)
        .get("/staff/orders", reads, orders::list)
        .get("/staff/money", bills, money::show)
        .get("/staff/money.csv", bills, money::csv)
        .get("/staff/incidents", reads, incidents::list)
        .post("/staff/incidents", operates, incidents::open)
        .get("/staff/incidents/new", operates, incidents::new_form)
        .get("/staff/incidents/{id}", reads, incidents::show)
        .post("/staff/incidents/{id}/say", operates, incidents::say)
        .get("/staff/alerts", reads, alerts::list)
        .post("/staff/alerts/{id}/acknowledge", operates, alerts::acknowledge)
        .get("/staff/runbooks/{rule}", reads, alerts::show_runbook)
        .get("/staff/cases", reads, cases::list)
        .post("/staff/cases", reads, cases::open)
        .get("/staff/cases/new", reads, cases::new_form)
        .get("/staff/cases/{id}", reads, cases::show)
        .post("/staff/cases/{id}/say", reads, cases::say)
        .get("/staff/announcements", reads, announcements::list)
        .post("/staff/announcements", operates, announcements::announce)
        .post("/staff/announcements/{id}/end", operates, announcements::end)
        .get("/staff/settings", reads, settings::show)
        .post("/staff/settings/switches", operates, settings::turn)
        .get("/staff/audit", reads, log::list)
        .get("/staff/queue", reads, jobs::list)
        .post("/staff/queue/retry", operates, jobs::retry_all)
        .get("/staff/differences", reads, differences::show)
        .post("/staff/differences/look", reads, differences::look)
        .post("/staff/jobs/{id}/retry", operates, jobs::retry)
        .post("/staff/instances/{id}/canary", operates, rollouts::set_canary)
        .post("/staff/instances/{id}/outrun", operates, instances::settle_outrun)
        .get("/staff/releases", reads, releases::list)
        .post("/staff/releases", operates, releases::add)
        .post("/staff/releases/{version}/offer", operates, releases::offer)
        .post("/staff/releases/{version}/withdraw", operates, releases::withdraw)
        .get("/staff/rollouts", reads, rollouts::list)
        .post("/staff/rollouts", operates, rollouts::begin)
        .get("/staff/rollouts/new", reads, rollouts::plan_new)
        .get("/staff/rollouts/{id}", reads, rollouts::show)
        .post("/staff/rollouts/{id}/pause", operates, rollouts::pause)
        .post("/staff/rollouts/{id}/resume", operates, rollouts::resume)
        .post("/staff/rollouts/{id}/abort", operates, rollouts::abort)
        .post("/staff/rollouts/{id}/roll-back", operates, rollouts::roll_back)
        .post("/staff/rollouts/{id}/leave-out", operates, rollouts::leave_out)
        .get("/staff/clusters", reads, clusters::list)
        .post("/staff/clusters", operates, clusters::add)
        .post("/staff/clusters/{id}/drain", operates, clusters::drain)
        .post("/staff/clusters/{id}/undrain", operates, clusters::undrain)
        .post("/staff/clusters/{id}/capacity", operates, clusters::set_capacity)
}

/// What the hidden field of a button says.
fn yes_or_no(word: &str) -> Option<bool> {
    match word {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The select that says which rows a list shows, over a closed set of words; `label` finds what people read for one.
fn show_filter<'a>(words: &Words, all: impl Iterator<Item = &'a str>, chosen: &str, label: impl Fn(&str) -> String) -> Filter {
    let choice = |word: &str| Choice { value: word.to_owned(), label: label(word), chosen: word == chosen };
    Filter { name: "show", label: words.t("list-show"), options: all.map(choice).collect() }
}

/// A step of a way of several, for the macro `stepper`; `state` is `done`, `doing` or `waiting`.
struct StepperView {
    label: String,
    state: &'static str,
}

/// A row of a table of orders.
struct OrderRow {
    href: String,
    address: String,
    account: String,
    state: StateView,
    price: String,
    at: String,
}

/// Rows for orders, with the addresses and accounts that they name.
async fn order_rows(state: &AppState, words: &Words, orders: &[Order]) -> Result<Vec<OrderRow>, WebError> {
    let instances: Vec<InstanceId> = orders.iter().map(|order| order.instance_id).collect();
    let accounts: Vec<AccountId> = orders.iter().map(|order| order.account_id).collect();
    let mut conn = state.db.staff().acquire().await?;
    let domains = instance::domains_of(&mut conn, &instances).await?;
    let names = account::account_names(&mut conn, &accounts).await?;
    let row = |order: &Order| OrderRow {
        href: format!("/staff/instances/{}", order.instance_id),
        address: named(&domains, order.instance_id).map(readable).unwrap_or_default(),
        account: named(&names, order.account_id).unwrap_or_default().to_owned(),
        state: order_state(words, order),
        price: order.price().to_string(),
        at: time::moment(words, order.created_at),
    };
    Ok(orders.iter().map(row).collect())
}

/// The text that belongs to an id.
fn named<I: PartialEq + Copy>(names: &[(I, String)], id: I) -> Option<&str> {
    names.iter().find(|(of, _)| *of == id).map(|(_, name)| name.as_str())
}

/// Where an order stands, as a word with its date.
fn order_state(words: &Words, order: &Order) -> StateView {
    match order.state {
        OrderState::Placed | OrderState::Open => {
            let until = words.t1("until", "time", time::moment(words, order.checkout_expires_at));
            StateView::new(words, "waiting", "order-state-unpaid", until)
        }
        OrderState::Paid => {
            StateView::new(words, "done", "order-state-paid", order.paid_at.map(|at| time::moment(words, at)).unwrap_or_default())
        }
        OrderState::Expired => StateView::new(words, "waiting", "order-state-expired", ""),
    }
}
