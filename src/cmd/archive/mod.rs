//! `paddock archive`: for any Mastodon, with or without a control plane. What it does is in `crate::archive`; here are the options, what
//! people see while it works, and the exit codes. See `docs/archive.md`.

mod create;
mod options;
mod progress;
mod restore;
mod store;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::progress::Teller;
use crate::archive::ArchiveError;

#[derive(Debug, Subcommand)]
pub(super) enum ArchiveCommand {
    /// Write an archive of a running or stopped Mastodon. The same command again goes on where an earlier one was interrupted.
    Create(create::Create),
    /// Say what an archive is of and what is in it. Checks the signature, reads nothing else.
    Inspect(restore::Inspect),
    /// Check every byte of an archive; with --restore also restore its database into a throw-away Postgres and compare.
    Verify(restore::Verify),
    /// Restore an archive into an empty database and a folder or bucket.
    Restore(restore::Restore),
    /// Copy this program, and the authorities that it trusts, into a folder from which another container can run it.
    #[command(hide = true)]
    Install {
        /// The folder.
        folder: PathBuf,
    },
}

/// The exit code of a command that failed so.
pub(super) fn exit_code(error: &anyhow::Error) -> ExitCode {
    error.downcast_ref::<ArchiveError>().map_or(ExitCode::FAILURE, |error| ExitCode::from(error.exit_code()))
}

pub(super) async fn run(command: ArchiveCommand, stop: CancellationToken) -> anyhow::Result<()> {
    let (handle, teller) = (Handle::current(), Teller::new(stop));
    match command {
        ArchiveCommand::Verify(verify) if verify.restores() => restore::verify_by_restoring(verify, teller).await,
        ArchiveCommand::Create(create) => blocking(move || create::run(&create, &handle, &teller)).await,
        ArchiveCommand::Inspect(inspect) => blocking(move || restore::inspect(&inspect, &handle)).await,
        ArchiveCommand::Verify(verify) => blocking(move || restore::verify(&verify, &handle, &teller)).await,
        ArchiveCommand::Restore(restore) => blocking(move || restore::restore(restore, &handle, &teller)).await,
        ArchiveCommand::Install { folder } => install(&folder),
    }
}

/// Where images keep the authorities that sign certificates.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The image of Paddock has neither a shell nor Postgres' programs, the one of Postgres has no Paddock and need not have authorities: so both
/// are carried over.
fn install(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let carry = |from: &Path, name: &str, mode: u32| {
        let to = folder.join(name);
        std::fs::copy(from, &to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(mode)).with_context(|| format!("changing {}", to.display()))
    };
    carry(&std::env::current_exe().context("looking for this program")?, "paddock", 0o755)?;
    carry(Path::new(AUTHORITIES), "authorities.pem", 0o644)
}

/// Does what takes a thread for itself.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(work).await.context("the work ended in a crash")??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Damage;

    #[test]
    fn exit_codes_say_what_somebody_can_do_about_it() {
        let code = |error: ArchiveError| format!("{:?}", exit_code(&anyhow::Error::from(error).context("while trying")));
        assert_eq!(code(Damage::Unfinished.into()), format!("{:?}", ExitCode::from(3)));
        assert_eq!(code(ArchiveError::Stopped), format!("{:?}", ExitCode::from(130)));
        assert_eq!(format!("{:?}", exit_code(&anyhow::anyhow!("x"))), format!("{:?}", ExitCode::from(1)));
    }
}
