//! Debian's compiler, for machines where rustup's server cannot be reached.
//!
//! The packages hold no wasm targets but the library's source, so the targets are built from that,
//! into a sysroot of their own: nothing but the packages themselves goes into `/usr`.

mod packages;
mod sysroot;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::project::{BARE, WASI};
use crate::shell;
use crate::toolchain::{self, Toolchain};

/// The name under which rustup knows the toolchain.
pub const NAME: &str = "steadfast-debian";

/// Gets Debian's compiler and the wasm targets, and makes plain `cargo` in the checkout use them.
pub fn get(root: &Path) -> Result<Toolchain> {
    let directory = root.join("target/toolchain").join(NAME);
    packages::install()?;
    if !sysroot::is_current(&directory)? {
        sysroot::build(&directory)?;
    }
    if let Some(target) = [WASI, BARE]
        .into_iter()
        .find(|target| !toolchain::holds_std(&libraries(&directory, target)))
    {
        bail!(
            "the standard library for {target} is not in {}: remove that directory and try again",
            directory.display()
        );
    }
    select(root, &directory)?;
    Ok(Toolchain::Private(directory))
}

/// Where the sysroot holds a target's libraries.
fn libraries(directory: &Path, target: &str) -> PathBuf {
    directory.join("lib/rustlib").join(target).join("lib")
}

/// Makes the toolchain the checkout's, where there is rustup to do so.
fn select(root: &Path, directory: &Path) -> Result<()> {
    if !toolchain::has_rustup() {
        let bin = directory.join("bin");
        eprintln!(
            "For plain `cargo` to find the wasm targets, put this first: export PATH={}:$PATH",
            bin.display()
        );
        return Ok(());
    }
    if linked().as_deref() != Some(&directory.join("bin/rustc")) {
        shell::run(
            Command::new("rustup")
                .args(["toolchain", "link", NAME])
                .arg(directory),
        )?;
    }
    if !overridden(root)? {
        shell::run(
            Command::new("rustup")
                .args(["override", "set", NAME, "--path"])
                .arg(root),
        )?;
        eprintln!("Plain `cargo` in this checkout now uses the toolchain {NAME}. To undo it:");
        eprintln!(
            "    rustup override unset --path {} && rustup toolchain uninstall {NAME}",
            root.display()
        );
    }
    Ok(())
}

/// Lets the checkout use the toolchain that `rust-toolchain.toml` names again.
pub fn leave(root: &Path) -> Result<()> {
    if overridden(root)? {
        shell::run(
            Command::new("rustup")
                .args(["override", "unset", "--path"])
                .arg(root),
        )?;
    }
    Ok(())
}

/// The compiler of the toolchain that rustup has under our name.
fn linked() -> Option<PathBuf> {
    let which = Command::new("rustup")
        .args(["which", "rustc", "--toolchain", NAME])
        .output()
        .ok()?;
    let path = String::from_utf8(which.stdout).ok()?;
    which.status.success().then(|| PathBuf::from(path.trim()))
}

/// Whether rustup has our toolchain down for this checkout.
fn overridden(root: &Path) -> Result<bool> {
    let list = shell::output(Command::new("rustup").args(["override", "list"]))?;
    let ours =
        |line: &str| line.starts_with(&*root.to_string_lossy()) && line.trim_end().ends_with(NAME);
    Ok(list.lines().any(ours))
}
