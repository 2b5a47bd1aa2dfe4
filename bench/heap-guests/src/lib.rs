//! The workloads by which allocators are compared. The same source for all of them: a program for
//! each links its own `#[global_allocator]`.

mod workload {
    pub mod block;
    pub mod churn;
    pub mod numbers;
    pub mod pairs;
    pub mod phases;
    pub mod raw;
    pub mod text;
}

use std::cell::RefCell;

use workload::{block, churn, pairs, phases, text};

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for the input of `len` bytes, and answers where the host writes it.
#[unsafe(no_mangle)]
pub extern "C" fn heap_input(len: usize) -> *mut u8 {
    INPUT.with_borrow_mut(|input| {
        // The allocator is in use from here on, and so is its first page, also where there is
        // nothing to read.
        *input = vec![u8::MAX; len.max(1)];
        input.truncate(len);
        input.as_mut_ptr()
    })
}

/// Does one workload, frees everything, and answers a checksum of what it computed.
#[unsafe(no_mangle)]
pub extern "C" fn heap_run(workload: u32) -> u64 {
    INPUT.with_borrow(|input| match workload {
        0 => block::parse(input),
        1 => block::index(input),
        2 => churn::wide(),
        3 => churn::small(),
        4 => text::vec_push(),
        5 => text::strings(),
        6 => text::json(input),
        7 => phases::every_other(),
        8 => phases::shifting(),
        9 => pairs::hot(),
        10 => pairs::in_order(),
        _ => 0,
    })
}

/// What libc's `_start` calls; the host calls the exports instead.
#[cfg(target_os = "wasi")]
#[unsafe(no_mangle)]
extern "C" fn __main_void() -> i32 {
    0
}
