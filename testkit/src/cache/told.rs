//! Operations beside an oracle that lets any entry be gone: a cache answers the last value that it
//! was told for a key, or nothing.

use std::collections::BTreeMap;

use steadfast::cache::{Cache, Lookup, Pool, Scope};

use super::{Checks, Digest, Mismatch, Op, Script, Summary, get_many, is_due, play};

/// What a cache was told last.
#[derive(Debug, Default)]
pub struct Told {
    values: BTreeMap<(Scope, Vec<u8>), Value>,
    /// The height that entries are written at, but for those of views.
    height: u32,
    /// The height of an invalidation that is not over yet.
    sweep: Option<u32>,
}

#[derive(Debug)]
struct Value {
    bytes: Vec<u8>,
    height: u32,
}

impl Told {
    fn tell(&mut self, scope: Scope, key: &[u8], value: &[u8]) {
        let height = match scope {
            Scope::View(height) => height,
            Scope::Main | Scope::Application => self.height,
        };
        let bytes = value.to_vec();
        self.values
            .insert((scope, key.to_vec()), Value { bytes, height });
    }

    /// The cache must not have the key any more.
    fn retract(&mut self, scope: Scope, key: &[u8]) {
        self.values.remove(&(scope, key.to_vec()));
    }

    fn check(&self, scope: Scope, key: &[u8], got: Option<&[u8]>) -> Result<(), String> {
        let told = self.values.get(&(scope, key.to_vec()));
        match (got, told) {
            (None, _) => Ok(()),
            (Some(got), Some(told)) if got == told.bytes => Ok(()),
            (Some(_), Some(_)) => Err("a value that was not the last one told".into()),
            (Some(_), None) => Err("a value, and the cache must have none".into()),
        }
    }

    /// An invalidation was asked for, with this answer.
    fn invalidated(&mut self, height: u32, done: bool) {
        let height = self.sweep.map_or(height, |begun| begun.min(height));
        self.values.retain(|_, value| value.height <= height);
        self.sweep = (!done).then_some(height);
    }

    /// Compares all entries that the cache has.
    fn compare(&self, cache: &Cache) -> Result<(), String> {
        let mut all = Pool::ALL.into_iter().flat_map(|pool| cache.entries(pool));
        all.try_for_each(|(scope, key, value)| self.check(scope, key, Some(value)))
    }
}

/// Runs a script to its end, and at most `limit` operations, on a cache that has been told what
/// `told` says. Of an invalidation in steps only one call is made; the next such operation goes on
/// with it.
///
/// # Errors
///
/// The first answer that is neither the last value told nor nothing, or damage.
pub fn run_told<S: Iterator<Item = u8>>(
    cache: &mut Cache,
    told: &mut Told,
    script: &mut Script<S>,
    limit: u64,
    checks: Checks,
) -> Result<Summary, Mismatch> {
    let (steps, digest) = play(script, limit, |number, scope, op, digest| {
        step(cache, told, scope, op, digest)?;
        if is_due(checks.validate_every, number) {
            cache.validate().map_err(|fault| fault.to_string())?;
        }
        if is_due(checks.compare_every, number) {
            told.compare(cache)?;
        }
        Ok(())
    })?;
    Ok(Summary {
        steps,
        digest: digest.0,
        stats: cache.stats(),
    })
}

fn step(
    cache: &mut Cache,
    told: &mut Told,
    scope: Scope,
    op: &Op,
    digest: &mut Digest,
) -> Result<(), String> {
    match op {
        Op::Get(key) => {
            let got = cache.scope(scope).get(key);
            digest.option(got);
            told.check(scope, key, got)?;
        }
        Op::GetMany(keys) => {
            for (key, got) in keys.iter().zip(get_many(cache, scope, keys)?) {
                digest.option(got.as_deref());
                told.check(scope, key, got.as_deref())?;
            }
        }
        Op::Peek(key) => {
            let got = cache.scope(scope).peek(key);
            digest.option(got);
            told.check(scope, key, got)?;
            told.check(Scope::Main, key, cache.peek(key))?;
        }
        Op::Insert(key, value) => {
            told.tell(scope, key, value);
            if cache.scope(scope).insert(key, value).is_err() {
                told.retract(scope, key);
            }
        }
        Op::Load(key, value) => load(cache, told, (scope, key, value), digest)?,
        Op::Remove(key) => {
            let removed = cache.scope(scope).remove(key);
            digest.number(u64::from(removed));
            if removed && !told.values.contains_key(&(scope, key.clone())) {
                return Err("removed what the cache must not have".into());
            }
            told.retract(scope, key);
        }
        Op::Clear => {
            cache.clear();
            *told = Told {
                height: told.height,
                ..Told::default()
            };
        }
        Op::EvictTo(pool, share) => {
            let goal = cache.pool_info(*pool).used_bytes as usize * usize::from(*share) / 256;
            cache.evict_pool_to(*pool, goal, usize::MAX);
        }
        Op::Enter(_) => {}
        Op::Quota(pool, 255) => _ = cache.set_quota(*pool, u32::MAX),
        Op::Quota(pool, share) => {
            // From below the bytes that there are now to some above them: a region may grow.
            let arena = cache.stats().arena_bytes;
            cache.set_quota(*pool, arena / 128 * u32::from(*share));
        }
        Op::Height(height) => {
            cache.set_height(*height);
            told.height = *height;
        }
        Op::InvalidateAbove(height, 0) => {
            cache.invalidate_above(*height);
            told.invalidated(*height, true);
        }
        Op::InvalidateAbove(height, steps) => {
            let came = cache.invalidate_above_in_steps(*height, usize::from(*steps));
            told.invalidated(*height, came.done);
        }
    }
    Ok(())
}

/// Has a value loaded, one way or the other.
fn load(
    cache: &mut Cache,
    told: &mut Told,
    (scope, key, value): (Scope, &[u8], &[u8]),
    digest: &mut Digest,
) -> Result<(), String> {
    if value.len() % 2 == 0 {
        let mut loaded = false;
        let got = cache.scope(scope).get_or_load(key, value.len(), |place| {
            loaded = true;
            place.copy_from_slice(value);
        });
        digest.option(got.ok());
        if loaded {
            told.tell(scope, key, value);
        }
        match got {
            Ok(got) => told.check(scope, key, Some(got))?,
            Err(_) => told.retract(scope, key),
        }
        return Ok(());
    }
    match cache.scope(scope).get_or_fetch(key, || value) {
        Lookup::Hit(got) => {
            digest.bytes(got);
            told.check(scope, key, Some(got))
        }
        Lookup::Miss(_) => {
            digest.option(None);
            told.tell(scope, key, value);
            Ok(())
        }
    }
}
