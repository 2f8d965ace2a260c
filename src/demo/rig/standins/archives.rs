//! The pods that make and prove archives: their own command line is run, with Paddock's real program, against the instance's real database
//! and the rig's real object store. What a kubelet would do beside that, carrying the program over, is checked and not done.

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::PodSpec;
use tokio_util::sync::CancellationToken;

use super::jobs::Environment;
use super::runs::{End, Scratch, execute};

/// Where the program is carried to in such a pod.
const CARRIED: &str = "/program/paddock";
/// Where such a pod may write.
const SCRATCH: &str = "/scratch";

/// Whether a pod is one of these.
pub(super) fn is_one(spec: &PodSpec) -> bool {
    spec.containers.first().is_some_and(|container| container.name == "archive")
}

/// Runs the command of such a pod. `gone` ends it.
pub(super) async fn run(spec: &PodSpec, mut environment: Environment, gone: &CancellationToken) -> Result<Option<End>, String> {
    let carries =
        |words: &[String]| words.iter().map(String::as_str).eq(["/usr/local/bin/paddock", "archive", "install", "/program"]);
    let mut before = spec.init_containers.iter().flatten();
    if !before.any(|container| container.command.as_deref().is_some_and(carries)) {
        return Err(format!("{CARRIED}: not found; no container before has carried it over"));
    }
    let command = spec.containers.first().and_then(|container| container.command.clone()).unwrap_or_default();
    let [shell, flag, wrapper, name, words @ ..] = command.as_slice() else {
        return Err("the command of such a pod is sh -c WRAPPER NAME …".into());
    };
    if (shell.as_str(), flag.as_str(), words.first().map(String::as_str)) != ("sh", "-c", Some(CARRIED)) {
        return Err(format!("such a pod runs {CARRIED} within sh -c"));
    }
    let program = program().ok_or("the program paddock is not there: build it, or name it in PADDOCK_PROGRAM")?;
    let words: Vec<String> = [program.display().to_string()].into_iter().chain(words[1..].iter().cloned()).collect();
    let scratch = Scratch::new("archive").map_err(|error| format!("{SCRATCH}: {error}"))?;
    let inside = scratch.path().join("scratch");
    std::fs::create_dir(&inside).map_err(|error| format!("{SCRATCH}: {error}"))?;
    for variable in ["TMPDIR", "HOME"] {
        if environment.get(variable).map(String::as_str) != Some(SCRATCH) {
            return Err(format!("{variable} must be {SCRATCH}: nothing else can be written to"));
        }
        environment.insert(variable.to_owned(), inside.display().to_string());
    }
    // Carried over as well: the rig's object store speaks plain HTTP.
    environment.remove("SSL_CERT_FILE");
    execute(scratch.path(), [wrapper, name], &words, &environment, gone).await
}

/// The program: this one, the one beside a test, or the one that is named.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PADDOCK_PROGRAM") {
        return Some(named.into());
    }
    let own = std::env::current_exe().ok()?;
    if own.file_name()? == "paddock" {
        return Some(own);
    }
    // A test is at target/debug/deps/it-…, the program at target/debug/paddock.
    own.ancestors().skip(1).take(2).map(|folder: &Path| folder.join("paddock")).find(|program| program.is_file())
}
