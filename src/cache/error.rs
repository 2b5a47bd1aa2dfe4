//! Why an entry is not stored.

use crate::region::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
use thiserror::Error;

/// Why an entry is not stored. Its key has no value then. Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InsertError {
    /// There is no region, or it cannot hold an entry.
    #[error("the cache is disabled: the host granted no region, or one too small to hold an entry")]
    Disabled,
    /// The region's bytes have been damaged from outside. The cache has started over, empty.
    #[error(
        "the region was damaged from outside: the cache has dropped its entries and started over; insert again"
    )]
    Damaged,
    /// The format cannot express the lengths.
    #[error(
        "a key of {key_bytes} bytes with a value of {value_bytes} is too long: keys take at most {MAX_KEY_BYTES} bytes, values {MAX_VALUE_BYTES}"
    )]
    TooLong {
        /// The key's length.
        key_bytes: usize,
        /// The value's length.
        value_bytes: usize,
    },
    /// The entry is larger than all the space that the region, or its pool's quota, has for
    /// entries.
    #[error(
        "a key of {key_bytes} bytes with a value of {value_bytes} needs {needed_bytes} bytes, and there are {available_bytes} for all entries of its pool together"
    )]
    TooLarge {
        /// The key's length.
        key_bytes: usize,
        /// The value's length.
        value_bytes: usize,
        /// What the entry would take.
        needed_bytes: u32,
        /// What there is for the pool's entries.
        available_bytes: u32,
    },
}
