//! wasmi, an interpreter that commits memory when it grows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast::format::InstanceInfo;
use wasmi::errors::HostError;
use wasmi::{
    Caller, Extern, FuncType, Instance, Linker, Memory, Module, Store, StoreLimits,
    StoreLimitsBuilder, TrapCode, TypedFunc, TypedResumableCall, Val, ValType,
};

use super::engine::{Engine, EngineError, took_too_long};
use super::observation::{Observation, Stop};
use super::rewrite::rewrite;
use super::scenario::Scenario;
use super::subject::Subject;
use super::wasmtime::environment;
use crate::bounds::{Bound, Bounds};
use crate::ceiling::PAGE_BYTES;
use crate::guest_info::GuestInfo;
use crate::image::{RegionImage, module_digest};
use crate::input::Input;
use crate::metashrew::{self, Exchange, Import};
use crate::output::Output;
use crate::run::seed_at;
use crate::state::{MemoryState, State as _};
use crate::text;
use crate::wasi::{self, Parameter, Stop as WasiStop};

type Failure = Box<dyn std::error::Error>;

/// Fuel between two looks at the clock: some tenths of a second.
const SLICE: u64 = 50_000_000;

/// Calls a function, piece by piece, until its time is over.
fn call(
    store: &mut Store<Context>,
    function: &TypedFunc<(), ()>,
    limit: Duration,
) -> Result<Option<Stop>, Failure> {
    store.set_fuel(SLICE)?;
    let mut called = function.call_resumable(&mut *store, ());
    loop {
        let paused = match called {
            Ok(TypedResumableCall::OutOfFuel(paused)) => paused,
            Ok(TypedResumableCall::Finished(())) => return Ok(None),
            Ok(TypedResumableCall::HostTrap(trap)) => return stopped(trap.host_error(), limit),
            Err(error) => return Ok(stop(&error)),
        };
        if store.data().world.is_over() {
            return Err(took_too_long(limit).into());
        }
        store.set_fuel(SLICE.max(paused.required_fuel()))?;
        called = paused.resume(&mut *store);
    }
}

/// What a function of the host stopped the module for: what it would have done is not known where
/// its time was over.
fn stopped(error: &wasmi::Error, limit: Duration) -> Result<Option<Stop>, Failure> {
    match error.downcast_ref() {
        Some(WasiStop::TimedOut) => Err(took_too_long(limit).into()),
        _ => Ok(stop(error)),
    }
}

impl HostError for WasiStop {}

/// Why a module stopped; an exit with status 0 is none.
fn stop(error: &wasmi::Error) -> Option<Stop> {
    (error.i32_exit_status() != Some(0)).then(|| Stop {
        reason: text::reason(&format!("the guest trapped: {error}")),
        is_stack: error.as_trap_code() == Some(TrapCode::StackOverflow),
    })
}

/// A module, translated anew for each scenario: its limits are written into it, since this engine's
/// own say nothing of the n-th growth.
pub struct Wasmi {
    engine: wasmi::Engine,
    module: Vec<u8>,
    linker: Linker<Context>,
}

/// What an instance's imports work on.
struct Context {
    exchange: Exchange,
    world: wasi::World,
    limits: StoreLimits,
}

impl Wasmi {
    /// Checks the module; or tells why it cannot be translated.
    pub fn new(subject: &Subject) -> Result<Self, String> {
        let mut config = wasmi::Config::default();
        config.consume_fuel(true);
        let engine = wasmi::Engine::new(&config);
        Module::new(&engine, subject.bytes()).map_err(|error| error.to_string())?;
        let linker = linker(&engine).map_err(|error| error.to_string())?;
        Ok(Wasmi {
            engine,
            module: subject.bytes().to_vec(),
            linker,
        })
    }

    fn observe(
        &self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, Failure> {
        let deadline = Instant::now().checked_add(scenario.timeout);
        let mut context = Context {
            exchange: Exchange::new(
                Arc::clone(input.bytes()),
                state.snapshot()?,
                Box::new(|_| ()),
            ),
            world: wasi::World::new(
                Arc::clone(input.bytes()),
                &environment(scenario),
                Output::Capture,
                &Bounds::default(),
            ),
            limits: StoreLimitsBuilder::new()
                .table_elements(Bound::TableElements.default() as usize)
                .build(),
        };
        context.world.set_deadline(deadline);
        let maximum = scenario.ceiling / PAGE_BYTES;
        let limited = rewrite(&self.module, maximum, scenario.refuse_grow)?;
        let module = Module::new(&self.engine, limited)?;
        let mut store = Store::new(&self.engine, context);
        store.limiter(|context| &mut context.limits);
        store.set_fuel(SLICE)?;
        let instance = self.linker.instantiate_and_start(&mut store, &module)?;
        let memory = instance.get_memory(&store, "memory");
        let memory = memory.ok_or("the module exports no memory")?;
        grow_to(&mut store, memory, scenario.pregrow.unwrap_or(0))?;
        if let Some(image) = image {
            grow_to(&mut store, memory, image.memory_needed() / PAGE_BYTES)?;
            image.restore(memory.data_mut(&mut store))?;
        }
        let guest_info = guest_info(&store, &instance);
        let digest = module_digest(&self.module);
        if let Some(info) = guest_info {
            let memory = memory.data_mut(&mut store);
            let _ = info.name_module(memory, &digest);
            let limited = scenario.cache.map(|limit| info.limit_cache(memory, limit));
            let seed = scenario.forget.map(|seed| seed_at(seed, input));
            let forgets = seed.map(|seed| info.forget_by(memory, seed));
            if [limited, forgets].contains(&Some(None)) {
                return Err("no instance info stands where the module says".into());
            }
        }
        let start = instance.get_typed_func::<(), ()>(&store, "_start")?;
        let stopped = call(&mut store, &start, scenario.timeout)?;
        let info = guest_info.and_then(|info| info.read(memory.data(&store)));
        let image = info.filter(|_| scenario.warm && stopped.is_none());
        let image = image.and_then(|info| {
            RegionImage::capture(memory.data(&store), info.region_start, digest).ok()
        });
        let Context {
            mut exchange,
            world,
            ..
        } = store.into_data();
        exchange.check_calls()?;
        Ok(Observation {
            image,
            printed: world.printed(),
            ..Observation::new(
                stopped,
                exchange.take_writes(),
                exchange.calls().to_vec(),
                info.as_ref(),
            )
        })
    }
}

impl Engine for Wasmi {
    fn run(
        &mut self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, EngineError> {
        self.observe(scenario, input, state, image)
            .map_err(|error| EngineError(text::reason(&error.to_string())))
    }

    fn commits_memory(&self) -> bool {
        true
    }
}

fn linker(engine: &wasmi::Engine) -> Result<Linker<Context>, Failure> {
    let mut linker = Linker::new(engine);
    add_metashrew(&mut linker)?;
    add_wasi(&mut linker)?;
    Ok(linker)
}

fn add_metashrew(linker: &mut Linker<Context>) -> Result<(), Failure> {
    for import in Import::ALL {
        let parameters = vec![ValType::I32; import.parameters()];
        let results = vec![ValType::I32; usize::from(import.has_result())];
        let signature = FuncType::new(parameters, results);
        linker.func_new(
            metashrew::MODULE,
            import.name(),
            signature,
            move |mut caller, arguments, results| {
                let (memory, context) = memory_of(&caller)?.data_and_store_mut(&mut caller);
                let arguments = arguments
                    .iter()
                    .map(|value| value.i32().unwrap_or_default());
                let result = import.call(&mut context.exchange, memory, arguments);
                if let Some(value) = result.map_err(|error| wasmi::Error::new(error.to_string()))? {
                    results[0] = Val::I32(value);
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}

fn add_wasi(linker: &mut Linker<Context>) -> Result<(), Failure> {
    for function in &wasi::FUNCTIONS {
        let parameters = function.parameters().map(|parameter| match parameter {
            Parameter::I32 => ValType::I32,
            Parameter::I64 => ValType::I64,
        });
        let results = function.has_result().then_some(ValType::I32);
        let call = |mut caller: Caller<'_, Context>, arguments: &[Val], results: &mut [Val]| {
            let (
                memory,
                Context {
                    world, exchange, ..
                },
            ) = memory_of(&caller)?.data_and_store_mut(&mut caller);
            let arguments = arguments.iter().map(|value| match value {
                Val::I64(wide) => *wide as u64,
                narrow => u64::from(narrow.i32().unwrap_or_default() as u32),
            });
            match function.call(world, exchange, memory, arguments) {
                Ok(errno) => {
                    results
                        .iter_mut()
                        .for_each(|result| *result = Val::I32(errno));
                    Ok(())
                }
                Err(WasiStop::Exit(status)) => Err(wasmi::Error::i32_exit(status)),
                Err(stop) => Err(wasmi::Error::host(stop)),
            }
        };
        let parameters: Vec<_> = parameters.collect();
        let signature = FuncType::new(parameters, results);
        linker.func_new(wasi::MODULE, function.name, signature, call)?;
    }
    Ok(())
}

/// The memory of the module that calls an import.
fn memory_of(caller: &Caller<'_, Context>) -> Result<Memory, wasmi::Error> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    memory.ok_or_else(|| wasmi::Error::new("the module exports no memory"))
}

fn grow_to(store: &mut Store<Context>, memory: Memory, pages: u64) -> Result<(), Failure> {
    let more = pages.saturating_sub(memory.size(&*store));
    if more > 0 {
        memory.grow(&mut *store, more)?;
    }
    Ok(())
}

fn guest_info(store: &Store<Context>, instance: &Instance) -> Option<GuestInfo> {
    let global = instance.get_global(store, InstanceInfo::EXPORT)?;
    Some(GuestInfo::at(global.get(store).i32()? as u32))
}
