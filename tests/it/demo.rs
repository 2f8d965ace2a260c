//! The command for everybody's first minute: `paddock demo` starts everything, keeps it, forgets it when told, and leaves nothing.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PATIENCE: Duration = Duration::from_mins(2);

/// A demo in a folder; killed when the test ends early.
struct Demo {
    child: Child,
    out: PathBuf,
}

impl Demo {
    fn start(dir: &Path, options: &[&str]) -> Self {
        let out = dir.join("said.txt");
        let file = fs::File::create(&out).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_paddock"), "demo", "--dir"]).arg(dir.join("state"));
        command.args(options).stdin(Stdio::null()).stdout(file).stderr(fs::File::create(dir.join("errors.txt")).unwrap());
        Self { child: command.spawn().unwrap(), out }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// The pages' address, once everything runs.
    fn until_it_runs(&mut self) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let said = self.said();
            if let Some(line) = said.lines().find(|line| line.contains("Paddock runs after") && line.ends_with('/')) {
                return line.rsplit(' ').next().unwrap().to_owned();
            }
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.errors());
            assert!(Instant::now() < end, "it does not run: {}", self.errors());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn errors(&self) -> String {
        fs::read_to_string(self.out.with_file_name("errors.txt")).unwrap()
    }

    /// Ctrl-C, and that it ends well.
    fn interrupt(mut self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}: {}", self.errors());
                return;
            }
            assert!(Instant::now() < end, "it does not end: {}", self.errors());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Gone already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes whose command line names the folder.
fn processes_of(dir: &Path) -> Vec<String> {
    let name = dir.display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let mut line = Vec::new();
        if entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())
            && fs::File::open(entry.path().join("cmdline")).is_ok_and(|mut file| file.read_to_end(&mut line).is_ok())
        {
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(&name) {
                found.push(line);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_demo_keeps_its_state_forgets_it_when_told_and_leaves_nothing_running() {
    let dir = std::env::temp_dir().join(format!("paddock-demo-test-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let marker = dir.join("state/mails");

    let mut first = Demo::start(&dir, &[]);
    let url = first.until_it_runs();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
    let said = first.said();
    for told in ["4242 4242 4242 4242", "4000 0000 0000 0002", "/staff/log-in", "KUBECONFIG="] {
        assert!(said.contains(told), "it does not tell of {told}: {said}");
    }
    let second = Command::new(env!("CARGO_BIN_EXE_paddock")).args(["demo", "--dir"]).arg(dir.join("state")).output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("a demo runs already in this folder"));
    fs::write(marker.join("kept.txt"), "by the first").unwrap();
    assert!(processes_of(&dir).len() > 5);
    first.interrupt();
    assert_eq!(processes_of(&dir), Vec::<String>::new(), "something still runs");

    let mut again = Demo::start(&dir, &[]);
    let same = again.until_it_runs();
    assert_eq!(same, url, "addresses stay");
    assert!(marker.join("kept.txt").exists(), "state is kept");
    again.interrupt();

    let mut fresh = Demo::start(&dir, &["--fresh"]);
    fresh.until_it_runs();
    assert!(!marker.join("kept.txt").exists(), "--fresh forgets");
    fresh.interrupt();
    assert_eq!(processes_of(&dir), Vec::<String>::new(), "something still runs");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_check_that_can_not_start_says_so_and_fails() {
    let nowhere = std::env::temp_dir().join(format!("paddock-demo-nowhere-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_paddock"))
        .args(["demo", "--check"])
        .env("PADDOCK_CACHE", &nowhere)
        .env_remove("PADDOCK_CLUSTER_BIN")
        .env_remove("PADDOCK_VERSITYGW_BIN")
        .env_remove("PADDOCK_CRDS_DIR")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("./dev tools"), "{said}");
}
