//! How large the heap's budget should be.

use crate::instance_stats::{HeapUse, InstanceStats};

const MIB: u64 = 1 << 20;
/// The heap's table takes one part in so many of its budget.
const TABLE_PART: u64 = 128;

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
    pub fn of(seen: &InstanceStats) -> Option<HeapNeed> {
        Some(HeapNeed {
            start: seen.heap.start,
            budget_bytes: seen.heap.bytes,
            c_bytes: seen.c_heap.bytes,
            used: seen.heap_use?,
        })
    }

    /// The heap's own table at its start: one part in 128 of the budget.
    fn table_bytes(&self) -> u64 {
        u64::from(self.budget_bytes) / TABLE_PART
    }

    /// What is left of the budget for blocks.
    pub fn room_bytes(&self) -> u64 {
        u64::from(self.budget_bytes) - self.table_bytes()
    }

    /// How far blocks reached into that.
    pub fn reached_bytes(&self) -> u64 {
        u64::from(self.used.reached_bytes).saturating_sub(self.table_bytes())
    }

    /// What should stay unused over the heaviest block that was tried: as much again, or twice the
    /// largest block.
    ///
    /// A heavier block needs more of everything. And a vector that grows past the largest block
    /// asks for twice its size in one piece, while it still holds the old one.
    pub fn margin_bytes(&self) -> u64 {
        self.reached_bytes()
            .max(2 * u64::from(self.used.largest_bytes))
    }

    /// What blocks never reached.
    pub fn left_bytes(&self) -> u64 {
        self.room_bytes().saturating_sub(self.reached_bytes())
    }

    /// Whether less is left than the margin.
    pub fn is_near(&self) -> bool {
        self.left_bytes() < self.margin_bytes()
    }

    /// Where the region should begin, in whole MiB: behind static data, the heap with its margin
    /// and its table, and the part that serves C.
    pub fn region_base(&self) -> u64 {
        let blocks = self.reached_bytes() + self.margin_bytes();
        let heap = (blocks * TABLE_PART).div_ceil(TABLE_PART - 1);
        (u64::from(self.start) + u64::from(self.c_bytes) + heap).next_multiple_of(MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes in MiB. Blocks reach so far behind the table.
    fn need(budget: u32, reached: u32, largest: u32) -> HeapNeed {
        HeapNeed {
            start: 1 << 20,
            budget_bytes: budget << 20,
            c_bytes: 4 << 20,
            used: HeapUse {
                held_bytes: 0,
                peak_bytes: 0,
                reached_bytes: (reached << 20) + (budget << 20) / 128,
                largest_bytes: largest << 20,
            },
        }
    }

    #[test]
    fn the_margin_is_as_much_again_or_room_for_a_vector_to_grow() {
        for (budget, reached, largest, base, is_near) in [
            (128, 40, 8, 86, false),
            (128, 85, 64, 220, true),
            // The budget's own table is no part of what blocks need.
            (1024, 85, 64, 220, false),
            (160, 80, 0, 167, true),
            (162, 80, 0, 167, false),
        ] {
            let need = need(budget, reached, largest);
            assert_eq!(need.region_base() >> 20, base, "{need:?}");
            assert_eq!(need.is_near(), is_near, "{need:?}");
        }
    }

    /// A plan that follows the recommendation is not near its end with the same blocks.
    #[test]
    fn what_is_recommended_is_enough() {
        for reached in 1..300 {
            for largest in [0, 1, 7, reached] {
                let base = need(reached, reached, largest).region_base();
                let followed = need((base >> 20) as u32 - 5, reached, largest);
                assert!(!followed.is_near(), "{followed:?}");
            }
        }
    }
}
