//! What a host finds in a module without running it: the plan's section and the record's export, on both targets, in debug
//! and in release builds.

use std::fs;
use std::path::PathBuf;

use steadfast::Plan;
use steadfast::record::Record;
use wasm_tests::{TARGETS, debug_build, path};
use wasmparser::{ExternalKind, Parser, Payload};

/// Builds the guest `churn` for debugging.
fn debug_module(target: &str) -> PathBuf {
    let (mut build, module) = debug_build(target, "debug-build");
    let status = build.status().expect("cargo can be run");
    assert!(status.success(), "the debug build for {target} failed");
    module
}

#[test]
fn the_plan_and_the_record_are_found_in_every_build() {
    for target in TARGETS {
        for module in [path(target, "churn"), debug_module(target)] {
            let bytes = fs::read(&module).unwrap_or_else(|error| {
                panic!("{}: {error}; run `cargo xtask guests`", module.display())
            });
            let mut plans = Vec::new();
            let mut exports = Vec::new();
            for payload in Parser::new(0).parse_all(&bytes) {
                match payload.unwrap() {
                    Payload::CustomSection(section) if section.name() == Plan::SECTION => {
                        plans.push(Plan::decode(section.data()).unwrap());
                    }
                    Payload::ExportSection(section) => {
                        for export in section {
                            let export = export.unwrap();
                            exports.push((export.name.to_owned(), export.kind));
                        }
                    }
                    _ => {}
                }
            }
            assert_eq!(plans, [Plan::DEFAULT], "{}", module.display());
            assert!(
                exports.contains(&(Record::EXPORT.to_owned(), ExternalKind::Global)),
                "{}",
                module.display()
            );
        }
    }
}

#[test]
fn std_allocator_is_gone_from_a_wasi_module() {
    // dlmalloc's functions carry these names in wasi-libc.
    let names = ["dlmalloc", "dlfree", "sys_alloc", "try_init_allocator"];
    let with_std = fs::read(path(TARGETS[0], "beside-std")).expect("`cargo xtask guests` built it");
    let ours = fs::read(path(TARGETS[0], "churn")).expect("`cargo xtask guests` built it");
    let count = |module: &[u8]| {
        names
            .iter()
            .filter(|name| {
                module
                    .windows(name.len())
                    .any(|window| window == name.as_bytes())
            })
            .count()
    };
    assert!(count(&with_std) > 0, "the names are the right ones");
    assert_eq!(count(&ours), 0);
}
