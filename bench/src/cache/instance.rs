//! One cache at work.

use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};
use steadfast::instance_info::InstanceInfo;
use steadfast::region::{HEADER_BYTES, RegionInfo};
use steadfast_host::limits::{Limits, OnRefusal};
use wasmtime::{Linker, Memory, Module, Store, TypedFunc, Val};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{Deterministic, WasiCtxBuilder};

use crate::guests::engine_error;

/// How many numbers a guest takes at a time.
const BATCH: usize = 16 << 10;

/// What a guest does with numbers, or with a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Op {
    /// Looks up.
    Get,
    /// Looks up, and stores what is not there.
    GetOrInsert,
    /// Stores.
    Insert,
    /// Drops.
    Remove,
    /// Carries out what is spelt out.
    Script,
    /// Looks up several at a time.
    GetMany,
}

/// What a cache is told about its size.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Bytes.
    pub bytes: u32,
    /// Entries.
    pub entries: u32,
    /// Bytes of its region, for one of ours.
    pub region: Option<u32>,
}

/// How a batch went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batch {
    /// Lookups that found their key.
    pub hits: u64,
    /// Time in the guest.
    pub ns: f64,
}

struct State {
    limits: Limits,
    wasi: WasiP1Ctx,
}

/// A fresh instance with an empty cache.
pub struct Instance {
    store: Store<State>,
    memory: Memory,
    run: TypedFunc<(u32, u32), u64>,
    payload: TypedFunc<u32, u64>,
    value_bytes: TypedFunc<u32, u32>,
    work_at: usize,
    region_at: Option<usize>,
    /// Bytes of linear memory before anything ran.
    bytes_before: usize,
    /// The same once the cache was opened.
    bytes_opened: usize,
}

impl Instance {
    /// Makes an instance that may have `ceiling` bytes of linear memory, and opens its cache.
    ///
    /// # Errors
    /// When the guest fails, or one of ours is given another region.
    pub fn open(module: &Module, capacity: Capacity, ceiling: u64) -> Result<Self> {
        Self::try_open(module, capacity, ceiling).map_err(engine_error)?
    }

    fn try_open(
        module: &Module,
        capacity: Capacity,
        ceiling: u64,
    ) -> wasmtime::Result<Result<Self>> {
        let state = State {
            limits: Limits::new(ceiling, None, OnRefusal::ReturnMinusOne),
            // Hashers with a random seed are to have the same one in every run.
            wasi: WasiCtxBuilder::new()
                .secure_random(Deterministic::new(vec![7]))
                .allow_blocking_current_thread(true)
                .build_p1(),
        };
        let engine = module.engine();
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limits);
        // Where nothing is counted it cannot be set.
        let _ = store.set_fuel(u64::MAX);
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p1::add_to_linker_sync(&mut linker, |state: &mut State| &mut state.wasi)?;
        let instance = linker.instantiate(&mut store, module)?;
        let Some(memory) = instance.get_memory(&mut store, "memory") else {
            return Ok(Err(anyhow!("the guest exports no memory")));
        };
        let mut address_of =
            |name: &str| match instance.get_global(&mut store, name)?.get(&mut store) {
                Val::I32(address) => Some(address as u32 as usize),
                _ => None,
            };
        let Some(work_at) = address_of("bench_work") else {
            return Ok(Err(anyhow!("the guest takes no work")));
        };
        let record_at = capacity.region.and(address_of(InstanceInfo::EXPORT));
        if let (Some(region), Some(at)) = (capacity.region, record_at) {
            memory.write(
                &mut store,
                at + InstanceInfo::CACHE_LIMIT_OFFSET,
                &region.to_le_bytes(),
            )?;
        }
        let bytes_before = memory.data_size(&store);
        instance
            .get_typed_func::<(), ()>(&mut store, "_start")?
            .call(&mut store, ())?;
        instance
            .get_typed_func::<(u32, u32), ()>(&mut store, "bench_open")?
            .call(&mut store, (capacity.bytes, capacity.entries))?;
        let region_at = match (capacity.region, record_at) {
            (Some(region), Some(at)) => {
                let record = InstanceInfo::decode(&memory.data(&store)[at..])?;
                if record.region_len != region {
                    let len = record.region_len;
                    return Ok(Err(anyhow!(
                        "the region has {len} bytes instead of {region}"
                    )));
                }
                Some(record.region_start as usize)
            }
            _ => None,
        };
        Ok(Ok(Self {
            run: instance.get_typed_func(&mut store, "bench_run")?,
            payload: instance.get_typed_func(&mut store, "bench_payload")?,
            value_bytes: instance.get_typed_func(&mut store, "bench_value_bytes")?,
            memory,
            work_at,
            region_at,
            bytes_before,
            bytes_opened: memory.data_size(&store),
            store,
        }))
    }

    /// Does one thing with each number.
    ///
    /// # Errors
    /// When the guest fails, or finds a wrong value.
    pub fn run(&mut self, op: Op, numbers: &[u32]) -> Result<Batch> {
        let mut sum = Batch::default();
        for numbers in numbers.chunks(BATCH) {
            let bytes: Vec<u8> = numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect();
            let batch = self.call(op, &bytes, numbers.len())?;
            sum.hits += batch.hits;
            sum.ns += batch.ns;
        }
        Ok(sum)
    }

    /// Carries out a script, or a part of one that fits the guest's room.
    ///
    /// # Errors
    /// When the guest fails, or finds a wrong value.
    pub fn run_script(&mut self, script: &[u8]) -> Result<Batch> {
        self.call(Op::Script, script, script.len())
    }

    #[inline]
    fn call(&mut self, op: Op, work: &[u8], count: usize) -> Result<Batch> {
        self.memory.write(&mut self.store, self.work_at, work)?;
        let began = Instant::now();
        let tally = self
            .run
            .call(&mut self.store, (op as u32, count as u32))
            .map_err(engine_error)?;
        let ns = began.elapsed().as_nanos() as f64;
        ensure!(tally >> 32 == 0, "{} wrong values", tally >> 32);
        Ok(Batch {
            hits: tally & 0xFFFF_FFFF,
            ns,
        })
    }

    /// Does one thing with one number, and answers its fuel.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn fuel_of(&mut self, op: Op, number: u32) -> Result<u64> {
        let before = self.fuel_left()?;
        self.call(op, &number.to_le_bytes(), 1)?;
        Ok(before - self.fuel_left()?)
    }

    /// The fuel of a script.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn fuel_of_script(&mut self, script: &[u8]) -> Result<u64> {
        let before = self.fuel_left()?;
        self.run_script(script)?;
        Ok(before - self.fuel_left()?)
    }

    /// The bytes of the value that a number makes.
    ///
    /// # Errors
    /// When the guest fails.
    pub fn value_bytes(&mut self, number: u32) -> Result<u32> {
        self.value_bytes
            .call(&mut self.store, number)
            .map_err(engine_error)
    }

    /// The fuel that is left.
    ///
    /// # Errors
    /// When the engine counts none.
    pub fn fuel_left(&self) -> Result<u64> {
        self.store.get_fuel().map_err(engine_error)
    }

    /// The bytes of all keys and values held; with `check`, all of them are looked at.
    ///
    /// # Errors
    /// When one is wrong.
    pub fn payload(&mut self, check: bool) -> Result<u64> {
        let bytes = self
            .payload
            .call(&mut self.store, check.into())
            .map_err(engine_error)?;
        ensure!(bytes != u64::MAX, "the cache holds a wrong value");
        Ok(bytes)
    }

    /// What the cache takes: its region's bytes, or those that linear memory has grown by since
    /// before it was made.
    ///
    /// # Errors
    /// When one of ours has grown linear memory since it was opened, which its region is never to
    /// do.
    pub fn linear_bytes(&self) -> Result<u64> {
        let bytes = self.memory.data_size(&self.store);
        let Some(region) = self.region()? else {
            return Ok((bytes - self.bytes_before) as u64);
        };
        ensure!(bytes == self.bytes_opened, "linear memory has grown");
        Ok(region.capacity.into())
    }

    /// All of linear memory.
    pub fn whole_bytes(&self) -> u64 {
        self.memory.data_size(&self.store) as u64
    }

    /// What the region's header tells.
    ///
    /// # Errors
    /// When it is none.
    pub fn region(&self) -> Result<Option<RegionInfo>> {
        let Some(at) = self.region_at else {
            return Ok(None);
        };
        let bytes = &self.memory.data(&self.store)[at..];
        let header = bytes
            .get(..HEADER_BYTES as usize)
            .context("the region has no room for a header")?;
        Ok(Some(RegionInfo::read(header)?))
    }
}
