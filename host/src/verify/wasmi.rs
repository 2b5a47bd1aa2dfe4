//! wasmi, an interpreter that commits memory when it grows.

mod directory;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use steadfast::format::InstanceInfo;
use wasmi::{
    Caller, Extern, FuncType, Instance, Linker, Memory, Module, Store, StoreLimits,
    StoreLimitsBuilder, TrapCode, TypedFunc, TypedResumableCall, Val, ValType,
};
use wasmi_wasi::wasi_common::pipe::WritePipe;
use wasmi_wasi::{WasiCtx, WasiCtxBuilder};

use self::directory::InputDirectory;
use super::engine::{Engine, EngineError, took_too_long};
use super::observation::{Observation, Stop};
use super::rewrite::Rewrite;
use super::scenario::Scenario;
use super::subject::Subject;
use super::wasmtime::environment;
use crate::bounds::Bound;
use crate::ceiling::PAGE_BYTES;
use crate::guest_info::GuestInfo;
use crate::image::{RegionImage, module_digest};
use crate::input::Input;
use crate::metashrew::{self, Exchange, Import};
use crate::output::Printed;
use crate::state::{MemoryState, State as _};
use crate::text;
use crate::wasi::poll::{self, Clock};
use crate::wasi::{self, INPUT_DIRECTORY};

type Failure = Box<dyn std::error::Error>;
type Pipe = WritePipe<Capped>;

/// Fuel between two looks at the clock: some tenths of a second.
const SLICE: u64 = 50_000_000;

/// Calls a function, piece by piece, until its time is over.
fn call(
    store: &mut Store<World>,
    function: &TypedFunc<(), ()>,
    deadline: Option<Instant>,
    limit: Duration,
) -> Result<Option<Stop>, Failure> {
    store.set_fuel(SLICE)?;
    let mut called = function.call_resumable(&mut *store, ());
    loop {
        let paused = match called {
            Ok(TypedResumableCall::OutOfFuel(paused)) => paused,
            Ok(TypedResumableCall::Finished(())) => return Ok(None),
            Ok(TypedResumableCall::HostTrap(trap)) => return Ok(stop(trap.host_error())),
            Err(error) => return Ok(stop(&error)),
        };
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(took_too_long(limit).into());
        }
        store.set_fuel(SLICE.max(paused.required_fuel()))?;
        called = paused.resume(&mut *store);
    }
}

/// Why a module stopped; an exit with status 0 is none.
fn stop(error: &wasmi::Error) -> Option<Stop> {
    (error.i32_exit_status() != Some(0)).then(|| Stop {
        reason: text::cut(&format!("the guest trapped: {error}"), 1000),
        is_stack: error.as_trap_code() == Some(TrapCode::StackOverflow),
    })
}

/// What a module prints, up to a bound.
#[derive(Default)]
struct Capped(Vec<u8>);

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.0.len() + bytes.len()) as u64 > Bound::OutputBytes.default() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A module, translated anew for each scenario: its limits are written into it, since this engine's own say nothing of
/// the n-th growth.
pub struct Wasmi {
    engine: wasmi::Engine,
    module: Vec<u8>,
    linker: Linker<World>,
    uses_wasi: bool,
}

/// What an instance's imports work on.
struct World {
    exchange: Exchange,
    wasi: Option<WasiCtx>,
    clock: Clock,
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
            uses_wasi: subject.uses_wasi(),
        })
    }

    fn observe(
        &self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, Failure> {
        let pipes = [(); 2].map(|()| Pipe::new(Capped::default()));
        let wasi = match self.uses_wasi {
            true => Some(wasi(scenario, input, &pipes)?),
            false => None,
        };
        let world = World {
            exchange: Exchange::new(
                Arc::clone(input.bytes()),
                state.snapshot()?,
                Box::new(|_| ()),
            ),
            wasi,
            clock: Clock {
                deadline: Instant::now().checked_add(scenario.timeout),
                ..Clock::start()
            },
            limits: StoreLimitsBuilder::new()
                .table_elements(Bound::TableElements.default() as usize)
                .build(),
        };
        let deadline = world.clock.deadline;
        let maximum = scenario.ceiling / PAGE_BYTES;
        let rewrite = Rewrite {
            splits_wasi: true,
            ..Rewrite::new(maximum, scenario.refuse_grow)
        };
        let module = Module::new(&self.engine, rewrite.apply(&self.module)?)?;
        let mut store = Store::new(&self.engine, world);
        store.limiter(|world| &mut world.limits);
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
        if let Some(record) = guest_info {
            let memory = memory.data_mut(&mut store);
            let _ = record.name_module(memory, &digest);
            let limited = scenario
                .cache
                .map(|limit| record.limit_cache(memory, limit));
            let forgets = scenario.forget.map(|seed| record.forget_by(memory, seed));
            if [limited, forgets].contains(&Some(None)) {
                return Err("no record stands where the module says".into());
            }
        }
        let start = instance.get_typed_func::<(), ()>(&store, "_start")?;
        let stopped = call(&mut store, &start, deadline, scenario.timeout)?;
        let record = guest_info.and_then(|record| record.read(memory.data(&store)));
        let image = record.filter(|_| scenario.warm && stopped.is_none());
        let image = image.and_then(|record| {
            RegionImage::capture(memory.data(&store), record.region_start, digest).ok()
        });
        let mut exchange = store.into_data().exchange;
        exchange.check_calls()?;
        // Nobody else has them any more.
        let [stdout, stderr] = pipes.map(|pipe| pipe.try_into_inner().unwrap_or_default());
        Ok(Observation {
            image,
            printed: Printed {
                stdout: stdout.0,
                stderr: stderr.0,
            },
            ..Observation::new(
                stopped,
                exchange.take_writes(),
                exchange.calls().to_vec(),
                record.as_ref(),
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
            .map_err(|error| EngineError(text::cut(&error.to_string(), 1000)))
    }

    fn commits_memory(&self) -> bool {
        true
    }
}

fn linker(engine: &wasmi::Engine) -> Result<Linker<World>, Failure> {
    let mut linker = Linker::new(engine);
    linker.allow_shadowing(true);
    // What makes a context of the store's data is told nothing of the function: so each has a module of its own, in which all
    // are defined in its name.
    for name in wasi::NOTED {
        wasmi_wasi::add_to_linker(&mut linker, move |world: &mut World| {
            world.exchange.note(name, None);
            wasi_of(world)
        })?;
        linker.alias_module(wasi::MODULE, name)?;
    }
    wasmi_wasi::add_to_linker(&mut linker, wasi_of)?;
    // Its own waits as long as the module likes. The rewritten module imports this one.
    linker.func_wrap(poll::NAME, poll::NAME, poll_oneoff)?;
    for import in Import::ALL {
        let parameters = vec![ValType::I32; import.parameters()];
        let results = vec![ValType::I32; usize::from(import.has_result())];
        let signature = FuncType::new(parameters, results);
        linker.func_new(
            metashrew::MODULE,
            import.name(),
            signature,
            move |mut caller, arguments, results| {
                let Some(memory) = caller.get_export("memory").and_then(Extern::into_memory) else {
                    return Err(wasmi::Error::new("the module exports no memory"));
                };
                let (memory, world) = memory.data_and_store_mut(&mut caller);
                let arguments = arguments
                    .iter()
                    .map(|value| value.i32().unwrap_or_default());
                let result = import.call(&mut world.exchange, memory, arguments);
                if let Some(value) = result.map_err(|error| wasmi::Error::new(error.to_string()))? {
                    results[0] = Val::I32(value);
                }
                Ok(())
            },
        )?;
    }
    Ok(linker)
}

fn poll_oneoff(
    mut caller: Caller<'_, World>,
    input: u32,
    output: u32,
    count: u32,
    answer: u32,
) -> Result<i32, wasmi::Error> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let memory = memory.ok_or_else(|| wasmi::Error::new("the module exports no memory"))?;
    let (memory, world) = memory.data_and_store_mut(&mut caller);
    world.exchange.note(poll::NAME, None);
    let polled = world.clock.poll(memory, [input, output, count, answer]);
    polled.map_err(|poll::TimedOut| wasmi::Error::new("the time for the run is over"))
}

fn wasi_of(world: &mut World) -> &mut WasiCtx {
    let wasi = world.wasi.as_mut();
    wasi.expect("a module that imports WASI is given a WASI context")
}

/// The input, the scenario's environment, and where standard output and standard error go.
fn wasi(
    scenario: &Scenario,
    input: &Input,
    [stdout, stderr]: &[Pipe; 2],
) -> Result<WasiCtx, Failure> {
    let mut builder = WasiCtxBuilder::new();
    builder.envs(&environment(scenario))?;
    builder.stdout(Box::new(stdout.clone()));
    builder.stderr(Box::new(stderr.clone()));
    let context = builder.build();
    let directory = InputDirectory::new(Arc::clone(input.bytes()));
    context.push_preopened_dir(Box::new(directory), INPUT_DIRECTORY)?;
    Ok(context)
}

fn grow_to(store: &mut Store<World>, memory: Memory, pages: u64) -> Result<(), Failure> {
    let more = pages.saturating_sub(memory.size(&*store));
    if more > 0 {
        memory.grow(&mut *store, more)?;
    }
    Ok(())
}

fn guest_info(store: &Store<World>, instance: &Instance) -> Option<GuestInfo> {
    let global = instance.get_global(store, InstanceInfo::EXPORT)?;
    Some(GuestInfo::at(global.get(store).i32()? as u32))
}
