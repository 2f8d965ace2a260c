//! Whole histories of who does not pay, and of who ends a subscription: real rows, real jobs and mails, Stripe's fake, days that pass.

use std::sync::Arc;

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::billing::{self, Standing, Subscription};
use paddock::clock::Clock as _;
use paddock::demo::stripe::{Fault, FaultOrder, Policy, Rule};
use paddock::ids::InstanceId;
use paddock::instance::{self, Instance, Intent};
use paddock::resource::StepName;
use paddock::worker;

use crate::harness::{Client, Start, TestApp};

const FAILS_LATER: &str = "4000 0000 0000 0341";
const GOOD: &str = "4242 4242 4242 4242";

/// A running server whose card pays once.
pub async fn paid_once(app: &TestApp, customer: &Client, name: &str) -> Instance {
    let order = app.order(customer, name).await;
    app.shop_pays_with(customer, &order, FAILS_LATER).await;
    app.run_jobs().await;
    app.observe(order.instance_id, &app.status(&StepName::ALL)).await;
    app.run_jobs().await;
    app.find_instance(order.instance_id).await
}

pub async fn subscription(app: &TestApp, id: InstanceId) -> Subscription {
    billing::find_subscription(&mut app.sql().acquire().await.unwrap(), id).await.unwrap().unwrap()
}

pub async fn intent(app: &TestApp, id: InstanceId) -> (Intent, String) {
    let instance = app.find_instance(id).await;
    (instance.intent, instance.intent_reason.unwrap_or_default())
}

/// Time passes at Stripe and here, and what the schedule looks for is done.
pub async fn pass(app: &TestApp, by: TimeDelta) {
    app.advance(by);
    review(app).await;
    app.run_jobs().await;
}

pub async fn review(app: &TestApp) {
    // The fake's own clock looks only now and then.
    app.shop.state();
    app.shop.webhooks_arrived().await;
    let review = "select enqueue_job('review_standings', '{}', 'review_standings:all', null, null)";
    sqlx::query(review).execute(app.sql()).await.unwrap();
}

/// A minute after the first renewal was declined.
pub async fn decline(app: &TestApp, id: InstanceId) {
    let end = subscription(app, id).await.current_period_end;
    pass(app, end - app.clock.now() + TimeDelta::minutes(1)).await;
}

/// Puts a good card on file in Stripe's portal, which pays what is open.
async fn pay(app: &TestApp, customer: &Client) {
    let account = customer.who.account();
    let known = billing::customer_of(&mut app.sql().acquire().await.unwrap(), account).await.unwrap().unwrap();
    let portal = app.deps.stripe.portal_url(&known, "http://127.0.0.1:1/back").await.unwrap();
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let card = [("act", "card"), ("number", GOOD), ("expiry", "12/34"), ("cvc", "123")];
    assert_eq!(http.post(portal).form(&card).send().await.unwrap().status(), 303);
    app.run_jobs().await;
}

/// Subjects of the mails to a customer after the first `before`.
pub fn subjects(app: &TestApp, customer: &Client, before: usize) -> Vec<String> {
    app.mails_to(&customer.who.email).into_iter().skip(before).map(|letter| letter.subject).collect()
}

async fn standings(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar("select detail->>'to' from audit_events where action = 'subscription.standing' order by id")
        .fetch_all(app.sql())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_declined_renewal_is_told_four_times_then_the_server_is_paused_and_a_payment_lets_it_run() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = paid_once(&app, &customer, "birds").await;
    let before = app.mails_to(&customer.who.email).len();
    decline(&app, server.id).await;
    let mut told = vec![subjects(&app, &customer, before).len()];
    for _ in 1..14 {
        pass(&app, TimeDelta::days(1)).await;
        told.push(subjects(&app, &customer, before).len());
        assert_eq!(intent(&app, server.id).await.0, Intent::Running);
    }
    assert_eq!(told, [1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4], "on the days 0, 3, 7 and 12");
    assert!(subjects(&app, &customer, before).iter().all(|subject| subject.contains("did not go through")));
    let standing = subscription(&app, server.id).await;
    assert_eq!(
        (standing.standing, standing.standing_until),
        (Standing::Grace, standing.owed_since.map(|at| at + TimeDelta::days(14)))
    );

    pass(&app, TimeDelta::days(1)).await;
    assert_eq!(intent(&app, server.id).await, (Intent::Suspended, "unpaid".to_owned()));
    assert!(app.mail_to(&customer.who.email).subject.contains("is paused"));
    // Everything is done once, however often it is looked at.
    let (mails, generation) = (app.mails_to(&customer.who.email).len(), app.find_instance(server.id).await.generation);
    pass(&app, TimeDelta::minutes(5)).await;
    pass(&app, TimeDelta::days(2)).await;
    assert_eq!((app.mails_to(&customer.who.email).len(), app.find_instance(server.id).await.generation), (mails, generation));

    pay(&app, &customer).await;
    assert_eq!(intent(&app, server.id).await, (Intent::Running, "paid".to_owned()));
    assert!(app.mail_to(&customer.who.email).text.contains("it runs again"));
    assert_eq!(standings(&app).await, ["grace", "suspended", "good"]);
    assert_eq!(app.shop.charges().len(), 2, "the first month and the second, each once");
    // The next month is another matter: nothing of the old one counts.
    let now = subscription(&app, server.id).await;
    assert_eq!((now.standing, now.owed_since, now.standing_until), (Standing::Good, None, None));
}

#[tokio::test]
async fn who_pays_in_time_is_thanked_and_never_paused() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = paid_once(&app, &customer, "birds").await;
    decline(&app, server.id).await;
    pass(&app, TimeDelta::days(9)).await;
    let generation = app.find_instance(server.id).await.generation;
    pay(&app, &customer).await;
    assert!(app.mail_to(&customer.who.email).subject.contains("has come"));
    pass(&app, TimeDelta::days(15)).await;
    assert_eq!(app.find_instance(server.id).await.generation, generation);
    assert_eq!(standings(&app).await, ["grace", "good"]);
}

#[tokio::test]
async fn a_payment_alone_does_not_let_run_what_was_stopped_for_abuse() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = paid_once(&app, &customer, "birds").await;
    decline(&app, server.id).await;
    let page = format!("/staff/instances/{}", server.id);
    let operations = app.sign_in_again(&app.staff_with(Scope::Operations)).await;
    operations.post(&format!("{page}/pause"), &[("reason", "abuse")]).await.redirects_to(&page);
    pass(&app, TimeDelta::days(14)).await;
    let mut conn = app.sql().acquire().await.unwrap();
    let holds = instance::list_holds(&mut conn, server.id).await.unwrap();
    assert_eq!(holds.iter().map(|row| row.reason.as_str()).collect::<Vec<_>>(), ["abuse", "unpaid"]);
    // A question that is settled does not pay either.
    let operations = app.sign_in_again(&operations).await;
    pay(&app, &customer).await;
    assert_eq!(intent(&app, server.id).await, (Intent::Suspended, "abuse".to_owned()));
    assert!(app.mail_to(&customer.who.email).text.contains("another reason"));
    let shown = operations.get(&page).await.see("Let it run again");
    operations.submit(&shown, &format!("{page}/resume"), &[]).await.redirects_to(&page);
    assert_eq!(intent(&app, server.id).await.0, Intent::Running);
}

#[tokio::test]
async fn what_staff_lift_does_not_let_run_what_is_not_paid() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = paid_once(&app, &customer, "birds").await;
    decline(&app, server.id).await;
    pass(&app, TimeDelta::days(14)).await;
    let page = format!("/staff/instances/{}", server.id);
    let operations = app.sign_in_again(&app.staff_with(Scope::Operations)).await;
    operations.post(&format!("{page}/pause"), &[("reason", "staff")]).await.redirects_to(&page);
    operations.post(&format!("{page}/resume"), &[]).await.redirects_to(&page);
    assert_eq!(intent(&app, server.id).await, (Intent::Suspended, "unpaid".to_owned()));
    let answer = operations.post(&format!("{page}/resume"), &[("reason", "unpaid")]).await.redirects_to(&page);
    operations.follow(answer).await.see("Nothing was changed");
    assert_eq!(intent(&app, server.id).await, (Intent::Suspended, "unpaid".to_owned()));
}

#[tokio::test]
async fn nobody_is_paused_by_what_we_only_remember() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = paid_once(&app, &customer, "birds").await;
    decline(&app, server.id).await;
    pass(&app, TimeDelta::days(13)).await;
    // No webhook causes a second look at the same time.
    app.shop.set_policy(Policy { rule: Rule::Drop, ..Policy::default() });
    app.advance(TimeDelta::days(1));
    review(&app).await;
    // However often it is tried: a slow machine is at it when the first pause is over.
    for _ in 0..20 {
        app.shop.fault(FaultOrder { fault: Fault::Unavailable, request: "GET /v1/subscriptions".to_owned() });
    }
    // Twice: the first may look for more before the review has asked for it.
    for _ in 0..2 {
        worker::run_once(Arc::clone(&app.deps)).await.unwrap();
    }
    app.shop.no_more_faults();
    let failed: Vec<_> = app.jobs().await.into_iter().filter(|job| job.last_error.is_some()).collect();
    assert_eq!(failed.iter().map(|job| job.task.as_str()).collect::<Vec<_>>(), ["sync_subscription"]);
    assert_eq!(intent(&app, server.id).await.0, Intent::Running, "Stripe did not say that it is unpaid");
    app.run_jobs().await;
    assert_eq!(intent(&app, server.id).await.0, Intent::Suspended);
}

#[tokio::test]
async fn staff_give_time_with_a_reason_and_the_server_runs_until_then() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = paid_once(&app, &customer, "birds").await;
    let extend = format!("/staff/instances/{}/extend", server.id);
    let page = format!("/staff/instances/{}", server.id);
    let money = app.sign_in_again(&app.staff_with(Scope::Billing)).await;
    money.get(&extend).await.is(200).see("Nothing is asked of this customer");
    money.post(&extend, &[("days", "5"), ("reason", "is in hospital")]).await.is(422).see("Nothing is asked");
    decline(&app, server.id).await;
    pass(&app, TimeDelta::days(14)).await;
    assert_eq!(intent(&app, server.id).await.0, Intent::Suspended);

    let money = app.sign_in_again(&money).await;
    let form = money.get(&extend).await.is(200).see("Not paid, paused");
    money.submit(&form, &extend, &[("days", "0"), ("reason", "is in hospital")]).await.is(422).see("from 1 to 365");
    money.submit(&form, &extend, &[("days", "10"), ("reason", "x")]).await.is(422).see("3 to 200");
    let operations = app.sign_in_again(&app.staff_with(Scope::Operations)).await;
    operations.post(&extend, &[("days", "10"), ("reason", "is in hospital")]).await.is(403);
    let answer = money.submit(&form, &extend, &[("days", "10"), ("reason", "is in hospital")]).await.redirects_to(&page);
    money.follow(answer).await.see("The time is given");
    app.run_jobs().await;
    assert_eq!(intent(&app, server.id).await.0, Intent::Running);
    money.get(&extend).await.see("is in hospital").see("Payment due");
    let by: String = sqlx::query_scalar("select actor_id from audit_events where action = 'subscription.extended'")
        .fetch_one(app.sql())
        .await
        .unwrap();
    assert_eq!(by, money.who.staff.unwrap().to_string());

    pass(&app, TimeDelta::days(9)).await;
    assert_eq!(intent(&app, server.id).await.0, Intent::Running);
    pass(&app, TimeDelta::days(1)).await;
    assert_eq!(intent(&app, server.id).await, (Intent::Suspended, "unpaid".to_owned()));
    let paused = subjects(&app, &customer, 0).into_iter().filter(|subject| subject.contains("is paused")).count();
    assert_eq!(paused, 2, "the second pause is told as well");
}

#[tokio::test]
async fn an_end_waits_for_two_mails_and_a_proven_archive_and_nothing_is_destroyed() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = paid_once(&app, &customer, "birds").await;
    decline(&app, server.id).await;
    for _ in 0..70 {
        pass(&app, TimeDelta::days(1)).await;
    }
    let standing = subscription(&app, server.id).await;
    assert_eq!(standing.standing, Standing::Ending, "no archive is proven");
    let ending = subjects(&app, &customer, 0).into_iter().filter(|subject| subject.contains("has stopped")).count();
    assert_eq!(ending, 2);
    assert_eq!(intent(&app, server.id).await, (Intent::Suspended, "unpaid".to_owned()));

    // One of before the stop proves nothing of what came after it.
    let prove = async |days: i64| {
        let at = standing.owed_since.unwrap() + TimeDelta::days(days);
        let prove = sqlx::query("update instances set archive_proven_at = $2 where id = $1").bind(server.id).bind(at);
        prove.execute(app.sql()).await.unwrap();
    };
    prove(20).await;
    pass(&app, TimeDelta::days(1)).await;
    assert_eq!(subscription(&app, server.id).await.standing, Standing::Ending);
    prove(40).await;
    pass(&app, TimeDelta::days(1)).await;
    assert_eq!(subscription(&app, server.id).await.standing, Standing::Ended);
    assert_eq!(intent(&app, server.id).await, (Intent::Archived, "over".to_owned()));

    // Kept until somebody who may do so removes it on purpose; staff have to end it first.
    let staff = app.sign_in_again(&app.staff_with(Scope::Admin)).await;
    let removal = format!("/staff/instances/{}/removal", server.id);
    staff.post(&removal, &[("reason", "It has been unpaid for months.")]).await.is(422).see("Only a server that has ended");
    let row = app.find_instance(server.id).await;
    assert_eq!(row.released_at, None);
    assert_eq!(app.rows().await["places"], 1);
    assert_eq!(standings(&app).await, ["grace", "suspended", "ending", "ended"]);

    // And even then a payment brings it back.
    pay(&app, &customer).await;
    assert_eq!(intent(&app, server.id).await, (Intent::Running, "paid".to_owned()));
    assert_eq!(subscription(&app, server.id).await.standing, Standing::Good);
}

#[tokio::test]
async fn what_is_learnt_weeks_late_is_told_first() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = paid_once(&app, &customer, "birds").await;
    let before = app.mails_to(&customer.who.email).len();
    // No webhook comes, and nobody looks.
    app.shop.set_webhook_url(None);
    let end = subscription(&app, server.id).await.current_period_end;
    app.advance(end - app.clock.now() + TimeDelta::days(20));
    sqlx::query("select enqueue_job('sweep_stripe', '{}', 'sweep_stripe:all', null, null)").execute(app.sql()).await.unwrap();
    app.run_jobs().await;
    assert_eq!(subjects(&app, &customer, before).len(), 1);
    assert_eq!(intent(&app, server.id).await.0, Intent::Running);
    pass(&app, TimeDelta::days(2)).await;
    assert_eq!(intent(&app, server.id).await.0, Intent::Running);
    pass(&app, TimeDelta::days(1)).await;
    assert_eq!(intent(&app, server.id).await.0, Intent::Suspended, "three days after the mail");
}
