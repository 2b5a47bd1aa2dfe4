//! What the host decides about `memory.grow`: a ceiling, scripted refusals, and a count of both.

use std::ops::AddAssign;

use serde::Serialize;
use wasmtime::ResourceLimiter;

use crate::bounds::{Bound, Bounds};

/// What a guest sees when its `memory.grow` is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRefusal {
    /// `memory.grow` returns -1, as the specification has it.
    #[default]
    ReturnMinusOne,
    /// The guest traps, as hosts with `trap_on_grow_failure` do.
    Trap,
}

/// The calls of `memory.grow` that the guest made. A call for zero pages asks for nothing and is
/// not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Grows {
    /// Calls made.
    pub asked: u64,
    /// Calls that were refused, by the host or by the module's own maximum.
    pub refused: u64,
}

impl AddAssign for Grows {
    fn add_assign(&mut self, other: Self) {
        self.asked += other.asked;
        self.refused += other.refused;
    }
}

/// A refused `memory.grow`, where the host is told to trap on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the host traps on refusal: memory.grow number {call} asked for {desired} bytes in all, with a ceiling of {ceiling}"
)]
pub struct GrowRefused {
    call: u64,
    desired: usize,
    ceiling: u64,
}

/// Decides every growth of one instance's linear memory.
#[derive(Clone, Debug)]
pub struct Limits {
    ceiling: u64,
    refuse_grow: Option<u64>,
    on_refusal: OnRefusal,
    created: bool,
    host_grows: bool,
    grows: Grows,
    bounds: Bounds,
    /// Of all tables.
    table_elements: u64,
    /// Also of memories.
    instances: usize,
}

impl Limits {
    /// Limits for an instance that may have `ceiling` bytes of memory, and whose `refuse_grow`-th
    /// `memory.grow` (counted from 1; the initial memory is not one) is refused whatever it asks.
    pub fn new(ceiling: u64, refuse_grow: Option<u64>, on_refusal: OnRefusal) -> Self {
        Limits {
            ceiling,
            refuse_grow,
            on_refusal,
            created: false,
            host_grows: false,
            grows: Grows::default(),
            bounds: Bounds::default(),
            table_elements: 0,
            instances: 1,
        }
    }

    /// The same with other bounds on what the instance has beside its memory.
    pub fn within(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// The same for a component, which is up to so many instances, and has as many memories.
    pub fn of_instances(mut self, most: usize) -> Self {
        self.instances = most;
        self
    }

    /// What the guest has asked for so far.
    pub fn grows(&self) -> Grows {
        self.grows
    }

    /// While set, growth is the host's own: bound by the ceiling, but not counted and not scripted.
    pub fn set_host_grows(&mut self, host_grows: bool) {
        self.host_grows = host_grows;
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, wasmtime::Error> {
        let fits = desired as u64 <= self.ceiling;
        // The first call tells of the memory's creation.
        if !self.created {
            self.created = true;
            return Ok(fits);
        }
        if self.host_grows {
            return Ok(fits);
        }
        self.grows.asked += 1;
        if fits && self.refuse_grow != Some(self.grows.asked) {
            return Ok(true);
        }
        self.grows.refused += 1;
        match self.on_refusal {
            OnRefusal::ReturnMinusOne => Ok(false),
            OnRefusal::Trap => Err(wasmtime::Error::new(GrowRefused {
                call: self.grows.asked,
                desired,
                ceiling: self.ceiling,
            })),
        }
    }

    // Called when a growth that was allowed above fails after all: past the module's own maximum,
    // or out of address space.
    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> Result<(), wasmtime::Error> {
        if !self.host_grows {
            self.grows.refused += 1;
        }
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, wasmtime::Error> {
        let more = desired.saturating_sub(current) as u64;
        let elements = self.table_elements.saturating_add(more);
        let fits = elements <= self.bounds.most(Bound::TableElements);
        if fits {
            self.table_elements = elements;
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        usize::try_from(self.bounds.most(Bound::Tables)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 65536;

    fn grow(limits: &mut Limits, desired_pages: usize) -> bool {
        limits
            .memory_growing(0, desired_pages * PAGE, None)
            .expect("refusals return -1")
    }

    #[test]
    fn the_initial_memory_is_bound_by_the_ceiling_and_is_not_a_grow() {
        let mut limits = Limits::new(4 * PAGE as u64, Some(1), OnRefusal::ReturnMinusOne);
        assert!(grow(&mut limits, 4));
        assert_eq!(limits.grows(), Grows::default());

        let mut limits = Limits::new(4 * PAGE as u64, None, OnRefusal::ReturnMinusOne);
        assert!(!grow(&mut limits, 5));
        assert_eq!(limits.grows(), Grows::default());
    }

    #[test]
    fn growth_is_granted_up_to_the_ceiling_and_not_a_page_beyond() {
        let mut limits = Limits::new(4 * PAGE as u64, None, OnRefusal::ReturnMinusOne);
        assert!(grow(&mut limits, 1));
        assert!(!grow(&mut limits, 5));
        assert!(grow(&mut limits, 4));
        let expected = Grows {
            asked: 2,
            refused: 1,
        };
        assert_eq!(limits.grows(), expected);
    }

    #[test]
    fn only_the_nth_grow_is_refused() {
        for n in 1..=5 {
            let mut limits = Limits::new(u64::MAX, Some(n), OnRefusal::ReturnMinusOne);
            assert!(grow(&mut limits, 1));
            for call in 1..=5 {
                assert_eq!(grow(&mut limits, 1), call != n);
            }
            let expected = Grows {
                asked: 5,
                refused: 1,
            };
            assert_eq!(limits.grows(), expected);
        }
    }

    #[test]
    fn growth_of_the_hosts_own_is_neither_counted_nor_scripted_but_bound() {
        let mut limits = Limits::new(4 * PAGE as u64, Some(1), OnRefusal::ReturnMinusOne);
        assert!(grow(&mut limits, 1));
        limits.set_host_grows(true);
        assert!(grow(&mut limits, 3));
        assert!(!grow(&mut limits, 5));
        limits.set_host_grows(false);
        assert_eq!(limits.grows(), Grows::default());
        assert!(!grow(&mut limits, 4), "the guest's first grow is refused");
    }

    #[test]
    fn a_refusal_traps_where_told_to() {
        let mut limits = Limits::new(PAGE as u64, None, OnRefusal::Trap);
        assert!(grow(&mut limits, 1));
        let error = limits.memory_growing(PAGE, 2 * PAGE, None).unwrap_err();
        let refused = error.downcast_ref::<GrowRefused>().expect("our error");
        assert_eq!((refused.call, refused.desired), (1, 2 * PAGE));
    }
}
