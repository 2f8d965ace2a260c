//! Staff give money back, and credit: within their limit, with a reason, once, and never more than was paid.

use std::sync::Arc;

use paddock::account::Scope;
use paddock::billing::giving::{self, Allowed, GiveError, NewGiving};
use paddock::billing::stripe::PaidInvoice;
use paddock::demo::stripe::{Fault, FaultOrder};
use paddock::ids::StaffId;
use paddock::instance::Instance;
use paddock::money::{Currency, Money};
use paddock::worker;

use crate::harness::{Client, Start, TestApp};
use crate::standing::subscription;

fn path(server: &Instance) -> String {
    format!("/staff/instances/{}/money", server.id)
}

async fn paid(app: &TestApp, server: &Instance) -> Vec<PaidInvoice> {
    let of = subscription(app, server.id).await.stripe_subscription_id;
    app.deps.stripe.paid_invoices(&of).await.unwrap()
}

async fn balance(app: &TestApp, customer: &Client) -> i64 {
    let known =
        paddock::billing::customer_of(&mut app.sql().acquire().await.unwrap(), customer.who.account()).await.unwrap().unwrap();
    app.shop.balance_of(&known)
}

async fn states(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar("select kind || ' ' || state from givings order by id").fetch_all(app.sql()).await.unwrap()
}

fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::Eur)
}

#[tokio::test]
async fn money_goes_back_to_the_card_and_never_more_than_was_paid() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let order = app.shop.charges()[0].order.clone().unwrap();
    let bills = app.staff_with(Scope::Billing);
    bills.get(&format!("/staff/instances/{}", server.id)).await.see("Money");
    let page = bills.get(&path(&server)).await.is(200).see("€19").see("You may give this customer €100");
    let invoice = paid(&app, &server).await[0].id.to_string();
    for (fields, says) in [
        ([("from", "in_none"), ("amount", "5.00"), ("reason", "an outage")], "Choose credit or one"),
        ([("from", invoice.as_str()), ("amount", "5,00"), ("reason", "an outage")], "Write an amount"),
        ([("from", invoice.as_str()), ("amount", "0"), ("reason", "an outage")], "Write an amount"),
        ([("from", invoice.as_str()), ("amount", "5.00"), ("reason", "x")], "Write a reason"),
        ([("from", invoice.as_str()), ("amount", "19.01"), ("reason", "an outage")], "Of this invoice €19 is left"),
    ] {
        bills.submit(&page, &path(&server), &fields).await.is(422).see(says);
    }
    assert_eq!(states(&app).await.len(), 0);
    let fields = [("from", invoice.as_str()), ("amount", "12.50"), ("reason", "an outage")];
    let answer = bills.submit(&page, &path(&server), &fields).await.redirects_to(&path(&server));
    // What is on its way counts as given: a second press gives what is left at most.
    let page = bills.follow(answer).await.see("It is noted").see("On its way").see("an outage");
    bills.submit(&page, &path(&server), &fields).await.is(422).see("Of this invoice €6.50 is left");
    app.run_jobs().await;
    assert_eq!(app.shop.refunded_of(order.parse().unwrap()), 1250);
    let page = bills.get(&path(&server)).await.see("Given").see("€12.50 of it given back");
    bills.submit(&page, &path(&server), &[("from", &invoice), ("amount", "6.50"), ("reason", "the rest")]).await.is(303);
    app.run_jobs().await;
    assert_eq!(app.shop.refunded_of(order.parse().unwrap()), 1900);
    assert_eq!(paid(&app, &server).await[0].left(), eur(0));
    assert_eq!(states(&app).await, ["refund done", "refund done"]);
    let trail: Vec<String> = sqlx::query_scalar(
        "select actor_kind || ' ' || action || ' ' || coalesce(detail ->> 'reason', '') from audit_events where action like 'money.%' order by id",
    )
    .fetch_all(app.sql())
    .await
    .unwrap();
    let expected =
        ["staff money.refund an outage", "system money.refund_done ", "staff money.refund the rest", "system money.refund_done "];
    assert_eq!(trail, expected);
}

#[tokio::test]
async fn more_than_one_person_may_give_needs_a_second() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let bills = app.staff_with(Scope::Billing);
    let page = bills.get(&path(&server)).await;
    let give = async |client: &Client, amount: &str| {
        client.submit(&page, &path(&server), &[("from", "credit"), ("amount", amount), ("reason", "a bad week")]).await
    };
    give(&bills, "100.01").await.is(422).see("By yourself you may give this customer €100").see("a second person has to agree");
    give(&bills, "60.00").await.is(303);
    // Many small ones are not more than a large one.
    give(&bills, "40.01").await.is(422).see("you have given €60");
    give(&bills, "40.00").await.is(303);
    give(&bills, "0.01").await.is(422);
    app.run_jobs().await;
    assert_eq!(balance(&app, &customer).await, -10_000);
    // An admin may more, and counts for themselves.
    let shown = staff.get(&path(&server)).await.see("You may give this customer €1000");
    staff.submit(&shown, &path(&server), &[("from", "credit"), ("amount", "1000.01"), ("reason", "a bad week")]).await.is(422);
    staff.submit(&shown, &path(&server), &[("from", "credit"), ("amount", "150"), ("reason", "a bad week")]).await.is(303);
    app.run_jobs().await;
    assert_eq!(balance(&app, &customer).await, -25_000);
    for client in [app.staff_with(Scope::Support), app.staff_with(Scope::Operations)] {
        client.get(&path(&server)).await.is(403);
        client.post(&path(&server), &[("from", "credit"), ("amount", "1"), ("reason", "mine")]).await.is(403);
        client.get(&format!("/staff/instances/{}", server.id)).await.is(200).not_see("Money");
    }
}

#[tokio::test]
async fn what_two_agree_to_is_given_and_says_who_they_are() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let bills = app.staff_with(Scope::Billing);
    let (first, second) = (bills.who.staff.unwrap(), staff.who.staff.unwrap());
    let page = bills.get(&path(&server)).await;
    let fields = [("from", "credit"), ("amount", "5000.00"), ("reason", "the server was lost for a week")];
    let refused = bills.submit(&page, &path(&server), &fields).await.is(422).see("Ask another one to agree");
    let ask = |reason| [("from", "credit"), ("amount", "5000.00"), ("reason", reason), ("ask", "yes")];
    bills.submit(&refused, &path(&server), &ask("too short")).await.is(422).see("10 to 200");
    let asked = ask("the server was lost for a week");
    let answer = bills.submit(&refused, &path(&server), &asked).await.redirects_to(&path(&server));
    let waits = bills.follow(answer).await.see("Waits for another one to agree").see("Somebody else than who asked");
    bills.submit(&waits, &path(&server), &asked).await.is(422).see("Something waits");
    assert_eq!(states(&app).await.len(), 0, "nothing was given");
    app.advance(chrono::TimeDelta::minutes(2));
    let agree = format!("{}/agree", path(&server));
    let (bills, staff) = (app.sign_in_again(&bills).await, app.sign_in_again(&staff).await);
    bills.submit(&bills.get(&path(&server)).await, &agree, &[]).await.is(422).see("Somebody else than who asked");
    // Another one says no, and it may be asked for anew.
    let list = staff.get("/staff/approvals").await.see("Money or credit for a customer").see("lost for a week");
    let refuse = list.attributes("form[action$='/refuse']", "action").remove(0);
    staff.submit(&list, &refuse, &[]).await.redirects_to("/staff/approvals");
    staff.post(&agree, &[]).await.is(422).see("Nothing waits");
    bills.submit(&bills.get(&path(&server)).await, &path(&server), &asked).await.redirects_to(&path(&server));
    app.advance(chrono::TimeDelta::minutes(2));
    let shown = staff.get(&path(&server)).await.see("€5000 as credit");
    staff.submit(&shown, &agree, &[]).await.redirects_to(&path(&server));
    staff.submit(&shown, &agree, &[]).await.is(422).see("Nothing waits");
    app.run_jobs().await;
    assert_eq!((balance(&app, &customer).await, states(&app).await), (-500_000, vec!["credit done".to_owned()]));
    let named: (StaffId, Option<StaffId>) =
        sqlx::query_as("select staff_id, second_id from givings").fetch_one(app.sql()).await.unwrap();
    assert_eq!(named, (first, Some(second)));
    let trail: Vec<String> = sqlx::query_scalar(
        "select action from audit_events where action like 'approval.%' or action = 'money.credit' order by id",
    )
    .fetch_all(app.sql())
    .await
    .unwrap();
    let expected = ["approval.asked", "approval.refused", "approval.asked", "approval.given", "money.credit"];
    assert_eq!(trail, expected);
}

#[tokio::test]
async fn two_at_once_take_turns() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let who = app.staff_with(Scope::Billing).who.staff.unwrap();
    let all = (0..8).map(|_| async {
        let mut tx = app.db.staff().begin().await.unwrap();
        let new = NewGiving { amount: eur(6000), invoice: None, reason: "a bad week" };
        let allowed = Allowed::ByOne { most: eur(10_000) };
        let given = giving::give(&mut tx, app.clock.as_ref(), who, &server, allowed, &new).await;
        if given.is_ok() {
            tx.commit().await.unwrap();
        }
        given
    });
    let all = futures::future::join_all(all).await;
    assert_eq!(all.iter().filter(|given| given.is_ok()).count(), 1);
    assert!(all.iter().all(|given| matches!(given, Ok(_) | Err(GiveError::SecondNeeded { .. }))), "{all:?}");
    app.run_jobs().await;
    assert_eq!(balance(&app, &customer).await, -6000);
}

#[tokio::test]
async fn whatever_is_lost_on_the_way_it_is_given_once() {
    for kind in ["credit", "refund"] {
        for fault in [Fault::LostAnswer, Fault::Unavailable, Fault::RateLimited] {
            let Start { app, customer, .. } = TestApp::start().await;
            let server = app.running(&customer, "birds").await;
            let order = app.shop.charges()[0].order.clone().unwrap();
            let bills = app.staff_with(Scope::Billing);
            let page = bills.get(&path(&server)).await;
            let invoice = paid(&app, &server).await[0].id.to_string();
            let from = if kind == "credit" { "credit" } else { invoice.as_str() };
            bills.submit(&page, &path(&server), &[("from", from), ("amount", "7.00"), ("reason", "an outage")]).await.is(303);
            let request = if kind == "credit" { "POST /v1/customers" } else { "POST /v1/credit_notes" };
            app.shop.fault(FaultOrder { fault: fault.clone(), request: request.to_owned() });
            worker::run_once(Arc::clone(&app.deps)).await.unwrap();
            // Stripe forgets keys after a day: what was asked for then is found by its mark.
            app.advance(chrono::TimeDelta::hours(30));
            app.run_jobs().await;
            let given =
                if kind == "credit" { -balance(&app, &customer).await } else { app.shop.refunded_of(order.parse().unwrap()) };
            assert_eq!((given, states(&app).await), (700, vec![format!("{kind} done")]), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn what_stripe_refuses_is_not_given_and_says_why() {
    let Start { app, customer, .. } = TestApp::start().await;
    let server = app.running(&customer, "birds").await;
    let bills = app.staff_with(Scope::Billing);
    let page = bills.get(&path(&server)).await;
    let invoice = paid(&app, &server).await[0].clone();
    bills
        .submit(&page, &path(&server), &[("from", invoice.id.as_str()), ("amount", "19"), ("reason", "an outage")])
        .await
        .is(303);
    // Somebody gave some of it back in the dashboard meanwhile.
    app.deps.stripe.refund(&invoice.id, eur(100), paddock::ids::GivingId::new(), "by hand").await.unwrap();
    app.run_jobs().await;
    bills.get(&path(&server)).await.see("Not given").see("must be from 1 to 1800");
    assert_eq!(states(&app).await, ["refund void"]);
    // While Stripe is away the page says so, and nothing is written.
    app.shop.fault(FaultOrder { fault: Fault::Unavailable, request: "GET /v1/invoices".to_owned() });
    bills.get(&path(&server)).await.is(200).see("does not answer just now");
    app.shop.fault(FaultOrder { fault: Fault::Unavailable, request: "GET /v1/invoices".to_owned() });
    bills
        .submit(&page, &path(&server), &[("from", invoice.id.as_str()), ("amount", "1"), ("reason", "an outage")])
        .await
        .redirects_to(&path(&server));
    assert_eq!(states(&app).await.len(), 1);
}
