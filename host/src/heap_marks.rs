//! The most blocks of each size that a guest's heap held at once, as a host sees it.

use std::collections::BTreeMap;

use serde::Serialize;
use steadfast::format::{HeapMap, InstanceInfo, PartKind};

use crate::guest_info::GuestInfo;

/// Bytes of a pointer in a module.
const WORD_BYTES: usize = 4;

/// The most of a heap that was in use at once, by size, at the moments at which a host looked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HeapMarks {
    /// Small blocks, by the bytes of one.
    pub blocks: BTreeMap<usize, usize>,
    /// Bytes of all large blocks together.
    pub large_bytes: u64,
}

impl HeapMarks {
    /// Takes the greater of each.
    pub fn raise(&mut self, other: &HeapMarks) {
        for (&block_bytes, &blocks) in &other.blocks {
            let mark = self.blocks.entry(block_bytes).or_default();
            *mark = blocks.max(*mark);
        }
        self.large_bytes = self.large_bytes.max(other.large_bytes);
    }

    fn of(map: &HeapMap<'_>) -> Self {
        let mut marks = HeapMarks::default();
        for part in map.parts() {
            match part.kind {
                PartKind::Slab {
                    block_bytes,
                    live_blocks,
                } if live_blocks > 0 => {
                    *marks.blocks.entry(block_bytes).or_default() += live_blocks;
                }
                PartKind::Large => marks.large_bytes += part.len as u64,
                _ => {}
            }
        }
        marks
    }
}

/// Looks at the heap of a guest whenever it is shown its memory.
pub(crate) struct HeapWatch {
    info: GuestInfo,
    marks: HeapMarks,
}

impl HeapWatch {
    /// Of the guest with this instance info.
    pub fn new(info: GuestInfo) -> Self {
        HeapWatch {
            info,
            marks: HeapMarks::default(),
        }
    }

    /// Takes time in proportion to the heap's blocks and slabs. A heap that cannot be read adds
    /// nothing.
    pub fn look(&mut self, memory: &[u8]) {
        let info = self.info.read(memory);
        if let Some(Ok(map)) = info.map(|info| heap_map(memory, &info)) {
            self.marks.raise(&HeapMarks::of(&map));
        }
    }

    /// What was seen.
    pub fn marks(&self) -> &HeapMarks {
        &self.marks
    }
}

/// The heap of an instance in a copy, or a view, of its memory; or why it cannot be read.
pub(crate) fn heap_map<'a>(memory: &'a [u8], info: &InstanceInfo) -> Result<HeapMap<'a>, String> {
    if info.heap_usage_address == 0 {
        return Err("nothing allocated yet".to_string());
    }
    let outside = || "outside the memory at hand".to_string();
    let heap = span(memory, info.heap_start, info.heap_len).ok_or_else(outside)?;
    let usage = memory.get(info.heap_usage_address as usize..);
    HeapMap::read(heap, usage.ok_or_else(outside)?, WORD_BYTES)
        .map_err(|fault| format!("not readable: {fault}"))
}

/// A part of memory, if it lies within.
pub(crate) fn span(memory: &[u8], start: u32, len: u32) -> Option<&[u8]> {
    let start = start as usize;
    memory.get(start..start.checked_add(len as usize)?)
}
