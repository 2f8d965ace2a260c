//! A real S3 server on loopback: versitygw over a folder.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::Mutex;

use super::child::{Child, Launch, kept_port};
use super::{RigError, Tools};

/// The access key of the root account.
const ROOT_ACCESS_KEY: &str = "paddock-root";
/// The region that requests are signed for.
pub const REGION: &str = "us-east-1";

/// A running S3 server with path-style addresses.
#[derive(Debug)]
pub struct S3 {
    endpoint: String,
    root_secret: String,
    child: Mutex<Option<Child>>,
}

impl S3 {
    /// Starts the server with buckets and users in `dir`.
    pub async fn start(dir: &Path, tools: &Tools) -> Result<Self, RigError> {
        let (buckets, users) = (dir.join("s3"), dir.join("s3-users"));
        for folder in [&buckets, &users] {
            fs::create_dir_all(folder).map_err(RigError::file("create", folder))?;
        }
        let port = kept_port(dir, "s3")?;
        let root_secret = hex::encode(rand::random::<[u8; 20]>());
        let args = vec![
            "--port".into(),
            format!("127.0.0.1:{port}"),
            "--region".into(),
            REGION.into(),
            "--iam-dir".into(),
            users.display().to_string(),
            // Its cache mixes keys up (docs/storage.md): now and then a good key was answered SignatureDoesNotMatch.
            "--iam-cache-disable".into(),
            "posix".into(),
            buckets.display().to_string(),
        ];
        let env =
            vec![("ROOT_ACCESS_KEY".to_owned(), ROOT_ACCESS_KEY.to_owned()), ("ROOT_SECRET_KEY".to_owned(), root_secret.clone())];
        let launch = Launch { part: "s3", program: &tools.versitygw, args, dir, death_signal: "KILL", user: None, env };
        let mut child = Child::start(launch)?;
        child.wait_for_port(port, Duration::from_secs(20)).await?;
        Ok(Self { endpoint: format!("http://127.0.0.1:{port}"), root_secret, child: Mutex::new(Some(child)) })
    }

    /// Address of the server, without a trailing slash.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Access key and secret key of the root account.
    pub fn root_credentials(&self) -> (&str, &str) {
        (ROOT_ACCESS_KEY, &self.root_secret)
    }

    /// Process id, while it runs.
    pub async fn pid(&self) -> Option<u32> {
        self.child.lock().await.as_ref().map(Child::pid)
    }

    /// Stops the server.
    pub async fn stop(&self) {
        if let Some(mut child) = self.child.lock().await.take() {
            child.stop(Signal::SIGTERM, Duration::from_secs(5)).await;
        }
    }
}
