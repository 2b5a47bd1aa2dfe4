//! What the wasm tests run under, kept in `target/tools/`, which `.cargo/config.toml` names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::project::Project;
use crate::shell;
use crate::step::step;

const RUNNER: &str = "wasm-bindgen-test-runner";

/// Installs all tools.
pub fn install(project: &Project) -> Result<()> {
    node()?;
    wasm_bindgen(project)?;
    steadfast(project)
}

fn node() -> Result<()> {
    if shell::works(Command::new("node").arg("--version")) {
        return Ok(());
    }
    bail!(
        "Node is missing, which the tests for wasm32-unknown-unknown run in: as root, run `apt-get install --yes nodejs`"
    );
}

/// Installs `wasm-bindgen-test-runner`, whose version must be the crate's own.
fn wasm_bindgen(project: &Project) -> Result<()> {
    let id = shell::output(&mut project.cargo(["pkgid", "wasm-bindgen"]))?;
    let (_, version) = id.trim().rsplit_once('@').context("no version")?;
    let runner = project.tools().join("bin").join(RUNNER);
    if told(Command::new(runner).arg("--version")).as_deref() == Some(version) {
        return Ok(());
    }
    step(&format!("{RUNNER} {version} (a few minutes)"), || {
        let install = |lock: &[&str]| {
            // Unoptimised, it builds in a third of the time, and costs the tests a few seconds.
            let mut cargo = project.cargo(["install", "wasm-bindgen-cli", "--debug", "--force"]);
            cargo.args([
                "--bin",
                RUNNER,
                "--no-default-features",
                "--version",
                &format!("={version}"),
            ]);
            cargo.args(lock).arg("--root").arg(project.tools());
            cargo
                .arg("--target-dir")
                .arg(project.target()?.join("wasm-bindgen-cli"));
            shell::run(cargo.env("CARGO_PROFILE_DEV_DEBUG", "0"))
        };
        // A registry's mirror may lack a version that the tool's own lock file names.
        install(&["--locked"]).or_else(|_| {
            eprintln!(
                "the versions that it was locked to cannot all be had; taking compatible ones"
            );
            install(&[])
        })
    })
}

/// The version that a command prints as `NAME VERSION`.
pub fn told(version: &mut Command) -> Option<String> {
    let output = version.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

/// Builds the host, which runs the modules for `wasm32-wasip1`.
pub fn steadfast(project: &Project) -> Result<()> {
    step("steadfast-host (a few minutes the first time)", || {
        shell::run(&mut project.cargo([
            "build",
            "--release",
            "--package",
            "steadfast-host",
            "--bin",
            "steadfast",
        ]))
    })?;
    publish(project)?;
    Ok(())
}

/// Copies the command to where `.cargo/config.toml` looks for it, and answers where that is.
pub fn publish(project: &Project) -> Result<PathBuf> {
    let to = project.tools().join("bin/steadfast");
    copy(&project.target()?.join("release/steadfast"), &to)?;
    Ok(to)
}

/// Whether all tools were installed.
pub fn are_installed(project: &Project) -> bool {
    ["steadfast", RUNNER]
        .iter()
        .all(|name| project.tools().join("bin").join(name).exists())
}

/// Copies a file in one move, so that a program that runs meanwhile is left alone.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let directory = to.parent().context("a copy needs a directory to go to")?;
    fs::create_dir_all(directory)?;
    let part = to.with_extension("part");
    fs::copy(from, &part).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(fs::rename(&part, to)?)
}
