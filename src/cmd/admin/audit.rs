//! `paddock admin audit`: whether the audit log is what it was.

use std::process::ExitCode;

use clap::Subcommand;

use crate::audit::chain::{self, Broken, Checkpoint, Sound, VerifyError};
use crate::cmd::{ConfigFile, parts};

/// What the command ends with when the log is not what it was. 1 is for a log that could not be read, 2 for a wrong command line.
const BROKEN: u8 = 3;

#[derive(Debug, Subcommand)]
pub(in crate::cmd) enum AuditCommand {
    /// Go along the whole chain and say the first place that does not fit. Exit codes: 0 all fits, 3 something does not, 1 it could not be
    /// read.
    Verify {
        #[command(flatten)]
        file: ConfigFile,
        /// A checkpoint that was kept elsewhere: the whole line, as the worker's log and this command write it. Without one nobody notices
        /// when the end of the log was cut off together with its checkpoints.
        #[arg(long)]
        kept: Option<Checkpoint>,
    },
}

pub(super) async fn run(command: AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Verify { file, kept } = command;
    let config = file.load()?;
    let db = parts::database(&config)?;
    let mut tx = db.owner().begin().await?;
    chain::begin_reading(&mut tx).await?;
    let sound = chain::verify(&mut tx, &config.audit_signers(), kept.as_ref()).await.map_err(|error| match error {
        VerifyError::Broken(broken) => anyhow::Error::from(broken).context("the audit log is not what it was"),
        VerifyError::Database(error) => anyhow::Error::from(error).context("the audit log could not be read"),
    })?;
    let Sound { chained, waiting, checkpoints, newest } = sound;
    println!("the audit log is what it was: {chained} entries, {checkpoints} checkpoints; {waiting} entries are not chained yet");
    println!("checkpoints are signed by {}", config.audit_signer().public());
    if let Some(newest) = newest {
        println!("the newest, to be kept elsewhere:\n{newest}");
    }
    Ok(())
}

/// The exit code of a command that failed so, if the log itself is the reason.
pub(in crate::cmd) fn exit_code(error: &anyhow::Error) -> Option<ExitCode> {
    error.downcast_ref::<Broken>().map(|_| ExitCode::from(BROKEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_log_has_a_code_of_its_own() {
        let broken = anyhow::Error::from(Broken::Missing { place: 3 }).context("while looking");
        assert_eq!(format!("{:?}", exit_code(&broken)), format!("{:?}", Some(ExitCode::from(3))));
        assert!(exit_code(&anyhow::anyhow!("x")).is_none());
    }
}
