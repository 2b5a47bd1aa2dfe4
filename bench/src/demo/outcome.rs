//! What came of a run, its figures, and what is wrong with it.

use steadfast::format::Stats;
use steadfast_host::{Digest, Span};
use steadfast_ops::reference::Counts;

use super::expected::Expected;
use super::scenario::Scenario;
use crate::figures::Value;

/// What came of indexing all blocks under one kind of memory.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Bytes of the region that the last block's cache could use.
    pub capacity_bytes: u64,
    /// Calls of `memory.grow`.
    pub grows: u64,
    /// Lookups that found their key in the cache.
    pub cache_hits: u64,
    /// The most that the heap ever held.
    pub heap_peak_bytes: u32,
    /// The digest of the state at the end.
    pub state: Digest,
    /// The digest of every address that the heap handed out.
    pub heap: Digest,
    /// What each block left.
    pub blocks: Vec<BlockOutcome>,
}

/// What an instance told after a block.
#[derive(Clone, Debug)]
pub struct BlockOutcome {
    /// Where the heap stands.
    pub heap: Span,
    /// Where C's part stands.
    pub c_heap: Span,
    /// Where the region begins.
    pub region_start: u32,
    /// The cache, for an instance that had one.
    pub cache: Option<Stats>,
    /// What the module logged.
    pub output: String,
}

impl Outcome {
    /// The figures that the demo's table shows: metric, value and unit.
    pub fn figures(&self) -> [(&'static str, Value, &'static str); 5] {
        let number = |number: u64| Value::Number(number as f64);
        let digest = |digest: Digest| Value::Digest(digest.to_string());
        [
            ("capacity_bytes", number(self.capacity_bytes), "B"),
            ("grows", number(self.grows), ""),
            ("heap_peak_bytes", number(self.heap_peak_bytes.into()), "B"),
            ("state_digest", digest(self.state), ""),
            ("heap_digest", digest(self.heap), ""),
        ]
    }

    /// Everything that differs from what it must be; `first` is the same module's first run.
    pub fn faults(&self, scenario: &Scenario, expected: &Expected, first: &Outcome) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, what: String| faults.extend(wrong.then_some(what));
        fault(
            self.state != expected.state,
            format!(
                "the state's digest is {}, the reference's {}",
                self.state, expected.state
            ),
        );
        fault(
            self.heap != first.heap,
            format!(
                "the heap's digest is {}, in the first run {}",
                self.heap, first.heap
            ),
        );
        fault(
            self.heap_peak_bytes != first.heap_peak_bytes,
            format!(
                "the heap's peak is {} bytes, in the first run {}",
                self.heap_peak_bytes, first.heap_peak_bytes
            ),
        );
        if let Some(capacity) = scenario.capacity {
            fault(
                self.capacity_bytes != capacity,
                format!(
                    "the cache has {} bytes, {capacity} were to be had",
                    self.capacity_bytes
                ),
            );
        }
        fault(
            self.blocks.len() != expected.counts.len(),
            format!(
                "{} blocks were indexed of {}",
                self.blocks.len(),
                expected.counts.len()
            ),
        );
        let blocks = self.blocks.iter().zip(&first.blocks).zip(&expected.counts);
        for ((block, other), counts) in blocks {
            faults.extend(block.faults(scenario, counts, other));
        }
        faults
    }
}

impl BlockOutcome {
    fn faults(&self, scenario: &Scenario, counts: &Counts, first: &BlockOutcome) -> Vec<String> {
        let mut faults = Vec::new();
        let map = |block: &BlockOutcome| (block.heap, block.c_heap, block.region_start);
        if map(self) != map(first) {
            faults.push(format!(
                "the address map is {:x?}, in the first run {:x?}",
                map(self),
                map(first)
            ));
        }
        if !self.output.contains(&logged(counts)) {
            faults.push(format!(
                "the module logged {:?}, the reference counts {counts:?}",
                self.output
            ));
        }
        if let (Some(cache), Some(entries)) = (self.cache, scenario.entries)
            && (cache.inserts == 0 || cache.entries > entries)
        {
            faults.push(format!(
                "the cache took {} entries and holds {} of at most {entries}",
                cache.inserts, cache.entries
            ));
        }
        faults
    }
}

/// How a module logs what a block holds.
fn logged(counts: &Counts) -> String {
    format!(
        "transactions={} inputs={} outputs={} ",
        counts.transactions, counts.inputs, counts.outputs
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_host::RunConfig;

    const COUNTS: Counts = Counts {
        transactions: 1,
        inputs: 2,
        outputs: 3,
    };

    fn sample() -> (Outcome, Scenario, Expected) {
        let block = BlockOutcome {
            heap: Span { start: 1, bytes: 2 },
            c_heap: Span { start: 3, bytes: 0 },
            region_start: 3,
            cache: Some(Stats {
                entries: 1,
                inserts: 5,
                ..Stats::default()
            }),
            output: logged(&COUNTS),
        };
        let outcome = Outcome {
            capacity_bytes: 8,
            grows: 2,
            cache_hits: 0,
            heap_peak_bytes: 9,
            state: Digest([1; 32]),
            heap: Digest([2; 32]),
            blocks: vec![block],
        };
        let scenario = Scenario {
            row: "sample",
            config: RunConfig::default(),
            capacity: Some(8),
            entries: Some(1),
        };
        let expected = Expected {
            state: Digest([1; 32]),
            counts: vec![COUNTS],
            least_entry_bytes: 58,
        };
        (outcome, scenario, expected)
    }

    #[test]
    fn a_run_like_the_first_has_no_fault() {
        let (outcome, scenario, expected) = sample();
        assert_eq!(outcome.faults(&scenario, &expected, &outcome), [""; 0]);
    }

    #[test]
    fn each_difference_is_one_fault() {
        let (first, scenario, expected) = sample();
        let changes: [fn(&mut Outcome); 11] = [
            |outcome| outcome.state.0[31] ^= 1,
            |outcome| outcome.heap.0[0] ^= 1,
            |outcome| outcome.heap_peak_bytes += 1,
            |outcome| outcome.capacity_bytes -= 1,
            |outcome| outcome.blocks.clear(),
            |outcome| outcome.blocks[0].heap.start += 1,
            |outcome| outcome.blocks[0].c_heap.bytes += 1,
            |outcome| outcome.blocks[0].region_start += 1,
            |outcome| outcome.blocks[0].output.clear(),
            |outcome| outcome.blocks[0].cache.as_mut().unwrap().entries = 2,
            |outcome| outcome.blocks[0].cache.as_mut().unwrap().inserts = 0,
        ];
        for (nth, change) in changes.iter().enumerate() {
            let mut outcome = first.clone();
            change(&mut outcome);
            let faults = outcome.faults(&scenario, &expected, &first);
            assert_eq!(faults.len(), 1, "change {nth}: {faults:?}");
        }
    }

    #[test]
    fn what_may_differ_is_no_fault() {
        let (first, scenario, expected) = sample();
        let mut outcome = first.clone();
        outcome.grows = 12;
        outcome.cache_hits = 7;
        outcome.blocks[0].cache = None;
        assert_eq!(outcome.faults(&scenario, &expected, &first), [""; 0]);
    }
}
