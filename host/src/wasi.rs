//! WASI preview 1: what an indexer sees of the world. One implementation in memory serves every
//! engine: no file, process or network of this machine is behind it.
//!
//! The feature `wasi` is for plain commands alone, which see more: `exec`.

#[cfg(feature = "wasi")]
mod command;
#[cfg(all(test, feature = "wasi"))]
mod comparison;
mod files;
mod functions;
mod memory;
mod output;
mod poll;
mod stop;
mod world;

use wasmtime::{Caller, FuncType, Linker, Trap, Val, ValType};

#[cfg(feature = "wasi")]
pub use self::command::CommandWorld;
pub(crate) use self::functions::{FUNCTIONS, Parameter};
pub(crate) use self::stop::Stop;
pub(crate) use self::world::World;
use crate::metashrew::{Exchange, memory_of};

/// The module under which WASI preview 1 is imported.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// The directory in which a guest finds its input.
pub const INPUT_DIRECTORY: &str = "/input";

/// The file in [`INPUT_DIRECTORY`] that holds the height (a little-endian `u32`) and the block.
pub const INPUT_FILE: &str = "block";

/// Defines WASI for every instance that `linker` makes. `parts` finds an instance's world, and
/// where calls are noted, in the data of its store.
pub(crate) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    parts: fn(&mut T) -> (&mut World, &mut Exchange),
) -> Result<(), wasmtime::Error> {
    for function in &FUNCTIONS {
        let parameters = function.parameters().map(|parameter| match parameter {
            Parameter::I32 => ValType::I32,
            Parameter::I64 => ValType::I64,
        });
        let results = function.has_result().then_some(ValType::I32);
        let signature = FuncType::new(linker.engine(), parameters, results);
        let call = move |mut caller: Caller<'_, T>, arguments: &[Val], results: &mut [Val]| {
            let memory = memory_of(&mut caller, function.name)?;
            let (memory, data) = memory.data_and_store_mut(&mut caller);
            let (world, exchange) = parts(data);
            let arguments = arguments.iter().map(|value| match value {
                Val::I64(wide) => *wide as u64,
                narrow => u64::from(narrow.unwrap_i32() as u32),
            });
            match function.call(world, exchange, memory, arguments) {
                Ok(errno) => {
                    results
                        .iter_mut()
                        .for_each(|result| *result = Val::I32(errno));
                    Ok(())
                }
                Err(Stop::TimedOut) => Err(Trap::Interrupt.into()),
                Err(stop) => Err(wasmtime::Error::new(stop)),
            }
        };
        linker.func_new(MODULE, function.name, signature, call)?;
    }
    Ok(())
}

/// The status with which a module exited, where that is why a call of it ended.
pub(crate) fn exit_status(error: &wasmtime::Error) -> Option<i32> {
    match error.downcast_ref() {
        Some(Stop::Exit(status)) => Some(*status),
        _ => None,
    }
}
