//! The operator: makes what is in a cluster equal to its custom resources, and says how far that is.
//!
//! It imports `resource` and `clock` alone, neither the domain nor the database: it can run in another cluster, as another
//! process. Several of them may run; a lease spares double work, and nothing goes wrong without it.

mod additions;
pub mod bucket;
mod catalogue;
mod error;
pub mod fuse;
mod instance;
mod kind;
mod leader;
mod network;
pub mod relay;
mod run;
pub mod seeded;
mod seen;
mod seen_store;
pub mod settings;
pub mod stores;
mod template;
pub mod vault;
mod watch;

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::runtime::controller::{Error as ControllerError, ReconcileRequest};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher::{self, watcher};
use kube::runtime::{Config, WatchStreamExt as _, applier};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use error::{Error, chain as error_chain};
pub use instance::{Identity, Refusal, render};
pub use settings::Settings;

pub use crate::resource::{VersionChange, plan_version_change};

use self::bucket::Buckets;
use self::instance::Context;
use self::leader::Leader;
use self::vault::Vault;
use self::watch::{Notes, Wake};
use crate::clock::SharedClock;
use crate::resource::MastodonInstance;

/// How long the passes under way have at the end.
const GRACE: Duration = Duration::from_secs(10);
/// How long a pass may take. One that hangs would hold its instance, and one of the places that passes share, for ever; what was done
/// so far stays, and the next pass goes on from there.
const PASS: Duration = Duration::from_mins(2);

/// Works until `shutdown`, then ends the passes under way and returns.
///
/// # Errors
/// Only for settings that can't be used. What goes wrong later is logged, told in conditions, and tried again.
pub async fn run(settings: Settings, client: Client, clock: SharedClock, shutdown: CancellationToken) -> Result<(), Error> {
    let buckets = bucket::connect(&settings.storage, &clock)?;
    run_with(settings, client, clock, buckets, shutdown).await
}

/// Like [`run`], with an object store of the caller's choice. The vault is where the settings say.
///
/// # Errors
/// Only for settings that can't be used.
pub async fn run_with(
    settings: Settings,
    client: Client,
    clock: SharedClock,
    buckets: Arc<dyn Buckets>,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    settings.check()?;
    let leader = settings.leader.clone().map(|lease| Leader::new(client.clone(), lease, Arc::clone(&clock)));
    while !shutdown.is_cancelled() {
        // Fresh for each term: what another operator did meanwhile is seen by listing anew.
        let context = Arc::new(context(&settings, &client, &clock, &buckets)?);
        let Some(leader) = &leader else {
            work(&context, &shutdown).await;
            break;
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = leader.acquire() => tracing::info!("holds the lease and works"),
        }
        let term = shutdown.child_token();
        tokio::select! {
            () = work(&context, &term) => {}
            () = leader.hold() => {
                tracing::warn!("has lost the lease and stops working");
                term.cancel();
            }
        }
    }
    Ok(())
}

fn context(settings: &Settings, client: &Client, clock: &SharedClock, buckets: &Arc<dyn Buckets>) -> Result<Context, Error> {
    let vault = Vault::connect(settings, Some(Arc::clone(buckets)), clock)?;
    let instance = settings.leader.as_ref().map(|lease| lease.identity.clone());
    let recorder = Recorder::new(client.clone(), Reporter { controller: "paddock-operator".to_owned(), instance });
    Ok(Context::new(settings.clone(), client.clone(), Arc::clone(clock), Arc::clone(buckets), vault, recorder))
}

/// Watches and works until `term` ends.
async fn work(context: &Arc<Context>, term: &CancellationToken) {
    let (wake, woken) = mpsc::unbounded_channel();
    let (wake_runs, woken_runs) = mpsc::unbounded_channel();
    let (synced, all_seen) = oneshot::channel();
    let follower = tokio::spawn(follow(Arc::clone(context), wake.clone(), wake_runs.clone(), synced, term.clone()));

    let (reader, writer) = reflector::store();
    let (known, catalogue_known) = oneshot::channel();
    let catalogue = tokio::spawn(catalogue::follow(Arc::clone(context), reader.clone(), wake, known, term.clone()));
    let instances = watcher(context.instances.clone(), watcher::Config::default().page_size(500))
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .map_ok(move |instance: MastodonInstance| {
            // A server that is paused, upgraded or well again: its runs may wait for that. Nobody listens when the term has ended.
            let _ended = wake_runs.send(instance.metadata.name.clone().unwrap_or_default());
            ReconcileRequest::from(ObjectRef::from_obj(&instance))
        })
        .inspect_err(
            |error| tracing::warn!(error = %error::chain(error), "the watch of instances stumbled and is taken up again"),
        );
    let woken = stream::unfold(woken, |mut woken| async move {
        let name: String = woken.recv().await?;
        Some((Ok(ReconcileRequest::from(ObjectRef::<MastodonInstance>::new(&name))), woken))
    });
    let ended = term.clone().cancelled_owned();
    let queue = stream::select(instances, woken).take_until(ended);

    // Before everything has been listed, what is there would look as if it were missing; and a release that the fleet has published as
    // if nobody had heard of it.
    tokio::select! {
        () = term.cancelled() => {}
        _ = future::join(all_seen, catalogue_known) => {}
    }
    let runs = tokio::spawn(run::work(Arc::clone(context), reader.clone(), woken_runs, term.clone()));
    let config = Config::default().concurrency(context.settings.concurrency).debounce(Duration::from_millis(5));
    let passes =
        applier(
            |instance, context| {
                // A task of its own: building objects of several instances uses several cores, and a panic ends one pass alone.
                let pass = instance::reconcile(Arc::clone(&instance), Arc::clone(&context));
                let pass = tokio::spawn(tokio::time::timeout(PASS, pass));
                Box::pin(async move {
                    match pass.await {
                        Ok(Ok(ended)) => ended,
                        Ok(Err(_)) => Err(Error::TookTooLong(PASS)),
                        Err(crash) => Err(instance::crashed(instance, &context, crash).await),
                    }
                })
            },
            |instance, error, context| instance::after_error(&instance, error, &context),
            Arc::clone(context),
            reader,
            Box::pin(queue),
            config,
        )
        .for_each(|outcome| {
            match outcome {
                Ok(_)
                | Err(
                    ControllerError::ObjectNotFound(_) | ControllerError::ReconcilerFailed(..) | ControllerError::QueueError(_),
                ) => {}
                Err(error @ ControllerError::RunnerError(_)) => {
                    tracing::error!(error = %error::chain(&error), "the queue of passes broke");
                }
            }
            ready(())
        });
    // The queue ends with the term, and the passes under way go on to their end; but when the instances were never listed, the
    // applier would wait for that for ever.
    tokio::select! {
        () = passes => {}
        () = async {
            term.cancelled().await;
            tokio::time::sleep(GRACE).await;
        } => {}
    }
    follower.abort();
    runs.abort();
    catalogue.abort();
}

/// Follows our objects: notes what was seen and wakes whom it concerns.
async fn follow(
    context: Arc<Context>,
    wake: mpsc::UnboundedSender<String>,
    wake_runs: mpsc::UnboundedSender<String>,
    synced: oneshot::Sender<()>,
    term: CancellationToken,
) {
    let notes = Notes::new(Arc::clone(&context.seen), &context.settings);
    let (mut wakes, mut outstanding) = watch::wakes(&context.client, &notes);
    let mut synced = Some(synced);
    while let Some(Some(event)) = term.run_until_cancelled(wakes.next()).await {
        match event {
            Wake::Changed(instances) => {
                for instance in instances {
                    let _ended = wake_runs.send(instance.clone());
                    if wake.send(instance).is_err() {
                        return;
                    }
                }
            }
            Wake::Listed => {
                outstanding = outstanding.saturating_sub(1);
                if outstanding == 0
                    && let Some(synced) = synced.take()
                {
                    // Nobody waits any more when the term has ended meanwhile.
                    let _ended = synced.send(());
                }
            }
        }
    }
}
