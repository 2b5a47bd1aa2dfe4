//! The hash of the index: fixed seed, the same value on every platform, named in the region's header.

use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};

/// The hash's name as the header has it. Another hash or seed needs another name.
pub const NAME: [u8; 16] = *b"rapidhash3-nano1";

const SECRETS: RapidSecrets = RapidSecrets::seed(0x7374_6561_6466_6173);

/// The hash of a key. Its seed is public: the index bounds the work that colliding keys can cause.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    rapidhash_v3_nano_inline::<true, false>(key, &SECRETS)
}
