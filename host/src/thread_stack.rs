//! How much stack the calling thread has left. A guest's calls run on it. If it ends
//! before wasmtime's own limit is reached, the process crashes.

use std::cell::Cell;
use std::fs;

use crate::mappings::mappings;

/// What the host itself may need behind the guest's calls: for imports, and for what they call.
pub(crate) const HOST_BYTES: usize = 256 << 10;

/// Bytes between here and the end of the thread's stack, where the system tells.
pub(crate) fn left() -> Option<usize> {
    thread_local! {
        static END: Cell<Option<Option<usize>>> = const { Cell::new(None) };
    }
    let here = 0_u8;
    let here = (&raw const here).addr();
    let end = END.get().unwrap_or_else(|| {
        let end = end(here);
        END.set(Some(end));
        end
    });
    here.checked_sub(end?)
}

/// The lowest address of the stack that `here` is in.
fn end(here: usize) -> Option<usize> {
    let maps = fs::read_to_string("/proc/thread-self/maps").ok()?;
    let own = mappings(&maps).find(|mapping| (mapping.start..mapping.end).contains(&here))?;
    if !own.is_stack {
        return Some(own.start);
    }
    // The first thread's grows as it is used, up to a limit.
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max stack size"))?;
    let limit: usize = line.split_whitespace().next()?.parse().ok()?;
    own.end.checked_sub(limit)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::left;

    #[test]
    fn a_thread_has_what_it_was_given() {
        // More than any thread has that ended before, whose stack the system would give away again.
        for mib in [67, 131] {
            let thread = std::thread::Builder::new().stack_size(mib << 20);
            let left = thread.spawn(left).unwrap().join().unwrap().unwrap();
            assert!(
                (mib - 1) << 20 <= left && left <= (mib << 20) + 65536,
                "{left}"
            );
        }
    }
}
