//! The program: its parts as processes of their own, so that the test decides when a server begins to be built.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use paddock::demo::stage::Stage;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// The parts that run. Dropping it kills them.
pub struct Program {
    config: PathBuf,
    /// Name of the cluster's kubeconfig.
    cluster: String,
    dir: PathBuf,
    parts: Vec<Child>,
}

impl Program {
    /// Pages, jobs and the exchange with the cluster; [`Self::build`] adds the operator.
    pub async fn start(stage: &Stage, dir: &Path) -> anyhow::Result<Self> {
        let mut program =
            Self { config: stage.config_file.clone(), cluster: stage.kubeconfig.clone(), dir: dir.to_owned(), parts: Vec::new() };
        for part in ["web", "worker", "fleet"] {
            program.part(part)?;
        }
        let (end, ready) = (Instant::now() + Duration::from_mins(1), stage.pages.join("/readyz")?);
        while !reqwest::get(ready.clone()).await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(Instant::now() < end, "the pages do not answer; see {}", dir.join("web.log").display());
            sleep(Duration::from_millis(50)).await;
        }
        Ok(program)
    }

    /// From now on servers are built.
    pub fn build(&mut self) -> anyhow::Result<()> {
        self.part("operator")
    }

    fn part(&mut self, part: &str) -> anyhow::Result<()> {
        let log = File::create(self.dir.join(format!("{part}.log")))?;
        // The kernel ends it with the thread that started it, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_paddock"), part, "--config"]).arg(&self.config);
        command.env("PADDOCK_CLUSTER", &self.cluster);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        self.parts.push(command.spawn().with_context(|| format!("starting {part}"))?);
        Ok(())
    }
}
