//! Servers of all accounts, a page at a time.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::show_filter;
use crate::desk::servers::{self, Server, Show, Sort, Wanted};
use crate::instance::{self, Seen};
use crate::plan;
use crate::web::AppState;
use crate::web::error::WebError;
use crate::web::form::Query;
use crate::web::instance::view::{readable, state as state_view};
use crate::web::instance::{plan_name, time};
use crate::web::list::{Choice, Filter, Frame, ListQuery, ListView};
use crate::web::page::{PageContext, StateView, html, pages};
use crate::web::public::plans::per;
use crate::words::Words;

#[derive(Template)]
#[template(path = "pages/staff/instances.html")]
struct StaffInstancesPage {
    page: PageContext,
    list: ListView,
    instances: Vec<StaffInstanceRow>,
}

struct StaffInstanceRow {
    href: String,
    address: String,
    state: StateView,
    version: String,
    /// The version that it is to have, where it has another.
    wanted_version: String,
    plan: String,
    cost: String,
    account: String,
    account_href: String,
    at: String,
}

pages!(StaffInstancesPage);

/// GET `/staff/instances`
pub(super) async fn list(
    State(state): State<AppState>,
    page: PageContext,
    Query(query): Query<ListQuery>,
) -> Result<Response, WebError> {
    let begins = query.begins();
    // People type addresses as they read them; they are kept as the DNS writes them.
    let begins = idna::domain_to_ascii(&begins).unwrap_or(begins);
    let (show, sort) = (Show::from_word(&query.show), Sort::from_word(&query.sort));
    let mut conn = state.db.staff().acquire().await?;
    // The newest stands first.
    let listed = plan::list_releases(&mut conn).await?;
    let newest = listed.iter().find(|listed| listed.release.offered).map(|listed| listed.release.version.to_string());
    let releases: Vec<String> = listed.iter().map(|listed| listed.release.version.to_string()).collect();
    let known = releases.iter().find(|version| **version == query.version).map(String::as_str);
    let wanted = Wanted { begins: &begins, show, version: known, newest: newest.as_deref(), sort, start: query.start() };
    let slice = servers::list(&mut conn, wanted, state.clock.now()).await?;
    let typical = instance::typical_seconds(&mut conn).await?;
    drop(conn);
    let words = page.w.clone();
    let frame = Frame { words: &words, path: "/staff/instances", query: &query };
    let heads = vec![
        frame.sorts("staff-address", sort.word(), Sort::Address.word(), Sort::AddressBackwards.word()),
        frame.head("staff-state"),
        frame.head("list-version"),
        frame.head("plan"),
        frame.number("price"),
        frame.head("staff-account"),
        frame.sorts("staff-at", sort.word(), Sort::Oldest.word(), Sort::Newest.word()),
    ];
    let filters = vec![
        show_filter(&words, Show::ALL.iter().map(|one| one.word()), show.word(), |word| words.t(&format!("show-server-{word}"))),
        versions(&words, &releases, known),
    ];
    let list = frame.view("list-find-server", filters, heads, &slice, |row| row.instance.id.to_string());
    let instances = slice.rows.iter().map(|server| row(&state, &words, server, &typical)).collect();
    Ok(html(&StaffInstancesPage { page, list, instances })?)
}

fn versions(words: &Words, releases: &[String], chosen: Option<&str>) -> Filter {
    let any = Choice { value: String::new(), label: words.t("list-any-version"), chosen: chosen.is_none() };
    let choice =
        |version: &String| Choice { chosen: chosen == Some(version.as_str()), label: version.clone(), value: version.clone() };
    Filter {
        name: "version",
        label: words.t("list-version"),
        options: std::iter::once(any).chain(releases.iter().map(choice)).collect(),
    }
}

fn row(state: &AppState, words: &Words, server: &Server, typical: &[(String, f64)]) -> StaffInstanceRow {
    let instance = &server.instance;
    let seen = instance.status().and_then(|status| status.version.clone());
    let cost = server.cost().map(|(price, interval)| words.t2("list-cost", "price", price, "per", per(words, interval)));
    let wanted = &instance.mastodon_version;
    StaffInstanceRow {
        href: format!("/staff/instances/{}", instance.id),
        address: readable(&instance.domain),
        state: state_view(words, &Seen { instance, paid_at: None, typical, now: state.clock.now() }),
        wanted_version: if seen.as_ref().is_some_and(|seen| seen != wanted) { wanted.clone() } else { String::new() },
        version: seen.unwrap_or_else(|| wanted.clone()),
        plan: plan_name(state, &instance.plan_code),
        cost: cost.unwrap_or_else(|| "–".to_owned()),
        account: server.account_name.clone(),
        account_href: format!("/staff/customers/{}", instance.account_id),
        at: time::moment(words, instance.created_at),
    }
}
