//! The command for everybody's first minute: `paddock demo` starts everything, keeps it, forgets it when told, and leaves nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use paddock::demo::rig::Tools;
use tokio::sync::Mutex;

const PATIENCE: Duration = Duration::from_mins(2);

/// Demos take the same ports when they are free: one at a time, or addresses change between two starts.
static TURN: Mutex<()> = Mutex::const_new(());

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

/// A process, its children, theirs, and so on.
fn family_of(process: u32) -> BTreeSet<u32> {
    let parent_of = |entry: &fs::DirEntry| -> Option<(u32, u32)> {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // proc(5): after the name, which may hold anything and stands in brackets, come state and parent.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        Some((entry.file_name().to_str()?.parse().ok()?, parent))
    };
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| parent_of(&entry)).collect();
    let mut family = BTreeSet::from([process]);
    loop {
        let known = family.len();
        let more: Vec<u32> = parents.iter().filter(|(_, parent)| family.contains(parent)).map(|(child, _)| *child).collect();
        family.extend(more);
        if family.len() == known {
            return family;
        }
    }
}

/// Where a process and its family take connections, as the kernel writes it: address and port in hexadecimal, the address in words of
/// the machine's byte order.
fn listeners_of(process: u32) -> Vec<String> {
    let mut sockets = BTreeSet::new();
    for process in family_of(process) {
        // What has gone meanwhile listens no more.
        for descriptor in fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten() {
            let target = fs::read_link(descriptor.path()).unwrap_or_default().display().to_string();
            sockets.extend(target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(str::to_owned));
        }
    }
    let mut listeners = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // A machine without IPv6 has no second table. proc(5): the fourth field is the state, 0A is LISTEN; the tenth the inode.
        for row in fs::read_to_string(table).unwrap_or_default().lines() {
            let fields: Vec<&str> = row.split_whitespace().collect();
            if let [_, local, _, "0A", _, _, _, _, _, inode, ..] = fields.as_slice()
                && sockets.contains(*inode)
            {
                listeners.push((*local).to_owned());
            }
        }
    }
    listeners
}

/// Whether an address is one of 127.0.0.0/8, the same in IPv6's clothes, or `::1`.
fn is_loopback(listener: &str) -> bool {
    let (address, _) = listener.split_once(':').unwrap();
    let within = address.strip_prefix("0000000000000000FFFF0000").unwrap_or(address);
    (within.len() == 8 && within.ends_with("7F")) || address == "00000000000000000000000001000000"
}

fn assert_reached_from_this_machine_only(demo: &Demo, url: &str) {
    let listeners = listeners_of(demo.child.id());
    let open: Vec<&String> = listeners.iter().filter(|listener| !is_loopback(listener)).collect();
    assert!(open.is_empty(), "reached from other machines: {open:?}");
    // Pages, mails, SMTP, Stripe, Postgres, S3, etcd twice, API server, controllers, scheduler, KWOK.
    assert!(listeners.len() >= 12, "not all of the demo was seen: {listeners:?}");
    let port: u16 = url.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    assert!(listeners.contains(&format!("0100007F:{port:04X}")), "{url} is not among {listeners:?}");
}

#[tokio::test]
async fn a_demo_keeps_its_state_forgets_it_when_told_and_leaves_nothing_running() {
    let _turn = TURN.lock().await;
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
    let there = processes_of(&dir);
    assert!(there.len() > 5, "{there:?}");
    assert_reached_from_this_machine_only(&first, &url);
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
fn what_no_demo_made_is_never_forgotten() {
    let dir = std::env::temp_dir().join(format!("paddock-demo-foreign-{}", std::process::id()));
    let foreign: [(&str, &[&str], &str); 3] = [
        ("home", &["mails/letter.txt", "photo.jpg"], "photo.jpg"),
        ("project", &["rig/plan.txt", "mails/letter.txt"], "no demo has ever run"),
        ("used", &["lock", "rig/plan.txt", "notes.txt"], "notes.txt"),
    ];
    for (name, files, told) in foreign {
        let folder = dir.join(name);
        for file in files {
            fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
            fs::write(folder.join(file), "dear to somebody").unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_paddock"));
        let output = command.args(["demo", "--fresh", "--dir"]).arg(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("nothing was forgotten") && said.contains(told), "{name}: {said}");
        for file in files {
            assert_eq!(fs::read_to_string(folder.join(file)).unwrap(), "dear to somebody", "{name}: {file}");
        }
        let entries = fs::read_dir(&folder).unwrap().count();
        let of_ours: BTreeSet<_> = files.iter().map(|file| file.split('/').next()).collect();
        assert_eq!(entries, of_ours.len(), "{name}: something was made there");
    }
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

/// A copy that everybody may read and run.
fn copy_for_all(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).unwrap();
}

fn folder_for_all(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// When root runs the tests, nobody; else whoever runs them: then all demos of these tests are a normal user's anyway.
fn normal_user(home: &Path) -> Command {
    if !Uid::effective().is_root() {
        eprintln!("run by a normal user: so is this check");
        return Command::new("env");
    }
    let nobody = User::from_name("nobody").unwrap().expect("every Debian has the user nobody");
    chown(home, Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &nobody.uid.to_string(), "--regid", &nobody.gid.to_string(), "--clear-groups"]);
    command.args(["--pdeathsig", "KILL", "--", "env"]);
    command
}

#[test]
fn a_check_by_a_normal_user_does_the_whole_journey() {
    let _turn = TURN.blocking_lock();
    let dir = std::env::temp_dir().join(format!("paddock-demo-normal-{}", std::process::id()));
    let (home, programs, crds) = (dir.join("home"), dir.join("programs"), dir.join("crds"));
    for folder in [&dir, &home, &programs, &crds] {
        folder_for_all(folder);
    }
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue/plans.toml");
    let readable = normal_user(&home).args(["test", "-r"]).arg(&plans).status().unwrap();
    if !readable.success() {
        eprintln!("not checked: nobody may not read this checkout, and the demo reads {}", plans.display());
        fs::remove_dir_all(&dir).unwrap();
        return;
    }
    // Ours may lie in root's home.
    let tools = Tools::find().unwrap();
    copy_for_all(Path::new(env!("CARGO_BIN_EXE_paddock")), &programs.join("paddock"));
    copy_for_all(&tools.cluster, &programs.join("cluster"));
    copy_for_all(&tools.versitygw, &programs.join("versitygw"));
    for entry in fs::read_dir(&tools.crds).unwrap() {
        let entry = entry.unwrap();
        copy_for_all(&entry.path(), &crds.join(entry.file_name()));
    }
    let mut command = normal_user(&home);
    command.arg(programs.join("paddock")).args(["demo", "--check"]).current_dir(&home).stdin(Stdio::null());
    command.env("HOME", &home).env("TMPDIR", &home).env_remove("PADDOCK_CACHE").env_remove("XDG_CACHE_HOME");
    command.env("PADDOCK_CLUSTER_BIN", programs.join("cluster")).env("PADDOCK_VERSITYGW_BIN", programs.join("versitygw"));
    let output = command.env("PADDOCK_CRDS_DIR", &crds).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {said}{errors}", output.status);
    assert!(said.contains("all in all: ") && said.contains(" runs, 1 charge, 2 mails"), "{said}");
    assert_eq!(processes_of(&dir), Vec::<String>::new(), "something still runs");
    let left = fs::read_dir(&home).unwrap().flatten().find(|entry| entry.file_name().to_string_lossy().starts_with("paddock"));
    assert!(left.is_none(), "{left:?} was left behind");
    fs::remove_dir_all(&dir).unwrap();
}
