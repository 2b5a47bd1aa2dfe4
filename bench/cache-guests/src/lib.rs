//! The workloads that every measured cache runs, in one module for each: the host says which keys,
//! and times the calls.

mod entry;
mod script;
mod work;

pub mod peers;
pub mod steadfast;

pub use work::{Op, Tally, WORK_BYTES, bench_work, payload, run, value_bytes};

/// What a cache is told about its size.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Bytes of keys and values, or whatever the cache counts as bytes.
    pub bytes: usize,
    /// Entries, for a cache that counts nothing else.
    pub entries: usize,
}

/// A cache of byte strings.
pub trait Subject {
    /// An empty cache.
    fn open(capacity: Capacity) -> Self;

    /// The value of a key, which counts as a use.
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool;

    /// Looks several keys up, and shows the places and values of those that are there.
    #[inline(always)]
    fn get_many(&mut self, keys: &[&[u8]], mut found: impl FnMut(usize, &[u8])) {
        for (at, key) in keys.iter().enumerate() {
            self.get(key, |value| found(at, value));
        }
    }

    /// Stores a value.
    fn insert(&mut self, key: &[u8], value: &[u8]);

    /// Drops an entry.
    fn remove(&mut self, key: &[u8]);

    /// All entries.
    fn each(&self, entry: impl FnMut(&[u8], &[u8]));
}

/// Exports the calls by which the host drives a subject, under the same names in every module.
#[macro_export]
macro_rules! exports {
    ($subject:ty) => {
        thread_local! {
            static CACHE: std::cell::RefCell<Option<$subject>> =
                const { std::cell::RefCell::new(None) };
        }

        fn with<R>(body: impl FnOnce(&mut $subject) -> R) -> R {
            CACHE.with_borrow_mut(|cache| body(cache.as_mut().expect("`bench_open` comes first")))
        }

        /// libc's `_start` calls it, and has set itself up by then.
        #[unsafe(no_mangle)]
        extern "C" fn __main_void() -> i32 {
            0
        }

        #[unsafe(no_mangle)]
        extern "C" fn bench_open(bytes: u32, entries: u32) {
            let capacity = $crate::Capacity {
                bytes: bytes as usize,
                entries: entries as usize,
            };
            CACHE.set(Some($crate::Subject::open(capacity)));
        }

        #[unsafe(no_mangle)]
        extern "C" fn bench_run(op: u32, count: u32) -> u64 {
            with(|cache| $crate::run(cache, op, count).encode())
        }

        #[unsafe(no_mangle)]
        extern "C" fn bench_payload(check: u32) -> u64 {
            with(|cache| $crate::payload(cache, check != 0))
        }

        #[unsafe(no_mangle)]
        extern "C" fn bench_value_bytes(number: u32) -> u32 {
            $crate::value_bytes(number)
        }

        #[cfg(not(target_family = "wasm"))]
        fn main() {}
    };
}
