//! Runs against a real control plane: the queue, the limits, and what is said when they end.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use paddock::ids::{ArchiveId, InstanceId, RunId};
use paddock::resource::{ConditionKind, MastodonRun, RunPhase, namespace_name, resource_name, run_name};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::Host;

/// A run that never ends by itself (see the rig's stand-in of `tootctl`).
fn hangs() -> Value {
    json!({"maintenance": {"accountRefresh": {"domain": "hangs.example"}}})
}

fn invite() -> Value {
    json!({"maintenance": {"ownerInvite": {"uses": 3, "valid": "day"}}})
}

impl Host {
    pub(super) fn runs(&self) -> Api<MastodonRun> {
        Api::all(self.client.clone())
    }

    fn wanted_run(id: InstanceId, action: &Value) -> MastodonRun {
        serde_json::from_value(json!({
            "apiVersion": "paddock.host/v1alpha1", "kind": "MastodonRun", "metadata": {"name": run_name(RunId::new())},
            "spec": {"instance": resource_name(id), "action": action},
        }))
        .unwrap()
    }

    /// Asks for a run; returns its name.
    pub(super) async fn ask(&self, id: InstanceId, action: &Value) -> String {
        let wanted = Self::wanted_run(id, action);
        let name = wanted.name_any();
        self.runs().create(&PostParams::default(), &wanted).await.unwrap();
        name
    }

    pub(super) async fn call_off(&self, name: &str) {
        let off = json!({"spec": {"cancelled": true}});
        self.runs().patch(name, &PatchParams::default(), &Patch::Merge(&off)).await.unwrap();
    }

    /// Waits until a run has this phase.
    pub(super) async fn until_phase(&self, name: &str, phase: RunPhase) -> MastodonRun {
        self.until(&format!("{name} is {}", phase.as_str()), async || {
            let run = self.runs().get(name).await.unwrap();
            (run.status.as_ref()?.phase == Some(phase)).then_some(run)
        })
        .await
    }

    pub(super) async fn mastodon(&self, id: InstanceId) -> PgPool {
        let login = self.secrets(id).get("db-1-app").await.unwrap().data.unwrap();
        let text = |name: &str| String::from_utf8(login[name].0.clone()).unwrap();
        let url = self.rig.postgres().url_as(&text("username"), &text("password"), &text("dbname"));
        PgPool::connect(&url).await.unwrap()
    }

    pub(super) async fn pods_of(&self, id: InstanceId, run: &str) -> Vec<Pod> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &namespace_name(id));
        api.list(&ListParams::default().labels(&format!("paddock.host/run={run}"))).await.unwrap().items
    }

    pub(super) async fn set_mode(&self, id: InstanceId, mode: &Value) {
        let patch = json!({"spec": {"mode": mode}});
        self.instances().patch(&resource_name(id), &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }
}

/// A public key of age.
pub(super) fn age_key() -> String {
    age::x25519::Identity::generate().to_public().to_string()
}

pub(super) fn why(run: &MastodonRun) -> (String, String) {
    let (reason, message) = run.status.as_ref().unwrap().why();
    (reason.to_owned(), message.to_owned())
}

fn output(run: &MastodonRun) -> String {
    run.status.as_ref().unwrap().output.clone().unwrap_or_default()
}

#[tokio::test]
async fn how_long_files_are_kept_is_set_in_mastodons_own_settings() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let mastodon = host.mastodon(id).await;
    let kept = async || -> Vec<(String, String)> {
        sqlx::query_as("select var, value from settings where var like '%retention_period' order by var")
            .fetch_all(&mastodon)
            .await
            .unwrap()
    };
    for (action, media, archives) in [
        (json!({"maintenance": {"retention": {"mediaDays": 14, "archiveDays": 7}}}), "--- 14\n", "--- 7\n"),
        (json!({"maintenance": {"retention": {"archiveDays": 30}}}), "--- \n", "--- 30\n"),
    ] {
        let run = host.ask(id, &action).await;
        let done = host.until_phase(&run, RunPhase::Succeeded).await;
        assert!(output(&done).contains("from tonight on"), "{}", output(&done));
        let wanted = [("backups_retention_period", archives), ("media_cache_retention_period", media)];
        assert_eq!(kept().await, wanted.map(|(var, value)| (var.to_owned(), value.to_owned())));
    }
    mastodon.close().await;
    operator.stop().await;
}

#[tokio::test]
async fn a_servers_runs_are_worked_off_one_at_a_time_in_their_order() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let mastodon = host.mastodon(id).await;
    sqlx::raw_sql(
        "insert into media_attachments (remote_url, file_file_name, file_file_size, created_at) values
           ('https://far.example/1', '1.png', 1000, now() - interval '9 days'), ('https://far.example/2', '2.png', 1, now()),
           ('', 'own.png', 1, now() - interval '9 days')",
    )
    .execute(&mastodon)
    .await
    .unwrap();

    let first = host.ask(id, &hangs()).await;
    let running = host.until_phase(&first, RunPhase::Running).await.status.unwrap();
    assert!(running.started_at.is_some() && running.limit_seconds == Some(12 * 3600));
    // Created within one second, perhaps: then the name decides.
    let second = host.ask(id, &json!({"maintenance": {"mediaRemoval": {"what": "attachments", "days": 7}}})).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let third = host.ask(id, &json!({"maintenance": {"registrations": {"mode": "approved"}}})).await;
    let waiting = host.until_phase(&second, RunPhase::Queued).await;
    assert_eq!((why(&waiting).1.as_str(), waiting.status.unwrap().position), ("one run comes first", Some(1)));
    let waiting = host.until_phase(&third, RunPhase::Queued).await;
    assert_eq!((why(&waiting).1.as_str(), waiting.status.unwrap().position), ("2 runs come first", Some(2)));
    assert_eq!(host.pods_of(id, &second).await.len() + host.pods_of(id, &third).await.len(), 0);

    // The first is called off: its pod goes before the next one's comes.
    host.call_off(&first).await;
    let off = host.until_phase(&first, RunPhase::Cancelled).await;
    assert!(off.status.as_ref().unwrap().finished_at.is_some(), "{off:?}");
    let done = host.until_phase(&second, RunPhase::Succeeded).await;
    assert_eq!(output(&done), "1/1 |====|\nRemoved 1 media attachments (approx. 1000 Bytes)");
    let done = host.until_phase(&third, RunPhase::Succeeded).await;
    assert_eq!((output(&done).as_str(), why(&done).0.as_str()), ("OK", "Succeeded"));
    let mode: String =
        sqlx::query_scalar("select value from settings where var = 'registrations_mode'").fetch_one(&mastodon).await.unwrap();
    assert_eq!(mode, "--- approved\n");
    let begun = |run: &MastodonRun| run.status.as_ref().unwrap().started_at.clone().unwrap();
    let ended = |run: &MastodonRun| run.status.as_ref().unwrap().finished_at.clone().unwrap();
    let second = host.runs().get(&second).await.unwrap();
    assert!(ended(&off) <= begun(&second) && ended(&second) <= begun(&done), "one after the other");
    mastodon.close().await;
    operator.stop().await;
}

#[tokio::test]
async fn what_takes_too_long_is_ended_and_shows_how_far_it_came() {
    let host = Host::new().await;
    let mut settings = host.settings();
    settings.runs.longest_seconds = Some(3);
    let operator = host.operator_with(settings).await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let run = host.ask(id, &hangs()).await;
    let late = host.until_phase(&run, RunPhase::TimedOut).await;
    assert_eq!((output(&late).as_str(), why(&late).0.as_str()), ("12/40 |==  |", "TimedOut"));
    assert_eq!(host.pods_of(id, &run).await.len(), 1, "what took too long is not tried again");
    operator.stop().await;
}

#[tokio::test]
async fn what_fails_says_why_without_its_secrets() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let run = host.ask(id, &json!({"maintenance": {"accountRefresh": {"domain": "unreachable.example"}}})).await;
    let failed = host.until_phase(&run, RunPhase::Failed).await;
    assert_eq!(
        output(&failed),
        "12/40 |==  |\nError processing 7: HTTP::TimeoutError\nNew password: [removed]\nno answer from unreachable.example"
    );
    assert!(why(&failed).1.contains("code 1"), "{failed:?}");
    assert_eq!(host.pods_of(id, &run).await.len(), 2, "it may be done twice, so it was tried once more");

    // What must not be done twice is not.
    let mastodon = host.mastodon(id).await;
    sqlx::query("delete from users").execute(&mastodon).await.unwrap();
    let run = host.ask(id, &invite()).await;
    let failed = host.until_phase(&run, RunPhase::Failed).await;
    assert!(output(&failed).contains("the owner's account is gone"));
    assert_eq!(host.pods_of(id, &run).await.len(), 1);
    mastodon.close().await;
    operator.stop().await;
}

#[tokio::test]
async fn a_paused_servers_runs_wait_and_say_why() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    // Not even built yet.
    let early = host.ask(id, &json!({"maintenance": {"cacheClear": {}}})).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    host.until_phase(&early, RunPhase::Succeeded).await;
    host.set_mode(id, &json!({"running": null, "suspended": {"reason": "unpaid"}})).await;
    host.until_condition(id, ConditionKind::Ready, "False").await;
    let run = host.ask(id, &json!({"maintenance": {"cacheClear": {}}})).await;
    let waiting = host.until_phase(&run, RunPhase::Waiting).await;
    assert_eq!(why(&waiting).0, "Suspended");
    operator.settle().await;
    assert!(host.pods_of(id, &run).await.is_empty());
    host.set_mode(id, &json!({"suspended": null, "running": {}})).await;
    host.until_phase(&run, RunPhase::Succeeded).await;
    operator.stop().await;
}

#[tokio::test]
async fn what_is_not_offered_or_is_nobodys_is_refused() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let run = host.ask(id, &json!({"import": {}})).await;
    let refused = host.until_phase(&run, RunPhase::Refused).await;
    assert_eq!(why(&refused).0, "NotOffered");
    assert_eq!(refused.status.unwrap().conditions[0].status, "False");
    let run = host.ask(InstanceId::new(), &json!({"maintenance": {"cacheClear": {}}})).await;
    assert_eq!(why(&host.until_phase(&run, RunPhase::Refused).await).0, "NoSuchServer");
    operator.stop().await;
}

#[tokio::test]
async fn the_api_server_refuses_what_is_not_in_the_list() {
    let host = Host::new().await;
    let id = InstanceId::new();
    let maintenance = |what: Value| json!({ "maintenance": what });
    let refused = [
        maintenance(json!({"accountsDelete": {"username": "ada"}})),
        maintenance(json!({"accountsRotate": {"all": true}})),
        maintenance(json!({"mediaRemoveOrphans": {}})),
        maintenance(json!({"fixDuplicates": {}})),
        maintenance(json!({"domainsPurge": {"domain": "far.example"}})),
        maintenance(json!({"emojiPurge": {}})),
        maintenance(json!({"selfDestruct": {}})),
        maintenance(json!({"command": ["sh", "-c", "id"]})),
        maintenance(json!({})),
        maintenance(json!({"cacheClear": {}, "passwordMail": {}})),
        maintenance(json!({"mediaRemoval": {"what": "orphans", "days": 7}})),
        maintenance(json!({"mediaRemoval": {"what": "attachments", "days": 0}})),
        maintenance(json!({"mediaRemoval": {"what": "attachments", "days": 366}})),
        maintenance(json!({"mediaRemoval": {"days": 7}})),
        maintenance(json!({"previewCardRemoval": {"days": 13}})),
        maintenance(json!({"ownerInvite": {"uses": 101, "valid": "day"}})),
        maintenance(json!({"ownerInvite": {"uses": 1, "valid": "forever"}})),
        maintenance(json!({"registrations": {"mode": "everybody"}})),
        maintenance(json!({"accountRefresh": {"domain": "--all"}})),
        maintenance(json!({"accountRefresh": {"domain": "far.example; id"}})),
        maintenance(json!({"accountRefresh": {"domain": "localhost"}})),
        json!({"export": {}}),
        json!({"export": {"archive": "../other", "scope": "withoutCache", "recipients": [age_key()]}}),
        json!({"export": {"archive": ArchiveId::new(), "scope": "everything", "recipients": [age_key()]}}),
        json!({"export": {"archive": ArchiveId::new(), "scope": "withoutCache", "recipients": []}}),
        json!({"export": {"archive": ArchiveId::new(), "scope": "withoutCache", "recipients": ["--without-secrets"]}}),
        json!({"verify": {"archive": ArchiveId::new(), "manifest": "x"}}),
        json!({"import": {}, "maintenance": {"cacheClear": {}}}),
        json!({}),
    ];
    let api: Api<kube::api::DynamicObject> =
        Api::all_with(host.client.clone(), &kube::api::ApiResource::erase::<MastodonRun>(&()));
    let post = async |name: &str, instance: &str, action: &Value| {
        let wanted = json!({
            "apiVersion": "paddock.host/v1alpha1", "kind": "MastodonRun", "metadata": {"name": name},
            "spec": {"instance": instance, "action": action},
        });
        api.create(&PostParams { dry_run: true, ..PostParams::default() }, &serde_json::from_value(wanted).unwrap()).await
    };
    let name = run_name(RunId::new());
    for action in &refused {
        let error = post(&name, &resource_name(id), action).await.expect_err(&action.to_string());
        assert!(matches!(&error, kube::Error::Api(status) if status.code == 422), "{action}: {error}");
    }
    let fine = json!({"maintenance": {"cacheClear": {}}});
    for (name, instance) in [("cats", resource_name(id)), (&name, "kube-system".to_owned()), (&name, "ins-1/../x".to_owned())] {
        post(name, &instance, &fine).await.expect_err(name);
    }
    post(&name, &resource_name(id), &fine).await.unwrap();

    // What was asked for can't be changed into something else, nor taken up again.
    let run = host.ask(id, &fine).await;
    host.call_off(&run).await;
    for patch in [
        json!({"spec": {"instance": resource_name(InstanceId::new())}}),
        json!({"spec": {"action": {"maintenance": {"cacheClear": null, "passwordMail": {}}}}}),
        json!({"spec": {"cancelled": false}}),
    ] {
        let error = host.runs().patch(&run, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap_err();
        assert!(error.to_string().contains("make another run"), "{error}");
    }
}

#[tokio::test]
async fn two_operators_and_a_restart_do_each_run_once() {
    let host = Host::new().await;
    let (one, two) = (host.operator().await, host.operator().await);
    let id = host.order(|_| {}).await;
    host.until_condition(id, ConditionKind::Ready, "True").await;
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push(host.ask(id, &invite()).await);
    }
    host.until_phase(&asked[0], RunPhase::Succeeded).await;
    one.stop().await;
    let three = host.operator().await;
    for run in &asked {
        let done = host.until_phase(run, RunPhase::Succeeded).await;
        assert_eq!(output(&done), "OK, the link is on its way to the owner");
        assert!(host.pods_of(id, run).await.len() <= 1);
    }
    let mastodon = host.mastodon(id).await;
    let made: Vec<(Option<i32>, bool)> = sqlx::query_as(
        "select max_uses, expires_at between now() + interval '23 hours' and now() + interval '25 hours' from invites",
    )
    .fetch_all(&mastodon)
    .await
    .unwrap();
    assert_eq!(made, [(Some(3), true); 4]);
    assert_eq!(host.jobs(id).get("run").await.unwrap().labels()["paddock.host/run"], *asked.iter().max().unwrap());
    mastodon.close().await;
    two.stop().await;
    three.stop().await;
}
