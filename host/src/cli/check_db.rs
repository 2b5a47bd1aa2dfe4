//! `steadfast check-db`: whether a database is whole.

use std::path::PathBuf;
use std::process::ExitCode;

use steadfast_host::RedbState;

use super::digest::Found;

/// Verifies the checksum of every page of a database, brings it in order after a kill, and compares
/// its digest
///
/// Reads the whole file, which no other command does. Prints what `steadfast digest` prints, and
/// ends with status 1 if something is wrong. No run may index meanwhile
#[derive(clap::Args)]
pub struct Arguments {
    /// The database with the state
    db: PathBuf,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// Checks the database, and prints what was found.
pub fn check_db(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    super::check_exists(&arguments.db)?;
    let checked = RedbState::check(&arguments.db)?;
    Found::new(checked.digest, checked.kept, checked.tip).print(arguments.json)
}
