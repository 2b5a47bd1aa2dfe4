//! Four exports over a pointer that only moves: what the exports take by themselves.
#![cfg_attr(target_family = "wasm", no_main)]

use bench_guests as _;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

struct Bump(Cell<usize>);

// SAFETY: the module has one thread.
unsafe impl Sync for Bump {}

// SAFETY: every byte is handed out once; what lies past the memory traps when it is used.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.0.get().next_multiple_of(layout.align());
        self.0.set(start + layout.size());
        std::ptr::with_exposed_provenance_mut(start)
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

#[cfg_attr(target_family = "wasm", global_allocator)]
#[cfg_attr(
    not(target_family = "wasm"),
    expect(dead_code, reason = "only modules allocate from it")
)]
static BUMP: Bump = Bump(Cell::new(0x20_0000));

#[cfg(not(target_family = "wasm"))]
fn main() {}
