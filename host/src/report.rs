//! The figures of a run.

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use steadfast::Plan;
use steadfast::format::{AttachError, Start, Stats};

use crate::digest::Digest;
use crate::guest::Guest;
use crate::instance_stats::{HeapTrace, InstanceStats};
use crate::limits::Grows;
use crate::metashrew::ImportCounts;
use crate::process_memory::ProcessMemory;

/// The figures of one block.
#[derive(Clone, Debug, Serialize)]
pub struct BlockReport {
    /// The block's height.
    pub height: u32,
    /// Time in `_start`, with the imports that it called, in nanoseconds.
    pub guest_ns: u64,
    /// Instructions, as wasmtime counts fuel.
    pub fuel: Option<u64>,
    /// Bytes of linear memory at the end.
    pub memory_bytes: u64,
    /// The guest's calls of `memory.grow`, as the host saw them.
    pub grows: Grows,
    /// What the guest's instance info tells, for a module that is built on steadfast.
    pub observed: Option<InstanceStats>,
    /// Calls of the metashrew imports.
    pub imports: ImportCounts,
    /// Pairs that the block wrote, deletions included.
    pub written_pairs: u64,
    /// Output and log lines, where they are captured.
    #[serde(skip)]
    pub output: String,
}

impl BlockReport {
    /// Whether the guest opened a cache, and it began without entries.
    pub fn began_cold(&self) -> bool {
        self.cache_start().is_some_and(|start| !start.is_warm())
    }

    /// How the guest's cache began, if it opened one.
    pub fn cache_start(&self) -> Option<Start> {
        self.observed.as_ref()?.cache_start
    }

    /// Whether the guest found its region's place taken.
    pub fn region_is_taken(&self) -> bool {
        self.observed
            .as_ref()
            .is_some_and(InstanceStats::region_is_taken)
    }

    /// The digest of all allocations, of guests that keep one.
    pub fn heap_trace(&self) -> Option<HeapTrace> {
        self.observed.as_ref()?.heap_trace
    }
}

/// A module's plan, as its custom section has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlanReport {
    /// The address at which the region begins, and the heap's budget ends.
    pub region_base: u64,
    /// Bytes of the largest region.
    pub region_max: u64,
    /// Bytes of the part that serves C.
    pub c_heap: u64,
    /// How the region is asked for.
    pub policy: String,
}

impl From<&Plan> for PlanReport {
    fn from(plan: &Plan) -> Self {
        PlanReport {
            region_base: plan.region_base().get(),
            region_max: plan.region_max().get(),
            c_heap: plan.c_heap().get(),
            policy: plan.policy().to_string(),
        }
    }
}

/// The figures of a run over many blocks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The module's plan.
    pub plan: Option<PlanReport>,
    /// Whether it was stripped from the module.
    #[serde(skip)]
    pub is_stripped: bool,
    /// Bytes of linear memory that an instance could have.
    pub ceiling_bytes: u64,
    /// Blocks indexed.
    pub blocks: u64,
    /// Time in `_start` over all blocks, in nanoseconds.
    pub guest_ns: u64,
    /// Fuel over all blocks.
    pub fuel: Option<u64>,
    /// Calls of `memory.grow` over all blocks.
    pub grows: Grows,
    /// The most of the heap that was in use in any block, in bytes.
    pub heap_peak_bytes: Option<u32>,
    /// The cache's figures: counts over all blocks, sizes of the last.
    #[serde(serialize_with = "crate::instance_stats::optional_figures")]
    pub cache: Option<Stats>,
    /// Blocks whose cache began without entries.
    pub cold_blocks: u64,
    /// Calls of the metashrew imports over all blocks.
    pub imports: ImportCounts,
    /// Pairs written over all blocks, deletions included.
    pub written_pairs: u64,
    /// SHA-256 over the heap-trace digests of all blocks in order, each a little-endian `u64`.
    pub heap_digest: Option<Digest>,
    /// The digest of the state at the end.
    pub state_digest: Option<Digest>,
    /// What memory this process takes, at the end.
    pub host: Option<ProcessMemory>,
    /// The last block.
    pub last: Option<BlockReport>,
    #[serde(skip)]
    heap_traces: Option<Sha256>,
}

impl Report {
    /// A report without any block.
    pub fn new(guest: &Guest, ceiling: u64) -> Self {
        Report {
            plan: guest.plan().map(PlanReport::from),
            is_stripped: guest.is_stripped(),
            ceiling_bytes: ceiling,
            blocks: 0,
            guest_ns: 0,
            fuel: None,
            grows: Grows::default(),
            heap_peak_bytes: None,
            cache: None,
            cold_blocks: 0,
            imports: ImportCounts::default(),
            written_pairs: 0,
            heap_digest: None,
            state_digest: None,
            host: None,
            last: None,
            heap_traces: Some(Sha256::new()),
        }
    }

    /// The format version of the module's region, where that is not the one that is read here.
    pub fn other_format(&self) -> Option<u32> {
        self.last.as_ref()?.observed.as_ref()?.other_format
    }

    /// Whether the last block's cache had no region, or one that cannot hold an entry.
    pub fn had_no_room(&self) -> bool {
        let start = self.last.as_ref().and_then(BlockReport::cache_start);
        start == Some(Start::Cold(AttachError::Disabled))
    }

    /// Adds a block's figures.
    pub fn add(&mut self, block: BlockReport) {
        self.blocks += 1;
        self.guest_ns += block.guest_ns;
        if let Some(fuel) = block.fuel {
            *self.fuel.get_or_insert_default() += fuel;
        }
        self.grows += block.grows;
        self.imports += block.imports;
        self.written_pairs += block.written_pairs;
        let heap_use = block.observed.as_ref().and_then(|seen| seen.heap_use);
        let peak = heap_use.map(|heap| heap.peak_bytes);
        self.heap_peak_bytes = self.heap_peak_bytes.max(peak);
        if let Some(cache) = block.observed.as_ref().and_then(|seen| seen.cache) {
            *self.cache.get_or_insert_default() += cache;
        }
        self.cold_blocks += u64::from(block.began_cold());
        // One block without a digest leaves none for the whole.
        self.heap_traces = match (self.heap_traces.take(), block.heap_trace()) {
            (Some(digest), Some(trace)) => Some(digest.chain_update(trace.digest.to_le_bytes())),
            _ => None,
        };
        let digest = self.heap_traces.clone();
        self.heap_digest = digest.map(|digest| Digest(digest.finalize().into()));
        self.last = Some(block);
    }
}
