//! The Rust toolchain: rustup's own wasm targets, or Debian's compiler with targets built from its
//! source.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::debian;
use crate::project::{BARE, NO_STD, WASI};
use crate::shell;
use crate::step::step;

/// How long rustup may take for one download before it is given up.
pub const DOWNLOAD_LIMIT: Duration = Duration::from_secs(120);

/// Where the wasm targets come from.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// What is there, else rustup, else Debian
    Auto,
    /// Rustup alone
    Rustup,
    /// Debian's compiler, with the targets built from its source
    Debian,
}

impl Way {
    /// What `STEADFAST_TOOLCHAIN` says, or [`Way::Auto`].
    pub fn from_environment() -> Result<Way> {
        let Ok(word) = env::var("STEADFAST_TOOLCHAIN") else {
            return Ok(Way::Auto);
        };
        match Way::from_str(&word, true) {
            Ok(way) => Ok(way),
            Err(_) => bail!("STEADFAST_TOOLCHAIN is `{word}`: set it to auto, rustup or debian"),
        }
    }
}

/// A toolchain, as what sets its commands apart from this program's own environment.
pub enum Toolchain {
    /// The one that runs this program.
    Active,
    /// The one that `rust-toolchain.toml` names.
    Named,
    /// The one that stands in this directory.
    Private(PathBuf),
}

impl Toolchain {
    /// A command that runs with this toolchain.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        match self {
            Toolchain::Active => {}
            Toolchain::Named => {
                command.env_remove("RUSTUP_TOOLCHAIN");
            }
            Toolchain::Private(directory) => {
                command
                    .env("RUSTUP_TOOLCHAIN", debian::NAME)
                    .env("PATH", path_with(&directory.join("bin")));
            }
        }
        command
    }

    /// Whether the wasm targets' standard library, the formatter and the linter are there.
    fn complete(&self, root: &Path) -> bool {
        let installed = |tool: &str| {
            shell::works(
                self.command("cargo")
                    .args([tool, "--version"])
                    .current_dir(root),
            )
        };
        [WASI, BARE]
            .into_iter()
            .all(|target| self.has_target(root, target))
            && installed("fmt")
            && installed("clippy")
    }

    /// Whether a target's libraries are there.
    pub fn has_target(&self, root: &Path, target: &str) -> bool {
        let mut rustc = self.command("rustc");
        rustc
            .current_dir(root)
            .args(["--print", "target-libdir", "--target", target]);
        shell::output(&mut rustc).is_ok_and(|directory| {
            let directory = Path::new(directory.trim());
            match target {
                NO_STD => holds(directory, &["libcore-", "liballoc-"]),
                _ => holds_std(directory),
            }
        })
    }
}

/// Whether the directory holds the libraries `core` and `std`.
pub fn holds_std(directory: &Path) -> bool {
    holds(directory, &["libcore-", "libstd-"])
}

/// Whether the directory holds libraries whose names begin so.
fn holds(directory: &Path, libraries: &[&str]) -> bool {
    let Ok(files) = directory.read_dir() else {
        return false;
    };
    let names: Vec<String> = files
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    let has = |start: &str| {
        names
            .iter()
            .any(|name| name.starts_with(start) && name.ends_with(".rlib"))
    };
    libraries.iter().all(|library| has(library))
}

/// Gets a toolchain with both wasm targets, by the way that is asked for.
pub fn get(root: &Path, way: Way) -> Result<Toolchain> {
    let private_is_active = env::var("RUSTUP_TOOLCHAIN").is_ok_and(|name| name == debian::NAME);
    match way {
        Way::Debian => debian::get(root),
        Way::Rustup => {
            let mut toolchain = Toolchain::Active;
            if private_is_active {
                debian::leave(root)?;
                toolchain = Toolchain::Named;
            }
            by_rustup(root, &toolchain)?;
            Ok(toolchain)
        }
        Way::Auto if private_is_active => debian::get(root),
        Way::Auto if Toolchain::Active.complete(root) => Ok(Toolchain::Active),
        Way::Auto => match by_rustup(root, &Toolchain::Active) {
            Ok(()) => Ok(Toolchain::Active),
            Err(error) => {
                eprintln!("rustup's way is closed ({error:#}); taking Debian's packages");
                debian::get(root)
            }
        },
    }
}

fn by_rustup(root: &Path, toolchain: &Toolchain) -> Result<()> {
    if toolchain.complete(root) {
        return Ok(());
    }
    let rustup = |words: &[&str]| {
        let mut rustup = toolchain.command("rustup");
        shell::run_within(
            rustup
                .args(words)
                .current_dir(root)
                .env("RUST_BACKTRACE", "0"),
            DOWNLOAD_LIMIT,
        )
    };
    step("rustup: wasm targets, rustfmt, clippy", || {
        rustup(&["target", "add", WASI, BARE])?;
        rustup(&["component", "add", "rustfmt", "clippy"])
    })?;
    if toolchain.complete(root) {
        Ok(())
    } else {
        bail!("rustup ran, and the wasm targets are still not there")
    }
}

/// Whether rustup can be run.
pub fn has_rustup() -> bool {
    shell::works(Command::new("rustup").arg("--version"))
}

fn path_with(first: &Path) -> OsString {
    let mut path = first.as_os_str().to_owned();
    if let Some(rest) = env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}
