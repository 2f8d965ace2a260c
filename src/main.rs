//! `paddock`: see `paddock --help`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    paddock::cmd::run(paddock::cmd::Cli::parse())
}
