//! Checks that need a toolchain of their own: left out, with a line that says so, where it cannot
//! be had.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::project::{Project, WASI};
use crate::shell;
use crate::step::step;
use crate::tally::Tally;
use crate::toolchain::{DOWNLOAD_LIMIT, holds_std};

/// The oldest toolchain that the guest crate is built with, as its manifest says.
const OLDEST: &str = "1.85.0";
const NIGHTLY: &str = "nightly";

/// The tests that end within minutes there; the others can be run by hand.
const UNDER_MIRI: [&str; 13] = [
    "--lib",
    "--test",
    "heap",
    "--test",
    "heap_reuse",
    "--test",
    "heap_faults",
    "--test",
    "cache_format",
    "--test",
    "region_reader",
    "--test",
    "safe_code",
];

/// Checks the guest crate with the oldest toolchain that it promises to build with.
pub fn msrv(project: &Project) -> Result<()> {
    let name = format!("minimum supported Rust version: {OLDEST}");
    let there = || {
        printed(OLDEST, &["--print", "target-libdir", "--target", WASI])
            .is_some_and(|at| holds_std(&at))
    };
    let add = [
        "toolchain",
        "install",
        OLDEST,
        "--profile",
        "minimal",
        "--target",
        WASI,
    ];
    if !to_be_had(&name, there, &add) {
        return Ok(());
    }
    step(&name, || {
        for target in [&[][..], &["--target", WASI]] {
            let mut cargo = with(
                project,
                OLDEST,
                &["check", "--package", "steadfast", "--all-features"],
            );
            shell::run(cargo.args(target))?;
        }
        Ok(())
    })
}

/// Gets Miri where it is not there, or says that its tests are left out.
pub fn has_miri() -> bool {
    let there = || {
        let source = printed(NIGHTLY, &["--print", "sysroot"])
            .map(|at| at.join("lib/rustlib/src/rust/library"));
        source.is_some_and(|at| at.exists())
            && shell::works(&mut rustup(NIGHTLY, &["cargo", "miri", "--version"]))
    };
    let add = [
        "component",
        "add",
        "miri",
        "rust-src",
        "--toolchain",
        NIGHTLY,
    ];
    to_be_had("Miri", there, &add)
}

/// Runs a part of the guest crate's tests under Miri.
pub fn miri(project: &Project) -> Result<Tally> {
    let mut tally = Tally::default();
    step("Miri", || {
        let mut cargo = with(
            project,
            NIGHTLY,
            &["miri", "test", "--package", "steadfast", "--all-features"],
        );
        cargo.args(UNDER_MIRI);
        // The tests' regions live as long as the process.
        cargo.env("MIRIFLAGS", "-Zmiri-strict-provenance -Zmiri-ignore-leaks");
        tally.run_aside(&mut cargo)
    })?;
    Ok(tally)
}

/// Gets a target where it is not there, or says that the check is left out.
pub fn target(project: &Project, check: &str, target: &str) -> bool {
    let there = || project.has_target(target);
    let mut rustup = project.command(Path::new("rustup"));
    rustup.args(["target", "add", target]);
    by_rustup(check, there, &mut rustup)
}

/// Gets what a check needs where it is not there, or says that the check is left out.
fn to_be_had(check: &str, there: impl Fn() -> bool, add: &[&str]) -> bool {
    by_rustup(check, there, Command::new("rustup").args(add))
}

fn by_rustup(check: &str, there: impl Fn() -> bool, rustup: &mut Command) -> bool {
    if there() {
        return true;
    }
    if let Err(error) = step(&format!("rustup, for {check}"), || {
        shell::run_within(rustup, DOWNLOAD_LIMIT)
    }) {
        eprintln!("SKIPPED {check}: {error:#}");
        return false;
    }
    there()
}

fn rustup(toolchain: &str, words: &[&str]) -> Command {
    let mut rustup = Command::new("rustup");
    rustup.args(["run", toolchain]).args(words);
    rustup
}

/// The path that a toolchain's compiler prints.
fn printed(toolchain: &str, arguments: &[&str]) -> Option<PathBuf> {
    let output = rustup(toolchain, &["rustc"])
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

/// Cargo of another toolchain than the project's.
fn with(project: &Project, toolchain: &str, arguments: &[&str]) -> Command {
    let mut cargo = rustup(toolchain, &["cargo"]);
    cargo.args(arguments).current_dir(project.root());
    cargo
}
