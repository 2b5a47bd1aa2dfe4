//! Runs a guest: a fresh instance for every block and every view, as metashrew does.

mod finished;
mod live;
mod one_instance;
mod shared;
mod view;
mod warm;

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use wasmtime::{InstancePre, Linker, Store};

use self::live::{Live, keep_dump, set_deadline};
use crate::config::RunConfig;
use crate::context::Context;
use crate::engine::{STACK_BYTES, engine_with_deadlines};
use crate::guest::{DeclaredMemory, Guest, LoadError, one_line};
use crate::guest_info::GuestInfo;
use crate::heap_marks::HeapWatch;
use crate::input::Input;
use crate::limits::Limits;
use crate::metashrew::{self, Exchange};
use crate::output::{Output, show};
use crate::report::BlockReport;
use crate::requirements;
use crate::state::State;
use crate::thread_stack;
use crate::trace::{Recorder, Trace};
use crate::trap::{Known, RunError, explain};
use crate::wasi::{self, World};

pub use self::finished::Finished;
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
        Self::with_imports(module, module, config, |_| Ok(()))
    }

    /// As [`new`](Self::new), of a rewritten module, which may import what `define` adds as well.
    pub(crate) fn with_imports(
        module: &[u8],
        original: &[u8],
        config: RunConfig,
        define: impl FnOnce(&mut Linker<Context>) -> Result<(), wasmtime::Error>,
    ) -> Result<Self, LoadError> {
        let (fuel, dumps) = (config.counts_fuel(), config.core_dumps.is_some());
        let engine = engine_with_deadlines(config.compiler, fuel, config.stack, dumps)
            .map_err(|error| LoadError::Engine(one_line(&error)))?;
        let guest = Guest::load_within(&engine, module, &config.bounds)?;
        requirements::check(original)?;
        let instances = link(&guest, define)?;
        Runner {
            guest,
            instances,
            config,
        }
        .checked()
    }

    /// The same compiled module, run in another way. The compiler, the stack, and whether fuel is
    /// counted are compiled in and stay as they were.
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
        self.guest.outline().check_maximum()?;
        let DeclaredMemory { initial, .. } = self.guest.declared_memory();
        let ceiling = self.config.ceiling;
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
        Finished::start(self.instantiate(input, state)?, input)
    }

    /// As [`start`](Runner::start), and appends to `trace` what the module's cache is asked and
    /// told, in this block and in those that follow in the same instance. The cache finds
    /// nothing meanwhile; its outputs are the same.
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
        let guest_info = live.guest_info.ok_or(RunError::NoInstanceInfo)?;
        let exchange = &mut live.store.data_mut().exchange;
        exchange.record(Recorder::new(guest_info.address(), trace));
        Finished::start(live, input)
    }

    /// As [`start`](Runner::start), once `prepare` has had the instance.
    #[cfg(feature = "profile")]
    pub(crate) fn start_prepared(
        &self,
        input: &Input,
        state: &dyn State,
        prepare: impl FnOnce(&mut Store<Context>, &wasmtime::Instance) -> Result<(), wasmtime::Error>,
    ) -> Result<Finished, RunError> {
        let mut live = self.instantiate(input, state)?;
        prepare(&mut live.store, &live.instance)
            .map_err(|error| RunError::Instantiate(one_line(&error)))?;
        Finished::start(live, input)
    }

    /// As [`start`](Runner::start), in an instance that stops at each epoch for what `watch` puts
    /// there.
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
        Finished::start(live, input)
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
            keep_dump(
                config.core_dumps.as_ref(),
                &error,
                &mut store,
                &config.bounds,
            );
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
        live.name_module();
        live.store.data_mut().exchange.serve(memory);
        if config.watch_heap
            && let Some(info) = live.guest_info
        {
            let exchange = &mut live.store.data_mut().exchange;
            exchange.watch_heap(HeapWatch::new(info));
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

/// Checks that the thread's stack is larger than the part of it that the guest's calls may use.
fn check_stack(config: &RunConfig) -> Result<(), RunError> {
    let need = config.stack.unwrap_or(STACK_BYTES) + thread_stack::HOST_BYTES;
    match thread_stack::left() {
        Some(have) if have < need => Err(RunError::ThreadStack { have, need }),
        _ => Ok(()),
    }
}

/// What one block's instance forgets by: instances that all forgot alike would hide what only a
/// mixture shows.
pub(crate) fn seed_at(seed: NonZeroU32, input: &Input) -> NonZeroU32 {
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

/// Defines the host's functions, and what `define` adds, which are all that the module imports.
fn link(
    guest: &Guest,
    define: impl FnOnce(&mut Linker<Context>) -> Result<(), wasmtime::Error>,
) -> Result<InstancePre<Context>, LoadError> {
    let mut linker = Linker::new(guest.module().engine());
    metashrew::add_to_linker(&mut linker, |context: &mut Context| &mut context.exchange)
        .and_then(|()| wasi::add_to_linker(&mut linker, wasi_parts))
        .and_then(|()| define(&mut linker))
        .map_err(|error| LoadError::Engine(one_line(&error)))?;
    let linked = linker.instantiate_pre(guest.module());
    linked.map_err(|error| LoadError::ImportType(one_line(&error)))
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
