//! Core dumps of guests that fail: their memory, globals and stack, for debuggers of WebAssembly.

use std::sync::{Arc, Mutex};

use wasmtime::{AsContextMut, WasmCoreDump};

use crate::bounds::{Bound, Bounds, Exceeded};
use crate::ceiling::PAGE_BYTES;

/// A core dump, or why there is none.
pub type CoreDump = Result<Vec<u8>, Exceeded>;

/// Takes a core dump of each guest that fails, and keeps the last one. Its clones are the same.
#[derive(Clone, Debug)]
pub struct CoreDumps {
    name: String,
    last: Arc<Mutex<Option<CoreDump>>>,
}

impl CoreDumps {
    /// Those of a module with this name, such as its path.
    #[must_use]
    pub fn of(name: &str) -> Self {
        CoreDumps {
            name: name.to_string(),
            last: Arc::default(),
        }
    }

    /// The last one, in the [format] that wasmtime writes.
    ///
    /// # Errors
    ///
    /// When the memory in use exceeded [`Bound::DumpBytes`].
    ///
    /// [format]: https://github.com/WebAssembly/tool-conventions/blob/main/Coredump.md
    #[must_use]
    pub fn take(&self) -> Option<CoreDump> {
        self.last.lock().expect(NO_PANIC).take()
    }

    /// Keeps the one that comes with an error.
    pub(crate) fn keep(&self, error: &wasmtime::Error, store: impl AsContextMut, bounds: &Bounds) {
        if let Some(dump) = error.downcast_ref::<WasmCoreDump>() {
            let memories = dump.memories().iter();
            let used = memories.map(|memory| used_bytes(memory.data(&store))).sum();
            let within = bounds.check(Bound::DumpBytes, used);
            let kept = within.map(|()| dump.serialize(store, &self.name));
            *self.last.lock().expect(NO_PANIC) = Some(kept);
        }
    }
}

/// The bytes in pages that are not all zeros.
fn used_bytes(memory: &[u8]) -> u64 {
    static ZEROS: [u8; PAGE_BYTES as usize] = [0; PAGE_BYTES as usize];
    let pages = memory.chunks(ZEROS.len());
    let used = pages.filter(|page| **page != ZEROS[..page.len()]);
    used.map(|page| page.len() as u64).sum()
}

const NO_PANIC: &str = "no holder of the dump panics";
