//! A customer's servers: the list, and a server's page with its building shown live.

pub(in crate::web) mod address;
pub(in crate::web) mod archive_view;
pub(in crate::web) mod archives;
pub(in crate::web) mod change;
mod costs;
mod health;
pub(in crate::web) mod live;
mod mail;
pub(in crate::web) mod own_mail;
pub(in crate::web) mod runs;
pub(in crate::web) mod subscription;
pub(in crate::web) mod time;
mod tools;
pub(in crate::web) mod upgrades;
mod usage;
pub(in crate::web) mod view;

#[cfg(test)]
mod tests;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};

use self::live::Frame;
use self::view::{StatusView, status};
use super::AppState;
use super::access::{Access, Routes};
use super::error::WebError;
use super::page::{Fact, PageContext, StateView, html, pages};
use super::session::{Customer, OwnedInstance};
use crate::account::{self, Role};
use crate::billing::{self, Order, Subscription};
use crate::capacity;
use crate::desk::announcements::{self, Announcement};
use crate::ids::{AccountId, InstanceId};
use crate::instance::{self, Instance, Intent, Seen};
use crate::plan::Interval;
use crate::words::Words;

pub(super) fn routes(routes: Routes) -> Routes {
    let payer = Access::Member(Role::Billing);
    let (reader, keeper) = (Access::Member(Role::Viewer), Access::Member(Role::Admin));
    // An open browser is not enough to change what pays, nor to end a server.
    let payer_anew = Access::Fresh(Role::Billing);
    routes
        .get("/instances", reader, list)
        .get("/instances/{id}", reader, show)
        .get("/instances/{id}/live", reader, watch)
        .get("/instances/{id}/address", reader, address::show)
        .post("/instances/{id}/address/check", keeper, address::check)
        .get("/instances/{id}/billing", reader, subscription::show)
        .get("/instances/{id}/billing/portal", payer_anew, subscription::portal)
        .get("/instances/{id}/billing/change", keeper, change::choose)
        .get("/instances/{id}/billing/change/review", keeper, change::review)
        .post("/instances/{id}/billing/change", keeper, change::confirm)
        .get("/instances/{id}/billing/costs", reader, costs::show)
        .get("/instances/{id}/billing/end", payer_anew, subscription::end_form)
        .post("/instances/{id}/billing/end", payer_anew, subscription::end)
        .post("/instances/{id}/billing/go-on", payer, subscription::go_on)
        .post("/instances/{id}/billing/again", keeper, subscription::again)
        .get("/instances/{id}/tools", reader, tools::show)
        .post("/instances/{id}/tools", keeper, tools::ask)
        .get("/instances/{id}/tools/live", reader, tools::watch)
        .post("/instances/{id}/runs/{run}/cancel", keeper, tools::cancel)
        .get("/instances/{id}/archives", reader, archives::show)
        .post("/instances/{id}/archives", keeper, archives::ask)
        .get("/instances/{id}/archives/live", reader, archives::watch)
        .get("/instances/{id}/archives/{archive}", Access::Fresh(Role::Admin), archives::one)
        .post("/instances/{id}/archives/{archive}/remove", keeper, archives::give_up)
        .get("/instances/{id}/mail", reader, mail::show)
        .post("/instances/{id}/mail", keeper, mail::submit)
        .post("/instances/{id}/mail/remove", keeper, mail::remove)
        .get("/instances/{id}/usage", reader, usage::show)
        .get("/instances/{id}/health", reader, health::show)
        .get("/instances/{id}/upgrades", reader, upgrades::show)
        .post("/instances/{id}/upgrades", keeper, upgrades::choose)
}

#[derive(Template)]
#[template(path = "pages/instance/list.html")]
struct InstancesPage {
    page: PageContext,
    /// What the host tells all its customers.
    announcements: Vec<Announcement>,
    instances: Vec<InstanceRow>,
}

struct InstanceRow {
    href: String,
    address: String,
    state: StateView,
    detail: String,
}

#[derive(Template)]
#[template(path = "pages/instance/show.html")]
struct InstancePage {
    page: PageContext,
    id: String,
    status: StatusView,
    facts: Vec<Fact>,
}

#[derive(Template)]
#[template(path = "pages/instance/_status.html")]
struct InstanceStatusFragment {
    page: PageContext,
    status: StatusView,
}

pages!(InstancesPage, InstancePage, InstanceStatusFragment);

/// GET `/instances`: what waits for the customer first, then the servers, newest first.
async fn list(State(state): State<AppState>, customer: Customer, page: PageContext) -> Result<Response, WebError> {
    let mut tx = state.db.begin_account(customer.account).await?;
    let unpaid = billing::waiting_orders(tx.conn(), customer.account).await?;
    let waiting = capacity::waiting_entry(tx.conn(), customer.account).await?;
    let owned = instance::list_owned(tx.conn(), customer.account).await?;
    let typical = instance::typical_seconds(tx.conn()).await?;
    let announcements = announcements::shown(tx.conn(), state.clock.now()).await?;
    drop(tx);
    let (reserved, built): (Vec<_>, Vec<_>) = owned.iter().partition(|instance| instance.intent == Intent::Absent);
    let mut rows: Vec<InstanceRow> = waiting.iter().map(|entry| waiting_row(&page.w, entry)).collect();
    rows.extend(reserved.into_iter().filter_map(|instance| {
        let order = unpaid.iter().find(|order| order.instance_id == instance.id)?;
        Some(order_row(&state, &page.w, order, instance))
    }));
    rows.extend(built.into_iter().map(|instance| instance_row(&state, &page.w, instance, &typical)));
    Ok(html(&InstancesPage { page, announcements, instances: rows })?)
}

fn waiting_row(words: &Words, entry: &capacity::Waiting) -> InstanceRow {
    let kept = entry.invited_until.map(|until| words.t1("until", "time", time::moment(words, until)));
    let state = match kept {
        Some(until) => StateView::new(words, "doing", "order-state-invited", until),
        None => StateView::new(words, "waiting", "order-state-waiting", words.t1("list-position", "position", entry.position)),
    };
    InstanceRow { href: "/waiting".to_owned(), address: view::readable(&entry.domain), state, detail: words.t("list-waiting") }
}

fn order_row(state: &AppState, words: &Words, order: &Order, instance: &Instance) -> InstanceRow {
    let until = words.t1("until", "time", time::moment(words, order.checkout_expires_at));
    InstanceRow {
        href: format!("/orders/{}", order.id),
        address: view::readable(&instance.domain),
        state: StateView::new(words, "waiting", "order-state-unpaid", until),
        detail: words.t2("list-plan", "plan", plan_name(state, &order.plan_code), "price", price_of(words, order)),
    }
}

fn instance_row(state: &AppState, words: &Words, instance: &Instance, typical: &[(String, f64)]) -> InstanceRow {
    let seen = Seen { instance, paid_at: None, typical, now: state.clock.now() };
    InstanceRow {
        href: format!("/instances/{}", instance.id),
        address: view::readable(&instance.domain),
        state: view::state(words, &seen),
        detail: match view::unseen(words, &seen) {
            unseen if unseen.is_empty() => plan_name(state, &instance.plan_code),
            unseen => unseen,
        },
    }
}

/// A plan's name; its code when it has left the catalogue.
pub(super) fn plan_name(state: &AppState, code: &str) -> String {
    state.catalogue.get(code).map_or_else(|| code.to_owned(), |plan| plan.name.clone())
}

/// `€9 a month`.
pub(super) fn price_of(words: &Words, order: &Order) -> String {
    let key = match order.billing_interval {
        Interval::Month => "price-month",
        Interval::Year => "price-year",
    };
    words.t1(key, "price", order.price())
}

/// Who gets the mails about an account's servers and orders, whoever looks at the page.
pub(super) async fn told(state: &AppState, whose: AccountId) -> Result<String, WebError> {
    // Whoever acts for one account sees no addresses of people; the role that signs them in does.
    let mut conn = state.db.auth().acquire().await?;
    let members = account::list_members(&mut conn, whose).await?;
    Ok(members.into_iter().next().map(|person| person.email).unwrap_or_default())
}

/// What an instance's page shows.
struct Loaded {
    instance: Instance,
    told: String,
    order: Option<Order>,
    subscription: Option<Subscription>,
    typical: Vec<(String, f64)>,
}

impl Loaded {
    async fn load(state: &AppState, whose: AccountId, id: InstanceId) -> Result<Self, WebError> {
        let mut tx = state.db.begin_account(whose).await?;
        let instance = instance::find_owned(tx.conn(), whose, id).await?.ok_or(WebError::NotFound)?;
        let order = billing::find_order_of(tx.conn(), id).await?;
        let subscription = billing::find_subscription(tx.conn(), id).await?;
        let typical = instance::typical_seconds(tx.conn()).await?;
        drop(tx);
        // Once it was ready nobody is written to any more.
        let told = if instance.ready_at.is_none() { told(state, whose).await? } else { String::new() };
        Ok(Self { instance, told, order, subscription, typical })
    }

    fn status(&self, state: &AppState, words: &Words) -> StatusView {
        let paid_at = self.order.as_ref().and_then(|order| order.paid_at);
        let seen = Seen { instance: &self.instance, paid_at, typical: &self.typical, now: state.clock.now() };
        StatusView { told: self.told.clone(), ..status(words, &seen) }
    }

    fn facts(&self, state: &AppState, words: &Words) -> Vec<Fact> {
        let instance = &self.instance;
        let mut facts = vec![Fact::new(words, "fact-address", view::readable(&instance.domain))];
        if let Some(web_domain) = &instance.web_domain {
            facts.push(Fact::new(words, "fact-web", view::readable(web_domain)));
        }
        if instance.is_on_own_domain() {
            let href = format!("/instances/{}/address", instance.id);
            facts.push(Fact { href, ..Fact::new(words, "fact-records", words.t("fact-records-value")) });
        }
        facts.push(Fact::new(words, "fact-plan", plan_name(state, &instance.plan_code)));
        if let Some(order) = &self.order {
            facts.push(Fact::new(words, "fact-price", price_of(words, order)));
        }
        if let Some(subscription) = &self.subscription {
            facts.push(Fact::new(words, "fact-invoice", time::day(words, subscription.current_period_end)));
        }
        let upgrades = format!("/instances/{}/upgrades", instance.id);
        facts.push(Fact { href: upgrades.clone(), ..Fact::new(words, "fact-version", &instance.mastodon_version) });
        let window = instance.maintenance_window.as_ref().map(|window| &window.0);
        facts.push(Fact { change: upgrades, ..Fact::new(words, "fact-window", upgrades::window_words(words, window)) });
        let backups =
            instance.status().filter(|_| instance.released_at.is_none()).and_then(|status| view::backups(words, status));
        facts.extend(backups.map(|backups| Fact::new(words, "fact-backups", backups)));
        facts.push(Fact::new(words, "fact-handle", format!("@{}@{}", instance.owner_username, view::readable(&instance.domain))));
        facts.push(Fact::new(words, "fact-owner-email", &instance.owner_email));
        facts.push(Fact::new(words, "fact-ordered", time::day(words, instance.created_at)));
        facts
    }
}

/// GET `/instances/{id}`. One that is not paid yet is at its order's page.
async fn show(
    State(state): State<AppState>,
    OwnedInstance(instance): OwnedInstance,
    page: PageContext,
) -> Result<Response, WebError> {
    let loaded = Loaded::load(&state, instance.account_id, instance.id).await?;
    if let (Intent::Absent, Some(order)) = (loaded.instance.intent, &loaded.order) {
        return Ok(Redirect::to(&format!("/orders/{}", order.id)).into_response());
    }
    let status = loaded.status(&state, &page.w);
    let facts = loaded.facts(&state, &page.w);
    Ok(html(&InstancePage { page, id: instance.id.to_string(), status, facts })?)
}

/// GET `/instances/{id}/live`: the status as a stream of events, or once as HTML.
async fn watch(
    State(state): State<AppState>,
    customer: Customer,
    OwnedInstance(instance): OwnedInstance,
    headers: HeaderMap,
    page: PageContext,
) -> Result<Response, WebError> {
    if !live::wanted(&headers) {
        let status = Loaded::load(&state, customer.account, instance.id).await?.status(&state, &page.w);
        return Ok(html(&InstanceStatusFragment { page, status })?);
    }
    let (renders, account) = (state.clone(), customer.account);
    Ok(live::stream(&state, &headers, &customer, instance.id, move || {
        let (state, page) = (renders.clone(), page.clone());
        async move {
            let status = Loaded::load(&state, account, instance.id).await?.status(&state, &page.w).without_running_times();
            let last = status.is_settled();
            Ok(Frame { html: InstanceStatusFragment { page, status }.render()?, last })
        }
    }))
}
