//! Why a run stopped, in one line.

use std::time::Duration;

use steadfast::format::{Exhaustion, InstanceInfo, Reservation};
use steadfast::probe::ReserveError;
use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use crate::bounds::Exceeded;
use crate::ceiling::PAGE_BYTES;
use crate::config::RunConfig;
use crate::guest::one_line;
use crate::image::ImageError;
use crate::limits::GrowRefused;
use crate::metashrew::ImportError;
use crate::state::StateError;
use crate::text;
use crate::wasi::exit_status;

/// Frames of the guest's stack that a message shows.
const FRAMES: usize = 6;

/// Why a block or a view failed. The state is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The host refused the heap's budget.
    #[error(
        "the host refused the heap's budget: the module needs {need} bytes of memory and has {have}, under a ceiling of {ceiling}; let it grow to at least {need}"
    )]
    BudgetRefused {
        /// Bytes of memory that the module needs.
        need: u64,
        /// Bytes that it has.
        have: u64,
        /// Bytes that the host allows.
        ceiling: u64,
    },
    /// The module's static data leave no room for its heap.
    #[error(
        "the module's static data end at {end}, and leave no room for the heap below the region; build it with a higher STEADFAST_REGION_BASE"
    )]
    StaticDataTooLarge {
        /// The address at which static data end.
        end: u32,
    },
    /// Somebody else grew the memory while the guest did.
    #[error(
        "memory grew to {found} bytes behind the guest's back during its reservation, where {expected} were expected"
    )]
    ForeignGrowth {
        /// Bytes that the guest expected.
        expected: u64,
        /// Bytes that it found.
        found: u64,
    },
    /// Pages that memory had before the guest's first allocation are in use by somebody else.
    #[error(transparent)]
    ForeignPages(ReserveError),
    /// The heap could not serve a request that the guest cannot do without.
    #[error("{exhaustion}{stack}")]
    HeapExhausted {
        /// The request, and the state of the heap.
        exhaustion: Exhaustion,
        /// Where the guest stopped.
        stack: Stack,
    },
    /// The guest's calls were nested deeper than the engine's stack allows.
    #[error(
        "the guest's calls are nested too deep: the stack that the host gives them is exhausted{0}"
    )]
    StackExhausted(Stack),
    /// The guest trapped.
    #[error("the guest trapped: {reason}{said}{stack}")]
    Trap {
        /// Wasmtime's reason.
        reason: String,
        /// What it printed last.
        said: Said,
        /// Where the guest stopped.
        stack: Stack,
    },
    /// The guest took longer than the host gives it.
    #[error("the guest was stopped after {} s: it may take no longer{stack}", limit.as_secs_f64())]
    TimedOut {
        /// The time that it had.
        limit: Duration,
        /// Where the guest was stopped.
        stack: Stack,
    },
    /// The guest ran more instructions than the host gives it.
    #[error("the guest was stopped after {fuel} instructions: it may run no more{stack}")]
    OutOfFuel {
        /// The instructions that it had.
        fuel: u64,
        /// Where the guest was stopped.
        stack: Stack,
    },
    /// The guest took more of the host than that grants.
    #[error(transparent)]
    Bound(#[from] Exceeded),
    /// The thread has too little stack for a guest's calls.
    #[error(
        "the calling thread has {have} bytes of stack left, and a guest's calls need {need}: call from a thread with more"
    )]
    ThreadStack {
        /// Bytes that are left.
        have: usize,
        /// Bytes that are needed.
        need: usize,
    },
    /// The guest ended with a status other than 0.
    #[error("the guest exited with status {status}{said}")]
    Exit {
        /// The status.
        status: i32,
        /// What it printed last.
        said: Said,
    },
    /// The guest ended without handing over what it wrote.
    #[error("the guest returned without calling __flush")]
    NoFlush,
    /// The guest used an import wrongly, or the state could not be read.
    #[error(transparent)]
    Import(ImportError),
    /// A growth was refused, with a host that traps on it.
    #[error(transparent)]
    GrowRefused(GrowRefused),
    /// The state could not be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The instance could not be made.
    #[error("the module cannot be instantiated: {0}")]
    Instantiate(String),
    /// The host could not grow the memory as far as it was told to.
    #[error("cannot grow memory to {pages} pages before the start, with a ceiling of {ceiling} bytes: raise the ceiling to {need}, or pre-grow less", need = pages * PAGE_BYTES)]
    Pregrow {
        /// Pages in all.
        pages: u64,
        /// Bytes that the instance may have.
        ceiling: u64,
    },
    /// An image to be mapped does not fit in the memory that the instance may have.
    #[error(
        "the image needs {need} bytes of memory, and the ceiling is {ceiling}: raise the ceiling to at least {need}, unless the module itself declares a lower maximum"
    )]
    ImageTooLarge {
        /// Bytes of memory that the image needs.
        need: u64,
        /// Bytes that the instance may have.
        ceiling: u64,
    },
    /// An image to be mapped is not this module's, or not for its region.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// An image could not be mapped.
    #[error("cannot map the image: {0}")]
    Map(std::io::Error),
    /// The cache was to be limited or to lose entries, and the module has no instance info to write
    /// that in.
    #[error("the module exports no `{export}`, so its cache cannot be told anything: build it on steadfast", export = InstanceInfo::EXPORT)]
    NoInstanceInfo,
    /// The module has no such view.
    #[error("the module exports no function `{name}` without parameters that returns a pointer; it has {}", listed(.views))]
    NoView {
        /// The name that was asked for.
        name: String,
        /// The names that such functions have.
        views: Vec<String>,
    },
    /// A view returned a pointer to no byte string.
    #[error("the view returned pointer {0:#x}, where no readable byte string stands")]
    BadView(u32),
}

impl RunError {
    /// Says as well what the guest printed last, where that may be the reason.
    pub(crate) fn with_words(mut self, words: impl FnOnce() -> String) -> Self {
        if let RunError::Trap { said, .. } | RunError::Exit { said, .. } = &mut self {
            *said = Said(words());
        }
        self
    }

    /// Whether the guest's calls were nested deeper than the engine's stack allows.
    #[must_use]
    pub fn is_stack_exhausted(&self) -> bool {
        matches!(self, RunError::StackExhausted(_))
    }
}

fn listed(views: &[String]) -> String {
    match views {
        [] => "none".into(),
        _ => views.join(", "),
    }
}

/// The innermost frames of a guest's stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack(pub Vec<String>);

impl std::fmt::Display for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, frame) in self.0.iter().enumerate() {
            let before = if index == 0 { "; in " } else { " < " };
            write!(f, "{before}{frame}")?;
        }
        Ok(())
    }
}

/// What a guest printed last, on one line; empty where it printed nothing, or where all of it is
/// shown anyway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(pub String);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_str() {
            "" => Ok(()),
            words => write!(f, "; it printed: {words}"),
        }
    }
}

/// What the host itself knows of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// Bytes of memory that the guest may have.
    pub ceiling: u64,
    /// Bytes that it has.
    pub memory: u64,
    /// Its `memory.grow` that were refused.
    pub refused: u64,
    /// The time that it had.
    pub timeout: Option<Duration>,
    /// The fuel that it had.
    pub fuel: u64,
}

impl Known {
    /// Of a guest that has done nothing yet.
    pub fn at_start(config: &RunConfig) -> Self {
        Known {
            ceiling: config.ceiling,
            memory: 0,
            refused: 0,
            timeout: config.timeout,
            fuel: config.fuel_limit.unwrap_or(u64::MAX),
        }
    }
}

/// Tells why a call of the guest failed. `info` is what stands in the guest's memory afterwards.
pub(crate) fn explain(
    error: wasmtime::Error,
    info: Option<&InstanceInfo>,
    known: &Known,
) -> RunError {
    let error = match error.downcast::<ImportError>() {
        Ok(import) => return RunError::Import(import),
        Err(error) => error,
    };
    if let Some(refused) = error.downcast_ref::<GrowRefused>() {
        return RunError::GrowRefused(*refused);
    }
    if let Some(status) = exit_status(&error) {
        let said = Said::default();
        return RunError::Exit { status, said };
    }
    let frames = frames(&error);
    let stack = stack(&frames);
    let trap = error.downcast_ref::<Trap>();
    match trap {
        Some(Trap::Interrupt) => {
            let limit = known.timeout.unwrap_or_default();
            return RunError::TimedOut { limit, stack };
        }
        Some(Trap::OutOfFuel) => {
            let fuel = known.fuel;
            return RunError::OutOfFuel { fuel, stack };
        }
        _ => {}
    }
    let mut lie = "";
    match info.and_then(|info| reservation_failure(info, known)) {
        Some(Ok(failure)) => return failure,
        Some(Err(Lie)) => lie = "; what its instance info says of the host is not so",
        None if trap == Some(&Trap::UnreachableCodeReached) => {
            if let Some(exhaustion) = info.and_then(InstanceInfo::exhaustion) {
                if is_other_panic(&frames) {
                    return trapped(format!("a panic; before it, {exhaustion}"), stack);
                }
                return RunError::HeapExhausted { exhaustion, stack };
            }
        }
        None => {}
    }
    if trap == Some(&Trap::StackOverflow) && lie.is_empty() {
        return RunError::StackExhausted(stack);
    }
    let reason = match trap {
        Some(trap) => {
            let text = trap.to_string();
            text.strip_prefix("wasm trap: ")
                .unwrap_or(&text)
                .to_string()
        }
        None => one_line(&error),
    };
    trapped(reason + lie, stack)
}

/// What it printed is added by whoever knows it.
fn trapped(reason: String, stack: Stack) -> RunError {
    RunError::Trap {
        reason,
        said: Said::default(),
        stack,
    }
}

/// The instance info says something of the host that is not so.
struct Lie;

/// A guest that has not got its budget does nothing but stop. What its instance info says of the
/// host is believed only where the host knows it too.
fn reservation_failure(info: &InstanceInfo, known: &Known) -> Option<Result<RunError, Lie>> {
    let bytes = |pages: u32| u64::from(pages) * PAGE_BYTES;
    let have = bytes(info.refused_have_pages);
    let need = bytes(info.refused_need);
    let believed =
        |is_so: bool, failure: RunError| Some(if is_so { Ok(failure) } else { Err(Lie) });
    match Reservation::from_code(info.state)? {
        Reservation::Undecided | Reservation::Reserved => None,
        Reservation::BudgetRefused => believed(
            known.refused > 0 && have <= known.memory && need > known.memory,
            RunError::BudgetRefused {
                need,
                have,
                ceiling: known.ceiling,
            },
        ),
        Reservation::StaticDataTooLarge => believed(
            u64::from(info.refused_need) <= known.memory,
            RunError::StaticDataTooLarge {
                end: info.refused_need,
            },
        ),
        Reservation::ForeignGrowth => believed(
            need <= known.memory && need != have,
            RunError::ForeignGrowth {
                expected: have,
                found: need,
            },
        ),
        Reservation::ForeignPages => believed(
            u64::from(info.refused_need) < known.memory,
            RunError::ForeignPages(ReserveError::Occupied {
                at: info.refused_need,
            }),
        ),
    }
}

/// Whether the guest stopped in a panic that no refused request led to by itself. Where a module
/// has no names, nobody can tell.
fn is_other_panic(frames: &[String]) -> bool {
    let any = |words: &[&str]| {
        let mut words = words.iter();
        words.any(|word| frames.iter().any(|frame| frame.contains(word)))
    };
    any(&["panicking", "rust_panic"]) && !any(&["alloc_error", "rust_oom", "handle_error"])
}

fn frames(error: &wasmtime::Error) -> Vec<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let frames = backtrace.map_or(&[][..], |backtrace| backtrace.frames());
    frames.iter().map(frame_name).collect()
}

fn stack(frames: &[String]) -> Stack {
    let own: Vec<&String> = frames.iter().filter(|name| !is_machinery(name)).collect();
    let shown = match own.is_empty() {
        true => frames.iter().collect(),
        false => own,
    };
    Stack(shown.into_iter().take(FRAMES).cloned().collect())
}

fn frame_name(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => text::function_name(name),
        None => format!("function {}", frame.func_index()),
    }
}

/// Rust's own way from a panic to the trap, which says nothing about the guest.
fn is_machinery(name: &str) -> bool {
    const PREFIXES: [&str; 4] = ["std::", "core::", "alloc::", "__rustc"];
    name == "abort" || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_shown_from_within() {
        assert_eq!(Stack::default().to_string(), "");
        let stack = Stack(vec!["inner".into(), "outer".into()]);
        assert_eq!(stack.to_string(), "; in inner < outer");
    }

    #[test]
    fn a_guests_own_functions_are_told_from_rusts() {
        assert!(is_machinery("core::panicking::panic_fmt"));
        assert!(is_machinery("__rustc::rust_panic"));
        assert!(!is_machinery("indexer::apply"));
        assert!(!is_machinery(
            "steadfast::reserve::the_host_refused_the_heap_budget"
        ));
    }
}
