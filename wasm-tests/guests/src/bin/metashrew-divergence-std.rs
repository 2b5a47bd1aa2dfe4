//! Stores whether large reservations worked, on std's allocator.
#![cfg_attr(target_family = "wasm", no_main)]

use wasm_test_guests::metashrew;

wasm_test_guests::entry!(metashrew::diverge);
