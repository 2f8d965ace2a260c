//! The program as child processes, started again whenever they die, on a rig that only these tests use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use kube::api::{Api, ListParams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paddock::demo::rig::{Identity, Rig, RigError};
use paddock::demo::stage::{HOSTS_DOMAIN, Stage, StageSettings};
use paddock::resource::{MastodonInstance, crds_yaml};
use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::LOOK;
use crate::harness::clear;

/// Name of the program at the API server, so that the audit log tells it from everybody else.
pub const PROGRAM: &str = "paddock";

/// One at a time: a world takes servers down, and its operator would work on another world's instances.
static TURN: Mutex<()> = Mutex::const_new(());

/// How the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// `paddock serve`.
    Whole,
    /// A process for each part.
    Parts,
}

impl Split {
    fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Whole => &["serve"],
            Self::Parts => &["web", "worker", "fleet", "operator"],
        }
    }

    /// For people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Whole => "one process",
            Self::Parts => "a process for each part",
        }
    }
}

/// A rig, a stage on it, and the program.
pub struct World {
    pub rig: &'static Rig,
    pub client: Client,
    pub stage: Stage,
    dir: PathBuf,
    parts: Vec<Part>,
    runs: usize,
    _turn: MutexGuard<'static, ()>,
}

/// A process that is started again whenever it ends.
struct Part {
    command: &'static str,
    pid: Arc<AtomicU32>,
    starts: Arc<AtomicUsize>,
    stop: CancellationToken,
    keeper: JoinHandle<()>,
}

async fn rig() -> Result<&'static Rig, RigError> {
    static RIG: OnceCell<Result<Rig, String>> = OnceCell::const_new();
    let start = async || {
        let crds = crds_yaml().map_err(|error| error.to_string())?.into_iter().map(|(_, text)| text).collect();
        let settings = Rig::apart("faults", |mut settings| {
            let identity = Identity { name: PROGRAM.into(), user: PROGRAM.into(), groups: vec!["system:masters".into()] };
            settings.identities.push(identity);
            settings.hosts_domain = HOSTS_DOMAIN.into();
            settings.crds = crds;
            settings.audit = true;
            settings
        });
        settings.await.map_err(|error| error.to_string())
    };
    RIG.get_or_init(start).await.as_ref().map_err(|error| RigError::Shared(error.clone()))
}

impl World {
    /// A world with nobody in it. `name` is that of its database.
    pub async fn open(name: &str) -> anyhow::Result<Self> {
        let turn = TURN.lock().await;
        let rig = rig().await?;
        let client = rig.cluster().client().await?;
        clear(&client).await.context("clearing what an earlier world left")?;
        let dir = rig.dir().join("worlds").join(name);
        // Sweeps and tidying come at each start of the program; between two starts nothing but webhooks tells us anything.
        let settings = StageSettings {
            dir: dir.clone(),
            database: name.to_owned(),
            ports: [0, 0, 0],
            sweep_seconds: 86_400,
            capacity: 1000,
            identity: PROGRAM.to_owned(),
        };
        let stage = Stage::open(rig, &settings).await?;
        Ok(Self { rig, client, stage, dir, parts: Vec::new(), runs: 0, _turn: turn })
    }

    /// Starts the program, to die once at each of the named points.
    pub fn start(&mut self, split: Split, die_at: &[&str], environment: &[(&'static str, String)]) -> anyhow::Result<()> {
        self.runs += 1;
        fs::create_dir_all(self.crashes())?;
        let mut environment = environment.to_vec();
        environment.push(("PADDOCK_CRASH_AT", die_at.join(",")));
        environment.push(("PADDOCK_CLUSTER", self.stage.kubeconfig.clone()));
        environment.push(("PADDOCK_CRASH_ONCE", self.crashes().display().to_string()));
        for command in split.commands() {
            self.parts.push(Part::start(command, &self.stage.config_file, &self.log(command), environment.clone())?);
        }
        Ok(())
    }

    /// Stops the program the way systemd or Kubernetes do.
    pub async fn stop(&mut self) {
        for part in &self.parts {
            part.stop.cancel();
        }
        for part in self.parts.drain(..) {
            // A keeper that panicked has said so itself.
            let _ended = part.keeper.await;
        }
    }

    /// Where the program notes at which points it died or was held up in this run.
    fn crashes(&self) -> PathBuf {
        self.dir.join(format!("crashes-{}", self.runs))
    }

    /// Whether the program died or is held up at a point in this run.
    pub fn was_at(&self, point: &str) -> bool {
        self.crashes().join(point).exists()
    }

    /// Lets it go on from there.
    pub fn go_on(&self, point: &str) -> anyhow::Result<()> {
        Ok(fs::write(self.crashes().join(format!("{point}.go")), "")?)
    }

    fn log(&self, command: &str) -> PathBuf {
        self.dir.join(format!("{}-{command}.log", self.runs))
    }

    /// The last lines that each process of this run logged.
    pub fn logs(&self) -> String {
        let part = |part: &Part| {
            let text = fs::read_to_string(self.log(part.command)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            format!(
                "--- {}, started {} times\n{}\n",
                part.command,
                part.starts(),
                lines[lines.len().saturating_sub(60)..].join("\n")
            )
        };
        self.parts.iter().map(part).collect()
    }

    /// Number of processes.
    pub fn processes(&self) -> usize {
        self.parts.len()
    }

    /// `kill -9` of one process. Returns how often it had been started.
    pub fn kill(&self, number: usize) -> usize {
        let part = &self.parts[number % self.parts.len()];
        let pid = part.pid.swap(0, Ordering::Relaxed);
        if let Ok(pid) = i32::try_from(pid)
            && pid > 0
        {
            let _gone_already = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        part.starts()
    }

    /// Waits until a process was started more often than this.
    pub async fn is_back(&self, number: usize, starts: usize) {
        while self.parts[number % self.parts.len()].starts() <= starts {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A connection of the log-in user. A new one each time: Postgres may have been away.
    pub async fn database(&self) -> anyhow::Result<PgConnection> {
        use secrecy::ExposeSecret as _;
        Ok(PgConnection::connect(self.stage.config.database.url.expose_secret()).await?)
    }

    /// The custom resource that somebody's order has led to.
    pub async fn resource_of(&self, email: &str) -> anyhow::Result<Option<MastodonInstance>> {
        let all: Api<MastodonInstance> = Api::all(self.client.clone());
        let mut theirs: Vec<_> = all.list(&ListParams::default()).await?.items;
        theirs.retain(|resource| resource.spec.owner.email == email);
        anyhow::ensure!(theirs.len() <= 1, "there are {} custom resources for {email}", theirs.len());
        Ok(theirs.pop())
    }
}

impl Part {
    fn start(command: &'static str, config: &Path, log: &Path, environment: Vec<(&'static str, String)>) -> anyhow::Result<Self> {
        let (pid, starts, stop) = (Arc::<AtomicU32>::default(), Arc::<AtomicUsize>::default(), CancellationToken::new());
        let out = fs::OpenOptions::new().create(true).append(true).open(log)?;
        let config = config.to_path_buf();
        let (shown, counted, told) = (Arc::clone(&pid), Arc::clone(&starts), stop.clone());
        let keeper = tokio::spawn(async move {
            while !told.is_cancelled() {
                // The kernel ends it when this test's thread does.
                let mut run = Command::new("setpriv");
                run.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_paddock"), command, "--config"]).arg(&config);
                run.envs(environment.clone()).stdin(Stdio::null()).kill_on_drop(true);
                run.stdout(out.try_clone().expect("a file")).stderr(out.try_clone().expect("a file"));
                let mut child = run.spawn().expect("the program starts");
                shown.store(child.id().unwrap_or(0), Ordering::Relaxed);
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::select! {
                    _ = child.wait() => {}
                    () = told.cancelled() => {
                        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
                            let _gone_already = kill(Pid::from_raw(pid), Signal::SIGTERM);
                        }
                        if tokio::time::timeout(Duration::from_secs(5), child.wait()).await.is_err() {
                            println!("{command} did not end within 5 s of SIGTERM");
                        }
                    }
                }
            }
        });
        Ok(Self { command, pid, starts, stop, keeper })
    }

    fn starts(&self) -> usize {
        self.starts.load(Ordering::Relaxed)
    }
}
