//! Who may call what: every route as everybody, compared with the table in `access.txt`; and what holds for each of them.
//!
//! `UPDATE=1 ./dev test access` writes the table anew. Read the difference before it is committed: it is the policy.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use http::Method;
use paddock::account::token::{NewToken, TokenScope};
use paddock::account::{Role, Scope, token};
use paddock::capacity;
use paddock::ids::{
    AccessId, AccountId, AlertId, AnnouncementId, ApprovalId, ArchiveId, CaseId, ClusterId, HookDeliveryId, HookEndpointId,
    IncidentId, InstanceId, InvitationId, OrderId, PasskeyId, PersonId, RolloutId, RunId,
};
use paddock::incident::{self, Impact, NewIncident, State};
use paddock::web::{self, Access, Entry};
use secrecy::ExposeSecret as _;

use crate::harness::{Answer, Client, Identity, Start, TestApp};

const TABLE: &str = "tests/it/access.txt";
const HEAD: &str = "\
# Who gets which answer from which route, for the ids of the customer's own server and order. `customer` owns the account, `viewer` and
# `payer` are members of it, `other` owns another account, `unverified` has not proven their address. `reads` is a program with
# a token of the customer's, `manages` one with a token of the other's. `looks` is one of the staff who looks into the customer's account,
# `changes` one whom the customer lets change things there. Sessions have just begun. Forms are sent empty, with a good
# token. Written by `UPDATE=1 ./dev test access`. 303 leads to a log-in or on to a page; 422 is what a good form would not get.
";

/// Ids to put into paths.
#[derive(Clone)]
struct Ids {
    account: String,
    instance: String,
    order: String,
    run: String,
    rollout: String,
    cluster: String,
    incident: String,
}

impl Ids {
    async fn of_customer(app: &TestApp, customer: &Client) -> Self {
        let instance = app.running(customer, "birds").await;
        let order = app.order(customer, "wrens").await.id.to_string();
        let run = app.ask_run(customer, &instance, &serde_json::json!({"cacheClear": {}})).await.to_string();
        let (rollout, cluster) = (RolloutId::new().to_string(), ClusterId::new().to_string());
        let (account, incident) = (customer.who.account().to_string(), tell(app).await.to_string());
        Self { account, instance: instance.id.to_string(), order, run, rollout, cluster, incident }
    }

    /// Nobody's.
    fn nobodys() -> Self {
        Self {
            account: AccountId::new().to_string(),
            instance: InstanceId::new().to_string(),
            order: OrderId::new().to_string(),
            run: RunId::new().to_string(),
            rollout: RolloutId::new().to_string(),
            cluster: ClusterId::new().to_string(),
            incident: IncidentId::new().to_string(),
        }
    }

    fn malformed() -> Self {
        let none = || "%00".to_owned();
        Self {
            account: "acc_nonsense".to_owned(),
            instance: "ins_nonsense".to_owned(),
            order: none(),
            run: "run_nonsense".to_owned(),
            rollout: none(),
            cluster: none(),
            incident: "inc_nonsense".to_owned(),
        }
    }

    fn path(&self, template: &str) -> String {
        let mut before = "";
        let parts = template.split('/').map(|part| {
            let filled = match (part, before) {
                ("{id}", "instances") => self.instance.clone(),
                ("{id}", "orders") => self.order.clone(),
                ("{id}", "customers") => self.account.clone(),
                ("{id}", "incidents") => self.incident.clone(),
                ("{id}", "approvals") => ApprovalId::new().to_string(),
                ("{run}", "runs") => self.run.clone(),
                ("{id}", "jobs") => "4711".to_owned(),
                ("{id}", "rollouts") => self.rollout.clone(),
                ("{id}", "clusters") => self.cluster.clone(),
                ("{version}", "releases") => "4.7.4".to_owned(),
                ("{id}", "alerts") => AlertId::new().to_string(),
                ("{id}", "cases") => CaseId::new().to_string(),
                ("{id}", "announcements") => AnnouncementId::new().to_string(),
                ("{topic}", "help") => "domain".to_owned(),
                ("{rule}", "runbooks") => "capacity".to_owned(),
                ("{token}", _) => "AAAA".to_owned(),
                ("{access}", _) => AccessId::new().to_string(),
                // Nobody's, in every account: what becomes of real ones is tested beside the members and the sessions.
                ("{person}", _) => PersonId::new().to_string(),
                ("{invitation}", _) => InvitationId::new().to_string(),
                ("{passkey}", _) => PasskeyId::new().to_string(),
                ("{endpoint}", _) => HookEndpointId::new().to_string(),
                ("{delivery}", _) => HookDeliveryId::new().to_string(),
                ("{archive}", _) => ArchiveId::new().to_string(),
                ("{file}", _) => "manifest.json".to_owned(),
                ("{session}", _) => uuid::Uuid::from_u128(7).to_string(),
                ("{*path}", "assets") => "paddock.css".to_owned(),
                (part, before) if part.starts_with('{') => panic!("{template}: what is {part} behind {before}?"),
                (part, _) => part.to_owned(),
            };
            before = part;
            filled
        });
        parts.collect::<Vec<_>>().join("/")
    }
}

/// An incident that is not over.
async fn tell(app: &TestApp) -> IncidentId {
    let staff = app.staff_with(Scope::Admin).who.staff.unwrap();
    let began_at = app.clock_now();
    let new = NewIncident {
        title: "Pictures do not load",
        impact: Impact::Degraded,
        state: State::Found,
        text: "We mend it.",
        began_at,
    };
    let mut tx = app.db.staff().begin().await.unwrap();
    let id = incident::open(&mut tx, app.clock.as_ref(), staff, &new).await.unwrap();
    tx.commit().await.unwrap();
    id
}

fn is_api(entry: &Entry) -> bool {
    entry.path.starts_with("/api/")
}

fn is_page(entry: &Entry) -> bool {
    !is_api(entry) && entry.access != Access::Webhook
}

/// Calls a route: forms empty and with a good token, the API with an empty object.
async fn call(client: &Client, entry: &Entry, ids: &Ids) -> Answer {
    let path = ids.path(entry.path);
    match (&entry.method, is_api(entry)) {
        (&Method::GET, false) => client.get(&path).await,
        (&Method::POST, false) => client.post(&path, &[]).await,
        (method, true) => {
            let request = client.api(method.clone(), &path);
            let request = if method == Method::POST { request.json(&serde_json::json!({})) } else { request };
            client.send(request).await
        }
        (method, false) => panic!("a page answers {method}?"),
    }
}

/// Everybody, with sessions that have just begun: some routes want that.
async fn everybody(start: &Start) -> Vec<(&'static str, Client)> {
    let [viewer, payer] = start.app.members();
    let all = [
        ("nobody", start.anon.clone()),
        ("unverified", start.app.unverified()),
        ("customer", start.customer.clone()),
        ("viewer", viewer),
        ("payer", payer),
        ("other", start.other_customer.clone()),
        ("support", start.app.staff_with(Scope::Support)),
        ("billing", start.app.staff_with(Scope::Billing)),
        ("operations", start.app.staff_with(Scope::Operations)),
        ("admin", start.staff.clone()),
    ];
    let mut fresh = Vec::new();
    for (name, client) in all {
        fresh.push((name, start.app.sign_in_again(&client).await));
    }
    fresh.push(("reads", program(&start.app, &start.customer, TokenScope::Read).await));
    fresh.push(("manages", program(&start.app, &start.other_customer, TokenScope::Manage).await));
    let support = start.app.staff_with(Scope::Support);
    fresh.push(("looks", start.app.looking_into(&support, &start.customer, false).await));
    fresh.push(("changes", start.app.looking_into(&support, &start.customer, true).await));
    fresh
}

/// A program with a token of somebody's and nothing else.
async fn program(app: &TestApp, of: &Client, scope: TokenScope) -> Client {
    let mut tx = app.db.auth().begin().await.unwrap();
    let new = NewToken { name: "a program", scope, instance: None, days: 1 };
    let (person, account) = (of.who.person.unwrap(), of.who.account());
    let (_, text) = token::create(&mut tx, app.clock.as_ref(), person, account, new).await.unwrap();
    tx.commit().await.unwrap();
    let email = format!("a program of {}", of.who.email);
    app.client(Identity { email, api: Some(text.expose_secret().to_owned()), ..Identity::default() })
}

/// Somebody who may call the route.
async fn allowed(start: &Start, access: Access) -> Client {
    match access {
        Access::Public | Access::Webhook => start.anon.clone(),
        Access::SignedIn | Access::Member(_) => start.customer.clone(),
        Access::Fresh(_) => start.app.sign_in_again(&start.customer).await,
        Access::Staff(_) => start.staff.clone(),
        Access::FreshStaff(_) => start.app.sign_in_again(&start.staff).await,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_everybody_as_the_table_says() {
    let start = TestApp::start().await;
    let ids = Ids::of_customer(&start.app, &start.customer).await;
    let table = web::table(start.app.state.clone());
    let everybody = everybody(&start).await;
    let columns = everybody.iter().map(|(_, client)| async {
        let mut column = Vec::new();
        for entry in &table {
            // Neither cookies nor the end of a session may touch the calls that follow.
            let ends_session = ["/log-out", "/api/v1/sessions/current"].contains(&entry.path);
            let fresh = if ends_session { start.app.sign_in_again(client).await } else { start.app.client(client.who.clone()) };
            let answer = call(&fresh, entry, &ids).await;
            check_headers(&answer);
            assert!(!answer.status.is_server_error(), "{}: {}", answer.asked, answer.body);
            column.push(answer.status.as_u16());
        }
        column
    });
    let columns = futures::future::join_all(columns).await;

    let mut text = format!("{HEAD}\n{:7}{:38}{:18}", "", "", "");
    for (name, _) in &everybody {
        write!(text, "{name:>11}").unwrap();
    }
    for (row, entry) in table.iter().enumerate() {
        write!(text, "\n{:7}{:40}{:18}", entry.method.as_str(), entry.path, entry.access.to_string()).unwrap();
        for column in &columns {
            write!(text, "{:>11}", column[row]).unwrap();
        }
    }
    text.push('\n');
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    let differences: Vec<_> = text.lines().filter(|line| !known.lines().any(|known| known == *line)).collect();
    let gone: Vec<_> = known.lines().filter(|line| !text.lines().any(|now| now == *line)).collect();
    assert!(
        text == known,
        "{TABLE} is not what happens.\nIt says:\n{}\nand what happens:\n{}",
        gone.join("\n"),
        differences.join("\n")
    );
    start.app.leave_jobs();
}

/// What every answer carries, errors and redirects included.
#[track_caller]
fn check_headers(answer: &Answer) {
    let asked = &answer.asked;
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{asked}");
    assert_eq!(answer.header("referrer-policy"), "same-origin", "{asked}");
    assert_eq!(answer.header("x-request-id").len(), 16, "{asked}");
    let policy = answer.header("content-security-policy");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{asked}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{asked}: {policy}");
    if answer.header("content-type").starts_with("text/html") {
        assert_eq!(answer.header("cache-control"), "no-store", "{asked}");
    }
    for cookie in answer.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{asked}: {cookie}");
    }
}

#[tokio::test]
async fn the_headers_are_on_every_error() {
    let Start { app, anon, customer, .. } = TestApp::start().await;
    let long = "a".repeat(600 * 1024);
    let answers = [
        anon.get("/nothing-here").await.is(404),
        anon.get("/api/v1/nothing-here").await.is(404),
        anon.send(anon.request(Method::PUT, "/log-in").form(&[("csrf", anon.csrf_token().await)])).await.is(405),
        customer.send(customer.api(Method::PATCH, "/api/v1/me")).await.is(405),
        customer.get("/instances/%ff").await.is(404),
        customer.get("/staff").await.is(404),
        anon.post("/log-in", &[("email", &long)]).await.is(413),
        anon.send(anon.request(Method::POST, "/log-in").body("{}")).await.is(415),
        anon.send(anon.request(Method::POST, "/hooks/stripe").body("{}")).await.is(400),
    ];
    answers.iter().for_each(check_headers);
    drop(app);
}

/// The body without what differs from request to request.
fn masked(answer: &Answer, ids: &Ids) -> String {
    let mut body = answer.body.replace(&ids.instance, "ID").replace(&ids.order, "ID").replace(&ids.run, "ID");
    if let Ok(mut json) = serde_json::from_str::<serde_json::Value>(&body) {
        json["request_id"] = "-".into();
        return json.to_string();
    }
    for name in ["csrf", "now"] {
        for value in
            answer.attributes(&format!("[name={name}]"), "value").into_iter().chain(answer.attributes("[data-now]", "data-now"))
        {
            body = body.replace(&value, "-");
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_somebody_elses_looks_like_what_does_not_exist() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let foreign = Ids::of_customer(&app, &customer).await;
    // Some routes ask for a session that has just begun, whatever the id.
    let other_customer = app.sign_in_again(&other_customer).await;
    // The first page of all brings a cookie.
    other_customer.get("/").await;
    let mut seen = 0;
    for entry in web::table(app.state.clone()) {
        let mine = matches!(entry.access, Access::SignedIn | Access::Member(_) | Access::Fresh(_));
        if !mine || !entry.path.contains("{id}") {
            continue;
        }
        let rows = app.rows().await;
        let theirs = call(&other_customer, &entry, &foreign).await.is(404);
        for ids in [Ids::nobodys(), Ids::malformed()] {
            let missing = call(&other_customer, &entry, &ids).await;
            assert_eq!(missing.status, theirs.status, "{}", missing.asked);
            assert_eq!(masked(&missing, &ids), masked(&theirs, &foreign), "{}", missing.asked);
            let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(names(&missing), names(&theirs), "{}", missing.asked);
        }
        assert_eq!(app.rows().await, rows, "{} {}", entry.method, entry.path);
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} routes with an id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_forms_are_refused_by_every_page() {
    let start = TestApp::start().await;
    let ids = Ids::of_customer(&start.app, &start.customer).await;
    let stranger = start.app.client(crate::harness::Identity::default());
    let foreign_token = stranger.csrf_token().await;
    let mut seen = BTreeSet::new();
    for entry in web::table(start.app.state.clone()).iter().filter(|entry| is_page(entry) && entry.method != Method::GET) {
        let (client, path) = (allowed(&start, entry.access).await, ids.path(entry.path));
        let token = client.csrf_token().await;
        let rows = start.app.rows().await;
        let post = || client.request(Method::POST, &path);
        let without: [(&str, &str); 0] = [];
        let forged = [
            ("no token", post().form(&without)),
            ("an empty token", post().form(&[("csrf", "")])),
            ("another browser's token", post().form(&[("csrf", &foreign_token)])),
            ("another site", post().form(&[("csrf", &token)]).header("sec-fetch-site", "cross-site")),
            ("another host of the same site", post().form(&[("csrf", &token)]).header("sec-fetch-site", "same-site")),
            ("the token in the query", client.request(Method::POST, &format!("{path}?csrf={token}")).form(&without)),
        ];
        for (how, request) in forged {
            let answer = client.send(request).await;
            assert_eq!(answer.status.as_u16(), 403, "{} with {how}", answer.asked);
            assert!(!answer.visible_text().is_empty(), "{} with {how}", answer.asked);
        }
        assert_eq!(start.app.rows().await, rows, "{}", entry.path);
        seen.insert(entry.path);
    }
    assert!(seen.len() >= 12, "only {seen:?}");
    start.app.leave_jobs();
}

/// Whom a page is shown to.
#[derive(Debug, Clone, Copy)]
enum Who {
    Member(Role),
    Staff(Scope),
}

impl Who {
    /// Whether a route is theirs: neither 403 nor another's log-in.
    fn may(self, access: Access) -> bool {
        match (access, self) {
            (Access::Public | Access::Webhook, Self::Member(_) | Self::Staff(_)) | (Access::SignedIn, Self::Member(_)) => true,
            (Access::Member(least) | Access::Fresh(least), Self::Member(role)) => role >= least,
            (Access::Staff(wanted) | Access::FreshStaff(wanted), Self::Staff(held)) => held.includes(wanted),
            (Access::Staff(_) | Access::FreshStaff(_), Self::Member(_))
            | (Access::SignedIn | Access::Member(_) | Access::Fresh(_), Self::Staff(_)) => false,
        }
    }
}

/// What a page offers: where its forms and buttons send, where its links lead, and what its script asks for.
fn offered(page: &Answer) -> Vec<(Method, String)> {
    let all = |method: Method, places: &[(&str, &str)]| {
        let paths = places.iter().flat_map(|(selector, name)| page.attributes(selector, name));
        paths.map(|path| (method.clone(), path)).collect::<Vec<_>>()
    };
    let sent = all(Method::POST, &[("form[method=post]", "action"), ("form[method=post] [formaction]", "formaction")]);
    let asked = [
        ("a[href^='/']", "href"),
        ("form:not([method=post])", "action"),
        ("[data-live]", "data-live"),
        ("[data-check]", "data-check"),
    ];
    [sent, all(Method::GET, &asked)].concat()
}

/// The route that answers.
fn route<'a>(table: &'a [Entry], method: &Method, path: &str) -> Option<&'a Entry> {
    let path: Vec<&str> = path.split(['?', '#']).next().unwrap_or_default().split('/').collect();
    let fits = |entry: &&Entry| {
        let known: Vec<&str> = entry.path.split('/').collect();
        let same = path.iter().zip(&known).all(|(part, known)| part == known || known.starts_with('{'));
        entry.method == *method && path.len() == known.len() && same
    };
    // What is spelled out counts before what varies.
    table.iter().filter(fits).min_by_key(|entry| entry.path.matches('{').count())
}

/// What makes pages offer something: a server that runs and an order that can be paid; one that is being built and an order that has ended.
/// The account waits for a place too, and jobs have failed.
async fn all_that_offers(start: &Start) -> [Ids; 2] {
    let (app, customer) = (&start.app, &start.customer);
    let ended = app.order(customer, "owls").await.id.to_string();
    customer.post(&format!("/orders/{ended}/cancel"), &[]).await.is(303);
    app.run_jobs().await;
    let building = app.paid(customer, "geese").await.id.to_string();
    let ids = Ids::of_customer(app, customer).await;
    let account = customer.who.account();
    let mut tx = app.db.begin_account(account).await.unwrap();
    let needs = app.state.catalogue.get("family").unwrap().size.footprint();
    capacity::join_waiting_list(tx.conn(), app.clock.as_ref(), account, "family", &needs, "herons").await.unwrap();
    tx.commit().await.unwrap();
    let fail = "update graphile_worker._private_jobs set attempts = max_attempts, last_error = 'the moon'";
    sqlx::query(fail).execute(app.sql()).await.unwrap();
    app.leave_jobs();
    let second = Ids { instance: building, order: ended, ..ids.clone() };
    [ids, second]
}

/// Answers the questions of the order path, so that its pages are shown.
async fn answer_questions(client: &Client) {
    client.post("/new/address", &[("kind", "hosted"), ("name", "herons")]).await.redirects_to("/new/owner");
    let owner = [("owner_name", "wren"), ("owner_email", "wren@mail.example")];
    client.post("/new/owner", &owner).await.redirects_to("/new/plan");
    let plan = client.get("/new/plan").await.is(200).attributes("input[name=plan]", "value").remove(0);
    client.post("/new/plan", &[("plan", &plan), ("period", "month")]).await.redirects_to("/new/review");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_offered_what_they_may_not_do() {
    let start = TestApp::start().await;
    let [first, second] = all_that_offers(&start).await;
    let table = web::table(start.app.state.clone());
    let [viewer, payer] = start.app.members();
    let mut everybody = vec![
        (Who::Member(Role::Owner), start.customer.clone()),
        (Who::Member(Role::Admin), start.app.admin_member()),
        (Who::Member(Role::Billing), payer),
        (Who::Member(Role::Viewer), viewer),
    ];
    let scopes = [Scope::Support, Scope::Billing, Scope::Operations, Scope::Admin];
    everybody.extend(scopes.map(|scope| (Who::Staff(scope), start.app.staff_with(scope))));
    for (who, client) in everybody {
        // What wants a session that has just begun is offered to none that has not.
        let client = start.app.sign_in_again(&client).await;
        if who.may(Access::Member(Role::Admin)) {
            answer_questions(&client).await;
        }
        let mut sent = BTreeSet::new();
        for entry in table.iter().filter(|entry| is_page(entry) && entry.method == Method::GET) {
            let paths = BTreeSet::from([first.path(entry.path), second.path(entry.path)]);
            for path in paths {
                let page = client.get(&path).await;
                if !page.header("content-type").starts_with("text/html") {
                    continue;
                }
                for (method, path) in offered(&page) {
                    let found = route(&table, &method, &path);
                    let found = found.unwrap_or_else(|| panic!("{}: nothing answers {method} {path}", page.asked));
                    assert!(who.may(found.access), "{} offers {method} {path}, which is {}", page.asked, found.access);
                    if method == Method::POST {
                        sent.insert(found.path);
                    }
                }
            }
        }
        // And what they may do, they are offered.
        for (path, access) in [
            ("/orders", Access::Member(Role::Admin)),
            ("/orders/{id}/pay", Access::Member(Role::Billing)),
            ("/orders/{id}/cancel", Access::Member(Role::Billing)),
            ("/waiting/leave", Access::Member(Role::Billing)),
            ("/account/members/invite", Access::Fresh(Role::Owner)),
            ("/account/members/{person}/remove", Access::Fresh(Role::Owner)),
            ("/account/security/authenticator", Access::Fresh(Role::Viewer)),
            ("/staff/jobs/{id}/retry", Access::Staff(Scope::Operations)),
            ("/staff/queue/retry", Access::Staff(Scope::Operations)),
            ("/staff/incidents", Access::Staff(Scope::Operations)),
            ("/staff/incidents/{id}/say", Access::Staff(Scope::Operations)),
        ] {
            assert_eq!(sent.contains(path), who.may(access), "POST {path} for {who:?}: {sent:?}");
        }
    }
}

#[tokio::test]
async fn a_cookie_is_no_token_and_a_token_is_no_cookie() {
    let Start { app, customer, .. } = TestApp::start().await;
    let (browser, api) = (customer.who.browser.clone().unwrap(), customer.who.api.clone().unwrap());
    let with = |token: &str| customer.request(Method::GET, "/api/v1/me").header("authorization", format!("Bearer {token}"));
    customer.send(with(&api)).await.is(200);
    customer.send(with(&browser)).await.is(401);
    customer.set_cookie("paddock_session", Some(&api));
    customer.get("/instances").await.is(303);
    customer.set_cookie("paddock_session", Some(&browser));
    customer.get("/instances").await.is(200);
    // Longer than a session lasts unused.
    app.advance(chrono::TimeDelta::days(15));
    customer.get("/instances").await.is(303);
    customer.send(with(&api)).await.is(401);
}

/// What README says about where a URL is handled is so: the `mod.rs` of the folder at the longest prefix names it.
#[tokio::test]
async fn readme_names_where_every_url_is_handled() {
    let Start { app, .. } = TestApp::start().await;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, table) = readme.split_once("| URL begins with |").unwrap();
    let mut places: Vec<(&str, &str)> = Vec::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let mut cells = row.trim_matches('|').split('|');
        let (prefixes, place) = (cells.next().unwrap(), cells.next().unwrap());
        let place = place.split('`').nth(1).unwrap();
        places.extend(prefixes.split('`').skip(1).step_by(2).map(|prefix| (prefix, place)));
    }
    for entry in web::table(app.state.clone()) {
        let below = |prefix: &str| entry.path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let place = places.iter().filter(|(prefix, _)| below(prefix)).max_by_key(|(prefix, _)| prefix.len());
        let (_, place) = place.unwrap_or_else(|| panic!("README does not say where {} is handled", entry.path));
        let file = if place.ends_with('/') { format!("{place}mod.rs") } else { (*place).to_owned() };
        // The few that stand alone are registered in the map itself, with the file's name.
        let files = [root.join("src/web").join(&file), root.join("src/web/routes.rs")];
        let named = files.iter().any(|file| std::fs::read_to_string(file).unwrap().contains(&format!("\"{}\"", entry.path)));
        assert!(named, "{} does not stand in src/web/{file} as README says", entry.path);
    }
}
