//! `paddock admin fuse`: whether servers may be removed, and that they may again.

use clap::Subcommand;
use serde_json::json;

use crate::audit::{self, Actor};
use crate::capacity::ClusterAccess;
use crate::clock::{Clock as _, SystemClock};
use crate::cmd::ConfigFile;
use crate::operator::fuse::{self, Fuse};

#[derive(Debug, Subcommand)]
pub(in crate::cmd) enum FuseCommand {
    /// Say whether it is whole.
    Show {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Let removals go on, after somebody has looked at what was to be removed, and why.
    Reset {
        #[command(flatten)]
        file: ConfigFile,
        /// What was found, for the audit log.
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn run(command: FuseCommand) -> anyhow::Result<()> {
    let (file, reason) = match command {
        FuseCommand::Show { file } => (file, None),
        FuseCommand::Reset { file, reason } => (file, Some(reason)),
    };
    let parts = file.parts()?;
    for (cluster, client) in parts.clients().await? {
        let ClusterAccess { name, namespace, id: _, kubeconfig: _ } = &cluster;
        let since = match &reason {
            None => match fuse::look(&client, namespace).await? {
                Fuse::Whole => None,
                Fuse::Blown { since } => Some(since),
            },
            Some(_) => fuse::reset(&client, namespace).await?,
        };
        match (since, &reason) {
            (None, _) => println!("{name}: whole"),
            (Some(since), None) => println!("{name}: blown since {since}; paddock admin fuse reset --reason …"),
            (Some(since), Some(reason)) => {
                let mut tx = parts.db.owner().begin().await?;
                let detail = json!({"blown_since": since, "reset_at": SystemClock.now(), "reason": reason});
                audit::record(&mut tx, &SystemClock, Actor::System("admin"), None, "fuse.reset", name, detail).await?;
                tx.commit().await?;
                println!("{name}: was blown since {since}, and is whole again");
            }
        }
    }
    Ok(())
}
