//! Whose turn it is at the shared cluster. An operator of one test would repair what another breaks, so tests that run one (or a whole
//! program) against [`paddock::demo::rig::Rig::shared`] take turns.

use std::path::Path;

use paddock::demo::rig::Rig;
use paddock::fleet::Access;
use tokio::sync::{Mutex, MutexGuard};

use super::TestApp;

/// Waits until no other test of this process uses the shared cluster, and keeps it until dropped.
pub async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// From now on the clusters of the database are the shared one, for a fleet that is given this.
pub async fn reach_the_rig(app: &TestApp) -> Access {
    let kubeconfig = Rig::shared().await.unwrap().cluster().kubeconfig();
    let name = kubeconfig.file_name().unwrap().to_str().unwrap();
    sqlx::query("update clusters set kubeconfig = $1").bind(name).execute(app.sql()).await.unwrap();
    Access::new(kubeconfig.parent().map(Path::to_path_buf))
}
