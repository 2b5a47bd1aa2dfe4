//! The indexer that is written for metashrew, run as its user would run it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::project::Project;
use crate::shell;

const HEIGHT: u32 = 702_861;

/// Indexes a block into a database, asks a view about it, and shows where the memory went: three
/// commands, each printed before it runs.
pub fn run(project: &Project) -> Result<()> {
    let directory = project.target()?.join("port");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    let block = block(project)?;
    let module = project.target()?.join("guests/metashrew_port.wasm");
    let database = directory.join("state.redb");
    let program = project.tools().join("bin/steadfast");
    let steadfast = |subcommand: &str| {
        let mut command = Command::new(&program);
        command.arg(subcommand).arg(&module);
        command
    };

    told(
        steadfast("run")
            .arg("--input")
            .arg(&block)
            .arg("--db")
            .arg(&database),
    )?;
    let height: String = HEIGHT
        .to_le_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    told(
        steadfast("view")
            .args(["--view", "blockhash", "--input-hex", &height])
            .arg("--db")
            .arg(&database),
    )?;
    told(steadfast("map").arg("--input").arg(&block))
}

/// Writes the block to a file.
pub fn block(project: &Project) -> Result<PathBuf> {
    let directory = project.target()?.join("guests");
    fs::create_dir_all(&directory)?;
    let file = directory.join("mainnet-702861.block");
    fs::write(&file, bitcoin_test_data::blocks::mainnet_702861())?;
    Ok(file)
}

fn told(command: &mut Command) -> Result<()> {
    println!("\n$ {}", shell::shown(command));
    shell::run(command)
}
