//! An indexer that asks its host for the image of its cache, and offers it.
#![cfg_attr(target_family = "wasm", no_main)]

steadfast::plan!();

wasm_test_guests::entry!(image_guests::index_block);
