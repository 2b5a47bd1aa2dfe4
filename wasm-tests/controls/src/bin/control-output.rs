//! Stores always the same, and prints how often memory could be reserved.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

fn run() {
    println!("a line like any other");
    println!("reserved {} blocks", control_guests::reserved_blocks());
    control_guests::store(b"key", b"value");
}

control_guests::entry!(run);
