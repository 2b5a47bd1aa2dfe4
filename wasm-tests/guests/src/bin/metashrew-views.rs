//! Views that tell their height in every way there is, and blocks that do.
#![cfg_attr(target_family = "wasm", no_main)]

use std::sync::Arc;

use steadfast::metashrew::lru_cache::{CacheAllocationMode, clear_view_height};
use steadfast::metashrew::{
    clear_view_cache, export_bytes, flush, get, host_interface, initialize, input, set,
    set_cache_mode, set_view_for_height,
};

steadfast::plan!();

/// Keys that a view reads.
const READS: u32 = 10;

/// What a block does besides: nothing, or what follows.
const FLUSH_AT_VIEW_HEIGHT: u8 = 1;
const READ_AT_VIEW_HEIGHT: u8 = 2;
const VIEW_MODE: u8 = 3;
const READ_BEFORE_INPUT: u8 = 4;

fn key(number: u32) -> Arc<Vec<u8>> {
    Arc::new(number.to_le_bytes().to_vec())
}

/// The `u32` that stands at an offset of the input; the height stands at 0.
fn number(input: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*input[at..].first_chunk().expect("four bytes"))
}

/// Has the flush tell what a key's value is.
fn note(name: &str) {
    set(Arc::new(name.as_bytes().to_vec()), get(key(0)));
}

/// Writes the height under each so many of the first so many keys. The input: height, how many
/// keys, the step from one to the next, and what to do besides.
fn index_block() {
    let what = host_interface::input()[12];
    if what == READ_BEFORE_INPUT {
        note("before the input");
    }
    let input = input();
    let (height, count, step) = (number(&input, 0), number(&input, 4), number(&input, 8));
    match what {
        FLUSH_AT_VIEW_HEIGHT => set_view_for_height(height),
        READ_AT_VIEW_HEIGHT => {
            set_view_for_height(1);
            note("at the view's height");
            clear_view_height();
        }
        VIEW_MODE => set_cache_mode(CacheAllocationMode::View),
        _ => {}
    }
    note("in the block");
    let value = Arc::new(height.to_le_bytes().repeat(10));
    for number in (0..count).step_by(step as usize) {
        set(key(number), value.clone());
    }
    flush();
    clear_view_cache();
    set_cache_mode(CacheAllocationMode::Indexer);
}

wasm_test_guests::entry!(index_block);

/// The first bytes of the values that the view reads.
fn ask() -> Vec<u8> {
    let values = (0..READS).map(|number| get(key(number)));
    values
        .flat_map(|value| value.iter().copied().take(4).collect::<Vec<u8>>())
        .collect()
}

/// As metashrew's macro for views has it: the body is given what follows the height.
macro_rules! view {
    ($name:ident, $body:expr) => {
        /// The view.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> i32 {
            let input = input();
            let (height, argument) = input.split_at(4);
            set_view_for_height(number(height, 0));
            let body: fn(&[u8]) -> Vec<u8> = $body;
            let answer = body(argument);
            clear_view_cache();
            export_bytes(answer)
        }
    };
}

view!(by_macro, |_argument| ask());

/// The input, then its height.
#[unsafe(no_mangle)]
pub extern "C" fn input_then_height() -> i32 {
    let input = input();
    set_view_for_height(number(&input, 0));
    let answer = ask();
    clear_view_cache();
    export_bytes(answer)
}

/// The height, then the input.
#[unsafe(no_mangle)]
pub extern "C" fn height_then_input() -> i32 {
    set_view_for_height(number(&host_interface::input(), 0));
    input();
    export_bytes(ask())
}

/// No height but the input's.
#[unsafe(no_mangle)]
pub extern "C" fn no_height() -> i32 {
    input();
    export_bytes(ask())
}

/// The mode, then the input.
#[unsafe(no_mangle)]
pub extern "C" fn mode_then_input() -> i32 {
    set_cache_mode(CacheAllocationMode::View);
    input();
    export_bytes(ask())
}

/// All that a view may call, before it reads.
#[unsafe(no_mangle)]
pub extern "C" fn initialized() -> i32 {
    initialize();
    let input = input();
    set_cache_mode(CacheAllocationMode::View);
    set_view_for_height(number(&input, 0));
    export_bytes(ask())
}

/// The input by the bare interface, which tells no height.
#[unsafe(no_mangle)]
pub extern "C" fn bare_input() -> i32 {
    let _ = host_interface::input();
    export_bytes(ask())
}
