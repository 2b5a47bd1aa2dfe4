//! The benches.

use std::path::PathBuf;
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
    if let Some(file) = json {
        bench.arg("--json").arg(std::path::absolute(file)?);
    }
    shell::run(&mut bench)
}
