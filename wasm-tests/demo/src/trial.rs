//! One module, indexing all blocks under one kind of memory, and what is wrong with what came of
//! it.

use anyhow::{Context as _, Result};
use steadfast::region::block_bytes;
use steadfast_host::{
    BlockReport, Digest, Input, MemoryState, Report, Runner, StateHasher, state_digest,
};
use steadfast_testkit::figures::{Figure, Figures, Value};
use steadfast_testkit::reference::{Counts, Indexer};

use crate::memory::Scenario;

/// How instances are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instances {
    /// One for each block.
    Fresh,
    /// One for all blocks.
    Kept,
}

/// What a plain indexer, run natively and without any of this project's memory, makes of the same
/// blocks.
pub struct Expected {
    /// The digest of the state after the last block.
    state: Digest,
    /// What the modules log of each block.
    logged: Vec<String>,
    counts: Counts,
    /// Bytes that the smallest entry of the state takes in a cache.
    pub least_entry_bytes: u32,
}

impl Expected {
    /// Indexes the blocks with the reference indexer.
    pub fn of(inputs: &[Input]) -> Result<Self> {
        let mut indexer = Indexer::default();
        let (mut logged, mut sum) = (Vec::new(), Counts::default());
        for input in inputs {
            let block = indexer.index(input.height(), &input.bytes()[size_of::<u32>()..]);
            let counts = block.with_context(|| input.name().to_owned())?;
            logged.push(format!(
                "transactions={} inputs={} outputs={} ",
                counts.transactions, counts.inputs, counts.outputs
            ));
            sum.transactions += counts.transactions;
            sum.inputs += counts.inputs;
            sum.outputs += counts.outputs;
        }
        let mut hasher = StateHasher::default();
        for (key, value) in &indexer.state {
            hasher.pair(key, value);
        }
        let entries = indexer.state.iter();
        Ok(Self {
            state: hasher.finish(),
            logged,
            counts: sum,
            least_entry_bytes: entries
                .filter_map(|(key, value)| block_bytes(key.len(), value.len()))
                .min()
                .context("the state is empty")?,
        })
    }

    /// What the blocks hold.
    pub fn counts(&self) -> String {
        let Counts {
            transactions,
            inputs,
            outputs,
        } = self.counts;
        format!("{transactions} transactions, {inputs} inputs and {outputs} outputs")
    }
}

/// What came of indexing all blocks.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Bytes of the region that the last block's cache could use.
    capacity_bytes: u64,
    /// Calls of `memory.grow`.
    grows: u64,
    /// Lookups that found their key in the cache.
    pub cache_hits: u64,
    /// The digest of the state at the end.
    state: Digest,
    /// What must be the same in every run of the module: the digest of every address that the heap
    /// handed out, the most that it held, and where everything stood after each block.
    heap: Digest,
    heap_peak_bytes: u32,
    maps: Vec<String>,
    /// What the module logged of each block.
    logged: Vec<String>,
    /// Entries that the cache took and that it holds, after each block.
    entries: Vec<(u64, u32)>,
}

/// Indexes the blocks in order, into one state.
pub fn run(
    runner: &Runner,
    instances: Instances,
    scenario: &Scenario,
    inputs: &[Input],
) -> Result<Outcome> {
    let runner = runner.with_config(scenario.config.clone())?;
    let mut state = MemoryState::default();
    let mut report = Report::new(runner.guest(), runner.config().ceiling);
    let mut outcome = Outcome {
        capacity_bytes: 0,
        grows: 0,
        cache_hits: 0,
        state: Digest([0; 32]),
        heap: Digest([0; 32]),
        heap_peak_bytes: 0,
        maps: Vec::new(),
        logged: Vec::new(),
        entries: Vec::new(),
    };
    match instances {
        Instances::Fresh => {
            for input in inputs {
                let block = runner.run_block(input, &mut state);
                let block = block.with_context(|| input.name().to_owned())?;
                outcome.note(&block)?;
                report.add(block);
            }
        }
        Instances::Kept => {
            let (first, others) = inputs.split_first().context("there is no block")?;
            let mut finished = runner.start(first, &state)?;
            outcome.note(finished.report())?;
            for input in others {
                let next = finished.next(input, &mut state);
                finished = next.with_context(|| input.name().to_owned())?;
                outcome.note(finished.report())?;
            }
            // An instance's figures add up while it lives: the last ones are for all blocks.
            report.add(finished.commit(&mut state)?);
        }
    }
    let last = report.last.and_then(|block| block.observed);
    Ok(Outcome {
        capacity_bytes: last.map_or(0, |seen| seen.cache_limit_bytes.into()),
        grows: report.grows.asked,
        cache_hits: report.cache.map_or(0, |cache| cache.hits),
        heap_peak_bytes: report
            .heap_peak_bytes
            .context("the heap has no usage figures")?,
        state: state_digest(&state)?,
        heap: report
            .heap_digest
            .context("the module is built without the feature `trace`")?,
        ..outcome
    })
}

impl Outcome {
    /// Notes what an instance told after a block.
    fn note(&mut self, block: &BlockReport) -> Result<()> {
        let seen = block.observed.as_ref();
        let seen = seen.context("the module has no instance info")?;
        self.maps.push(format!(
            "heap {:x?}, C's part {:x?}, region at {:x}",
            seen.heap, seen.c_heap, seen.region.start
        ));
        self.logged.push(block.output.clone());
        let cache = seen.cache.map(|cache| (cache.inserts, cache.entries));
        self.entries.extend(cache);
        Ok(())
    }

    /// Adds the figures of the table.
    pub fn report(
        &self,
        figures: &mut Figures,
        bench: &'static str,
        row: &str,
        subject: &str,
        instances: Instances,
    ) {
        let number = |number: u64| Value::Number(number as f64);
        let digest = |digest: Digest| Value::Digest(digest.to_string());
        let mut all = vec![
            ("capacity_bytes", number(self.capacity_bytes), "B"),
            ("grows", number(self.grows), ""),
            ("heap_peak_bytes", number(self.heap_peak_bytes.into()), "B"),
            ("state_digest", digest(self.state), ""),
            ("heap_digest", digest(self.heap), ""),
        ];
        // A fresh instance reads each key once: only a kept one can have hits.
        if instances == Instances::Kept {
            all.push(("cache_hits", number(self.cache_hits), ""));
        }
        for (metric, value, unit) in all {
            figures.push(Figure {
                bench,
                row: row.to_owned(),
                subject: subject.to_owned(),
                metric,
                value,
                unit,
            });
        }
    }

    /// Everything that differs from what it must be; `first` is the same module's first run.
    pub fn faults(&self, scenario: &Scenario, expected: &Expected, first: &Outcome) -> Vec<String> {
        let mut faults = Vec::new();
        let mut differ = |what: &str, is: String, must_be: String| {
            if is != must_be {
                faults.push(format!("{what} is {is}, and must be {must_be}"));
            }
        };
        let capacity = scenario.capacity.unwrap_or(self.capacity_bytes);
        let mut same = |what, is: &dyn ToString, must_be: &dyn ToString| {
            differ(what, is.to_string(), must_be.to_string());
        };
        same("the state's digest", &self.state, &expected.state);
        same("the heap's digest", &self.heap, &first.heap);
        same(
            "the heap's peak",
            &self.heap_peak_bytes,
            &first.heap_peak_bytes,
        );
        same("the cache's capacity", &self.capacity_bytes, &capacity);
        same(
            "the number of blocks",
            &self.logged.len(),
            &expected.logged.len(),
        );
        for (map, first) in self.maps.iter().zip(&first.maps) {
            same("the address map", map, first);
        }
        for (logged, counts) in self.logged.iter().zip(&expected.logged) {
            if !logged.contains(counts) {
                same("the log", logged, counts);
            }
        }
        let Some(most) = scenario.entries else {
            return faults;
        };
        for (inserts, entries) in &self.entries {
            if *inserts == 0 || *entries > most {
                faults.push(format!(
                    "the cache took {inserts} entries and holds {entries} of at most {most}"
                ));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_host::RunConfig;

    fn sample() -> (Outcome, Scenario, Expected) {
        let outcome = Outcome {
            capacity_bytes: 8,
            grows: 2,
            cache_hits: 0,
            heap_peak_bytes: 9,
            state: Digest([1; 32]),
            heap: Digest([2; 32]),
            maps: vec![String::from("map")],
            logged: vec![String::from("what is logged")],
            entries: vec![(5, 1)],
        };
        let scenario = Scenario {
            row: "sample",
            config: RunConfig::default(),
            capacity: Some(8),
            entries: Some(1),
        };
        let expected = Expected {
            state: Digest([1; 32]),
            logged: vec![String::from("logged")],
            counts: Counts::default(),
            least_entry_bytes: 58,
        };
        (outcome, scenario, expected)
    }

    #[test]
    fn each_difference_is_one_fault() {
        let (first, scenario, expected) = sample();
        let changes: [fn(&mut Outcome); 9] = [
            |outcome| outcome.state.0[31] ^= 1,
            |outcome| outcome.heap.0[0] ^= 1,
            |outcome| outcome.heap_peak_bytes += 1,
            |outcome| outcome.capacity_bytes -= 1,
            |outcome| outcome.logged.clear(),
            |outcome| outcome.maps[0].push('s'),
            |outcome| outcome.logged[0].clear(),
            |outcome| outcome.entries[0].1 = 2,
            |outcome| outcome.entries[0].0 = 0,
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
        assert_eq!(first.faults(&scenario, &expected, &first), [""; 0]);
        let mut outcome = first.clone();
        outcome.grows = 12;
        outcome.cache_hits = 7;
        outcome.entries.clear();
        assert_eq!(outcome.faults(&scenario, &expected, &first), [""; 0]);
    }

    #[test]
    fn the_reference_counts_the_default_block_as_others_do() {
        let expected = Expected::of(&crate::inputs(&[]).unwrap()).unwrap();
        assert_eq!(
            expected.counts(),
            "2500 transactions, 6518 inputs and 6015 outputs"
        );
    }
}
