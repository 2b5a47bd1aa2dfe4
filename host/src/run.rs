//! Runs a guest: a fresh instance for every block and every view, as metashrew does.

mod one_instance;
mod shared;
mod view;
mod warm;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use steadfast::Plan;
use steadfast::format::InstanceInfo;
use wasmtime::{Instance, InstancePre, Linker, Memory, Store};

use crate::bounds::Bounds;
use crate::ceiling::PAGE_BYTES;
use crate::config::RunConfig;
use crate::context::Context;
use crate::core_dump::CoreDumps;
use crate::deadline;
use crate::digest::Digest;
use crate::engine::{STACK_BYTES, engine_with_deadlines};
use crate::guest::{DeclaredMemory, Guest, LoadError, check_place, one_line};
use crate::guest_info::GuestInfo;
use crate::heap_marks::{HeapMarks, HeapWatch};
use crate::image::{ImageError, check_module};
use crate::input::Input;
use crate::instance_stats::InstanceStats;
use crate::limits::Limits;
use crate::metashrew::{self, Call, Exchange};
use crate::output::{Output, Printed, show};
use crate::page_file::Lease;
use crate::report::BlockReport;
use crate::state::{Pair, State, Tip};
use crate::text;
use crate::thread_stack;
use crate::trace::{Recorder, Trace};
use crate::trap::{Known, RunError, explain};
use crate::wasi::{self, World};

pub(crate) use self::one_instance::{Ended, OneInstanceError, run_in_one_instance};
pub use self::view::View;

/// A module that is ready to run, and how it is run.
///
/// ```no_run
/// use steadfast_host::{Input, MemoryState, RunConfig, Runner, state_digest};
///
/// let module = std::fs::read("indexer.wasm")?;
/// let config = RunConfig {
///     ceiling: 512 << 20,
///     ..RunConfig::default()
/// };
/// let runner = Runner::new(&module, config)?;
/// let mut state = MemoryState::default();
/// let report = runner.run_block(&Input::read("702861.block")?, &mut state)?;
/// println!("{} grows, state {}", report.grows.asked, state_digest(&state)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Runner {
    guest: Guest,
    instances: InstancePre<Context>,
    config: RunConfig,
}

impl Runner {
    /// Compiles a module and checks all that can be checked before it runs. Takes a second or
    /// more for a large module; [`Runner::with_config`] saves it.
    ///
    /// # Errors
    ///
    /// When the bytes are no module, when something is missing that a host needs or something is
    /// imported that this one does not have, and when the module declares more memory than the
    /// ceiling.
    pub fn new(module: &[u8], config: RunConfig) -> Result<Self, LoadError> {
        Self::with_imports(module, config, |_| Ok(()))
    }

    /// As [`new`](Self::new), of a module that may import what `define` adds as well.
    pub(crate) fn with_imports(
        module: &[u8],
        config: RunConfig,
        define: impl FnOnce(&mut Linker<Context>) -> Result<(), wasmtime::Error>,
    ) -> Result<Self, LoadError> {
        let (fuel, dumps) = (config.counts_fuel(), config.core_dumps.is_some());
        let engine = engine_with_deadlines(config.compiler, fuel, config.stack, dumps)
            .map_err(|error| LoadError::Engine(one_line(&error)))?;
        let guest = Guest::load_within(&engine, module, &config.bounds)?;
        guest.check_start()?;
        let instances = link(&guest, define)?;
        Runner {
            guest,
            instances,
            config,
        }
        .checked()
    }

    /// The same compiled module, run in another way. The compiler, the stack, and whether fuel is counted
    /// are compiled in and stay as they were.
    ///
    /// # Errors
    ///
    /// When the module declares more memory than the ceiling.
    pub fn with_config(&self, config: RunConfig) -> Result<Self, LoadError> {
        let RunConfig {
            compiler, stack, ..
        } = self.config;
        Runner {
            config: RunConfig {
                compiler,
                stack,
                fuel: self.config.counts_fuel(),
                ..config
            },
            ..self.clone()
        }
        .checked()
    }

    fn checked(self) -> Result<Self, LoadError> {
        let DeclaredMemory { initial, maximum } = self.guest.declared_memory();
        let (ceiling, need) = (self.config.ceiling, self.guest.memory_needed());
        if let Some(maximum) = maximum.filter(|maximum| *maximum < need) {
            return Err(LoadError::MaximumMemory { maximum, need });
        }
        if initial > ceiling {
            return Err(LoadError::InitialMemory { initial, ceiling });
        }
        Ok(self)
    }

    /// The module.
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// How it is run.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// Indexes one block, and writes what it flushed if it succeeded.
    ///
    /// # Errors
    ///
    /// When the guest fails, flushes nothing, or the state cannot be read or written. The state is
    /// then as it was before.
    pub fn run_block(&self, input: &Input, state: &mut dyn State) -> Result<BlockReport, RunError> {
        self.start(input, state)?.commit(state)
    }

    /// Runs `_start` on one block and keeps the instance, so that its memory can be looked at
    /// whatever became of it. Nothing is written before [`Finished::commit`].
    ///
    /// # Errors
    ///
    /// When the guest could not be started at all. What became of it is in [`Finished::outcome`].
    pub fn start(&self, input: &Input, state: &dyn State) -> Result<Finished, RunError> {
        self.instantiate(input, state)?.start(input)
    }

    /// As [`start`](Runner::start), and appends to `trace` what the module's cache is asked and told, in this block and in those
    /// that follow in the same instance. The cache finds nothing meanwhile; its outputs are the same.
    ///
    /// # Errors
    ///
    /// When the guest could not be started at all, or is not built on steadfast.
    pub fn start_recorded(
        &self,
        input: &Input,
        state: &dyn State,
        trace: Trace,
    ) -> Result<Finished, RunError> {
        let mut live = self.instantiate(input, state)?;
        let guest_info = live.guest_info.ok_or(RunError::NoRecord)?;
        let exchange = &mut live.store.data_mut().exchange;
        exchange.record(Recorder::new(guest_info.address(), trace));
        live.start(input)
    }

    /// As [`start`](Runner::start), once `prepare` has had the instance.
    #[cfg(feature = "profile")]
    pub(crate) fn start_prepared(
        &self,
        input: &Input,
        state: &dyn State,
        prepare: impl FnOnce(&mut Store<Context>, &Instance) -> Result<(), wasmtime::Error>,
    ) -> Result<Finished, RunError> {
        let mut live = self.instantiate(input, state)?;
        prepare(&mut live.store, &live.instance)
            .map_err(|error| RunError::Instantiate(one_line(&error)))?;
        live.start(input)
    }

    /// As [`start`](Runner::start), in an instance that stops at each epoch for what `watch` puts there.
    #[cfg(feature = "profile")]
    pub(crate) fn start_sampled(
        &self,
        input: &Input,
        state: &dyn State,
        watch: impl FnOnce(&mut Store<Context>),
    ) -> Result<Finished, RunError> {
        let mut live = self.instantiate(input, state)?;
        live.is_sampled = true;
        watch(&mut live.store);
        live.start(input)
    }

    /// What its module was compiled by.
    #[cfg(feature = "profile")]
    pub(crate) fn engine(&self) -> &wasmtime::Engine {
        self.guest.module().engine()
    }

    /// Makes an instance and does what a host does before a guest's first instruction.
    fn instantiate(&self, input: &Input, state: &dyn State) -> Result<Live, RunError> {
        let config = &self.config;
        let logged = Arc::new(Mutex::new(String::new()));
        let context = Context {
            limits: Limits::new(config.ceiling, config.refuse_grow, config.on_refusal)
                .within(config.bounds),
            exchange: Exchange::new(
                Arc::clone(input.bytes()),
                state.snapshot()?,
                log_to(config.output, &logged),
            )
            .within(config.bounds),
            world: World::new(
                Arc::clone(input.bytes()),
                &config.env,
                config.output,
                &config.bounds,
            ),
        };
        let mut store = Store::new(self.guest.module().engine(), context);
        store.limiter(|context| &mut context.limits);
        if config.counts_fuel() {
            store
                .set_fuel(config.fuel_limit.unwrap_or(u64::MAX))
                .map_err(|error| RunError::Instantiate(one_line(&error)))?;
        }
        check_stack(config)?;
        set_deadline(&mut store, config.timeout);
        let instance = self.instances.instantiate(&mut store).map_err(|error| {
            keep_dump(config.core_dumps.as_ref(), &error, &mut store);
            explain(error, None, &Known::at_start(config))
        })?;
        let memory = instance.get_memory(&mut store, "memory");
        let memory = memory.expect("Guest::load checked that a memory is exported");
        let guest_info = GuestInfo::of(&instance, &mut store);
        let mut live = Live {
            lease: None,
            store,
            instance,
            memory,
            guest_info,
            ceiling: config.ceiling,
            timeout: config.timeout,
            fuel: config.fuel_limit.unwrap_or(u64::MAX),
            bounds: config.bounds,
            core_dumps: config.core_dumps.clone(),
            plan: self.guest.plan().copied(),
            module: self.guest.digest(),
            logged,
            refused_image: None,
            is_sampled: false,
        };
        live.plan = live.plan.or_else(|| live.plan_in_memory());
        live.name_module();
        if config.watch_heap
            && let Some(record) = live.guest_info
        {
            let exchange = &mut live.store.data_mut().exchange;
            exchange.watch_heap(HeapWatch::new(record));
        }
        if let Some(pages) = config.pregrow {
            live.pregrow(pages)?;
        }
        if let Some(limit) = config.cache {
            live.limit_cache(limit)?;
        }
        if let Some(seed) = config.forget {
            live.forget_by(seed_at(seed, input))?;
        }
        Ok(live)
    }
}

fn keep_dump(dumps: Option<&CoreDumps>, error: &wasmtime::Error, store: &mut Store<Context>) {
    if let Some(dumps) = dumps {
        dumps.keep(error, store);
    }
}

/// Stops the guest when it has had so much time from now on.
fn set_deadline(store: &mut Store<Context>, limit: Option<Duration>) {
    let epochs = limit.map_or(u64::MAX / 2, deadline::epochs);
    store.set_epoch_deadline(epochs);
    // While it waits, no code of its own runs.
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    store.data_mut().world.set_deadline(deadline);
}

/// Checks that the thread's stack is larger than the part of it that the guest's calls may use.
fn check_stack(config: &RunConfig) -> Result<(), RunError> {
    let need = config.stack.unwrap_or(STACK_BYTES) + thread_stack::HOST_BYTES;
    match thread_stack::left() {
        Some(have) if have < need => Err(RunError::ThreadStack { have, need }),
        _ => Ok(()),
    }
}

/// What one block's instance forgets by: instances that all forgot alike would hide what only a mixture shows.
fn seed_at(seed: NonZeroU32, input: &Input) -> NonZeroU32 {
    let height = input
        .bytes()
        .first_chunk()
        .map_or(0, |height| u32::from_le_bytes(*height));
    NonZeroU32::new(seed.get() ^ height.wrapping_mul(0x9e37_79b9)).unwrap_or(seed)
}

/// What WASI's functions go to, and where their calls are noted.
fn wasi_parts(context: &mut Context) -> (&mut World, &mut Exchange) {
    (&mut context.world, &mut context.exchange)
}

/// Defines the host's functions and checks that they are all that the module imports.
fn link(
    guest: &Guest,
    define: impl FnOnce(&mut Linker<Context>) -> Result<(), wasmtime::Error>,
) -> Result<InstancePre<Context>, LoadError> {
    let mut linker = Linker::new(guest.module().engine());
    metashrew::add_to_linker(&mut linker, |context: &mut Context| &mut context.exchange)
        .and_then(|()| wasi::add_to_linker(&mut linker, wasi_parts))
        .and_then(|()| define(&mut linker))
        .map_err(|error| LoadError::Engine(one_line(&error)))?;
    linker.instantiate_pre(guest.module()).map_err(|error| {
        match error.downcast_ref::<wasmtime::UnknownImportError>() {
            Some(unknown) => LoadError::UnknownImport {
                module: text::name(unknown.module()),
                name: text::name(unknown.name()),
            },
            None => LoadError::ImportType(one_line(&error)),
        }
    })
}

fn log_to(output: Output, logged: &Arc<Mutex<String>>) -> Box<dyn FnMut(&str) + Send> {
    match output {
        Output::Inherit => Box::new(show),
        Output::Discard => Box::new(|_| ()),
        Output::Capture => {
            let logged = Arc::clone(logged);
            Box::new(move |line| {
                let mut logged = logged.lock().expect("no holder of the log panics");
                logged.push_str(line);
                logged.push('\n');
            })
        }
    }
}

/// An instance, and what it needs to live.
struct Live {
    /// What its memory maps. It goes first: the memory may change from then on.
    lease: Option<Lease>,
    store: Store<Context>,
    instance: Instance,
    memory: Memory,
    guest_info: Option<GuestInfo>,
    ceiling: u64,
    timeout: Option<Duration>,
    /// The fuel that it has been given, where it is counted.
    fuel: u64,
    bounds: Bounds,
    core_dumps: Option<CoreDumps>,
    /// Where its region is to be, of guests that are built on steadfast.
    plan: Option<Plan>,
    module: Digest,
    logged: Arc<Mutex<String>>,
    /// Why the image that it was to begin with is not used.
    refused_image: Option<ImageError>,
    /// Stops at each epoch, to be looked at.
    is_sampled: bool,
}

impl Live {
    fn start(mut self, input: &Input) -> Result<Finished, RunError> {
        let start = self
            .instance
            .get_typed_func::<(), ()>(&mut self.store, "_start")
            .map_err(|error| RunError::Instantiate(one_line(&error)))?;
        set_deadline(&mut self.store, self.timeout);
        if self.is_sampled {
            self.store.set_epoch_deadline(1);
        }
        let before = Instant::now();
        let returned = start.call(&mut self.store, ());
        let guest_ns = before.elapsed().as_nanos() as u64;
        let (memory, context) = self.memory.data_and_store_mut(&mut self.store);
        if let Some(recorder) = context.exchange.recorder() {
            recorder.end_block(memory);
        }
        context.exchange.look_at_heap(memory);
        context.end_lines();
        let outcome = match returned {
            Err(error) if wasi::exit_status(&error) != Some(0) => Err(self.explain(error)),
            _ => self.take_writes(),
        };
        Ok(self.finish(input, guest_ns, outcome))
    }

    fn pregrow(&mut self, pages: u64) -> Result<(), RunError> {
        let ceiling = self.ceiling;
        self.grow_to(pages * PAGE_BYTES)
            .map_err(|_| RunError::Pregrow { pages, ceiling })
    }

    /// Grows memory to so many bytes, in whole pages, unless it has them: the host's own growth, within the ceiling.
    fn grow_to(&mut self, bytes: u64) -> Result<(), wasmtime::Error> {
        let pages = bytes.div_ceil(PAGE_BYTES);
        let more = pages.saturating_sub(self.memory.size(&self.store));
        if more == 0 {
            return Ok(());
        }
        self.store.data_mut().limits.set_host_grows(true);
        let grown = self.memory.grow(&mut self.store, more);
        self.store.data_mut().limits.set_host_grows(false);
        grown.map(drop)
    }

    fn limit_cache(&mut self, limit: u32) -> Result<(), RunError> {
        self.tell(|record, memory| record.limit_cache(memory, limit))
            .ok_or(RunError::NoRecord)
    }

    fn forget_by(&mut self, seed: NonZeroU32) -> Result<(), RunError> {
        self.tell(|record, memory| record.forget_by(memory, seed))
            .ok_or(RunError::NoRecord)
    }

    /// Tells a guest that is built on steadfast which module it is, so that it refuses another one's image.
    fn name_module(&mut self) {
        let module = self.module;
        // Other guests have no record.
        let _ = self.tell(|record, memory| record.name_module(memory, &module));
    }

    /// Tells a guest whose region is above its heap that it need not look for somebody else in the
    /// pages that the host has grown from here on.
    fn note_host_pages(&mut self, had: usize) {
        if self.plan.is_some() {
            // Others have no record.
            let _ = self.tell(|record, memory| record.note_host_pages(memory, had as u32));
        }
    }

    /// Tells the guest something in its record, if it has one.
    fn tell(&mut self, tell: impl FnOnce(GuestInfo, &mut [u8]) -> Option<()>) -> Option<()> {
        tell(self.guest_info?, self.memory.data_mut(&mut self.store))
    }

    fn record(&self) -> Option<InstanceInfo> {
        self.guest_info?.read(self.memory.data(&self.store))
    }

    fn explain(&mut self, error: wasmtime::Error) -> RunError {
        keep_dump(self.core_dumps.as_ref(), &error, &mut self.store);
        let known = Known {
            ceiling: self.ceiling,
            memory: self.memory.data_size(&self.store) as u64,
            refused: self.store.data().limits.grows().refused,
            timeout: self.timeout,
            fuel: self.fuel,
        };
        explain(error, self.record().as_ref(), &known)
    }

    /// The plan stands behind the record, also where the module has no section for it.
    fn plan_in_memory(&self) -> Option<Plan> {
        let record = self.guest_info?;
        record.read(self.memory.data(&self.store))?;
        let at = record.address() as usize + InstanceInfo::LEN;
        let bytes = self.memory.data(&self.store).get(at..)?;
        Plan::decode(bytes.get(..Plan::ENCODED_LEN)?).ok()
    }

    /// Checks that an image is for this module, and for its region.
    fn check_image(&self, base: u32, bytes: u64, module: Option<Digest>) -> Result<(), ImageError> {
        if let Some(found) = module {
            check_module(found, self.module)?;
        }
        match &self.plan {
            Some(plan) => check_place(plan, base, bytes),
            None => Ok(()),
        }
    }

    fn take_writes(&mut self) -> Result<Vec<Pair>, RunError> {
        let exchange = &mut self.store.data_mut().exchange;
        exchange.check_calls()?;
        exchange.take_writes().ok_or(RunError::NoFlush)
    }

    fn output(&self) -> String {
        let mut output = self
            .logged
            .lock()
            .expect("no holder of the log panics")
            .clone();
        let Printed { stdout, stderr } = self.printed();
        for printed in [stdout, stderr] {
            output.push_str(&text::plain_lines(&String::from_utf8_lossy(&printed)));
        }
        output
    }

    fn printed(&self) -> Printed {
        self.store.data().world.printed()
    }

    fn finish(
        self,
        input: &Input,
        guest_ns: u64,
        outcome: Result<Vec<Pair>, RunError>,
    ) -> Finished {
        let memory = self.memory.data(&self.store);
        let context = self.store.data();
        let report = BlockReport {
            height: input.height(),
            guest_ns,
            // Counted down from the maximum; an engine that does not count answers an error.
            fuel: self.store.get_fuel().ok().map(|left| self.fuel - left),
            memory_bytes: self.memory.size(&self.store) * PAGE_BYTES,
            grows: context.limits.grows(),
            observed: self
                .record()
                .map(|record| InstanceStats::read(memory, &record)),
            imports: context.exchange.counts(),
            written_pairs: outcome.as_ref().map_or(0, |writes| writes.len() as u64),
            output: self.output(),
        };
        Finished {
            live: self,
            report,
            outcome,
            tip: Tip::of(input),
        }
    }
}

/// An instance whose `_start` has ended, in one way or another.
pub struct Finished {
    live: Live,
    report: BlockReport,
    outcome: Result<Vec<Pair>, RunError>,
    tip: Tip,
}

impl Finished {
    /// The whole of the guest's memory as it was left.
    pub fn memory(&self) -> &[u8] {
        self.live.memory.data(&self.live.store)
    }

    /// The record in the guest's memory, for a module that is built on steadfast.
    pub fn record(&self) -> Option<InstanceInfo> {
        self.live.record()
    }

    /// The figures of this run.
    pub fn report(&self) -> &BlockReport {
        &self.report
    }

    /// The most of the heap that was in use at once, by size: at a flush, or when the guest returned or stopped. `None` where
    /// [`RunConfig::watch_heap`] is off, and of a guest that is not built on steadfast.
    pub fn heap_marks(&self) -> Option<&HeapMarks> {
        self.live.store.data().exchange.heap_marks()
    }

    /// The imports that it called, in order, reads of the state, log lines and the environment apart.
    pub fn calls(&self) -> &[Call] {
        self.live.store.data().exchange.calls()
    }

    /// What it printed through WASI, where output is [captured](Output::Capture).
    pub fn printed(&self) -> Printed {
        self.live.printed()
    }

    /// What was recorded so far, of an instance that [records](Runner::start_recorded); it ends with this.
    pub fn take_trace(&mut self) -> Option<Trace> {
        let exchange = &mut self.live.store.data_mut().exchange;
        exchange.recorder().take().map(Recorder::into_trace)
    }

    /// What the block flushed, or why it failed.
    pub fn outcome(&self) -> &Result<Vec<Pair>, RunError> {
        &self.outcome
    }

    /// The same, of a block that did not fail.
    ///
    /// # Errors
    ///
    /// Why it failed.
    pub fn succeeded(self) -> Result<Finished, RunError> {
        let outcome = Ok(self.outcome?);
        Ok(Finished { outcome, ..self })
    }

    /// Writes what the block flushed, all of it or nothing, and makes the block the state's tip.
    ///
    /// # Errors
    ///
    /// When the block failed or the state cannot be written. The state is then as it was before.
    pub fn commit(self, state: &mut dyn State) -> Result<BlockReport, RunError> {
        let (report, ()) = self.commit_and(state, |_, _| ())?;
        Ok(report)
    }

    /// As [`commit`](Self::commit), and keeps what `take` takes of the instance, which is told where
    /// its region begins.
    fn commit_and<T>(
        self,
        state: &mut dyn State,
        take: impl FnOnce(&mut Live, u32) -> T,
    ) -> Result<(BlockReport, T), RunError> {
        let Finished {
            mut live,
            report,
            outcome,
            tip,
        } = self;
        let writes = outcome?;
        let base = live.record().map_or(0, |record| record.region_start);
        let taken = take(&mut live, base);
        // The instance holds a snapshot of the state.
        drop(live);
        state.write(&writes, Some(tip))?;
        Ok((report, taken))
    }

    /// Writes what the block flushed, and runs `_start` on the next one in the same instance, as a
    /// host may that keeps it: the guest's cache is warm then. A WASI command starts only once.
    ///
    /// Time, imports and written pairs of the next report are the next block's; all else has added
    /// up since the instance was made.
    ///
    /// # Errors
    ///
    /// When the block failed, the state cannot be read or written, or the guest could not be
    /// started again.
    pub fn next(mut self, input: &Input, state: &mut dyn State) -> Result<Finished, RunError> {
        // A state in memory is copied if it is written while a snapshot of it is held.
        self.live.store.data_mut().exchange.release_state()?;
        state.write(&self.outcome?, Some(self.tip))?;
        if self.live.fuel < u64::MAX {
            let refuelled = self.live.store.set_fuel(self.live.fuel);
            refuelled.map_err(|error| RunError::Instantiate(one_line(&error)))?;
        }
        let exchange = &mut self.live.store.data_mut().exchange;
        exchange.turn_to(Arc::clone(input.bytes()), state.snapshot()?);
        self.live.start(input)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Input, NonZeroU32, seed_at};

    #[test]
    fn blocks_of_one_seed_forget_each_in_its_own_way() {
        let seed = NonZeroU32::new(7).unwrap();
        let at = |height| seed_at(seed, &Input::new(height, &[])).get();
        let seeds: BTreeSet<u32> = (0..1_000).map(at).collect();
        assert_eq!(seeds.len(), 1_000);
        assert_eq!(at(5), at(5), "a run can be repeated");
    }

    /// Where a height would cancel the seed, the seed stays: none means that nothing is forgotten.
    #[test]
    fn no_height_turns_forgetting_off() {
        let height = 849_236_u32;
        let cancelling = NonZeroU32::new(height.wrapping_mul(0x9e37_79b9)).unwrap();
        assert_eq!(seed_at(cancelling, &Input::new(height, &[])), cancelling);
    }
}
