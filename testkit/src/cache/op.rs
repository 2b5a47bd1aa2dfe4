//! Operations, and their decoding from bytes.

use std::fmt;
use steadfast::cache::{Pool, Scope};

/// One operation on a cache.
#[derive(Clone, Debug)]
pub enum Op {
    /// `get` of a key.
    Get(Vec<u8>),
    /// `get_many` of keys.
    GetMany(Vec<Vec<u8>>),
    /// `peek` and `contains` of a key.
    Peek(Vec<u8>),
    /// `insert` of key and value.
    Insert(Vec<u8>, Vec<u8>),
    /// `get_or_load` of a key, with what the loader writes.
    Load(Vec<u8>, Vec<u8>),
    /// `remove` of a key.
    Remove(Vec<u8>),
    /// `clear`.
    Clear,
    /// Evicts a pool to so many 256ths of its bytes in use.
    EvictTo(Pool, u8),
    /// The operations that follow deal with this scope.
    Enter(Scope),
    /// `set_quota` of a pool to so many 256ths of the arena; 255 is no quota.
    Quota(Pool, u8),
    /// `set_height`.
    Height(u32),
    /// `invalidate_above` a height, so many entries at a time; 0 for all at once.
    InvalidateAbove(u32, u8),
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Get(key) => write!(f, "get {key:02x?}"),
            Op::GetMany(keys) => write!(f, "get {keys:02x?}"),
            Op::Peek(key) => write!(f, "peek {key:02x?}"),
            Op::Insert(key, value) => write!(f, "insert {key:02x?}, {} bytes", value.len()),
            Op::Load(key, value) => write!(f, "load {key:02x?}, {} bytes", value.len()),
            Op::Remove(key) => write!(f, "remove {key:02x?}"),
            Op::Clear => write!(f, "clear"),
            Op::EvictTo(pool, share) => write!(f, "evict {pool:?} to {share}/256"),
            Op::Enter(scope) => write!(f, "enter {scope:?}"),
            Op::Quota(pool, share) => write!(f, "quota of {pool:?} {share}/256"),
            Op::Height(height) => write!(f, "height {height}"),
            Op::InvalidateAbove(height, steps) => {
                write!(f, "invalidate above {height}, {steps} entries at a time")
            }
        }
    }
}

/// Decodes operations from a stream of bytes. Any bytes are a script. The first three set the
/// number of keys, the usual size of values and how often a large one comes.
pub struct Script<S> {
    source: S,
    keys: u32,
    usual_value: usize,
    large_value: usize,
    large_in_256: u8,
    written: u64,
    all_pools: bool,
}

impl<S: Iterator<Item = u8>> Script<S> {
    /// A script over a stream. Values of up to `large_value` bytes come now and then.
    pub fn new(mut source: S, large_value: usize) -> Script<S> {
        let mut next = || source.next().unwrap_or(0);
        let keys = 1 << (next() % 16);
        let usual_value = 1 << (next() % 9);
        let large_in_256 = next() % 16;
        Script {
            source,
            keys,
            usual_value,
            large_value,
            large_in_256,
            written: 0,
            all_pools: false,
        }
    }

    /// The same, but with operations on every pool, and on heights.
    #[must_use]
    pub fn all_pools(self) -> Script<S> {
        Script {
            all_pools: true,
            ..self
        }
    }

    fn pool(&mut self) -> Option<Pool> {
        Some(Pool::ALL[usize::from(self.source.next()?) % 3])
    }

    fn scope(&mut self) -> Option<Scope> {
        let byte = self.source.next()?;
        Some(match byte % 8 {
            0..3 => Scope::Main,
            3..5 => Scope::Application,
            _ => Scope::View(u32::from(byte >> 5)),
        })
    }

    /// An operation that has to do with pools or heights.
    fn pool_op(&mut self) -> Option<Op> {
        Some(match self.source.next()? {
            0..160 => Op::Enter(self.scope()?),
            160..200 => Op::Height(u32::from(self.source.next()? % 8)),
            200..230 => Op::Quota(self.pool()?, self.source.next()?),
            _ => Op::InvalidateAbove(u32::from(self.source.next()? % 8), self.source.next()? % 32),
        })
    }

    fn word(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes([
            self.source.next()?,
            self.source.next()?,
            self.source.next()?,
            self.source.next()?,
        ]))
    }

    /// One of the keys, small numbers more often. Its length, 0 to about 50 bytes, follows from its
    /// number.
    fn key(&mut self) -> Option<Vec<u8>> {
        let word = self.word()?;
        let range = (self.keys >> (word >> 28 & 3)).max(1);
        let number = (word & 0x0FFF_FFFF) % range;
        if number == 0 {
            return Some(Vec::new());
        }
        let padding = (number.wrapping_mul(0x9E37_79B1) >> 27) as usize;
        let mut key = vec![b'k'; padding];
        key.extend_from_slice(&number.to_le_bytes());
        key.resize(key.len() + padding / 2, b'/');
        Some(key)
    }

    /// Up to 39 keys, of which some may be equal.
    fn several(&mut self) -> Option<Vec<Vec<u8>>> {
        let count = self.source.next()? % 40;
        (0..count).map(|_| self.key()).collect()
    }

    /// A value that no other operation of the script writes.
    fn value(&mut self) -> Option<Vec<u8>> {
        let word = self.word()?;
        let is_large = ((word >> 24) as u8) < self.large_in_256;
        let limit = if is_large {
            self.large_value
        } else {
            self.usual_value
        };
        let len = (word & 0x00FF_FFFF) as usize % (limit + 1);
        self.written += 1;
        let mut value = Vec::with_capacity(len + 8);
        for word in noise_words(self.written).take(len.div_ceil(8)) {
            value.extend_from_slice(&word);
        }
        value.truncate(len);
        Some(value)
    }
}

impl<S: Iterator<Item = u8>> Iterator for Script<S> {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        Some(match self.source.next()? {
            0..80 => Op::Get(self.key()?),
            80..100 => Op::Peek(self.key()?),
            100..180 => Op::Insert(self.key()?, self.value()?),
            180..230 => Op::Load(self.key()?, self.value()?),
            240..252 if self.all_pools => self.pool_op()?,
            252..254 if self.all_pools => Op::EvictTo(self.pool()?, self.source.next()?),
            230..252 => Op::Remove(self.key()?),
            252..254 => Op::EvictTo(Pool::Main, self.source.next()?),
            254 => Op::GetMany(self.several()?),
            // Rare, or a long script would never fill the cache.
            255 => {
                if self.source.next()? < 4 {
                    Op::Clear
                } else {
                    Op::Peek(self.key()?)
                }
            }
        })
    }
}

/// Endless reproducible noise.
pub fn noise(seed: u64) -> impl Iterator<Item = u8> {
    noise_words(seed).flatten()
}

/// The same, a word at a time (splitmix64).
fn noise_words(seed: u64) -> impl Iterator<Item = [u8; 8]> {
    let mut state = seed.wrapping_mul(0xD134_2543_DE82_EF95);
    std::iter::from_fn(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some((word ^ (word >> 31)).to_le_bytes())
    })
}
