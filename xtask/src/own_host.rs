//! The example of a host with a wasmtime of its own, run on the indexer that is written for
//! metashrew.

use anyhow::Result;

use crate::project::Project;
use crate::shell;

/// Builds the example as the tools are built, so that the engine is built once, and runs it.
pub fn run(project: &Project) -> Result<()> {
    let module = project.target()?.join("guests/metashrew_port.wasm");
    let mut cargo = project.cargo(["run", "--quiet", "--release", "--package", "steadfast-host"]);
    cargo.args(["--example", "own_host", "--"]).arg(module);
    shell::run(&mut cargo)
}
