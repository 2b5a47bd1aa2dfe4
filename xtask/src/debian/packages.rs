//! The packages that the toolchain is made of.

use std::process::Command;

use anyhow::{Result, bail};

use crate::apt;
use crate::step::step;

/// All but the linker, whose name carries the version of LLVM.
const PACKAGES: [&str; 7] = [
    "rustc-web",
    "cargo-web",
    "rustfmt-web",
    "rust-web-clippy",
    "rust-web-src",
    "rust-web-llvm",
    "wasi-libc",
];

/// Installs what is missing. Needs root for that alone.
pub fn install() -> Result<()> {
    if !apt::is_here() {
        bail!(
            "the wasm targets are missing, rustup cannot add them, and this is no Debian: \
             install a Rust toolchain with the targets wasm32-wasip1 and wasm32-unknown-unknown"
        );
    }
    if all_installed() {
        return Ok(());
    }
    step(
        "apt-get: Debian's Rust compiler, its source, its linker and wasi-libc",
        || apt::install(&names()),
    )
}

fn names() -> Vec<String> {
    PACKAGES
        .into_iter()
        .map(str::to_owned)
        .chain([linker()])
        .collect()
}

/// The linker of the same LLVM that the compiler uses.
fn linker() -> String {
    let depends = Command::new("apt-cache")
        .args(["depends", "rust-web-llvm"])
        .output();
    let depends = depends
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let version = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: llvm-"));
    format!("lld-{}", version.unwrap_or("22"))
}

fn all_installed() -> bool {
    let mut query = Command::new("dpkg-query");
    query
        .args(["--show", "--showformat=${db:Status-Status}\n"])
        .args(names());
    let Ok(output) = query.output() else {
        return false;
    };
    output.status.success()
        && String::from_utf8_lossy(&output.stdout)
            .lines()
            .all(|status| status == "installed")
}
