//! The conditions that a host chooses, each with the values that are tried.

use std::num::NonZeroU32;

use steadfast::{Plan, Policy};

use super::Extent;
use super::scenario::{Scenario, Sequence};
use super::subject::Subject;
use crate::ceiling::PAGE_BYTES;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A region that holds a header and hardly an entry, in bytes.
const ONE_ENTRY_BYTES: u32 = 3072;

/// Half of what wasmtime gives a module's calls unless it is told otherwise, in bytes.
const SMALL_STACK_BYTES: usize = 256 << 10;

/// A condition that a host chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Axis {
    /// Which engine runs the module.
    Engine,
    /// How much memory it may have.
    Ceiling,
    /// How much of it the host grows before the start.
    Pregrowth,
    /// Which `memory.grow` is refused.
    Refusal,
    /// What the cache holds, and how much it may.
    Cache,
    /// What stands in the environment.
    Environment,
    /// Whether an instance is used for more than one block.
    Instance,
    /// How much stack the module's calls have.
    Stack,
    /// Whether the chain goes back, and some blocks come again.
    Reorganisation,
}

/// What is known of a module before the matrix is made.
pub(super) struct Known {
    /// Bytes of memory that a run may have.
    pub ceiling: u64,
    /// The end of the heap's budget; what the module needs at least.
    pub need: u64,
    /// `memory.grow` calls of one block, when nothing is refused.
    pub grows: u64,
    /// A limit on the cache under which it holds what one block leaves, and not all.
    pub tight_cache: Option<u32>,
    /// Whether the heights of the blocks ascend.
    pub ascends: bool,
    /// The format version of its region, where this host cannot keep the cache for that reason.
    pub other_format: Option<u32>,
}

/// The values of one axis. The first is the reference's.
pub(super) struct Values {
    axis: Axis,
    values: Vec<Value>,
}

struct Value {
    name: String,
    set: Box<dyn Fn(&mut Scenario)>,
}

impl Values {
    fn new(axis: Axis) -> Self {
        let reference = Value {
            name: String::new(),
            set: Box::new(|_| ()),
        };
        Values {
            axis,
            values: vec![reference],
        }
    }

    fn push(&mut self, name: impl Into<String>, set: impl Fn(&mut Scenario) + 'static) {
        let (name, set) = (name.into(), Box::new(set));
        self.values.push(Value { name, set });
    }

    /// Which axis it is.
    pub fn axis(&self) -> Axis {
        self.axis
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The scenario with the value of this number.
    pub fn apply(&self, scenario: &Scenario, number: usize) -> Scenario {
        if number == 0 {
            return scenario.clone();
        }
        let value = &self.values[number];
        let mut scenario = scenario.depart(self.axis, &*value.name);
        (value.set)(&mut scenario);
        scenario
    }
}

/// The axes that are crossed with each other and with the engines.
pub(super) fn crossed(subject: &Subject, known: &Known, extent: Extent) -> Vec<Values> {
    let mut axes = vec![
        ceilings(subject, known, extent),
        pregrowth(known, extent),
        environment(subject, extent),
    ];
    if subject.has_instance_info() {
        axes.push(cache(known, extent));
    }
    axes
}

/// The axes that are crossed with the others by [`Extent::Full`] alone: each ends a run early,
/// takes a run of its own kind, or is no choice of most engines'.
pub(super) fn apart(subject: &Subject, known: &Known, extent: Extent) -> Vec<Values> {
    vec![
        refusals(subject, known, extent),
        stacks(),
        instances(subject),
        reorganisations(subject, known),
    ]
}

fn refusals(subject: &Subject, known: &Known, extent: Extent) -> Values {
    let most = match extent {
        Extent::Quick => 3,
        Extent::Pairs | Extent::Full => 64,
    };
    let may_refuse_budget = subject.has_instance_info();
    let mut refusals = Values::new(Axis::Refusal);
    for n in 1..=known.grows.min(most) {
        refusals.push(format!("memory.grow {n} refused"), move |scenario| {
            (scenario.refuse_grow, scenario.may_refuse_budget) = (Some(n), may_refuse_budget);
        });
    }
    refusals
}

fn stacks() -> Values {
    let mut stacks = Values::new(Axis::Stack);
    let name = format!("stack of {} KiB", SMALL_STACK_BYTES >> 10);
    stacks.push(name, |scenario| scenario.stack = Some(SMALL_STACK_BYTES));
    stacks
}

/// The name of the row in which one instance indexes all blocks.
pub(super) const KEPT: &str = "one instance for all blocks";

fn instances(subject: &Subject) -> Values {
    let mut instances = Values::new(Axis::Instance);
    if subject.forbids_kept_instances().is_none() {
        instances.push(KEPT, |scenario| scenario.sequence = Sequence::Kept);
    }
    instances
}

fn reorganisations(subject: &Subject, known: &Known) -> Values {
    let mut reorganisations = Values::new(Axis::Reorganisation);
    if subject.has_instance_info() && known.ascends && known.other_format.is_none() {
        reorganisations.push("warm, back to the first block", |scenario| {
            (scenario.sequence, scenario.warm) = (Sequence::GoesBack, true);
        });
    }
    reorganisations
}

/// Ceilings under which the module has what it cannot do without.
fn ceilings(subject: &Subject, known: &Known, extent: Extent) -> Values {
    let mut ceilings = Values::new(Axis::Ceiling);
    let need = known.need;
    let (quick, others) = match subject.has_instance_info() {
        true => steps(subject.plan()),
        false => (
            vec![128 * MIB, 512 * MIB],
            vec![64 * MIB, 256 * MIB, GIB, 2 * GIB],
        ),
    };
    let others = match extent {
        Extent::Quick => Vec::new(),
        Extent::Pairs | Extent::Full => others,
    };
    for step in quick.into_iter().chain(others) {
        let (ceiling, name) = match subject.has_instance_info() {
            true if step == 0 => (need, "the heap's budget alone".into()),
            true => (need + step, format!("the budget and {}", bytes(step))),
            false => (step, bytes(step)),
        };
        if (need..known.ceiling).contains(&ceiling) {
            ceilings.push(name, move |scenario| scenario.ceiling = ceiling);
        }
    }
    ceilings
}

/// Bytes above the budget at which the policy decides otherwise than a page further, or caches are
/// small enough to be full: those that are always tried, and the others.
fn steps(plan: Option<&Plan>) -> (Vec<u64>, Vec<u64>) {
    // Of a module whose plan was stripped nobody knows; it asks at most for this by default.
    let max = plan.map_or(GIB, |plan| plan.region_max().get());
    let policy = plan.map_or(Policy::Probe, Plan::policy);
    let (quick, others) = match policy {
        Policy::Probe => (
            vec![0, 2 * MIB, MIB - PAGE_BYTES, max - PAGE_BYTES.min(max)],
            vec![MIB, 4 * MIB, 8 * MIB, max / 2],
        ),
        Policy::Ladder => (
            vec![0, 2 * MIB, max / 2, max / 2 - PAGE_BYTES.min(max / 2)],
            vec![MIB, 4 * MIB, 8 * MIB, max - PAGE_BYTES.min(max)],
        ),
        Policy::Exact => (vec![0, max - PAGE_BYTES.min(max)], vec![MIB]),
        Policy::OnDemand { step } => {
            let step = step.get();
            (
                vec![0, step, 2 * step - PAGE_BYTES],
                vec![
                    step - PAGE_BYTES,
                    2 * step,
                    max / 2,
                    max - PAGE_BYTES.min(max),
                ],
            )
        }
        Policy::Off => (vec![0], vec![MIB]),
    };
    let mut tried = vec![max];
    let mut new = |step: u64| {
        let step = step - step % PAGE_BYTES;
        let is_new = step <= max && !tried.contains(&step);
        tried.push(step);
        is_new.then_some(step)
    };
    let quick = quick.into_iter().filter_map(&mut new).collect();
    (quick, others.into_iter().filter_map(&mut new).collect())
}

fn pregrowth(known: &Known, extent: Extent) -> Values {
    let mut pregrowth = Values::new(Axis::Pregrowth);
    let mut to = |name: String, bytes: u64| {
        pregrowth.push(name, move |scenario| {
            scenario.pregrow = Some(bytes.min(scenario.ceiling) / PAGE_BYTES);
        });
    };
    to("grown to its ceiling before".into(), u64::MAX);
    if known.ceiling > 256 * MIB {
        to("grown to 256 MiB before".into(), 256 * MIB);
    }
    if extent != Extent::Quick {
        to("grown to the budget's end before".into(), known.need);
        to(
            "grown to a page past the budget before".into(),
            known.need + PAGE_BYTES,
        );
    }
    pregrowth
}

fn environment(subject: &Subject, extent: Extent) -> Values {
    let mut environment = Values::new(Axis::Environment);
    let sizes: &[usize] = match (subject.uses_wasi(), extent) {
        (false, _) => &[],
        (true, Extent::Quick) => &[100_000],
        (true, Extent::Pairs | Extent::Full) => &[100_000, 1000],
    };
    for &size in sizes {
        environment.push(format!("{size} B of environment"), move |scenario| {
            scenario.environment_bytes = size;
        });
    }
    environment
}

fn cache(known: &Known, extent: Extent) -> Values {
    let mut cache = Values::new(Axis::Cache);
    let off = |scenario: &mut Scenario| scenario.cache = Some(0);
    if known.other_format.is_some() {
        cache.push("cache off", off);
        return cache;
    }
    cache.push("warm cache", |scenario| scenario.warm = true);
    let mut limited = |name: &str, limit: u32| {
        cache.push(name, move |scenario| {
            (scenario.cache, scenario.warm) = (Some(limit), true);
        });
    };
    if let Some(limit) = known.tight_cache {
        limited("warm cache, too small for all", limit);
    }
    limited("warm cache of one entry", ONE_ENTRY_BYTES);
    cache.push("cache off", off);
    let seeds = match extent {
        Extent::Quick => 1..=1,
        Extent::Pairs | Extent::Full => 1..=3,
    };
    for seed in seeds {
        cache.push(
            format!("warm cache that forgets ({seed})"),
            move |scenario| {
                (scenario.forget, scenario.warm) = (NonZeroU32::new(seed), true);
            },
        );
    }
    cache
}

pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= MIB && (bytes + PAGE_BYTES).is_multiple_of(MIB) => {
            format!("{} less a page", self::bytes(bytes + PAGE_BYTES))
        }
        bytes if bytes % GIB == 0 => format!("{} GiB", bytes / GIB),
        bytes if bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        bytes => format!("{} KiB", bytes >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_is_tried_on_both_sides_of_its_boundaries() {
        use steadfast::Bytes;
        let plan = |policy| {
            Plan::DEFAULT
                .with_region_max(Bytes::mib(64))
                .with_policy(policy)
        };
        for (policy, expected) in [
            (
                Policy::Probe,
                &[0, MIB - PAGE_BYTES, MIB, 64 * MIB - PAGE_BYTES][..],
            ),
            (
                Policy::Ladder,
                &[0, 32 * MIB - PAGE_BYTES, 32 * MIB, 64 * MIB - PAGE_BYTES],
            ),
            (Policy::Exact, &[0, 64 * MIB - PAGE_BYTES]),
            (
                Policy::OnDemand {
                    step: Bytes::mib(3),
                },
                &[
                    0,
                    3 * MIB - PAGE_BYTES,
                    3 * MIB,
                    6 * MIB - PAGE_BYTES,
                    6 * MIB,
                ],
            ),
            (Policy::Off, &[0]),
        ] {
            let (quick, others) = steps(Some(&plan(policy)));
            let all = [quick, others].concat();
            for step in expected {
                assert!(all.contains(step), "{policy:?}: {step} in {all:?}");
            }
            let mut distinct = all.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), all.len(), "{policy:?}: {all:?}");
        }
    }

    #[test]
    fn a_region_of_a_page_has_steps() {
        use steadfast::Bytes;
        let plan = Plan::DEFAULT.with_region_max(Bytes::new(PAGE_BYTES));
        assert_eq!(steps(Some(&plan)), (vec![0], vec![]));
    }
}
