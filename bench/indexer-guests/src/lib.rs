//! What the measured indexers share.

use indexer::Cache;
use indexer::metashrew as store;
use steadfast::metashrew::host_interface;

/// Indexes the host's block, and logs what it held.
pub fn index(cache: &mut impl Cache) {
    let summary = store::index(&host_interface::input(), cache);
    host_interface::log_line(format_args!("{summary}"));
}
