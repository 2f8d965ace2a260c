//! Customers change plan, interval and storage packs, and choose the day on which a subscription ends: what they see first is what they pay, a
//! server is never larger or smaller than what is paid for, and nothing is charged twice.

use std::sync::Arc;

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::billing::Standing;
use paddock::billing::jobs::SweepStripe;
use paddock::clock::Clock as _;
use paddock::demo::stripe::{Fault, FaultOrder};
use paddock::ids::InstanceId;
use paddock::instance::{self, Instance, StoredSize, usage};
use paddock::plan::Interval;
use paddock::worker;
use serde_json::{Value, json};

use crate::differences::run;
use crate::ending::newest_order;
use crate::harness::{Capacity, Client, Start, TestApp};
use crate::standing::{intent, pass, subscription};

const GIB: i64 = 1 << 30;

fn path(server: &Instance) -> String {
    format!("/instances/{}/billing", server.id)
}

fn api(server: &Instance) -> String {
    format!("/api/v1{}/change", path(server))
}

async fn size(app: &TestApp, id: InstanceId) -> StoredSize {
    instance::size_of(&mut app.sql().acquire().await.unwrap(), id).await.unwrap()
}

async fn measured(app: &TestApp, id: InstanceId, media_gib: i64, database_gib: i64) {
    let mut conn = app.db.fleet().acquire().await.unwrap();
    usage::note_usage(&mut conn, app.clock.as_ref(), id, media_gib * GIB, database_gib * GIB).await.unwrap();
}

/// Memory that the server's place takes, MiB.
async fn place(app: &TestApp, id: InstanceId) -> i64 {
    sqlx::query_scalar("select memory_mib from places where instance_id = $1 and state = 'confirmed'")
        .bind(id)
        .fetch_one(app.sql())
        .await
        .unwrap()
}

fn footprint(app: &TestApp, plan: &str) -> i64 {
    app.state.catalogue.get(plan).unwrap().size.footprint().memory_mib
}

fn charged(app: &TestApp) -> Vec<i64> {
    app.shop.charges().iter().map(|charge| charge.amount).collect()
}

fn wish(plan: &str, period: &str, packs: u32) -> Value {
    json!({ "plan": plan, "period": period, "packs": packs })
}

/// Looks and confirms, by the API; what was due.
async fn change(customer: &Client, server: &Instance, wish: &Value) -> i64 {
    let preview = customer.api_post(&format!("{}/preview", api(server)), wish).await.is(200).json();
    let confirmed = confirmed(wish, &preview);
    customer.api_post(&api(server), &confirmed).await.is(202);
    preview["due"]["minor"].as_i64().unwrap()
}

fn confirmed(wish: &Value, preview: &Value) -> Value {
    let mut confirmed = wish.clone();
    confirmed["as_of"] = preview["as_of"].clone();
    confirmed["due"] = preview["due"]["minor"].clone();
    confirmed
}

/// The code of a refusal of a look.
async fn refusal(customer: &Client, server: &Instance, wish: &Value) -> Value {
    customer.api_post(&format!("{}/preview", api(server)), wish).await.is(409).json()
}

/// A server of the first plan whose month is half over.
async fn half_over(app: &TestApp, customer: &Client) -> Instance {
    let server = app.running(customer, "birds").await;
    pass(app, TimeDelta::days(15)).await;
    app.find_instance(server.id).await
}

#[tokio::test]
async fn an_upgrade_is_shown_confirmed_charged_and_built() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = half_over(&app, &customer).await;
    let customer = app.sign_in_again(&customer).await;
    let (page, change) = (path(&server), format!("{}/change", path(&server)));
    customer.get(&page).await.see("Change the plan");
    customer.get(&change).await.is(200).see("Town").see("50 GiB for media, for €3 a month");
    customer.get(&format!("{change}/review?plan=nothing&period=month&packs=0")).await.is(422).see("Choose a plan");
    customer.get(&format!("{change}/review?plan=community&period=never&packs=0")).await.is(422).see("how often you want to pay");
    customer.get(&format!("{change}/review?plan=community&period=month&packs=some")).await.is(422).see("whole number");
    customer.get(&format!("{change}/review?plan=family&period=month&packs=0")).await.is(422).see("has that already");
    let shown = customer.get(&format!("{change}/review?plan=community&period=month&packs=0")).await.is(200);
    let shown = shown.see("€19 a month").see("€59 a month").see("For the time that you have paid and don't use");
    let due: i64 = shown.attributes("input[name=due]", "value")[0].parse().unwrap();
    // About half of the difference of €40.
    assert!((1800..2200).contains(&due), "{due}");
    assert_eq!((charged(&app), app.rows().await["changes"]), (vec![1900], 0), "a look changes nothing");

    let answer = customer.submit(&shown, &change, &[]).await.redirects_to(&page);
    customer.follow(answer).await.see("It is noted").see("change that you asked for is on its way").not_see("Change the plan");
    // The room is taken before anybody pays.
    assert_eq!(
        (place(&app, server.id).await, app.find_instance(server.id).await.plan_code),
        (footprint(&app, "community"), "family".into())
    );
    app.run_jobs().await;
    assert_eq!(charged(&app), [1900, due], "what was shown is what is charged");
    let (after, of) = (app.find_instance(server.id).await, subscription(&app, server.id).await);
    assert_eq!((after.plan_code.as_str(), of.price().minor, of.standing), ("community", 5900, Standing::Good));
    assert!(after.generation > server.generation, "the fleet is told");
    let plan = app.state.catalogue.get("community").unwrap().clone();
    assert_eq!(size(&app, server.id).await, StoredSize { size: plan.size, media_gib: 150, packs: 0 });
    customer.get(&page).await.see("Community").see("€59").see("Change the plan").not_see("was not made");
    let trail: Vec<String> = sqlx::query_scalar(
        "select actor_kind || ' ' || action from audit_events where action like 'subscription.change\\__%' or action in ('subscription.change', 'instance.plan') order by id",
    )
    .fetch_all(app.sql())
    .await
    .unwrap();
    assert_eq!(trail, ["person subscription.change", "system instance.plan", "system subscription.change_done"]);
    pass(&app, of.current_period_end - app.clock.now() + TimeDelta::minutes(1)).await;
    assert_eq!(charged(&app), [1900, due, 5900]);
}

#[tokio::test]
async fn a_smaller_plan_is_refused_with_the_numbers_that_do_not_fit() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    change(&customer, &server, &wish("community", "month", 0)).await;
    app.run_jobs().await;
    let down = wish("family", "month", 0);
    assert_eq!(refusal(&customer, &server, &down).await["code"], "unmeasured");
    measured(&app, server.id, 30, 9).await;
    let refused = refusal(&customer, &server, &down).await;
    assert_eq!(refused["code"], "does_not_fit");
    let fields: Vec<&str> = refused["errors"].as_array().unwrap().iter().filter_map(|error| error["field"].as_str()).collect();
    assert_eq!(fields, ["media", "database"]);
    let review = format!("{}/change/review?plan=family&period=month&packs=0", path(&server));
    customer
        .get(&review)
        .await
        .is(422)
        .see("has 30.0 GiB of media, and this has room for 25 GiB")
        .see("database of your server has 9.0 GiB");
    // More room helps with the media alone.
    let refused = refusal(&customer, &server, &wish("family", "month", 1)).await;
    assert_eq!(refused["errors"].as_array().unwrap().len(), 1);

    measured(&app, server.id, 20, 3).await;
    let before = charged(&app);
    let preview = customer.api_post(&format!("{}/preview", api(&server)), &down).await.is(200).json();
    assert_eq!(preview["due"]["minor"], 0);
    let credit = preview["credit_left"]["minor"].as_i64().unwrap();
    assert!(credit > 3000, "{preview}");
    // What is measured between a look and its confirmation counts.
    measured(&app, server.id, 26, 3).await;
    let refused = customer.api_post(&api(&server), &confirmed(&down, &preview)).await.is(409).json();
    assert_eq!(refused["code"], "does_not_fit");
    measured(&app, server.id, 20, 3).await;
    customer.api_post(&api(&server), &confirmed(&down, &preview)).await.is(202);
    app.run_jobs().await;
    assert_eq!(charged(&app), before, "nothing is charged");
    let smaller = size(&app, server.id).await;
    assert_eq!(
        (smaller.media_gib, smaller.size.database.memory_mib, smaller.size.database.storage_gib),
        (25, 512, 40),
        "disks never shrink"
    );
    assert_eq!(place(&app, server.id).await, footprint(&app, "family"));
    let end = subscription(&app, server.id).await.current_period_end;
    pass(&app, end - app.clock.now() + TimeDelta::minutes(1)).await;
    assert_eq!(charged(&app).iter().skip(before.len()).sum::<i64>(), (1900 - credit).max(0), "and the credit is set off");
}

#[tokio::test]
async fn a_year_and_storage_packs_are_had_and_given_back() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = half_over(&app, &customer).await;
    let customer = app.sign_in_again(&customer).await;
    assert_eq!(refusal(&customer, &server, &wish("family", "month", 41)).await["code"], "too_many_packs");
    let due = change(&customer, &server, &wish("family", "month", 2)).await;
    app.run_jobs().await;
    let of = subscription(&app, server.id).await;
    assert_eq!((of.packs, of.price().minor, size(&app, server.id).await.media_gib), (2, 2500, 125));
    assert_eq!(charged(&app), [1900, due]);
    let shown = customer.api_get(&format!("/api/v1{}", path(&server))).await.is(200).json();
    assert_eq!((&shown["packs"], &shown["change"]["state"]), (&json!(2), &json!("done")));
    customer.get(&path(&server)).await.see("Storage packs");

    let due = change(&customer, &server, &wish("family", "year", 2)).await;
    app.run_jobs().await;
    let of = subscription(&app, server.id).await;
    assert_eq!((of.billing_interval, of.price().minor, of.packs), (Interval::Year, 19_000 + 2 * 3000, 2));
    assert!(of.current_period_end - app.clock.now() > TimeDelta::days(364), "a year begins");
    let last = *charged(&app).last().unwrap();
    assert!((last - due).abs() <= 3, "{last} {due}");
    // Fewer packs need to be known to be enough; the plan keeps its price.
    assert_eq!(refusal(&customer, &server, &wish("family", "year", 0)).await["code"], "unmeasured");
    measured(&app, server.id, 20, 1).await;
    assert_eq!(change(&customer, &server, &wish("family", "year", 0)).await, 0);
    app.run_jobs().await;
    let of = subscription(&app, server.id).await;
    assert_eq!((of.packs, of.price().minor, size(&app, server.id).await.media_gib), (0, 19_000, 25));
    // And every row is as Stripe has it.
    run(&app, &SweepStripe {}).await;
    assert_eq!(app.rows().await["differences"], 0);
}

#[tokio::test]
async fn a_card_that_does_not_pay_changes_nothing_and_the_page_says_so() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let account = customer.who.account();
    let known = paddock::billing::customer_of(&mut app.sql().acquire().await.unwrap(), account).await.unwrap().unwrap();
    app.shop.set_card(&known, "4000000000000002").unwrap();
    change(&customer, &server, &wish("community", "month", 0)).await;
    app.run_jobs().await;
    let of = subscription(&app, server.id).await;
    assert_eq!((charged(&app), of.price().minor, of.standing), (vec![1900], 1900, Standing::Good));
    assert_eq!(
        (app.find_instance(server.id).await.plan_code.as_str(), place(&app, server.id).await),
        ("family", footprint(&app, "family"))
    );
    customer.get(&path(&server)).await.see("your card was not charged").see("Change the plan");
    let shown = customer.api_get(&format!("/api/v1{}", path(&server))).await.json();
    assert_eq!((&shown["change"]["state"], &shown["change"]["why"]), (&json!("void"), &json!("declined")));
    app.advance(TimeDelta::days(8));
    app.sign_in_again(&customer).await.get(&path(&server)).await.not_see("your card was not charged");
    app.leave_jobs();
}

#[tokio::test]
async fn nobody_pays_for_room_that_is_not_there() {
    let Start { app, customer, .. } = TestApp::start_with(Capacity(2)).await;
    let server = app.running(&customer, "birds").await;
    // A plan that needs more than is left; one that needs nothing more is had.
    assert_eq!(refusal(&customer, &server, &wish("town", "month", 0)).await["code"], "no_room");
    let review = format!("{}/change/review?plan=town&period=month&packs=0", path(&server));
    customer.get(&review).await.is(422).see("There is no room for this where your server runs");
    let preview = customer.api_post(&format!("{}/preview", api(&server)), &wish("family", "month", 1)).await.is(200).json();
    let mut other = confirmed(&wish("town", "month", 0), &preview);
    assert_eq!(customer.api_post(&api(&server), &other).await.is(409).json()["code"], "no_room");
    assert_eq!((app.rows().await["changes"], charged(&app)), (0, vec![1900]));
    other = confirmed(&wish("family", "month", 1), &preview);
    customer.api_post(&api(&server), &other).await.is(202);
    app.run_jobs().await;
    assert_eq!(size(&app, server.id).await.packs, 1);
}

#[tokio::test]
async fn what_was_shown_long_ago_or_never_is_looked_at_again() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let up = wish("community", "month", 0);
    let preview = customer.api_post(&format!("{}/preview", api(&server)), &up).await.is(200).json();
    app.advance(TimeDelta::minutes(31));
    let stale = customer.api_post(&api(&server), &confirmed(&up, &preview)).await.is(409).json();
    assert_eq!(stale["code"], "stale");
    let mut ahead = confirmed(&up, &preview);
    ahead["as_of"] = json!(app.clock.now() + TimeDelta::days(20));
    assert_eq!(customer.api_post(&api(&server), &ahead).await.is(409).json()["code"], "stale");
    let change = format!("{}/change", path(&server));
    let form = [("plan", "community"), ("period", "month"), ("packs", "0"), ("as_of", "now"), ("due", "1")];
    let answer = customer.post(&change, &form).await.redirects_to(&change);
    customer.follow(answer).await.see("too long ago");
    assert_eq!(app.rows().await["changes"], 0);
    // Less than it costs is not charged for more: the change is given up.
    let preview = customer.api_post(&format!("{}/preview", api(&server)), &up).await.is(200).json();
    let mut less = confirmed(&up, &preview);
    less["due"] = json!(1);
    customer.api_post(&api(&server), &less).await.is(202);
    app.run_jobs().await;
    assert_eq!((charged(&app), app.find_instance(server.id).await.plan_code.as_str()), (vec![1900], "family"));
    customer.get(&path(&server)).await.see("would have cost more than you saw");
}

#[tokio::test]
async fn whatever_is_lost_on_the_way_to_stripe_it_is_one_change_and_one_charge() {
    for (fault, request) in [
        (Fault::LostAnswer, "POST /v1/subscriptions"),
        (Fault::Unavailable, "POST /v1/subscriptions"),
        (Fault::RateLimited, "POST /v1/subscriptions"),
        (Fault::Unavailable, "POST /v1/invoices/create_preview"),
        (Fault::LostAnswer, "POST /v1/invoices/create_preview"),
        (Fault::Unavailable, "GET /v1/subscriptions"),
        (Fault::Unavailable, "GET /v1/invoices"),
    ] {
        let Start { app, customer, .. } = TestApp::start().await;
        let server = app.running(&customer, "birds").await;
        let due = change(&customer, &server, &wish("community", "month", 0)).await;
        app.shop.fault(FaultOrder { fault: fault.clone(), request: request.to_owned() });
        worker::run_once(Arc::clone(&app.deps)).await.unwrap();
        app.advance(TimeDelta::hours(1));
        app.run_jobs().await;
        let of = subscription(&app, server.id).await;
        assert_eq!((charged(&app), of.price().minor), (vec![1900, due], 5900), "{fault:?} {request}");
        assert_eq!(app.find_instance(server.id).await.plan_code, "community", "{fault:?} {request}");
        assert_eq!(place(&app, server.id).await, footprint(&app, "community"));
        // The job once more: it is over.
        let again = "select enqueue_job('carry_change', json_build_object('change', $1::text, 'subscription', $2::text), 'again', null, null)";
        let id = customer.api_get(&format!("/api/v1{}", path(&server))).await.json()["change"]["id"].as_str().unwrap().to_owned();
        sqlx::query(again).bind(id).bind(of.id.to_string()).execute(app.sql()).await.unwrap();
        app.run_jobs().await;
        assert_eq!(charged(&app).len(), 2);
    }
}

#[tokio::test]
async fn one_thing_at_a_time_is_on_its_way_and_those_who_may_not_do_not() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let up = wish("community", "month", 0);
    let preview = customer.api_post(&format!("{}/preview", api(&server)), &up).await.is(200).json();
    let (to, up_confirmed) = (api(&server), confirmed(&up, &preview));
    let (one, two) = futures::join!(customer.api_post(&to, &up_confirmed), customer.api_post(&to, &up_confirmed));
    let mut answers = [one.status.as_u16(), two.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [202, 409]);
    assert_eq!(customer.api_post(&to, &up_confirmed).await.is(409).json()["code"], "busy");
    let end = format!("/api/v1{}/end", path(&server));
    assert_eq!(customer.api_post(&end, &json!({ "when": "period" })).await.is(409).json()["code"], "busy");
    customer.get(&format!("{}/end", path(&server))).await.redirects_to(&path(&server));
    app.run_jobs().await;
    customer.api_post(&end, &json!({ "when": "period" })).await.is(202);
    assert_eq!(refusal(&customer, &server, &wish("town", "month", 0)).await["code"], "busy");
    app.run_jobs().await;
    assert_eq!(refusal(&customer, &server, &wish("town", "month", 0)).await["code"], "not_now");
    customer.get(&path(&server)).await.not_see("Change the plan");

    let [viewer, payer] = app.members();
    for client in [&viewer, &payer] {
        client.get(&format!("{}/change", path(&server))).await.is(403);
        client.post(&format!("{}/change", path(&server)), &[]).await.is(403);
        client.api_post(&api(&server), &confirmed(&up, &preview)).await.is(403);
    }
    other_customer.api_post(&format!("{}/preview", api(&server)), &up).await.is(404);
    // A server that does not run is not made larger.
    let foxes = app.running(&other_customer, "foxes").await;
    let staff = format!("/staff/instances/{}", foxes.id);
    app.staff_with(Scope::Operations).post(&format!("{staff}/pause"), &[("reason", "staff")]).await.redirects_to(&staff);
    assert_eq!(refusal(&other_customer, &foxes, &up).await["code"], "held");
}

#[tokio::test]
async fn a_server_that_came_back_keeps_its_packs_and_pays_for_them_once() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    change(&customer, &server, &wish("family", "month", 2)).await;
    app.run_jobs().await;
    customer.api_post(&format!("/api/v1{}/end", path(&server)), &json!({ "when": "now" })).await.is(202);
    app.run_jobs().await;
    customer.api_post(&format!("/api/v1{}/again", path(&server)), &json!({})).await.is(200);
    let order = newest_order(&app).await;
    assert_eq!(order.price().minor, 2500);
    app.shop.pay_well(order.checkout_id.as_ref().unwrap());
    app.run_jobs().await;
    let of = subscription(&app, server.id).await;
    assert_eq!((of.price().minor, of.packs, size(&app, server.id).await.packs), (2500, 0, 2));
    assert_eq!(intent(&app, server.id).await.1, "paid");
    // The next change takes them apart: the plan at its price, and the packs at theirs.
    change(&customer, &server, &wish("family", "month", 3)).await;
    app.run_jobs().await;
    let of = subscription(&app, server.id).await;
    assert_eq!((of.price().minor, of.packs, size(&app, server.id).await.media_gib), (1900 + 3 * 300, 3, 175));
}

#[tokio::test]
async fn a_subscription_ends_with_the_day_that_its_customer_chose() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let (page, end) = (path(&server), format!("{}/end", path(&server)));
    let form = customer.get(&end).await.is(200).see("With a day of your choice");
    for wrong in ["", "soon", "2020-01-01", "2199-01-01"] {
        customer.submit(&form, &end, &[("when", "date"), ("date", wrong)]).await.is(422).see("at most two years ahead");
    }
    let day = (app.clock.now() + TimeDelta::days(40)).date_naive();
    customer.submit(&form, &end, &[("when", "date"), ("date", &day.to_string())]).await.redirects_to(&page);
    app.run_jobs().await;
    let at = day.and_hms_opt(23, 59, 59).unwrap().and_utc();
    assert_eq!(subscription(&app, server.id).await.cancel_at, Some(at));
    assert!(app.mail_to(&customer.who.email).subject.contains("ends"));
    // It is taken back as any other end.
    let shown = customer.get(&page).await.see("set to end").see("Keep the subscription");
    customer.submit(&shown, &format!("{page}/go-on"), &[]).await.redirects_to(&page);
    app.run_jobs().await;
    assert_eq!(subscription(&app, server.id).await.cancel_at, None);

    let end = format!("/api/v1{page}/end");
    customer.api_post(&end, &json!({ "when": "date" })).await.is(400);
    customer.api_post(&end, &json!({ "when": "now", "on": day })).await.is(400);
    let noted = customer.api_post(&end, &json!({ "when": "date", "on": day })).await.is(202).json();
    assert_eq!(noted["wish"], "end_on");
    app.run_jobs().await;
    pass(&app, at - app.clock.now() - TimeDelta::minutes(1)).await;
    assert_eq!(
        (intent(&app, server.id).await.0, charged(&app).len()),
        (instance::Intent::Running, 2),
        "until then it is paid as before"
    );
    pass(&app, TimeDelta::minutes(2)).await;
    assert_eq!(intent(&app, server.id).await, (instance::Intent::Archived, "over".to_owned()));
    assert_eq!(charged(&app).len(), 2);
}
