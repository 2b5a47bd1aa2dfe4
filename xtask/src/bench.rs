//! The demo and the benches.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::project::Project;
use crate::shell;
use crate::step::step;

fn program(project: &Project) -> Result<Command> {
    step("steadfast-bench (a few minutes the first time)", || {
        shell::run(&mut project.cargo(["build", "--release", "--package", "steadfast-bench"]))
    })?;
    Ok(project.cargo([
        "run",
        "--quiet",
        "--release",
        "--package",
        "steadfast-bench",
        "--",
    ]))
}

/// Runs the indexers on a block under many memory ceilings.
pub fn demo(project: &Project, input: &[PathBuf], json: Option<PathBuf>) -> Result<()> {
    let mut demo = program(project)?;
    demo.arg("demo");
    for file in input {
        demo.arg("--input").arg(absolute(file)?);
    }
    with_json(&mut demo, json)?;
    shell::run(&mut demo)
}

/// Draws the pictures that the documentation shows of a run.
pub fn pictures(project: &Project) -> Result<()> {
    let mut bench = program(project)?;
    bench.arg("pictures").arg(project.root().join("docs/plots"));
    shell::run(&mut bench)
}

/// Runs one bench.
pub fn bench(project: &Project, name: &str, json: Option<PathBuf>, rest: &[String]) -> Result<()> {
    let mut bench = program(project)?;
    bench.arg(name).args(rest);
    with_json(&mut bench, json)?;
    shell::run(&mut bench)
}

fn with_json(command: &mut Command, json: Option<PathBuf>) -> Result<()> {
    if let Some(file) = json {
        command.arg("--json").arg(absolute(&file)?);
    }
    Ok(())
}

/// The command runs at the root, wherever the caller is.
fn absolute(path: &Path) -> Result<PathBuf> {
    Ok(std::path::absolute(path)?)
}
