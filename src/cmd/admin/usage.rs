//! `paddock admin usage`: what somebody has measured of a server, until the program measures it by itself.

use anyhow::Context as _;
use clap::Args;

use crate::clock::SystemClock;
use crate::cmd::{ConfigFile, parts};
use crate::ids::InstanceId;
use crate::instance::usage;

#[derive(Debug, Args)]
pub(in crate::cmd) struct Measured {
    #[command(flatten)]
    file: ConfigFile,
    /// Which server: `ins_…`.
    server: String,
    /// Bytes in its bucket of media.
    #[arg(long, value_parser = clap::value_parser!(i64).range(0..))]
    media_bytes: i64,
    /// Bytes of its database: `select pg_database_size(current_database())`.
    #[arg(long, value_parser = clap::value_parser!(i64).range(0..))]
    database_bytes: i64,
}

pub(super) async fn run(measured: Measured) -> anyhow::Result<()> {
    let Measured { file, server, media_bytes, database_bytes } = measured;
    let id: InstanceId = server.parse().with_context(|| format!("\"{server}\" is no id of a server"))?;
    let mut tx = parts::database(&file.load()?)?.owner().begin().await?;
    usage::note_usage(&mut tx, &SystemClock, id, media_bytes, database_bytes).await.context("there is no such server")?;
    tx.commit().await?;
    println!("{id} has {media_bytes} bytes of media and a database of {database_bytes} bytes");
    Ok(())
}
