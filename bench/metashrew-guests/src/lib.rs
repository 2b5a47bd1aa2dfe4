//! What the measured guests share: the keys, and the loops that look them up.

use std::cell::RefCell;
use std::sync::Arc;

/// A key or a value, as metashrew has them.
pub type Bytes = Arc<Vec<u8>>;

/// Entries that the cache holds beforehand: about 1 MiB.
const HELD: u32 = 7_650;
/// Lookups of one run.
const LOOKUPS: usize = 5_000;
/// Lookups of one run where one large value is read again and again.
const LARGE_LOOKUPS: usize = 1_000;
const LARGE_BYTES: usize = 200 << 10;
/// The keys are looked up in steps of this, which is coprime to their number.
const STRIDE: usize = 3_001;

#[derive(Default)]
struct Keys {
    held: Vec<Bytes>,
    missing: Vec<Bytes>,
    large: Bytes,
}

thread_local! {
    static KEYS: RefCell<Keys> = RefCell::default();
}

/// A key of 29 to 53 bytes: a path, and a counter in little-endian bytes.
fn key(number: u32) -> Bytes {
    let mut key = b"/balances/by/script/index".to_vec();
    key.resize(25 + number as usize % 25, b'0' + (number % 10) as u8);
    key.extend_from_slice(&number.to_le_bytes());
    Arc::new(key)
}

/// A value of 8, 36, 100 or 250 bytes, or now and then 4 KiB.
fn value(number: u32) -> Bytes {
    let len = match number % 200 {
        0 => 4096,
        rest => [8, 36, 100, 250][rest as usize % 4],
    };
    Arc::new(vec![number as u8; len])
}

/// Makes the keys, and fills the cache with those that will be hits.
pub fn prepare(set: fn(Bytes, Bytes)) {
    KEYS.with_borrow_mut(|keys| {
        keys.held = (0..HELD).map(key).collect();
        keys.missing = (HELD..HELD + LOOKUPS as u32).map(key).collect();
        keys.large = Arc::new(b"/contracts/code".to_vec());
        set(
            Arc::new(keys.large.to_vec()),
            Arc::new(vec![7; LARGE_BYTES]),
        );
        for (number, key) in (0..HELD).zip(&keys.held) {
            // A copy: a program makes a key anew for each lookup, and `Arc`s that are the same
            // compare at once.
            set(Arc::new(key.to_vec()), value(number));
        }
    });
}

/// Looks up keys that the cache holds. Returns a sum over what it read.
pub fn hits(get: fn(Bytes) -> Bytes) -> u64 {
    KEYS.with_borrow(|keys| {
        let number = |step: usize| step * STRIDE % keys.held.len();
        let read = (0..LOOKUPS).map(|step| get(keys.held[number(step)].clone()));
        read.map(weight).sum()
    })
}

/// Looks up keys that the cache does not hold. Returns a sum over what the host gave.
pub fn misses(get: fn(Bytes) -> Bytes) -> u64 {
    KEYS.with_borrow(|keys| {
        keys.missing
            .iter()
            .map(|key| weight(get(key.clone())))
            .sum()
    })
}

/// Looks up one key again and again, of a value of 36 bytes. Returns a sum over what it read.
pub fn repeats_small(get: fn(Bytes) -> Bytes) -> u64 {
    KEYS.with_borrow(|keys| repeats(get, &keys.held[2], LOOKUPS))
}

/// Looks up one key again and again, of a value of 200 KiB. Returns a sum over what it read.
pub fn repeats_large(get: fn(Bytes) -> Bytes) -> u64 {
    KEYS.with_borrow(|keys| repeats(get, &keys.large, LARGE_LOOKUPS))
}

fn repeats(get: fn(Bytes) -> Bytes, key: &Bytes, lookups: usize) -> u64 {
    (0..lookups).map(|_| weight(get(key.clone()))).sum()
}

fn weight(value: Bytes) -> u64 {
    value.len() as u64 + value.last().map_or(0, |&byte| u64::from(byte))
}

/// The functions that the bench calls.
#[macro_export]
macro_rules! subject {
    ($set:path, $get:path) => {
        /// Fills the cache.
        #[unsafe(no_mangle)]
        pub extern "C" fn prepare() {
            $crate::prepare($set);
        }

        /// Looks up what it holds.
        #[unsafe(no_mangle)]
        pub extern "C" fn hit() -> u64 {
            $crate::hits($get)
        }

        /// Looks up what it does not hold.
        #[unsafe(no_mangle)]
        pub extern "C" fn miss() -> u64 {
            $crate::misses($get)
        }

        /// Looks up one small value again and again.
        #[unsafe(export_name = "repeat-small")]
        pub extern "C" fn repeat_small() -> u64 {
            $crate::repeats_small($get)
        }

        /// Looks up one large value again and again.
        #[unsafe(export_name = "repeat-large")]
        pub extern "C" fn repeat_large() -> u64 {
            $crate::repeats_large($get)
        }

        #[cfg(not(target_family = "wasm"))]
        fn main() {
            prepare();
            let _ = (hit(), miss(), repeat_small(), repeat_large());
        }
    };
}
