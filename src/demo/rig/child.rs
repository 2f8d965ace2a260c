//! Server processes that live exactly as long as we do.
//!
//! A child is started through `setpriv --pdeathsig`, so the kernel ends it when we die, `kill -9` included, and in a process
//! group of its own, so that Ctrl-C reaches only us and the stop is orderly. The death signal follows the *thread* that
//! forked, so all children are forked by one thread that never ends. A file with pid and start time lets the next run sweep
//! what survived all the same (a crash between fork and `setpriv`).

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::RigError;

/// How a child is started.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    /// Name in messages, of the log and of the pid file.
    pub part: &'a str,
    pub program: &'a Path,
    pub args: Vec<String>,
    /// Folder of the rig; holds `logs/` and `pids/`.
    pub dir: &'a Path,
    /// What the kernel sends when we die.
    pub death_signal: &'a str,
    /// System user to become, when we are root.
    pub user: Option<&'a str>,
    pub env: Vec<(String, String)>,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Child {
    part: String,
    process: std::process::Child,
    log: PathBuf,
    pid_file: PathBuf,
}

impl Child {
    pub fn start(launch: Launch<'_>) -> Result<Self, RigError> {
        let log = launch.dir.join("logs").join(format!("{}.log", launch.part));
        let pid_file = launch.dir.join("pids").join(launch.part);
        for file in [&log, &pid_file] {
            let folder = file.parent().unwrap_or(launch.dir);
            fs::create_dir_all(folder).map_err(RigError::file("create", folder))?;
        }
        let out = fs::OpenOptions::new().create(true).append(true).open(&log).map_err(RigError::file("open", &log))?;
        let err = out.try_clone().map_err(RigError::file("open", &log))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", launch.death_signal]);
        if let Some(user) = launch.user {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command.arg("--").arg(launch.program).args(&launch.args).envs(launch.env);
        command.stdin(Stdio::null()).stdout(out).stderr(err).current_dir("/").process_group(0);
        let spawn_error = |source| RigError::Spawn { part: launch.part.into(), source };
        let process = spawn_on_lasting_thread(command).map_err(spawn_error)?;
        let child = Self { part: launch.part.into(), process, log, pid_file };
        let started = start_time(child.pid()).unwrap_or_default();
        fs::write(&child.pid_file, format!("{} {started}", child.pid())).map_err(RigError::file("write", &child.pid_file))?;
        Ok(child)
    }

    pub fn part(&self) -> &str {
        &self.part
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The exit status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// An error with the end of the log if it has ended.
    pub fn check(&mut self) -> Result<(), RigError> {
        match self.ended() {
            None => Ok(()),
            Some(_) => Err(RigError::Ended { part: self.part.clone(), log: tail(&self.log) }),
        }
    }

    /// Polls `ready` until it says so, the child ends, or `limit` passes.
    pub async fn wait_until<F>(&mut self, limit: Duration, mut ready: impl FnMut() -> F + Send) -> Result<(), RigError>
    where
        F: Future<Output = bool> + Send,
    {
        let deadline = Instant::now() + limit;
        while !ready().await {
            self.check()?;
            if Instant::now() > deadline {
                return Err(RigError::NotReady { part: self.part.clone(), after: limit, log: tail(&self.log) });
            }
            sleep(Duration::from_millis(25)).await;
        }
        Ok(())
    }

    /// Waits until something accepts connections on a port of 127.0.0.1.
    pub async fn wait_for_port(&mut self, port: u16, limit: Duration) -> Result<(), RigError> {
        self.wait_until(limit, || std::future::ready(TcpStream::connect(("127.0.0.1", port)).is_ok())).await
    }

    /// Sends `signal`, waits up to `patience`, then kills. Returns once the process is gone.
    pub async fn stop(&mut self, signal: Signal, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.signal(signal);
        while self.ended().is_none() {
            if Instant::now() > deadline {
                self.signal(Signal::SIGKILL);
            }
            sleep(Duration::from_millis(10)).await;
        }
        fs::remove_file(&self.pid_file).ok();
    }

    /// Sends a signal if the process is still there.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            kill(pid(self.pid()), signal).ok();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.process.kill().ok();
            self.process.wait().ok();
        }
        fs::remove_file(&self.pid_file).ok();
    }
}

/// Kills what an earlier run left in `dir`: only processes whose pid *and* start time are the recorded ones.
pub async fn sweep(dir: &Path) {
    for file in fs::read_dir(dir.join("pids")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        if let Some((process, started)) = text.split_once(' ')
            && let (Ok(process), Ok(started)) = (process.parse::<u32>(), started.parse::<u64>())
        {
            let alive = || start_time(process) == Some(started);
            if alive() {
                tracing::info!(part = ?file.file_name(), process, "stopping what an earlier run left behind");
                kill(pid(process), Signal::SIGKILL).ok();
            }
            let deadline = Instant::now() + Duration::from_secs(5);
            while alive() && Instant::now() < deadline {
                sleep(Duration::from_millis(10)).await;
            }
        }
        fs::remove_file(file.path()).ok();
    }
}

/// When a process started, in clock ticks since boot; none once it is gone or a zombie. (proc(5), field 22 of stat.)
pub(super) fn start_time(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut after_name = stat.rsplit_once(')')?.1.split_whitespace();
    let state = after_name.next()?;
    if state == "Z" {
        return None;
    }
    after_name.nth(18)?.parse().ok()
}

/// Below the ports that the system takes for outgoing connections (`ip_local_port_range`, from 32768 on; ip(7)). One of those could be
/// taken before our server listens on it, and who waits for a server there may even reach themselves.
const PORTS: Range<u16> = 20_000..32_000;

/// The port kept under `name` in `dir` if it is free, else a free one that is then kept: addresses survive a restart.
pub(super) fn kept_port(dir: &Path, name: &str) -> Result<u16, RigError> {
    let file = dir.join("ports").join(name);
    let kept = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u16>().ok());
    if let Some(port) = kept.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
        return Ok(port);
    }
    let free = || {
        let port = rand::random_range(PORTS);
        TcpListener::bind(("127.0.0.1", port)).map(|_| port)
    };
    let port = (1..100)
        .find_map(|_| free().ok())
        .map_or_else(free, Ok)
        .map_err(|source| RigError::Spawn { part: format!("{name} (no free port)"), source })?;
    let folder = dir.join("ports");
    fs::create_dir_all(&folder).map_err(RigError::file("create", &folder))?;
    fs::write(&file, port.to_string()).map_err(RigError::file("write", &file))?;
    Ok(port)
}

/// The last lines of a log, for messages.
pub(super) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

fn pid(process: u32) -> Pid {
    // Linux pids are at most 2^22 (proc(5), pid_max).
    Pid::from_raw(i32::try_from(process).unwrap_or(i32::MAX))
}

type Order = (Command, mpsc::Sender<io::Result<std::process::Child>>);

fn spawn_on_lasting_thread(command: Command) -> io::Result<std::process::Child> {
    static FORKER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let forker = FORKER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in orders {
                reply.send(command.spawn()).ok();
            }
        });
        sender
    });
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (reply, answer) = mpsc::channel();
    forker.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}
