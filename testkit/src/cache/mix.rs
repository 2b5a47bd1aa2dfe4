//! A load of entries as an indexer has them.

use steadfast::cache::Cache;

/// Entries without end, no key twice: keys of 29 to 53 bytes, values of 8, 36, 100 or 250, and one
/// of 200 with 4 KiB; 137 bytes for key and value on average.
#[derive(Clone, Debug)]
pub struct Mix {
    first: u64,
    next: u64,
}

impl Mix {
    /// The load that a seed gives.
    pub fn new(seed: u64) -> Mix {
        let first = seed << 40;
        Mix { first, next: first }
    }

    /// Stores the next entry, and looks up one of as many before it as the cache holds, so that
    /// entries do not go in the order in which they came. Answers the bytes of key and value.
    ///
    /// # Panics
    ///
    /// If the cache cannot hold the entry.
    pub fn step(&mut self, cache: &mut Cache) -> usize {
        let (key, value) = entry(self.next);
        cache
            .insert(&key, &value)
            .expect("the cache is large enough");
        let reach = (cache.len() as u64).min(self.next - self.first);
        let back = draw(!self.next) % (reach + 1);
        let (earlier, expected) = entry(self.next - back);
        let found = cache.get(&earlier);
        assert!(found.is_none_or(|found| found == expected), "a wrong value");
        self.next += 1;
        key.len() + value.len()
    }
}

fn draw(number: u64) -> u64 {
    let z = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (z ^ (z >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 7
}

fn entry(number: u64) -> (Vec<u8>, Vec<u8>) {
    let draw = draw(number);
    let mut key = vec![b'/'; 21 + 8 * (draw >> 40 & 3) as usize];
    key.extend_from_slice(&number.to_le_bytes());
    let len = match draw % 1000 {
        0..5 => 4096,
        5..284 => 8,
        284..632 => 36,
        632..841 => 100,
        _ => 250,
    };
    (key, vec![draw as u8; len])
}
