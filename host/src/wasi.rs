//! WASI preview 1, through `wasmtime-wasi`: what an indexer sees of the world.

use std::fs;
use std::io;
use std::path::PathBuf;

use tempfile::TempDir;
use wasmtime::{Linker, Module};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::context::Context;

/// The module under which WASI preview 1 is imported.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// The directory in which a guest finds its input.
pub const INPUT_DIRECTORY: &str = "/input";

/// The file in [`INPUT_DIRECTORY`] that holds the height (a little-endian `u32`) and the block.
pub const INPUT_FILE: &str = "block";

/// More output than this, in bytes, stops a guest whose output is captured.
const CAPTURED_OUTPUT: usize = 64 << 20;

/// The functions whose calls are noted: all but `environ_get` and `environ_sizes_get`, which a C library calls more or less
/// often as there are variables or none.
pub(crate) const NOTED: [&str; 44] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

/// Where a guest's standard output, its standard error and its log lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// All of them to the host's standard error.
    #[default]
    Inherit,
    /// All of them to the report; at most 64 MiB of either stream.
    Capture,
    /// Nowhere.
    Discard,
}

/// What a guest has printed through WASI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// On its standard output.
    pub stdout: Vec<u8>,
    /// On its standard error.
    pub stderr: Vec<u8>,
}

/// Whether a module imports anything of WASI preview 1.
pub(crate) fn is_imported_by(module: &Module) -> bool {
    module.imports().any(|import| import.module() == MODULE)
}

/// Defines WASI for `module`, whose calls are noted.
pub(crate) fn add_to_linker(
    linker: &mut Linker<Context>,
    module: &Module,
) -> Result<(), wasmtime::Error> {
    const ASIDE: &str = "noted";
    let is_imported = |name: &&str| {
        let mut imports = module.imports();
        imports.any(|import| import.module() == MODULE && import.name() == *name)
    };
    linker.allow_shadowing(true);
    // What makes a context of the store's data is told nothing of the function: so each is defined with its own, and put aside.
    for name in NOTED.into_iter().filter(is_imported) {
        p1::add_to_linker_sync(linker, move |context: &mut Context| {
            context.exchange.note_wasi(name);
            wasi_of(context)
        })?;
        linker.alias(MODULE, name, ASIDE, name)?;
    }
    p1::add_to_linker_sync(linker, wasi_of)?;
    for name in NOTED.into_iter().filter(is_imported) {
        linker.alias(ASIDE, name, MODULE, name)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

fn wasi_of(context: &mut Context) -> &mut WasiP1Ctx {
    let wasi = context.wasi.as_mut();
    wasi.expect("a module that imports WASI is given a WASI context")
}

/// The world of an indexer: its input, its output and the environment it is told of.
pub(crate) struct World {
    /// Standard output and standard error, where they are captured.
    captured: Option<[MemoryOutputPipe; 2]>,
    // Removed when the run is over.
    _directory: TempDir,
}

impl World {
    /// What was printed so far, as far as it is captured.
    pub(crate) fn printed(&self) -> Printed {
        let Some([stdout, stderr]) = &self.captured else {
            return Printed::default();
        };
        Printed {
            stdout: stdout.contents().to_vec(),
            stderr: stderr.contents().to_vec(),
        }
    }
}

/// A temporary directory with the input in it.
fn input_directory(input: &[u8]) -> io::Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("steadfast-").tempdir()?;
    fs::write(directory.path().join(INPUT_FILE), input)?;
    Ok(directory)
}

/// Makes the world in which one block is indexed: a read-only directory with the input in it, and
/// nothing else of this machine but its clocks and random numbers.
///
/// # Errors
///
/// When the temporary directory cannot be made.
pub(crate) fn world(
    input: &[u8],
    env: &[(String, String)],
    output: Output,
) -> Result<(WasiP1Ctx, World), WorldError> {
    let directory = input_directory(input)?;
    let mut builder = WasiCtxBuilder::new();
    builder
        .envs(env)
        .allow_blocking_current_thread(true)
        .preopened_dir(directory.path(), INPUT_DIRECTORY, FsPerms::ReadOnly)?;
    let captured = match output {
        Output::Inherit => {
            builder.stdout(io::stderr()).stderr(io::stderr());
            None
        }
        Output::Capture => {
            let pipes = [(); 2].map(|()| MemoryOutputPipe::new(CAPTURED_OUTPUT));
            builder.stdout(pipes[0].clone()).stderr(pipes[1].clone());
            Some(pipes)
        }
        Output::Discard => None,
    };
    let world = World {
        captured,
        _directory: directory,
    };
    Ok((builder.build_p1(), world))
}

/// Why a guest's world could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The temporary directory for the input could not be made.
    #[error("cannot make the guest's input directory: {0}")]
    Io(#[from] io::Error),
    /// A directory could not be opened for the guest.
    #[error("cannot open a directory for the guest: {0}")]
    Wasi(#[from] wasmtime::Error),
}

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
