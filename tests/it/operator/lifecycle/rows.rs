//! From the staff's page through row and custom resource to nothing: a removal as it really goes.

use chrono::TimeDelta;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use paddock::clock::Clock as _;
use paddock::fleet;
use paddock::instance::{Intent, Phase, Seen};
use paddock::resource::{namespace_name, resource_name};
use tokio_util::sync::CancellationToken;

use super::super::Host;
use super::removal::operator_with;
use crate::harness::{Start, TestApp, reach_the_rig};

#[tokio::test]
async fn what_staff_confirm_is_removed_and_its_address_and_place_are_free() {
    let host = Host::new().await;
    let Start { app, customer, staff, .. } = TestApp::start().await;
    let operator =
        operator_with(&host, "fuse-of-rows", |settings| settings.address.wildcard_domain = "meadow.social".to_owned()).await;
    let stop = CancellationToken::new();
    let fleet = fleet::run(app.db.clone(), app.clock.clone(), reach_the_rig(&app, host.rig).await, stop.clone());
    let fleet = tokio::spawn(fleet);
    let row = async |id| app.find_instance(id).await;
    let room = async || app.places_left().await;

    let id = app.paid(&customer, "fledgling").await.id;
    host.until("the row says that it runs", async || row(id).await.ready_at.map(|_| ())).await;
    app.run_jobs().await;
    let places = room().await;
    let page = format!("/staff/instances/{id}");
    staff.post(&format!("{page}/end"), &[("reason", "contract ended")]).await.redirects_to(&page);
    host.until("what it costs to be silent is known to the row", async || {
        let seen = row(id).await.status()?.suspended.clone();
        seen.map(|_| ())
    })
    .await;
    customer.get(&format!("/instances/{id}")).await.is(200).see("nothing that was sent to it is lost");
    let removal = format!("{page}/removal");
    let early = ("early", "It holds nothing that anybody could miss.");
    staff.post(&removal, &[("reason", "The customer has its data and wants it gone."), early]).await.redirects_to(&removal);
    app.advance(TimeDelta::seconds(61));
    staff.post(&format!("{removal}/confirm"), &[("address", "fledgling.meadow.social")]).await.redirects_to(&page);
    host.until("the address is given back", async || row(id).await.released_at.map(|_| ())).await;
    host.until("the custom resource is gone", async || {
        host.instances().get_opt(&resource_name(id)).await.unwrap().is_none().then_some(())
    })
    .await;
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    assert!(namespaces.get_opt(&namespace_name(id)).await.unwrap().is_none());
    let gone = row(id).await;
    assert_eq!(gone.intent, Intent::Absent);
    let seen = Seen { instance: &gone, paid_at: None, typical: &[], now: app.clock.now() };
    assert!(matches!(seen.phase(), Phase::Gone(_)));
    assert_eq!(room().await, places + 1);
    let trail: Vec<String> =
        sqlx::query_scalar("select action from audit_events where action like 'instance.remov%' order by id")
            .fetch_all(app.sql())
            .await
            .unwrap();
    assert_eq!(trail, ["instance.removal_requested", "instance.removal_confirmed", "instance.removed"]);
    // It does not come back by itself, and the name is free.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert!(host.instances().get_opt(&resource_name(id)).await.unwrap().is_none());
    app.order(&customer, "fledgling").await;
    stop.cancel();
    fleet.await.unwrap().unwrap();
    operator.stop().await;
}
