//! `paddock demo`: everything on this machine, for looking at it and for proving that it works.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use super::{OperatorOf, Selection, serve};
use crate::demo::journey::Journey;
use crate::demo::rig::{self, Rig, RigSettings};
use crate::demo::stage::{HOSTS_DOMAIN, STAFF_EMAIL, STAFF_PASSWORD, Stage, StageSettings};
use crate::{park, resource};

/// Held by the demo that runs in a folder; says which process it is. The first thing that a demo makes there, and never forgotten.
const LOCK: &str = "lock";
/// Whole seconds that `./dev` took before it started us: whoever waits for the demo has waited for these as well.
const BEFORE: &str = "PADDOCK_DEV_SECONDS";
/// What else a demo makes in its folder.
const KEPT: [&str; 7] = ["rig", "mails", "stripe.json", "stripe.new", "paddock.toml", "vault.toml", "offline.key"];

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
    std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let dir = dir.canonicalize()?;
    let keep = !demo.check && !demo.fresh;
    if !keep {
        ensure_ours(&dir)?;
    }
    let _lock = lock(&dir)?;
    let outcome = tokio::select! {
        started = start(&dir, keep) => match started {
            Ok((rig, stage)) => play(rig, stage, demo.check, began, shutdown.clone()).await,
            Err(error) => Err(error),
        },
        () = shutdown.cancelled() => Err(anyhow::anyhow!("interrupted while starting")),
    };
    if !demo.check {
        return outcome;
    }
    if outcome.is_err() && !shutdown.is_cancelled() {
        eprintln!("the check failed; all of it is kept in {} (logs in {})", dir.display(), dir.join("rig/logs").display());
        return outcome;
    }
    remove(&dir).context("removing the check's folder")?;
    outcome
}

/// What is to be forgotten must be a demo's: the folder of somebody who mistyped `--dir` is full of other things.
fn ensure_ours(dir: &Path) -> anyhow::Result<()> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    let remedy = "name another folder, or remove by hand what you no longer need";
    if let Some(name) = names.iter().find(|name| *name != LOCK && !KEPT.contains(&name.as_str())) {
        anyhow::bail!("nothing was forgotten: {} holds \"{name}\", which no demo makes; {remedy}", dir.display());
    }
    let ours = names.is_empty() || names.iter().any(|name| name == LOCK);
    anyhow::ensure!(ours, "nothing was forgotten: no demo has ever run in {}; {remedy}", dir.display());
    Ok(())
}

/// Whoever starts sweeps away what an earlier run left behind: it must not be a demo that runs.
fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join(LOCK);
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            anyhow::bail!("a demo runs already in this folder (pid {}): {}", holder.trim(), dir.display());
        }
        Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("locking {}", path.display())),
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Removes all state, wherever it lies, but not the lock that we hold, nor anything that no demo makes.
fn forget(dir: &Path) -> anyhow::Result<()> {
    rig::forget(&dir.join("rig"))?;
    for path in KEPT.map(|name| dir.join(name)) {
        // Of a link, the link: what it leads to is not ours.
        let removed = match std::fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => std::fs::remove_dir_all(&path),
            Ok(_) => std::fs::remove_file(&path),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

/// Removes all state and then the folder, which must be empty but for the lock.
fn remove(dir: &Path) -> anyhow::Result<()> {
    forget(dir)?;
    std::fs::remove_file(dir.join(LOCK))?;
    Ok(std::fs::remove_dir(dir)?)
}

async fn start(dir: &Path, keep: bool) -> anyhow::Result<(Rig, Stage)> {
    if !keep {
        rig::sweep(&dir.join("rig")).await;
        forget(dir).with_context(|| format!("forgetting {}", dir.display()))?;
    }
    let crds = resource::crds_yaml()?.into_iter().map(|(_, text)| text).collect();
    let settings = RigSettings {
        keep,
        durable: true,
        hosts_domain: HOSTS_DOMAIN.to_owned(),
        crds,
        ..RigSettings::throwaway(dir.join("rig"))
    };
    let rig = step("Postgres, Kubernetes and S3", async { Ok(Box::pin(Rig::start(&settings)).await?) }).await?;
    let settings = StageSettings {
        dir: dir.to_owned(),
        database: "paddock".to_owned(),
        ports: [8080, 8081, 8082],
        sweep_seconds: 60,
        capacity: 100,
        identity: "admin".to_owned(),
    };
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
    let parked = match listen_for_paused().await {
        Ok(parked) => parked,
        Err(error) => {
            rig.stop().await;
            return Err(error);
        }
    };
    let paused = parked.local_addr()?;
    let parking = tokio::spawn(park::serve(parked, stop.clone()));
    let (config, told) = (stage.config.clone(), stop.clone());
    let mut serving = tokio::spawn(async move {
        let parts = Parts::open((Some(config), Vec::new()))?;
        serve::run(parts, Selection::ALL, OperatorOf::OnlyOne, true, told).await
    });
    let playing = async {
        wait_until_served(&stage).await?;
        if check {
            return self::check(&stage, began).await;
        }
        tell(&rig, &stage, paused, began.elapsed());
        std::future::pending().await
    };
    let mut ended = None;
    let outcome = tokio::select! {
        biased;
        () = shutdown.cancelled() => if check { Err(anyhow::anyhow!("interrupted")) } else { Ok(()) },
        served = &mut serving => {
            ended = Some(served);
            Err(anyhow::anyhow!("the program ended by itself"))
        }
        outcome = playing => outcome,
    };
    stop.cancel();
    let served = match ended {
        Some(served) => served,
        None => serving.await,
    };
    let served = served.map_err(anyhow::Error::from).and_then(|served| served);
    if let Err(error) = &served {
        // At once: the orderly stop of everything else takes a while.
        eprintln!("the program can't go on: {error:#}");
    }
    eprintln!("stopping …");
    // It ends with the others; what it might still say is of no use.
    let _ = parking.await;
    let Stage { stripe, mailbox, .. } = stage;
    stripe.shutdown().await;
    drop(mailbox);
    rig.stop().await;
    // What the program says is the reason for whatever failed in front of it.
    served.and(outcome)
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

/// Where visitors of paused servers would come to, if the demo had a gateway.
async fn listen_for_paused() -> anyhow::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 8083)).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?),
    }
}

/// What somebody needs to know to look around.
fn tell(rig: &Rig, stage: &Stage, paused: SocketAddr, took: Duration) {
    let before = std::env::var(BEFORE).ok().and_then(|seconds| seconds.parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    let took = (before + took).as_secs_f64();
    println!("\nPaddock runs after {took:.1} s (budget 15 s; 20 min where all must be built first): {}\n", stage.pages);
    println!("  mails       {}", stage.mailbox_url);
    println!("  staff       {}staff/log-in   {STAFF_EMAIL}   {STAFF_PASSWORD}   (then an authenticator app)", stage.pages);
    println!("  paused      http://{paused}/   what visitors of a paused server get");
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
