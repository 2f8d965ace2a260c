//! Staff pause, end and remove servers; the pages say what that costs.

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::clock::Clock as _;
use paddock::ids::InstanceId;
use paddock::instance::{self, Intent};
use paddock::resource::{ConditionKind, Finding, InstanceStatus, StepName, Suspension, Upgrade, UpgradePhase, conditions, time};

use crate::harness::{Client, Start, TestApp};

async fn intent(app: &TestApp, id: InstanceId) -> (Intent, String) {
    let instance = app.find_instance(id).await;
    (instance.intent, instance.intent_reason.unwrap_or_default())
}

async fn audited(app: &TestApp, action: &str) -> Vec<serde_json::Value> {
    sqlx::query_scalar("select detail from audit_events where action = $1 and actor_kind = 'staff' order by id")
        .bind(action)
        .fetch_all(app.sql())
        .await
        .unwrap()
}

/// A second one who may do everything.
async fn second_admin(app: &TestApp) -> Client {
    let operations = app.staff_with(Scope::Operations);
    let raise = "update staff set scopes = array['admin'] where id = $1";
    sqlx::query(raise).bind(operations.who.staff.unwrap()).execute(app.sql()).await.unwrap();
    operations
}

#[tokio::test]
async fn staff_pause_a_server_with_a_reason_and_let_it_run_again() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let page = format!("/staff/instances/{}", instance.id);
    let operations = app.staff_with(Scope::Operations);
    operations.get(&page).await.is(200).see("Pause it").not_see("End it").not_see("Remove it");
    staff.get(&page).await.is(200).see("Pause it").see("End it").not_see("Remove it");
    let form = operations.get(&format!("{page}/pause")).await.is(200).see("two to three days").see("seven days");
    operations.submit(&form, &format!("{page}/pause"), &[]).await.is(422).see("Choose a reason");
    operations.submit(&form, &format!("{page}/pause"), &[("reason", "whim")]).await.is(422);
    operations.submit(&form, &format!("{page}/pause"), &[("reason", "abuse")]).await.redirects_to(&page);
    assert_eq!(intent(&app, instance.id).await, (Intent::Suspended, "abuse".to_owned()));
    let shown = operations.get(&page).await.see("Let it run again").not_see("Pause it");
    operations.submit(&shown, &format!("{page}/resume"), &[]).await.redirects_to(&page);
    assert_eq!(intent(&app, instance.id).await, (Intent::Running, "staff".to_owned()));
    let trail = audited(&app, "instance.intent").await;
    assert_eq!(trail.iter().map(|detail| detail["reason"].as_str().unwrap()).collect::<Vec<_>>(), ["abuse", "staff"]);
    app.staff_with(Scope::Support).post(&format!("{page}/pause"), &[("reason", "asked")]).await.is(403);
    operations.post(&format!("{page}/end"), &[("reason", "over")]).await.is(403);
    // What was never paid is begun by no button.
    let order = app.order(&customer, "wrens").await;
    let unpaid = format!("/staff/instances/{}", order.instance_id);
    let answer = operations.post(&format!("{unpaid}/resume"), &[]).await.redirects_to(&unpaid);
    operations.follow(answer).await.see("Nothing was changed");
    assert_eq!(intent(&app, order.instance_id).await.0, Intent::Absent);
}

#[tokio::test]
async fn each_reason_is_lifted_by_itself_and_the_server_runs_when_none_is_left() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let page = format!("/staff/instances/{}", instance.id);
    let operations = app.staff_with(Scope::Operations);
    for reason in ["moving", "abuse", "asked"] {
        operations.post(&format!("{page}/pause"), &[("reason", reason)]).await.redirects_to(&page);
    }
    // Visitors read the strongest; the fleet is told of each change of it.
    assert_eq!(intent(&app, instance.id).await, (Intent::Suspended, "abuse".to_owned()));
    let shown = operations.get(&page).await.see("Abuse").see("It is moving").see("Its owner asked for it").see("Add a reason");
    assert_eq!(shown.all(&format!("form[action='{page}/resume']")).len(), 3);
    let generation = app.find_instance(instance.id).await.generation;
    operations.post(&format!("{page}/resume"), &[("reason", "abuse")]).await.redirects_to(&page);
    assert_eq!(intent(&app, instance.id).await, (Intent::Suspended, "asked".to_owned()));
    assert_eq!(app.find_instance(instance.id).await.generation, generation + 1);
    operations.post(&format!("{page}/resume"), &[("reason", "asked")]).await.redirects_to(&page);
    assert_eq!(intent(&app, instance.id).await, (Intent::Suspended, "moving".to_owned()));
    let shown = operations.get(&page).await;
    operations.submit(&shown, &format!("{page}/resume"), &[]).await.redirects_to(&page);
    assert_eq!(intent(&app, instance.id).await.0, Intent::Running);
    // There is nothing left to lift, and what nobody set is lifted by nobody.
    let answer = operations.post(&format!("{page}/resume"), &[("reason", "unpaid")]).await.redirects_to(&page);
    operations.follow(answer).await.see("Nothing was changed");
    let support = app.staff_with(Scope::Support).get(&page).await.is(200);
    assert!(support.all("form[action$='/resume']").is_empty() && !support.visible_text().contains("Pause it"));
}

#[tokio::test]
async fn staff_ask_for_another_major_release_and_take_it_back() {
    let Start { app, customer, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let page = format!("/staff/instances/{}", instance.id);
    let majors = format!("{page}/majors");
    let mut status = app.status(&StepName::ALL);
    status.majors = paddock::resource::Majors { postgres: Some(17), valkey: Some(8) };
    app.observe(instance.id, &status).await;
    let operations = app.staff_with(Scope::Operations);
    operations.get(&page).await.is(200).see("Another PostgreSQL or Valkey");
    app.staff_with(Scope::Support).get(&majors).await.is(403);

    let form = operations.get(&majors).await.is(200).see("there is no way back").see("17");
    let reason = ("reason", "its release ends next year");
    operations.submit(&form, &majors, &[("postgres", "16"), reason]).await.is(422).see("It runs a newer one");
    operations.submit(&form, &majors, &[("postgres", "eighteen"), reason]).await.is(422).see("number of a major release");
    operations.submit(&form, &majors, &[("postgres", "18"), ("reason", "")]).await.is(422).see("3 to 200");
    let generation = app.find_instance(instance.id).await.generation;
    operations.submit(&form, &majors, &[("postgres", "18"), reason]).await.redirects_to(&page);
    assert_eq!(app.find_instance(instance.id).await.generation, generation + 1, "the fleet passes it on");
    let trail = audited(&app, "instance.majors").await;
    assert_eq!((&trail[0]["postgres"], &trail[0]["why"]), (&serde_json::json!(18), &serde_json::json!(reason.1)));

    // The same again changes nothing; nothing at all takes it back.
    let form = operations.get(&majors).await.is(200);
    assert_eq!(form.attributes("#postgres", "value"), ["18"]);
    let answer = operations.submit(&form, &majors, &[("postgres", "18"), reason]).await.redirects_to(&page);
    operations.follow(answer).await.see("Nothing was changed");
    operations.submit(&form, &majors, &[("postgres", ""), reason]).await.redirects_to(&page);
    assert_eq!(app.find_instance(instance.id).await.generation, generation + 2);
}

#[tokio::test]
async fn a_removal_takes_an_end_a_reason_a_minute_a_name_and_somebody_else() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let page = format!("/staff/instances/{}", instance.id);
    let removal = format!("{page}/removal");
    let reason = ("reason", "The customer wants it gone and has its data already.");
    // What destroys wants a session that has just begun.
    let (staff, other) = (app.sign_in_again(&staff).await, app.sign_in_again(&second_admin(&app).await).await);

    staff.get(&removal).await.is(200).see("End it first");
    staff.post(&removal, &[reason]).await.is(422).see("Only a server that has ended");
    staff.post(&format!("{page}/end"), &[("reason", "")]).await.is(422).see("3 to 200");
    staff.post(&format!("{page}/end"), &[("reason", "contract ended")]).await.redirects_to(&page);
    assert_eq!(intent(&app, instance.id).await, (Intent::Archived, "contract ended".to_owned()));

    // First step.
    let form = staff.get(&removal).await.is(200).see("Nobody can bring them back");
    staff.submit(&form, &removal, &[("reason", "because"), EARLY]).await.is(422).see("10 to 500");
    staff.submit(&form, &removal, &[reason, EARLY]).await.redirects_to(&removal);
    let form = staff.get(&removal).await.see("staff@host.example asked for it").see("Somebody else of the host").see(EARLY.1);
    assert!(form.all(&format!("form[action='{removal}']")).is_empty());
    staff.post(&removal, &[reason, EARLY]).await.is(422).see("already");
    // Second step: not at once, not by the same, not without the name.
    let confirm = format!("{removal}/confirm");
    let name = ("address", "birds.meadow.social");
    other.post(&confirm, &[name]).await.is(422).see("a minute after");
    app.advance(TimeDelta::seconds(61));
    staff.post(&confirm, &[name]).await.is(422).see("You asked for it");
    other.post(&confirm, &[("address", "bird.meadow.social")]).await.is(422).see("not the address of the server");
    app.staff_with(Scope::Billing).post(&confirm, &[name]).await.is(403);
    let stale = app.sign_in_again(&other).await;
    let generation = app.find_instance(instance.id).await.generation;
    other.post(&confirm, &[name]).await.redirects_to(&page);
    let row = app.find_instance(instance.id).await;
    assert_eq!(row.generation, generation + 1, "the fleet passes it on");

    app.advance(TimeDelta::minutes(11));
    stale.post(&confirm, &[name]).await.redirects_to("/staff/step-up?next=%2Fstaff");
    let staff = app.sign_in_again(&staff).await;

    // It can't be stopped any more.
    staff.get(&removal).await.see("can't be stopped");
    let answer = staff.post(&format!("{removal}/withdraw"), &[]).await.redirects_to(&page);
    staff.follow(answer).await.see("confirmed already");
    let answer = staff.post(&format!("{page}/resume"), &[]).await.redirects_to(&page);
    staff.follow(answer).await.see("Nothing was changed");
    assert_eq!(intent(&app, instance.id).await.0, Intent::Archived);
    assert_eq!(audited(&app, "instance.removal_requested").await.len(), 1);
    let confirmed = audited(&app, "instance.removal_confirmed").await;
    assert_eq!(confirmed[0]["requested_by"], staff.who.staff.unwrap().to_string());

    // What the fleet passes on.
    let mut conn = app.db.fleet().acquire().await.unwrap();
    let cluster = sqlx::query_scalar("select cluster_id from instances where id = $1")
        .bind(instance.id)
        .fetch_one(app.sql())
        .await
        .unwrap();
    let push = instance::to_push(&mut conn, cluster, 10).await.unwrap().remove(0);
    assert_eq!(push.removal_reason.as_deref(), Some(reason.1));
    assert_eq!((push.removal_requested_by, push.removal_confirmed_by), (staff.who.staff, other.who.staff));

    // When nothing is left, the address and the place are free.
    let room = async || app.places_left().await;
    let before = room().await;
    assert!(instance::finish_removal(&mut conn, app.clock.as_ref(), instance.id).await.unwrap());
    assert!(!instance::finish_removal(&mut conn, app.clock.as_ref(), instance.id).await.unwrap(), "once");
    assert_eq!(room().await, before + 1);
    assert_eq!(intent(&app, instance.id).await.0, Intent::Absent);
    app.order(&customer, "birds").await;
    customer.get(&format!("/instances/{}", instance.id)).await;
}

/// Why data is not kept for as long as the host keeps it.
const EARLY: (&str, &str) = ("early", "It holds nothing that anybody could miss.");

#[tokio::test]
async fn data_is_kept_for_a_while_unless_a_second_reason_is_given() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let page = async |name: &str| {
        let page = format!("/staff/instances/{}", app.running(&customer, name).await.id);
        staff.post(&format!("{page}/end"), &[("reason", "contract ended")]).await.redirects_to(&page);
        page
    };
    let reason = ("reason", "The customer wants it gone and has its data already.");
    let (birds, cats) = (page("birds").await, page("cats").await);
    let removal = format!("{birds}/removal");
    let form = staff.get(&removal).await.is(200).see("Its data should be kept until");
    let answer = staff.submit(&form, &removal, &[reason]).await.is(422).see("kept for a while yet");
    assert_eq!(answer.attributes(".errors a", "href"), ["#early"]);
    staff.submit(&form, &removal, &[reason, ("early", "no time")]).await.is(422).see("kept for a while yet");
    staff.submit(&form, &removal, &[reason, EARLY]).await.redirects_to(&removal);
    staff.get(&removal).await.see("Before its time, because").see(EARLY.1);
    assert_eq!(audited(&app, "instance.removal_requested").await[0]["early"], EARLY.1);
    // Taken back, it is asked for afresh.
    staff.post(&format!("{removal}/withdraw"), &[]).await.redirects_to(&birds);
    staff.post(&removal, &[reason]).await.is(422).see("kept for a while yet");

    // After its time one reason is enough, and there is no question for another one.
    app.advance(TimeDelta::days(30) + TimeDelta::seconds(1));
    let staff = app.sign_in_again(&staff).await;
    let removal = format!("{cats}/removal");
    let form = staff.get(&removal).await.is(200).not_see("should be kept until");
    assert!(form.all("#early").is_empty());
    staff.submit(&form, &removal, &[reason]).await.redirects_to(&removal);
    assert!(audited(&app, "instance.removal_requested").await[1]["early"].is_null());
}

#[tokio::test]
async fn where_there_is_one_admin_the_same_confirms_and_a_request_can_be_taken_back() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let page = format!("/staff/instances/{}", instance.id);
    let removal = format!("{page}/removal");
    let staff = app.sign_in_again(&staff).await;
    staff.post(&format!("{page}/end"), &[("reason", "contract ended")]).await.redirects_to(&page);
    let ask =
        async || staff.post(&removal, &[("reason", "It was made by mistake and is empty."), EARLY]).await.redirects_to(&removal);
    ask().await;
    let answer = staff.post(&format!("{removal}/withdraw"), &[]).await.redirects_to(&page);
    staff.follow(answer).await.see("taken back");
    ask().await;
    // Running again forgets the request: nobody confirms one of another time.
    staff.post(&format!("{page}/resume"), &[]).await.redirects_to(&page);
    staff.post(&format!("{page}/end"), &[("reason", "contract ended")]).await.redirects_to(&page);
    app.advance(TimeDelta::minutes(2));
    staff.post(&format!("{removal}/confirm"), &[("address", "birds.meadow.social")]).await.is(422).see("Nobody has asked");
    ask().await;
    app.advance(TimeDelta::minutes(2));
    staff.post(&format!("{removal}/confirm"), &[("address", " Birds.Meadow.Social ")]).await.redirects_to(&page);
    // Until nothing is left the address stays taken.
    let mut conn = app.db.fleet().acquire().await.unwrap();
    assert!(!instance::finish_removal(&mut conn, app.clock.as_ref(), InstanceId::new()).await.unwrap());
}

#[tokio::test]
async fn a_pause_says_by_when_it_costs_what() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let (page, own) = (format!("/staff/instances/{}", instance.id), format!("/instances/{}", instance.id));
    staff.post(&format!("{page}/pause"), &[("reason", "staff")]).await.redirects_to(&page);
    let mut status = app.status(&StepName::ALL);
    status.suspended = Some(Suspension::beginning(app.clock.now()));
    app.observe(instance.id, &status).await;
    customer.get(&own).await.is(200).see("Paused").see("nothing that was sent to it is lost");
    staff.get(&page).await.see("Does not answer since").see("Posts lost from").see("Others stop sending from");
    app.advance(TimeDelta::days(3));
    customer.get(&own).await.see("posts that were sent to it are being lost");
    app.advance(TimeDelta::days(5));
    customer.get(&own).await.see("other servers have stopped sending to it");
    app.run_jobs().await;
}

#[tokio::test]
async fn an_upgrade_shows_and_what_waits_for_staff_does_not_worry_the_customer() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let (page, own) = (format!("/staff/instances/{}", instance.id), format!("/instances/{}", instance.id));
    let at = time(app.clock.now());
    let running = app.status(&StepName::ALL);
    let upgrade =
        Upgrade { from: "4.7.3".into(), to: "4.7.4".into(), phase: UpgradePhase::Roll, since: at.clone(), phase_since: at };
    app.observe(instance.id, &InstanceStatus { upgrade: Some(upgrade), ..running.clone() }).await;
    customer.get(&own).await.see("Upgrading").see("It stays reachable");
    staff.get(&page).await.see("4.7.3 → 4.7.4: Roll since");

    let mut refused = running;
    refused.conditions.extend(conditions(
        &[],
        &[Finding::holds(ConditionKind::Stalled, "ShrinkRefused", "a disk can't shrink")],
        1,
        app.clock.now(),
    ));
    app.observe(instance.id, &refused).await;
    customer.get(&own).await.see("Running").not_see("Not well");
    staff
        .get("/staff")
        .await
        .see("Servers to look at")
        .see("birds.meadow.social")
        .see("Needs a person")
        .see("Look: Servers not well 1");
}
