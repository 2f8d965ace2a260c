//! What the operator tells by Events: every change of a condition, with its reason.

use k8s_openapi::api::events::v1::Event;

use super::*;

/// The Events about an instance: type and note.
async fn events(host: &Host, id: InstanceId) -> Vec<(String, String)> {
    let api: Api<Event> = Api::namespaced(host.client.clone(), "default");
    let about = |event: &Event| event.regarding.as_ref().and_then(|it| it.name.clone()) == Some(resource_name(id));
    let all = api.list(&ListParams::default()).await.unwrap();
    all.items.into_iter().filter(about).map(|event| (event.type_.unwrap_or_default(), event.note.unwrap_or_default())).collect()
}

#[tokio::test]
async fn every_change_of_a_condition_is_an_event() {
    let host = Host::new().await;
    let operator = host.operator().await;
    let id = host.order(|_| {}).await;
    let instance = host.until_condition(id, ConditionKind::Ready, "True").await;
    let there = instance.status.unwrap_or_default().conditions.into_iter().filter(|condition| condition.status == "True");
    for condition in there {
        let line = format!("{} is True ({})", condition.type_, condition.reason);
        host.until(&line, async || events(&host, id).await.iter().any(|(_, note)| note.contains(&line)).then_some(())).await;
    }
    assert!(events(&host, id).await.iter().all(|(kind, _)| kind == "Normal"));

    let bad = host.order(|wanted| wanted["spec"]["version"] = "9.9.9".into()).await;
    host.until("a warning", async || {
        let told = events(&host, bad).await;
        told.iter().any(|(kind, note)| kind == "Warning" && note.contains("Stalled is True (UnknownRelease)")).then_some(())
    })
    .await;
    operator.stop().await;
}
