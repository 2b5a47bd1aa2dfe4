//! `--coredump`: what the file of a module that trapped has, as wasmparser reads it.

use std::collections::HashMap;
use std::fs;

use wasmparser::{DataKind, KnownCustom, Name, Operator, Parser, Payload};

use crate::desk::{Desk, said};
use crate::guests::*;
use steadfast_host::{MemoryState, Runner};

/// Stores something, and traps two calls down.
fn traps() -> Vec<u8> {
    let items = r#"
        (func $malloc (param i32) (result i32) (i32.const 60000))
        (func $inner (param i32)
            (i64.store (local.get 0) (i64.const 0x1122334455667788))
            unreachable)
        (func $outer
            (call $inner (i32.add (call $malloc (i32.const 8)) (i32.const 3))))
    "#;
    let code = "(global.set $value (i32.const 77)) (call $outer)";
    module_that_writes(r#"(memory (export "memory") 2)"#, items, code)
}

fn function_names(module: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CustomSection(section) = payload.unwrap()
            && let KnownCustom::Name(section) = section.as_known()
        {
            for subsection in section {
                if let Name::Function(map) = subsection.unwrap() {
                    let pairs = map.into_iter().map(Result::unwrap);
                    names.extend(pairs.map(|it| (it.index, it.name.to_string())));
                }
            }
        }
    }
    names
}

/// The functions on the stack, innermost first; the memory; and the name of what ran.
fn read(dump: &[u8], module: &[u8]) -> (Vec<String>, Vec<u8>, String) {
    let names = function_names(module);
    let (mut frames, mut memory, mut name) = (Vec::new(), Vec::new(), String::new());
    for payload in Parser::new(0).parse_all(dump) {
        match payload.unwrap() {
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::CoreDump(section) => name = section.name.to_string(),
                KnownCustom::CoreDumpStack(section) => {
                    let functions = section.frames.iter().map(|frame| frame.funcidx);
                    let named = functions.map(|it| names.get(&it).cloned().unwrap_or_default());
                    frames.extend(named);
                }
                _ => {}
            },
            Payload::MemorySection(section) => {
                let declared = section.into_iter().next().unwrap().unwrap();
                memory.resize(declared.initial as usize * 65536, 0);
            }
            Payload::DataSection(section) => {
                for data in section {
                    let data = data.unwrap();
                    let DataKind::Active { offset_expr, .. } = data.kind else {
                        panic!("data without a place");
                    };
                    let at = offset_expr.get_operators_reader().read().unwrap();
                    let Operator::I32Const { value } = at else {
                        panic!("a place that is no number: {at:?}");
                    };
                    let place = value as usize..value as usize + data.data.len();
                    memory[place].copy_from_slice(data.data);
                }
            }
            _ => {}
        }
    }
    (frames, memory, name)
}

#[test]
fn a_trap_leaves_its_stack_and_its_memory() {
    let desk = Desk::with_block();
    let module = traps();
    desk.write("module", &module);
    let runner = Runner::new(&module, quiet()).unwrap();
    let finished = runner.start(&any_input(), &MemoryState::default()).unwrap();
    for command in ["run", "profile", "profile --time"] {
        let run = format!("{command} module --input block");
        let plain = desk.steadfast(&run);
        let output = desk.steadfast(&format!("{run} --coredump dump"));
        let kept = "steadfast: the core dump is in dump\n";
        assert_eq!(said(&output).replace(kept, ""), said(&plain));
        assert!(said(&output).contains(kept), "{output:?}");
        assert_eq!(output.status.code(), plain.status.code());
        let (frames, memory, name) = read(&desk.read("dump"), &module);
        // `_start` is exported, and has no name in the section.
        assert_eq!(frames, ["inner", "outer", ""], "{command}");
        assert!(memory == finished.memory(), "{command}");
        assert_eq!(memory[60_003..60_005], [0x88, 0x77]);
        assert_eq!(name, "module");
        fs::remove_file(desk.path("dump")).unwrap();
    }
}

#[test]
fn a_core_dump_is_written_over_nothing_that_the_run_uses() {
    let desk = Desk::with_block();
    for used in ["counter.wasm", "block", "db"] {
        let output = desk.run(&format!("counter.wasm --input block --coredump {used}"));
        assert!(said(&output).contains("uses this file, and --coredump"));
    }
    desk.succeeds("counter.wasm --input block --coredump dump");
    assert!(!desk.path("dump").exists(), "nothing failed");
}

#[test]
fn a_core_dump_beyond_its_bound_is_not_made() {
    let desk = Desk::with_block();
    desk.write("module", traps());
    let bounded = |bytes: u32| {
        let bound = format!("--bound dump-bytes={bytes}");
        said(&desk.steadfast(&format!("run module --input block --coredump dump {bound}")))
    };
    let told = bounded(65_535);
    assert!(told.contains("no core dump is kept: there are more than 65535 bytes"));
    assert!(told.contains("raise the bound `dump-bytes`"));
    assert!(!desk.path("dump").exists());
    let told = bounded(65_536);
    assert!(told.contains("the core dump is in"), "{told}");
}
