//! Operations without an oracle, for guests that are stopped in the middle of one.

use super::Op;
use steadfast::cache::{Cache, Scope};

/// Carries an operation out; what it answers is dropped.
pub fn apply(cache: &mut Cache, scope: &mut Scope, op: &Op) {
    match op {
        Op::Get(key) => _ = cache.scope(*scope).get(key),
        Op::GetMany(keys) => cache.scope(*scope).get_many(keys, |_, _| {}),
        Op::Peek(key) => _ = cache.scope(*scope).peek(key),
        Op::Insert(key, value) => _ = cache.scope(*scope).insert(key, value),
        Op::Load(key, value) => {
            let _ = cache
                .scope(*scope)
                .get_or_load(key, value.len(), |place| place.copy_from_slice(value));
        }
        Op::Remove(key) => _ = cache.scope(*scope).remove(key),
        Op::Clear => cache.clear(),
        Op::EvictTo(pool, share) => {
            let used = cache.pool_info(*pool).used_bytes as usize;
            cache.evict_pool_to(*pool, used * usize::from(*share) / 256, usize::MAX);
        }
        Op::Enter(entered) => *scope = *entered,
        Op::Quota(pool, 255) => _ = cache.set_quota(*pool, u32::MAX),
        Op::Quota(pool, share) => {
            let arena = cache.stats().arena_bytes;
            cache.set_quota(*pool, arena / 256 * u32::from(*share));
        }
        Op::Height(height) => cache.set_height(*height),
        Op::InvalidateAbove(height, 0) => _ = cache.invalidate_above(*height),
        Op::InvalidateAbove(height, steps) => {
            // One call: what is left of it is part of what an image has to keep.
            cache.invalidate_above_in_steps(*height, usize::from(*steps));
        }
    }
}
