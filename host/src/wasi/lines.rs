//! What a WASI module prints, for the host's standard error: line by line, and without anything that
//! steers a terminal.

use std::io::{Write as _, stderr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::bounds::{Bound, Bounds};
use crate::metashrew::LogLines;

/// Bytes that are taken at once.
const PIECE_BYTES: usize = 64 << 10;

/// A stream that shows lines.
#[derive(Clone)]
pub(super) struct Lines(Arc<Mutex<LogLines>>);

impl Lines {
    pub fn new(bounds: &Bounds) -> Self {
        // Where nobody reads them any more, the block goes on.
        let mut lines = LogLines::new(Box::new(|line| drop(writeln!(stderr(), "{line}"))));
        lines.limit(bounds.most(Bound::OutputBytes));
        Lines(Arc::new(Mutex::new(lines)))
    }

    /// Shows the line that has begun.
    pub fn end(&self) {
        self.0.lock().expect("no holder of the lines panics").end();
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Preview 1 uses the other one alone.
        MemoryOutputPipe::new(0).async_stream()
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut lines = self.0.lock().expect("no holder of the lines panics");
        lines.take(&String::from_utf8_lossy(&bytes));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PIECE_BYTES)
    }
}

#[async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}
