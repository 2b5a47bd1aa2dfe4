//! `profile --fuel`: every instruction that a run counts is put down to the function that ran it.

use std::fs;

use crate::desk::{Desk, said};
use crate::guests::*;
use crate::warm::guest;
use steadfast_host::profile::{FuelProfile, collapsed, fuel};
use steadfast_host::{Bound, Bounds, Input, MemoryState, RunConfig, Runner, state_digest};

fn of(module: &[u8], config: RunConfig, inputs: &[Input]) -> (FuelProfile, MemoryState) {
    let mut state = MemoryState::default();
    let profile = fuel(module, config, inputs, &mut state).unwrap();
    (profile, state)
}

/// Profiles blocks, and checks that all of the fuel that a run of the module as it is counts is
/// there, and that the run ends alike.
fn checked(module: &[u8], config: RunConfig, inputs: &[Input]) -> FuelProfile {
    let (profile, profiled) = of(module, config.clone(), inputs);
    let counting = RunConfig {
        fuel: true,
        ..config
    };
    let runner = Runner::new(module, counting).unwrap();
    let mut state = MemoryState::default();
    let mut finished = runner.start(&inputs[0], &state).unwrap();
    for input in &inputs[1..] {
        finished = finished.next(input, &mut state).unwrap();
    }
    assert_eq!(Some(profile.fuel()), finished.report().fuel);
    assert_eq!(
        state_digest(&profiled).unwrap(),
        state_digest(&state).unwrap()
    );
    let told = |error: &steadfast_host::RunError| error.to_string();
    let failure = finished.outcome().as_ref().err().map(told);
    assert_eq!(profile.failure.as_ref().map(told), failure);
    profile
}

fn lines(profile: &FuelProfile) -> String {
    collapsed(&profile.stacks, 0)
}

fn module_with(items: &str, code: &str) -> Vec<u8> {
    module_that_writes(r#"(memory (export "memory") 1)"#, items, code)
}

/// What a function has: its own, and with its callees.
fn share(profile: &FuelProfile, function: &str) -> (u64, u64) {
    let shares = profile.stacks.shares(0);
    let share = shares.into_iter().find(|share| share.function == function);
    share.map_or((0, 0), |share| (share.own, share.with_callees))
}

#[test]
fn each_function_has_the_instructions_that_it_ran() {
    let items = r#"
        (func $leaf (drop (i32.add (i32.const 1) (i32.const 2))))
        (func $twice (call $leaf) (call $leaf))
    "#;
    let profile = checked(
        &module_with(items, "(call $twice)"),
        quiet(),
        &[any_input()],
    );
    // Each call of a function counts one more. `_start` ends with a store and a call of the host.
    let expected = "_start 7\n_start;twice 3\n_start;twice;leaf 8\n";
    assert_eq!(lines(&profile), expected);
    assert_eq!(share(&profile, "twice"), (3, 11));
}

/// Every way out of a function, and every way into one.
#[test]
fn calls_of_every_kind_end_with_their_function() {
    let items = r#"
        (table funcref (elem $returns $branches $fibonacci))
        (type $number (func (param i32) (result i32)))
        (func $returns (param i32) (result i32)
            (if (local.get 0) (then (return (i32.const 3))))
            (i32.const 4))
        (func $branches (param i32) (result i32)
            i32.const 5 (br_if 0 (local.get 0)) drop
            (br_table 0 0 (i32.const 6) (local.get 0)))
        (func $fibonacci (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
                (then (local.get 0))
                (else (i32.add
                    (call $fibonacci (i32.sub (local.get 0) (i32.const 1)))
                    (call $fibonacci (i32.sub (local.get 0) (i32.const 2)))))))
        (func $several (param i32) (result i32 i64)
            (if (local.get 0) (then (return (i32.const 1) (i64.const 2))))
            (i32.const 3) (i64.const 4))
        (func $counts_down (param i32)
            (if (i32.eqz (local.get 0)) (then (return)))
            (return_call $counts_down (i32.sub (local.get 0) (i32.const 1))))
        (func $hands_on (param i32) (result i32)
            (return_call_indirect (type $number) (local.get 0) (i32.const 2)))
        (func $begins (drop (call $fibonacci (i32.const 5))))
        (start $begins)
    "#;
    let code = r#"
        (local $at i32)
        (loop $more
            (global.set $value (i32.add (global.get $value)
                (call_indirect (type $number) (i32.const 7) (local.get $at))))
            (br_if $more (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 3))))
        (call $several (i32.const 0)) (drop) (drop)
        (call $several (i32.const 1)) (drop) (drop)
        (drop (call $returns (i32.const 0)))
        (drop (call $branches (i32.const 0)))
        (call $counts_down (i32.const 1000))
        (drop (call $hands_on (i32.const 6)))
        (memory.fill (i32.const 4096) (i32.const 1) (i32.const 100))
    "#;
    let module = module_with(items, code);
    let two = [any_input(), any_input()];
    let profile = checked(&module, quiet(), &two);
    assert!(profile.failure.is_none(), "{:?}", profile.failure);
    // A function that calls another in its place is not its caller.
    let lines = lines(&profile);
    assert!(lines.contains("_start;counts_down "), "{lines}");
    assert!(!lines.contains("counts_down;counts_down"), "{lines}");
    assert!(lines.contains("begins;fibonacci;fibonacci "), "{lines}");
    let nothing_before = lines.lines().any(|line| line.starts_with("begins "));
    assert!(nothing_before, "{lines}");
    assert_eq!(share(&profile, "counts_down").0, 2 * (1000 * 8 + 4));
    assert_eq!(share(&profile, "hands_on").0, 2 * 4);
}

/// What a module has run when it stops is all there.
#[test]
fn a_run_that_stops_in_the_middle_has_all_of_its_fuel() {
    let ends = [
        "unreachable",
        "(drop (i32.load (i32.const 70000)))",
        "(call $flush (i32.const 70000))",
        "(call_indirect (i32.const 0))",
        "(return_call_indirect (i32.const 0))",
        "(call $at_once)",
        "(call $late)",
        "(call $loads)",
    ];
    for end in ends {
        let items = format!(
            r#"
            (table 1 funcref)
            (func $at_once unreachable)
            (func $late (drop (i32.add (i32.const 1) (i32.const 2))) unreachable)
            (func $loads (drop (i32.load (i32.const 70000))))
            (func $stops (param i32)
                (if (local.get 0)
                    (then (call $stops (i32.sub (local.get 0) (i32.const 1))) (return)))
                (local.set 0 (i32.mul (i32.const 2) (i32.const 3)))
                {end})
            "#
        );
        let module = module_with(&items, "(call $stops (i32.const 5))");
        let profile = checked(&module, quiet(), &[any_input()]);
        assert!(profile.failure.is_some(), "{end}");
        let stacks = lines(&profile).lines().count();
        assert!((6..=8).contains(&stacks), "{end}: {stacks}");
    }
}

#[test]
fn a_limit_of_fuel_holds_as_it_does_in_a_run() {
    let items = "(func $spins (loop $more (br $more)))";
    let config = RunConfig {
        fuel_limit: Some(100_000),
        ..quiet()
    };
    let profile = checked(&module_with(items, "(call $spins)"), config, &[any_input()]);
    let failure = profile.failure.unwrap().to_string();
    assert!(failure.contains("after 100000 instructions"), "{failure}");
}

/// The deepest recursion that a run has the stack for. What is kept of it is bounded.
#[test]
fn a_deep_recursion_goes_as_deep_as_in_a_run() {
    let with_depth = |depth: u32| {
        let items = r#"
            (func $sinks (param i32) (param i64) (result i64)
                (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
                (i64.mul (local.get 1) (call $sinks
                    (i32.sub (local.get 0) (i32.const 1))
                    (i64.add (local.get 1) (i64.const 3)))))
        "#;
        module_with(
            items,
            &format!("(drop (call $sinks (i32.const {depth}) (i64.const 9)))"),
        )
    };
    let ends = |depth| {
        let config = RunConfig {
            fuel: true,
            ..quiet()
        };
        let runner = Runner::new(&with_depth(depth), config).unwrap();
        let finished = runner.start(&any_input(), &MemoryState::default());
        finished.unwrap().outcome().is_ok()
    };
    let (mut least, mut most) = (1000, 1 << 20);
    while most - least > 1 {
        let middle = (least + most) / 2;
        match ends(middle) {
            true => least = middle,
            false => most = middle,
        }
    }
    let profile = checked(&with_depth(least), quiet(), &[any_input()]);
    assert!(profile.failure.is_none(), "{:?}", profile.failure);
    let deepest = profile.stacks.rows.iter().map(|row| row.frames.len()).max();
    assert_eq!(deepest, Some(257));
    assert_eq!(share(&profile, "sinks").0, u64::from(least) * 13 + 5);
}

/// A start function runs before there is an instance.
#[test]
fn a_start_function_that_traps_leaves_what_it_has_run() {
    let items = r#"
        (func $leaf (drop (i32.add (i32.const 1) (i32.const 2))))
        (func $begins (call $leaf) unreachable)
        (start $begins)
    "#;
    let (profile, _) = of(&module_with(items, ""), quiet(), &[any_input()]);
    let failure = profile.failure.as_ref().unwrap().to_string();
    assert!(failure.contains("unreachable"), "{failure}");
    assert_eq!(profile.blocks, 1);
    // Its beginning and its call; `unreachable` takes no fuel.
    assert_eq!(share(&profile, "begins"), (2, 6));
    assert_eq!(share(&profile, "leaf").0, 4);
    // Nothing has run where memory is not to be had.
    let pregrow = RunConfig {
        pregrow: Some(3),
        ceiling: 2 << 16,
        ..quiet()
    };
    let module = module_with("(func $leaf)", "");
    let mut state = MemoryState::default();
    let refused = fuel(&module, pregrow, &[any_input()], &mut state).unwrap_err();
    assert!(
        refused.to_string().contains("cannot grow memory"),
        "{refused}"
    );
}

#[test]
fn what_is_kept_of_the_calls_is_bounded() {
    let items = "(func $sinks (param i32)
        (if (local.get 0) (then (call $sinks (i32.sub (local.get 0) (i32.const 1))))))";
    let module = module_with(items, "(call $sinks (i32.const 200))");
    let config = RunConfig {
        bounds: Bounds::default().with(Bound::ProfiledCalls, 100),
        ..quiet()
    };
    let (profile, _) = of(&module, config, &[any_input()]);
    let failure = profile.failure.as_ref().unwrap().to_string();
    assert!(failure.contains("profiled-calls"), "{failure}");
    assert_eq!(profile.stacks.rows.len(), 100);
}

#[test]
fn the_fuel_of_real_indexers_is_the_same_each_time() {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let block = Input::parse("block", block).unwrap();
    let blocks = [block.at_height(702_861), block.at_height(702_862)];
    for (name, blocks) in [
        ("indexer_metashrew", &blocks[..]),
        ("indexer-wasi", &blocks[..1]),
    ] {
        let module = fs::read(guest(name)).unwrap();
        let config = RunConfig {
            ceiling: 512 << 20,
            ..quiet()
        };
        let profile = checked(&module, config.clone(), blocks);
        assert!(profile.failure.is_none(), "{:?}", profile.failure);
        let (again, _) = of(&module, config, blocks);
        assert_eq!(again.stacks, profile.stacks);
        assert_eq!(share(&profile, "_start").1, profile.fuel(), "{name}");
    }
}

#[test]
fn the_command_shows_the_fuel() {
    let desk = Desk::with_block();
    desk.write("module", module_with("(func $leaf)", "(call $leaf)"));
    let profile =
        |more: &str| desk.steadfast(&format!("profile module --input block --fuel {more}"));
    let output = profile("--collapsed lines");
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("own fuel"), "{table}");
    assert_eq!(desk.read("lines"), b"_start 7\n_start;leaf 1\n");
    desk.write("module", "no module");
    let said = said(&profile(""));
    assert_eq!(said.matches("bad magic number").count(), 1, "{said}");
    for other in ["--time", "--every 1KiB", "--show end"] {
        assert!(!profile(other).status.success(), "{other}");
    }
}
