//! An indexer and a view on the metashrew surface.
#![cfg_attr(target_family = "wasm", no_main)]

use wasm_test_guests::metashrew;

steadfast::plan!();

wasm_test_guests::entry!(metashrew::index_block);

/// The view.
#[unsafe(no_mangle)]
pub extern "C" fn balance() -> i32 {
    metashrew::view_balance()
}
