//! What a guest on the feature `image` does; the programs are this at one plan or another.

use std::sync::Arc;

use steadfast::metashrew::{flush, get, input, set};

/// What follows the height in the input, for a block that fails after its flush.
pub const FAIL: u8 = 1;

/// Reads 500 keys of four sizes, which no block changes but the first, writes one that each block
/// does, and flushes. Then fails, if the input says so.
pub fn index_block() {
    let input = input();
    let key = |number: u32| Arc::new(format!("/owners/{number}").into_bytes());
    for number in 0..500 {
        let value = Arc::new(vec![number as u8; 20 + number as usize % 4 * 40]);
        let held = get(key(number));
        if held.is_empty() {
            set(key(number), value);
        } else {
            assert_eq!(held, value);
        }
    }
    let tip = Arc::new(b"/tip".to_vec());
    get(tip.clone());
    set(tip, Arc::new(input[..4].to_vec()));
    flush();
    assert_ne!(input[4], FAIL, "the block is to fail");
}
