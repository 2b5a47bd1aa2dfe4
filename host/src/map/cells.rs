//! A span of memory in equal cells, each of the kind that takes most of it.

use std::collections::HashMap;

use serde::Serialize;
use steadfast::format::{BlockInfo, HEADER_BYTES, HeapMap, PartKind, RegionReader};

use crate::table::bytes as shown;

/// Cells in a strip.
const CELLS: u64 = 256;
/// A cell is a whole number of so many bytes.
const LEAST_CELL_BYTES: u64 = 4096;

/// What a cell holds most of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellKind {
    /// Free memory.
    Free,
    /// The heap's table, or the region's header.
    Header,
    /// Small blocks.
    Slab,
    /// Large blocks.
    Large,
    /// Buckets of the cache's index.
    Index,
    /// Entries of the cache.
    Entries,
}

impl CellKind {
    /// The kinds of a heap's cells and of a region's.
    pub const ALL: [CellKind; 6] = [
        CellKind::Header,
        CellKind::Slab,
        CellKind::Large,
        CellKind::Index,
        CellKind::Entries,
        CellKind::Free,
    ];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            CellKind::Free => "free",
            CellKind::Header => "table or header",
            CellKind::Slab => "small blocks",
            CellKind::Large => "large blocks",
            CellKind::Index => "index",
            CellKind::Entries => "entries",
        }
    }

    /// One character for it.
    pub fn letter(self) -> char {
        match self {
            CellKind::Free => '.',
            CellKind::Header => 'h',
            CellKind::Slab => 's',
            CellKind::Large => 'L',
            CellKind::Index => 'i',
            CellKind::Entries => 'e',
        }
    }
}

/// A cell of a strip.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Its first address.
    pub start: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What takes most of it.
    pub kind: CellKind,
    /// The share of it that is in use.
    pub used: f64,
    /// Of entries: how old they are, from 0, used last, to 1, the oldest of all.
    pub age: Option<f64>,
    /// What it holds, in words.
    pub note: String,
}

/// A span in cells.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strip {
    /// What it is.
    pub name: &'static str,
    /// Bytes of a cell; the last one may have fewer.
    pub cell_bytes: u64,
    /// The cells, by address.
    pub cells: Vec<Cell>,
}

/// A part of a span: where it begins, its bytes, how many of them are in use, its kind and its age.
struct Piece {
    offset: u64,
    bytes: u64,
    used: f64,
    kind: CellKind,
    age: Option<f64>,
}

/// The heap in cells, as far as it has grown.
pub fn heap(start: u64, map: &HeapMap<'_>) -> Strip {
    let pieces = map.parts().map(|part| {
        let (kind, used) = match part.kind {
            PartKind::Table => (CellKind::Header, 1.0),
            PartKind::Large => (CellKind::Large, 1.0),
            PartKind::Slab {
                block_bytes,
                live_blocks,
            } => (
                CellKind::Slab,
                (block_bytes * live_blocks) as f64 / part.len.max(1) as f64,
            ),
            _ => (CellKind::Free, 0.0),
        };
        Piece {
            offset: part.offset as u64,
            bytes: part.len as u64,
            used,
            kind,
            age: None,
        }
    });
    let end = map.stats().high_water_bytes as u64;
    strip("heap", start, end, pieces)
}

/// The entries of all pools with their ages, which the order of each pool's list tells.
pub fn entries<'a>(reader: &RegionReader<'a>) -> impl Iterator<Item = (BlockInfo<'a>, u32)> {
    let blocks = (0..reader.info().pools.len()).flat_map(|pool| reader.recent(pool));
    blocks.filter_map(|block| Some((block, block.entry?.age)))
}

/// The region in cells, as far as it has been used.
pub fn region(start: u64, reader: &RegionReader<'_>) -> Strip {
    let info = reader.info();
    let ages: HashMap<u32, u32> = entries(reader)
        .map(|(block, age)| (block.offset, age))
        .collect();
    let oldest = ages.values().copied().max().unwrap_or(0).max(1);
    let index_bytes = u64::from(info.buckets) * 64;
    let fixed = [
        (0, u64::from(HEADER_BYTES), CellKind::Header, 1.0),
        (
            u64::from(HEADER_BYTES),
            index_bytes,
            CellKind::Index,
            reader.index_load(),
        ),
        (
            u64::from(HEADER_BYTES) + index_bytes,
            u64::from(info.arena_start).saturating_sub(u64::from(HEADER_BYTES) + index_bytes),
            CellKind::Free,
            0.0,
        ),
    ];
    let fixed = fixed.map(|(offset, bytes, kind, used)| Piece {
        offset,
        bytes,
        used,
        kind,
        age: None,
    });
    let blocks = reader.blocks().map(|block| Piece {
        offset: block.offset.into(),
        bytes: block.bytes.into(),
        used: f64::from(u8::from(block.entry.is_some())),
        kind: match block.entry {
            Some(_) => CellKind::Entries,
            None => CellKind::Free,
        },
        age: ages
            .get(&block.offset)
            .map(|age| f64::from(*age) / f64::from(oldest)),
    });
    strip(
        "region",
        start,
        info.frontier.into(),
        fixed.into_iter().chain(blocks),
    )
}

/// What pieces add up to in one cell.
#[derive(Clone, Default)]
struct Sum {
    by_kind: [f64; 6],
    used: f64,
    age: f64,
    aged: f64,
}

fn strip(name: &'static str, start: u64, end: u64, pieces: impl Iterator<Item = Piece>) -> Strip {
    let cell_bytes = end.div_ceil(CELLS).next_multiple_of(LEAST_CELL_BYTES);
    let cell_bytes = cell_bytes.max(LEAST_CELL_BYTES);
    let mut sums = vec![Sum::default(); end.div_ceil(cell_bytes) as usize];
    for piece in pieces {
        let (mut at, last) = (piece.offset, (piece.offset + piece.bytes).min(end));
        while at < last {
            let cell = at / cell_bytes;
            let upto = ((cell + 1) * cell_bytes).min(last);
            let bytes = (upto - at) as f64;
            let Some(sum) = sums.get_mut(cell as usize) else {
                break;
            };
            sum.by_kind[piece.kind as usize] += bytes;
            sum.used += bytes * piece.used;
            if let Some(age) = piece.age {
                sum.age += bytes * age;
                sum.aged += bytes;
            }
            at = upto;
        }
    }
    let cells = (0..).zip(sums).map(|(number, sum)| {
        let offset = number * cell_bytes;
        cell(start + offset, cell_bytes.min(end - offset), &sum)
    });
    Strip {
        name,
        cell_bytes,
        cells: cells.collect(),
    }
}

fn cell(start: u64, bytes: u64, sum: &Sum) -> Cell {
    let most = |best: CellKind, kind: CellKind| {
        if sum.by_kind[kind as usize] > sum.by_kind[best as usize] {
            kind
        } else {
            best
        }
    };
    let kind = CellKind::ALL.into_iter().fold(CellKind::Free, most);
    let used = sum.used / bytes.max(1) as f64;
    let age = (sum.aged > 0.0).then(|| sum.age / sum.aged);
    let mut note = format!(
        "{start:#010x}, {}: {}, {:.0} % in use",
        shown(bytes),
        kind.name(),
        100.0 * used
    );
    if let Some(age) = age {
        note += &format!(", age {:.0} % of the oldest", 100.0 * age);
    }
    Cell {
        start,
        bytes,
        kind,
        used,
        age,
        note,
    }
}
