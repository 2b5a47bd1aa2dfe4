//! Reads back what it has flushed in the same block, and writes once more when nothing will flush
//! it.
#![cfg_attr(target_family = "wasm", no_main)]

use std::sync::Arc;

use steadfast::metashrew::{flush, get, input, set};

steadfast::plan!();

fn bytes(text: &str) -> Arc<Vec<u8>> {
    Arc::new(text.as_bytes().to_vec())
}

fn index_block() {
    let input = input();
    let trailing = get(bytes("/trailing"));
    let key = Arc::new(input[..4].to_vec());
    set(key.clone(), Arc::new(vec![input[0]; 40]));
    flush();
    let seen = get(key);
    set(bytes("/seen"), seen);
    set(
        bytes("/trailing length"),
        Arc::new(vec![trailing.len() as u8]),
    );
    flush();
    set(bytes("/trailing"), bytes("no host ever gets this"));
}

wasm_test_guests::entry!(index_block);
