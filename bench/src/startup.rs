//! What it costs to start with a region of 1 GiB, against writing 1 GiB of zeros.

use std::path::Path;
use std::process::Command;
use std::time::Instant;
use std::{env, fs};

use anyhow::{Context as _, Result, ensure};
use wasmtime::{Engine, Linker, Module, Store};

use crate::figures::{Figure, Figures, Value, median};
use crate::guests::{self, engine_error};
use crate::{process, schedule};

const BENCH: &str = "startup";

/// The module that the others are measured against.
const EMPTY: &str = "startup-empty";

const SUBJECTS: [&str; 3] = ["steadfast", "metashrew-plan", "vec-resize"];

fn load(engine: &Engine, guest: &str) -> Result<Module> {
    let bytes = guests::read(&format!("bench/{guest}.wasm"))?;
    Module::new(engine, bytes).map_err(engine_error)
}

/// Runs a fresh instance; answers nanoseconds within `_start`, the fuel that it used, and the store
/// that keeps it alive.
fn run(engine: &Engine, module: &Module, fuel: bool) -> Result<(f64, u64, Store<()>)> {
    let mut store = Store::new(engine, ());
    if fuel {
        store.set_fuel(u64::MAX).map_err(engine_error)?;
    }
    let instance = Linker::new(engine)
        .instantiate(&mut store, module)
        .map_err(engine_error)?;
    let start = instance
        .get_typed_func::<(), ()>(&mut store, "_start")
        .map_err(engine_error)?;
    let began = Instant::now();
    start.call(&mut store, ()).map_err(engine_error)?;
    let ns = began.elapsed().as_nanos() as f64;
    let used = if fuel {
        u64::MAX - store.get_fuel().map_err(engine_error)?
    } else {
        0
    };
    Ok((ns, used, store))
}

/// Measures both subjects, interleaved, `runs` times each.
///
/// # Errors
/// When a guest is missing or fails.
pub fn measure(runs: usize, figures: &mut Figures) -> Result<()> {
    ensure!(runs > 0, "at least one run is needed");
    let plain = steadfast_host::engine::engine(false).map_err(engine_error)?;
    let counting = steadfast_host::engine::engine(true).map_err(engine_error)?;
    let mut modules = Vec::new();
    for subject in SUBJECTS {
        modules.push(load(&plain, &format!("startup-{subject}"))?);
    }
    let mut times = vec![Vec::new(); SUBJECTS.len()];
    for round in 0..=runs {
        for at in schedule::of_round(round, SUBJECTS.len()) {
            let (ns, _, _) = run(&plain, &modules[at], false)?;
            // The first round warms up.
            if round > 0 {
                times[at].push(ns);
            }
        }
    }
    let empty = resident(EMPTY)?;
    for (subject, times) in SUBJECTS.into_iter().zip(&mut times) {
        let guest = format!("startup-{subject}");
        let (_, fuel, _) = run(&counting, &load(&counting, &guest)?, true)?;
        let mut push = |metric, value, unit| {
            figures.push(Figure {
                bench: BENCH,
                row: String::from("region-1g"),
                subject: subject.to_owned(),
                metric,
                value: Value::Number(value),
                unit,
            });
        };
        push("ns", median(times), "ns");
        push("fuel", fuel as f64, "fuel");
        let resident = resident(&guest)?;
        push("rss_bytes", resident.process - empty.process, "B");
        push("instance_bytes", resident.instance - empty.instance, "B");
        push(
            "precompiled_rss_bytes",
            resident.precompiled - empty.precompiled,
            "B",
        );
    }
    Ok(())
}

/// Resident bytes after one run, the instance still alive.
struct Resident {
    /// Of the process, which has compiled the module too.
    process: f64,
    /// What the instance and its `_start` added.
    instance: f64,
    /// Of a process that has read the module compiled, as a node with a cache of compiled modules
    /// does.
    precompiled: f64,
}

/// The medians of five processes each.
fn resident(guest: &str) -> Result<Resident> {
    let compiled = tempfile::NamedTempFile::new()?;
    let engine = steadfast_host::engine::engine(false).map_err(engine_error)?;
    fs::write(
        &compiled,
        load(&engine, guest)?.serialize().map_err(engine_error)?,
    )?;
    let (mut process, mut instance, mut precompiled) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let (before, after) = resident_in_process(guest, None)?;
        process.push(after);
        instance.push(after - before);
        precompiled.push(resident_in_process(guest, Some(compiled.path()))?.1);
    }
    Ok(Resident {
        process: median(&mut process),
        instance: median(&mut instance),
        precompiled: median(&mut precompiled),
    })
}

/// Resident bytes of a process of its own, before there is an instance and after `_start`.
fn resident_in_process(guest: &str, compiled: Option<&Path>) -> Result<(f64, f64)> {
    let mut command = Command::new(env::current_exe()?);
    let output = command.args(["resident", guest]).args(compiled).output()?;
    ensure!(
        output.status.success(),
        "{guest}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8(output.stdout)?;
    let (before, after) = said.trim().split_once(' ').context("two numbers")?;
    Ok((before.parse()?, after.parse()?))
}

/// Runs `guest`, or what it was compiled to, and prints this process's resident bytes before there
/// is an instance, and after `_start`.
///
/// # Errors
/// When the guest fails, or the system does not tell.
pub fn print_resident(guest: &str, compiled: Option<&Path>) -> Result<()> {
    let engine = steadfast_host::engine::engine(false).map_err(engine_error)?;
    let module = match compiled {
        // SAFETY: `resident` has written the file from a module of the same engine, for this
        // process alone.
        Some(path) => unsafe { Module::deserialize_file(&engine, path) }.map_err(engine_error)?,
        None => load(&engine, guest)?,
    };
    let before = process::bytes("status", "VmRSS")?;
    let (_, _, store) = run(&engine, &module, false)?;
    println!("{before} {}", process::bytes("status", "VmRSS")?);
    drop(store);
    Ok(())
}
