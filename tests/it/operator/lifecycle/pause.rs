//! A pause, and the end of it: somebody always answers under the server's name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, WatchEvent, WatchParams};
use paddock::ids::InstanceId;
use paddock::resource::{ConditionKind, condition, instant, namespace_name, resource_name};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

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

/// What happened to routes and pods, in the order in which the API server took it: resource versions of all objects come from one
/// counter.
struct Chronicle {
    events: Arc<Mutex<BTreeMap<u64, Change>>>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The server's own route: whether it is there and accepted.
    Own(bool),
    /// The route to the page: the same.
    Park(bool),
    /// Whether there are to be web pods.
    Wanted(bool),
    /// Whether one of them answers.
    Answers(bool),
}

impl Chronicle {
    async fn begin(client: &kube::Client, id: InstanceId) -> Self {
        let events = Arc::new(Mutex::new(BTreeMap::new()));
        let own =
            follow(routes(client, &namespace_name(id)), "mastodon", &events, |route| vec![Change::Own(accepted(route))]).await;
        let park =
            follow(routes(client, "paddock"), &resource_name(id), &events, |route| vec![Change::Park(accepted(route))]).await;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "Deployment"));
        let deployments: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace_name(id), &resource);
        let web = follow(deployments, "web", &events, |web| {
            let number = |at: &str| web.and_then(|web| web.data.pointer(at)?.as_u64()).unwrap_or(0);
            // Of two things that are told at once the wish comes first.
            vec![Change::Wanted(number("/spec/replicas") > 0), Change::Answers(number("/status/readyReplicas") > 0)]
        })
        .await;
        Self { events, tasks: vec![own, park, web] }
    }

    /// Goes through all of it: at each moment somebody answered, and the pods stopped after and began before their route.
    async fn end(self, [mut own, mut park, mut wanted, mut answers]: [bool; 4]) -> [bool; 4] {
        // What has happened is told within a moment.
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.tasks.iter().for_each(JoinHandle::abort);
        let events = self.events.lock().unwrap().clone();
        println!("{events:?}");
        for (version, change) in &events {
            match change {
                Change::Own(now) => own = *now,
                Change::Park(now) => park = *now,
                Change::Wanted(now) => wanted = *now,
                Change::Answers(now) => answers = *now,
            }
            assert!(own || park, "at {version} no route leads anywhere: {events:?}");
            assert!(wanted || !own, "at {version} the route leads to pods that are to stop: {events:?}");
            assert!(answers || park, "at {version} the route leads to pods that do not answer: {events:?}");
        }
        [own, park, wanted, answers]
    }
}

/// Notes what a watch tells of one object.
async fn follow(
    api: Api<DynamicObject>,
    name: &str,
    events: &Arc<Mutex<BTreeMap<u64, Change>>>,
    read: impl Fn(Option<&DynamicObject>) -> Vec<Change> + Send + 'static,
) -> JoinHandle<()> {
    let of_one = format!("metadata.name={name}");
    let from = api.list(&ListParams::default().fields(&of_one)).await.unwrap().metadata.resource_version.unwrap();
    let events = Arc::clone(events);
    tokio::spawn(async move {
        let mut stream = api.watch(&WatchParams::default().fields(&of_one), &from).await.unwrap().boxed();
        let mut last = Vec::new();
        while let Some(event) = stream.try_next().await.unwrap() {
            let (object, there) = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, true),
                WatchEvent::Deleted(object) => (object, false),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(error) => panic!("{error:?}"),
            };
            let now = read(there.then_some(&object));
            // Room for two changes at each version.
            let version = object.metadata.resource_version.unwrap().parse::<u64>().unwrap() * 2;
            for (at, change) in now.iter().enumerate().filter(|(at, change)| last.get(*at) != Some(*change)) {
                events.lock().unwrap().insert(version + u64::try_from(at).unwrap(), *change);
            }
            last = now;
        }
    })
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

    let chronicle = Chronicle::begin(&host.client, id).await;
    host.want(id, &json!({"mode": {"running": null, "suspended": {"reason": "unpaid"}}})).await;
    host.until("no pod is left", async || {
        let web = host.deployments(id).get("web").await.unwrap();
        (web.spec?.replicas == Some(0) && web.status?.replicas.unwrap_or(0) == 0).then_some(())
    })
    .await;
    let paused = chronicle.end([true, false, true, true]).await;
    assert_eq!(paused, [false, true, false, false]);
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

    let chronicle = Chronicle::begin(&host.client, id).await;
    host.want(id, &json!({"mode": {"suspended": null, "running": {}}})).await;
    host.until("the page is gone", async || park.get_opt(&resource_name(id)).await.unwrap().is_none().then_some(())).await;
    assert_eq!(chronicle.end(paused).await, [true, false, true, true]);
    assert!(accepted(own.get_opt("mastodon").await.unwrap().as_ref()));
    let status = host.until_condition(id, ConditionKind::Ready, "True").await.status.unwrap();
    assert_eq!(status.suspended, None);
    operator.stop().await;
}

#[tokio::test]
async fn where_nobody_answers_for_paused_servers_any_more_no_route_leads_there() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    host.want(id, &json!({"mode": {"running": null, "suspended": {"reason": "unpaid"}}})).await;
    let (park, own) = (routes(&host.client, "paddock"), routes(&host.client, &namespace_name(id)));
    let name = resource_name(id);
    host.until("the page has the name", async || {
        let (park, own) = (park.get_opt(&name).await.unwrap(), own.get_opt("mastodon").await.unwrap());
        (accepted(park.as_ref()) && own.is_none()).then_some(())
    })
    .await;
    operator.settle().await;
    operator.stop().await;

    let mut settings = host.settings();
    settings.park = None;
    let operator = host.operator_with(settings).await;
    host.until("the server's own route has it, and no other", async || {
        let (park, own) = (park.get_opt(&name).await.unwrap(), own.get_opt("mastodon").await.unwrap());
        (park.is_none() && accepted(own.as_ref())).then_some(())
    })
    .await;
    operator.settle().await;
    operator.stop().await;
}
