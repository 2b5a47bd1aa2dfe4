//! What is seen of one block, and how two sights of it differ.

use std::fmt;

use steadfast::format::{InstanceInfo, Reservation};

use crate::image::RegionImage;
use crate::instance_stats::HeapTrace;
use crate::metashrew::Call;
use crate::output::Printed;
use crate::state::Pair;
use crate::table::counted;
use crate::trap::RunError;

/// Functions of WASI that may take or hand out less than they are asked to, as the host likes; they
/// are called again for the rest.
const PIECEWISE: [&str; 4] = ["fd_pread", "fd_pwrite", "fd_read", "fd_write"];

const STDOUT: &str = "standard output";
const STDERR: &str = "standard error";

/// How a block ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned, and handed over what it wrote.
    Finished,
    /// It stopped, and this is why.
    Stopped(String),
    /// It stopped because its calls were nested deeper than the engine's stack allows.
    StackExhausted(String),
    /// It stopped because its heap's budget was refused, as the crate defines.
    BudgetRefused(String),
}

impl Ended {
    /// Why it stopped, if it did.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Ended::Finished => None,
            Ended::Stopped(reason)
            | Ended::StackExhausted(reason)
            | Ended::BudgetRefused(reason) => Some(reason),
        }
    }
}

/// Why a module stopped, as an engine tells it.
pub(super) struct Stop {
    pub reason: String,
    /// Its calls were nested too deep.
    pub is_stack: bool,
}

/// What kind of difference it is. In this order they matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The state after a block is another one.
    State,
    /// The state is the same, and was written in another order, or with repeats.
    Order,
    /// The heap runs out at another place.
    Exhaustion,
    /// The stack runs out on one host and not on another.
    Stack,
    /// The module stops on one host, for another reason, and not on another.
    Stop,
    /// Other lines are printed.
    Output,
    /// Other imports are called.
    Calls,
    /// The heap gives out other addresses, and nothing that is stored depends on them.
    Addresses,
}

/// A request that the heap could not serve, as the instance info keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhaustion {
    /// How many there were.
    pub count: u32,
    /// Bytes that the last one asked for.
    pub request: u32,
    /// Bytes in use then.
    pub live: u32,
}

impl Exhaustion {
    fn of(info: &InstanceInfo) -> Option<Self> {
        (info.exhausted_count > 0).then_some(Exhaustion {
            count: info.exhausted_count,
            request: info.exhausted_request,
            live: info.exhausted_live,
        })
    }
}

/// What is seen of one block.
#[derive(Clone, Debug)]
pub struct Observation {
    /// How it ended.
    pub ended: Ended,
    /// What it wrote, in order.
    pub writes: Vec<Pair>,
    /// The imports that it called: reads of the state, log lines and the environment apart, and
    /// reading or writing in pieces as one call.
    pub calls: Vec<Call>,
    /// What it printed through WASI.
    pub printed: Printed,
    /// The digest of all allocations, of modules that keep one.
    pub heap_trace: Option<HeapTrace>,
    /// What the heap could not serve.
    pub exhaustion: Option<Exhaustion>,
    /// Calls of `memory.grow`, where the engine counts them. Not compared: they follow from what
    /// the host grants.
    pub grows_asked: Option<u64>,
    /// The cache that it left, where the next block is to have it. Not compared.
    pub image: Option<RegionImage>,
    /// The format version of its region, where it is none that this host reads and wasmtime ran it.
    /// Not compared: it is the module's.
    pub other_format: Option<u32>,
    /// Bytes of the cache's region. Not compared: they follow from what the host grants.
    pub capacity_bytes: Option<u32>,
    /// The end of the heap's budget, of modules that have reserved it. Not compared: it is the
    /// plan's.
    pub budget_end: Option<u32>,
}

/// The first thing in which a run differs from the one that was refused nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// One finished and the other did not.
    Ended {
        /// How this one ended.
        here: String,
        /// Whether it was memory that ran out, the stack, or something else.
        kind: Kind,
    },
    /// A pair that was written is another one.
    Write {
        /// Its place among the block's writes, from 0.
        index: usize,
        /// What the reference wrote there.
        expected: Option<Pair>,
        /// What this one wrote.
        here: Option<Pair>,
    },
    /// A line that was printed is another one.
    Line {
        /// `standard output`, or `standard error`.
        stream: &'static str,
        /// Its number, from 1.
        number: usize,
        /// The reference's.
        expected: Option<Vec<u8>>,
        /// This one's.
        here: Option<Vec<u8>>,
    },
    /// An import that was called is another one.
    Call {
        /// Its place among the block's calls, from 0.
        index: usize,
        /// What the reference called there.
        expected: Option<Call>,
        /// What this one called.
        here: Option<Call>,
    },
    /// The heap gave out other addresses.
    Heap {
        /// The reference's allocations.
        expected: Option<HeapTrace>,
        /// This one's.
        here: Option<HeapTrace>,
    },
    /// The heap ran out at another request.
    Exhaustion {
        /// The reference's.
        expected: Option<Exhaustion>,
        /// This one's.
        here: Option<Exhaustion>,
    },
}

impl Observation {
    /// What is seen of a block that stopped for a reason or ended by itself, wrote something or
    /// handed over nothing, and left this instance info.
    pub(super) fn new(
        stopped: Option<Stop>,
        written: Option<Vec<Pair>>,
        mut calls: Vec<Call>,
        info: Option<&InstanceInfo>,
    ) -> Self {
        calls.dedup_by(|call, before| call == before && PIECEWISE.contains(&call.name));
        let state = info.and_then(|info| Reservation::from_code(info.state));
        let (ended, writes) = match (stopped, written) {
            (Some(stop), _) if state == Some(Reservation::BudgetRefused) => {
                (Ended::BudgetRefused(stop.reason), None)
            }
            (Some(stop), _) if stop.is_stack => (Ended::StackExhausted(stop.reason), None),
            (Some(stop), _) => (Ended::Stopped(stop.reason), None),
            (None, None) => (Ended::Stopped(RunError::NoFlush.to_string()), None),
            (None, written) => (Ended::Finished, written),
        };
        Observation {
            ended,
            writes: writes.unwrap_or_default(),
            calls,
            printed: Printed::default(),
            image: None,
            other_format: None,
            heap_trace: info.and_then(HeapTrace::of),
            exhaustion: info.and_then(Exhaustion::of),
            grows_asked: None,
            capacity_bytes: info.map(|info| info.region_len),
            budget_end: info
                .filter(|_| state == Some(Reservation::Reserved))
                .map(|info| info.region_start),
        }
    }

    /// The same without what the heap did: of an instance that has indexed other blocks before,
    /// that has added up.
    pub(super) fn without_heap(self) -> Self {
        Observation {
            heap_trace: None,
            exhaustion: None,
            ..self
        }
    }

    /// How `here` differs from this one, if it does: in what matters most first.
    #[must_use]
    pub fn difference(&self, here: &Observation) -> Option<Difference> {
        if let Some(kind) = self.ended_otherwise(here) {
            let here = here.ended.reason().unwrap_or("it finished").into();
            return Some(Difference::Ended { here, kind });
        }
        if let Some(index) = first_unequal(&self.writes, &here.writes) {
            return Some(Difference::Write {
                index,
                expected: self.writes.get(index).cloned(),
                here: here.writes.get(index).cloned(),
            });
        }
        for (stream, expected, here) in [
            (STDOUT, &self.printed.stdout, &here.printed.stdout),
            (STDERR, &self.printed.stderr, &here.printed.stderr),
        ] {
            let [expected, here] =
                [expected, here].map(|text| text.split(|byte| *byte == b'\n').collect::<Vec<_>>());
            if let Some(index) = first_unequal(&expected, &here) {
                return Some(Difference::Line {
                    stream,
                    number: index + 1,
                    expected: expected.get(index).map(|line| line.to_vec()),
                    here: here.get(index).map(|line| line.to_vec()),
                });
            }
        }
        if let Some(index) = first_unequal(&self.calls, &here.calls) {
            return Some(Difference::Call {
                index,
                expected: self.calls.get(index).copied(),
                here: here.calls.get(index).copied(),
            });
        }
        if self.exhaustion != here.exhaustion {
            return Some(Difference::Exhaustion {
                expected: self.exhaustion,
                here: here.exhaustion,
            });
        }
        (self.heap_trace != here.heap_trace).then_some(Difference::Heap {
            expected: self.heap_trace,
            here: here.heap_trace,
        })
    }
}

impl Observation {
    /// Whether one finished and the other did not, and what ran out.
    fn ended_otherwise(&self, here: &Observation) -> Option<Kind> {
        let (expected, here_ended) = (&self.ended, &here.ended);
        if (*expected == Ended::Finished) == (*here_ended == Ended::Finished) {
            return None;
        }
        let by_stack = |ended: &Ended| matches!(ended, Ended::StackExhausted(_));
        let by_budget = |ended: &Ended| matches!(ended, Ended::BudgetRefused(_));
        Some(if by_stack(expected) || by_stack(here_ended) {
            Kind::Stack
        } else if self.exhaustion != here.exhaustion || by_budget(expected) || by_budget(here_ended)
        {
            Kind::Exhaustion
        } else {
            Kind::Stop
        })
    }
}

impl Difference {
    /// What kind of difference it is. A pair that was written is taken for another state.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Difference::Ended { kind, .. } => *kind,
            Difference::Write { .. } => Kind::State,
            Difference::Line { .. } => Kind::Output,
            Difference::Call { .. } => Kind::Calls,
            Difference::Heap { .. } => Kind::Addresses,
            Difference::Exhaustion { .. } => Kind::Exhaustion,
        }
    }
}

fn first_unequal<T: PartialEq>(left: &[T], right: &[T]) -> Option<usize> {
    let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    (common < left.len().max(right.len())).then_some(common)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Ended { here, .. } => write!(f, "the reference finished; here: {here}"),
            Difference::Write {
                index,
                expected,
                here,
            } => write!(
                f,
                "write {index} is {}, and {} in the reference",
                shown_pair(here.as_ref()),
                shown_pair(expected.as_ref())
            ),
            Difference::Line {
                stream,
                number,
                expected,
                here,
            } => write!(
                f,
                "line {number} of {stream} is {}, and {} in the reference",
                shown_line(here.as_deref(), expected.as_deref()),
                shown_line(expected.as_deref(), here.as_deref())
            ),
            Difference::Call {
                index,
                expected,
                here,
            } => write!(
                f,
                "import call {index} is {}, and {} in the reference",
                shown_call(*here),
                shown_call(*expected)
            ),
            Difference::Heap { expected, here } => write!(
                f,
                "the heap gave out other addresses: {}, and {} in the reference",
                shown_trace(*here),
                shown_trace(*expected)
            ),
            Difference::Exhaustion { expected, here } => write!(
                f,
                "{}; in the reference {}",
                shown_exhaustion(*here),
                shown_exhaustion(*expected)
            ),
        }
    }
}

fn shown_pair(pair: Option<&Pair>) -> String {
    pair.map_or("missing".into(), |(key, value)| {
        format!("{} = {}", shown_bytes(key), shown_bytes(value))
    })
}

/// Text as text, else hexadecimal; the first of many bytes.
fn shown_bytes(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let text = std::str::from_utf8(bytes).ok();
    match text.filter(|text| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())) {
        Some(text) if text.len() <= 2 * SHOWN => format!("`{text}`"),
        _ => {
            let hex: String = bytes
                .iter()
                .take(SHOWN)
                .map(|b| format!("{b:02x}"))
                .collect();
            let more = if bytes.len() > SHOWN { "..." } else { "" };
            format!("0x{hex}{more} ({} B)", bytes.len())
        }
    }
}

/// A line, or of a long one what stands around the first byte in which it differs from another.
fn shown_line(line: Option<&[u8]>, other: Option<&[u8]>) -> String {
    const BEFORE: usize = 24;
    const SHOWN: usize = 64;
    let Some(line) = line else {
        return "missing".into();
    };
    let differs = first_unequal(line, other.unwrap_or_default()).unwrap_or(0);
    let start = match line.len() > SHOWN {
        true => differs.saturating_sub(BEFORE),
        false => 0,
    };
    let end = line.len().min(start + SHOWN);
    let [before, after] = [start > 0, end < line.len()].map(|cut| if cut { "..." } else { "" });
    let text = String::from_utf8_lossy(&line[start..end]);
    format!("`{before}{}{after}`", text.escape_debug())
}

fn shown_call(call: Option<Call>) -> String {
    call.map_or("missing".into(), |call| match call.bytes {
        Some(bytes) => format!("{} with {bytes} B", call.name),
        None => call.name.into(),
    })
}

fn shown_trace(trace: Option<HeapTrace>) -> String {
    trace.map_or("none".into(), |trace| {
        format!(
            "{} with digest {:016x}",
            counted(trace.count, "allocation", "allocations"),
            trace.digest
        )
    })
}

fn shown_exhaustion(exhaustion: Option<Exhaustion>) -> String {
    exhaustion.map_or("the heap served every request".into(), |exhaustion| {
        format!(
            "the heap refused {}, the last of {} B with {} B live",
            counted(exhaustion.count.into(), "request", "requests"),
            exhaustion.request,
            exhaustion.live
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished() -> Observation {
        Observation {
            ended: Ended::Finished,
            writes: vec![(b"key".to_vec(), vec![1])],
            calls: vec![Call {
                name: "__flush",
                bytes: Some(8),
            }],
            printed: Printed {
                stdout: b"one\ntwo\n".to_vec(),
                stderr: Vec::new(),
            },
            heap_trace: Some(HeapTrace {
                count: 3,
                digest: 0xabc,
            }),
            exhaustion: None,
            grows_asked: Some(2),
            image: None,
            other_format: None,
            capacity_bytes: Some(1 << 30),
            budget_end: Some(1 << 27),
        }
    }

    #[test]
    fn what_the_host_grants_is_no_difference() {
        let here = Observation {
            grows_asked: Some(12),
            capacity_bytes: None,
            ..finished()
        };
        assert_eq!(finished().difference(&here), None);
    }

    #[test]
    fn a_long_line_is_shown_where_it_differs() {
        let line = |byte: u8| [&[b'.'; 100][..], &[byte], &[b','; 100]].concat();
        let shown = shown_line(Some(&line(b'!')), Some(&line(b'\r')));
        assert_eq!(
            shown,
            format!("`...{}!{}...`", ".".repeat(24), ",".repeat(39))
        );
        let shown = shown_line(Some(&line(b'\r')), Some(&line(b'!')));
        assert!(shown.contains(".\\r,"), "{shown}");
    }

    #[test]
    fn pieces_count_as_one_call_and_other_repetitions_do_not() {
        let call = |name| Call { name, bytes: None };
        let calls = ["fd_read", "fd_read", "random_get", "random_get", "fd_read"];
        let seen = Observation::new(None, None, calls.map(call).to_vec(), None);
        let names: Vec<_> = seen.calls.iter().map(|call| call.name).collect();
        assert_eq!(names, ["fd_read", "random_get", "random_get", "fd_read"]);
    }

    #[test]
    fn each_difference_is_named() {
        type Change = fn(&mut Observation);
        let changes: [(Change, &str, Kind); 13] = [
            (
                |here| here.ended = Ended::Stopped("trap".into()),
                "here: trap",
                Kind::Stop,
            ),
            (
                |here| here.ended = Ended::StackExhausted("too deep".into()),
                "here: too deep",
                Kind::Stack,
            ),
            (
                |here| here.ended = Ended::BudgetRefused("no budget".into()),
                "here: no budget",
                Kind::Exhaustion,
            ),
            (
                |here| {
                    here.ended = Ended::Stopped("trap".into());
                    here.exhaustion = Some(Exhaustion {
                        count: 1,
                        request: 64,
                        live: 9,
                    });
                },
                "here: trap",
                Kind::Exhaustion,
            ),
            (
                |here| here.writes[0].1 = vec![2],
                "write 0 is `key` = 0x02 (1 B), and `key` = 0x01",
                Kind::State,
            ),
            (
                |here| here.writes.clear(),
                "write 0 is missing",
                Kind::State,
            ),
            (
                |here| here.calls.push(here.calls[0]),
                "import call 1 is __flush with 8 B, and missing",
                Kind::Calls,
            ),
            (
                |here| {
                    here.calls[0] = Call {
                        name: "sched_yield",
                        bytes: None,
                    };
                },
                "import call 0 is sched_yield, and __flush with 8 B",
                Kind::Calls,
            ),
            (
                |here| here.printed.stdout[4] = b'T',
                "line 2 of standard output is `Two`, and `two` in the reference",
                Kind::Output,
            ),
            (
                |here| here.printed.stdout.truncate(4),
                "line 2 of standard output is ``, and `two`",
                Kind::Output,
            ),
            (
                |here| here.printed.stderr = [&[b'.'; 100][..], b"!\r\xff", &[b'.'; 100]].concat(),
                "line 1 of standard error is `...................................................................`, and ``",
                Kind::Output,
            ),
            (
                |here| here.heap_trace.as_mut().unwrap().digest = 1,
                "digest 0000000000000001, and",
                Kind::Addresses,
            ),
            (
                |here| {
                    here.exhaustion = Some(Exhaustion {
                        count: 1,
                        request: 64,
                        live: 9,
                    });
                },
                "refused 1 request, the last of 64 B with 9 B live",
                Kind::Exhaustion,
            ),
        ];
        for (change, words, kind) in changes {
            let mut here = finished();
            change(&mut here);
            let difference = finished().difference(&here).expect(words);
            assert_eq!(difference.kind(), kind, "{difference}");
            let shown = difference.to_string();
            assert!(shown.contains(words), "{shown}");
        }
    }
}
