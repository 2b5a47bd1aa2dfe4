//! The checkout: where things stand, and the toolchain that its commands run with.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::toolchain::{self, Toolchain, Way};

/// The target with a WASI preview 1 host.
pub const WASI: &str = "wasm32-wasip1";
/// The target with no host interface of its own, which metashrew's modules are built for.
pub const BARE: &str = "wasm32-unknown-unknown";
/// The target of components, for a host with WASI preview 2.
pub const COMPONENTS: &str = "wasm32-wasip2";
/// The target without the standard library.
pub const NO_STD: &str = "wasm32v1-none";

/// A checkout with its toolchain chosen.
pub struct Project {
    root: PathBuf,
    toolchain: Toolchain,
    /// Whether cargo keeps what makes the next build of the same crate quicker.
    incremental: bool,
}

impl Project {
    /// Finds the checkout and gets its toolchain, `way` first, then `STEADFAST_TOOLCHAIN`.
    pub fn set_up(way: Option<Way>) -> Result<Project> {
        let root = root();
        let way = match way {
            Some(way) => way,
            None => Way::from_environment()?,
        };
        let toolchain = toolchain::get(&root, way)?;
        Ok(Project {
            root,
            toolchain,
            incremental: true,
        })
    }

    /// The same checkout for commands that build each thing once: quicker so, and on half the disk.
    pub fn once(self) -> Project {
        Project {
            incremental: false,
            ..self
        }
    }

    /// The directory of the workspace's manifest.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the tools are, which `.cargo/config.toml` names too.
    pub fn tools(&self) -> PathBuf {
        self.root.join("target/tools")
    }

    /// Cargo's target directory: this program was built into it.
    pub fn target(&self) -> Result<PathBuf> {
        let program = env::current_exe()?;
        let target = program.parent().and_then(Path::parent);
        Ok(target
            .context("this program stands in no target directory; run it as `cargo xtask`")?
            .to_owned())
    }

    /// A program at the root, with the chosen toolchain.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = self.toolchain.command(program);
        command.current_dir(&self.root);
        command
    }

    /// Whether the toolchain has a target's libraries.
    pub fn has_target(&self, target: &str) -> bool {
        self.toolchain.has_target(&self.root, target)
    }

    /// `cargo` at the root, with the chosen toolchain.
    pub fn cargo<I: AsRef<str>>(&self, arguments: impl IntoIterator<Item = I>) -> Command {
        let mut cargo = self.command(Path::new("cargo"));
        cargo.args(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        if !self.incremental {
            cargo.env("CARGO_INCREMENTAL", "0");
        }
        cargo
    }
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("xtask stands in the workspace")
        .to_owned()
}
