//! The example page and the map's page in Chromium, as a person meets them: clicked, given files,
//! pointed at, and pictured. What they show is compared with what the command `steadfast` tells.

mod chromium;
mod command;
mod map;
mod page;

use std::path::PathBuf;

/// The checkout.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Where `cargo xtask guests` puts the modules.
fn guests() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| PathBuf::from(ROOT).join("target"), PathBuf::from);
    target.join("guests")
}

/// The indexer that the page runs.
fn indexer() -> PathBuf {
    let path = guests().join("indexer_metashrew.wasm");
    let shown = path.display();
    assert!(
        path.exists(),
        "there is no {shown}: run `cargo xtask guests`"
    );
    path
}
