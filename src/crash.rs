//! Named points at which a test may end the process as `kill -9` would, to prove that dying there loses nothing.
//!
//! In release builds [`point`] is empty. In debug builds it ends the process when the environment variable
//! `PADDOCK_CRASH_AT` names the point and the file of `PADDOCK_CRASH_ONCE` does not exist yet (it is created first, so that the
//! restarted process gets past).

/// Dies here when asked to; see the module.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use nix::sys::signal::{Signal, kill};
    if std::env::var("PADDOCK_CRASH_AT").is_ok_and(|wanted| wanted == name)
        && let Ok(marker) = std::env::var("PADDOCK_CRASH_ONCE")
        && std::fs::OpenOptions::new().write(true).create_new(true).open(marker).is_ok()
    {
        // SIGKILL: no destructor, no flush, no goodbye.
        let _ = kill(nix::unistd::getpid(), Signal::SIGKILL);
        std::thread::sleep(std::time::Duration::from_mins(1));
    }
}

/// Nothing, in release builds.
#[cfg(not(debug_assertions))]
pub fn point(_: &str) {}
