//! Metashrew's cache functions at whatever size was detected.
#![cfg_attr(target_family = "wasm", no_main)]

use wasm_test_guests::metashrew;

steadfast::plan!();

wasm_test_guests::entry!(metashrew::exercise_lru_cache);
