//! Runs the test guests under an engine that refuses, pre-grows and limits as it is told.

pub mod component;
pub mod shared_pages;

use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use steadfast::instance_info::InstanceInfo;
use steadfast_host::engine::{Compiler, engine_with};
use steadfast_host::limits::{Grows, Limits, OnRefusal};
use steadfast_host::{RunConfig, Runner};
use wasmtime::error::Context as _;
use wasmtime::{Caller, Engine, Extern, Linker, Memory, Module, Result, Store, Val};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;

/// How many numbers a guest reports.
pub const RESULTS: usize = 32;

/// The targets that guests are built for.
pub const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// What the host does to one instance.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Bytes of linear memory at the most.
    pub ceiling: u64,
    /// The call of `memory.grow` that is refused, counted from 1.
    pub refuse_grow: Option<u64>,
    /// What a refusal looks like to the guest.
    pub on_refusal: OnRefusal,
    /// Pages to which the host grows memory before the guest starts; fewer than there are change
    /// nothing.
    pub pregrow_pages: u64,
    /// What somebody keeps in the pages that were grown: addresses, each byte there is 0xaa.
    pub foreign: Vec<Range<u64>>,
    /// The limit on the region that the host writes into the instance info.
    pub cache_limit: Option<u32>,
    /// From where on the host says that it has grown memory itself; 0 if it does not.
    pub host_pages_from: u32,
    /// What the cache loses entries by, as the host writes it into the instance info; 0 for none.
    pub forget_seed: u32,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// What the first number is before the guest starts.
    pub first: u64,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            ceiling: 4 << 30,
            refuse_grow: None,
            on_refusal: OnRefusal::ReturnMinusOne,
            pregrow_pages: 0,
            foreign: Vec::new(),
            cache_limit: None,
            host_pages_from: 0,
            forget_seed: 0,
            env: Vec::new(),
            first: 0,
        }
    }
}

/// What somebody else's bytes hold.
const FOREIGN: u8 = 0xaa;

/// How a guest ended.
#[derive(Debug)]
pub struct Outcome {
    /// What it reported.
    pub results: [u64; RESULTS],
    /// The instance info, where the module has one.
    pub info: Option<InstanceInfo>,
    /// Why it stopped early, with the names of the functions it was in.
    pub trap: Option<String>,
    /// What it asked of memory.
    pub grows: Grows,
    /// Pages at the end.
    pub pages: u64,
    /// Bytes of `foreign` that are not as they were.
    pub overwritten: usize,
    /// What it said: on standard error, or in the host's log.
    pub said: String,
}

impl Outcome {
    /// The outcome of a guest that must not have stopped.
    #[track_caller]
    pub fn finished(self, context: &str) -> Self {
        assert_eq!(self.trap, None, "{context}");
        self
    }

    /// The instance info of a guest that has one.
    #[track_caller]
    pub fn info(&self) -> &InstanceInfo {
        self.info.as_ref().expect("the guest exports instance info")
    }
}

/// A compiled guest, to be run any number of times.
pub struct Guest {
    engine: Engine,
    module: Module,
}

struct State {
    limits: Limits,
    wasi: WasiP1Ctx,
    log: String,
}

/// Where `cargo xtask guests` puts what it builds.
fn guests() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    env::var_os("CARGO_TARGET_DIR")
        .map_or(root.join("target"), PathBuf::from)
        .join("guests")
}

/// Where a test guest stands.
pub fn path(target: &str, name: &str) -> PathBuf {
    guests()
        .join("test")
        .join(target)
        .join(name)
        .with_extension("wasm")
}

/// Reads an indexer, or another module that stands in `target/guests/` itself.
///
/// # Panics
/// When it was not built.
pub fn indexer(name: &str) -> Vec<u8> {
    let path = guests().join(name).with_extension("wasm");
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()))
}

/// A runner of the same module with so many MiB of memory above the region's base.
///
/// # Panics
/// When the module has no plan.
pub fn sized(runner: &Runner, mebibytes: u64) -> Runner {
    let plan = runner.guest().plan().expect("the module has a plan");
    let config = RunConfig {
        ceiling: plan.region_base().get() + (mebibytes << 20),
        ..runner.config().clone()
    };
    runner
        .with_config(config)
        .expect("it ran with another ceiling")
}

/// The command that builds a guest as cargo does by default, and where the module then stands: in a
/// directory of its own, out of the way of other builds.
///
/// # Panics
/// Outside of cargo.
pub fn debug_build(guest: &str, target: &str, directory: &str) -> (Command, PathBuf) {
    let directory = path(target, guest).with_file_name(directory);
    let mut command = Command::new(env::var_os("CARGO").expect("cargo runs the tests"));
    command
        .args(["build", "--quiet", "--package", "wasm-test-guests"])
        .args(["--bin", guest, "--target", target, "--target-dir"])
        .arg(&directory)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let module = directory.join(target).join("debug").join(guest);
    (command, module.with_extension("wasm"))
}

impl Guest {
    /// Reads and compiles the guest `name`.
    ///
    /// # Panics
    /// When it was not built.
    pub fn load(target: &str, name: &str) -> Self {
        let path = path(target, name);
        let bytes = fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; run `cargo xtask guests`", path.display())
        });
        Self::from_bytes(&bytes).unwrap_or_else(|error| panic!("{name}: {error:#}"))
    }

    /// Compiles a guest.
    ///
    /// # Errors
    /// When the bytes are not a module.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::compiled(bytes, Compiler::Cranelift)
    }

    /// Compiles a guest in one of the ways that wasmtime has.
    ///
    /// # Errors
    /// When the bytes are not a module.
    pub fn compiled(bytes: &[u8], compiler: Compiler) -> Result<Self> {
        let engine = engine_with(compiler, false)?;
        let module = Module::new(&engine, bytes)?;
        Ok(Self { engine, module })
    }

    /// Pages of memory that the module declares.
    pub fn declared_pages(&self) -> u64 {
        let memory = self.module.get_export("memory");
        let memory = memory.and_then(|export| export.memory().cloned());
        memory.expect("the guest exports its memory").minimum()
    }

    /// Runs a fresh instance.
    ///
    /// # Errors
    /// When it cannot be instantiated at all, or the host could not grow its memory as told.
    pub fn run(&self, setting: &Setting) -> Result<Outcome> {
        let stderr = MemoryOutputPipe::new(1 << 20);
        let wasi = WasiCtxBuilder::new()
            .envs(&setting.env)
            .stderr(stderr.clone())
            .allow_blocking_current_thread(true)
            .build_p1();
        let state = State {
            limits: Limits::new(setting.ceiling, setting.refuse_grow, setting.on_refusal),
            wasi,
            log: String::new(),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        let mut linker = Linker::new(&self.engine);
        wasmtime_wasi::p1::add_to_linker_sync(&mut linker, |state: &mut State| &mut state.wasi)?;
        linker.func_wrap("env", "__log", log)?;
        let instance = linker.instantiate(&mut store, &self.module)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .context("the guest exports no memory")?;
        pregrow(&mut store, memory, setting)?;
        let mut address_of =
            |name: &str| match instance.get_global(&mut store, name)?.get(&mut store) {
                Val::I32(address) => Some(address as u32 as usize),
                _ => None,
            };
        let results_at = address_of("guest_results").context("the guest exports no results")?;
        let info_at = address_of(InstanceInfo::EXPORT);
        if let (Some(limit), Some(at)) = (setting.cache_limit, info_at) {
            memory.write(
                &mut store,
                at + InstanceInfo::CACHE_LIMIT_OFFSET,
                &limit.to_le_bytes(),
            )?;
        }
        if let Some(at) = info_at {
            let seed = setting.forget_seed.to_le_bytes();
            memory.write(&mut store, at + InstanceInfo::FORGET_SEED_OFFSET, &seed)?;
            let from = setting.host_pages_from.to_le_bytes();
            memory.write(&mut store, at + InstanceInfo::HOST_PAGES_FROM_OFFSET, &from)?;
        }
        memory.write(&mut store, results_at, &setting.first.to_le_bytes())?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        let trap = start
            .call(&mut store, ())
            .err()
            .map(|error| format!("{error:?}"));
        let bytes = memory.data(&store);
        let mut results = [0; RESULTS];
        for (result, raw) in results.iter_mut().zip(bytes[results_at..].chunks_exact(8)) {
            *result = u64::from_le_bytes(raw.try_into()?);
        }
        let foreign = setting.foreign.iter();
        let foreign = foreign.flat_map(|range| &bytes[range.start as usize..range.end as usize]);
        let said = String::from_utf8_lossy(&stderr.contents()).into_owned() + &store.data().log;
        Ok(Outcome {
            overwritten: foreign.filter(|byte| **byte != FOREIGN).count(),
            said,
            results,
            info: info_at.and_then(|at| InstanceInfo::decode(&bytes[at..]).ok()),
            trap,
            grows: store.data().limits.grows(),
            pages: memory.size(&store),
        })
    }
}

fn pregrow(store: &mut Store<State>, memory: Memory, setting: &Setting) -> Result<()> {
    let have = memory.size(&*store);
    let by = setting.pregrow_pages.saturating_sub(have);
    if by == 0 {
        return Ok(());
    }
    store.data_mut().limits.set_host_grows(true);
    memory.grow(&mut *store, by)?;
    store.data_mut().limits.set_host_grows(false);
    for range in &setting.foreign {
        memory.data_mut(&mut *store)[range.start as usize..range.end as usize].fill(FOREIGN);
    }
    Ok(())
}

/// Metashrew's log: the text's length stands in the four bytes before it.
fn log(mut caller: Caller<'_, State>, text: u32) -> Result<()> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let (bytes, state) = memory.context("no memory")?.data_and_store_mut(&mut caller);
    let text = &bytes[text as usize - 4..];
    let (len, text) = text.split_first_chunk().context("a length")?;
    let piece = std::str::from_utf8(&text[..u32::from_le_bytes(*len) as usize])?;
    state.log.push_str(piece);
    Ok(())
}
