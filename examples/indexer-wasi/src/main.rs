//! The indexer as a WASI program.
//!
//! Reads the same input as the metashrew module from the file `/input/block`, and keeps its state
//! through the same imports. Logs what the block held if `INDEXER_LOG` is set to anything but `0`,
//! `false`, `no`, `off` or nothing.

use indexer::metashrew as store;
use steadfast::metashrew::host_interface;

// Its entries have 60 bytes of key and value, as `steadfast size` tells.
steadfast::plan!(steadfast::Plan::DEFAULT.with_expected_entry(60));

const INPUT: &str = "/input/block";

fn main() {
    let input = std::fs::read(INPUT)
        .unwrap_or_else(|error| host_interface::halt(format_args!("cannot read {INPUT}: {error}")));
    let summary = store::index(&input, &mut store::open_cache());
    if wants_log() {
        host_interface::log_line(format_args!("{summary}"));
    }
}

fn wants_log() -> bool {
    std::env::var_os("INDEXER_LOG").is_some_and(|value| {
        !["", "0", "false", "no", "off"]
            .iter()
            .any(|&off| value == off)
    })
}
