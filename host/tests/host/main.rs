//! The host, on small guests written by hand. One program, so that wasmtime is linked once.

mod any_bytes;
mod chain;
mod check;
mod command;
mod core_dump;
mod exec;
mod guests;
mod hostile;
mod imports;
mod input;
mod kill;
mod load;
mod memory;
mod own_linker;
mod profile;
mod profile_fuel;
mod share;
mod stopped_page;
mod strangers;
mod verify;
mod warm;
mod wasi;
