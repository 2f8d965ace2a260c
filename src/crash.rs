//! Named points at which a test may end the process as `kill -9` would, or hold it up while something else happens, to prove that
//! nothing is lost there.
//!
//! Names are `part.moment`; `tests/it/faults/points.rs` has a case for each and fails when one is missing there.
//!
//! In release builds [`point`] is empty. In debug builds it acts when the environment variable `PADDOCK_CRASH_AT` (to die) or
//! `PADDOCK_HOLD_AT` (to wait) names the point, with commas between names, and the folder `PADDOCK_CRASH_ONCE` has no file of that
//! name yet. The file is made first, so that the restarted process gets past. A point that waits goes on once there is a file
//! `<name>.go`, or after a minute.

/// Dies or waits here when asked to; see the module.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use nix::sys::signal::{Signal, kill};
    use std::time::Duration;

    let asked = |variable: &str| std::env::var(variable).is_ok_and(|names| names.split(',').any(|wanted| wanted == name));
    let (dies, holds) = (asked("PADDOCK_CRASH_AT"), asked("PADDOCK_HOLD_AT"));
    if !dies && !holds {
        return;
    }
    let Some(folder) = std::env::var_os("PADDOCK_CRASH_ONCE").map(std::path::PathBuf::from) else { return };
    if std::fs::OpenOptions::new().write(true).create_new(true).open(folder.join(name)).is_err() {
        return;
    }
    if dies {
        // SIGKILL: no destructor, no flush, no goodbye.
        let _ = kill(nix::unistd::getpid(), Signal::SIGKILL);
        std::thread::sleep(Duration::from_mins(1));
    }
    let go = folder.join(format!("{name}.go"));
    for _ in 0..6000 {
        if go.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Nothing, in release builds.
#[cfg(not(debug_assertions))]
pub fn point(_: &str) {}
