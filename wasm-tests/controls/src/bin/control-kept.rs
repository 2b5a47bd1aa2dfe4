//! Stores how many blocks its instance has indexed.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

use std::cell::Cell;

thread_local! {
    static BLOCKS: Cell<u8> = const { Cell::new(0) };
}

fn run() {
    BLOCKS.set(BLOCKS.get() + 1);
    control_guests::store(b"blocks", &[BLOCKS.get()]);
}

control_guests::entry!(run);
