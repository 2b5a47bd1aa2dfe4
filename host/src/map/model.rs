//! The figures that every form of the map shows.

use std::collections::BTreeMap;

use serde::Serialize;
use steadfast::Plan;
use steadfast::format::{
    FormatError, HEADER_BYTES, HeapMap, InstanceInfo, PartKind, RegionInfo, RegionReader,
};

use super::cells::{self, Strip, entries};
use super::history::{Moment, heap_marks};
use crate::heap_marks::{heap_map, span};
use crate::instance_stats;
use crate::outline::Outline;
use crate::table::{bytes as shown, counted, grouped};

/// Parts into which the entries are divided by age.
const AGES: usize = 10;

/// A line of the address map.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its first address.
    pub start: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What stands there.
    pub name: &'static str,
    /// What is to be said of it.
    pub note: String,
}

/// A size class of the heap of which blocks are in use, or were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassRow {
    /// Bytes of a block.
    pub block_bytes: usize,
    /// The most blocks that were in use at once, as far as it was seen.
    pub most_blocks: usize,
    /// Slabs.
    pub slabs: usize,
    /// Blocks in use.
    pub live_blocks: usize,
    /// Blocks that there is room for.
    pub capacity_blocks: usize,
}

impl ClassRow {
    /// What the most blocks in use took, in bytes.
    pub fn most_bytes(&self) -> u64 {
        self.block_bytes.saturating_mul(self.most_blocks) as u64
    }
}

/// Free runs of the heap, by their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RunRow {
    /// They have this many bytes at least, a power of two, and fewer than twice as many.
    pub least_bytes: u64,
    /// Runs.
    pub runs: u64,
    /// Bytes of them all.
    pub bytes: u64,
}

/// How full the cache's index is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IndexLoad {
    /// Slots that hold an entry, of all slots in the buckets in use.
    pub load: f64,
    /// Buckets that hold no entry, one, and so on: as many as a bucket has slots, and one more.
    pub buckets: Vec<u32>,
}

/// Entries of one age.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AgeRow {
    /// The greatest age, in entries made since.
    pub up_to: u32,
    /// Entries.
    pub entries: u64,
    /// Bytes of their blocks.
    pub bytes: u64,
}

/// The map of a module's memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemoryMap {
    /// What it is a map of.
    pub title: String,
    /// The spans of the address space, by address.
    pub rows: Vec<Row>,
    /// Figures: a name and what it is.
    pub figures: Vec<(&'static str, String)>,
    /// Heap and region in cells.
    pub strips: Vec<Strip>,
    /// The heap's size classes.
    pub classes: Vec<ClassRow>,
    /// The heap's free runs below its high-water mark, the shortest first.
    pub free_runs: Vec<RunRow>,
    /// The cache's index, where there is one.
    pub index: Option<IndexLoad>,
    /// The cache's entries, the youngest first.
    pub ages: Vec<AgeRow>,
    /// The blocks that were indexed before, the last one included.
    pub history: Vec<Moment>,
    /// Size classes whose slabs are all empty.
    #[serde(skip)]
    empty_classes: Vec<ClassRow>,
}

impl MemoryMap {
    /// The map of a module that does not run: what its plan and its declared memory say.
    pub fn of_plan(title: impl Into<String>, plan: &Plan, outline: &Outline) -> Self {
        let base = plan.region_base().get();
        let c_heap = if outline.serves_c() {
            plan.c_heap().get()
        } else {
            0
        };
        let c_start = base - c_heap;
        // The linker may have been told to declare more than static data.
        let declared = outline.declared_memory().initial;
        let static_end = outline.heap_base().unwrap_or(declared).min(c_start);
        let rows = vec![
            Row {
                start: 0,
                bytes: static_end,
                name: "static data, shadow stack",
                note: "what the module declares".to_string(),
            },
            Row {
                start: static_end,
                bytes: c_start - static_end,
                name: "heap",
                note: "the budget of Rust's allocator".to_string(),
            },
            Row {
                start: c_start,
                bytes: base - c_start,
                name: "heap of C",
                note: "what malloc serves from".to_string(),
            },
            Row {
                start: base,
                bytes: plan.region_max().get(),
                name: "region",
                note: format!("at most; policy {}", plan.policy()),
            },
        ];
        MemoryMap {
            rows: rows.into_iter().filter(|row| row.bytes > 0).collect(),
            figures: vec![("expected entry", shown(plan.expected_entry().into()))],
            ..MemoryMap::empty(title)
        }
    }

    /// The map of an instance, from its memory and the instance info that the module keeps there.
    /// Takes time in proportion to the blocks of heap and cache.
    pub fn of_memory(title: impl Into<String>, memory: &[u8], info: &InstanceInfo) -> Self {
        let mut map = MemoryMap::empty(title);
        map.row(0, info.heap_start.into(), "static data, shadow stack", "");
        map.add_heap(memory, info);
        map.row(
            info.c_heap_start.into(),
            info.c_heap_len.into(),
            "heap of C",
            "",
        );
        map.add_region(memory, info);
        let end = u64::from(info.region_start) + u64::from(info.region_granted);
        let end = end.max(u64::from(info.heap_start) + u64::from(info.heap_len));
        let beyond = (memory.len() as u64).saturating_sub(end);
        map.row(end, beyond, "foreign growth", "grown by others");
        map.figures
            .insert(0, ("memory", shown(memory.len() as u64)));
        map
    }

    /// The map of a region alone, at an address: of a copy of it, or of an image of the cache.
    /// Takes time in proportion to the entries.
    ///
    /// # Errors
    ///
    /// When the bytes do not begin with a region's header.
    pub fn of_region(
        title: impl Into<String>,
        address: u32,
        region: &[u8],
    ) -> Result<Self, FormatError> {
        let mut map = MemoryMap::empty(title);
        let reader = RegionReader::of(region)?;
        map.add_cache(address.into(), reader.info().capacity, "", &reader);
        Ok(map)
    }

    fn empty(title: impl Into<String>) -> Self {
        MemoryMap {
            title: title.into(),
            rows: Vec::new(),
            figures: Vec::new(),
            strips: Vec::new(),
            classes: Vec::new(),
            free_runs: Vec::new(),
            index: None,
            ages: Vec::new(),
            history: Vec::new(),
            empty_classes: Vec::new(),
        }
    }

    /// The same with what memory held in the blocks up to this one.
    #[must_use]
    pub fn with_history(mut self, history: Vec<Moment>) -> Self {
        for (block_bytes, most_blocks) in heap_marks(&history).blocks {
            match self
                .classes
                .binary_search_by_key(&block_bytes, |row| row.block_bytes)
            {
                Ok(place) => {
                    let row = &mut self.classes[place];
                    row.most_blocks = row.most_blocks.max(most_blocks);
                }
                Err(place) => {
                    let mut empty = self.empty_classes.iter();
                    let empty = empty.find(|row| row.block_bytes == block_bytes);
                    let row = ClassRow {
                        block_bytes,
                        most_blocks,
                        slabs: empty.map_or(0, |row| row.slabs),
                        live_blocks: 0,
                        capacity_blocks: empty.map_or(0, |row| row.capacity_blocks),
                    };
                    self.classes.insert(place, row);
                }
            }
        }
        self.history = history;
        self
    }

    fn row(&mut self, start: u64, bytes: u64, name: &'static str, note: &str) {
        if bytes > 0 {
            let note = note.to_string();
            self.rows.push(Row {
                start,
                bytes,
                name,
                note,
            });
        }
    }

    fn add_heap(&mut self, memory: &[u8], info: &InstanceInfo) {
        let (start, len) = (info.heap_start, info.heap_len);
        let map = match heap_map(memory, info) {
            Ok(map) => map,
            Err(reason) => return self.row(start.into(), len.into(), "heap", &reason),
        };
        let stats = map.stats();
        let note = format!(
            "{} live, peak {}",
            shown(stats.live_bytes as u64),
            shown(stats.peak_bytes as u64)
        );
        self.row(start.into(), len.into(), "heap", &note);
        let pieces = FreePieces::of(&map);
        let free = format!(
            "{}, empty slabs included; {:.1} % of it scattered",
            shown(pieces.bytes),
            100.0 * pieces.scattered()
        );
        let held = format!(
            "{} in {} and {}",
            shown(stats.held_bytes as u64),
            counted(stats.slabs as u64, "slab", "slabs"),
            counted(stats.large_blocks as u64, "large block", "large blocks")
        );
        let empty = format!(
            "{} of these slabs; a large request gets them back",
            grouped(pieces.empty_slabs)
        );
        let written = format!("{} from the start on", shown(stats.high_water_bytes as u64));
        self.figures.extend([
            ("heap held", held),
            ("heap empty", empty),
            ("heap free", free),
            ("largest free", shown(pieces.largest)),
            ("heap written", written),
        ]);
        let classes = map.class_stats().into_iter().map(|class| ClassRow {
            block_bytes: class.block_bytes,
            most_blocks: class.live_blocks,
            slabs: class.slabs,
            live_blocks: class.live_blocks,
            capacity_blocks: class.capacity_blocks,
        });
        (self.classes, self.empty_classes) = classes.partition(|class| class.live_blocks > 0);
        self.free_runs = free_runs(&map);
        self.strips.push(cells::heap(start.into(), &map));
    }

    fn add_region(&mut self, memory: &[u8], info: &InstanceInfo) {
        let start = u64::from(info.region_start);
        let outcome = instance_stats::outcome(info);
        let region = span(memory, info.region_start, info.region_len);
        let note = match region.map(RegionReader::of) {
            Some(Ok(reader)) => {
                self.add_cache(start, info.region_granted, outcome, &reader);
                return;
            }
            Some(Err(FormatError::Version { found })) => {
                format!(
                    "a cache in format version {found}, which this tool does not read; {outcome}"
                )
            }
            Some(Err(_)) | None => format!("no cache; {outcome}"),
        };
        self.row(start, info.region_granted.into(), "region", &note);
    }

    fn add_cache(&mut self, start: u64, granted: u32, outcome: &str, reader: &RegionReader<'_>) {
        let info = reader.info();
        let header = u64::from(HEADER_BYTES);
        let arena = u64::from(info.arena_start);
        let frontier = u64::from(info.frontier);
        self.row(start, header, "region: header", outcome);
        let index = format!(
            "{} buckets in use, load {:.2}",
            grouped(info.buckets.into()),
            reader.index_load()
        );
        self.row(start + header, arena - header, "region: index", &index);
        let entries = format!(
            "{} in {}; {} free between them",
            grouped(info.stats.entries.into()),
            shown(info.stats.used_bytes.into()),
            shown(info.free_bytes.into())
        );
        self.row(start + arena, frontier - arena, "region: entries", &entries);
        let rest = u64::from(granted).saturating_sub(frontier);
        self.row(start + frontier, rest, "region: not used yet", "");
        self.figures.push(("region header", header_figure(info)));
        for (name, pool) in ["pool main", "pool views", "pool application"]
            .into_iter()
            .zip(info.stats.pools)
        {
            let quota = match pool.quota_bytes {
                u32::MAX => String::new(),
                quota => format!(" of {}", shown(quota.into())),
            };
            let figure = format!(
                "{} entries in {}{quota}; {} hits, {} misses, {} evicted",
                grouped(pool.entries.into()),
                shown(pool.used_bytes.into()),
                grouped(pool.hits),
                grouped(pool.misses),
                grouped(pool.evictions)
            );
            self.figures.push((name, figure));
        }
        self.index = Some(IndexLoad {
            load: reader.index_load(),
            buckets: reader.buckets_by_load().to_vec(),
        });
        self.ages = ages(reader);
        self.strips.push(cells::region(start, reader));
    }
}

/// What the header tells of the region as a whole.
fn header_figure(info: &RegionInfo) -> String {
    let hash: String = info
        .hash
        .iter()
        .take_while(|byte| **byte != 0)
        .map(|byte| char::from(*byte))
        .collect();
    format!(
        "format {}, {}, height {}, for {} and entries of {} B, hash {}",
        info.format,
        format!("{:?}", info.status).to_lowercase(),
        grouped(info.height.into()),
        shown(info.limit.into()),
        info.expected_entry,
        hash.escape_default()
    )
}

/// The heap's free memory as a large request finds it: empty slabs are given back before it is
/// refused.
struct FreePieces {
    bytes: u64,
    largest: u64,
    empty_slabs: u64,
}

impl FreePieces {
    fn of(map: &HeapMap<'_>) -> FreePieces {
        let (mut bytes, mut largest, mut piece, mut empty_slabs) = (0, 0, 0, 0);
        for part in map.parts() {
            empty_slabs += u64::from(is_empty_slab(part.kind));
            if is_free(part.kind) {
                bytes += part.len as u64;
                piece += part.len as u64;
                largest = largest.max(piece);
            } else {
                piece = 0;
            }
        }
        FreePieces {
            bytes,
            largest,
            empty_slabs,
        }
    }

    /// The share that is not in the largest piece.
    fn scattered(&self) -> f64 {
        (self.bytes - self.largest) as f64 / self.bytes.max(1) as f64
    }
}

fn is_free(kind: PartKind) -> bool {
    matches!(kind, PartKind::Free | PartKind::Unused) || is_empty_slab(kind)
}

fn is_empty_slab(kind: PartKind) -> bool {
    matches!(kind, PartKind::Slab { live_blocks: 0, .. })
}

/// The heap's free runs by the power of two that their lengths reach.
fn free_runs(map: &HeapMap<'_>) -> Vec<RunRow> {
    let mut rows: BTreeMap<u64, RunRow> = BTreeMap::new();
    let free = map.parts().filter(|part| part.kind == PartKind::Free);
    for bytes in free.map(|part| part.len as u64).filter(|bytes| *bytes > 0) {
        let least_bytes = 1 << bytes.ilog2();
        let row = rows.entry(least_bytes).or_insert(RunRow {
            least_bytes,
            runs: 0,
            bytes: 0,
        });
        row.runs += 1;
        row.bytes += bytes;
    }
    rows.into_values().collect()
}

/// The entries by age, in steps of the same width.
fn ages(reader: &RegionReader<'_>) -> Vec<AgeRow> {
    let Some(oldest) = entries(reader).map(|(_, age)| age).max() else {
        return Vec::new();
    };
    let width = (oldest / AGES as u32 + 1).next_multiple_of(reader.age_step());
    let mut rows: Vec<AgeRow> = (1..=AGES as u32)
        .map(|step| AgeRow {
            up_to: (step * width).saturating_sub(1),
            ..AgeRow::default()
        })
        .collect();
    for (block, age) in entries(reader) {
        if let Some(row) = rows.get_mut((age / width) as usize) {
            row.entries += 1;
            row.bytes += u64::from(block.bytes);
        }
    }
    // Ages are told apart in steps, so that the oldest part may be none.
    let last = rows.iter().rposition(|row| row.entries > 0);
    rows.truncate(last.map_or(0, |last| last + 1));
    rows
}
