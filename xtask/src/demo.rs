//! The demo: the first that a newcomer builds, so it builds no more than it runs.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::project::Project;
use crate::step::step;
use crate::{port, shell, tools};

/// Runs the indexers on a block under many memory ceilings, and tells what to try next.
pub fn run(project: &Project, input: &[PathBuf], json: Option<PathBuf>) -> Result<()> {
    let build =
        "build --release --package demo --package steadfast-host --bin demo --bin steadfast";
    let mut build = project.cargo(build.split(' '));
    if !tools::are_installed(project) {
        // Without `verify` and its engines. After set-up all of it is built already.
        build.args(["--no-default-features", "--features", "steadfast-host/cli"]);
    }
    step(
        "steadfast-host and demo (a few minutes the first time)",
        || shell::run(&mut build),
    )?;
    let program = tools::publish(project)?;
    let mut demo = project.command(&project.target()?.join("release/demo"));
    for file in input {
        demo.arg("--input").arg(std::path::absolute(file)?);
    }
    if let Some(file) = json {
        demo.arg("--json").arg(std::path::absolute(file)?);
    }
    shell::run(&mut demo)?;
    tell(project, &program)
}

fn tell(project: &Project, program: &Path) -> Result<()> {
    let block = port::block(project)?;
    let module = project.target()?.join("guests/indexer_metashrew.wasm");
    let here = |path: &Path| {
        let short = path.strip_prefix(project.root()).unwrap_or(path);
        short.display().to_string()
    };
    println!(
        "\nThe command that runs modules is {program}. Try next:\n\
         \n  {program} stats {module} --input {block}    # its counters\
         \n  {program} map {module} --input {block}      # where its memory goes\
         \n  cargo xtask port     # the same for an indexer that is written for metashrew\
         \n  cargo xtask setup    # what tests need, and the command with `verify`",
        program = here(program),
        module = here(&module),
        block = here(&block),
    );
    Ok(())
}
