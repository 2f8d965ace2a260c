//! The program as a process of its own, so that its memory and its processor time are its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use url::Url;

/// Linux counts processor time in hundredths of a second for every program (`USER_HZ`, proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// A running `paddock serve`, or one of its parts. Dropping it kills it.
pub(super) struct Program {
    child: Child,
    pid: u32,
    metrics: Url,
}

impl Program {
    /// Starts a subcommand and returns once `answers` (its pages), or else its metrics, answer. The kernel ends it with us: the
    /// death signal follows the thread that forks, and the main thread, in which this must be called, lives as long as the process.
    ///
    /// `cluster` names the kubeconfig of the cluster that an operator works in, where there is one among what is started.
    pub async fn start(
        subcommand: &str,
        config: &Path,
        cluster: Option<&str>,
        answers: Option<Url>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let out = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--"])
            .arg(std::env::current_exe()?)
            .arg(subcommand)
            .arg("--config")
            .arg(config)
            .envs(cluster.map(|cluster| ("PADDOCK_CLUSTER", cluster)))
            .env("PADDOCK__METRICS__LISTEN", format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting paddock {subcommand}"))?;
        let pid = child.id().with_context(|| format!("paddock {subcommand} has ended at once"))?;
        let mut program = Self { child, pid, metrics: format!("http://127.0.0.1:{port}/metrics").parse()? };
        let end = Instant::now() + Duration::from_mins(1);
        let address = answers.unwrap_or_else(|| program.metrics.clone());
        while !reqwest::get(address.clone()).await.is_ok_and(|answer| answer.status().is_success()) {
            program.check()?;
            anyhow::ensure!(Instant::now() < end, "paddock {subcommand} did not answer within a minute");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(program)
    }

    /// An error once it has ended by itself.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("the program has ended: {status}"),
        }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The most memory that it ever held, in KiB.
    pub fn peak_kib(&self) -> anyhow::Result<u64> {
        self.memory("VmHWM:")
    }

    /// The memory that it holds, in KiB.
    pub fn memory_kib(&self) -> anyhow::Result<u64> {
        self.memory("VmRSS:")
    }

    fn memory(&self, line: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let found = status.lines().find_map(|found| found.strip_prefix(line)).context("no such line in /proc/…/status")?;
        Ok(found.trim().trim_end_matches("kB").trim().parse()?)
    }

    /// How many requests it has sent to the API server so far, by verb.
    pub async fn requests(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let text = self.figures().await?;
        Ok(text
            .lines()
            .filter_map(|line| {
                let (verb, count) = line.strip_prefix("paddock_kube_requests_total{verb=\"")?.split_once("\"} ")?;
                Some((verb.to_owned(), count.parse().ok()?))
            })
            .collect())
    }

    /// One of its figures that has no labels; 0 before it was first counted.
    pub async fn figure(&self, name: &str) -> anyhow::Result<f64> {
        let text = self.figures().await?;
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        Ok(found.unwrap_or(0.0))
    }

    async fn figures(&self) -> anyhow::Result<String> {
        Ok(reqwest::get(self.metrics.clone()).await?.error_for_status()?.text().await?)
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid)?), Signal::SIGTERM)?;
        if tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await.is_err() {
            tracing::warn!("the program did not stop within 30 s and is killed");
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// Processor seconds that a process has used so far; none once it is gone.
pub(super) fn processor_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Fields 14 and 15 (proc(5)); the name, which may hold spaces, is the second.
    let mut times = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok());
    Some((f64::from(times.next()?) + f64::from(times.next()?)) / TICKS_PER_SECOND)
}
