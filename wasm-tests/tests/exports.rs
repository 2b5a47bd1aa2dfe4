//! What a host finds in a module without running it: the plan's section and the export of the
//! instance info, on both targets, in debug and in release builds.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, str};

use steadfast::Plan;
use steadfast::instance_info::InstanceInfo;
use wasm_tests::{TARGETS, debug_build, path};
use wasmparser::{ExternalKind, KnownCustom, Linking, Parser, Payload, SymbolFlags, SymbolInfo};

/// Builds the guest `churn` for debugging.
fn debug_module(target: &str) -> PathBuf {
    let (mut build, module) = debug_build("churn", target, "debug-build");
    let status = build.status().expect("cargo can be run");
    assert!(status.success(), "the debug build for {target} failed");
    module
}

#[test]
fn the_plan_and_the_instance_info_are_found_in_every_build() {
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
                exports.contains(&(InstanceInfo::EXPORT.to_owned(), ExternalKind::Global)),
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
    for name in ["churn", "c-family", "c-libc"] {
        let ours = fs::read(path(TARGETS[0], name)).expect("`cargo xtask guests` built it");
        assert_eq!(count(&ours), 0, "{name}");
    }
}

#[test]
fn all_that_the_allocator_of_libc_defines_is_ours() {
    let libc = fs::read(target_libraries().join("self-contained/libc.a")).expect("rustup's libc");
    let theirs = members(&libc)
        .map(functions)
        .find(|functions| functions.contains("malloc"))
        .expect("an object of libc defines malloc");
    assert!(theirs.len() > 8, "{theirs:?}");
    let ours = fs::read(path(TARGETS[0], "c-libc")).expect("`cargo xtask guests` built it");
    let mut exported = BTreeSet::new();
    for payload in Parser::new(0).parse_all(&ours) {
        if let Payload::ExportSection(section) = payload.unwrap() {
            exported.extend(section.into_iter().map(|export| export.unwrap().name));
        }
    }
    let missing: Vec<_> = theirs
        .iter()
        .filter(|name| !exported.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "libc would link its own: {missing:?}");
}

fn target_libraries() -> PathBuf {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGETS[0]])
        .output()
        .expect("rustc can be run");
    Path::new(str::from_utf8(&output.stdout).unwrap().trim()).to_owned()
}

/// The files in an archive, as `ar` makes it.
fn members(archive: &[u8]) -> impl Iterator<Item = &[u8]> {
    const HEADER: usize = 60;
    let mut rest = archive.strip_prefix(b"!<arch>\n").expect("an archive");
    std::iter::from_fn(move || {
        let (header, after) = rest.split_at_checked(HEADER)?;
        let size: usize = str::from_utf8(&header[48..58]).ok()?.trim().parse().ok()?;
        let (member, after) = after.split_at_checked(size)?;
        rest = &after[(size % 2).min(after.len())..];
        Some(member)
    })
}

/// The functions that an object defines for others; none where the bytes are no object.
fn functions(object: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if !object.starts_with(b"\0asm") {
        return names;
    }
    for payload in Parser::new(0).parse_all(object) {
        let Payload::CustomSection(section) = payload.unwrap() else {
            continue;
        };
        let KnownCustom::Linking(linking) = section.as_known() else {
            continue;
        };
        for part in linking {
            if let Linking::SymbolTable(symbols) = part.unwrap() {
                names.extend(
                    symbols
                        .into_iter()
                        .filter_map(|symbol| match symbol.unwrap() {
                            SymbolInfo::Func {
                                flags,
                                name: Some(name),
                                ..
                            } if !flags.intersects(
                                SymbolFlags::UNDEFINED | SymbolFlags::BINDING_LOCAL,
                            ) =>
                            {
                                Some(name.to_owned())
                            }
                            _ => None,
                        }),
                );
            }
        }
    }
    names
}
