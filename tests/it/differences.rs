//! Events that do not come, and rows that Stripe does not agree with: found, repaired, shown.

use chrono::{DateTime, TimeDelta, Utc};
use paddock::account::Scope;
use paddock::billing::jobs::{CatchUpEvents, SweepStripe};
use paddock::billing::stripe::{RemoteStatus, sign_webhook};
use paddock::billing::{self, OrderState};
use paddock::clock::Clock as _;
use paddock::demo::stripe::{Policy, Rule};
use paddock::queue::{self, Job};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::harness::{Client, Shop, Start, TestApp};

fn silent() -> Policy {
    Policy { rule: Rule::Drop, ..Policy::default() }
}

pub async fn run<J: Job>(app: &TestApp, job: &J) {
    queue::enqueue(&mut app.sql().acquire().await.unwrap(), job, None).await.unwrap();
    app.run_jobs().await;
}

async fn count(app: &TestApp, what: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {what}"))).fetch_one(app.sql()).await.unwrap()
}

/// A server whose subscription has changed at Stripe without our hearing of it: the card that was good is good no more.
async fn behind(app: &TestApp, customer: &Client) -> billing::Subscription {
    let instance = app.running(customer, "birds").await;
    app.shop.webhooks_arrived().await;
    let subscription = subscription(app, &instance).await;
    let remote = app.deps.stripe.subscription(&subscription.stripe_subscription_id).await.unwrap();
    app.shop.set_policy(silent());
    app.shop.set_card(&remote.customer, "4000 0000 0000 0341").unwrap();
    app.advance(TimeDelta::days(32));
    let remote = app.deps.stripe.subscription(&subscription.stripe_subscription_id).await.unwrap();
    assert_eq!((remote.status, subscription.status), (RemoteStatus::PastDue, RemoteStatus::Active));
    subscription
}

async fn subscription(app: &TestApp, instance: &paddock::instance::Instance) -> billing::Subscription {
    let mut conn = app.sql().acquire().await.unwrap();
    billing::find_subscription(&mut conn, instance.id).await.unwrap().unwrap()
}

async fn status(app: &TestApp) -> String {
    sqlx::query_scalar("select status from subscriptions").fetch_one(app.sql()).await.unwrap()
}

#[tokio::test]
async fn what_webhooks_did_not_bring_the_list_of_events_does() {
    let Start { app, customer, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    // The first reading starts where the list ends.
    run(&app, &CatchUpEvents {}).await;
    assert_eq!(count(&app, "stripe_events where source = 'list'").await, 0, "every webhook had come");
    app.leave_jobs();
    app.shop.set_policy(silent());
    let order = app.order(&customer, "foxes").await;
    app.shop_pays(&customer, &order).await;
    app.advance(TimeDelta::minutes(2));
    let known = app.find_order(order.id).await.state;
    run(&app, &CatchUpEvents {}).await;
    assert_eq!(app.find_order(order.id).await.state, OrderState::Paid, "it was {known:?}");
    let listed = count(&app, "stripe_events where source = 'list'").await;
    assert!(listed >= 3, "{listed}");
    run(&app, &CatchUpEvents {}).await;
    assert_eq!(count(&app, "stripe_events where source = 'list'").await, listed, "nothing is heard twice");
    // A webhook that comes after all changes nothing.
    app.shop.set_policy(Policy::default());
    assert!(app.shop.deliver_missing() >= 3);
    app.run_jobs().await;
    assert_eq!(count(&app, "stripe_events where source = 'list'").await, listed);
}

#[tokio::test]
async fn beyond_thirty_days_the_objects_tell() {
    let Start { app, customer, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    app.advance(TimeDelta::minutes(2));
    run(&app, &CatchUpEvents {}).await;
    let cursor: Option<String> =
        sqlx::query_scalar("select events_cursor from stripe_reading").fetch_one(app.sql()).await.unwrap();
    assert!(cursor.is_some());
    app.leave_jobs();
    app.shop.set_policy(silent());
    let remote = app.deps.stripe.list_subscriptions(None).await.unwrap().items.remove(0);
    app.shop.set_card(&remote.customer, "4000 0000 0000 0341").unwrap();
    // It fails at the renewal, and what Stripe still lists two months later does not reach back to the cursor.
    app.advance(TimeDelta::days(75));
    run(&app, &CatchUpEvents {}).await;
    assert_eq!(status(&app).await, "past_due");
    let owed: Option<DateTime<Utc>> =
        sqlx::query_scalar("select open_invoice_since from subscriptions").fetch_one(app.sql()).await.unwrap();
    assert_eq!(owed, Some(remote.current_period_end), "since the first renewal");
}

#[tokio::test]
async fn staff_see_what_differs_and_have_everything_compared() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    staff.get("/staff/differences").await.is(200).see("Nothing has been compared yet").see("Our rows and Stripe agree");
    let subscription = behind(&app, &customer).await;
    app.leave_jobs();
    let staff = app.sign_in_again(&staff).await;
    let page = staff.get("/staff/differences").await.is(200);
    let answer = staff.submit(&page, "/staff/differences/look", &[]).await.redirects_to("/staff/differences");
    staff.follow(answer).await.see("Everything is being compared");
    app.run_jobs().await;
    assert_eq!(status(&app).await, "past_due");
    let page = staff.get("/staff/differences").await.is(200).see("Our rows and Stripe agree").see("Found and gone again");
    let page = page.see(subscription.stripe_subscription_id.as_str()).see("active").see("past_due").see("Money owed since");
    assert!(!page.visible_text().contains("difference-"), "{}", page.visible_text());
    assert_eq!(count(&app, "differences where gone_at is null").await, 0);
    assert_eq!(count(&app, "audit_events where action = 'stripe.compared' and actor_kind = 'staff'").await, 1);
    app.sign_in_again(&app.staff_with(Scope::Support)).await.get("/staff/differences").await.is(200);
    // Again: nothing is left.
    let before = count(&app, "differences").await;
    run(&app, &SweepStripe {}).await;
    assert_eq!(count(&app, "differences").await, before);
}

#[tokio::test]
async fn what_can_not_be_repaired_stays_until_it_is_gone() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    app.running(&customer, "birds").await;
    app.leave_jobs();
    // Somebody else's row: Stripe does not know it.
    let lost = "update subscriptions set stripe_subscription_id = 'sub_lost'";
    let before: String =
        sqlx::query_scalar("select stripe_subscription_id from subscriptions").fetch_one(app.sql()).await.unwrap();
    sqlx::query(lost).execute(app.sql()).await.unwrap();
    queue::enqueue(&mut app.sql().acquire().await.unwrap(), &SweepStripe {}, None).await.unwrap();
    app.try_run_jobs().await;
    let page = staff.get("/staff/differences").await.is(200).see("sub_lost").see("Stripe does not have this subscription");
    page.not_see("Our rows and Stripe agree").see("These stay until somebody deals with them");
    staff.get("/staff").await.see("Look: Differences with Stripe");
    let back = sqlx::query("update subscriptions set stripe_subscription_id = $1").bind(&before);
    back.execute(app.sql()).await.unwrap();
    queue::enqueue(&mut app.sql().acquire().await.unwrap(), &SweepStripe {}, None).await.unwrap();
    app.try_run_jobs().await;
    assert_eq!(count(&app, "differences where gone_at is null").await, 0);
    staff.get("/staff/differences").await.see("Our rows and Stripe agree").see("sub_lost");
}

#[tokio::test]
async fn an_order_whose_payment_nobody_told_of_is_found() {
    let Start { app, customer, .. } = TestApp::start().await;
    let order = app.order(&customer, "birds").await;
    app.shop.set_policy(silent());
    app.shop_pays(&customer, &order).await;
    run(&app, &SweepStripe {}).await;
    assert_eq!(app.find_order(order.id).await.state, OrderState::Paid);
    assert_eq!(count(&app, "differences where gone_at is null").await, 0);
    app.leave_jobs();
}

/// Ten thousand webhooks that differ from a good one in signature, time, body or secret.
#[tokio::test]
async fn no_forged_webhook_is_taken_and_none_leaves_a_row() {
    const FORGED: u32 = 10_000;
    let Start { app, anon, .. } = TestApp::start().await;
    let mut chance = StdRng::seed_from_u64(5);
    let object = json!({ "object": "subscription", "id": "sub_1", "customer": "cus_1", "status": "active" });
    let event = json!({ "id": "evt_1", "object": "event", "type": "customer.subscription.updated", "created": 1_790_000_000,
                        "api_version": "2026-09-30.endive", "data": { "object": object } });
    let body = event.to_string().into_bytes();
    let now = app.clock.now();
    let good = sign_webhook(&body, &Shop::secret(), now);
    for n in 0..FORGED {
        let (mut header, mut forged) = (good.clone().into_bytes(), body.clone());
        match n % 5 {
            // A character of the signature is another one.
            0 => {
                let place = chance.random_range(header.len() - 64..header.len());
                header[place] = if header[place] == b'0' { b'1' } else { b'0' };
            }
            // The time is another one, and the signature still of the old.
            1 => {
                let digit = chance.random_range(2..12);
                header[digit] = b'0' + (header[digit] - b'0' + chance.random_range(1..10)) % 10;
            }
            // A bit of the body is another one.
            2 => {
                let place = chance.random_range(0..forged.len());
                forged[place] ^= 1 << chance.random_range(0..8);
            }
            // Well signed, too early or too late.
            3 => {
                let seconds = chance.random_range(301..1_000_000_i64) * if chance.random() { 1 } else { -1 };
                header = sign_webhook(&forged, &Shop::secret(), now + TimeDelta::seconds(seconds)).into_bytes();
            }
            // Signed with a secret that is nearly ours.
            _ => {
                let nearly = format!("whsec_of_the_test_harness_{:010}", 123_456_788 - i64::from(n)).into();
                header = sign_webhook(&forged, &nearly, now).into_bytes();
            }
        }
        let request = anon.request(http::Method::POST, "/hooks/stripe").header("content-type", "application/json").body(forged);
        let answer = anon.send(request.header("stripe-signature", String::from_utf8(header).unwrap())).await;
        answer.is(400);
    }
    assert_eq!(app.rows().await["stripe_events"], 0);
    assert_eq!(app.jobs().await.len(), 0);
    let request = anon.request(http::Method::POST, "/hooks/stripe").header("content-type", "application/json").body(body);
    anon.send(request.header("stripe-signature", good)).await.is(200);
    assert_eq!(app.rows().await["stripe_events"], 1, "the good one is");
    app.leave_jobs();
}
