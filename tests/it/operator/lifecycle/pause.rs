//! A pause, and the end of it: somebody always answers under the server's name.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use paddock::ids::InstanceId;
use paddock::resource::{ConditionKind, condition, instant, namespace_name, resource_name};
use serde_json::{Value, json};

use super::super::Host;

fn routes(client: &kube::Client, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn accepted(route: Option<&DynamicObject>) -> bool {
    let Some(route) = route.filter(|route| route.metadata.deletion_timestamp.is_none()) else { return false };
    let conditions = &route.data["status"]["parents"][0]["conditions"];
    conditions.as_array().is_some_and(|all| all.iter().all(|condition| condition["status"] == "True"))
}

/// Looks again and again who answers, until it is stopped; returns how often it looked, and every moment in which nobody did.
struct Watchman {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(u32, Vec<String>)>,
}

impl Watchman {
    fn new(client: &kube::Client, id: InstanceId) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (own, park) = (routes(client, &namespace_name(id)), routes(client, "paddock"));
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace_name(id));
        let (ends, name) = (Arc::clone(&stop), resource_name(id));
        let task = tokio::spawn(async move {
            let (mut looks, mut silent) = (0, Vec::new());
            while !ends.load(Ordering::Relaxed) {
                let server = async || accepted(own.get_opt("mastodon").await.unwrap().as_ref());
                let page = async || accepted(park.get_opt(&name).await.unwrap().as_ref());
                let pods = deployments.get("web").await.unwrap().status.and_then(|status| status.ready_replicas).unwrap_or(0);
                let (served, paused) = (server().await, page().await);
                // Between two looks one may have taken over from the other.
                if !served && !paused && !server().await && !page().await {
                    silent.push("no route leads anywhere".to_owned());
                }
                if pods == 0 && !paused && !page().await {
                    silent.push("the route leads to a server without pods".to_owned());
                }
                looks += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            (looks, silent)
        });
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let (looks, silent) = self.task.await.unwrap();
        println!("looked {looks} times who answers");
        assert!(looks > 20 && silent.is_empty(), "of {looks} looks: {silent:?}");
    }
}

fn reason(route: &DynamicObject) -> &Value {
    &route.data["spec"]["rules"][0]["filters"][0]["requestHeaderModifier"]["set"][0]["value"]
}

#[tokio::test]
async fn the_way_in_is_handed_over_without_a_moment_in_which_nobody_answers() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let (own, park) = (routes(&host.client, &namespace_name(id)), routes(&host.client, "paddock"));
    let host_name = format!("{}.hosts.example", &resource_name(id)[4..]);
    assert!(park.get_opt(&resource_name(id)).await.unwrap().is_none());

    let watchman = Watchman::new(&host.client, id);
    host.want(id, &json!({"mode": {"running": null, "suspended": {"reason": "unpaid"}}})).await;
    host.until("no pod is left", async || {
        let web = host.deployments(id).get("web").await.unwrap();
        (web.spec?.replicas == Some(0) && web.status?.replicas.unwrap_or(0) == 0).then_some(())
    })
    .await;
    watchman.end().await;
    assert!(own.get_opt("mastodon").await.unwrap().is_none(), "its own route has given way");
    let route = park.get(&resource_name(id)).await.unwrap();
    assert_eq!(route.data["spec"]["hostnames"], json!([host_name]));
    let backend = &route.data["spec"]["rules"][0]["backendRefs"][0];
    assert_eq!((&backend["name"], &backend["port"]), (&json!("park"), &json!(80)));
    assert_eq!(reason(&route), "unpaid");

    // Both clocks run, and the condition says who answers.
    let status = host.until_condition(id, ConditionKind::RouteReady, "True").await.status.unwrap();
    assert_eq!(condition(&status.conditions, ConditionKind::RouteReady).unwrap().reason, "Parked");
    let suspended = status.suspended.unwrap();
    let since = instant(&suspended.since);
    assert_eq!(instant(&suspended.posts_lost_from) - since, TimeDelta::days(2));
    assert_eq!(instant(&suspended.peers_stop_from) - since, TimeDelta::days(7));

    // Another reason is another page, and no new beginning.
    host.want(id, &json!({"mode": {"suspended": {"reason": "moving"}}})).await;
    host.until("the route says so", async || (reason(&park.get(&resource_name(id)).await.unwrap()) == "moving").then_some(()))
        .await;
    operator.settle().await;
    assert_eq!(host.status(id).await.suspended.map(|suspended| instant(&suspended.since)), Some(since));
    // It stays so, whatever an operator that has just been started thinks.
    operator.stop().await;
    let operator = host.operator().await;
    operator.settle().await;
    assert!(own.get_opt("mastodon").await.unwrap().is_none());
    assert_eq!(host.deployments(id).get("web").await.unwrap().spec.unwrap().replicas, Some(0));

    let watchman = Watchman::new(&host.client, id);
    host.want(id, &json!({"mode": {"suspended": null, "running": {}}})).await;
    host.until("the page is gone", async || park.get_opt(&resource_name(id)).await.unwrap().is_none().then_some(())).await;
    watchman.end().await;
    assert!(accepted(own.get_opt("mastodon").await.unwrap().as_ref()));
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    assert_eq!(status.suspended, None);
    operator.stop().await;
}
