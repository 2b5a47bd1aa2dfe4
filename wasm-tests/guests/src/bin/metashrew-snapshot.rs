//! An indexer on the metashrew surface that has something to do before its first block, at which a
//! snapshot of it can be taken.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::exclusive::Exclusive;
use wasm_test_guests::metashrew;

steadfast::plan!();

static TABLE: Exclusive<Vec<u64>> = Exclusive::new(Vec::new());

/// Fills a table on the heap, unless that is done.
fn prepare() {
    TABLE.with(|table| {
        if table.is_empty() {
            table.extend((0..10_000).map(|number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        }
    });
}

/// To be called before the snapshot, by a host that wants the region to be left to later instances.
#[unsafe(no_mangle)]
pub extern "C" fn prepare_heap() {
    steadfast::reserve_heap();
    prepare();
}

/// To be called before the snapshot, by one that does not know of regions.
#[unsafe(no_mangle)]
pub extern "C" fn prepare_whole() {
    prepare();
}

fn run() {
    prepare();
    let sum = TABLE.with(|table| {
        table
            .iter()
            .fold(0, |sum: u64, number| sum.wrapping_add(*number))
    });
    wasm_test_guests::report(1, sum);
    metashrew::index_block();
}

wasm_test_guests::entry!(run);
