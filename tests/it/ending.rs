//! Customers end a subscription, take that back, and take a server up again while it is kept.

use std::sync::Arc;

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::billing::stripe::{RemoteStatus, RemoteSubscription};
use paddock::billing::{self, Order, Remote, Standing, SyncError};
use paddock::clock::Clock as _;
use paddock::db::slice;
use paddock::demo::stripe::{Fault, FaultOrder};
use paddock::desk;
use paddock::instance::{Instance, Intent};
use paddock::worker;
use serde_json::json;

use crate::harness::{Client, Start, TestApp};
use crate::standing::{intent, pass, subjects, subscription};

fn path(instance: &Instance) -> String {
    format!("/instances/{}/billing", instance.id)
}

pub async fn newest_order(app: &TestApp) -> Order {
    let mut conn = app.sql().acquire().await.unwrap();
    desk::orders::list(&mut conn, desk::orders::Show::All, slice::Start::Top).await.unwrap().rows.remove(0)
}

/// Ends it with what is paid for, by the page, and lets that time come.
async fn ended(app: &TestApp, customer: &Client, name: &str) -> Instance {
    let customer = &app.sign_in_again(customer).await;
    let server = app.running(customer, name).await;
    let end = format!("{}/end", path(&server));
    let form = customer.get(&end).await.is(200);
    customer.submit(&form, &end, &[("when", "period")]).await.redirects_to(&path(&server));
    app.run_jobs().await;
    let until = subscription(app, server.id).await.cancel_at.unwrap();
    pass(app, until - app.clock.now() + TimeDelta::minutes(1)).await;
    assert_eq!(intent(app, server.id).await, (Intent::Archived, "over".to_owned()));
    server
}

#[tokio::test]
async fn a_subscription_ends_with_its_period_unless_its_customer_takes_that_back() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let server = app.running(&customer, "birds").await;
    let (page, end) = (path(&server), format!("{}/end", path(&server)));
    customer.get(&format!("/instances/{}", server.id)).await.see("Subscription");
    customer.get(&page).await.is(200).see("Paid").see("End the subscription").not_see("Keep the subscription");
    let form = customer.get(&end).await.is(200).see("when what you paid for is over").see("not paid back");
    customer.submit(&form, &end, &[]).await.is(422).see("Choose when it ends");
    let answer = customer.submit(&form, &end, &[("when", "period")]).await.redirects_to(&page);
    // It is kept before Stripe knows of it, and says so.
    customer.follow(answer).await.see("It is noted").see("on its way to the payment company").not_see("Keep the subscription");
    let answer = customer.post(&format!("{page}/go-on"), &[]).await.redirects_to(&page);
    customer.follow(answer).await.see("still on its way");
    app.run_jobs().await;
    let set = subscription(&app, server.id).await;
    assert_eq!((set.cancel_at, set.wish, set.standing), (Some(set.current_period_end), None, Standing::Good));
    assert!(app.mail_to(&customer.who.email).subject.contains("ends"));
    let shown = customer.get(&page).await.see("set to end").see("Ends on").see("kept until");

    customer.submit(&shown, &format!("{page}/go-on"), &[]).await.redirects_to(&page);
    app.run_jobs().await;
    customer.get(&page).await.not_see("set to end").see("Next invoice");
    assert_eq!(subscription(&app, server.id).await.cancel_at, None);
    pass(&app, set.current_period_end - app.clock.now() + TimeDelta::minutes(1)).await;
    assert_eq!(intent(&app, server.id).await.0, Intent::Running);
    assert_eq!(app.shop.charges().len(), 2, "it goes on");
    let trail: Vec<String> =
        sqlx::query_scalar("select action || ' ' || (detail->>'wish') from audit_events where action like '%.wish%' order by id")
            .fetch_all(app.sql())
            .await
            .unwrap();
    let expected = ["wish end_with_period", "wish_done end_with_period", "wish go_on", "wish_done go_on"];
    assert_eq!(trail, expected.map(|step| format!("subscription.{step}")));
}

#[tokio::test]
async fn what_is_over_is_kept_and_can_be_taken_up_again_for_one_charge() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = ended(&app, &customer, "birds").await;
    let before = subscription(&app, server.id).await;
    assert_eq!((before.status, before.standing), (RemoteStatus::Canceled, Standing::Ending));
    assert_eq!(before.standing_until, before.ended_at.map(|at| at + TimeDelta::days(30)));
    assert_eq!(subjects(&app, &customer, 0).iter().filter(|subject| subject.contains("has stopped")).count(), 1);
    assert_eq!(app.shop.charges().len(), 1);

    let customer = app.sign_in_again(&customer).await;
    let page = customer.get(&path(&server)).await.see("Ending").see("take it up again as it was");
    let payment = customer.submit(&page, &format!("{}/again", path(&server)), &[]).await.is(303).location();
    let order = newest_order(&app).await;
    // Pressed twice it is the same order, on the same page.
    assert_eq!(customer.post(&format!("{}/again", path(&server)), &[]).await.is(303).location(), payment);
    customer.get(&path(&server)).await.see("Go on with the payment").not_see("Take it up again");
    assert_eq!((order.instance_id, order.price()), (server.id, before.price()));

    app.shop.pay_well(order.checkout_id.as_ref().unwrap());
    app.run_jobs().await;
    assert_eq!(intent(&app, server.id).await, (Intent::Running, "paid".to_owned()));
    let after = subscription(&app, server.id).await;
    assert_eq!((after.id, after.standing, after.status), (before.id, Standing::Good, RemoteStatus::Active));
    assert_ne!(after.stripe_subscription_id, before.stripe_subscription_id);
    let rows = app.rows().await;
    assert_eq!((rows["instances"], rows["places"], rows["orders"], rows["subscriptions"], rows["holds"]), (1, 1, 2, 1, 0));
    assert_eq!(app.shop.charges().len(), 2, "the first month, and the one it came back for");

    // What Stripe says late of the old one changes nothing.
    let late = json!({ "subscription": before.stripe_subscription_id });
    let enqueue = "select enqueue_job('sync_subscription', $1::json, 'sync_subscription:late', null, null)";
    sqlx::query(enqueue).bind(late).execute(app.sql()).await.unwrap();
    app.run_jobs().await;
    assert_eq!(subscription(&app, server.id).await.stripe_subscription_id, after.stripe_subscription_id);
    assert_eq!(intent(&app, server.id).await.0, Intent::Running);
}

#[tokio::test]
async fn who_does_not_pay_for_the_way_back_loses_nothing_by_it() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let server = ended(&app, &customer, "birds").await;
    let customer = app.sign_in_again(&customer).await;
    let page = customer.get(&path(&server)).await;
    customer.submit(&page, &format!("{}/again", path(&server)), &[]).await.is(303);
    let order = newest_order(&app).await;
    let mails = app.mails_to(&customer.who.email).len();
    app.advance(TimeDelta::minutes(62));
    app.run_jobs().await;
    assert_eq!(app.find_order(order.id).await.state, billing::OrderState::Expired);
    assert_eq!(app.find_instance(server.id).await.released_at, None);
    assert_eq!(app.mails_to(&customer.who.email).len(), mails, "nothing was given back");
    customer.get(&format!("/orders/{}", order.id)).await.redirects_to(&path(&server));
    customer.get(&path(&server)).await.see("Take it up again");
    // Nobody else gets the address meanwhile.
    assert!(app.try_order(&other_customer, "birds").await.is_err());
}

#[tokio::test]
async fn what_staff_have_stopped_is_not_sold_again() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let server = app.running(&customer, "birds").await;
    let staff = format!("/staff/instances/{}", server.id);
    app.staff_with(Scope::Operations).post(&format!("{staff}/pause"), &[("reason", "abuse")]).await.redirects_to(&staff);
    let billing = format!("/api/v1{}", path(&server));
    let noted = customer.api_post(&format!("{billing}/end"), &json!({ "when": "now" })).await.is(202).json();
    assert_eq!(noted["wish"], "end_now");
    app.run_jobs().await;
    let shown = customer.api_get(&billing).await.is(200).json();
    assert_eq!((&shown["standing"], &shown["held_for"]), (&json!("ending"), &json!(["abuse", "over"])));
    let refused = customer.api_post(&format!("{billing}/again"), &json!({})).await.is(409).json();
    assert_eq!(refused["code"], "held");
    customer.get(&path(&server)).await.see("for another reason as well").see("Abuse").not_see("Take it up again");
    let answer = customer.post(&format!("{}/again", path(&server)), &[]).await.redirects_to(&path(&server));
    customer.follow(answer).await.see("Write to us before you pay");
    assert_eq!(app.rows().await["orders"], 1);
}

#[tokio::test]
async fn an_end_at_once_is_carried_out_though_stripe_is_away_at_first() {
    let Start { app, customer, .. } = TestApp::start().await;
    let customer = app.sign_in_again(&customer).await;
    let server = app.running(&customer, "birds").await;
    let billing = format!("/api/v1{}", path(&server));
    customer.api_post(&format!("{billing}/end"), &json!({ "when": "later" })).await.is(400);
    customer.api_post(&format!("{billing}/go-on"), &json!({})).await.is(409);
    customer.api_post(&format!("{billing}/again"), &json!({})).await.is(409);
    customer.api_post(&format!("{billing}/end"), &json!({ "when": "now" })).await.is(202);
    // The same again is the same; something else has to wait.
    customer.api_post(&format!("{billing}/end"), &json!({ "when": "now" })).await.is(202);
    let busy = customer.api_post(&format!("{billing}/end"), &json!({ "when": "period" })).await.is(409).json();
    assert_eq!(busy["code"], "busy");
    app.shop.fault(FaultOrder { fault: Fault::Unavailable, request: "DELETE /v1/subscriptions".to_owned() });
    worker::run_once(Arc::clone(&app.deps)).await.unwrap();
    customer.get(&path(&server)).await.see("on its way to the payment company");
    assert_eq!(intent(&app, server.id).await.0, Intent::Running);
    // It has its effect, and the answer is lost: the next try finds it over.
    app.shop.fault(FaultOrder { fault: Fault::LostAnswer, request: "DELETE /v1/subscriptions".to_owned() });
    sqlx::query("update graphile_worker._private_jobs set run_at = now() where last_error is not null")
        .execute(app.sql())
        .await
        .unwrap();
    worker::run_once(Arc::clone(&app.deps)).await.unwrap();
    app.advance(TimeDelta::hours(1));
    app.run_jobs().await;
    let shown = customer.api_get(&billing).await.json();
    assert_eq!((&shown["wish"], &shown["standing"]), (&json!(null), &json!("ending")));
    assert_eq!(intent(&app, server.id).await, (Intent::Archived, "over".to_owned()));
    assert_eq!(subjects(&app, &customer, 0).iter().filter(|subject| subject.contains("has stopped")).count(), 1);
}

#[tokio::test]
async fn members_may_what_their_role_says() {
    let Start { app, customer, other_customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let (page, end) = (path(&server), format!("{}/end", path(&server)));
    let [viewer, payer] = app.members();
    let (payer, other_customer) = (app.sign_in_again(&payer).await, app.sign_in_again(&other_customer).await);
    let shown = viewer.get(&page).await.is(200).see("Paid").not_see("Card and invoices");
    assert!(shown.all("main form").is_empty());
    viewer.get(&end).await.is(403);
    viewer.post(&end, &[("when", "now")]).await.is(403);
    other_customer.get(&page).await.is(404);
    other_customer.post(&end, &[("when", "now")]).await.is(404);
    payer.get(&page).await.see("Card and invoices");
    let portal = payer.get(&format!("{page}/portal")).await.is(303).location();
    assert!(portal.contains("/portal/"), "{portal}");
    // An open browser is not enough for either: a proof that is older than ten minutes leads to another one, and back.
    app.advance(TimeDelta::minutes(11));
    for path in [&end, &format!("{page}/portal")] {
        let next = url::form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>();
        payer.get(path).await.redirects_to(&format!("/step-up?next={next}"));
    }
    payer.post(&end, &[("when", "now")]).await.redirects_to("/step-up?next=%2Finstances");
    let api = format!("/api/v1{end}");
    assert_eq!(payer.api_post(&api, &json!({ "when": "now" })).await.is(403).json()["code"], "proof_required");
    let payer = app.sign_in_again(&payer).await;
    payer.post(&end, &[("when", "now")]).await.redirects_to(&page);
    app.run_jobs().await;
    payer.get(&page).await.not_see("Take it up again");
    payer.post(&format!("{page}/again"), &[]).await.is(403);
    assert_eq!(subscription(&app, server.id).await.standing, Standing::Ending);
}

#[tokio::test]
async fn money_that_is_taken_twice_for_one_server_is_told_to_staff() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let known = subscription(&app, server.id).await.stripe_subscription_id;
    let remote = billing::fetch_subscription(app.deps.stripe.as_ref(), app.clock.as_ref(), &known).await.unwrap();
    let other = |status: RemoteStatus| {
        let found = remote.subscription.clone().unwrap();
        let other = RemoteSubscription { id: "sub_another".parse().unwrap(), status, ..found };
        Remote { subscription: Some(other), fetched_at: app.clock.now(), checkout: None, open_invoice: None, declined_at: None }
    };
    let mut tx = app.db.worker().begin().await.unwrap();
    let taken = billing::sync(&mut tx, app.clock.as_ref(), &other(RemoteStatus::Active)).await;
    assert!(matches!(taken, Err(SyncError::PaidTwice { .. })), "{taken:?}");
    drop(tx);
    // One that is over is nobody's concern.
    let mut tx = app.db.worker().begin().await.unwrap();
    billing::sync(&mut tx, app.clock.as_ref(), &other(RemoteStatus::Canceled)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(subscription(&app, server.id).await.stripe_subscription_id, known);
}
