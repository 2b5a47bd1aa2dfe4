//! Drives a cache with operations decoded from a stream of bytes, beside an oracle that says what it must do.

mod memory;
mod op;
mod oracle;

pub use memory::{Bytes, Grants, Spec, region, region_with_bytes};
pub use op::{Op, Script, noise};
pub use oracle::Oracle;

use std::fmt;
use steadfast::cache::{Cache, InsertError, Stats};
use steadfast::region::block_bytes;

/// How closely a run is checked.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// `validate()` after every so many operations; 0 for never.
    pub validate_every: u64,
    /// All entries in order against the oracle after every so many operations; 0 for never.
    pub compare_every: u64,
}

impl Checks {
    /// Everything after every operation.
    pub const FULL: Checks = Checks {
        validate_every: 1,
        compare_every: 1,
    };

    /// Everything, but only now and then.
    pub const SPARSE: Checks = Checks {
        validate_every: 997,
        compare_every: 499,
    };
}

/// A difference between cache and oracle.
#[derive(Debug)]
pub struct Mismatch {
    /// The operation's number, from 0.
    pub step: u64,
    /// The operation.
    pub op: String,
    /// What was wrong.
    pub what: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operation {}, {}: {}", self.step, self.op, self.what)
    }
}

impl std::error::Error for Mismatch {}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Operations carried out.
    pub steps: u64,
    /// Of every result, in order. Equal for two caches that behaved alike.
    pub digest: u64,
    /// At the end.
    pub stats: Stats,
}

/// Runs a script to its end, and at most `limit` operations.
///
/// # Errors
///
/// The first difference between cache and oracle.
pub fn run<S: Iterator<Item = u8>>(
    cache: &mut Cache,
    script: &mut Script<S>,
    limit: u64,
    checks: Checks,
) -> Result<Summary, Mismatch> {
    let mut oracle = Oracle::default();
    let mut digest = Digest(0);
    let mut steps = 0;
    while steps < limit {
        let Some(op) = script.next() else { break };
        let checked = step(cache, &mut oracle, &op, &mut digest)
            .and_then(|()| check(cache, &oracle, steps, checks));
        checked.map_err(|what| Mismatch {
            step: steps,
            op: op.to_string(),
            what,
        })?;
        steps += 1;
    }
    check(cache, &oracle, 0, Checks::FULL).map_err(|what| Mismatch {
        step: steps,
        op: "the end".into(),
        what,
    })?;
    cache.iter().for_each(|(key, value)| {
        digest.bytes(key);
        digest.bytes(value);
    });
    Ok(Summary {
        steps,
        digest: digest.0,
        stats: cache.stats(),
    })
}

fn check(cache: &Cache, oracle: &Oracle, step: u64, checks: Checks) -> Result<(), String> {
    let due = |every: u64| every != 0 && step.is_multiple_of(every);
    if cache.len() != oracle.len() {
        return Err(format!(
            "{} entries, the oracle has {}",
            cache.len(),
            oracle.len()
        ));
    }
    if due(checks.validate_every) {
        cache.validate().map_err(|fault| fault.to_string())?;
    }
    if due(checks.compare_every) {
        oracle.compare(cache)?;
    }
    Ok(())
}

fn step(
    cache: &mut Cache,
    oracle: &mut Oracle,
    op: &Op,
    digest: &mut Digest,
) -> Result<(), String> {
    match op {
        Op::Get(key) => {
            let got = cache.get(key);
            digest.option(got);
            oracle.expect(key, got)?;
            oracle.promote(key);
        }
        Op::Peek(key) => {
            let got = cache.peek(key);
            digest.option(got);
            oracle.expect(key, got)?;
            if cache.contains(key) != oracle.contains(key) {
                return Err("`contains` differs".into());
            }
        }
        Op::Insert(key, value) => {
            let before = cache.stats();
            let result = cache.insert(key, value);
            digest.number(u64::from(result.is_ok()));
            stored(cache, oracle, &before, key, value, result)?;
        }
        Op::Load(key, value) => {
            let before = cache.stats();
            let mut called = false;
            let got = cache.get_or_load(key, value.len(), |place| {
                called = true;
                assert!(
                    place.iter().all(|&byte| byte == 0),
                    "the loader is given zeros"
                );
                place.copy_from_slice(value);
            });
            digest.option(got.ok());
            let result = got.map(|got| got.to_vec());
            if oracle.contains(key) {
                oracle.expect(key, result.as_deref().ok())?;
                oracle.promote(key);
            } else {
                if result.as_deref().is_ok_and(|got| got != value) {
                    return Err("the value is not the one loaded".into());
                }
                stored(cache, oracle, &before, key, value, result.map(drop))?;
            }
            if called != (cache.stats().inserts > before.inserts) {
                return Err(
                    "the loader was called without an insert, or the other way round".into(),
                );
            }
        }
        Op::Remove(key) => {
            let removed = cache.remove(key);
            digest.number(u64::from(removed));
            if removed != oracle.remove(key) {
                return Err("`remove` differs".into());
            }
        }
        Op::Clear => {
            cache.clear();
            oracle.clear();
        }
        Op::EvictTo(share) => {
            let goal = cache.used_bytes() * usize::from(*share) / 256;
            let evicted = cache.evict_to(goal);
            digest.number(evicted as u64);
            for _ in 0..evicted {
                oracle
                    .remove_oldest()
                    .ok_or("more evicted than there were")?;
            }
            if cache.used_bytes() > goal {
                return Err(format!(
                    "{} bytes are used, {goal} asked for",
                    cache.used_bytes()
                ));
            }
        }
    }
    Ok(())
}

/// Carries an insert over to the oracle: which entries had to go follows from the cache's own counters, and must be the
/// oldest, but for those counted as displaced or as cleared for a window.
fn stored(
    cache: &Cache,
    oracle: &mut Oracle,
    before: &Stats,
    key: &[u8],
    value: &[u8],
    result: Result<(), InsertError>,
) -> Result<(), String> {
    let after = cache.stats();
    let size = block_bytes(key.len(), value.len());
    let fits = cache.is_enabled() && size.is_some_and(|size| size <= after.arena_bytes);
    if let Err(error) = result {
        let is_expected = match error {
            InsertError::Disabled => !cache.is_enabled(),
            InsertError::TooLong { .. } => size.is_none(),
            InsertError::TooLarge {
                needed_bytes,
                available_bytes,
                ..
            } => {
                Some(needed_bytes) == size
                    && available_bytes == after.arena_bytes
                    && needed_bytes > available_bytes
            }
            InsertError::Damaged => false,
        };
        let is_unchanged = (after.evictions, after.entries) == (before.evictions, before.entries);
        return if is_expected && is_unchanged {
            Ok(())
        } else {
            Err(format!("refused: {error}"))
        };
    }
    if !fits {
        return Err("what cannot fit was stored".into());
    }
    oracle.remove(key);
    for _ in before.evictions..after.evictions {
        let oldest = oracle
            .remove_oldest()
            .ok_or("more evicted than there were")?;
        if cache.contains(&oldest) {
            return Err("the oldest entry was not the one evicted".into());
        }
    }
    let others =
        (after.displaced - before.displaced) + (after.window_evictions - before.window_evictions);
    if others > 0 {
        let gone = oracle.remove_missing(cache);
        if gone != others {
            return Err(format!(
                "{gone} entries are gone, {others} are counted as displaced or cleared"
            ));
        }
    }
    oracle.insert(key, value);
    Ok(())
}

/// A running digest of results.
struct Digest(u64);

impl Digest {
    fn number(&mut self, value: u64) {
        self.0 = (self.0 ^ value)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .rotate_left(29)
            .wrapping_add(1);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        bytes.iter().for_each(|&byte| self.number(u64::from(byte)));
    }

    fn option(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.number(u64::MAX),
        }
    }
}
