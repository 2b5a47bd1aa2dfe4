//! The host, on small guests written by hand. One program, so that wasmtime is linked once.

mod any_bytes;
mod bounds;
mod chain;
mod check;
mod command;
mod core_dump;
mod database;
mod desk;
mod exec;
mod guests;
mod hostile;
mod imports;
mod input;
mod kill;
mod load;
mod memory;
mod own_linker;
mod pipes;
mod profile;
mod profile_fuel;
mod share;
#[cfg(unix)]
mod signals;
mod stats_and_map;
mod stopped_page;
mod strangers;
mod time_limits;
mod verify;
mod warm;
mod warm_files;
mod wasi;
