//! `steadfast digest`: what a database holds, read whole.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use steadfast_host::table::{Row, write_rows};
use steadfast_host::{Digest, FullDigest, State, Tip, display_hash};

/// Reads every pair of a database and prints its digests
///
/// The state digest is the one that `run` prints and the database keeps; it is computed anew and
/// compared. SHA-256 is over all pairs in the order of their keys. Ends with status 1 if the digest
/// that is kept is another one. A run may index meanwhile
#[derive(clap::Args)]
pub struct Arguments {
    /// The database with the state
    db: PathBuf,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// What a walk over a database found.
#[derive(Serialize)]
pub struct Found {
    height: Option<u32>,
    block_hash: Option<String>,
    pairs: u64,
    bytes: u64,
    state_digest: Digest,
    kept_digest: Option<Digest>,
    sha256: Digest,
}

impl Found {
    pub fn new(digest: FullDigest, kept: Option<Digest>, tip: Option<Tip>) -> Self {
        let hash = tip.and_then(|tip| tip.hash);
        Found {
            height: tip.map(|tip| tip.height),
            block_hash: hash.map(|hash| display_hash(&hash)),
            pairs: digest.pairs,
            bytes: digest.bytes,
            state_digest: digest.state,
            kept_digest: kept,
            sha256: digest.sha256,
        }
    }

    /// Prints it; a failure if the digest that is kept is wrong.
    pub fn print(&self, json: bool) -> anyhow::Result<ExitCode> {
        match json {
            true => super::print_json(self)?,
            false => super::print(&self.table())?,
        }
        match self.kept_digest {
            Some(kept) if kept != self.state_digest => {
                super::warn(&format!(
                    "the database keeps the digest {kept}, which is not that of its pairs: restore it from a copy, or index it anew"
                ));
                Ok(ExitCode::FAILURE)
            }
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    fn table(&self) -> String {
        let height = self
            .height
            .map_or_else(|| "none".into(), |height| height.to_string());
        let mut rows: Vec<Row> = vec![("tip".into(), height)];
        let hash = self.block_hash.clone();
        rows.extend(hash.map(|hash| ("block hash".into(), hash)));
        rows.extend([
            ("pairs".into(), self.pairs.to_string()),
            ("bytes".into(), self.bytes.to_string()),
            ("state digest".into(), self.state_digest.to_string()),
            ("SHA-256".into(), self.sha256.to_string()),
        ]);
        write_rows(&rows)
    }
}

/// Reads the database, and prints its digests.
pub fn digest(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let state = super::open_read_only(&arguments.db)?;
    let snapshot = state.snapshot()?;
    let full = FullDigest::of(&*snapshot)?;
    let found = Found::new(full, Some(snapshot.digest()?), snapshot.tip()?);
    found.print(arguments.json)
}
