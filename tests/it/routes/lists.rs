//! The staff's long lists: what they are sorted by, narrowed to and how they go on from page to page, without a script.

use paddock::account::Scope;
use paddock::db::slice::ROWS;
use paddock::ids::{AccountId, InstanceId};
use paddock::resource::{Backups, ConditionKind, Finding, StepName, conditions, time};

use crate::harness::{Answer, Capacity, Client, NEWEST, Start, TestApp};

/// Accounts with a server each, under names that sort: `name000.meadow.social`, of `Account 000`. Quicker than ordering them.
async fn many(app: &TestApp, count: usize) {
    for number in 0..count {
        let (account, instance) = (AccountId::new(), InstanceId::new());
        sqlx::query("insert into accounts (id, name, created_at) values ($1, $2, $3)")
            .bind(account)
            .bind(format!("Account {number:03}"))
            .bind(app.clock_now())
            .execute(app.sql())
            .await
            .unwrap();
        sqlx::query(
            "insert into instances (id, account_id, cluster_id, domain, domain_skeleton, hosted, owner_username, owner_email, locale,
                                    plan_code, size, mastodon_version, intent, created_at)
             select $1, $2, id, $3, $3, true, 'wren', 'wren@mail.example', 'en', 'family', '{}', '4.6.0', 'absent', $4 from clusters limit 1",
        )
        .bind(instance)
        .bind(account)
        .bind(format!("name{number:03}.meadow.social"))
        .bind(app.clock_now())
        .execute(app.sql())
        .await
        .unwrap();
    }
}

fn firsts(page: &Answer) -> Vec<String> {
    page.all("main table tbody th")
}

/// Follows the link to the next or the previous page.
async fn turn(client: &Client, page: &Answer, rel: &str) -> Answer {
    let href = page.attributes(&format!(".pager a[rel={rel}]"), "href");
    client.get(&href[0]).await.is(200)
}

#[tokio::test]
async fn servers_go_on_from_page_to_page_and_back() {
    let Start { app, staff, .. } = TestApp::start().await;
    many(&app, 2 * ROWS + 7).await;
    for (sort, first, last) in
        [("address", "name000", "name106"), ("address-backwards", "name106", "name000"), ("", "name106", "name000")]
    {
        let one = staff.get(&format!("/staff/instances?sort={sort}")).await.is(200);
        assert!(one.attributes(".pager a[rel=prev]", "href").is_empty(), "{sort}: nothing is in front of the first page");
        let two = turn(&staff, &one, "next").await;
        let three = turn(&staff, &two, "next").await;
        assert!(three.attributes(".pager a[rel=next]", "href").is_empty(), "{sort}: nothing is behind the last page");
        let all: Vec<String> = [&one, &two, &three].into_iter().flat_map(firsts).collect();
        assert_eq!(all.len(), 2 * ROWS + 7, "{sort}");
        assert_eq!(
            (all[0].as_str(), all[all.len() - 1].as_str()),
            (&*format!("{first}.meadow.social"), &*format!("{last}.meadow.social"))
        );
        let mut each = all.clone();
        each.sort();
        each.dedup();
        assert_eq!(each.len(), all.len(), "{sort}: each stands on one page");
        let back = turn(&staff, &three, "prev").await;
        assert_eq!(firsts(&back), firsts(&two), "{sort}");
        assert_eq!(firsts(&turn(&staff, &back, "prev").await), firsts(&one), "{sort}");
    }
    let sorted = staff.get("/staff/instances?sort=address").await;
    assert_eq!(sorted.attributes("th[aria-sort]", "aria-sort"), ["ascending"]);
    assert_eq!(sorted.attributes("th[aria-sort] a", "href"), ["/staff/instances?sort=address-backwards"]);
}

#[tokio::test]
async fn servers_are_found_by_how_they_begin_and_by_how_they_are() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    let building = app.paid(&customer, "fish").await;
    app.order(&other_customer, "bees").await;
    let found = async |query: &str| {
        let mut all = firsts(&staff.get(&format!("/staff/instances?{query}")).await.is(200));
        all.sort();
        all.join(" ").replace(".meadow.social", "")
    };
    assert_eq!(found("").await, "bees birds fish");
    assert_eq!(found("q=b").await, "bees birds");
    assert_eq!(found("q=BIRDS.meadow").await, "birds");
    assert_eq!(found("q=irds").await, "", "it begins with it, or it is not found");
    assert_eq!(found("show=running").await, "birds");
    assert_eq!(found("show=building").await, "fish");
    assert_eq!(found("show=reserved").await, "bees");
    assert_eq!(found("show=reserved&q=f").await, "");
    assert_eq!(found("show=look").await, "fish", "what is being built may be stuck");
    assert_eq!(found("show=paused").await, "");
    assert_eq!(found("show=unproven").await, "", "not yet");
    assert_eq!(found("show=nonsense").await, "bees birds fish");
    assert_eq!(found(&format!("version={NEWEST}")).await, "bees birds fish");
    assert_eq!(found("show=behind").await, "");
    sqlx::query("update instances set mastodon_version = '4.5.0' where id = $1")
        .bind(building.id)
        .execute(app.sql())
        .await
        .unwrap();
    assert_eq!(found("show=behind").await, "fish");

    app.advance(chrono::TimeDelta::hours(49));
    let later = app.sign_in_again(&staff).await;
    let page = later.get("/staff/instances?show=not-backed-up").await.is(200);
    assert_eq!(firsts(&page), Vec::<String>::new(), "nobody says so");
    let page = later.get("/staff/instances?show=unproven").await.is(200);
    assert_eq!(firsts(&page), ["birds.meadow.social"], "ready for two days, and no backup was ever restored");
    page.see("€19 a month");
    app.leave_jobs();
}

#[tokio::test]
async fn a_server_that_is_not_well_or_without_a_certificate_is_among_those_to_look_at() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    assert!(firsts(&staff.get("/staff/instances?show=look").await).is_empty());
    let done: Vec<StepName> = StepName::ALL.into_iter().filter(|step| *step != StepName::Address).collect();
    app.observe(server.id, &app.status(&done)).await;
    for show in ["look", "certificate"] {
        assert_eq!(firsts(&staff.get(&format!("/staff/instances?show={show}")).await), ["birds.meadow.social"], "{show}");
    }
    staff.get("/staff").await.see("Look: Servers not well 1").see("Look: Without a certificate 1");
}

#[tokio::test]
async fn a_database_that_is_not_backed_up_is_shown_to_staff_and_to_its_owner() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let said = |finding: Finding, stored: bool| {
        let mut status = app.status(&StepName::ALL);
        status.conditions.extend(conditions(&[], &[finding], 1, app.clock_now()));
        status.database_initialised = true;
        status.backups = stored.then(|| Backups { since: time(app.clock_now()), last: time(app.clock_now()) });
        status
    };
    let holds = said(Finding::holds(ConditionKind::BackedUp, "There", "a base backup is there"), true);
    let fails = said(Finding::fails(ConditionKind::BackedUp, "ArchivingFails", "the key opens nothing"), true);
    app.observe(server.id, &holds).await;
    let (mine, theirs) = (format!("/instances/{}", server.id), format!("/staff/instances/{}", server.id));
    customer.get(&mine).await.is(200).see("Backup of the database").see("can be brought back");
    staff.get(&theirs).await.is(200).see("BackedUp: True").see("can be brought back");

    // What fails is shown at once, and counted once it has had its time.
    app.observe(server.id, &fails).await;
    customer.get(&mine).await.is(200).see("Newer ones fail").not_see("can be brought back");
    staff.get(&theirs).await.is(200).see("BackedUp: False").see("ArchivingFails: the key opens nothing");
    let list = "/staff/instances?show=not-backed-up";
    assert_eq!(firsts(&staff.get(list).await.is(200)), Vec::<String>::new());
    app.advance(chrono::TimeDelta::hours(3));
    let staff = app.sign_in_again(&staff).await;
    assert_eq!(firsts(&staff.get(list).await.is(200)), ["birds.meadow.social"]);
    staff.get("/staff").await.see("Look: Databases not backed up 1");
    app.observe(server.id, &holds).await;
    assert_eq!(firsts(&staff.get(list).await.is(200)), Vec::<String>::new());
    app.leave_jobs();
}

#[tokio::test]
async fn customers_are_sorted_found_and_narrowed() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    many(&app, ROWS + 3).await;
    let one = staff.get("/staff/customers?sort=name&q=account").await.is(200);
    assert_eq!(firsts(&one)[0], "Account 000");
    let two = turn(&staff, &one, "next").await;
    assert_eq!(
        firsts(&two),
        [format!("Account {ROWS:03}"), format!("Account {:03}", ROWS + 1), format!("Account {:03}", ROWS + 2)]
    );
    assert_eq!(firsts(&turn(&staff, &two, "prev").await), firsts(&one));

    app.running(&customer, "birds").await;
    let found = async |query: &str| firsts(&staff.get(&format!("/staff/customers?{query}")).await.is(200));
    // By the account's own name and by the address of one of its people.
    let (mine, theirs) = (customer.who.email.clone(), other_customer.who.email.clone());
    assert_eq!(found("q=customer@").await, [mine.as_str()]);
    assert_eq!(found(&format!("q={}", app.members()[0].who.email)).await, [mine.as_str()]);
    assert!(found("show=servers&q=customer@").await.contains(&mine));
    assert!(found(&format!("show=servers&q={theirs}")).await.is_empty());
    assert!(found("show=past-due").await.is_empty());
    sqlx::query("update subscriptions set open_invoice_since = $1").bind(app.clock_now()).execute(app.sql()).await.unwrap();
    assert_eq!(found("show=past-due").await, [mine]);
    staff.get("/staff/customers?show=past-due").await.see("Past due since");
}

#[tokio::test]
async fn what_is_empty_says_why_and_what_to_do() {
    let Start { app, staff, .. } = TestApp::start_with(Capacity(0)).await;
    staff.get("/staff/instances").await.is(200).see("No servers yet.").see("appears when somebody orders it");
    staff.get("/staff/instances?q=zebra").await.is(200).see("Nothing here fits that.").see("Show all");
    staff.get("/staff/customers?q=zebra").await.is(200).see("Nothing here fits that.");
    staff.get("/staff/orders").await.is(200).see("No orders yet.").see("chooses an address and a plan");
    staff.get("/staff/incidents").await.is(200).see("No incidents so far.");
    app.run_jobs().await;
    staff.get("/staff/queue").await.is(200).see("All that was owed is done.");
    staff.get("/staff/queue?show=dead").await.is(200).see("Nothing here fits that.");
    staff.get("/staff/search").await.is(200).see("What are you looking for?");
    staff.get("/staff/search?q=zebra").await.is(200).see("Nothing begins with “zebra”.");
    // A page behind a row that is not there is empty, and leads back.
    let page = staff.get(&format!("/staff/instances?after={}", InstanceId::new())).await.is(200).see("Nothing here fits that.");
    assert!(page.attributes("main a", "href").contains(&"/staff/instances".to_owned()));
    sqlx::query("delete from audit_events").execute(app.sql()).await.unwrap();
    staff.get("/staff/audit").await.is(200).see("Nothing has been written down yet.");
    sqlx::query("delete from members").execute(app.sql()).await.unwrap();
    let account: AccountId = sqlx::query_scalar("select id from accounts limit 1").fetch_one(app.sql()).await.unwrap();
    let page = staff.get(&format!("/staff/customers/{account}")).await.is(200);
    let page = page.see("What was never paid is under orders.").see("Nobody signs in for this account.");
    page.see("Nothing has been written down for this account.").see("Never paid");
}

#[tokio::test]
async fn what_a_browser_or_somebody_else_sends_is_looked_for_or_left() {
    let Start { app: _app, staff, .. } = TestApp::start().await;
    let long = "a".repeat(2000);
    for query in [
        "q=%00",
        "q=%25_%27--",
        "q=%F0%9F%90%9F",
        "after=%00&before=x",
        "sort=;drop",
        &format!("q={long}"),
        "version=9.9.9",
        "show=",
    ] {
        for list in ["instances", "customers", "orders", "incidents", "queue", "audit", "search"] {
            staff.get(&format!("/staff/{list}?{query}")).await.is(200);
        }
    }
    staff.get("/staff/instances?q=a&q=b").await.is(400);
}

#[tokio::test]
async fn a_name_of_any_script_and_length_is_shown_as_text() {
    let Start { app, staff, .. } = TestApp::start().await;
    let name = format!("<b>{}</b> {}", "ש".repeat(120), "x".repeat(120));
    let id = AccountId::new();
    sqlx::query("insert into accounts (id, name, created_at) values ($1, $2, now())")
        .bind(id)
        .bind(&name)
        .execute(app.sql())
        .await
        .unwrap();
    staff.get("/staff/customers").await.is(200).see(&name);
    staff.get(&format!("/staff/customers/{id}")).await.is(200).see(&name);
}

#[tokio::test]
async fn support_looks_and_changes_nothing() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let support = app.staff_with(Scope::Support);
    let page = support.get(&format!("/staff/customers/{}", customer.who.account())).await.is(200);
    let page =
        page.see("birds.meadow.social").see("customer@mail.example").see("Owner since").see("order.placed").see("Nothing owed");
    let sent = page.attributes("main form", "action");
    assert!(sent.is_empty(), "a customer's page has no button: {sent:?}");
    assert!(page.attributes("main a", "href").contains(&format!("/staff/instances/{}", server.id)));
    let server = support.get(&format!("/staff/instances/{}", server.id)).await.is(200);
    assert!(server.attributes("main a", "href").contains(&format!("/staff/customers/{}", customer.who.account())));
    support.get("/staff/customers/acc_nonsense").await.is(404);
    support.get(&format!("/staff/customers/{}", AccountId::new())).await.is(404);
    customer.get("/staff/customers").await.is(404);
}

#[tokio::test]
async fn orders_are_narrowed_and_go_on() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start_with(Capacity(100)).await;
    app.paid(&customer, "birds").await;
    app.order(&other_customer, "bees").await;
    let found = async |query: &str| firsts(&staff.get(&format!("/staff/orders?{query}")).await.is(200));
    assert_eq!(found("").await, ["bees.meadow.social", "birds.meadow.social"]);
    assert_eq!(found("show=waiting").await, ["bees.meadow.social"]);
    assert_eq!(found("show=paid").await, ["birds.meadow.social"]);
    assert!(found("show=expired").await.is_empty());
    staff.get("/staff/orders?show=expired").await.see("Nothing here fits that.");
    many(&app, ROWS).await;
    sqlx::query(
        "insert into orders (id, account_id, instance_id, plan_code, billing_interval, amount_minor, currency, state, checkout_expires_at, created_at)
         select gen_random_uuid(), account_id, id, plan_code, 'month', 1900, 'eur', 'expired', created_at, created_at
         from instances where domain like 'name%'",
    )
    .execute(app.sql())
    .await
    .unwrap();
    let one = staff.get("/staff/orders").await.is(200);
    let two = turn(&staff, &one, "next").await;
    assert_eq!((firsts(&one).len(), firsts(&two).len()), (ROWS, 2));
    assert_eq!(firsts(&turn(&staff, &two, "prev").await), firsts(&one));
    app.leave_jobs();
}

#[tokio::test]
async fn a_server_is_seen_from_inside() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let order = app.order(&customer, "birds").await;
    let path = format!("/staff/instances/{}", order.instance_id);
    staff.get(&path).await.is(200).see("settle_order").see("The operator has not reported yet.");
    app.shop_pays(&customer, &order).await;
    app.run_jobs().await;
    app.observe(order.instance_id, &app.status(&[StepName::Namespace])).await;
    let page = staff.get(&path).await.is(200);
    let raw: serde_json::Value = serde_json::from_str(&page.all("pre").join("")).unwrap();
    assert!(raw["conditions"].as_array().unwrap().len() > 3, "{raw}");
    app.leave_jobs();
}

#[tokio::test]
async fn the_audit_log_is_found_by_what_changed_and_by_who_changed_it() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    staff.post(&format!("/staff/instances/{}/pause", server.id), &[("reason", "asked")]).await.is(303);
    let found = async |query: &str| staff.get(&format!("/staff/audit?{query}")).await.is(200).all("ul.rows strong");
    let about = found(&format!("q={}", server.id)).await;
    assert_eq!(about[0], "instance.intent");
    assert!(about.len() >= 2, "{about:?}");
    assert_eq!(found(&format!("q={}&show=staff", server.id)).await, ["instance.intent", "instance.held"]);
    assert_eq!(found(&format!("q={}", staff.who.staff.unwrap())).await[0], "instance.intent");
    assert!(found("q=order.placed").await.iter().all(|action| action == "order.placed"));
    assert!(!found("show=person").await.contains(&"order.paid".to_owned()));
    assert!(found("q=order").await.is_empty(), "a name or an id is looked for as a whole");
    staff.get("/staff/audit?q=order").await.see("Nothing here fits that.");
    // What changed leads to where it is shown.
    let page = staff.get(&format!("/staff/audit?q={}", server.id)).await;
    let leads = page.attributes("ul.rows a", "href");
    staff.get(&leads[0]).await.redirects_to(&format!("/staff/instances/{}", server.id));

    let copy = "insert into audit_events (at, account_id, actor_kind, actor_id, action, subject, detail)
                select now(), null, 'system', 'test', 'test.made', 'nothing', '{}' from generate_series(1, $1)";
    sqlx::query(copy).bind(i32::try_from(ROWS).unwrap() + 1).execute(app.sql()).await.unwrap();
    let one = staff.get("/staff/audit?q=test.made").await.is(200);
    let two = turn(&staff, &one, "next").await;
    assert_eq!((one.all("ul.rows strong").len(), two.all("ul.rows strong").len()), (ROWS, 1));
    assert_eq!(turn(&staff, &two, "prev").await.all("ul.rows strong").len(), ROWS);
    customer.get("/staff/audit").await.is(404);
}
