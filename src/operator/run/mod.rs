//! Runs: bounded pieces of work on servers, each one Job. One look over all runs of one server: observe → plan → act → status.
//!
//! A look is for a server, not for a run: of a server's runs one is at work at a time, and which comes next is a question about all of
//! them. Only this file and `status` hold a client.

mod command;
mod known;
mod outcome;
mod plan;
mod queue;
mod status;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::api::{Api, DeleteParams, ListParams, PostParams, Preconditions, PropagationPolicy};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::known::Known;
use self::outcome::Slot;
use self::plan::{Gates, Step};
use self::queue::Queue;
use super::error::{Category, Error, chain, is_missing, is_taken};
use super::instance::build::{LIMIT_SECONDS, Object, RUN_LABEL, Work, archive_job, names, run_job};
use super::instance::{Context, Valid, validate};
use crate::resource::{Action, MastodonInstance, MastodonRun, RunPhase, RunStatus, Standing, instance_id, namespace_name, time};

/// Between two looks at a server that has runs, without cause.
const PERIOD: Duration = Duration::from_mins(1);
/// Until a Job that was deleted has left.
const SOON: Duration = Duration::from_secs(1);

/// What a look at one server needs.
pub struct Look<'a> {
    /// What every pass shares.
    context: &'a Context,
    /// The runs.
    runs: Api<MastodonRun>,
    /// What is known of them.
    known: &'a Known,
    /// The Jobs in the server's namespace.
    jobs: Api<Job>,
    /// The pods in the server's namespace.
    pods: Api<Pod>,
}

/// Works off the runs of all servers until `term` ends. `woken` brings names of servers that something happened to.
pub async fn work(
    context: Arc<Context>,
    instances: Store<MastodonInstance>,
    mut woken: mpsc::UnboundedReceiver<String>,
    term: CancellationToken,
) {
    let known = Arc::new(Known::default());
    let all: Api<MastodonRun> = Api::all(context.client.clone());
    let mut events = watcher(all, watcher::Config::default().page_size(500)).default_backoff().boxed();
    let mut queue = Queue::default();
    let mut looks: JoinSet<(String, Result<Option<Duration>, Error>)> = JoinSet::new();
    let mut listed = HashSet::new();
    // Before all runs were listed nobody knows which is the first.
    let mut complete = false;
    loop {
        let next = queue.next().filter(|_| complete);
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = term.cancelled() => return,
            event = events.next() => match event {
                None => return,
                Some(Err(error)) => tracing::warn!(error = %chain(&error), "the watch of runs stumbled and is taken up again"),
                Some(Ok(event)) => {
                    complete |= matches!(event, Event::InitDone);
                    for server in note(&known, &mut listed, event) {
                        queue.wake(server, Instant::now());
                    }
                }
            },
            Some(server) = woken.recv() => {
                if !known.of(&server).is_empty() {
                    queue.wake(server, Instant::now());
                }
            }
            Some(ended) = looks.join_next() => {
                let Ok((server, outcome)) = ended else { continue };
                settle(&mut queue, &server, outcome);
            }
            () = due => {}
        }
        if !complete {
            continue;
        }
        for server in queue.take(Instant::now(), usize::from(context.settings.concurrency)) {
            let (context, known, instances) = (Arc::clone(&context), Arc::clone(&known), instances.clone());
            looks.spawn(async move {
                let name = server.clone();
                // A task of its own, so that one that crashes is an error like any other.
                let look = tokio::spawn(async move { Box::pin(look(&context, &known, &instances, &name)).await });
                (server, look.await.unwrap_or_else(|crash| Err(Error::crashed(crash))))
            });
        }
    }
}

/// Takes note of what the watch says; returns the servers that it is about.
fn note(known: &Known, listed: &mut HashSet<String>, event: Event<MastodonRun>) -> Vec<String> {
    match event {
        Event::Init => {
            listed.clear();
            Vec::new()
        }
        Event::InitApply(run) => {
            listed.insert(run.name_any());
            known.put(run);
            Vec::new()
        }
        Event::InitDone => {
            known.keep_only(listed);
            listed.clear();
            known.servers()
        }
        Event::Apply(run) => {
            let server = run.spec.instance.clone();
            known.put(run);
            vec![server]
        }
        Event::Delete(run) => {
            known.remove(&run);
            vec![run.spec.instance]
        }
    }
}

fn settle(queue: &mut Queue, server: &str, outcome: Result<Option<Duration>, Error>) {
    let now = Instant::now();
    match outcome {
        Ok(again) => queue.done(server, again, now),
        // Somebody else was faster: look again at once.
        Err(error) if error.category() == Category::Conflict => queue.done(server, Some(Duration::from_millis(50)), now),
        Err(error) => {
            metrics::counter!("paddock_operator_errors_total", "category" => error.category().as_str()).increment(1);
            tracing::warn!(instance.name = server, error = %chain(&error), "the runs of a server could not be looked after; tries again");
            queue.failed(server, now);
        }
    }
}

/// One look at the runs of one server, and when to come again.
async fn look(
    context: &Context,
    known: &Known,
    instances: &Store<MastodonInstance>,
    server: &str,
) -> Result<Option<Duration>, Error> {
    let mut runs = known.of(server);
    if runs.is_empty() {
        return Ok(None);
    }
    plan::order(&mut runs);
    let namespace = instance_id(server).map(namespace_name).unwrap_or_default();
    let look = Look {
        context,
        runs: Api::all(context.client.clone()),
        known,
        jobs: Api::namespaced(context.client.clone(), &namespace),
        pods: Api::namespaced(context.client.clone(), &namespace),
    };
    let instance = match instances.get(&ObjectRef::new(server)) {
        Some(instance) => Some(instance),
        // The watch may be behind.
        None => context.instances.get_opt(server).await.map_err(Error::kube("read the MastodonInstance"))?.map(Arc::new),
    };
    let job = look.jobs.get_opt(names::RUN).await.map_err(Error::kube("look for the Job run"))?;
    let slot = job.as_ref().map(Slot::read);
    let archives = context.settings.program_image.is_some();
    let gates = instance.as_ref().map_or_else(Gates::no_server, |instance| Gates::of(instance, archives));
    let planned = plan::plan(&runs, slot.as_ref(), &gates, context.clock.now());
    if let (true, Some(slot)) = (planned.clear, &slot) {
        look.remove(slot).await?;
    }
    let mut again = Some(if slot.as_ref().is_some_and(|slot| slot.deleting) || planned.clear { SOON } else { PERIOD });
    for (at, step) in planned.steps {
        let run = &runs[at];
        match step {
            Step::Say(standing, position) => look.say(run, standing, position).await?,
            Step::Finish { well, reason, message } => look.finish(run, well, &reason, &message).await?,
            Step::Start => look.start(run, instance.as_deref()).await?,
            Step::End => {
                if let Some(slot) = &slot {
                    look.remove(slot).await?;
                }
                look.say(run, Standing::new(RunPhase::Running, "Ending", "it is being ended"), None).await?;
                again = Some(SOON);
            }
        }
    }
    Ok(again.filter(|_| !known.of(server).is_empty()))
}

impl Look<'_> {
    /// The status of a run with another standing.
    fn next(&self, run: &MastodonRun, standing: Standing) -> RunStatus {
        let generation = run.metadata.generation.unwrap_or(0);
        run.status.clone().unwrap_or_default().standing(standing, generation, self.context.clock.now())
    }

    async fn say(&self, run: &MastodonRun, standing: Standing, position: Option<u32>) -> Result<(), Error> {
        let next = RunStatus { position, ..self.next(run, standing) };
        status::publish(self, run, next).await
    }

    async fn finish(&self, run: &MastodonRun, well: bool, reason: &str, message: &str) -> Result<(), Error> {
        let ours = ListParams::default().labels(&format!("{RUN_LABEL}={}", run.name_any()));
        let pods = self.pods.list(&ours).await.map_err(Error::kube("look for the pods of the Job run"))?;
        let last = outcome::last_word(&pods.items);
        let (standing, output) = outcome::outcome(well, reason, message, last);
        let of_archive = well && run.spec.action.archive().is_some();
        let report = if of_archive { outcome::report(last) } else { outcome::Report::default() };
        let standing = outcome::archive_outcome(&run.spec.action, standing, &report);
        // First of the server: once the run is over, nobody looks at it again.
        if let Some(proof) = outcome::proof(&run.spec.action, &standing, &report) {
            status::prove(self, &run.spec.instance, proof).await?;
        }
        // Of one that went well the report says all; what it printed is how it got there.
        let output = output.filter(|_| !of_archive);
        let outcome::Report { written, proven } = report;
        let mut next = RunStatus { output, written, proven, ..self.next(run, standing) };
        if next.started_at.is_none() {
            // Its Job was made by an operator that died before it could say so.
            next.started_at = Some(time(self.context.clock.now()));
        }
        status::publish(self, run, next).await
    }

    /// Makes the Job of a run whose turn it is.
    async fn start(&self, run: &MastodonRun, instance: Option<&MastodonInstance>) -> Result<(), Error> {
        let name = run.name_any();
        let Some(instance) = instance else { return Ok(()) };
        let server = instance.name_any();
        let seen = self.context.seen.of(&server);
        let settings = self.context.current();
        let valid = match validate(&settings, instance, &instance.status.clone().unwrap_or_default(), &seen) {
            Ok(valid) => valid,
            Err(refusal) => {
                let standing = Standing::new(RunPhase::Waiting, refusal.reason(), refusal.to_string());
                return self.say(run, standing, None).await;
            }
        };
        // What was begun is never begun again: whether it was is asked of the API server, not of what we remember.
        let Some(live) = self.runs.get_opt(&name).await.map_err(Error::kube(format!("read {name}")))? else { return Ok(()) };
        let untouched = live.uid() == run.uid()
            && !live.spec.cancelled
            && live.status.as_ref().is_none_or(|status| status.started_at.is_none() && !status.is_over());
        if !untouched {
            self.known.put(live);
            return Ok(());
        }
        let Some((object, limit)) = self.job(&valid, run) else { return Ok(()) };
        let job: Job = serde_json::from_value(object.body)?;
        let params = PostParams { field_manager: Some(self.context.settings.field_manager.clone()), ..PostParams::default() };
        match self.jobs.create(&params, &job).await {
            Ok(_) => {}
            // Another operator was faster: the next look says for which run.
            Err(error) if is_taken(&error) => return Err(Error::kube("create Job run")(error)),
            Err(error) => {
                let error = Error::kube("create Job run")(error);
                if let Some(reason) = error.stalls() {
                    self.say(run, Standing::new(RunPhase::Waiting, reason, chain(&error)), None).await?;
                }
                return Err(error);
            }
        }
        let mut next = self.next(run, Standing::new(RunPhase::Running, "Running", "at work"));
        next.started_at = Some(time(self.context.clock.now()));
        next.limit_seconds = Some(limit);
        status::publish(self, &live, next).await
    }

    /// The Job of a run and how many seconds it may take; nothing for what is not offered.
    fn job(&self, valid: &Valid<'_>, run: &MastodonRun) -> Option<(Object, u32)> {
        let settings = &self.context.settings;
        let within = |seconds: u32| settings.runs.longest_seconds.map_or(seconds, |longest| longest.min(seconds));
        let name = run.name_any();
        match &run.spec.action {
            Action::Maintenance(maintenance) => {
                let limit = within(u32::try_from(maintenance.limit().as_secs()).unwrap_or(u32::MAX));
                let command::Command { words, env } = command::command(maintenance);
                let work = Work { command: words, env, limit, again: maintenance.is_idempotent() };
                Some((run_job(valid, &name, work), limit))
            }
            Action::Export { archive: _, scope: _, recipients: _ }
            | Action::Verify { archive: _, manifest: _ }
            | Action::RestoreDrill { archive: _, manifest: _ } => {
                let limit = within(LIMIT_SECONDS);
                archive_job(valid, &name, &run.spec.action, settings.program_image.as_deref()?, limit).map(|job| (job, limit))
            }
            Action::Import {} => None,
        }
    }

    /// Removes the Job, this one and no later one. It is gone when its pods are.
    async fn remove(&self, slot: &Slot) -> Result<(), Error> {
        let exactly = Preconditions { uid: Some(slot.uid.clone()), resource_version: None };
        let params = DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
        match self.jobs.delete(names::RUN, &params.preconditions(exactly)).await {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(Error::kube("delete Job run")(error)),
        }
    }
}
