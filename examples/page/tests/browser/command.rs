//! The command `steadfast`: what the pages are compared with.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{ROOT, indexer};

/// Runs it, and returns what it prints.
pub fn steadfast<Argument: AsRef<OsStr>>(arguments: impl IntoIterator<Item = Argument>) -> Vec<u8> {
    let program = Path::new(ROOT).join("target/tools/bin/steadfast");
    assert!(
        program.exists(),
        "there is no command: run `cargo xtask setup`"
    );
    let mut command = Command::new(program);
    let output = command.args(arguments).output().expect("steadfast runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    output.stdout
}

/// Block after block, each in a fresh instance that is given the cache of the last, as the page
/// does.
pub struct Native {
    state: PathBuf,
    /// The image of the cache that the last run left.
    pub image: PathBuf,
}

/// What is told of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub digest: String,
    pub reads: u64,
    pub hits: u64,
    pub misses: u64,
    pub entries: u64,
}

impl Native {
    /// Begins with an empty state, in a directory.
    pub fn new(directory: &Path) -> Self {
        Native {
            state: directory.join("native.state"),
            image: directory.join("native.image"),
        }
    }

    /// Indexes a block.
    pub fn run(&self, block: &Path) -> Told {
        let printed = steadfast([
            OsStr::new("run"),
            indexer().as_os_str(),
            OsStr::new("--input"),
            block.as_os_str(),
            OsStr::new("--db"),
            self.state.as_os_str(),
            OsStr::new("--warm"),
            self.image.as_os_str(),
            // The page indexes a block again if it is told so.
            OsStr::new("--reindex"),
            OsStr::new("--json"),
        ]);
        let report: Value = serde_json::from_slice(&printed).expect("JSON");
        let number = |value: &Value| value.as_u64().expect("a number");
        let (imports, cache) = (&report["imports"], &report["cache"]);
        Told {
            digest: report["state_digest"]
                .as_str()
                .expect("a digest")
                .to_owned(),
            reads: number(&imports["get_lens"]) + number(&imports["gets"]),
            hits: number(&cache["hits"]),
            misses: number(&cache["misses"]),
            entries: number(&cache["entries"]),
        }
    }
}
