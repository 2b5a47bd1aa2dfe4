//! The kinds of memory that a host may grant.

use steadfast::region::Geometry;
use steadfast::{Plan, Policy};
use steadfast_host::ceiling::{MAX_CEILING, PAGE_BYTES};
use steadfast_host::{Output, RunConfig};

const MIB: u64 = 1 << 20;

/// Bytes of the environment variable that the WASI module does not read.
const ENVIRONMENT_BYTES: usize = 100_000;

/// A build of the indexer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The program for WASI preview 1.
    Wasi,
    /// The metashrew module.
    Metashrew,
}

impl Subject {
    /// All of them; the one whose instance can be kept comes last.
    pub const ALL: [Subject; 2] = [Subject::Wasi, Subject::Metashrew];

    /// What figures call it.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Wasi => "wasi",
            Subject::Metashrew => "metashrew",
        }
    }

    /// Its module, below `target/guests`.
    pub fn module(self) -> &'static str {
        match self {
            Subject::Wasi => "indexer-wasi.wasm",
            Subject::Metashrew => "indexer_metashrew.wasm",
        }
    }

    /// All that a module may have, and the one variable that it reads: it then logs what a block
    /// holds.
    pub fn config(self) -> RunConfig {
        RunConfig {
            ceiling: MAX_CEILING,
            env: vec![(String::from("INDEXER_LOG"), String::from("1"))],
            output: Output::Capture,
            ..RunConfig::default()
        }
    }
}

/// One kind of memory.
pub struct Scenario {
    /// What figures call it.
    pub row: &'static str,
    /// How the module is run.
    pub config: RunConfig,
    /// Bytes of cache that the module must end up with, under a policy that takes what it can get.
    pub capacity: Option<u64>,
    /// The most entries that its cache has room for, where that is known.
    pub entries: Option<u32>,
}

/// All scenarios for one module, which index a state with entries of at least so many bytes.
pub fn scenarios(subject: Subject, plan: &Plan, least_entry_bytes: u32) -> Vec<Scenario> {
    let base = plan.region_base().get();
    let with = |row, change: &dyn Fn(&mut RunConfig)| {
        let mut config = subject.config();
        change(&mut config);
        let granted = config.ceiling.saturating_sub(base) / MIB * MIB;
        let usable = granted.min(plan.region_max().get());
        let limit = config.cache.map_or(usable, u64::from);
        Scenario {
            row,
            capacity: (plan.policy() == Policy::Probe).then_some(usable.min(limit)),
            entries: None,
            config,
        }
    };
    let ceiling = |row, bytes| with(row, &|config| config.ceiling = bytes);
    let one_entry = one_entry(plan, least_entry_bytes);
    let mut scenarios = vec![
        ceiling("ceiling-4g", MAX_CEILING),
        ceiling("ceiling-1g", 1024 * MIB),
        ceiling("ceiling-512m", 512 * MIB),
        ceiling("ceiling-256m", 256 * MIB),
        ceiling("budget-plus-1m", base + MIB),
        ceiling("budget", base),
        with("pregrown", &|config| {
            config.pregrow = Some(MAX_CEILING / PAGE_BYTES)
        }),
        Scenario {
            entries: Some(1),
            ..with("one-entry", &|config| config.cache = Some(one_entry))
        },
        with("cache-off", &|config| config.cache = Some(0)),
    ];
    if subject == Subject::Wasi {
        scenarios.push(with("environment-100k", &|config| {
            let unread = (String::from("UNREAD"), "x".repeat(ENVIRONMENT_BYTES));
            config.env.push(unread);
        }));
    }
    scenarios
}

/// The largest region that has no room for two entries of the state: a byte less than the two
/// smallest would take.
fn one_entry(plan: &Plan, least_entry_bytes: u32) -> u32 {
    let arena = 2 * least_entry_bytes - 1;
    let holds = |limit: &u32| {
        Geometry::new(*limit, plan.expected_entry())
            .is_some_and(|geometry| limit - geometry.arena_start >= arena)
    };
    (arena..).find(holds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(subject: Subject) -> Vec<Scenario> {
        scenarios(subject, &Plan::DEFAULT, 58)
    }

    #[test]
    fn one_entry_finds_room_and_two_do_not() {
        let scenarios = all(Subject::Wasi);
        let cache = scenarios.iter().find_map(|scenario| {
            scenario.entries?;
            scenario.config.cache
        });
        let limit = cache.expect("a scenario limits the entries");
        let geometry = Geometry::new(limit, Plan::DEFAULT.expected_entry()).expect("a region");
        let arena = limit - geometry.arena_start;
        assert!((58..2 * 58).contains(&arena), "{arena}");
    }

    #[test]
    fn capacities_differ_and_end_at_the_plan() {
        let scenarios = all(Subject::Metashrew);
        let capacities: Vec<_> = scenarios
            .iter()
            .filter_map(|scenario| scenario.capacity)
            .collect();
        assert_eq!(
            capacities.iter().max(),
            Some(&Plan::DEFAULT.region_max().get())
        );
        assert_eq!(capacities.iter().min(), Some(&0));
        let mut distinct = capacities.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() >= 6, "{capacities:?}");
    }
}
