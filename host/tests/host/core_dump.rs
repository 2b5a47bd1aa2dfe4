//! `--coredump`: what the file of a module that trapped has, as wasmparser reads it.

use std::collections::HashMap;
use std::fs;
use std::process::Output;

use wasmparser::{DataKind, KnownCustom, Name, Operator, Parser, Payload};

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

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_trap_leaves_its_stack_and_its_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let module = traps();
    fs::write(path("module"), &module).unwrap();
    fs::write(path("block"), small_block(2)).unwrap();
    let runner = Runner::new(&module, quiet()).unwrap();
    let finished = runner.start(&any_input(), &MemoryState::default()).unwrap();
    for command in [&["run"][..], &["profile"], &["profile", "--time"]] {
        let (module_path, block, dump) = (path("module"), path("block"), path("dump"));
        let run = [command, &[&module_path, "--input", &block]].concat();
        let plain = steadfast(&run);
        let output = steadfast(&[&run[..], &["--coredump", &dump]].concat());
        let said = format!("steadfast: the core dump is in {dump}\n");
        assert_eq!(told(&output).replace(&said, ""), told(&plain));
        assert!(told(&output).contains(&said), "{output:?}");
        assert_eq!(output.status.code(), plain.status.code());
        let (frames, memory, name) = read(&fs::read(&dump).unwrap(), &module);
        // `_start` is exported, and has no name in the section.
        assert_eq!(frames, ["inner", "outer", ""], "{command:?}");
        assert!(memory == finished.memory(), "{command:?}");
        assert_eq!(memory[60_003..60_005], [0x88, 0x77]);
        assert_eq!(name, module_path);
        fs::remove_file(dump).unwrap();
    }
}

#[test]
fn a_core_dump_is_written_over_nothing_that_the_run_uses() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    fs::write(path("module"), counter()).unwrap();
    fs::write(path("block"), small_block(2)).unwrap();
    let (module, block, state, dump) = (path("module"), path("block"), path("db"), path("dump"));
    let run = [
        "run",
        &module,
        "--input",
        &block,
        "--db",
        &state,
        "--coredump",
    ];
    for used in [&module, &block, &state] {
        let output = steadfast(&[&run[..], &[used]].concat());
        assert!(told(&output).contains("uses this file, and --coredump"));
    }
    let output = steadfast(&[&run[..], &[&dump]].concat());
    assert!(output.status.success(), "{output:?}");
    assert!(!fs::exists(dump).unwrap(), "nothing failed");
}

#[test]
fn a_core_dump_beyond_its_bound_is_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    fs::write(path("module"), traps()).unwrap();
    fs::write(path("block"), small_block(2)).unwrap();
    let (module, block, dump) = (path("module"), path("block"), path("dump"));
    let run = ["run", &module, "--input", &block, "--coredump", &dump];
    let output = steadfast(&[&run[..], &["--bound", "dump-bytes=65535"]].concat());
    assert!(told(&output).contains("no core dump is kept: there are more than 65535 bytes"));
    assert!(told(&output).contains("raise the bound `dump-bytes`"));
    assert!(!fs::exists(&dump).unwrap());
    let output = steadfast(&[&run[..], &["--bound", "dump-bytes=65536"]].concat());
    assert!(told(&output).contains("the core dump is in"), "{output:?}");
}
