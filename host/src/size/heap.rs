//! How large the heap's budget should be.

use crate::observe::{HeapUse, Observed};

const MIB: u64 = 1 << 20;

/// What the heap of an instance needed for the recorded blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapNeed {
    /// The heap's first address: what stands below are static data and stack.
    pub start: u32,
    /// The heap's budget.
    pub budget_bytes: u32,
    /// The part above it that serves C.
    pub c_bytes: u32,
    /// What was used of it.
    pub used: HeapUse,
}

impl HeapNeed {
    /// Reads what an instance tells; `None` if nothing was allocated on the heap.
    pub fn of(seen: &Observed) -> Option<HeapNeed> {
        Some(HeapNeed {
            start: seen.heap.start,
            budget_bytes: seen.heap.bytes,
            c_bytes: seen.c_heap.bytes,
            used: seen.heap_use?,
        })
    }

    /// What should stay unused over the heaviest block that was tried: as much again, or twice the largest block.
    ///
    /// A heavier block needs more of everything. And a vector that grows past the largest block asks for twice its size in one piece,
    /// while it still holds the old one.
    pub fn margin_bytes(&self) -> u64 {
        let used = self.used;
        u64::from(used.reached_bytes).max(2 * u64::from(used.largest_bytes))
    }

    /// What was never used of the budget.
    pub fn left_bytes(&self) -> u64 {
        self.budget_bytes
            .saturating_sub(self.used.reached_bytes)
            .into()
    }

    /// Whether less is left than the margin.
    pub fn is_near(&self) -> bool {
        self.left_bytes() < self.margin_bytes()
    }

    /// Where the region should begin, in whole MiB: behind static data, the heap with its margin, and the part that serves C.
    pub fn region_base(&self) -> u64 {
        let below = u64::from(self.start) + u64::from(self.c_bytes);
        (below + u64::from(self.used.reached_bytes) + self.margin_bytes()).next_multiple_of(MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(budget_mib: u32, reached_mib: u32, largest_mib: u32) -> HeapNeed {
        HeapNeed {
            start: 1 << 20,
            budget_bytes: budget_mib << 20,
            c_bytes: 4 << 20,
            used: HeapUse {
                held_bytes: 0,
                peak_bytes: 0,
                reached_bytes: reached_mib << 20,
                largest_bytes: largest_mib << 20,
            },
        }
    }

    #[test]
    fn the_margin_is_as_much_again_or_room_for_a_vector_to_grow() {
        for (reached, largest, base, budget, is_near) in [
            (40, 8, 85, 123, false),
            (85, 64, 218, 123, true),
            (85, 64, 218, 1019, false),
            (80, 0, 165, 159, true),
            (80, 0, 165, 160, false),
        ] {
            let need = need(budget, reached, largest);
            assert_eq!(need.region_base(), base << 20, "{need:?}");
            assert_eq!(need.is_near(), is_near, "{need:?}");
        }
    }

    /// A plan that follows the recommendation is not near its end with the same blocks.
    #[test]
    fn what_is_recommended_is_enough() {
        for reached in 1..300 {
            for largest in [0, 1, 7, reached] {
                let small = need(reached, reached, largest);
                let base = (small.region_base() >> 20) as u32;
                let followed = need(base - 5, reached, largest);
                assert!(!followed.is_near(), "{followed:?}");
            }
        }
    }
}
