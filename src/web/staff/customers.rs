//! Customers of the host: the list, and one of them with all that they have. Staff look; what changes a customer's things has buttons of
//! its own elsewhere, by scope.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::instances::{AuditRow, audit_row};
use super::{BILLS, OrderRow, order_rows, show_filter};
use crate::account::{Role, StaffMember};
use crate::audit;
use crate::desk::customers::{self, Customer, Member, Show, Sort, Wanted};
use crate::ids::AccountId;
use crate::instance::{self, Instance, Seen};
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::instance::view::{readable, state as state_view};
use crate::web::instance::{plan_name, time};
use crate::web::list::{Frame, ListQuery, ListView};
use crate::web::page::{Fact, PageContext, StateView, html, pages};
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/customers.html")]
struct StaffCustomersPage {
    page: PageContext,
    list: ListView,
    customers: Vec<CustomerRow>,
}

struct CustomerRow {
    href: String,
    name: String,
    servers: String,
    money: StateView,
    at: String,
}

#[derive(Template)]
#[template(path = "pages/staff/customer.html")]
struct StaffCustomerPage {
    page: PageContext,
    /// The way to looking into the account.
    access: String,
    name: String,
    money: StateView,
    facts: Vec<Fact>,
    people: Vec<PersonRow>,
    servers: Vec<ServerRow>,
    orders: Vec<OrderRow>,
    audit: Vec<AuditRow>,
    /// Where servers are given away; empty for those who may not.
    free: String,
}

struct PersonRow {
    email: String,
    role: String,
    state: StateView,
    since: String,
}

struct ServerRow {
    href: String,
    address: String,
    state: StateView,
    plan: String,
}

pages!(StaffCustomersPage, StaffCustomerPage);

/// Entries of the audit log on the page.
const ENTRIES: i64 = 50;

/// GET `/staff/customers`
pub(super) async fn list(
    State(state): State<AppState>,
    page: PageContext,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let begins = query.begins();
    let (show, sort) = (Show::from_word(&query.show), Sort::from_word(&query.sort));
    let mut conn = state.db.staff().acquire().await?;
    let slice = customers::list(&mut conn, Wanted { begins: &begins, show, sort, start: query.start() }).await?;
    drop(conn);
    let words = page.w.clone();
    let frame = Frame { words: &words, path: "/staff/customers", query: &query };
    let heads = vec![
        frame.sorts("staff-account", sort.word(), Sort::Name.word(), Sort::NameBackwards.word()),
        frame.number("nav-staff-instances"),
        frame.head("customer-money"),
        frame.sorts("customer-since", sort.word(), Sort::Oldest.word(), Sort::Newest.word()),
    ];
    let all = Show::ALL.iter().map(|one| one.word());
    let filters = vec![show_filter(&words, all, show.word(), |word| words.t(&format!("show-customer-{word}")))];
    let list = frame.view("list-find-customer", filters, heads, &slice, |row| row.id.to_string());
    let customers = slice.rows.iter().map(|customer| customer_row(&words, customer)).collect();
    Ok(html(&StaffCustomersPage { page, list, customers })?)
}

fn customer_row(words: &Words, customer: &Customer) -> CustomerRow {
    CustomerRow {
        href: format!("/staff/customers/{}", customer.id),
        name: customer.name.clone(),
        servers: customer.servers.to_string(),
        money: money(words, customer),
        at: time::day(words, customer.created_at),
    }
}

/// Whether money is owed, as a word.
fn money(words: &Words, customer: &Customer) -> StateView {
    match customer.unpaid_since {
        Some(since) => {
            StateView::new(words, "failed", "customer-past-due", words.t1("since", "time", time::moment(words, since)))
        }
        None if customer.stripe_customer_id.is_some() => StateView::new(words, "done", "customer-nothing-owed", ""),
        None => StateView::new(words, "waiting", "customer-never-paid", ""),
    }
}

/// GET `/staff/customers/{id}`
pub(super) async fn show(
    State(state): State<AppState>,
    member: StaffMember,
    Path(id): Path<String>,
    page: PageContext,
) -> Result<Response, WebError> {
    let id: AccountId = id.parse().map_err(|_| WebError::NotFound)?;
    let mut conn = state.db.staff().acquire().await?;
    let customer = customers::find(&mut conn, id).await?.ok_or(WebError::NotFound)?;
    let people = customers::people_of(&mut conn, id).await?;
    let servers = customers::servers_of(&mut conn, id).await?;
    let orders = customers::orders_of(&mut conn, id).await?;
    let typical = instance::typical_seconds(&mut conn).await?;
    let entries = audit::list(&mut conn, id, &[], ENTRIES).await?;
    drop(conn);
    let words = page.w.clone();
    Ok(html(&StaffCustomerPage {
        access: format!("/staff/customers/{id}/access"),
        name: customer.name.clone(),
        money: money(&words, &customer),
        facts: facts(&words, &customer),
        people: people.iter().map(|member| person_row(&words, member)).collect(),
        servers: servers.iter().map(|server| server_row(&state, &words, server, &typical)).collect(),
        orders: order_rows(&state, &words, &orders).await?,
        audit: entries.iter().map(|entry| audit_row(&words, entry)).collect(),
        free: if member.may(BILLS) { format!("/staff/customers/{id}/free") } else { String::new() },
        page,
    })?)
}

fn facts(words: &Words, customer: &Customer) -> Vec<Fact> {
    let Customer { id, name, stripe_customer_id, created_at, servers, unpaid_since: _ } = customer;
    let stripe = stripe_customer_id.clone().unwrap_or_else(|| "–".to_owned());
    vec![
        Fact::new(words, "staff-fact-id", id.to_string()),
        Fact::new(words, "staff-account", name.clone()),
        Fact::new(words, "customer-stripe", stripe),
        Fact::new(words, "customer-since", time::day(words, *created_at)),
        Fact::new(words, "nav-staff-instances", servers.to_string()),
    ]
}

fn person_row(words: &Words, member: &Member) -> PersonRow {
    let Member { id: _, email, role, verified_at, created_at } = member;
    let role = match role {
        Role::Viewer => "role-viewer",
        Role::Billing => "role-billing",
        Role::Admin => "role-admin",
        Role::Owner => "role-owner",
    };
    PersonRow {
        email: email.clone(),
        role: words.t(role),
        state: match verified_at {
            Some(at) => StateView::new(words, "done", "customer-proven", time::day(words, *at)),
            None => StateView::new(words, "waiting", "customer-not-proven", ""),
        },
        since: time::day(words, *created_at),
    }
}

fn server_row(state: &AppState, words: &Words, instance: &Instance, typical: &[(String, f64)]) -> ServerRow {
    ServerRow {
        href: format!("/staff/instances/{}", instance.id),
        address: readable(&instance.domain),
        state: state_view(words, &Seen { instance, paid_at: None, typical, now: state.clock.now() }),
        plan: plan_name(state, &instance.plan_code),
    }
}
