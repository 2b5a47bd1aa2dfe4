//! What a host or an engine may answer differently.

use super::facts::Facts;
use super::{Finding, Level, Rule};
use crate::metashrew::{self, Import};
use crate::wasi;

pub const RULES: &[&Rule] = &[
    &CLOCK,
    &RANDOM,
    &RANDOM_MAP,
    &ENVIRONMENT,
    &FOREIGN_IMPORT,
    &RELAXED_SIMD,
    &THREADS,
    &FLOAT_BITS,
];

const CLOCK: Rule = Rule {
    id: "clock",
    level: Level::Warning,
    advice: "no two nodes read the same time: take times from the block",
};
const RANDOM: Rule = Rule {
    id: "random",
    level: Level::Warning,
    advice: "no two nodes draw the same numbers: std's HashMap is the usual caller, so use BTreeMap, or a hasher without a seed",
};
const RANDOM_MAP: Rule = Rule {
    id: "random-map",
    level: Level::Warning,
    advice: "the order of std's HashMap and HashSet depends on a seed, which is drawn or a heap address: use BTreeMap, or a hasher without a seed",
};
const ENVIRONMENT: Rule = Rule {
    id: "environment",
    level: Level::Note,
    advice: "hosts give different variables and arguments: let nothing that is stored depend on them",
};
const FOREIGN_IMPORT: Rule = Rule {
    id: "foreign-import",
    level: Level::Warning,
    advice: "neither metashrew's nor WASI's: see that every host answers it alike",
};
const RELAXED_SIMD: Rule = Rule {
    id: "relaxed-simd",
    level: Level::Warning,
    advice: "its results differ between processors, unless every engine has its deterministic variant: build without the target feature relaxed-simd",
};
const THREADS: Rule = Rule {
    id: "threads",
    level: Level::Warning,
    advice: "the order of threads is nobody's to say: build without the target feature atomics",
};
const FLOAT_BITS: Rule = Rule {
    id: "float-bits",
    level: Level::Note,
    advice: "the bits of a NaN are the engine's choice: store no float that may be one, or have every engine give NaNs one pattern",
};

/// WASI's functions whose answers differ from node to node, by what they ask for.
const ASKED: [(&Rule, &str, &[&str]); 3] = [
    (
        &CLOCK,
        "the time is asked for",
        &["clock_time_get", "clock_res_get", "poll_oneoff"],
    ),
    (&RANDOM, "random numbers are asked for", &["random_get"]),
    (
        &ENVIRONMENT,
        "the environment or arguments are asked for",
        &["environ_get", "args_get"],
    ),
];

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut push = |rule, what: &str, places: Vec<String>| {
        if !places.is_empty() {
            found.push(Finding::new(rule, what).at(places));
        }
    };
    let imported = |pick: &dyn Fn(&str, &str) -> bool| -> Vec<String> {
        let all = facts.imports.iter();
        all.filter(|(module, name)| pick(module, name))
            .map(|(module, name)| format!("{module}::{name}"))
            .collect()
    };
    for (rule, what, names) in ASKED {
        let asked = |module: &str, name: &str| module == wasi::MODULE && names.contains(&name);
        push(rule, what, imported(&asked));
    }
    let is_random_map = |name: &str| {
        let parts = [
            "hashmap_random_keys",
            "RandomState",
            "std::collections::hash::",
        ];
        parts.iter().any(|part| name.contains(part))
    };
    let maps = facts.names(|function| function.name.as_deref().is_some_and(is_random_map));
    push(
        &RANDOM_MAP,
        "std's hash maps are used, which have a seed unless they are given a hasher",
        maps,
    );
    let is_foreign = |module: &str, name: &str| {
        module != wasi::MODULE && (module != metashrew::MODULE || Import::named(name).is_none())
    };
    push(
        &FOREIGN_IMPORT,
        "the host is asked for something of its own",
        imported(&is_foreign),
    );
    push(
        &RELAXED_SIMD,
        "relaxed SIMD is used",
        facts.names(|function| function.is_relaxed),
    );
    push(
        &THREADS,
        "threads wait for each other",
        facts.names(|function| function.is_atomic),
    );
    push(
        &FLOAT_BITS,
        "floats are calculated, and their bits can be seen",
        facts.names(|function| function.calculates && function.shows_bits),
    );
    found
}
