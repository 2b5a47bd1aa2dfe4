//! What an indexer sees of the world, where the host has WASI.

use std::{fs, io};

use tempfile::TempDir;
use wasmtime::{Linker, Module};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use super::{INPUT_DIRECTORY, INPUT_FILE, MODULE};
use crate::metashrew::Exchange;
use crate::output::{Output, Printed};

/// Whether modules that import WASI can be run.
pub(crate) const IS_THERE: bool = true;

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

/// Defines WASI for `module`, whose calls are noted. `parts` finds what they go to in the store's data.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    module: &Module,
    parts: fn(&mut T) -> (&mut World, &mut Exchange),
) -> Result<(), wasmtime::Error> {
    const ASIDE: &str = "noted";
    let is_imported = |name: &&str| {
        let mut imports = module.imports();
        imports.any(|import| import.module() == MODULE && import.name() == *name)
    };
    linker.allow_shadowing(true);
    // What makes a context of the store's data is told nothing of the function: so each is defined with its own, and put aside.
    for name in NOTED.into_iter().filter(is_imported) {
        p1::add_to_linker_sync(linker, move |data: &mut T| {
            let (world, exchange) = parts(data);
            exchange.note(name, None);
            &mut world.wasi
        })?;
        linker.alias(MODULE, name, ASIDE, name)?;
    }
    p1::add_to_linker_sync(linker, move |data: &mut T| &mut parts(data).0.wasi)?;
    for name in NOTED.into_iter().filter(is_imported) {
        linker.alias(ASIDE, name, MODULE, name)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// The status with which a module exited, where that is why a call of it ended.
pub(crate) fn exit_status(error: &wasmtime::Error) -> Option<i32> {
    error.downcast_ref::<I32Exit>().map(|exit| exit.0)
}

/// The world of an indexer: its input, its output and the environment it is told of.
pub(crate) struct World {
    wasi: WasiP1Ctx,
    /// Standard output and standard error, where they are captured.
    captured: Option<[MemoryOutputPipe; 2]>,
    // Removed when the run is over.
    _directory: TempDir,
}

impl World {
    /// Makes the world in which one block is indexed: a read-only directory with the input in it, and
    /// nothing else of this machine but its clocks and random numbers.
    ///
    /// # Errors
    ///
    /// When the temporary directory cannot be made.
    pub(crate) fn new(
        input: &[u8],
        env: &[(String, String)],
        output: Output,
    ) -> Result<World, WorldError> {
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
        Ok(World {
            wasi: builder.build_p1(),
            captured,
            _directory: directory,
        })
    }

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
