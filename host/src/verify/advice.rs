//! What to look at in a module that is not deterministic.

use std::collections::BTreeSet;

use super::axis::Axis;
use super::observation::Kind;

impl Kind {
    /// What the verdict calls it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Kind::State => "another final state",
            Kind::Order => "the same state, written in another order or with repeats",
            Kind::Exhaustion => "another place where the heap runs out",
            Kind::Stack => {
                "another depth of calls: the stack runs out on one host and not on another"
            }
            Kind::Stop => "a stop on one host and not on another",
            Kind::Output => "other lines printed",
            Kind::Calls => "other imports called",
            Kind::Addresses => "other heap addresses",
        }
    }

    /// What to look at, where this kind of difference is seen. `axes` are those on which it
    /// depends; none where the same run, made again, differs.
    pub(super) fn advice(self, axes: &BTreeSet<Axis>) -> Vec<&'static str> {
        let own = match self {
            Kind::Order => Some(
                "the order of a map that is iterated for its writes: a HashMap draws its seed; use a fixed hasher, a BTreeMap, or sort",
            ),
            Kind::Stack => Some(
                "recursion: bound its depth by a small number, or keep the chain in a Vec and free it in a loop",
            ),
            Kind::Exhaustion => Some(
                "what is allocated before the request that fails, and whether the module bounds it by its input",
            ),
            Kind::State | Kind::Stop | Kind::Output | Kind::Calls | Kind::Addresses => None,
        };
        if self == Kind::Stack {
            return own.into_iter().collect();
        }
        let again = axes.is_empty().then_some(
            "a clock, a random number, or a map with a seed of its own: the same run twice differs",
        );
        let by_axis = axes.iter().map(|axis| axis.advice());
        own.into_iter().chain(again).chain(by_axis).collect()
    }
}

/// Rules of `steadfast check` that are about memory, and about what a host answers.
const MEMORY: &[&str] = &[
    "no-plan",
    "another-allocator",
    "grows-memory",
    "asks-memory-size",
];
const ANSWERS: &[&str] = &[
    "clock",
    "random",
    "random-map",
    "environment",
    "foreign-import",
    "threads",
];
const ENGINES: &[&str] = &["float-bits", "relaxed-simd", "threads"];
const DEPTH: &[&str] = &["recursion", "shadow-stack", "stack-above-data"];

impl Kind {
    /// The rules of `steadfast check` that can explain this kind of difference where it depends on
    /// these axes; none of them where the same run, made again, differs.
    pub(super) fn rules(self, axes: &BTreeSet<Axis>) -> BTreeSet<&'static str> {
        let own: &[&[&str]] = match self {
            Kind::State | Kind::Output | Kind::Calls => &[MEMORY, ANSWERS, ENGINES],
            Kind::Order => &[MEMORY, &["random", "random-map"]],
            Kind::Exhaustion | Kind::Addresses => &[MEMORY, ANSWERS],
            Kind::Stack => &[DEPTH],
            Kind::Stop => &[MEMORY, ANSWERS, DEPTH],
        };
        let by_axis = axes.iter().flat_map(|axis| axis.rules());
        let again = axes.is_empty().then_some(ANSWERS);
        let possible: BTreeSet<&str> = by_axis
            .chain(&again)
            .flat_map(|part| *part)
            .copied()
            .collect();
        let own = own.iter().flat_map(|part| *part).copied();
        own.filter(|rule| possible.contains(rule)).collect()
    }
}

impl Axis {
    /// The rules of `steadfast check` whose hazards show on this axis.
    fn rules(self) -> &'static [&'static [&'static str]] {
        match self {
            Axis::Engine => &[ENGINES, DEPTH, &["foreign-import"]],
            // An address may seed a map.
            Axis::Ceiling | Axis::Refusal | Axis::Pregrowth => &[MEMORY, &["random-map"]],
            Axis::Environment => &[MEMORY, &["environment", "random-map"]],
            Axis::Stack => &[DEPTH],
            // Reading a module does not tell how it uses its cache and its statics.
            Axis::Cache | Axis::Instance | Axis::Reorganisation => &[],
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Axis::Engine => {
                "computed NaNs whose bits are stored, and relaxed SIMD: engines may choose them"
            }
            Axis::Ceiling | Axis::Refusal => {
                "what becomes of a try_reserve or memory.grow that fails, and of a cache's capacity, size or statistics"
            }
            Axis::Pregrowth => {
                "memory.size and addresses: also those that seed std's HashMap on wasm32-unknown-unknown"
            }
            Axis::Cache => {
                "what is taken from the cache: a value kept although a newer one was refused, a capacity, statistics, or whether a key was there"
            }
            Axis::Environment => {
                "addresses: C's library copies the environment into memory that it takes from the allocator"
            }
            Axis::Instance => {
                "a static or a thread-local that outlives the block: an instance may be used for more than one"
            }
            Axis::Stack => "recursion",
            Axis::Reorganisation => {
                "the height that the cache is told before each entry: entries of blocks that were taken back must go"
            }
        }
    }
}

/// The axes on which a difference depends, given those on which each run that shows it departs from
/// the reference: what departs alone, or else what all of them have in common, or else everything.
/// None where the reference itself, made again, differs.
pub(super) fn blamed(departures: &[&[Axis]]) -> BTreeSet<Axis> {
    let sets = || {
        departures
            .iter()
            .map(|axes| BTreeSet::from_iter(axes.iter().copied()))
    };
    if sets().any(|axes| axes.is_empty()) {
        return BTreeSet::new();
    }
    let alone: BTreeSet<Axis> = sets().filter(|axes| axes.len() == 1).flatten().collect();
    if !alone.is_empty() {
        return alone;
    }
    let common = sets().reduce(|common, axes| &common & &axes);
    match common {
        Some(common) if !common.is_empty() => common,
        _ => sets().flatten().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_explains_what_its_hazard_can_cause_on_that_axis() {
        use Axis::{Cache, Ceiling, Engine};
        let explains = |kind: Kind, axes: &[Axis], rule| {
            let axes = BTreeSet::from_iter(axes.iter().copied());
            kind.rules(&axes).contains(rule)
        };
        assert!(explains(Kind::State, &[], "clock"));
        assert!(!explains(Kind::State, &[], "float-bits"), "the same engine");
        assert!(explains(Kind::State, &[Engine], "float-bits"));
        assert!(!explains(Kind::State, &[Ceiling], "clock"));
        assert!(explains(Kind::State, &[Cache, Ceiling], "no-plan"));
        assert!(
            !explains(Kind::State, &[Cache], "no-plan"),
            "the cache alone"
        );
        assert!(!explains(Kind::Order, &[], "clock"));
        assert!(explains(Kind::Stack, &[Engine], "recursion"));
        assert!(!explains(Kind::Addresses, &[Engine], "recursion"));
    }

    #[cfg(feature = "check")]
    #[test]
    fn the_rules_named_are_rules() {
        let known: BTreeSet<&str> = crate::check::rules().map(|rule| rule.id).collect();
        for rule in [MEMORY, ANSWERS, ENGINES, DEPTH].into_iter().flatten() {
            assert!(known.contains(rule), "{rule}");
        }
    }

    #[test]
    fn the_axis_that_is_blamed_is_the_one_that_departs_alone_or_always() {
        use Axis::{Cache, Ceiling, Engine, Pregrowth};
        let cases: [(&[&[Axis]], &[Axis]); 5] = [
            (&[&[Ceiling, Cache], &[Cache], &[Engine, Cache]], &[Cache]),
            (&[&[Ceiling, Cache], &[Cache, Pregrowth]], &[Cache]),
            (&[&[Ceiling], &[Cache]], &[Ceiling, Cache]),
            (
                &[&[Ceiling, Cache], &[Engine, Pregrowth]],
                &[Engine, Ceiling, Pregrowth, Cache],
            ),
            (&[&[], &[Cache]], &[]),
        ];
        for (departures, expected) in cases {
            let expected = BTreeSet::from_iter(expected.iter().copied());
            assert_eq!(blamed(departures), expected, "{departures:?}");
        }
    }
}
