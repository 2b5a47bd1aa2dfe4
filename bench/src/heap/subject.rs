//! A guest over one allocator.

use std::fmt;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use steadfast::instance_info::InstanceInfo;
use wasmtime::{
    Engine, Linker, Memory, Module, Store, StoreLimits, StoreLimitsBuilder, Trap, TypedFunc,
};

use super::row::Row;
use crate::guests::{self, engine_error};

const PAGE: usize = 64 * 1024;

/// What a guest may take at most, so that one that leaks stops.
const CEILING: usize = 1 << 30;

/// Why a subject did not finish.
#[derive(Clone, Debug)]
pub enum Stop {
    /// It used many times the fuel of std.
    Fuel,
    /// It gave up: the workloads have no other reason to than a request that was refused.
    Trap,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Fuel => write!(f, "too slow"),
            Stop::Trap => write!(f, "no memory"),
        }
    }
}

impl Stop {
    fn of(error: &wasmtime::Error) -> Self {
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Stop::Fuel,
            _ => Stop::Trap,
        }
    }
}

/// One allocator's guest, compiled for time and for fuel.
pub struct Subject {
    name: &'static str,
    timed: (Engine, Module),
    counted: (Engine, Module),
}

/// A guest that has its input, ready to run a workload.
pub struct Instance<'a> {
    row: &'a Row,
    store: Store<StoreLimits>,
    memory: Memory,
    run: TypedFunc<u32, u64>,
    reset: Option<TypedFunc<(), ()>>,
    /// The first byte of steadfast's heap and one past its last.
    heap: Option<(usize, usize)>,
    pages_before: u32,
}

fn compile(fuel: bool, bytes: &[u8]) -> Result<(Engine, Module)> {
    let engine = steadfast_host::engine::engine(fuel).map_err(engine_error)?;
    let module = Module::new(&engine, bytes).map_err(engine_error)?;
    Ok((engine, module))
}

impl Subject {
    /// Reads and compiles the guest.
    ///
    /// # Errors
    /// When it is missing.
    pub fn load(name: &'static str) -> Result<Self> {
        let bytes = guests::read(&format!("heap/heap-{name}.wasm"))?;
        Ok(Self {
            name,
            timed: compile(false, &bytes)?,
            counted: compile(true, &bytes)?,
        })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A fresh instance with the input in its memory.
    ///
    /// # Errors
    /// When the guest is not one of these.
    pub fn start<'a>(&self, row: &'a Row, input: &[u8]) -> Result<Instance<'a>> {
        Instance::new(&self.timed, row, input, None)
    }

    /// The fuel of the second run in a fresh instance, of at most `limit` in each; and the result.
    ///
    /// # Errors
    /// When the guest is not one of these.
    pub fn fuel(&self, row: &Row, input: &[u8], limit: u64) -> Result<Result<(u64, u64), Stop>> {
        let mut instance = Instance::new(&self.counted, row, input, Some(limit))?;
        let mut counted = (0, 0);
        for _ in 0..2 {
            instance.store.set_fuel(limit).map_err(engine_error)?;
            counted.1 = match instance.run()? {
                Ok(result) => result,
                Err(stop) => return Ok(Err(stop)),
            };
            counted.0 = limit - instance.store.get_fuel().map_err(engine_error)?;
        }
        Ok(Ok(counted))
    }
}

impl<'a> Instance<'a> {
    fn new(
        (engine, module): &(Engine, Module),
        row: &'a Row,
        input: &[u8],
        fuel: Option<u64>,
    ) -> Result<Self> {
        let limits = StoreLimitsBuilder::new().memory_size(CEILING).build();
        let mut store = Store::new(engine, limits);
        store.limiter(|limits| limits);
        if fuel.is_some() {
            store.set_fuel(u64::MAX).map_err(engine_error)?;
        }
        let mut linker = Linker::new(engine);
        // The workloads call nothing; what a panic would call stops them.
        linker
            .define_unknown_imports_as_traps(module)
            .map_err(engine_error)?;
        let guest = linker
            .instantiate(&mut store, module)
            .map_err(engine_error)?;
        let memory = guest
            .get_memory(&mut store, "memory")
            .context("the guest exports no memory")?;
        let run = guest
            .get_typed_func(&mut store, "heap_run")
            .map_err(engine_error)?;
        let reset = guest.get_typed_func(&mut store, "heap_reset").ok();
        let place: u32 = guest
            .get_typed_func(&mut store, "heap_input")
            .map_err(engine_error)?
            .call(&mut store, input.len() as u32)
            .map_err(engine_error)?;
        memory.write(&mut store, place as usize, input)?;
        let record = guest.get_global(&mut store, InstanceInfo::EXPORT);
        let heap = match record.and_then(|record| record.get(&mut store).i32()) {
            Some(at) => Some(heap_span(memory.data(&store), at as u32 as usize)?),
            None => None,
        };
        let mut instance = Self {
            row,
            store,
            memory,
            run,
            reset,
            heap,
            pages_before: 0,
        };
        instance.pages_before = instance.pages_taken();
        Ok(instance)
    }

    fn run(&mut self) -> Result<Result<u64, Stop>> {
        let mut result = 0;
        for _ in 0..self.row.calls {
            if let Some(reset) = &self.reset {
                reset.call(&mut self.store, ()).map_err(engine_error)?;
            }
            match self.run.call(&mut self.store, self.row.workload) {
                Ok(sum) => result = sum,
                Err(error) => return Ok(Err(Stop::of(&error))),
            }
        }
        Ok(Ok(result))
    }

    /// The nanoseconds of one run.
    ///
    /// # Errors
    /// When it comes to another result than `expected`.
    pub fn time(&mut self, expected: u64) -> Result<Result<f64, Stop>> {
        let began = Instant::now();
        let outcome = self.run()?;
        let ns = began.elapsed().as_nanos() as f64;
        Ok(match outcome {
            Ok(result) => {
                ensure!(
                    result == expected,
                    "another result than before in {}",
                    self.row.name
                );
                Ok(ns)
            }
            Err(stop) => Err(stop),
        })
    }

    /// Pages taken since the input was there.
    pub fn pages(&self) -> u32 {
        self.pages_taken() - self.pages_before
    }

    /// For steadfast, which reserves its budget: the pages up to the last one of the heap that is
    /// not all zero. For the others the size of the memory.
    fn pages_taken(&self) -> u32 {
        let bytes = match self.heap {
            Some((start, end)) => {
                let heap = &self.memory.data(&self.store)[start..end];
                let zeros = [0; PAGE];
                heap.chunks_exact(PAGE)
                    .rposition(|page| page != zeros)
                    .map_or(0, |last| (last + 1) * PAGE)
            }
            None => self.memory.data_size(&self.store),
        };
        (bytes / PAGE) as u32
    }
}

fn heap_span(memory: &[u8], record: usize) -> Result<(usize, usize)> {
    let bytes = memory.get(record..).context("the record's address")?;
    let record = InstanceInfo::decode(bytes)?;
    let start = record.heap_start as usize;
    let end = start + record.heap_len as usize;
    ensure!(start > 0 && end <= memory.len(), "the heap is not reserved");
    Ok((start, end))
}
