//! The metashrew surface, native, over the host's stand-in. A process has one cache: the tests take turns.
#![cfg(not(target_family = "wasm"))]

mod block;
mod debugging;
mod flush;
mod keys;
mod lru_cache_memory_detection_test;
mod names;
mod pools;
mod threads;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::lru_cache::{
    CacheAllocationMode, clear_view_height, set_cache_allocation_mode,
};
use steadfast::metashrew::{clear, clear_prefix_hit_stats, disable_lru_debug_mode, input};

/// Waits for the other tests, and empties what they left.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has left nothing that the next lines do not empty.
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    clear_view_height();
    set_cache_allocation_mode(CacheAllocationMode::Indexer);
    disable_lru_debug_mode();
    clear_prefix_hit_stats();
    clear();
    turn
}

/// Runs a test in a process of its own, where nobody has opened the cache before.
fn alone(name: &str, test: impl FnOnce()) {
    const CHILD: &str = "STEADFAST_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return test();
    }
    let program = std::env::current_exe().expect("the test's own program");
    let mut child = std::process::Command::new(program);
    let child = child.args(["--exact", name]).env(CHILD, "1").output();
    let child = child.expect("the test's own program starts");
    let ran = String::from_utf8_lossy(&child.stdout).contains("1 passed");
    assert!(ran && child.status.success(), "{child:?}");
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
