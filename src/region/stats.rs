//! The figures of a cache: one definition for the guest, for hosts, and for everything that prints
//! them.

use core::ops::AddAssign;

use super::geometry::Geometry;
use super::header::{Header, NAMED_POOLS, PoolHeader};

/// Declares a struct of figures. A line is all that those who print them need: the text, the kind,
/// the name and the type.
macro_rules! figures {
    (
        $(#[$about:meta])*
        pub struct $Name:ident {
            $(#[doc = $help:literal] $kind:ident $field:ident: $int:ty,)*
        }
        $(and { $(#[$also:meta])* pub $other:ident: $type:ty })?
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $Name {
            $(#[doc = $help] pub $field: $int,)*
            $($(#[$also])* pub $other: $type,)?
        }

        impl $Name {
            /// Every figure, with its name and what it means.
            pub fn figures(&self) -> impl Iterator<Item = Figure> + use<> {
                [$(Figure::new(stringify!($field), $help, Kind::$kind, self.$field.into())),*]
                    .into_iter()
            }

            fn add_figures(&mut self, later: &Self) {
                $(self.$field = match Kind::$kind {
                    Kind::Counter => self.$field.wrapping_add(later.$field),
                    Kind::Gauge | Kind::Limit => later.$field,
                };)*
            }
        }
    };
}

figures! {
    /// Counters and sizes of a cache, all its pools together; all zero if it is disabled. Sizes in bytes.
    pub struct Stats {
        /// The cache's region, header and index included.
        Gauge capacity_bytes: u32,
        /// The index, all of its buckets in use.
        Gauge index_bytes: u32,
        /// What is left for entries.
        Gauge arena_bytes: u32,
        /// What will be left for entries when the region has grown as far as it may.
        Gauge max_arena_bytes: u32,
        /// Blocks of the entries.
        Gauge used_bytes: u32,
        /// Free blocks between entries.
        Gauge free_bytes: u32,
        /// Entries held.
        Gauge entries: u32,
        /// Lookups that found their key.
        Counter hits: u64,
        /// Lookups that did not find their key.
        Counter misses: u64,
        /// Entries written.
        Counter inserts: u64,
        /// Entries evicted because they were the oldest.
        Counter evictions: u64,
        /// Entries evicted because the index had no slot for a new key, or too many of its tag.
        Counter displaced: u64,
        /// Entries evicted to clear a window for a large value.
        Counter window_evictions: u64,
        /// Entries moved to their other bucket to make place.
        Counter relocated: u64,
        /// Times that damage was found and the cache started over.
        Counter faults: u64,
        /// Inserts refused because the entry cannot fit.
        Counter refused: u64,
    }
    and {
        /// Each pool's part of it: main, views, application.
        pub pools: [PoolInfo; NAMED_POOLS]
    }
}

figures! {
    /// Counters and sizes of one pool. Sizes in bytes.
    pub struct PoolInfo {
        /// Entries held.
        Gauge entries: u32,
        /// Blocks of the entries.
        Gauge used_bytes: u32,
        /// What the blocks may take; `u32::MAX` is no limit.
        Limit quota_bytes: u32,
        /// Lookups that found their key.
        Counter hits: u64,
        /// Lookups that did not find their key.
        Counter misses: u64,
        /// Entries evicted because they were the oldest.
        Counter evictions: u64,
    }
}

/// One number, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name, in lower case with underscores.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// The number; `None` for a limit that is not set.
    pub value: Option<u64>,
}

/// What a figure does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// As a gauge; `u32::MAX` is no limit.
    Limit,
}

impl Figure {
    fn new(name: &'static str, help: &'static str, kind: Kind, value: u64) -> Figure {
        let is_unlimited = kind == Kind::Limit && value == u64::from(u32::MAX);
        Figure {
            name,
            help: help.trim_ascii(),
            kind,
            value: (!is_unlimited).then_some(value),
        }
    }
}

impl Stats {
    /// Those of a region with this header. Its `capacity` stands in the header too, except in an
    /// image that is shared.
    pub(crate) fn of(header: &Header, geometry: &Geometry, capacity: u32) -> Stats {
        let pools = core::array::from_fn(|number| header.pool(number).info());
        let all = pools.into_iter().fold(PoolInfo::default(), PoolInfo::plus);
        Stats {
            capacity_bytes: capacity,
            index_bytes: geometry.index_bytes(),
            arena_bytes: capacity.saturating_sub(geometry.arena_start),
            max_arena_bytes: geometry.limit - geometry.arena_start,
            used_bytes: all.used_bytes,
            free_bytes: header.free_bytes,
            entries: all.entries,
            hits: all.hits,
            misses: all.misses,
            inserts: header.inserts,
            evictions: all.evictions,
            displaced: header.displaced,
            window_evictions: header.window_evictions,
            relocated: header.relocated,
            faults: header.faults,
            refused: header.refused,
            pools,
        }
    }
}

/// Adds up what was counted; of sizes and entries, the later ones stay.
impl AddAssign for Stats {
    fn add_assign(&mut self, later: Stats) {
        self.add_figures(&later);
        for (pool, later) in self.pools.iter_mut().zip(&later.pools) {
            pool.add_figures(later);
        }
    }
}

impl PoolHeader {
    /// Counters and sizes of the pool.
    pub(crate) fn info(&self) -> PoolInfo {
        PoolInfo {
            entries: self.entries,
            used_bytes: self.used_bytes,
            quota_bytes: self.quota_bytes,
            hits: self.hits,
            misses: self.misses,
            evictions: self.evictions,
        }
    }
}

impl PoolInfo {
    /// The sum of two pools. Counters wrap, as a region's bytes may be anything.
    pub(crate) fn plus(self, other: PoolInfo) -> PoolInfo {
        PoolInfo {
            entries: self.entries.wrapping_add(other.entries),
            used_bytes: self.used_bytes.wrapping_add(other.used_bytes),
            quota_bytes: self.quota_bytes.saturating_add(other.quota_bytes),
            hits: self.hits.wrapping_add(other.hits),
            misses: self.misses.wrapping_add(other.misses),
            evictions: self.evictions.wrapping_add(other.evictions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, Kind, Stats};
    use crate::region::RegionView;

    #[test]
    fn every_counter_begins_anew() {
        let mut region = RegionView::bare(20_000);
        bytemuck::bytes_of_mut(region.header_mut()).fill(1);
        let geometry = *region.geometry();
        let counted = |region: &RegionView| -> alloc::vec::Vec<Figure> {
            let stats = Stats::of(region.header(), &geometry, 0);
            let pools = stats.pools.into_iter().flat_map(|pool| pool.figures());
            let all = stats.figures().chain(pools);
            all.filter(|figure| figure.kind == Kind::Counter).collect()
        };
        let before = counted(&region);
        assert!(before.iter().all(|figure| figure.value > Some(0)));
        region.header_mut().reset_counters();
        let after = counted(&region);
        assert_eq!(before.len(), after.len());
        for figure in after {
            assert_eq!(figure.value, Some(0), "{}", figure.name);
        }
    }
}
