//! Who has memory, and whether it is where the plan says.

use steadfast::{Plan, Policy};

use super::facts::{Facts, Function};
use super::{Finding, Level, Rule};
use crate::ceiling::PAGE_BYTES;
use crate::metashrew::{self, Import};
use crate::outline::is_plain;

pub const RULES: &[&Rule] = &[
    &NO_PLAN,
    &STRIPPED,
    &TWO_PLANS,
    &DAMAGED_PLAN,
    &ANOTHER_ALLOCATOR,
    &GROWS_MEMORY,
    &ASKS_MEMORY_SIZE,
    &UNUSUAL_MEMORY,
    &MAXIMUM_MEMORY,
    &MISFIT,
    &DATA_IN_REGION,
    &NO_HEAP,
    &OUT_OF_REACH,
    &STACK_ABOVE_DATA,
    &STACK,
];

const NO_PLAN: Rule = Rule {
    id: "no-plan",
    level: Level::Warning,
    advice: "heap addresses and refused allocations depend on the host's memory: write steadfast::plan! once, or see what `steadfast verify` finds",
};
const STRIPPED: Rule = Rule {
    id: "stripped-plan",
    level: Level::Note,
    advice: "host tools read the plan from a custom section: strip names alone, for instance with `wasm-opt --strip-debug`",
};
const TWO_PLANS: Rule = Rule {
    id: "two-plans",
    level: Level::Error,
    advice: "let one crate alone write steadfast::plan!",
};
const DAMAGED_PLAN: Rule = Rule {
    id: "damaged-plan",
    level: Level::Error,
    advice: "build the module anew, and leave its custom sections as they are",
};
const ANOTHER_ALLOCATOR: Rule = Rule {
    id: "another-allocator",
    level: Level::Warning,
    advice: "it grows memory beside the plan: let steadfast serve C too (feature `c`, or WASI), and declare no second allocator",
};
const GROWS_MEMORY: Rule = Rule {
    id: "grows-memory",
    level: Level::Warning,
    advice: "memory grown beside the plan takes pages that the region would have: allocate from the heap",
};
const ASKS_MEMORY_SIZE: Rule = Rule {
    id: "asks-memory-size",
    level: Level::Warning,
    advice: "hosts present different sizes to one module: let nothing that is stored depend on it",
};
const UNUSUAL_MEMORY: Rule = Rule {
    id: "unusual-memory",
    level: Level::Error,
    advice: "define one 32-bit memory that is not shared, and export it",
};
const MAXIMUM_MEMORY: Rule = Rule {
    id: "maximum-memory",
    level: Level::Error,
    advice: "link without --max-memory, or with one that holds the heap's budget",
};
const MISFIT: Rule = Rule {
    id: "segment-out-of-bounds",
    level: Level::Error,
    advice: "every instance traps before `_start`: link without --initial-memory, or declare a memory and a table that hold all segments",
};
const DATA_IN_REGION: Rule = Rule {
    id: "data-in-region",
    level: Level::Error,
    advice: "raise STEADFAST_REGION_BASE and rebuild, or have less static data",
};
const NO_HEAP: Rule = Rule {
    id: "no-heap",
    level: Level::Error,
    advice: "static data leaves the heap less than a page of its budget: raise STEADFAST_REGION_BASE and rebuild, or have less static data",
};
const OUT_OF_REACH: Rule = Rule {
    id: "region-out-of-reach",
    level: Level::Warning,
    advice: "a value that the host is to write into the cache itself (`get_or_load` with `HostKey::load`) halts the module there, and how full the cache is depends on the host: end the region below 2 GiB (STEADFAST_REGION_MAX), or read such values with `HostKey::read`",
};
const STACK_ABOVE_DATA: Rule = Rule {
    id: "stack-above-data",
    level: Level::Warning,
    advice: "a stack that overflows writes over static data in silence: link with --stack-first, as rustc does",
};
const STACK: Rule = Rule {
    id: "shadow-stack",
    level: Level::Note,
    advice: "the linker's `-z stack-size=BYTES` sets it",
};

/// Hosts of the metashrew interface take a pointer for an `i32`.
const HOSTS_REACH: u64 = 1 << 31;

/// Allocators by a part of their functions' names, as Rust and C have them.
const ALLOCATORS: [&str; 6] = [
    "dlmalloc",
    "wee_alloc",
    "lol_alloc",
    "talc::",
    "rlsf::",
    "mimalloc",
];

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let others = facts.names(|function| is_named(function, &ALLOCATORS));
    let is_stripped = facts.plans.is_empty() && facts.has_instance_info && others.is_empty();
    match &facts.plans[..] {
        [] if is_stripped => found.push(Finding::new(
            &STRIPPED,
            "the module is built on steadfast, and has no section with its plan",
        )),
        [] => found.push(Finding::new(
            &NO_PLAN,
            "the module has an allocator of its own",
        )),
        [_] => {}
        _ => found.push(Finding::new(
            &TWO_PLANS,
            "more than one plan stands in the module",
        )),
    }
    for reason in facts.plans.iter().filter_map(|plan| plan.as_ref().err()) {
        found.push(Finding::new(&DAMAGED_PLAN, reason.clone()));
    }
    if is_stripped || !facts.plans.is_empty() {
        push(
            &mut found,
            &ANOTHER_ALLOCATOR,
            "another allocator stands beside the plan's",
            others,
        );
        let growers = facts.names(|function| {
            does(facts, function, |function| function.grows_memory) && !is_ours(function)
        });
        push(
            &mut found,
            &GROWS_MEMORY,
            "memory is grown beside the plan",
            growers,
        );
    }
    let askers = facts.names(|function| {
        let is_allocator = is_named(function, &ALLOCATORS) || is_named(function, &["sbrk"]);
        does(facts, function, |function| function.asks_memory_size)
            && !is_ours(function)
            && !is_allocator
            && !has_ours(facts, function)
    });
    push(
        &mut found,
        &ASKS_MEMORY_SIZE,
        "the size of memory is asked for",
        askers,
    );
    if facts.imports_memory || facts.memories.len() > 1 || !facts.memories.iter().all(is_plain) {
        found.push(Finding::new(
            &UNUSUAL_MEMORY,
            "memory is imported, shared, of 64 bits, of other pages, or there are two",
        ));
    }
    push(
        &mut found,
        &MISFIT,
        "segments reach past the memory or the table that they are copied into",
        facts.misfits.clone(),
    );
    if let Some(plan) = facts.plan() {
        found.extend(against(plan, facts));
    }
    found.extend(stack(facts));
    found
}

fn against(plan: &Plan, facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    let budget_end = plan.region_base().get();
    let maximum = facts.memories.first().and_then(|memory| memory.maximum);
    let maximum = maximum.map(|pages| pages.saturating_mul(PAGE_BYTES));
    if let Some(maximum) = maximum.filter(|maximum| *maximum < budget_end) {
        let what =
            format!("memory ends at {maximum} at most, and the heap's budget at {budget_end}");
        found.push(Finding::new(&MAXIMUM_MEMORY, what));
    }
    let data_end = facts.data.map_or(0, |(_, end)| end);
    let heap = budget_end.checked_sub(data_end);
    let what = format!("static data ends at {data_end}, and the region begins at {budget_end}");
    match heap {
        None => found.push(Finding::new(&DATA_IN_REGION, what)),
        Some(heap) if heap < PAGE_BYTES => found.push(Finding::new(&NO_HEAP, what)),
        Some(_) => {}
    }
    let region_end = budget_end + plan.region_max().get();
    let has_region = plan.policy() != Policy::Off;
    if has_region && region_end > HOSTS_REACH && imports(facts, Import::Get) {
        let what = format!("the region ends at {region_end}, and a host writes below 2 GiB alone");
        found.push(Finding::new(&OUT_OF_REACH, what));
    }
    found
}

/// Whether the module has this function of the metashrew interface.
fn imports(facts: &Facts, import: Import) -> bool {
    let name = (metashrew::MODULE.to_owned(), import.name().to_owned());
    facts.imports.contains(&name)
}

fn stack(facts: &Facts) -> Vec<Finding> {
    let Some(top) = facts.stack_top else {
        return Vec::new();
    };
    match facts.data {
        Some((first, end)) if u64::from(top) >= end && first > 0 => vec![Finding::new(
            &STACK_ABOVE_DATA,
            format!("static data stands at {first}, below the stack that begins at {top}"),
        )],
        _ => vec![Finding::new(
            &STACK,
            format!("the shadow stack has {top} bytes"),
        )],
    }
}

/// Whether a function does something with memory, itself or by what Rust has for it, which stands
/// in a function of its own where nothing is optimised. Silent where a module that is built on
/// steadfast has no names: it may be steadfast's.
fn does(facts: &Facts, function: &Function, what: impl Fn(&Function) -> bool) -> bool {
    if facts.has_instance_info && !facts.has_names {
        return false;
    }
    let is_rusts = |function: &Function| is_named(function, &["core_arch::wasm32::memory::"]);
    let by_rusts = |callee: &Function| what(callee) && is_rusts(callee);
    (what(function) && !is_rusts(function)) || callees(facts, function).any(by_rusts)
}

/// Whether it is a function of steadfast, or the allocator's entry into which steadfast was
/// inlined.
fn is_ours(function: &Function) -> bool {
    is_named(function, &["steadfast::", "__rust_", "__rustc::__rust"])
}

/// Whether it calls steadfast's own functions, so that what asks may be one of these, inlined.
fn has_ours(facts: &Facts, function: &Function) -> bool {
    callees(facts, function).any(is_ours)
}

/// The functions of the module that a function calls by name.
fn callees<'a>(facts: &'a Facts, function: &'a Function) -> impl Iterator<Item = &'a Function> {
    let imported = facts.imports.len();
    let numbers = function.calls.iter();
    let numbers = numbers.filter_map(move |&callee| (callee as usize).checked_sub(imported));
    numbers.filter_map(|number| facts.functions.get(number))
}

fn is_named(function: &Function, parts: &[&str]) -> bool {
    let name = function.name.as_deref();
    name.is_some_and(|name| parts.iter().any(|part| name.contains(part)))
}

fn push(found: &mut Vec<Finding>, rule: &'static Rule, what: &str, places: Vec<String>) {
    if !places.is_empty() {
        found.push(Finding::new(rule, what).at(places));
    }
}
