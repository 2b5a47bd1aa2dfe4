//! What one indexer sees of the world, and what its calls of WASI do to that.

use std::sync::Arc;
use std::time::Instant;

use super::files::{File, Files, entries};
use super::memory::Memory;
use super::output::Stream;
use super::poll::{Clock, MONOTONIC, REALTIME};
use super::stop::{Errno, Failure, Stop};
use crate::bounds::Bounds;
use crate::output::{Output, Printed};

/// Bytes that one call prints; a module that has more calls again.
const PIECE_BYTES: u64 = 64 << 10;

/// Random bytes that are made between two looks at the clock.
const RANDOM_BYTES: usize = 1 << 20;

/// The world of an indexer: its input, its output, the environment that it is told of, this
/// machine's clocks and random numbers, and nothing else.
pub(crate) struct World {
    input: Arc<[u8]>,
    /// `NAME=VALUE`, each with the zero that ends it in C.
    env: Vec<Vec<u8>>,
    /// Standard output and standard error.
    streams: [Stream; 2],
    pub(super) files: Files,
    pub(super) clock: Clock,
}

impl World {
    pub(crate) fn new(
        input: Arc<[u8]>,
        env: &[(String, String)],
        output: Output,
        bounds: &Bounds,
    ) -> Self {
        let variable = |(name, value): &(String, String)| format!("{name}={value}\0").into_bytes();
        World {
            input,
            env: env.iter().map(variable).collect(),
            streams: [(); 2].map(|()| Stream::new(output, bounds)),
            files: Files::new(),
            clock: Clock::start(),
        }
    }

    /// Waits no longer than until then.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.clock.deadline = deadline;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.clock.is_over()
    }

    /// The guest has returned, or stopped: shows the lines that have begun.
    pub(crate) fn end_lines(&mut self) {
        self.streams.iter_mut().for_each(Stream::end);
    }

    /// What was printed so far, as far as it is captured.
    pub(crate) fn printed(&self) -> Printed {
        let [stdout, stderr] = &self.streams;
        Printed {
            stdout: stdout.captured().to_vec(),
            stderr: stderr.captured().to_vec(),
        }
    }

    pub(super) fn input_bytes(&self) -> u64 {
        self.input.len() as u64
    }

    pub(super) fn put_env_sizes(
        &self,
        memory: &mut Memory<'_>,
        count: u64,
        bytes: u64,
    ) -> Result<(), Errno> {
        memory.put_u32(count, self.env.len())?;
        memory.put_u32(bytes, self.env.iter().map(Vec::len).sum())
    }

    pub(super) fn put_env(
        &self,
        memory: &mut Memory<'_>,
        mut list: u64,
        mut at: u64,
    ) -> Result<(), Errno> {
        for variable in &self.env {
            memory.put_u32(list, at as usize)?;
            memory.put(at, variable)?;
            list += 4;
            at += variable.len() as u64;
        }
        Ok(())
    }

    /// Reads into the first buffer of a list. Answers how much that was.
    pub(super) fn read(
        &mut self,
        memory: &mut Memory<'_>,
        number: u64,
        buffer: (u64, u64),
    ) -> Result<usize, Errno> {
        match self.files.get(number)? {
            File::Stdin => Ok(0),
            File::Output(_) | File::Directory { .. } => Err(Errno::BADF),
            File::Input { at } => {
                let read = memory.fill(buffer, behind(&self.input, *at))?;
                *at += read as u64;
                Ok(read)
            }
        }
    }

    /// The same from a place, which does not move.
    pub(super) fn read_at(
        &mut self,
        memory: &mut Memory<'_>,
        number: u64,
        buffer: (u64, u64),
        at: u64,
    ) -> Result<usize, Errno> {
        match self.files.get(number)? {
            File::Input { .. } => memory.fill(buffer, behind(&self.input, at)),
            File::Stdin => Err(Errno::SPIPE),
            File::Output(_) | File::Directory { .. } => Err(Errno::BADF),
        }
    }

    /// Prints the first buffer of a list, or its beginning. Answers how much that was.
    pub(super) fn write(
        &mut self,
        memory: &Memory<'_>,
        number: u64,
        (at, length): (u64, u64),
    ) -> Result<usize, Errno> {
        let File::Output(stream) = *self.files.get(number)? else {
            return self.write_at(memory, number, (at, length));
        };
        let piece = memory.get(at, length.min(PIECE_BYTES))?;
        self.streams[stream].take(piece);
        Ok(piece.len())
    }

    /// Refuses to write at a place: only streams are written, and they have none.
    pub(super) fn write_at(
        &mut self,
        memory: &Memory<'_>,
        number: u64,
        (at, length): (u64, u64),
    ) -> Result<usize, Errno> {
        match self.files.get(number)? {
            File::Output(_) => return Err(Errno::SPIPE),
            File::Input { .. } => drop(memory.get(at, length)?),
            File::Stdin | File::Directory { .. } => {}
        }
        Err(Errno::BADF)
    }

    /// Moves the place in an open input; answers it.
    pub(super) fn seek(&mut self, number: u64, offset: i64, from: u64) -> Result<u64, Errno> {
        let end = self.input_bytes();
        match self.files.get(number)? {
            File::Input { at } => {
                let base = match from {
                    0 => 0,
                    1 => *at,
                    2 => end,
                    _ => return Err(Errno::INVAL),
                };
                *at = base.checked_add_signed(offset).ok_or(Errno::INVAL)?;
                Ok(*at)
            }
            File::Directory { .. } => Err(Errno::BADF),
            File::Stdin | File::Output(_) => Err(Errno::SPIPE),
        }
    }

    /// Lists a directory from an entry on, as far as there is room. Answers how much that was.
    pub(super) fn list(
        &mut self,
        memory: &mut Memory<'_>,
        number: u64,
        buffer: (u64, u64),
        from: u64,
    ) -> Result<usize, Errno> {
        self.files.check_directory(number)?;
        match &*entries(from) {
            [] => Ok(0),
            entries => memory.fill(buffer, entries),
        }
    }

    /// The time in nanoseconds.
    pub(super) fn time(&self, clock: u64) -> Result<u64, Errno> {
        if ![REALTIME, MONOTONIC].contains(&clock) {
            return Err(Errno::BADF);
        }
        let nanoseconds = self.clock.now(clock).as_nanos();
        Ok(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// Fills memory with random bytes, as long as the run may take.
    pub(super) fn random(&self, bytes: &mut [u8]) -> Result<(), Failure> {
        for piece in bytes.chunks_mut(RANDOM_BYTES) {
            if self.is_over() {
                return Err(Stop::TimedOut.into());
            }
            getrandom::fill(piece).map_err(|_| Errno::IO)?;
        }
        Ok(())
    }
}

/// The bytes from a place on.
fn behind(bytes: &[u8], at: u64) -> &[u8] {
    let at = usize::try_from(at).ok();
    at.and_then(|at| bytes.get(at..)).unwrap_or_default()
}
