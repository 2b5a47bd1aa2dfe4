//! What a plain command sees of the world.

use std::path::PathBuf;

use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// A plain command's world: this process's standard streams, and what it is told of.
#[derive(Clone, Debug, Default)]
pub struct CommandWorld {
    /// The command's name, and its arguments.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// Directories that the command may read and write: the host's path, and the guest's.
    pub directories: Vec<(PathBuf, String)>,
}

impl CommandWorld {
    pub(crate) fn build(&self) -> Result<WasiP1Ctx, wasmtime::Error> {
        let mut builder = WasiCtxBuilder::new();
        builder
            .inherit_stdio()
            .allow_blocking_current_thread(true)
            .args(&self.args)
            .envs(&self.env);
        for (host, guest) in &self.directories {
            builder.preopened_dir(host, guest, FsPerms::ReadWrite)?;
        }
        Ok(builder.build_p1())
    }
}
