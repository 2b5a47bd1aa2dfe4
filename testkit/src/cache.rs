//! Drives a cache with operations decoded from a stream of bytes, beside an oracle that says what
//! it must do.

mod chosen;
mod damage;
mod hostile;
mod memory;
mod mix;
mod op;
mod oracle;
mod plain;
mod told;

pub use chosen::{chosen_key, colliding_keys, keys_of_first_bucket, two_buckets};
pub use damage::Damage;
pub use hostile::{Cover, Fate, Fates, Victim, soak};
pub use memory::{
    Bytes, Grants, Spec, open_once, region, region_holding, region_with_bytes, run_once,
};
pub use mix::Mix;
pub use op::{Op, Script, noise};
pub use oracle::Oracle;
pub use plain::apply;
pub use told::{Told, run_told};

use std::fmt;
use steadfast::cache::{Cache, InsertError, Pool, Scope, Stats};
use steadfast::region::{SLACK_BYTES, block_bytes};

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
    run_on(cache, &mut Oracle::default(), script, limit, checks)
}

/// As [`run`], with a cache that has what the oracle says.
///
/// # Errors
///
/// The first difference between cache and oracle.
pub fn run_on<S: Iterator<Item = u8>>(
    cache: &mut Cache,
    oracle: &mut Oracle,
    script: &mut Script<S>,
    limit: u64,
    checks: Checks,
) -> Result<Summary, Mismatch> {
    let (steps, mut digest) = play(script, limit, |number, scope, op, digest| {
        step(cache, oracle, scope, op, digest)?;
        check(cache, oracle, number, checks)
    })?;
    check(cache, oracle, 0, Checks::FULL).map_err(|what| Mismatch {
        step: steps,
        op: "the end".into(),
        what,
    })?;
    for pool in Pool::ALL {
        for (_, key, value) in cache.entries(pool) {
            digest.bytes(key);
            digest.bytes(value);
        }
    }
    Ok(Summary {
        steps,
        digest: digest.0,
        stats: cache.stats(),
    })
}

/// Carries out a script's operations, each with its number and in its scope. Answers how many there
/// were.
fn play<S: Iterator<Item = u8>>(
    script: &mut Script<S>,
    limit: u64,
    mut step: impl FnMut(u64, Scope, &Op, &mut Digest) -> Result<(), String>,
) -> Result<(u64, Digest), Mismatch> {
    let mut scope = Scope::Main;
    let mut digest = Digest(0);
    let mut steps = 0;
    while steps < limit {
        let Some(op) = script.next() else { break };
        if let Op::Enter(entered) = op {
            scope = entered;
        }
        step(steps, scope, &op, &mut digest).map_err(|what| Mismatch {
            step: steps,
            op: op.to_string(),
            what,
        })?;
        steps += 1;
    }
    Ok((steps, digest))
}

/// Whether a check that is made after every so many operations is made now.
fn is_due(every: u64, step: u64) -> bool {
    every != 0 && step.is_multiple_of(every)
}

fn check(cache: &Cache, oracle: &Oracle, step: u64, checks: Checks) -> Result<(), String> {
    if cache.len() != oracle.len() {
        return Err(format!(
            "{} entries, the oracle has {}",
            cache.len(),
            oracle.len()
        ));
    }
    if is_due(checks.validate_every, step) {
        cache.validate().map_err(|fault| fault.to_string())?;
    }
    if is_due(checks.compare_every, step) {
        oracle.compare(cache)?;
    }
    Ok(())
}

fn step(
    cache: &mut Cache,
    oracle: &mut Oracle,
    scope: Scope,
    op: &Op,
    digest: &mut Digest,
) -> Result<(), String> {
    match op {
        Op::Get(key) => {
            let got = cache.scope(scope).get(key);
            digest.option(got);
            oracle.expect(scope, key, got)?;
            oracle.promote(scope, key);
        }
        Op::GetMany(keys) => {
            for (key, got) in keys.iter().zip(get_many(cache, scope, keys)?) {
                digest.option(got.as_deref());
                oracle.expect(scope, key, got.as_deref())?;
                oracle.promote(scope, key);
            }
        }
        Op::Peek(key) => {
            let got = cache.scope(scope).peek(key);
            digest.option(got);
            oracle.expect(scope, key, got)?;
            oracle.expect(Scope::Main, key, cache.peek(key))?;
            if cache.contains(key) != oracle.contains(Scope::Main, key) {
                return Err("`contains` differs".into());
            }
        }
        Op::Insert(key, value) => {
            let before = Before::new(cache);
            let result = cache.scope(scope).insert(key, value);
            digest.number(u64::from(result.is_ok()));
            stored(cache, oracle, &before, (scope, key, value), result)?;
        }
        Op::Load(key, value) => {
            let before = Before::new(cache);
            let mut called = false;
            let loading = cache.scope(scope);
            let got = loading.get_or_load(key, value.len(), |place| {
                called = true;
                assert!(
                    place.iter().all(|&byte| byte == 0),
                    "the loader is given zeros"
                );
                place.copy_from_slice(value);
            });
            digest.option(got.ok());
            let result = got.map(|got| got.to_vec());
            if oracle.contains(scope, key) {
                oracle.expect(scope, key, result.as_deref().ok())?;
                oracle.promote(scope, key);
            } else {
                if result.as_deref().is_ok_and(|got| got != value) {
                    return Err("the value is not the one loaded".into());
                }
                stored(
                    cache,
                    oracle,
                    &before,
                    (scope, key, value),
                    result.map(drop),
                )?;
            }
            if called != (cache.stats().inserts > before.stats.inserts) {
                return Err(
                    "the loader was called without an insert, or the other way round".into(),
                );
            }
        }
        Op::Remove(key) => {
            let removed = cache.scope(scope).remove(key);
            digest.number(u64::from(removed));
            if removed != oracle.remove(scope, key) {
                return Err("`remove` differs".into());
            }
        }
        Op::Clear => {
            cache.clear();
            oracle.clear();
        }
        Op::EvictTo(pool, share) => {
            let goal = cache.pool_info(*pool).used_bytes as usize * usize::from(*share) / 256;
            let evicted = cache.evict_pool_to(*pool, goal, usize::MAX);
            evict(oracle, *pool, evicted, digest)?;
            keeps_to(cache, *pool, goal)?;
        }
        Op::Enter(_) => {}
        Op::Quota(pool, share) => {
            let arena = u64::from(cache.stats().arena_bytes);
            let quota = match share {
                255 => u32::MAX,
                share => (arena * u64::from(*share) / 256) as u32,
            };
            let evicted = cache.set_quota(*pool, quota);
            evict(oracle, *pool, evicted, digest)?;
            keeps_to(cache, *pool, quota as usize)?;
        }
        Op::Height(height) => {
            cache.set_height(*height);
            oracle.set_height(*height);
        }
        Op::InvalidateAbove(height, 0) => {
            let dropped = cache.invalidate_above(*height) as u64;
            digest.number(dropped);
            if dropped != oracle.remove_above(*height) {
                return Err(format!("{dropped} entries were dropped"));
            }
        }
        Op::InvalidateAbove(height, steps) => {
            let mut left = oracle.remove_above(*height);
            loop {
                let came = cache.invalidate_above_in_steps(*height, usize::from(*steps));
                digest.number(came.dropped as u64);
                left = left
                    .checked_sub(came.dropped as u64)
                    .ok_or("more dropped than there were")?;
                oracle.compare(cache)?;
                if came.done {
                    break;
                }
            }
            if left > 0 {
                return Err(format!("{left} entries were left"));
            }
        }
    }
    Ok(())
}

/// What each of these keys has, asked for all at once.
fn get_many(
    cache: &mut Cache,
    scope: Scope,
    keys: &[Vec<u8>],
) -> Result<Vec<Option<Vec<u8>>>, String> {
    let mut got = Vec::new();
    let mut in_turn = true;
    cache.scope(scope).get_many(keys, |number, value| {
        in_turn &= number == got.len();
        got.push(value.map(<[u8]>::to_vec));
    });
    if !in_turn || got.len() != keys.len() {
        return Err("`get_many` does not show each key once, in turn".into());
    }
    Ok(got)
}

/// Carries evictions over to the oracle.
fn evict(
    oracle: &mut Oracle,
    pool: Pool,
    evicted: usize,
    digest: &mut Digest,
) -> Result<(), String> {
    digest.number(evicted as u64);
    for _ in 0..evicted {
        let oldest = oracle.remove_oldest(pool);
        oldest.ok_or("more evicted than there were")?;
    }
    Ok(())
}

fn keeps_to(cache: &Cache, pool: Pool, goal: usize) -> Result<(), String> {
    match cache.pool_info(pool).used_bytes as usize {
        used if used > goal => Err(format!("{used} bytes are used, {goal} asked for")),
        _ => Ok(()),
    }
}

/// What the cache counted before an operation.
struct Before {
    stats: Stats,
    evictions: [u64; 3],
}

impl Before {
    fn new(cache: &Cache) -> Before {
        Before {
            stats: cache.stats(),
            evictions: Pool::ALL.map(|pool| cache.pool_info(pool).evictions),
        }
    }
}

/// Carries an insert over to the oracle: which entries had to go follows from the cache's own
/// counters, and must be the oldest of their pool, but for those counted as displaced, or as
/// cleared for a window, which stood where the new one stands. Another pool gives entries only when
/// the one inserted into has none left.
fn stored(
    cache: &mut Cache,
    oracle: &mut Oracle,
    before: &Before,
    (scope, key, value): (Scope, &[u8], &[u8]),
    result: Result<(), InsertError>,
) -> Result<(), String> {
    let (earlier, after) = (before.stats, cache.stats());
    let before = before.evictions;
    let size = block_bytes(key.len(), value.len());
    let quota = cache.pool_info(scope.pool()).quota_bytes;
    let room = if quota < after.max_arena_bytes {
        // A rest that is no free block stays with the entry, and counts.
        quota.saturating_sub(SLACK_BYTES).min(after.arena_bytes)
    } else {
        after.arena_bytes
    };
    let fits = cache.is_enabled() && size.is_some_and(|size| size <= room);
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
                    && available_bytes == room
                    && needed_bytes > available_bytes
            }
            InsertError::Damaged => false,
        };
        // An older value does not stay.
        let left = earlier.entries - u32::from(oracle.remove(scope, key));
        return if is_expected && (after.evictions, after.entries) == (earlier.evictions, left) {
            Ok(())
        } else {
            Err(format!("refused: {error}"))
        };
    }
    if !fits {
        return Err("what cannot fit was stored".into());
    }
    oracle.remove(scope, key);
    let mut others_gave = false;
    for (pool, before) in Pool::ALL.into_iter().zip(before) {
        for _ in before..cache.pool_info(pool).evictions {
            let (of, oldest) = oracle
                .remove_oldest(pool)
                .ok_or("more evicted than there were")?;
            if cache.scope(of).peek(&oldest).is_some() {
                return Err("the oldest entry was not the one evicted".into());
            }
        }
        others_gave |= pool != scope.pool() && cache.pool_info(pool).evictions > before;
    }
    if others_gave && oracle.len_of(scope.pool()) > 0 {
        return Err("another pool gave entries before the pool's own".into());
    }
    let displaced = after.displaced - earlier.displaced;
    let others = displaced + after.window_evictions - earlier.window_evictions;
    if others > 0 {
        let gone = match (displaced, size) {
            (0, Some(bytes)) => oracle.remove_beneath(cache, scope, key, bytes as usize),
            _ => oracle.remove_missing(cache),
        };
        if gone != others {
            return Err(format!(
                "{gone} entries are gone, {others} are counted as displaced or cleared"
            ));
        }
    }
    oracle.insert(cache, scope, key, value);
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
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.number(u64::from_le_bytes(word));
        }
    }

    fn option(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.number(u64::MAX),
        }
    }
}
