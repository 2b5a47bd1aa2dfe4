//! What a stranger's module says, and what its image claims: the host checks it, and shows it plain.

use std::mem::offset_of;

use crate::desk::{Desk, said};
use crate::guests::*;
use steadfast::format::{InstanceInfo, Reservation};
use steadfast::{Bytes, Plan};
use steadfast_host::{
    Bounds, ImageError, MemoryState, OnRefusal, Outline, RunConfig, RunError, Runner, SharedImage,
};

/// A map of a plan reads the bytes, and compiles none: a body that no compiler would take is passed
/// over.
#[test]
fn what_is_looked_at_is_not_compiled() {
    let mut invalid = module(r#"(memory (export "memory") 1) (func (export "_start"))"#);
    // The last instruction of all, before the section with names, becomes one that there is not.
    let names = invalid.windows(5).position(|bytes| bytes == b"\x04name");
    let code = &invalid[..names.expect("functions have names")];
    let end = code.iter().rposition(|byte| *byte == 0x0b).unwrap();
    invalid[end] = 0xff;
    assert!(Runner::new(&invalid, quiet()).is_err());
    assert!(Outline::read(&invalid, &Bounds::default()).is_ok());
}

#[test]
fn instance_info_that_lies_is_not_believed() {
    let claims = |state: Reservation, have: u32, need: u32, code: &str| {
        let info = info_items(&[
            (offset_of!(InstanceInfo, state), state as u32),
            (offset_of!(InstanceInfo, refused_have_pages), have),
            (offset_of!(InstanceInfo, refused_need), need),
        ]);
        module(&format!(
            r#"(memory (export "memory") 1) {info} (func (export "_start") {code} unreachable)"#
        ))
    };
    for (state, have, need) in [
        (Reservation::BudgetRefused, 1, 16_384),
        (Reservation::ForeignGrowth, 1, 7),
        (Reservation::ForeignPages, 0, 1 << 30),
        (Reservation::StaticDataTooLarge, 0, 1 << 30),
    ] {
        let error = fails(&claims(state, have, need, ""), quiet());
        assert!(matches!(error, RunError::Trap { .. }), "{error}");
        let told = error.to_string();
        assert!(
            told.contains("what its instance info says of the host is not so"),
            "{told}"
        );
    }
    // The same words are believed where the host has refused a growth.
    let refused = "(drop (memory.grow (i32.const 16383)))";
    let honest = claims(Reservation::BudgetRefused, 1, 16_384, refused);
    let config = RunConfig {
        ceiling: 1 << 20,
        on_refusal: OnRefusal::ReturnMinusOne,
        ..quiet()
    };
    let error = fails(&honest, config);
    assert!(matches!(error, RunError::BudgetRefused { .. }), "{error}");
}

#[test]
fn names_of_a_module_are_shown_plain_and_cut() {
    let desk = Desk::with_block();
    let escape = "\\1b]0;owned\\07\\1b[2J\\e2\\80\\ae";
    let long = "n".repeat(5000);
    let modules = [
        format!(
            r#"(module (import "env" "{escape}" (func)) (memory (export "memory") 1) (func (export "_start")))"#
        ),
        format!(
            r#"(module (import "{escape}{long}" "x" (func)) (memory (export "memory") 1) (func (export "_start")))"#
        ),
        r#"(module (memory (export "memory") 1) (func $f (export "_start") unreachable) (@custom "name" "\01\09\01\00\06\1b[2J\0a\0d"))"#.to_string(),
        format!(
            r#"(module (memory (export "memory") 1) (func (export "{escape}")) (func (export "{escape}")))"#
        ),
    ];
    for (number, text) in modules.iter().enumerate() {
        let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
        let name = format!("m\u{1b}[31m{number}.wasm");
        desk.write(&name, module);
        for command in ["run", "verify", "map", "stats"] {
            let output = desk.steadfast(&format!("{command} {name} --input block"));
            let told = [&output.stdout[..], &output.stderr].concat();
            let told = String::from_utf8(told).unwrap();
            assert!(!output.status.success(), "{told}");
            let steers = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!told.contains(steers), "{command} {number}: {told:?}");
            assert!(
                told.len() < 2500,
                "{command} {number}: {} bytes",
                told.len()
            );
        }
    }
}

/// What a WASI module prints goes to the host's standard error: as lines, in which nothing steers
/// it.
#[test]
fn what_a_module_prints_is_shown_plain() {
    let desk = Desk::with_block();
    let prints = module(&format!(
        r#"
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "\04\00\00\00\0a\00\0a\00")
        (data (i32.const 64) "a\1b[2J\nb\9b")
        (data (i32.const 128) "\40\00\00\00\08\00\00\00")
        (func (export "_start")
            (drop (call $fd_write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 144)))
            {FLUSH})
        "#
    ));
    desk.write("prints.wasm", prints);
    let output = desk.steadfast("run prints.wasm --input block");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said(&output), "a\\u{1b}[2J\nb\u{fffd}\n");
}

#[test]
fn an_image_of_bytes_goes_to_the_plans_region_alone() {
    const PAGE: u32 = 65_536;
    let plan = Plan::DEFAULT.with_region_max(Bytes::new(PAGE.into()));
    let planned = wat::parse_str(format!(
        r#"(module (memory (export "memory") 1) (@custom "{}" "{}")
        (func (export "_start")) (func (export "ask") (result i32) (i32.const 1028)))"#,
        Plan::SECTION,
        escaped(&plan.encode())
    ));
    let runner = Runner::new(&planned.unwrap(), quiet()).unwrap();
    let base = plan.region_base().get() as u32;
    let open = |address: u32, bytes: u32| {
        let image = SharedImage::of_bytes(address, &vec![1; bytes as usize]).unwrap();
        runner
            .open_view(&any_input(), &MemoryState::default(), Some(&image))
            .map(drop)
    };
    assert!(open(base, PAGE).is_ok());
    for address in [0, base - PAGE, base + PAGE] {
        let error = open(address, PAGE).unwrap_err();
        assert!(
            matches!(error, RunError::Image(ImageError::Place { base, .. }) if base == address),
            "{error}"
        );
    }
    let error = open(base, PAGE + 1).unwrap_err();
    assert!(
        matches!(error, RunError::Image(ImageError::TooLarge { bytes, most }) if bytes > most),
        "{error}"
    );
}
