//! The host, on small guests written by hand. One program, so that wasmtime is linked once.

mod check;
mod command;
mod exec;
mod guests;
mod imports;
mod input;
mod kill;
mod load;
mod memory;
mod own_linker;
mod share;
mod verify;
mod warm;
mod wasi;
