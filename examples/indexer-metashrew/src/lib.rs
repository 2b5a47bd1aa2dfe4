//! The indexer as a metashrew module.
//!
//! `_start` indexes the block that the host hands in; `balance` and `output` are views, described with
//! [`indexer::view`].

use indexer::metashrew as store;
use steadfast::metashrew;

steadfast::plan!();

/// Indexes the host's block, and logs what it held.
#[unsafe(no_mangle)]
pub extern "C" fn _start() {
    let summary = store::index(&metashrew::input(), &mut store::open_cache());
    metashrew::log_line(format_args!("{summary}"));
}

/// What a script holds.
#[unsafe(no_mangle)]
pub extern "C" fn balance() -> i32 {
    metashrew::export_bytes(store::balance(&metashrew::input(), &mut store::open_cache()))
}

/// The unspent output at an outpoint.
#[unsafe(no_mangle)]
pub extern "C" fn output() -> i32 {
    metashrew::export_bytes(store::output(&metashrew::input(), &mut store::open_cache()))
}
