//! The metashrew surface, native, over the host's stand-in. Each test has
//! an instance of its own: the one of its thread.
#![cfg(not(target_family = "wasm"))]

mod block;
mod debugging;
mod flush;
mod keys;
mod lru_cache_memory_detection_test;
mod names;
mod pools;
mod reads;
mod threads;
mod views;
mod warm;

use std::sync::Arc;

use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::input;
use steadfast::{Bytes, Plan};

const LITTLE: Plan = Plan::DEFAULT.with_region_max(Bytes::mib(2)).checked();

/// Gives the instance a region for few entries: each flush offers the host an image of it, which is
/// copied whole.
fn reserve_little() {
    steadfast::reserve_with(&LITTLE);
}

fn bytes(text: &str) -> Arc<Vec<u8>> {
    Arc::new(text.as_bytes().to_vec())
}

/// Hands in an input with this height in front, as a host does for each block.
fn begin(height: u32) {
    stand_in::with(|host| host.input = height.to_le_bytes().to_vec());
    assert_eq!(input(), height.to_le_bytes());
}

/// How many values the host was asked for.
fn reads() -> usize {
    stand_in::with(|host| host.reads)
}

/// Stores a value behind the module's back.
fn on_host(key: &str, value: &str) {
    stand_in::with(|host| host.store.insert(key.into(), value.into()));
}
