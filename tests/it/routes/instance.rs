//! A customer's servers, and the building shown live.

use paddock::resource::StepName;

use crate::harness::{Start, TestApp};

#[tokio::test]
async fn nobody_has_a_server_to_begin_with() {
    let Start { app: _app, customer, .. } = TestApp::start().await;
    customer.get("/instances").await.is(200).see("You have no server yet");
}

#[tokio::test]
async fn an_unpaid_server_is_at_its_order() {
    let Start { app, customer, .. } = TestApp::start().await;
    let order = app.order(&customer, "birds").await;
    customer.get(&format!("/instances/{}", order.instance_id)).await.redirects_to(&format!("/orders/{}", order.id));
    let list = customer.get("/instances").await.see("birds.meadow.social").see("Not paid");
    assert!(list.attributes("a", "href").contains(&format!("/orders/{}", order.id)));
}

#[tokio::test]
async fn the_building_is_shown_step_by_step_until_the_server_is_ready() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.paid(&customer, "birds").await;
    let path = format!("/instances/{}", instance.id);
    let page = customer.get(&path).await.is(200).see("is being built").see("Step 2 of 10");
    assert_eq!(page.all("ol.steps > li").len(), 10);
    assert_eq!(page.attributes("[data-live]", "data-live"), [format!("{path}/live")]);

    let mut events = customer.events(&format!("{path}/live")).await;
    let (_, first) = events.next().await.unwrap();
    assert!(first.contains("Step 2 of 10"), "{first}");
    app.observe(instance.id, &app.status(&[StepName::Namespace, StepName::Identity])).await;
    let (_, second) = events.next().await.unwrap();
    assert!(second.contains("Step 4 of 10"), "{second}");
    app.observe(instance.id, &app.status(&StepName::ALL)).await;
    let (_, last) = events.next().await.unwrap();
    assert!(last.contains("data-end") && last.contains("https://birds.meadow.social/auth/password/new"), "{last}");
    assert_eq!(events.next().await, None);

    app.run_jobs().await;
    customer.get(&format!("{path}/live")).await.is(200).see("@wren@birds.meadow.social").not_see("Paddock");
    customer.get(&path).await.see("Running").see("after you paid").see("never learn it");
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.paid(&customer, "birds").await;
    let mut events = customer.events(&format!("/instances/{}/live", instance.id)).await;
    events.next().await.unwrap();
    let half = [StepName::Namespace, StepName::Identity, StepName::Bucket];
    // The clock runs and a nudge comes, but nothing happened: the next event is the next step's.
    app.advance(chrono::TimeDelta::seconds(7));
    let touch = "update instances set observed_at = now() where id = $1";
    sqlx::query(touch).bind(instance.id).execute(app.sql()).await.unwrap();
    tokio::task::yield_now().await;
    app.observe(instance.id, &app.status(&half)).await;
    let (_, next) = events.next().await.unwrap();
    assert!(next.contains("Step 5 of 10"), "{next}");
}

#[tokio::test]
async fn foreign_servers_are_not_there() {
    let Start { app, anon, customer, other_customer, .. } = TestApp::start().await;
    let instance = app.paid(&customer, "birds").await;
    let path = format!("/instances/{}", instance.id);
    other_customer.get(&path).await.is(404).not_see("birds");
    other_customer.get(&format!("{path}/live")).await.is(404);
    other_customer.get("/instances").await.not_see("birds");
    customer.get("/instances/ins_nonsense").await.is(404);
    anon.get(&path).await.is(303);
    // Whoever looks is told who gets the mail.
    let [viewer, _] = app.members();
    viewer.get(&path).await.is(200).see(&format!("We write to {} when it is ready", customer.who.email));
}
