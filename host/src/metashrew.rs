//! The metashrew host interface: the functions of module `env` that an indexer imports.
//!
//! A byte string is passed as an AssemblyScript `ArrayBuffer`: the pointer stands at its first
//! byte, and the four bytes before that hold its length as a little-endian `u32`.
//!
//! Where metashrew's own host passes over a mistake in silence (a flush that is not a message, a
//! pointer outside memory), this one fails the block and says why. `__get_len` alone answers
//! [`UNREADABLE`], as there, for a key that cannot be read.

mod flush;
mod log;

use std::ops::{AddAssign, Range};
use std::sync::Arc;

use serde::Serialize;
use wasmtime::{Caller, Extern, Linker, Memory};

pub use self::flush::{FlushError, decode as decode_flush};
pub(crate) use self::log::LogLines;
use crate::bounds::{Bound, Bounds, Exceeded};
use crate::exchange::ImageExchange;
use crate::heap_marks::{HeapMarks, HeapWatch};
use crate::state::{MemoryState, Pair, Snapshot, State as _, StateError};
use crate::trace::Recorder;

/// The module under which the functions are imported.
pub const MODULE: &str = "env";

/// What `__get_len` answers for a key pointer that it cannot read.
pub const UNREADABLE: i32 = i32::MAX;

/// Calls of the imports, and the bytes that they moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImportCounts {
    /// Calls of `__get_len`.
    pub get_lens: u64,
    /// Calls of `__get`.
    pub gets: u64,
    /// Bytes of values handed over by `__get`.
    pub get_bytes: u64,
    /// Calls of `__flush`.
    pub flushes: u64,
    /// Bytes of messages taken by `__flush`.
    pub flush_bytes: u64,
    /// Calls of `__log`.
    pub logs: u64,
}

impl AddAssign for ImportCounts {
    fn add_assign(&mut self, other: Self) {
        self.get_lens += other.get_lens;
        self.gets += other.gets;
        self.get_bytes += other.get_bytes;
        self.flushes += other.flushes;
        self.flush_bytes += other.flush_bytes;
        self.logs += other.logs;
    }
}

/// A call of an import that a module makes whatever its cache holds: any but reads of the state and
/// log lines. Those of WASI are noted as well, but for what hands out the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub name: &'static str,
    /// Bytes that it handed over; of WASI's functions, that is not looked at.
    pub bytes: Option<usize>,
}

/// A mistake that an import found. It fails the block.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A byte string does not lie within linear memory (or begins at or above 2 GiB).
    #[error("{import} was handed pointer {pointer:#x}, where no readable byte string stands")]
    Unreadable {
        /// The function called.
        import: &'static str,
        /// The pointer.
        pointer: u32,
    },
    /// The place for an answer does not lie within linear memory (or begins at or above 2 GiB).
    #[error("{import} cannot write {length} bytes at {pointer:#x}: that is outside memory")]
    Unwritable {
        /// The function called.
        import: &'static str,
        /// The pointer.
        pointer: u32,
        /// Bytes of the answer.
        length: usize,
    },
    /// More was handed over than the host takes.
    #[error(transparent)]
    Bound(#[from] Exceeded),
    /// `__flush` was handed something else than keys and values.
    #[error("__flush was handed an invalid message: {0}")]
    Flush(FlushError),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The module has no memory to hand anything over in.
    #[error("{import} was called before the module's memory exists")]
    NoMemory {
        /// The function called.
        import: &'static str,
    },
}

/// One instance's side of the interface: what it reads, and what it has handed over.
pub struct Exchange {
    input: Arc<[u8]>,
    state: Box<dyn Snapshot>,
    writes: Vec<Pair>,
    counts: ImportCounts,
    calls: Vec<Call>,
    /// Calls that were not noted any more.
    has_more_calls: bool,
    bounds: Bounds,
    log: LogLines,
    /// The memory of the one module that calls, where it is known.
    memory: Option<Memory>,
    recorder: Option<Recorder>,
    heap_watch: Option<HeapWatch>,
    images: Option<ImageExchange>,
}

impl Exchange {
    /// The interface to an input and a state; `log` is given each line that the guest logs.
    pub fn new(
        input: Arc<[u8]>,
        state: Box<dyn Snapshot>,
        log: Box<dyn FnMut(&str) + Send>,
    ) -> Self {
        Exchange {
            input,
            state,
            writes: Vec::new(),
            counts: ImportCounts::default(),
            calls: Vec::new(),
            has_more_calls: false,
            bounds: Bounds::default(),
            log: LogLines::new(log),
            memory: None,
            recorder: None,
            heap_watch: None,
            images: None,
        }
    }

    /// The same with other bounds on what the guest may hand over.
    #[must_use]
    pub fn within(mut self, bounds: Bounds) -> Self {
        self.log.limit(bounds.most(Bound::OutputBytes));
        self.bounds = bounds;
        self
    }

    /// Only the module with this memory calls, so no call has to look for it.
    pub(crate) fn serve(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }

    /// Hands out and takes images from now on; without this there are none.
    pub fn exchange_images(&mut self, images: ImageExchange) {
        self.images = Some(images);
    }

    /// The images, if they are exchanged.
    pub fn images(&self) -> Option<&ImageExchange> {
        self.images.as_ref()
    }

    /// The images, for the next instance's exchange, and to be published first where the block has
    /// succeeded.
    pub fn take_images(&mut self) -> Option<ImageExchange> {
        self.images.take()
    }

    /// Goes over to the next input and the state that it finds; what was counted and written before
    /// is forgotten.
    pub fn turn_to(&mut self, input: Arc<[u8]>, state: Box<dyn Snapshot>) {
        (self.input, self.state) = (input, state);
        self.writes.clear();
        self.calls.clear();
        self.has_more_calls = false;
        self.counts = ImportCounts::default();
        if let Some(images) = &mut self.images {
            images.discard();
        }
    }

    /// Lets go of the state, until the exchange [turns](Self::turn_to) to the next block.
    pub(crate) fn release_state(&mut self) -> Result<(), StateError> {
        self.state = MemoryState::default().snapshot()?;
        Ok(())
    }

    /// Records what the guest's cache is asked and told from now on.
    pub(crate) fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// What records, if anything does.
    pub(crate) fn recorder(&mut self) -> &mut Option<Recorder> {
        &mut self.recorder
    }

    /// Looks at the heap at each flush from now on.
    pub(crate) fn watch_heap(&mut self, watch: HeapWatch) {
        self.heap_watch = Some(watch);
    }

    /// Looks at the heap, if it is watched.
    pub(crate) fn look_at_heap(&mut self, memory: &[u8]) {
        if let Some(watch) = &mut self.heap_watch {
            watch.look(memory);
        }
    }

    /// What was seen of the heap, if it is watched.
    pub(crate) fn heap_marks(&self) -> Option<&HeapMarks> {
        self.heap_watch.as_ref().map(HeapWatch::marks)
    }

    /// What the guest called so far.
    pub fn counts(&self) -> ImportCounts {
        self.counts
    }

    /// The calls so far, in order.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// What all flushes wrote, in order; `None` if there was none.
    pub fn take_writes(&mut self) -> Option<Vec<Pair>> {
        (self.counts.flushes > 0).then(|| std::mem::take(&mut self.writes))
    }

    /// Ends the line that the guest has begun to log: it has returned, or stopped.
    pub(crate) fn end_log(&mut self) {
        self.log.end();
    }

    /// Notes a call, of an import here or of one of WASI's functions.
    pub(crate) fn note(&mut self, name: &'static str, bytes: Option<usize>) {
        if self.calls.len() as u64 >= self.bounds.most(Bound::Calls) {
            self.has_more_calls = true;
            return;
        }
        self.calls.push(Call { name, bytes });
    }

    /// Checks that all calls were noted.
    ///
    /// # Errors
    ///
    /// When there were more than are.
    pub(crate) fn check_calls(&self) -> Result<(), Exceeded> {
        match self.has_more_calls {
            true => Err(self.bounds.exceeded(Bound::Calls)),
            false => Ok(()),
        }
    }

    fn host_len(&mut self) -> i32 {
        self.note("__host_len", Some(size_of::<i32>()));
        // An input that a guest could not address would not have been accepted.
        i32::try_from(self.input.len()).unwrap_or(i32::MAX)
    }

    fn load_input(&mut self, memory: &mut [u8], pointer: u32) -> Result<(), ImportError> {
        self.note("__load_input", Some(self.input.len()));
        write("__load_input", memory, pointer, &self.input)
    }

    fn get_len(&mut self, memory: &mut [u8], key: u32) -> Result<i32, ImportError> {
        self.counts.get_lens += 1;
        let Some(key) = byte_string(memory, key) else {
            return Ok(UNREADABLE);
        };
        let value = self.state.get(&memory[key.clone()])?;
        let length = value.map_or(0, |value| value.len());
        if let Some(recorder) = &mut self.recorder {
            let key = memory[key].to_vec();
            recorder.read(&key, length, memory);
        }
        // A value longer than a guest can be told of is as good as unreadable.
        Ok(i32::try_from(length).unwrap_or(UNREADABLE))
    }

    fn get(&mut self, memory: &mut [u8], key: u32, target: u32) -> Result<(), ImportError> {
        self.counts.gets += 1;
        let key = readable("__get", memory, key)?;
        if let Some(value) = self.state.get(&memory[key])? {
            write("__get", memory, target, &value)?;
            self.counts.get_bytes += value.len() as u64;
        }
        Ok(())
    }

    fn flush(&mut self, memory: &mut [u8], message: u32) -> Result<(), ImportError> {
        self.look_at_heap(memory);
        let message = &memory[readable("__flush", memory, message)?];
        let bytes = message.len();
        self.note("__flush", Some(bytes));
        let total = self.counts.flush_bytes.saturating_add(bytes as u64);
        self.bounds.check(Bound::FlushBytes, total)?;
        let most = self.bounds.most(Bound::FlushPairs);
        let more = most.saturating_sub(self.writes.len() as u64);
        let pairs = flush::decode_up_to(message, more).map_err(ImportError::Flush)?;
        let pairs = pairs.ok_or_else(|| self.bounds.exceeded(Bound::FlushPairs))?;
        if let Some(recorder) = &mut self.recorder {
            recorder.flush(&pairs, memory);
        }
        self.writes.extend(pairs);
        self.counts.flushes += 1;
        self.counts.flush_bytes += bytes as u64;
        Ok(())
    }

    fn load_image(&mut self, memory: &mut [u8], pointer: u32, capacity: u32) -> i32 {
        let images = self.images.as_mut();
        images.map_or(0, |images| images.load(memory, pointer, capacity))
    }

    fn offer_image(&mut self, memory: &[u8], pointer: u32, length: u32) {
        if let Some(images) = &mut self.images {
            // A refused one is none. Whoever wants the image then captures it, and is told why that
            // fails.
            let _ = images.offer(memory, pointer, length);
        }
    }

    fn log(&mut self, memory: &[u8], text: u32) -> Result<(), ImportError> {
        let text = &memory[readable("__log", memory, text)?];
        self.counts.logs += 1;
        self.log.take(&String::from_utf8_lossy(text));
        Ok(())
    }
}

/// Where the byte string at `pointer` lies, if it lies within memory and begins below 2 GiB. What a
/// view returns is such a pointer.
pub fn byte_string(memory: &[u8], pointer: u32) -> Option<Range<usize>> {
    let start = usize::try_from(i32::try_from(pointer).ok()?).ok()?;
    let length = memory.get(start.checked_sub(4)?..start)?;
    let length = u32::from_le_bytes(length.try_into().ok()?);
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= memory.len()).then_some(start..end)
}

fn readable(
    import: &'static str,
    memory: &[u8],
    pointer: u32,
) -> Result<Range<usize>, ImportError> {
    byte_string(memory, pointer).ok_or(ImportError::Unreadable { import, pointer })
}

fn write(
    import: &'static str,
    memory: &mut [u8],
    pointer: u32,
    bytes: &[u8],
) -> Result<(), ImportError> {
    let start = i32::try_from(pointer).ok().map(|start| start as usize);
    let target = start.and_then(|start| memory.get_mut(start..)?.get_mut(..bytes.len()));
    match target {
        Some(target) => {
            target.copy_from_slice(bytes);
            Ok(())
        }
        None => Err(ImportError::Unwritable {
            import,
            pointer,
            length: bytes.len(),
        }),
    }
}

/// The functions of the interface, for every engine that is to have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    HostLen,
    LoadInput,
    GetLen,
    Get,
    Flush,
    Log,
    LoadImage,
    OfferImage,
}

impl Import {
    pub(crate) const ALL: [Import; 8] = [
        Import::HostLen,
        Import::LoadInput,
        Import::GetLen,
        Import::Get,
        Import::Flush,
        Import::Log,
        Import::LoadImage,
        Import::OfferImage,
    ];

    /// The one that has a name in [`MODULE`].
    pub(crate) fn named(name: &str) -> Option<Import> {
        Import::ALL.into_iter().find(|import| import.name() == name)
    }

    /// The function's name in [`MODULE`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            Import::HostLen => "__host_len",
            Import::LoadInput => "__load_input",
            Import::GetLen => "__get_len",
            Import::Get => "__get",
            Import::Flush => "__flush",
            Import::Log => "__log",
            Import::LoadImage => "__load_image",
            Import::OfferImage => "__offer_image",
        }
    }

    /// How many parameters it has, each an `i32`.
    pub(crate) fn parameters(self) -> usize {
        match self {
            Import::HostLen => 0,
            Import::LoadInput | Import::GetLen | Import::Flush | Import::Log => 1,
            Import::Get | Import::LoadImage | Import::OfferImage => 2,
        }
    }

    /// Whether it has a result, which is an `i32` then.
    pub(crate) fn has_result(self) -> bool {
        matches!(self, Import::HostLen | Import::GetLen | Import::LoadImage)
    }

    /// Runs it on a caller's memory. An engine passes as many arguments as it has parameters.
    pub(crate) fn call(
        self,
        exchange: &mut Exchange,
        memory: &mut [u8],
        arguments: impl Iterator<Item = i32>,
    ) -> Result<Option<i32>, ImportError> {
        let mut arguments = arguments.map(|argument| argument as u32);
        let mut next = || arguments.next().expect("an argument for each parameter");
        match self {
            Import::HostLen => return Ok(Some(exchange.host_len())),
            Import::LoadInput => exchange.load_input(memory, next())?,
            Import::GetLen => return exchange.get_len(memory, next()).map(Some),
            Import::Get => exchange.get(memory, next(), next())?,
            Import::Flush => exchange.flush(memory, next())?,
            Import::Log => exchange.log(memory, next())?,
            Import::LoadImage => return Ok(Some(exchange.load_image(memory, next(), next()))),
            Import::OfferImage => exchange.offer_image(memory, next(), next()),
        }
        Ok(None)
    }
}

/// Defines the interface for every instance that `linker` makes. `exchange` finds an instance's
/// side of it in the data of its store, whatever these are. Every pointer that a module hands over
/// is checked; a wrong one fails the call with an [`ImportError`].
///
/// ```
/// use std::sync::Arc;
/// use steadfast_host::metashrew::{Exchange, add_to_linker};
/// use steadfast_host::{MemoryState, State};
/// use wasmtime::{Engine, Linker, Store, StoreLimits, StoreLimitsBuilder};
///
/// struct MyState {
///     limits: StoreLimits,
///     exchange: Exchange,
/// }
///
/// let engine = Engine::default();
/// let mut linker: Linker<MyState> = Linker::new(&engine);
/// add_to_linker(&mut linker, |state| &mut state.exchange)?;
///
/// let input: Arc<[u8]> = Arc::from(*b"\x07\0\0\0block");
/// let log = Box::new(|line: &str| println!("{line}"));
/// let state = MyState {
///     limits: StoreLimitsBuilder::new().memory_size(512 << 20).build(),
///     exchange: Exchange::new(input, MemoryState::default().snapshot()?, log),
/// };
/// let mut store = Store::new(&engine, state);
/// store.limiter(|state| &mut state.limits);
/// // Now `linker.instantiate(&mut store, &module)`, `_start`, and `Exchange::take_writes`.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// When the linker has a function of one of the names already.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    exchange: impl Fn(&mut T) -> &mut Exchange + Copy + Send + Sync + 'static,
) -> Result<(), wasmtime::Error> {
    for import in Import::ALL {
        let name = import.name();
        let call = move |mut caller: Caller<'_, T>, arguments: &[i32]| {
            let memory = match exchange(caller.data_mut()).memory {
                Some(memory) => memory,
                None => memory_of(&mut caller, name)?,
            };
            let (memory, data) = memory.data_and_store_mut(&mut caller);
            let result = import.call(exchange(data), memory, arguments.iter().copied());
            result.map_err(wasmtime::Error::new)
        };
        let answer = move |caller: Caller<'_, T>, arguments: &[i32]| {
            let result = call(caller, arguments)?;
            Ok::<_, wasmtime::Error>(result.expect("it has a result"))
        };
        let act = move |caller: Caller<'_, T>, arguments: &[i32]| {
            call(caller, arguments)?;
            Ok::<_, wasmtime::Error>(())
        };
        // With types that the compiler knows, a call costs less.
        match (import.parameters(), import.has_result()) {
            (0, _) => linker.func_wrap(MODULE, name, move |caller: Caller<'_, T>| {
                answer(caller, &[])
            })?,
            (1, true) => linker.func_wrap(MODULE, name, move |caller: Caller<'_, T>, a: i32| {
                answer(caller, &[a])
            })?,
            (1, false) => {
                linker.func_wrap(MODULE, name, move |caller: Caller<'_, T>, a: i32| {
                    act(caller, &[a])
                })?
            }
            (_, true) => linker.func_wrap(
                MODULE,
                name,
                move |caller: Caller<'_, T>, a: i32, b: i32| answer(caller, &[a, b]),
            )?,
            (_, false) => linker.func_wrap(
                MODULE,
                name,
                move |caller: Caller<'_, T>, a: i32, b: i32| act(caller, &[a, b]),
            )?,
        };
    }
    Ok(())
}

/// The memory of the module that calls `import`.
pub(crate) fn memory_of<T>(
    caller: &mut Caller<'_, T>,
    import: &'static str,
) -> Result<Memory, ImportError> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    memory.ok_or(ImportError::NoMemory { import })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(pairs: &[(&str, &str)]) -> Exchange {
        let mut state = MemoryState::default();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        state.apply(&pairs).unwrap();
        let input: Arc<[u8]> = b"input"[..].into();
        Exchange::new(input, state.snapshot().unwrap(), Box::new(|_| ()))
    }

    fn with_string(at: usize, text: &[u8]) -> Vec<u8> {
        let mut memory = vec![0xee; 64];
        memory[at - 4..at].copy_from_slice(&(text.len() as u32).to_le_bytes());
        memory[at..at + text.len()].copy_from_slice(text);
        memory
    }

    #[test]
    fn a_byte_string_lies_within_memory_or_is_not_one() {
        let memory = with_string(8, b"key");
        assert_eq!(byte_string(&memory, 8), Some(8..11));
        let at_end = with_string(61, b"key");
        assert_eq!(byte_string(&at_end, 61), Some(61..64));
        let mut past_end = with_string(61, b"key");
        past_end[57] = 4;
        assert_eq!(byte_string(&past_end, 61), None);
        for pointer in [0, 3, 65, 68, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            assert_eq!(byte_string(&memory, pointer), None, "{pointer:#x}");
        }
        let empty_at_end = with_string(64, b"");
        assert_eq!(byte_string(&empty_at_end, 64), Some(64..64));
    }

    #[test]
    fn a_missing_key_has_length_0_and_nothing_is_written() {
        let mut exchange = exchange(&[("key", "value")]);
        let mut memory = with_string(8, b"nay");
        let before = memory.clone();
        assert_eq!(exchange.get_len(&mut memory, 8).unwrap(), 0);
        exchange.get(&mut memory, 8, u32::MAX).unwrap();
        assert_eq!(memory, before);
    }

    #[test]
    fn a_value_is_written_where_it_was_asked_for() {
        let mut exchange = exchange(&[("key", "value")]);
        let mut memory = with_string(8, b"key");
        assert_eq!(exchange.get_len(&mut memory, 8).unwrap(), 5);
        exchange.get(&mut memory, 8, 59).unwrap();
        assert_eq!(&memory[58..], b"\xeevalue");
        assert!(exchange.get(&mut memory, 8, 60).is_err());
        assert_eq!(
            (exchange.counts().gets, exchange.counts().get_bytes),
            (2, 5)
        );
    }

    #[test]
    fn an_unreadable_key_has_the_length_that_metashrew_answers() {
        let mut exchange = exchange(&[]);
        let mut memory = with_string(8, b"key");
        for pointer in [0, 3, 65, 0x8000_0008] {
            assert_eq!(exchange.get_len(&mut memory, pointer).unwrap(), UNREADABLE);
        }
    }

    #[test]
    fn flushes_add_up_and_a_bad_one_adds_nothing() {
        let mut exchange = exchange(&[]);
        assert_eq!(exchange.take_writes(), None);
        exchange
            .flush(&mut with_string(8, b"\x0a\x01k\x0a\x01v"), 8)
            .unwrap();
        assert!(
            exchange
                .flush(&mut with_string(8, b"\x0a\x01k"), 8)
                .is_err()
        );
        exchange.flush(&mut with_string(8, b""), 8).unwrap();
        let written = vec![(b"k".to_vec(), b"v".to_vec())];
        assert_eq!(exchange.take_writes(), Some(written));
        assert_eq!(exchange.counts().flushes, 2);
    }
}
