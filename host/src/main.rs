//! `steadfast`: runs WebAssembly indexers under any memory that a host grants.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// Runs WebAssembly indexers under any memory that a host grants.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Run(cli::run::Arguments),
    View(cli::view::Arguments),
    #[cfg(feature = "verify")]
    Verify(cli::verify::Arguments),
    /// Left out of this build: build steadfast-host with its feature `verify`
    #[cfg(not(feature = "verify"))]
    Verify {
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    Check(cli::check::Arguments),
    Map(cli::map::Arguments),
    Stats(cli::stats::Arguments),
    Size(cli::size::Arguments),
    Profile(cli::profile::Arguments),
    Exec(cli::exec::Arguments),
    Digest(cli::digest::Arguments),
    CheckDb(cli::check_db::Arguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    if let Err(error) = cli::signals::listen() {
        return fail(&error);
    }
    let result = match command {
        Command::Run(arguments) => cli::run::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::View(arguments) => cli::view::view(&arguments).map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "verify")]
        Command::Verify(arguments) => return cli::verify::verify(&arguments),
        #[cfg(not(feature = "verify"))]
        Command::Verify { .. } => Err(anyhow::anyhow!(
            "this build is without `verify`: build steadfast-host with its feature `verify`"
        )),
        Command::Check(arguments) => cli::check::check(&arguments),
        Command::Map(arguments) => cli::map::map(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Stats(arguments) => cli::stats::stats(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Size(arguments) => cli::size::size(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Profile(arguments) => {
            cli::profile::profile(&arguments).map(|()| ExitCode::SUCCESS)
        }
        Command::Exec(arguments) => cli::exec::exec(&arguments),
        Command::Digest(arguments) => cli::digest::digest(&arguments),
        Command::CheckDb(arguments) => cli::check_db::check_db(&arguments),
    };
    result.unwrap_or_else(|error| fail(&error))
}

fn fail(error: &anyhow::Error) -> ExitCode {
    cli::warn(&format!("{error:#}"));
    ExitCode::FAILURE
}
