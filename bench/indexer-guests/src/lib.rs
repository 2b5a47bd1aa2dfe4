//! What the measured indexers share.

use indexer::Cache;
use indexer::metashrew as store;
use steadfast::metashrew;

/// Indexes the host's block, and logs what it held.
pub fn index(cache: &mut impl Cache) {
    let summary = store::index(&metashrew::input(), cache);
    metashrew::log_line(format_args!("{summary}"));
}
