//! Stores how many blocks its instance has indexed. Memory is steadfast's, so nothing but the count
//! depends on the host.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

use std::cell::Cell;

steadfast::plan!();

thread_local! {
    static BLOCKS: Cell<u8> = const { Cell::new(0) };
}

fn run() {
    BLOCKS.set(BLOCKS.get() + 1);
    control_guests::store(b"blocks", &[BLOCKS.get()]);
}

control_guests::entry!(run);
