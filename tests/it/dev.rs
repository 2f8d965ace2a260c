//! `./dev` where things are missing: what it installs, what it asks for instead, and how it says that tests ended. The programs on its
//! PATH are stubs, and everything it writes lies in a temporary folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::Uid;

/// What every Debian has.
const REAL: &str = "awk bash cat chmod cut dirname env head ln mkdir mktemp mv readlink rm sed sh sha256sum sort tee true";
/// What `./dev` looks for; each is as it should be.
const STUBS: [(&str, &str); 14] = [
    ("apt-get", "echo \"$*\" >>\"$STUB_LOG\""),
    ("cargo", "echo 'cargo 9.9.9 (stub)'"),
    ("cc", ""),
    ("chromedriver", ""),
    ("chromium", ""),
    ("flock", ""),
    ("getent", "echo \"somebody:x:1:1::$STUB_HOME:/bin/sh\""),
    ("git", ""),
    (
        "go",
        "case $1 in
        version) echo 'go version go9.9.9 linux/amd64' ;;
        build) while [ $# -gt 1 ]; do [ \"$1\" = -o ] && : >\"$2\"; shift; done ;;
        install) : >\"$GOBIN/versitygw\" >\"$GOBIN/stripe-mock\" ;;
        esac",
    ),
    ("npm", "mkdir -p node_modules/axe-core && : >node_modules/axe-core/axe.min.js"),
    ("python3", ""),
    ("setpriv", ""),
    ("sudo", "[ \"$1\" = -n ] && shift; exec \"$@\""),
    ("zstd", ""),
];
const ASKS_A_PASSWORD: &str = "[ \"$1\" = -n ] || exec \"$@\"; echo 'sudo: a password is required' >&2; exit 1";

/// What of the checkout `./dev` reads besides its own scripts.
const FILES: [&str; 5] = [
    "Cargo.toml",
    "tests/cluster/go.mod",
    "tests/cluster/go.sum",
    "tests/browser/package.json",
    "tests/browser/package-lock.json",
];

/// Where the real program is.
fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{program} is not on the PATH"))
}

/// Who calls.
#[derive(Clone, Copy)]
enum User {
    /// Whoever runs the tests.
    Same,
    /// Somebody who is not root.
    Normal,
}

/// How a call ended.
struct Ran {
    code: Option<i32>,
    said: String,
    /// What apt-get was asked for, one call a line.
    apt: String,
}

impl Ran {
    /// Nothing was installed, and the last words say what to do.
    fn asks_for(&self, told: &str) {
        let Self { code, said, apt } = self;
        assert_eq!(*code, Some(3), "{said:?}");
        assert!(said.lines().last().is_some_and(|line| line.contains(told)), "{told} is not said: {said:?}");
        assert_eq!(apt, "", "something was installed");
    }
}

/// A checkout and the programs that `./dev` finds, in a folder that goes with it.
struct Machine {
    folder: PathBuf,
}

impl Machine {
    fn new(name: &str) -> Self {
        let machine = Self { folder: std::env::temp_dir().join(format!("paddock-dev-test-{name}-{}", std::process::id())) };
        let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scripts = ["dev", "dev.d/coverage.sh", "dev.d/prerequisites.sh", "dev.d/steps.sh", "dev.d/tools.sh"];
        for file in scripts.into_iter().chain(FILES) {
            machine.write(&format!("checkout/{file}"), &fs::read_to_string(ours.join(file)).unwrap());
        }
        machine.write("checkout/tests/cluster/main.go", "package main\n");
        machine.write("checkout/tests/cluster/crds.txt", "# none\n");
        machine.write("postgres/initdb", "");
        for (program, script) in STUBS {
            machine.stub(program, script);
        }
        for program in REAL.split(' ') {
            symlink(find(program), machine.folder.join("bin").join(program)).unwrap();
        }
        for folder in ["state", "state/tmp", "state/home"].map(|folder| machine.folder.join(folder)) {
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        }
        machine
    }

    /// Everybody may read and run it, whatever the umask.
    fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        for part in path.ancestors().take_while(|part| part.starts_with(&self.folder)) {
            fs::set_permissions(part, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn stub(&self, program: &str, script: &str) {
        self.write(&format!("bin/{program}"), &format!("#!/bin/sh\n{script}\n"));
    }

    fn without(&self, program: &str) {
        fs::remove_file(self.folder.join("bin").join(program)).unwrap();
    }

    /// A call of a program of this machine.
    fn command(&self, user: User, program: &str) -> Command {
        let program = self.folder.join("bin").join(program);
        let mut command = match user {
            User::Normal if Uid::effective().is_root() => {
                let mut command = Command::new(find("setpriv"));
                command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--"]).arg(program);
                command
            }
            User::Normal | User::Same => Command::new(program),
        };
        let state = self.folder.join("state");
        command.env_clear().env("PATH", self.folder.join("bin")).env("PADDOCK_PG_BIN", self.folder.join("postgres"));
        command.env("HOME", state.join("home")).env("STUB_HOME", state.join("home")).env("TMPDIR", state.join("tmp"));
        command.env("STUB_LOG", state.join("apt")).stdin(Stdio::null()).current_dir(&self.folder);
        command
    }

    fn dev(&self, user: User, args: &[&str]) -> Ran {
        let mut command = self.command(user, "bash");
        self.run(command.arg(self.folder.join("checkout/dev")).args(args))
    }

    fn run(&self, command: &mut Command) -> Ran {
        let log = self.folder.join("state/apt");
        fs::write(&log, "").unwrap();
        fs::set_permissions(&log, fs::Permissions::from_mode(0o666)).unwrap();
        let output = command.output().unwrap();
        let mut said = String::from_utf8(output.stdout).unwrap();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        Ran { code: output.status.code(), said, apt: fs::read_to_string(&log).unwrap() }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // What can't be removed stays in the temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn what_may_not_be_installed_is_asked_for_with_a_line_that_works() {
    let machine = Machine::new("line");
    machine.without("flock");
    machine.without("cc");
    let wanted = "apt-get update && apt-get install -y --no-install-recommends util-linux build-essential";

    machine.without("sudo");
    machine.dev(User::Normal, &["tools"]).asks_for(&format!("su - -c '{wanted}'"));

    machine.stub("sudo", ASKS_A_PASSWORD);
    let ran = machine.dev(User::Normal, &["tools"]);
    ran.asks_for(&format!("sudo sh -c '{wanted}'"));
    let (_, line) = ran.said.trim_end().rsplit_once("try again:  ").unwrap();
    let pasted = machine.run(machine.command(User::Normal, "bash").args(["-c", line]));
    assert_eq!(pasted.code, Some(0), "{:?}", pasted.said);
    assert_eq!(pasted.apt, "update\ninstall -y --no-install-recommends util-linux build-essential\n");

    machine.without("apt-get");
    machine.dev(User::Normal, &["tools"]).asks_for("This is not Debian");
}

#[test]
fn what_may_be_installed_is_installed_or_everything_ends() {
    let machine = Machine::new("install");
    machine.without("cc");
    let users: &[User] = if Uid::effective().is_root() { &[User::Normal, User::Same] } else { &[User::Normal] };
    for user in users {
        let ran = machine.dev(*user, &["tools"]);
        assert_eq!(ran.code, Some(0), "{:?}", ran.said);
        assert_eq!(ran.apt, "update\ninstall -y --no-install-recommends build-essential\n");
    }

    machine.stub("apt-get", "echo \"$*\" >>\"$STUB_LOG\"; echo 'E: Unable to locate package' >&2; exit 100");
    for user in users {
        if let User::Same = user {
            // Root needs none.
            machine.without("sudo");
        }
        let ran = machine.dev(*user, &["demo"]);
        assert_eq!((ran.code, ran.apt.as_str()), (Some(1), "update\n"), "{:?}", ran.said);
        let last = ran.said.lines().last().unwrap_or_default();
        assert!(last.contains("install build-essential failed"), "{:?}", ran.said);
    }
}

#[test]
fn compilers_that_are_missing_or_old_are_named_with_a_remedy() {
    let old = [
        ("cargo", "echo 'cargo 1.70.0'", "cargo is 1.70.0, and ", "or later is needed: rustup update"),
        ("cargo", "echo 'error: no toolchain' >&2; exit 1", "cargo is of an unknown version", "rustup update stable"),
        ("go", "echo 'go version go1.19.8 linux/amd64'", "go is 1.19.8, and ", "or later is needed: install Go"),
        ("go", "exit 1", "go is of an unknown version", "install Go"),
    ];
    for (program, script, told, remedy) in old {
        let machine = Machine::new("old");
        machine.stub(program, script);
        let ran = machine.dev(User::Same, &["demo"]);
        ran.asks_for(told);
        ran.asks_for(remedy);
        machine.without(program);
        machine.dev(User::Same, &["demo"]).asks_for(&format!("{program} is missing: "));
    }
}

#[test]
fn home_need_not_be_set() {
    let machine = Machine::new("home");
    let homeless = || {
        let mut command = machine.command(User::Normal, "bash");
        command.env_remove("HOME").arg(machine.folder.join("checkout/dev")).arg("tools");
        machine.run(&mut command)
    };
    let ran = homeless();
    assert_eq!(ran.code, Some(0), "{:?}", ran.said);
    let built = machine.folder.join("state/home/.cache/paddock/current/cluster");
    assert!(built.exists(), "{} is not there", built.display());

    for nobody in ["exit 2", "echo somebody:x:1:1:::/bin/sh"] {
        machine.stub("getent", nobody);
        homeless().asks_for("set HOME");
    }
}

/// A `cargo` whose tests say this.
fn cargo_that_says(machine: &Machine, output: &str, code: u8) {
    machine.write("output", output);
    let output = machine.folder.join("output");
    let script = format!(
        "case \"$*\" in --version) echo 'cargo 9.9.9 (stub)' ;; *--no-run) ;; *) cat '{}'; exit {code} ;; esac",
        output.display()
    );
    machine.stub("cargo", &script);
}

#[test]
fn the_last_lines_of_tests_say_how_many_passed_failed_and_never_ended() {
    let machine = Machine::new("tests");
    let lib = "     Running unittests src/lib.rs (target/debug/deps/paddock-1)\n";
    let it = "\u{1b}[1m\u{1b}[92m     Running\u{1b}[0m tests/it/main.rs (target/debug/deps/it-1)\n";
    let none = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.00s\n";
    let some = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.10s\n";
    let bad = "test one::thing ... FAILED\n\
               test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n";

    cargo_that_says(&machine, &[lib, some, it, some].concat(), 0);
    let ran = machine.dev(User::Same, &["test"]);
    assert_eq!(ran.code, Some(0), "{:?}", ran.said);
    let last = ran.said.lines().find(|line| line.starts_with("passed:")).unwrap();
    assert!(last.starts_with("passed: 6  failed: 0  ignored: 2  aborted: 0  (") && last.contains("; budget 8 min"), "{last}");

    cargo_that_says(&machine, &[lib, none, it, some].concat(), 0);
    let ran = machine.dev(User::Same, &["test", "thing"]);
    assert_eq!(ran.code, Some(0), "{:?}", ran.said);
    assert!(!ran.said.contains("no test matches") && !ran.said.contains("budget 8 min"), "{:?}", ran.said);

    cargo_that_says(&machine, &[lib, none, it, none].concat(), 0);
    let ran = machine.dev(User::Same, &["test", "thnig"]);
    assert_eq!(ran.code, Some(1), "{:?}", ran.said);
    assert!(ran.said.contains("no test matches: thnig\npassed: 0 "), "{:?}", ran.said);

    cargo_that_says(&machine, &[lib, some, it, bad].concat(), 101);
    let ran = machine.dev(User::Same, &["test"]);
    assert_eq!(ran.code, Some(101), "{:?}", ran.said);
    assert!(ran.said.contains("failed: one::thing\npassed: 5  failed: 1  ignored: 1  aborted: 0 "), "{:?}", ran.said);

    for output in [[it, "test one::thing ... ok\n", lib, some], [lib, some, it, "test one::thing ... ok\n"]] {
        cargo_that_says(&machine, &output.concat(), 101);
        let ran = machine.dev(User::Same, &["test"]);
        assert_eq!(ran.code, Some(1), "{:?}", ran.said);
        assert!(ran.said.contains("aborted: tests/it/main.rs (target/debug/deps/it-1)"), "{:?}", ran.said);
        assert!(ran.said.contains("passed: 3  failed: 0  ignored: 1  aborted: 1 "), "{:?}", ran.said);
    }
}

#[test]
fn coverage_says_what_is_missing_and_which_module_is_not_there() {
    let machine = Machine::new("coverage");
    let report = machine.folder.join("report");
    let table = "\
Filename             Regions    Missed Regions     Cover   Functions  Missed Functions  Executed
-------------------------------------------------------------------------------------------------
billing/change/fit.rs    120                 0   100.00%          12                 0   100.00%
money.rs                  40                 4    90.00%           9                 0   100.00%
other/money.rs             9                 9     0.00%           9                 9     0.00%
TOTAL                    169                13    92.31%
Uncovered Lines:
/somewhere/src/money.rs: 12, 14
";
    machine.write("report", table);
    let covered = |modules: &str| {
        let script = format!("source dev.d/coverage.sh; covered '{}' {modules}", report.display());
        let ran = Command::new("bash").args(["-c", &script]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
    };
    let (code, said) = covered("src/money.rs src/billing/change/fit.rs");
    assert_eq!(code, Some(0), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].ends_with("36 of   40 regions; nothing runs all of lines 12, 14"), "{said}");
    assert!(lines[1].ends_with("120 of  120 regions"), "{said}");
    assert_eq!(lines[2], "regions: 160  missed: 4  covered: 97.50 %");
    let (code, said) = covered("src/gone.rs");
    assert!(code == Some(1) && said.contains("not in the report"), "{said}");
}
