//! Metashrew's imports in a linker, a store and a state that are not this library's own.

use crate::guests::*;
use steadfast::format::InstanceInfo;
use steadfast_host::metashrew::{Exchange, ImportError, add_to_linker};
use steadfast_host::{
    GuestInfo, ImageExchange, MemoryState, RunError, Runner, State, module_digest, module_tag,
};
use wasmtime::{Engine, Linker, Module, Store};

/// The embedder's data; the exchange is one of several things in it.
struct Mine {
    _before: u64,
    exchange: Exchange,
}

/// Runs a block as an embedder does.
fn run(module: &[u8], state: &mut MemoryState) -> wasmtime::Result<()> {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |mine: &mut Mine| &mut mine.exchange)?;
    let mut exchange = Exchange::new(
        any_input().bytes().clone(),
        state.snapshot().unwrap(),
        Box::new(|_| ()),
    );
    exchange.exchange_images(ImageExchange::new(module));
    let mut store = Store::new(
        &engine,
        Mine {
            _before: 0,
            exchange,
        },
    );
    let instance = linker.instantiate(&mut store, &Module::new(&engine, module)?)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    start.call(&mut store, ())?;
    let exchange = &mut store.data_mut().exchange;
    assert!(exchange.take_images().is_some() && exchange.images().is_none());
    if let Some(writes) = exchange.take_writes() {
        state.apply(&writes).unwrap();
    }
    Ok(())
}

#[test]
fn blocks_store_what_they_store_under_the_runner() {
    let (mut own, mut state) = (MemoryState::default(), MemoryState::default());
    let runner = Runner::new(&counter(), quiet()).unwrap();
    for _ in 0..3 {
        run(&counter(), &mut own).unwrap();
        runner.run_block(&any_input(), &mut state).unwrap();
    }
    assert_eq!(text(&own, "n").unwrap(), "xxx");
    assert_eq!(own.pairs(), state.pairs());
}

#[test]
fn a_wrong_pointer_fails_the_call_as_it_does_under_the_runner() {
    let images = r#"
        (import "env" "__load_image" (func $load_image (param i32 i32) (result i32)))
        (import "env" "__offer_image" (func $offer_image (param i32 i32)))"#;
    let mut refused = 0;
    for call in [
        "(call $load_input (i32.const 65530))",
        "(call $load_input (i32.const -8))",
        "(call $get (i32.const 3) (i32.const 0))",
        "(call $get (i32.const -4) (i32.const 0))",
        "(call $flush (i32.const 70000))",
        "(call $flush (i32.const 65537))",
        "(call $log (i32.const -1))",
        "(drop (call $get_len (i32.const -1)))",
        "(drop (call $load_image (i32.const -1) (i32.const -1)))",
        "(call $offer_image (i32.const -1) (i32.const -1))",
        "(call $offer_image (i32.const 0) (i32.const 65537))",
    ] {
        let module = module(&format!(
            "{images} (memory (export \"memory\") 1) (func (export \"_start\") {call})"
        ));
        let own = run(&module, &mut MemoryState::default());
        let runner = Runner::new(&module, quiet()).unwrap();
        let block = runner.run_block(&any_input(), &mut MemoryState::default());
        match (own, block) {
            (Err(own), Err(RunError::Import(error))) => {
                let own = own.downcast::<ImportError>().unwrap();
                assert_eq!(own.to_string(), error.to_string(), "{call}");
                refused += 1;
            }
            (Ok(()), Err(RunError::NoFlush)) => {}
            other => panic!("{call}: {other:?}"),
        }
    }
    assert_eq!(refused, 7);
}

#[test]
fn a_name_that_is_taken_is_told() {
    let mut linker = Linker::<Mine>::new(&Engine::default());
    linker.func_wrap("env", "__log", |_: i32| ()).unwrap();
    assert!(add_to_linker(&mut linker, |mine| &mut mine.exchange).is_err());
}

#[test]
fn instance_info_is_written_where_it_stands_and_nowhere_else() {
    let written_at = |address: i64| {
        let items = info_items(&[]).replacen(
            &format!("i32.const {INFO_AT})"),
            &format!("i32.const {address})"),
            1,
        );
        let module = module(&format!(r#"(memory (export "memory") 1) {items}"#));
        let engine = Engine::default();
        let mut linker = Linker::<Mine>::new(&engine);
        add_to_linker(&mut linker, |mine| &mut mine.exchange).unwrap();
        let mine = Mine {
            _before: 0,
            exchange: Exchange::new(
                any_input().bytes().clone(),
                MemoryState::default().snapshot().unwrap(),
                Box::new(|_| ()),
            ),
        };
        let mut store = Store::new(&engine, mine);
        let compiled = Module::new(&engine, &module).unwrap();
        let instance = linker.instantiate(&mut store, &compiled).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let info = GuestInfo::of(&instance, &mut store).unwrap();
        let memory = memory.data_mut(&mut store);
        let before = memory.to_vec();
        let digest = module_digest(&module);
        let told = info.name_module(memory, &digest);
        let read = info.read(memory);
        (told, before != memory, read, module_tag(&digest))
    };
    let (told, is_changed, read, tag) = written_at(INFO_AT as i64);
    assert_eq!((told, is_changed), (Some(()), true));
    assert_eq!(read.map(|read: InstanceInfo| read.module_tag), Some(tag));
    for address in [0, INFO_AT as i64 + 1, 65535, 65536, -1] {
        let (told, is_changed, read, _) = written_at(address);
        assert_eq!((told, is_changed, read), (None, false, None), "{address}");
    }
}
