//! Runs components of test guests: commands that print where their memory stands.

use steadfast_host::engine::engine;
use steadfast_host::limits::{Limits, OnRefusal};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::error::Context as _;
use wasmtime::{Engine, Result, Store};
use wasmtime_wasi::p2::bindings::sync::Command;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::{Guest, Setting, TARGETS};

/// A compiled component, to be run any number of times.
pub struct Compiled {
    engine: Engine,
    component: Component,
}

struct State {
    limits: Limits,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl Compiled {
    /// Compiles a component.
    ///
    /// # Errors
    /// When the bytes are none.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let engine = engine(false)?;
        let component = Component::new(&engine, bytes)?;
        Ok(Self { engine, component })
    }

    /// What the command prints in a fresh instance.
    ///
    /// # Errors
    /// When it stops, with the names of the functions it was in, or fails.
    pub fn run(&self, ceiling: u64, env: &[(&str, &str)], args: &[&str]) -> Result<String> {
        let stdout = MemoryOutputPipe::new(1 << 16);
        let wasi = WasiCtxBuilder::new()
            .stdout(stdout.clone())
            .inherit_stderr()
            .envs(env)
            .args(args)
            .allow_blocking_current_thread(true)
            .build();
        let state = State {
            limits: Limits::new(ceiling, None, OnRefusal::ReturnMinusOne).of_instances(8),
            wasi,
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        let mut linker = Linker::new(&self.engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        let command = Command::instantiate(&mut store, &self.component, &linker)?;
        let ended = command.wasi_cli_run().call_run(&mut store)?;
        ended.ok().context("the command failed")?;
        Ok(String::from_utf8(stdout.contents().to_vec())?)
    }

    /// Runs the guest `component` with environments and arguments of these sizes below two
    /// ceilings, and holds that its memory stands where it stands in the plain command.
    ///
    /// # Panics
    /// Where it does not.
    pub fn nothing_moves(&self, sizes: &[usize]) {
        let command = Guest::load(TARGETS[0], "component").run(&Setting::default());
        let command = command.expect("it can be run").finished("the command");
        let expected = [0, 3, 4].map(|at| command.results[at]);
        for ceiling in [129 << 20, 4 << 30] {
            for &bytes in sizes {
                let context = format!("{bytes} bytes, below {ceiling}");
                let value = "x".repeat(bytes);
                let env = [("UNREAD", &*value)];
                let env = if bytes == 0 { &[][..] } else { &env[..] };
                let output = self.run(ceiling, env, &["component", &value]);
                let output = output.unwrap_or_else(|error| panic!("{context}: {error:?}"));
                let words = output.split_whitespace();
                let numbers: Vec<u64> = words.map(|word| word.parse().expect("a number")).collect();
                assert_eq!(numbers[..3], expected, "{context}");
                assert_eq!(numbers[3], 2, "{context}: arguments");
            }
        }
    }
}
