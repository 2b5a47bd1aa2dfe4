//! What an indexer sees of the world, where the host has WASI.

use std::time::Instant;
use std::{fs, io};

use tempfile::TempDir;
use wasmtime::{Caller, Extern, Linker, Module, Trap};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use super::lines::Lines;
use super::poll::{self, Clock};
use super::{INPUT_DIRECTORY, INPUT_FILE, MODULE};
use crate::bounds::{Bound, Bounds};
use crate::metashrew::{Exchange, ImportError};
use crate::output::{Output, Printed};

/// Whether modules that import WASI can be run.
pub(crate) const IS_THERE: bool = true;

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
    if is_imported(&poll::NAME) {
        add_poll(linker, parts)?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// Wasmtime's own waits as long as the module likes.
fn add_poll<T: Send + 'static>(
    linker: &mut Linker<T>,
    parts: fn(&mut T) -> (&mut World, &mut Exchange),
) -> Result<(), wasmtime::Error> {
    let poll =
        move |mut caller: Caller<'_, T>, input: u32, output: u32, count: u32, answer: u32| {
            let memory = caller.get_export("memory").and_then(Extern::into_memory);
            let memory = memory.ok_or(ImportError::NoMemory { import: poll::NAME })?;
            let (memory, data) = memory.data_and_store_mut(&mut caller);
            let (world, exchange) = parts(data);
            exchange.note(poll::NAME, None);
            let polled = world.clock.poll(memory, [input, output, count, answer]);
            polled.map_err(|poll::TimedOut| Trap::Interrupt.into())
        };
    linker.func_wrap(MODULE, poll::NAME, poll)?;
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
    /// The same, where they are shown.
    shown: Option<[Lines; 2]>,
    clock: Clock,
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
        bounds: &Bounds,
    ) -> Result<World, WorldError> {
        let directory = input_directory(input)?;
        let mut builder = WasiCtxBuilder::new();
        builder
            .envs(env)
            .allow_blocking_current_thread(true)
            .preopened_dir(directory.path(), INPUT_DIRECTORY, FsPerms::ReadOnly)?;
        let most = usize::try_from(bounds.most(Bound::OutputBytes)).unwrap_or(usize::MAX);
        let (mut captured, mut shown) = (None, None);
        match output {
            Output::Inherit => {
                let lines = [(); 2].map(|()| Lines::new(bounds));
                builder.stdout(lines[0].clone()).stderr(lines[1].clone());
                shown = Some(lines);
            }
            Output::Capture => {
                let pipes = [(); 2].map(|()| MemoryOutputPipe::new(most));
                builder.stdout(pipes[0].clone()).stderr(pipes[1].clone());
                captured = Some(pipes);
            }
            Output::Discard => {}
        }
        Ok(World {
            wasi: builder.build_p1(),
            captured,
            shown,
            clock: Clock::start(),
            _directory: directory,
        })
    }

    /// Waits no longer than until then.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.clock.deadline = deadline;
    }

    /// The guest has returned, or stopped: shows the lines that have begun.
    pub(crate) fn end_lines(&self) {
        self.shown.iter().flatten().for_each(Lines::end);
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
