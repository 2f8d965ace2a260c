//! Clusters: what each has and what is taken of it; and two real control planes, of which one goes away and comes back.

mod two;

use chrono::TimeDelta;
use paddock::account::Scope;
use paddock::billing::Placement;
use paddock::capacity;
use paddock::clock::Clock as _;
use paddock::ids::ClusterId;

use crate::harness::{Capacity, Client, Start, TestApp, add_cluster};

async fn cluster_of(app: &TestApp, customer: &Client, name: &str) -> ClusterId {
    let order = app.order(customer, name).await;
    app.find_instance(order.instance_id).await.cluster_id
}

async fn id(app: &TestApp, name: &str) -> ClusterId {
    let mut conn = app.sql().acquire().await.unwrap();
    capacity::find_cluster(&mut conn, name).await.unwrap().unwrap().id
}

async fn audited(app: &TestApp, action: &str) -> i64 {
    sqlx::query_scalar("select count(*) from audit_events where action = $1").bind(action).fetch_one(app.sql()).await.unwrap()
}

#[tokio::test]
async fn a_drained_cluster_gets_nothing_new_and_runs_on() {
    let Start { app, customer, other_customer, staff, .. } = TestApp::start_with(Capacity(3)).await;
    let (first, second) = (id(&app, "first").await, add_cluster(&app.db, app.clock.as_ref(), "second", 2).await);
    let page = staff.get("/staff/clusters").await.is(200).see("first").see("Room for: Family 3");
    let answer = staff.submit(&page, &format!("/staff/clusters/{first}/drain"), &[]).await.redirects_to("/staff/clusters");
    staff.follow(answer).await.see("Takes nothing new").see("Take new servers again");
    assert_eq!(cluster_of(&app, &customer, "birds").await, second);
    assert_eq!(cluster_of(&app, &customer, "wrens").await, second);
    // The other is full by now; with the drained one only the waiting list is left.
    assert_eq!(app.try_order(&customer, "foxes").await.unwrap(), Placement::Full);
    staff.get("/staff").await.see("Look: Places left 0");
    let page = staff.get("/staff/clusters").await;
    staff.submit(&page, &format!("/staff/clusters/{first}/undrain"), &[]).await.is(303);
    assert_eq!(cluster_of(&app, &other_customer, "foxes").await, first);
    assert_eq!((audited(&app, "cluster.drained").await, audited(&app, "cluster.opened").await), (1, 1));
    app.staff_with(Scope::Support).post(&format!("/staff/clusters/{first}/drain"), &[]).await.is(403);
    staff.post(&format!("/staff/clusters/{}/drain", ClusterId::new()), &[]).await.is(404);
}

#[tokio::test]
async fn any_amount_may_be_the_wall_and_staff_see_which() {
    let Start { app, customer, staff, .. } = TestApp::start_with(Capacity(5)).await;
    app.order(&customer, "birds").await;
    let first = id(&app, "first").await;
    let page = staff.get("/staff/clusters").await.see("1 servers");
    assert_eq!(page.all("section table tbody tr:first-child td"), ["4", "20", "27", "20 %"], "Services");
    // Room for one server's memory and no more.
    let path = format!("/staff/clusters/{first}/capacity");
    let answer = staff.submit(&page, &path, &[("memory-mib", "6826")]).await.redirects_to("/staff/clusters");
    let page = staff.follow(answer).await.see("Room for: Family 0");
    assert!(page.all("section table strong").contains(&"50 %".to_owned()), "{:?}", page.all("section table td"));
    assert_eq!(app.try_order(&customer, "wrens").await.unwrap(), Placement::Full);
    staff.submit(&page, &path, &[("memory-mib", "6827")]).await.is(303);
    app.order(&customer, "wrens").await;
    // Less than is taken is no error: it gets nothing more.
    let page = staff.get("/staff/clusters").await;
    staff.submit(&page, &path, &[("services", "4")]).await.is(303);
    staff.get("/staff").await.see("Full");
    staff
        .submit(&page, &path, &[("services", "-4"), ("pods", "many")])
        .await
        .is(422)
        .see("Services: enter a whole number")
        .see("Pods: enter");
    assert_eq!(audited(&app, "cluster.capacity").await, 3);
}

#[tokio::test]
async fn a_cluster_is_added_by_the_page_and_its_credential_never_is() {
    let Start { app: _app, staff, .. } = TestApp::start_with(Capacity(0)).await;
    let page = staff.get("/staff/clusters").await.is(200);
    let amounts = ["services", "pods", "custom-resources", "memory-mib", "cpu-milli", "volumes", "volume-gib"]
        .map(|field| (field, "100000"));
    let with = |fields: &[(&'static str, &'static str)]| [fields, &amounts[..]].concat();
    let bad = with(&[("name", "North Pole"), ("kubeconfig", "/etc/passwd"), ("namespace", "")]);
    let answer = staff.submit(&page, "/staff/clusters", &bad).await.is(422);
    assert_eq!(answer.attributes(".errors a", "href"), ["#name"], "one at a time, and nothing is lost");
    assert_eq!(answer.attributes("#kubeconfig", "value"), ["/etc/passwd"]);
    let answer = staff.submit(&page, "/staff/clusters", &with(&[("name", "north"), ("kubeconfig", "../north")])).await.is(422);
    assert_eq!(answer.attributes(".errors a", "href"), ["#kubeconfig"]);
    let good = with(&[("name", "north"), ("kubeconfig", "north.yaml"), ("region", "Tampere")]);
    let answer = staff.submit(&page, "/staff/clusters", &good).await.redirects_to("/staff/clusters");
    staff
        .follow(answer)
        .await
        .see("north Tampere")
        .see("Never reached")
        .see("the fleet has not reached it yet")
        .see("north.yaml");
    staff.submit(&page, "/staff/clusters", &good).await.is(422).see("There is a cluster north already");
    // What it has counts for nothing before it has answered.
    staff.get("/staff").await.see("Look: Places left 0").see("Look: Clusters away 1");
}

#[tokio::test]
async fn a_cluster_that_is_away_for_long_gets_no_orders() {
    let Start { app, customer, .. } = TestApp::start_with(Capacity(9)).await;
    let first = id(&app, "first").await;
    let mut conn = app.db.fleet().acquire().await.unwrap();
    capacity::note_seen(&mut conn, app.clock.as_ref(), first).await.unwrap();
    capacity::note_trouble(&mut conn, first, "connection refused").await.unwrap();
    app.advance(TimeDelta::minutes(9));
    app.order(&customer, "birds").await;
    app.advance(TimeDelta::minutes(2));
    assert_eq!(app.try_order(&customer, "wrens").await.unwrap(), Placement::Full);
    customer.get("/waiting").await.see("Every place is taken");
    capacity::note_seen(&mut conn, app.clock.as_ref(), first).await.unwrap();
    app.order(&customer, "wrens").await;
}

#[tokio::test]
async fn who_is_not_seen_is_shown_as_such() {
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let instance = app.running(&customer, "birds").await;
    let path = format!("/instances/{}", instance.id);
    let mut conn = app.db.fleet().acquire().await.unwrap();
    capacity::note_seen(&mut conn, app.clock.as_ref(), instance.cluster_id).await.unwrap();
    customer.get(&path).await.see("Running").not_see("We have not seen it");
    assert!(customer.api_get(&format!("/api/v1{path}")).await.json()["unseen_since"].is_null());
    let seen = app.clock.now();
    app.advance(TimeDelta::minutes(4));
    for page in [&path, "/instances", &format!("/staff{path}")] {
        let client = if page.starts_with("/staff") { &staff } else { &customer };
        client.get(page).await.see("We have not seen it since");
    }
    let said = customer.api_get(&format!("/api/v1{path}")).await.json();
    assert_eq!(said["unseen_since"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap(), seen);
    assert_eq!(said["phase"], "running", "the last that is known");
}
