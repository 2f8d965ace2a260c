//! What we say of a run: status, event, metrics. Written only when it differs from what was said last.

use kube::api::PostParams;
use kube::runtime::events::{Event, EventType};
use kube::{Resource as _, ResourceExt as _};

use super::Look;
use crate::operator::error::{Error, chain};
use crate::operator::instance::with_proof;
use crate::resource::{Finding, MastodonRun, RunPhase, RunStatus, instant};

/// Writes the status if it differs; then tells of a change of the phase by event and metric.
pub async fn publish(look: &Look<'_>, run: &MastodonRun, next: RunStatus) -> Result<(), Error> {
    if run.status.as_ref() == Some(&next) {
        return Ok(());
    }
    let name = run.name_any();
    // The resource version goes along: what was computed from an old status is refused, not written over a newer one.
    let mut wanted = MastodonRun { status: Some(next.clone()), ..run.clone() };
    wanted.metadata.managed_fields = None;
    let params = PostParams { field_manager: Some(look.context.settings.field_manager.clone()), ..PostParams::default() };
    let answer =
        look.runs.replace_status(&name, &params, &wanted).await.map_err(Error::kube(format!("write the status of {name}")))?;
    look.known.put(answer.clone());
    if run.status.as_ref().and_then(|status| status.phase) != next.phase {
        tell(look, &answer, &next).await;
    }
    Ok(())
}

/// Says of the server what a run has found of its archives. The status is read anew, for others write it too; one that is gone has nothing
/// to be said of.
pub async fn prove(look: &Look<'_>, server: &str, proof: Finding) -> Result<(), Error> {
    let instances = &look.context.instances;
    let what = || format!("write into the status of {server}");
    let Some(mut instance) = instances.get_opt(server).await.map_err(Error::kube(what()))? else { return Ok(()) };
    let next = with_proof(&instance, proof, look.context.clock.now());
    if instance.status.as_ref() == Some(&next) {
        return Ok(());
    }
    instance.status = Some(next);
    instance.metadata.managed_fields = None;
    let params = PostParams { field_manager: Some(look.context.settings.field_manager.clone()), ..PostParams::default() };
    instances.replace_status(server, &params, &instance).await.map(drop).map_err(Error::kube(what()))
}

async fn tell(look: &Look<'_>, run: &MastodonRun, next: &RunStatus) {
    let Some(phase) = next.phase else { return };
    let kind = run.spec.action.kind();
    if phase.is_over() {
        metrics::counter!("paddock_operator_runs_total", "action" => kind, "phase" => phase.as_str()).increment(1);
    }
    if let (Some(started), Some(finished)) = (&next.started_at, &next.finished_at) {
        let took = (instant(finished) - instant(started)).to_std().unwrap_or_default();
        metrics::histogram!("paddock_operator_run_seconds", "action" => kind).record(took.as_secs_f64());
    }
    let (reason, message) = next.why();
    tracing::info!(
        run.name = run.name_any(),
        instance.name = run.spec.instance,
        run.action = kind,
        "{}: {message}",
        phase.as_str()
    );
    let event = Event {
        type_: if matches!(phase, RunPhase::Failed | RunPhase::TimedOut) { EventType::Warning } else { EventType::Normal },
        reason: reason.to_owned(),
        note: Some(format!("{kind}: {message}").chars().take(1000).collect()),
        action: "Run".to_owned(),
        secondary: None,
    };
    // An event that is lost is no reason to do anything again: the status says the same.
    if let Err(error) = look.context.recorder.publish(&event, &run.object_ref(&())).await {
        tracing::warn!(error = %chain(&error), "could not write an event");
    }
}
