//! The example of detection, as a guest.
#![cfg_attr(target_family = "wasm", no_main)]

#[path = "../../../../examples/lru_memory_detection_example.rs"]
mod example;

steadfast::plan!();

wasm_test_guests::entry!(example::main);
