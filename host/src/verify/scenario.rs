//! The kinds of memory that a host may grant.

use super::engine::Subject;

const PAGE_BYTES: u64 = crate::ceiling::PAGE_BYTES;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The variable that no module reads.
pub(super) const UNREAD_VARIABLE: &str = "STEADFAST_VERIFY_UNREAD";

/// A region that holds a header and hardly an entry, in bytes.
const ONE_ENTRY_BYTES: u32 = 3072;

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every scenario on the first engine, a few on the others.
    Quick,
    /// Every scenario on every engine.
    Full,
}

/// What a host does to the instances of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What the table calls it.
    pub name: String,
    /// Bytes of memory at the most.
    pub ceiling: u64,
    /// Pages to which the host grows the memory before the start.
    pub pregrow: Option<u64>,
    /// The `memory.grow` that is refused, counted from 1.
    pub refuse_grow: Option<u64>,
    /// The limit that the host writes into the module's record.
    pub cache: Option<u32>,
    /// Bytes of a variable in the environment that the module does not read; 0 is none.
    pub environment_bytes: usize,
    /// Each block but the first begins with the cache that the one before left.
    pub warm: bool,
    /// The refusal may be that of the heap's budget: then a defined abort is as good as the same result.
    pub may_refuse_budget: bool,
    quick: bool,
}

impl Scenario {
    /// Nothing is refused, and nothing is there that need not be.
    pub fn reference() -> Self {
        Scenario {
            name: "4 GiB".into(),
            ceiling: 4 * GIB,
            pregrow: None,
            refuse_grow: None,
            cache: None,
            environment_bytes: 0,
            warm: false,
            may_refuse_budget: false,
            quick: true,
        }
    }

    fn named(name: impl Into<String>) -> Self {
        Scenario {
            name: name.into(),
            quick: false,
            ..Scenario::reference()
        }
    }

    fn quick(self) -> Self {
        Scenario {
            quick: true,
            ..self
        }
    }

    /// Whether every engine runs it even where there is little time.
    pub fn is_quick(&self) -> bool {
        self.quick
    }

    /// All scenarios for a module that grew its memory so many times when nothing was refused.
    pub(super) fn matrix(subject: &Subject, grows: u64, extent: Extent) -> Vec<Scenario> {
        let mut scenarios = vec![Scenario::reference()];
        scenarios.extend(ceilings(subject));
        scenarios.extend([
            Scenario {
                pregrow: Some(256 * MIB / PAGE_BYTES),
                ..Scenario::named("grown to 256 MiB before")
            },
            Scenario {
                pregrow: Some(4 * GIB / PAGE_BYTES),
                ..Scenario::named("grown to 4 GiB before")
            }
            .quick(),
        ]);
        if subject.uses_wasi() {
            scenarios.push(environment(1000));
            scenarios.push(environment(100_000).quick());
        }
        if subject.has_record() {
            scenarios.push(Scenario {
                warm: true,
                ..Scenario::named("warm cache")
            });
            scenarios.push(Scenario {
                cache: Some(ONE_ENTRY_BYTES),
                ..Scenario::named("cache of one entry")
            });
            scenarios.push(
                Scenario {
                    cache: Some(0),
                    ..Scenario::named("cache off")
                }
                .quick(),
            );
        }
        let refusals = match extent {
            Extent::Quick => grows.min(3),
            Extent::Full => grows.min(64),
        };
        scenarios.extend((1..=refusals).map(|n| Scenario {
            refuse_grow: Some(n),
            may_refuse_budget: subject.plan().is_some(),
            ..Scenario::named(format!("memory.grow {n} refused"))
        }));
        scenarios
    }
}

/// Ceilings under which the module has what it cannot do without.
fn ceilings(subject: &Subject) -> impl Iterator<Item = Scenario> {
    let need = subject.memory_needed();
    let least = match subject.plan() {
        Some(_) => need + MIB,
        None => need.max(64 * MIB),
    };
    let given = [GIB, 512 * MIB, 256 * MIB, 128 * MIB];
    let round = given
        .into_iter()
        .filter(move |&ceiling| ceiling > least)
        .map(|ceiling| Scenario {
            ceiling,
            ..Scenario::named(format!("{} MiB", ceiling / MIB))
        });
    let budget = subject.plan().map(|_| {
        [
            Scenario {
                ceiling: need + MIB,
                ..Scenario::named("1 MiB above the budget")
            },
            Scenario {
                ceiling: need,
                ..Scenario::named("the heap's budget alone")
            }
            .quick(),
        ]
    });
    round.chain(budget.into_iter().flatten())
}

fn environment(bytes: usize) -> Scenario {
    Scenario {
        environment_bytes: bytes,
        ..Scenario::named(format!("{bytes} B of environment"))
    }
}
