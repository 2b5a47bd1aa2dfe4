//! Serves the page that runs the indexer in a browser.

use std::io;
use std::net::TcpListener;
use std::path::Path;

use axum::Router;
use axum::routing::get;
use bitcoin_test_data::blocks::mainnet_702861;
use tokio::runtime::Builder;
use tower_http::services::{ServeDir, ServeFile};

/// The page, the driver of JavaScript engines that it shares with `steadfast verify`, the indexer
/// among the modules in `guests`, and the block of the demo.
pub fn site(guests: &Path) -> Router {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = here.join("../../host/src/verify/javascript");
    Router::new()
        .route_service("/block.mjs", ServeFile::new(shared.join("block.mjs")))
        .route_service("/region.mjs", ServeFile::new(shared.join("region.mjs")))
        .route_service(
            "/indexer.wasm",
            ServeFile::new(guests.join("indexer_metashrew.wasm")),
        )
        .route("/demo.block", get(async || mainnet_702861()))
        .fallback_service(ServeDir::new(here.join("static")))
}

/// Answers requests until the process ends.
///
/// # Errors
///
/// When the socket cannot be listened on.
pub fn serve(listener: TcpListener, site: Router) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        axum::serve(listener, site).await
    })
}
