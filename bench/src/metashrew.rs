//! `metashrew::get` beside the same over lru-mem, as metashrew used it.

use std::time::Instant;

use anyhow::{Result, ensure};
use wasmtime::{Caller, Engine, Linker, Module, Store};

use crate::figures::{Figure, Figures, Value, median};
use crate::guests::{self, engine_error};
use crate::schedule;

const SUBJECTS: [&str; 2] = ["steadfast", "lru-mem"];

/// The subject that the other one is measured by.
const LRU_MEM: usize = 1;

/// What is measured, and the lookups of one run, as the guests have them.
const ROWS: [(&str, f64); 4] = [
    ("hit", 5_000.0),
    ("miss", 5_000.0),
    ("repeat-small", 5_000.0),
    ("repeat-large", 1_000.0),
];

/// What the host holds for every key.
const VALUE: [u8; 100] = [0x5A; 100];

/// A guest, and the engine that it is compiled for.
struct Subject {
    module: Module,
    linker: Linker<()>,
    counts_fuel: bool,
}

/// One run's figures, of one lookup.
#[derive(Clone, Copy)]
struct Run {
    ns: f64,
    fuel: f64,
    sum: u64,
}

impl Subject {
    fn load(name: &str, counts_fuel: bool) -> Result<Self> {
        let engine = steadfast_host::engine::engine(counts_fuel).map_err(engine_error)?;
        let module = guests::read(&format!("bench/metashrew-{name}.wasm"))?;
        Ok(Subject {
            module: Module::new(&engine, module).map_err(engine_error)?,
            linker: linker(&engine).map_err(engine_error)?,
            counts_fuel,
        })
    }

    /// Fills a fresh instance's cache, and has it look up what the row tells.
    fn run(&self, row: &str, lookups: f64) -> Result<Run> {
        self.try_run(row, lookups).map_err(engine_error)
    }

    fn try_run(&self, row: &str, lookups: f64) -> wasmtime::Result<Run> {
        let mut store = Store::new(self.module.engine(), ());
        if self.counts_fuel {
            store.set_fuel(u64::MAX)?;
        }
        let instance = self.linker.instantiate(&mut store, &self.module)?;
        let prepare = instance.get_typed_func::<(), ()>(&mut store, "prepare")?;
        let look_up = instance.get_typed_func::<(), u64>(&mut store, row)?;
        prepare.call(&mut store, ())?;
        let before = store.get_fuel().unwrap_or(0);
        let began = Instant::now();
        let sum = look_up.call(&mut store, ())?;
        let ns = began.elapsed().as_nanos() as f64;
        let fuel = before - store.get_fuel().unwrap_or(0);
        Ok(Run {
            ns: ns / lookups,
            fuel: fuel as f64 / lookups,
            sum,
        })
    }
}

/// The least that a metashrew host is: it holds one value for every key, and drops what it is
/// given.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<()>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("env", "__get_len", |_: i32| VALUE.len() as i32)?;
    linker.func_wrap(
        "env",
        "__get",
        |mut caller: Caller<'_, ()>, _: i32, into: i32| {
            let memory = caller
                .get_export("memory")
                .and_then(wasmtime::Extern::into_memory);
            let memory =
                memory.ok_or_else(|| wasmtime::Error::msg("the guest exports no memory"))?;
            memory.write(&mut caller, into as u32 as usize, &VALUE)?;
            wasmtime::Result::Ok(())
        },
    )?;
    linker.func_wrap("env", "__log", |_: i32| ())?;
    Ok(linker)
}

/// Measures both subjects on each row, interleaved, `runs` times each.
///
/// # Errors
/// When a guest is missing or fails, or the subjects do not read the same.
pub fn measure(runs: usize, figures: &mut Figures) -> Result<()> {
    ensure!(runs > 0, "at least one run is needed");
    let load = |counts_fuel| -> Result<Vec<Subject>> {
        let subjects = SUBJECTS.iter();
        subjects
            .map(|name| Subject::load(name, counts_fuel))
            .collect()
    };
    let (timed, counted) = (load(false)?, load(true)?);
    for (row, lookups) in ROWS {
        let mut times = [Vec::new(), Vec::new()];
        let mut sum = None;
        for round in 0..=runs {
            for at in schedule::of_round(round, SUBJECTS.len()) {
                let run = timed[at].run(row, lookups)?;
                let first = *sum.get_or_insert(run.sum);
                ensure!(
                    run.sum == first,
                    "{row}: {} read something else",
                    SUBJECTS[at]
                );
                // The first round warms up.
                if round > 0 {
                    times[at].push(run.ns);
                }
            }
        }
        let ns = times.map(|mut times| median(&mut times));
        let fuel = [
            counted[0].run(row, lookups)?.fuel,
            counted[1].run(row, lookups)?.fuel,
        ];
        for (at, subject) in SUBJECTS.into_iter().enumerate() {
            let mut push = |metric, value, unit| {
                figures.push(Figure {
                    bench: "metashrew",
                    row: row.to_owned(),
                    subject: subject.to_owned(),
                    metric,
                    value: Value::Number(value),
                    unit,
                });
            };
            push("ns", ns[at], "ns");
            push("fuel", fuel[at], "fuel");
            push("ns_to_lru_mem", ns[at] / ns[LRU_MEM], "");
            push("fuel_to_lru_mem", fuel[at] / fuel[LRU_MEM], "");
        }
    }
    Ok(())
}
