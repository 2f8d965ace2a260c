//! `paddock demo`: everything on this machine, for looking at it and for proving that it works.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Selection, serve};
use crate::demo::journey::Journey;
use crate::demo::rig::{Rig, RigSettings};
use crate::demo::stage::{HOSTS_DOMAIN, STAFF_EMAIL, STAFF_PASSWORD, Stage, StageSettings};
use crate::resource;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Forget what an earlier run kept.
    #[arg(long)]
    fresh: bool,
    /// Do the journey from sign-up to a running server by itself in a place of its own, print each step, and end.
    #[arg(long)]
    check: bool,
    /// Where state is kept between runs.
    #[arg(long, default_value = ".demo")]
    dir: PathBuf,
}

pub(super) async fn run(demo: Demo, shutdown: CancellationToken) -> anyhow::Result<()> {
    let began = Instant::now();
    let dir = if demo.check { std::env::temp_dir().join(format!("paddock-check-{}", std::process::id())) } else { demo.dir };
    let outcome = tokio::select! {
        started = start(&dir, !demo.check && !demo.fresh) => {
            let (rig, stage) = started?;
            play(rig, stage, demo.check, began, shutdown).await
        }
        () = shutdown.cancelled() => Err(anyhow::anyhow!("interrupted while starting")),
    };
    if demo.check
        && let Err(error) = std::fs::remove_dir_all(&dir)
    {
        tracing::warn!(error = %error, "the check's folder could not be removed");
    }
    outcome
}

async fn start(dir: &Path, keep: bool) -> anyhow::Result<(Rig, Stage)> {
    if !keep && dir.exists() {
        std::fs::remove_dir_all(dir).with_context(|| format!("forgetting {}", dir.display()))?;
    }
    std::fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    let dir = dir.canonicalize()?;
    let crds = resource::crds_yaml()?.into_iter().map(|(_, text)| text).collect();
    let settings = RigSettings {
        keep,
        durable: true,
        hosts_domain: HOSTS_DOMAIN.to_owned(),
        crds,
        ..RigSettings::throwaway(dir.join("rig"))
    };
    let rig = step("Postgres, Kubernetes and S3", async { Ok(Box::pin(Rig::start(&settings)).await?) }).await?;
    let settings =
        StageSettings { dir, database: "paddock".to_owned(), ports: [8080, 8081, 8082], sweep_seconds: 60, capacity: 100 };
    let stage = step("database, mails and the fake Stripe", Stage::open(&rig, &settings)).await?;
    Ok((rig, stage))
}

/// Says a step's name at once and its time when it is done: some of them take a while.
async fn step<T>(name: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let began = Instant::now();
    eprintln!("{name} …");
    let done = work.await.with_context(|| name.to_owned())?;
    eprintln!("{name}: {:.1} s", began.elapsed().as_secs_f64());
    Ok(done)
}

/// Serves until the end: of the check, or by Ctrl-C. Everything is stopped either way.
async fn play(rig: Rig, stage: Stage, check: bool, began: Instant, shutdown: CancellationToken) -> anyhow::Result<()> {
    let stop = shutdown.child_token();
    let serving = tokio::spawn(serve::run(stage.config.clone(), Selection::ALL, true, stop.clone()));
    let outcome = async {
        wait_until_served(&stage).await?;
        if check {
            return self::check(&stage, began).await;
        }
        tell(&rig, &stage, began.elapsed());
        stop.cancelled().await;
        Ok(())
    };
    let outcome = tokio::select! {
        outcome = outcome => outcome,
        // A part that can't go on cancels `stop`; what it has to say comes out of `serving`.
        () = stop.cancelled() => Ok(()),
    };
    stop.cancel();
    let served = serving.await.map_err(anyhow::Error::from).and_then(|served| served);
    eprintln!("stopping …");
    let Stage { stripe, mailbox, .. } = stage;
    stripe.shutdown().await;
    drop(mailbox);
    rig.stop().await;
    outcome.and(served)
}

async fn wait_until_served(stage: &Stage) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_mins(1);
    let address = stage.pages.join("/readyz")?;
    while !reqwest::get(address.clone()).await.is_ok_and(|answer| answer.status().is_success()) {
        anyhow::ensure!(Instant::now() < end, "the pages did not answer within a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// What somebody needs to know to look around.
fn tell(rig: &Rig, stage: &Stage, took: Duration) {
    println!("\nPaddock runs after {:.1} s: {}\n", took.as_secs_f64(), stage.pages);
    println!("  mails       {}", stage.mailbox_url);
    println!("  staff       {}staff/log-in   {STAFF_EMAIL}   {STAFF_PASSWORD}", stage.pages);
    println!("  test cards  4242 4242 4242 4242 pays");
    println!("              4000 0000 0000 0002 is declined");
    println!("              4000 0025 0000 3155 asks for 3-D Secure (any date to come, any CVC)");
    println!("  kubectl     KUBECONFIG={}", rig.cluster().kubeconfig().display());
    println!("\nCtrl-C stops everything; the next start goes on from here, --fresh forgets it.\n");
}

/// The journey, and that it left exactly one of everything.
async fn check(stage: &Stage, began: Instant) -> anyhow::Result<()> {
    println!("{:>8.1} s  everything has started", began.elapsed().as_secs_f64());
    let journey = Journey {
        pages: stage.pages.clone(),
        mailbox: stage.mailbox_url.clone(),
        email: "ada@example.org".to_owned(),
        password: "a password of the check".to_owned(),
        name: "harbour".to_owned(),
    };
    let mut tell = |step: &str, took: Duration| println!("{:>8.1} s  {step}", took.as_secs_f64());
    let arrived = journey.go(&mut tell).await?;
    let charges = stage.stripe.control().charges().len();
    anyhow::ensure!(charges == 1, "there are {charges} charges instead of 1");
    let mails = journey.mails().await?;
    anyhow::ensure!(mails.len() == 2, "there are {} mails instead of 2: {mails:?}", mails.len());
    println!("{:>8.1} s  all in all: {} runs, 1 charge, 2 mails", began.elapsed().as_secs_f64(), arrived.address);
    Ok(())
}
