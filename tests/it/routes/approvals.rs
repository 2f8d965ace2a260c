//! What takes two of the staff: the list of it, the word of another one, and what nobody agrees to in time.

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::account::approval::LASTS;
use paddock::ids::ApprovalId;

use crate::harness::{Client, Start, TestApp};

const REASON: (&str, &str) = ("reason", "The customer wants it gone and has its data already.");

/// A server that staff have ended, and two who may destroy it.
async fn ended(start: &Start) -> (String, Client, Client) {
    let app = &start.app;
    let instance = app.running(&start.customer, "birds").await;
    let second = app.staff_with(Scope::Operations);
    let raise = "update staff set scopes = array['admin'] where id = $1";
    sqlx::query(raise).bind(second.who.staff.unwrap()).execute(app.sql()).await.unwrap();
    let (one, other) = (app.sign_in_again(&start.staff).await, app.sign_in_again(&second).await);
    let page = format!("/staff/instances/{}", instance.id);
    one.post(&format!("{page}/end"), &[("reason", "contract ended")]).await.redirects_to(&page);
    (format!("{page}/removal"), one, other)
}

async fn decisions(app: &TestApp) -> Vec<(Option<String>, bool)> {
    let query = "select decision, decided_by is not null from approvals order by asked_at, id";
    sqlx::query_as(query).fetch_all(app.sql()).await.unwrap()
}

async fn trail(app: &TestApp) -> Vec<String> {
    let query = "select action from audit_events where action like 'approval.%' order by id";
    sqlx::query_scalar(query).fetch_all(app.sql()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_listed_and_another_one_may_say_no() {
    let start = TestApp::start().await;
    let (removal, one, other) = ended(&start).await;
    let app = &start.app;
    one.get("/staff/approvals").await.is(200).see("Nothing waits.");
    one.post(&removal, &[REASON]).await.redirects_to(&removal);
    let support = app.staff_with(Scope::Support).get("/staff/approvals").await.is(200).see("Removal of a server").see(REASON.1);
    assert!(support.all("form[action$='/refuse']").is_empty(), "who may not agree is offered nothing");
    one.get("/staff/approvals").await.see("Take it back").not_see("Refuse it");
    let page = other.get("/staff/approvals").await.see("staff@host.example asked for it").see("Refuse it");
    assert!(page.attributes("main a.name", "href").contains(&removal));
    let refuse = page.attributes("form[action$='/refuse']", "action").remove(0);
    app.sign_in_again(&app.staff_with(Scope::Billing)).await.post(&refuse, &[]).await.is(403);
    other.submit(&page, &refuse, &[]).await.redirects_to("/staff/approvals");
    other.get("/staff/approvals").await.see("Nothing waits.").see("Refused");
    other.post(&refuse, &[]).await.is(404);
    other.post(&format!("/staff/approvals/{}/refuse", ApprovalId::new()), &[]).await.is(404);
    app.advance(TimeDelta::minutes(2));
    other.post(&format!("{removal}/confirm"), &[("address", "birds.meadow.social")]).await.is(422).see("Nobody has asked");
    // It may be asked for again; who asked takes it back.
    one.post(&removal, &[REASON]).await.redirects_to(&removal);
    let page = one.get("/staff/approvals").await.is(200);
    let refuse = page.attributes("form[action$='/refuse']", "action").remove(0);
    one.submit(&page, &refuse, &[]).await.redirects_to("/staff/approvals");
    assert_eq!(decisions(app).await, [(Some("refused".to_owned()), true), (Some("withdrawn".to_owned()), true)]);
    assert_eq!(trail(app).await, ["approval.asked", "approval.refused", "approval.asked", "approval.withdrawn"]);
    app.run_jobs().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_agrees_to_what_is_too_old() {
    let start = TestApp::start().await;
    let (removal, one, other) = ended(&start).await;
    let app = &start.app;
    one.post(&removal, &[REASON]).await.redirects_to(&removal);
    app.advance(LASTS);
    let (one, other) = (app.sign_in_again(&one).await, app.sign_in_again(&other).await);
    let confirm = format!("{removal}/confirm");
    other.post(&confirm, &[("address", "birds.meadow.social")]).await.is(422).see("Nobody has asked");
    one.get("/staff/approvals").await.see("Nothing waits.");
    let page = one.get(&removal).await.is(200);
    one.submit(&page, &removal, &[REASON]).await.redirects_to(&removal);
    app.advance(TimeDelta::minutes(2));
    other.post(&confirm, &[("address", "birds.meadow.social")]).await.is(303);
    assert_eq!(decisions(app).await, [(Some("expired".to_owned()), false), (Some("given".to_owned()), true)]);
    other.get("/staff/approvals").await.see("Nobody agreed in time").see("Agreed");
    app.leave_jobs();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_agree_at_once_agree_once() {
    let start = TestApp::start().await;
    let (removal, one, other) = ended(&start).await;
    let app = &start.app;
    let third = app.staff_with(Scope::Support);
    let raise = "update staff set scopes = array['admin'] where id = $1";
    sqlx::query(raise).bind(third.who.staff.unwrap()).execute(app.sql()).await.unwrap();
    let third = app.sign_in_again(&third).await;
    one.post(&removal, &[REASON]).await.redirects_to(&removal);
    app.advance(TimeDelta::minutes(2));
    let confirm = format!("{removal}/confirm");
    let name = [("address", "birds.meadow.social")];
    let (first, second) = tokio::join!(other.post(&confirm, &name), third.post(&confirm, &name));
    let mut both = [first.status.as_u16(), second.status.as_u16()];
    both.sort_unstable();
    assert_eq!(both, [303, 422]);
    assert_eq!(trail(app).await, ["approval.asked", "approval.given"]);
    app.leave_jobs();
}
