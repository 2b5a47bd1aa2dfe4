//! Stores whether large reservations worked, on steadfast.
#![cfg_attr(target_family = "wasm", no_main)]

use wasm_test_guests::metashrew;

steadfast::plan!();

wasm_test_guests::entry!(metashrew::diverge);
