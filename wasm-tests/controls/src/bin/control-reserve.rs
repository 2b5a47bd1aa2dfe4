//! Stores how often memory could be reserved.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

fn run() {
    control_guests::store(b"reserved", &[control_guests::reserved_blocks()]);
}

control_guests::entry!(run);
