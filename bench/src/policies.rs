//! Which entry to evict: hit ratios of strict LRU, of LRU with deferred promotion and of SIEVE, simulated over caches of the same bytes.

mod queue;

use anyhow::Result;

use crate::cache::{Access, Numbers, block_trace};
use crate::figures::{Figure, Figures, Value};
use queue::{Policy, Queue};

/// Bytes that an entry takes besides key and value.
const ENTRY_OVERHEAD: u64 = 27;

/// Key and value together in the made traces.
const ENTRY_BYTES: u64 = 137;

/// How many entries are in use at a time in the made traces.
const IN_USE: u32 = 200_000;

/// Lookups of each made trace.
const LOOKUPS: usize = 3_000_000;

/// One trace.
struct Trace {
    name: &'static str,
    accesses: Vec<Access>,
    /// The sizes of the caches, in bytes.
    sizes: [u64; 3],
}

/// Simulates the policies on every trace.
///
/// # Errors
/// When the block is none.
pub fn measure(figures: &mut Figures) -> Result<()> {
    for trace in [block()?, zipf(), scan()] {
        for bytes in trace.sizes {
            for (subject, policy) in [
                ("lru", Policy::Lru),
                ("deferred", Policy::Deferred),
                ("sieve", Policy::Sieve),
            ] {
                figures.push(Figure {
                    bench: "policies",
                    row: format!("{}-{}k", trace.name, bytes >> 10),
                    subject: subject.to_owned(),
                    metric: "hit_ratio",
                    value: Value::Number(hit_ratio(&trace.accesses, policy, bytes)),
                    unit: "",
                });
            }
        }
    }
    Ok(())
}

/// The share of counted lookups that hit.
fn hit_ratio(accesses: &[Access], policy: Policy, bytes: u64) -> f64 {
    let mut queue = Queue::new(policy, bytes);
    let (mut hits, mut lookups) = (0u64, 0u64);
    for access in accesses {
        let hit = queue.access(access.key, access.bytes + ENTRY_OVERHEAD);
        lookups += u64::from(access.counts);
        hits += u64::from(access.counts && hit);
    }
    hits as f64 / lookups as f64
}

/// What row `block-linked` of the cache bench does.
fn block() -> Result<Trace> {
    Ok(Trace {
        name: "block-linked",
        accesses: block_trace()?,
        sizes: [1 << 20, 2 << 20, 4 << 20],
    })
}

fn looked_up(number: u32, counts: bool) -> Access {
    Access {
        key: number.into(),
        bytes: ENTRY_BYTES,
        counts,
    }
}

/// Lookups by Zipf's law, into a quarter, a half and most of what is in use.
fn zipf() -> Trace {
    let numbers = Numbers::zipf(IN_USE).take(LOOKUPS);
    Trace {
        name: "zipf",
        accesses: numbers
            .into_iter()
            .map(|number| looked_up(number, true))
            .collect(),
        sizes: [8 << 20, 16 << 20, 24 << 20],
    }
}

/// The same while an old part of the chain is indexed again: between any two lookups that count comes one of an entry that is seen
/// once and never again.
fn scan() -> Trace {
    let numbers = Numbers::zipf(IN_USE).take(LOOKUPS);
    let once = Numbers::Sequence(IN_USE).take(LOOKUPS);
    let pairs = numbers.into_iter().zip(once);
    Trace {
        name: "re-index",
        accesses: pairs
            .flat_map(|(number, once)| [looked_up(number, true), looked_up(once, false)])
            .collect(),
        sizes: [8 << 20, 16 << 20, 24 << 20],
    }
}
