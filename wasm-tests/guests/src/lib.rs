//! What the test guests share: an entry point on both targets, and results that the host reads from
//! memory.

pub mod metashrew;

use steadfast::exclusive::Exclusive;

/// How many numbers a guest can report.
pub const RESULTS: usize = 32;

/// The numbers that the guest reports; the host finds them by this export.
#[allow(non_upper_case_globals, reason = "the name is the module's export")]
#[unsafe(no_mangle)]
pub static guest_results: Exclusive<[u64; RESULTS]> = Exclusive::new([0; RESULTS]);

/// Reports `value` as number `index`.
pub fn report(index: usize, value: u64) {
    guest_results.with(|results| results[index] = value);
}

/// The number that the environment has under `name`, or another one. Panics where it is none.
pub fn number(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(otherwise, |value| value.parse().expect("a number"))
}

/// A running FNV-1a digest of numbers.
#[derive(Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Takes a number in.
    pub fn add(&mut self, value: u64) {
        for byte in value.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Takes in where something stands.
    pub fn add_address<T: ?Sized>(&mut self, of: &T) {
        self.add((&raw const *of).cast::<u8>().addr() as u64);
    }

    /// The digest so far.
    pub fn value(&self) -> u64 {
        self.0
    }
}

/// A small generator of the same numbers everywhere (SplitMix64).
#[derive(Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }
}

/// Makes a function the guest's `_start` on either target; the bin is `no_main` where it is
/// WebAssembly.
#[macro_export]
macro_rules! entry {
    ($body:path) => {
        // libc's own `_start` calls this one.
        #[cfg(target_os = "wasi")]
        #[unsafe(no_mangle)]
        extern "C" fn __main_void() -> i32 {
            $body();
            0
        }

        #[cfg(all(target_family = "wasm", not(target_os = "wasi")))]
        #[unsafe(no_mangle)]
        extern "C" fn _start() {
            $body();
        }

        #[cfg(not(target_family = "wasm"))]
        fn main() {
            $body();
        }
    };
}

/// Uses the cache as an indexer would, and reports from number `first` on: a digest of what it
/// read, which no capacity changes; the capacity; hits.
pub fn exercise_cache(first: usize) {
    let mut cache = steadfast::open_cache().expect("the cache is opened once");
    let mut numbers = Numbers(7);
    let mut digest = Digest::default();
    for _ in 0..20_000 {
        let key = numbers.below(4096).to_le_bytes();
        let len = (u64::from_le_bytes(key) % 300) as usize;
        // What a host would hold for this key.
        let value = vec![key[0] ^ key[1]; len];
        let read = match cache.get(&key) {
            Some(held) => held.to_vec(),
            None => {
                let loaded = value.clone();
                // A cache without room misses; that is all.
                let _ = cache.insert(&key, &loaded);
                loaded
            }
        };
        assert_eq!(read, value);
        digest.add(read.len() as u64);
        digest.add_address(&read[..]);
    }
    cache.validate().expect("the cache is sound");
    report(first, digest.value());
    report(first + 1, cache.capacity() as u64);
    report(first + 2, cache.stats().hits);
}

/// What a module does that keeps another allocator than steadfast's: reserves first, uses the
/// cache, and goes on allocating.
pub fn live_beside() {
    let grant = steadfast::reserve();
    report(10, u64::from(grant.region.start));
    report(11, u64::from(grant.region.len));
    report(12, grant.outcome as u64);
    exercise_cache(0);
    // The module's own allocator goes on past the region.
    report(
        13,
        vec![3_u8; 5_000_000]
            .iter()
            .map(|byte| u64::from(*byte))
            .sum(),
    );
}
