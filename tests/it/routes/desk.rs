//! What staff run the host from: figures with their trend, one search, the queue, keys, and the parts that pages are made of.

use paddock::account::Scope;
use paddock::ids::{AccountId, OrderId, RunId};

use crate::harness::{Start, TestApp};

async fn keep_figures(app: &TestApp) {
    sqlx::query("select enqueue_job('keep_figures', '{}', 'keep_figures:all', null, null)").execute(app.sql()).await.unwrap();
    app.run_jobs().await;
}

#[tokio::test]
async fn figures_are_kept_by_the_hour_and_shown_with_what_they_were() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    let page = staff.get("/staff").await.is(200).see("Places left 9").not_see("a day ago");
    assert!(page.all("svg.chart").is_empty(), "one value is no trend");
    keep_figures(&app).await;
    keep_figures(&app).await;
    let kept: Vec<(String, i64)> =
        sqlx::query_as("select name, value from figures order by name").fetch_all(app.sql()).await.unwrap();
    assert_eq!(kept.len(), 11, "one of each in an hour: {kept:?}");
    assert!(kept.contains(&("left".to_owned(), 9)) && kept.contains(&("money".to_owned(), 1900)), "{kept:?}");

    app.advance(chrono::TimeDelta::hours(25));
    let staff = app.sign_in_again(&staff).await;
    app.paid(&other_customer, "bees").await;
    let page =
        staff.get("/staff").await.is(200).see("Places left 8 9 a day ago").see("Paid today for new servers €19 €19 a day ago");
    assert_eq!(page.attributes("svg.chart", "aria-label").len(), 11);
    assert!(page.attributes("svg.chart", "aria-label").contains(&"Places left over the last week".to_owned()));

    // After ninety days they are forgotten.
    app.advance(chrono::TimeDelta::days(91));
    sqlx::query("select enqueue_job('tidy', '{}', 'tidy:all', null, null)").execute(app.sql()).await.unwrap();
    app.run_jobs().await;
    assert_eq!(app.rows().await["figures"], 0);
    app.leave_jobs();
}

#[tokio::test]
async fn each_figure_leads_to_what_it_counts() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    let page = staff.get("/staff").await.is(200);
    let leads = page.attributes("dl.figures a", "href");
    assert!(leads.len() >= 11, "{leads:?}");
    for href in leads {
        staff.get(href.split('#').next().unwrap()).await.is(200);
    }
    sqlx::query("update subscriptions set open_invoice_since = $1").bind(app.clock_now()).execute(app.sql()).await.unwrap();
    staff.get("/staff").await.see("Past due 1").not_see("Look: Past due");
    // One of ten, in hundredths of what is promised.
    assert_eq!(page.attributes("meter", "value"), ["10"]);
    assert_eq!(page.attributes("meter", "max"), ["100"]);
}

#[tokio::test]
async fn one_field_finds_everything() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    app.order(&other_customer, "birdsong").await;
    let run = app.ask_run(&customer, &server, &serde_json::json!({"cacheClear": {}})).await;
    let account = customer.who.account();
    let (at_server, at_customer) = (format!("/staff/instances/{}", server.id), format!("/staff/customers/{account}"));
    let one = async |query: &str| -> String {
        sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_one(app.sql()).await.unwrap()
    };
    let subscription = one("select stripe_subscription_id from subscriptions").await;
    let stripes_customer = one("select stripe_customer_id from accounts where stripe_customer_id is not null").await;
    let checkout = one("select checkout_id from orders where state = 'paid'").await;
    let order: uuid::Uuid = sqlx::query_scalar("select id from orders where state = 'paid'").fetch_one(app.sql()).await.unwrap();
    let leads = [
        ("birds.meadow.social".to_owned(), &at_server),
        ("BIRDS.meadow".to_owned(), &at_server),
        ("https://birds.meadow.social/".to_owned(), &at_server),
        (server.id.to_string(), &at_server),
        (run.to_string(), &at_server),
        (OrderId::from(order).to_string(), &at_server),
        (subscription, &at_server),
        (checkout, &at_server),
        (account.to_string(), &at_customer),
        (customer.who.person.unwrap().to_string(), &at_customer),
        (customer.who.email.clone(), &at_customer),
        (stripes_customer, &at_customer),
    ];
    for (text, to) in leads {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", &text).finish();
        staff.get(&format!("/staff/search?{query}")).await.redirects_to(to);
    }
    let page = staff.get("/staff/search?q=birds").await.is(200).see("Found for “birds”");
    assert_eq!(page.all("ul.rows a.name"), ["birds.meadow.social", "birdsong.meadow.social"]);
    for nothing in [AccountId::new().to_string(), RunId::new().to_string(), "sub_1nothing".to_owned(), "irds".to_owned()] {
        staff.get(&format!("/staff/search?q={nothing}")).await.is(200).see("Nothing begins with");
    }
    // The field is on every staff page, and on no other.
    assert_eq!(staff.get("/staff").await.attributes("header form[role=search]", "action"), ["/staff/search"]);
    assert!(customer.get("/instances").await.attributes("header form[role=search]", "action").is_empty());
    app.leave_jobs();
}

#[tokio::test]
async fn the_queue_shows_what_was_given_up_and_gives_all_of_a_kind_their_tries_again() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start().await;
    app.order(&customer, "birds").await;
    app.order(&other_customer, "bees").await;
    let give_up = "update graphile_worker._private_jobs set attempts = max_attempts, last_error = 'the moon'";
    sqlx::query(give_up).execute(app.sql()).await.unwrap();
    let kind = app.jobs().await[0].task.clone();
    let page = staff.get("/staff/queue?show=dead").await.is(200).see("the moon").see(&kind).see("Try all given up again");
    staff.get("/staff/queue?show=failing").await.is(200).not_see("the moon");
    let support = app.staff_with(Scope::Support);
    support.get("/staff/queue").await.is(200).see("the moon").not_see("Try all given up again").not_see("Try again");
    support.post("/staff/queue/retry", &[("task", &kind)]).await.is(403);

    // One by one, and back to where one was.
    let id = app.jobs().await[0].id;
    let answer = staff.submit(&page, &format!("/staff/jobs/{id}/retry"), &[]).await.redirects_to("/staff/queue");
    staff.follow(answer).await.see("all its tries again");
    let dead = app.jobs().await.iter().filter(|job| job.is_dead()).count();
    assert!(dead >= 1);
    let page = staff.get("/staff/queue").await;
    let answer = staff.submit(&page, "/staff/queue/retry", &[("task", &kind)]).await.redirects_to("/staff/queue");
    staff.follow(answer).await.see(&format!("due now: {dead}"));
    assert!(app.jobs().await.iter().all(|job| !job.is_dead() && job.attempts == 0));
    let audited: Vec<(String, String)> = sqlx::query_as(
        "select action, subject from audit_events where action in ('job.retried', 'jobs.retried') and actor_kind = 'staff' order by id",
    )
    .fetch_all(app.sql())
    .await
    .unwrap();
    assert_eq!(audited, [("job.retried".to_owned(), format!("job_{id}")), ("jobs.retried".to_owned(), kind.clone())]);
    for task in [kind.as_str(), "", "no_such_job", "a\u{0}b"] {
        let answer = staff.post("/staff/queue/retry", &[("task", task)]).await.redirects_to("/staff/queue");
        staff.follow(answer).await.see("is given up any more");
    }
    app.run_jobs().await;
}

#[tokio::test]
async fn keys_are_told_on_every_staff_page_and_lead_somewhere() {
    let Start { app: _app, customer, staff, .. } = TestApp::start().await;
    let page = staff.get("/staff/keys").await.is(200).see("while you are not typing in a field");
    let (keys, leads) = (page.attributes("#keys [data-keys]", "data-keys"), page.attributes("#keys [data-keys]", "href"));
    assert!(keys.contains(&"gi".to_owned()) && keys.len() == leads.len(), "{keys:?}");
    let mut once = keys.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), keys.len(), "no two lead from the same letters");
    for path in leads {
        let there = staff.get(&path).await.is(200);
        assert_eq!(there.attributes("#keys", "id").len(), 1, "{path}");
    }
    assert!(customer.get("/instances").await.attributes("#keys", "id").is_empty());
}

#[tokio::test]
async fn the_style_guide_shows_each_part_and_breaks_no_rule_of_its_pages() {
    let Start { app: _app, staff, .. } = TestApp::start().await;
    let page = staff.get("/staff/styleguide").await.is(200);
    let parts = [
        ".swatches",
        ".scale",
        ".button",
        ".button.quiet",
        ".button.alarm",
        ".errors",
        ".field.wrong",
        "textarea",
        "select",
        ".state.failed",
        ".note.failed",
        ".toast",
        ".filter",
        "th[aria-sort]",
        "th a",
        ".pager",
        ".empty",
        ".facts",
        ".steps",
        ".stepper",
        "progress",
        ".figures",
        "svg.chart .line",
        "svg.chart .bar",
        "meter",
        ".skeleton",
        "dialog",
        ".danger",
    ];
    for part in parts {
        assert!(!page.all(part).is_empty(), "{part} is not shown");
    }
    assert!(
        page.attributes("[style]", "style").is_empty() && page.all("style").is_empty(),
        "no style that the policy would refuse"
    );
    let mut ids = page.attributes("[id]", "id");
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is there twice");
    assert!(!page.visible_text().contains("guide-"), "a word is missing: {}", page.visible_text());
}
