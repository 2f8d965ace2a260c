//! Composition roots, one file per subcommand: configuration → pools → clients → run → shut down in order.

mod admin;
mod archive;
mod bench;
mod demo;
mod generate;
mod mail_map;
mod park;
mod parts;
mod preflight;
mod serve;
mod vault;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::telemetry;
use parts::Parts;
pub use serve::{OperatorOf, Selection};

/// Hosts Mastodon servers: sign-up, payment, provisioning on Kubernetes, and leaving with everything.
#[derive(Debug, Parser)]
#[command(name = "paddock", version, about, long_about = None)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// Configuration file; settings of the environment (`PADDOCK__HTTP__LISTEN`) go over it.
    #[arg(long, env = "PADDOCK_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// The configuration alone, for what needs little of it.
    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(self.config.as_deref())?)
    }

    /// The configuration and everything made out of it.
    fn parts(&self) -> anyhow::Result<Parts> {
        Ok(Parts::open(Config::read(self.config.as_deref()))?)
    }

    /// The section `[operator]` as it is, whatever is wrong beside it: a way back must not fail for want of something else.
    fn operator(&self) -> anyhow::Result<crate::operator::Settings> {
        parts::operator_section(Config::read(self.config.as_deref()))
    }
}

/// The cluster that the operator works in.
#[derive(Debug, Args)]
struct ClusterOf {
    /// Name of its kubeconfig in the folder of kubeconfigs (clusters.kubeconfigs). Without it: for `serve` the only cluster of the
    /// database, for `operator` the one that it runs in.
    #[arg(long, env = "PADDOCK_CLUSTER")]
    cluster: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Pages, jobs, fleet and operator in one process, after bringing the database up to date: a small host.
    Serve {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        of: ClusterOf,
    },
    /// Pages, API and webhook alone.
    Web(ConfigFile),
    /// Jobs alone.
    Worker(ConfigFile),
    /// The exchange between database and clusters alone.
    Fleet(ConfigFile),
    /// The operator of one cluster alone. It uses no database.
    Operator {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        of: ClusterOf,
    },
    /// Bring the database up to date and exit.
    Migrate(ConfigFile),
    /// Read the configuration and the catalogue, name every fault, exit.
    CheckConfig(ConfigFile),
    /// Look at the cluster and all around it before the first customer, say for each fault what to do, exit.
    Preflight(preflight::Preflight),
    /// Answer for servers that are paused: 503 for everything, with a page for people.
    Park {
        /// Address and port.
        #[arg(long, env = "PADDOCK_PARK_LISTEN", default_value = "127.0.0.1:8083")]
        listen: std::net::SocketAddr,
    },
    /// Everything of one Mastodon in one folder: make it, look at it, prove it, restore it. Needs no control plane.
    #[command(subcommand)]
    Archive(Box<archive::ArchiveCommand>),
    /// Things that only the host's own people do.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Write what is generated from the code.
    Generate(generate::Generate),
    /// Everything on this machine: real servers, a fake Stripe, a mail catcher.
    Demo(demo::Demo),
    /// Measure.
    Bench(bench::Bench),
}

/// Runs a subcommand to its end. Everything that went wrong is printed; 1 then (`archive` and `admin audit` have codes of their own), 0 otherwise.
pub fn run(cli: Cli) -> ExitCode {
    // With no provider installed rustls panics at the first connection. A second installation is no error.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("paddock: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(dispatch(cli.command));
    // What still blocks (a hash, a name look-up) does not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("paddock: {error:#}");
            admin::audit::exit_code(&error).unwrap_or_else(|| archive::exit_code(&error))
        }
    }
}

async fn dispatch(command: Command) -> anyhow::Result<()> {
    telemetry::start_logging(matches!(command, Command::Demo(_) | Command::Bench(_) | Command::Archive(_)));
    let nowhere = OperatorOf::Kubeconfig(None);
    let part =
        |file: ConfigFile, selection, of| async move { serve::run(file.parts()?, selection, of, false, terminated()).await };
    match command {
        Command::Serve { file, of } => {
            let of = of.cluster.map_or(OperatorOf::OnlyOne, |kubeconfig| OperatorOf::Kubeconfig(Some(kubeconfig)));
            serve::run(file.parts()?, Selection::ALL, of, true, terminated()).await
        }
        Command::Web(file) => part(file, Selection { web: true, ..Selection::NONE }, nowhere).await,
        Command::Worker(file) => part(file, Selection { worker: true, ..Selection::NONE }, nowhere).await,
        Command::Fleet(file) => part(file, Selection { fleet: true, ..Selection::NONE }, nowhere).await,
        Command::Operator { file, of } => {
            part(file, Selection { operator: true, ..Selection::NONE }, OperatorOf::Kubeconfig(of.cluster)).await
        }
        Command::Migrate(file) => parts::database(&file.load()?)?.migrate().await.map_err(Into::into),
        Command::CheckConfig(file) => {
            parts::check(&file.parts()?);
            Ok(())
        }
        Command::Preflight(preflight) => Box::pin(preflight::run(preflight)).await,
        Command::Park { listen } => park::run(listen, terminated()).await,
        Command::Archive(archive) => Box::pin(archive::run(*archive, terminated())).await,
        Command::Admin(admin) => admin::run(admin).await,
        Command::Generate(generate) => generate::run(&generate),
        Command::Demo(demo) => Box::pin(demo::run(demo, terminated())).await,
        Command::Bench(bench) => bench::run(bench, terminated()).await,
    }
}

/// Cancelled by Ctrl-C or SIGTERM. A second Ctrl-C ends the process at once.
fn terminated() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        let term = async {
            match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
                Ok(mut term) => {
                    term.recv().await;
                }
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            () = term => {}
        }
        cancel.cancel();
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
    token
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
