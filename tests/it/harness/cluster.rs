//! Whose turn it is at the shared cluster. An operator of one test would repair what another breaks, so tests that run one (or a whole
//! program) against [`paddock::demo::rig::Rig::shared`] take turns.

use tokio::sync::{Mutex, MutexGuard};

/// Waits until no other test of this process uses the shared cluster, and keeps it until dropped.
pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
