//! Core dumps of guests that fail: their memory, globals and stack, for debuggers of WebAssembly.

use std::sync::{Arc, Mutex};

use wasmtime::{AsContextMut, WasmCoreDump};

/// Takes a core dump of each guest that fails, and keeps the last one. Its clones are the same.
#[derive(Clone, Debug)]
pub struct CoreDumps {
    name: String,
    last: Arc<Mutex<Option<Vec<u8>>>>,
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
    /// [format]: https://github.com/WebAssembly/tool-conventions/blob/main/Coredump.md
    #[must_use]
    pub fn take(&self) -> Option<Vec<u8>> {
        self.last.lock().expect(NO_PANIC).take()
    }

    /// Keeps the one that comes with an error.
    pub(crate) fn keep(&self, error: &wasmtime::Error, store: impl AsContextMut) {
        if let Some(dump) = error.downcast_ref::<WasmCoreDump>() {
            let dump = dump.serialize(store, &self.name);
            *self.last.lock().expect(NO_PANIC) = Some(dump);
        }
    }
}

const NO_PANIC: &str = "no holder of the dump panics";
