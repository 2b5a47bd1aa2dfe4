//! Long runs: operations from a seed on one heap, with a check of the whole state now and then.

use super::{Op, Ops, Player, Span, seeded};

/// What a long run came to. Equal for equal seeds and lengths, where pointers are equally wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soak {
    /// Operations played.
    pub operations: u64,
    /// Requests that the heap refused.
    pub refused: u64,
    /// The most bytes that the heap held.
    pub peak_bytes: usize,
    /// A digest of every request with the offset that it got.
    pub digest: u64,
}

/// Operations between two checks of the whole state.
const CHECK_EVERY: u64 = 1 << 20;

/// Plays `operations` operations on a heap over `span`, then gives everything back.
///
/// Sizes go up to `max_size` bytes. Panics where the heap does what an allocator must not.
pub fn soak(span: Span, seed: u64, max_size: usize, operations: u64) -> Soak {
    let mut player = Player::new(span);
    let mut played = 0;
    for op in Ops::new(seeded(seed), max_size) {
        if played == operations {
            break;
        }
        player.play(op);
        played += 1;
        if played % CHECK_EVERY == 0 {
            player.validate();
        }
        // So many live blocks that the oracle, not the heap, would take the time.
        if player.live() > 20_000 {
            player.play(Op::Drain {
                slot: played as usize,
                keep: 100,
            });
        }
    }
    let soak = Soak {
        operations: played,
        refused: player.refused(),
        peak_bytes: player.heap().stats().peak_bytes,
        digest: player.digest(),
    };
    player.finish();
    soak
}
