//! `profile`: what it tells of allocations that are known, and of modules that nobody can trust.

use std::collections::BTreeSet;
use std::fs;

use crate::desk::{Desk, said};
use crate::guests::*;
use crate::warm::guest;
use steadfast_host::profile::{
    Amount, HeapOptions, HeapProfile, ProfileError, Role, collapsed, heap, time,
};
use steadfast_host::{
    Bound, Bounds, Input, MemoryState, RunConfig, RunError, Runner, state_digest,
};

/// An allocator that never gives an address twice, up to the end of the first page.
const ALLOCATOR: &str = r#"
    (global $top (mut i32) (i32.const 4096))
    (func $malloc (param $size i32) (result i32) (local $at i32)
        (local.set $at (global.get $top))
        (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const 65536))
            (then (return (i32.const 0))))
        (global.set $top (i32.add (local.get $at) (local.get $size)))
        (local.get $at))
    (func $free (param i32))
"#;

/// A module with that allocator whose `_start` runs some code and flushes a pair.
fn allocates(items: &str, code: &str) -> Vec<u8> {
    let items = format!("{ALLOCATOR} {items}");
    module_that_writes(r#"(memory (export "memory") 2)"#, &items, code)
}

fn of(module: &[u8], config: RunConfig, options: &HeapOptions) -> HeapProfile {
    let mut state = MemoryState::default();
    heap(module, config, &[any_input()], &mut state, options).unwrap()
}

fn exactly(module: &[u8]) -> HeapProfile {
    of(module, quiet(), &HeapOptions::default())
}

fn amount(blocks: u64, bytes: u64) -> Amount {
    Amount { blocks, bytes }
}

/// What a function has of a column: its own, and with its callees.
fn share(profile: &HeapProfile, column: &str, function: &str) -> (u64, u64) {
    let column = profile.stacks.column(column).unwrap();
    let shares = profile.stacks.shares(column);
    let share = shares.iter().find(|share| share.function == function);
    share.map_or((0, 0), |share| (share.own, share.with_callees))
}

const KNOWN: &str = r#"
    (func $keeps (drop (call $malloc (i32.const 1000))))
    (func $builds (local $a i32) (local $b i32)
        (local.set $a (call $malloc (i32.const 5000)))
        (local.set $b (call $helps))
        (call $free (local.get $a))
        (call $free (local.get $b)))
    (func $helps (result i32) (call $malloc (i32.const 200)))
    (func $churns (local $left i32)
        (local.set $left (i32.const 50))
        (loop $more
            (call $free (call $malloc (i32.const 10)))
            (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
"#;

#[test]
fn what_is_known_is_found() {
    let code = "(call $keeps) (call $builds) (call $churns)";
    let profile = exactly(&allocates(KNOWN, code));
    assert!(profile.failure.is_none() && !profile.is_partial());
    assert_eq!(profile.peak, amount(3, 6200));
    assert_eq!(profile.end, amount(1, 1000));
    let counts = profile.counts;
    assert_eq!((counts.allocations, counts.frees), (53, 52));
    assert_eq!(counts.requests_at_peak, 3);
    let held = |function| share(&profile, "peak_bytes", function);
    assert_eq!(held("keeps"), (1000, 1000));
    assert_eq!(held("builds"), (5000, 5200));
    assert_eq!(held("helps"), (200, 200));
    assert_eq!(held("_start"), (0, 6200));
    assert_eq!(share(&profile, "end_bytes", "keeps"), (1000, 1000));
    assert_eq!(share(&profile, "end_bytes", "builds"), (0, 0));
    assert_eq!(share(&profile, "short_lived_blocks", "churns"), (50, 50));
    assert_eq!(share(&profile, "total_bytes", "_start"), (0, 6700));
    let largest = &profile.largest[0];
    assert_eq!((largest.bytes, largest.times), (5000, 1));
    assert_eq!(largest.stack, ["builds", "_start"]);
    let lines = collapsed(&profile.stacks, 0);
    let expected = "_start;builds 5000\n_start;builds;helps 200\n_start;keeps 1000\n";
    assert_eq!(lines, expected);
}

/// The guest adds up what it asks for, and holds, by numbers that nobody here knows.
#[test]
fn totals_are_those_of_the_guest_itself() {
    let items = r#"
        (global $asked (mut i32) (i32.const 0))
        (global $seed (mut i32) (i32.const 7))
        (func $asks (result i32) (local $size i32)
            (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1103515245)) (i32.const 12345)))
            (local.set $size (i32.and (i32.shr_u (global.get $seed) (i32.const 16)) (i32.const 63)))
            (global.set $asked (i32.add (global.get $asked) (local.get $size)))
            (call $malloc (local.get $size)))
    "#;
    let code = r#"
        (local $left i32)
        (local.set $left (i32.const 500))
        (loop $more
            (if (i32.and (global.get $seed) (i32.const 65536))
                (then (call $free (call $asks)))
                (else (drop (call $asks))))
            (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
        (global.set $value (global.get $asked))
    "#;
    let module = allocates(items, code);
    let mut state = MemoryState::default();
    let inputs = [any_input(), any_input()];
    // What the first block wrote is in the state.
    let profile = heap(
        &module,
        quiet(),
        &inputs,
        &mut state,
        &HeapOptions::default(),
    )
    .unwrap();
    let runner = Runner::new(&module, quiet()).unwrap();
    let mut plain = MemoryState::default();
    runner.run_block(&any_input(), &mut plain).unwrap();
    assert_eq!(state_digest(&state).unwrap(), state_digest(&plain).unwrap());
    let first = exactly(&module);
    let total = first
        .stacks
        .total(first.stacks.column("total_bytes").unwrap());
    assert_eq!(total, u64::from(written(&plain)));
    assert!(first.end.bytes > 0 && first.end.bytes < total);
    assert_eq!(profile.blocks, 2);
    assert_eq!(profile.counts.allocations, 1000);
}

#[test]
fn an_exhausted_heap_shows_who_holds_it() {
    let items = r#"
        (func $hoards (loop $more
            (br_if $more (call $malloc (i32.const 4000)))))
    "#;
    let module = allocates(items, "(call $hoards) unreachable");
    let profile = exactly(&module);
    assert!(matches!(profile.failure, Some(RunError::Trap { .. })));
    assert_eq!(profile.end, amount(15, 60_000));
    assert_eq!(profile.counts.refused, 1);
    assert_eq!(profile.refused.as_ref().unwrap().bytes, 4000);
    assert_eq!(share(&profile, "end_bytes", "hoards"), (60_000, 60_000));
    let runner = Runner::new(&module, quiet()).unwrap();
    let plain = runner.start(&any_input(), &MemoryState::default());
    let plain = plain.unwrap().outcome().as_ref().unwrap_err().to_string();
    assert_eq!(profile.failure.as_ref().unwrap().to_string(), plain);
    let table = profile.table();
    assert!(
        table.contains("the last for 4,000 B (3.9 KiB) in hoards"),
        "{table}"
    );
}

#[test]
fn one_block_in_some_bytes_stands_for_the_others() {
    let items = r#"
        (func $asks (local $left i32)
            (local.set $left (i32.const 3000))
            (loop $more
                (drop (call $malloc (i32.const 20)))
                (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
    "#;
    let module = allocates(items, "(call $asks)");
    let options = HeapOptions {
        every: 1000,
        ..HeapOptions::default()
    };
    let profile = of(&module, quiet(), &options);
    assert_eq!(profile.peak, amount(3000, 60_000));
    assert_eq!(profile.counts.allocations, 3000);
    let looked = profile.table();
    assert!(looked.contains("one in 1000 B"), "{looked}");
}

/// A block where another one stands: the allocator's `free` was not seen.
#[test]
fn what_the_compiler_inlined_is_told() {
    let code = r#"
        (drop (call $malloc (i32.const 100)))
        (global.set $top (i32.const 4096))
        (drop (call $malloc (i32.const 300)))
        (call $free (i32.const 40000))
    "#;
    let profile = exactly(&allocates("", code));
    assert_eq!(profile.counts.unseen_frees, 1);
    assert_eq!(profile.counts.unseen_allocations, 1);
    assert_eq!(profile.end, amount(1, 300));
    let table = profile.table();
    assert!(table.contains("-inline-threshold=0"), "{table}");
}

#[test]
fn an_allocator_with_another_name_is_told_by_it() {
    let items = "(func $take (param i32) (result i32) (i32.const 9000))";
    let module = module_that_writes(
        r#"(memory (export "memory") 1)"#,
        items,
        "(drop (call $take (i32.const 70)))",
    );
    let options = HeapOptions::default();
    let mut state = MemoryState::default();
    let refused = heap(&module, quiet(), &[any_input()], &mut state, &options);
    let refused = refused.unwrap_err();
    assert!(matches!(
        refused,
        ProfileError::NoAllocator { has_names: true }
    ));
    assert!(refused.to_string().contains("--allocator"), "{refused}");
    let refused = |module: &[u8], name: &str, role| {
        let options = HeapOptions {
            allocator: vec![(name.to_string(), role)],
            ..HeapOptions::default()
        };
        let mut state = MemoryState::default();
        let refused = heap(module, quiet(), &[any_input()], &mut state, &options);
        refused.unwrap_err().to_string()
    };
    let told = refused(&module, "takes", Role::Allocate);
    assert!(
        told.starts_with("--allocator takes: no function of the module has this name"),
        "{told}"
    );
    for (name, role) in [("take", Role::Free), ("host_len", Role::Allocate)] {
        let told = refused(&module, name, role);
        assert!(told.contains("of this name is imported, or"), "{told}");
        assert!(told.ends_with("nor does it have another that is known to allocate"));
    }
    let told = refused(&allocates("", ""), "takes", Role::Allocate);
    assert!(told.ends_with("its allocator are malloc, free"), "{told}");
    let options = HeapOptions {
        allocator: vec![("take".to_string(), Role::Allocate)],
        ..options
    };
    let profile = of(&module, quiet(), &options);
    assert_eq!(profile.peak, amount(1, 70));
    assert!(profile.table().contains("no function was found that gives"));
}

#[test]
fn a_start_function_may_allocate() {
    let items = "(func $first (drop (call $malloc (i32.const 5)))) (start $first)";
    let profile = exactly(&allocates(items, "(drop (call $malloc (i32.const 6)))"));
    assert!(profile.failure.is_none(), "{:?}", profile.failure);
    assert_eq!(profile.peak, amount(1, 6), "nobody listens at the start");
}

/// C's family over one another, as libraries have it: each block counts once.
#[test]
fn a_function_of_the_family_that_calls_another_counts_once() {
    let items = r#"
        (table 1 funcref)
        (func $calloc (param i32 i32) (result i32)
            (call $malloc (i32.mul (local.get 0) (local.get 1))))
        (func $realloc (param i32 i32) (result i32)
            (call $free (local.get 0))
            (call $malloc (local.get 1)))
        (func $posix_memalign (param i32 i32 i32) (result i32)
            (i32.store (local.get 0) (call $malloc (local.get 2)))
            (i32.const 0))
        (func $aligned_alloc (param i32 i32) (result i32) (call $malloc (local.get 1)))
        (func $uses
            (drop (call $realloc (call $calloc (i32.const 3) (i32.const 5)) (i32.const 100)))
            (drop (call $posix_memalign (i32.const 2000) (i32.const 16) (i32.const 40)))
            (call $free (i32.load (i32.const 2000)))
            (drop (call $aligned_alloc (i32.const 8) (i32.const 7))))
    "#;
    let profile = exactly(&allocates(items, "(call $uses)"));
    assert!(!profile.is_partial());
    let counts = profile.counts;
    assert_eq!((counts.allocations, counts.reallocations), (3, 1));
    assert_eq!(profile.peak, amount(2, 140));
    assert_eq!(profile.end, amount(2, 107));
}

#[test]
fn names_and_depth_are_bounded() {
    let items = r#"
        (func $"a\1b[2J;evil" (param i32)
            (if (local.get 0)
                (then (call $"a\1b[2J;evil" (i32.sub (local.get 0) (i32.const 1))))
                (else (drop (call $malloc (i32.const 10))))))
    "#;
    let module = allocates(items, r#"(call $"a\1b[2J;evil" (i32.const 2000))"#);
    let profile = exactly(&module);
    let shown = profile.table();
    assert!(shown.contains("a\\u{1b}[2J;evil"), "{shown}");
    assert!(!shown.contains('\u{1b}'));
    let deepest = profile.stacks.rows.iter().map(|row| row.frames.len()).max();
    assert!(deepest.is_some_and(|frames| frames <= 256), "{deepest:?}");
    let evil = share(&profile, "peak_bytes", "a\\u{1b}[2J;evil");
    assert_eq!(evil, (10, 10), "a function that calls itself counts once");
}

#[test]
fn what_a_profile_keeps_is_bounded() {
    let items = r#"(func $asks (loop $more (drop (call $malloc (i32.const 1))) (br $more)))"#;
    let module = allocates(items, "(call $asks)");
    let config = RunConfig {
        bounds: Bounds::default().with(Bound::ProfiledBlocks, 1000),
        ..quiet()
    };
    let profile = of(&module, config, &HeapOptions::default());
    let failure = profile.failure.as_ref().unwrap().to_string();
    assert!(failure.contains("profiled-blocks"), "{failure}");
    assert_eq!(profile.end, amount(1000, 1000));
}

#[test]
fn time_is_put_down_to_who_spends_it() {
    let items = r#"
        (func $spins (local $left i32)
            (local.set $left (i32.const 300000000))
            (loop $more
                (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1))))))
    "#;
    let module = allocates(items, "(call $spins)");
    let profile = time(
        &module,
        quiet(),
        &[any_input()],
        &mut MemoryState::default(),
    )
    .unwrap();
    let samples = profile.stacks.total(0);
    assert!(samples > 5, "{samples} samples");
    let shares = profile.stacks.shares(0);
    assert_eq!(shares[0].function, "spins");
    assert_eq!(shares[0].own, samples);
    let limited = RunConfig {
        timeout: Some(std::time::Duration::from_millis(20)),
        ..quiet()
    };
    let stopped = time(
        &module,
        limited,
        &[any_input()],
        &mut MemoryState::default(),
    )
    .unwrap();
    assert!(matches!(stopped.failure, Some(RunError::TimedOut { .. })));
}

/// Appends the address of each of 128 blocks, of which it gives some back, to the value of `v`. Its
/// allocator hands out first what fits of those.
fn tells_addresses() -> Vec<u8> {
    module(
        r#"
        (memory (export "memory") 2)
        (data (i32.const 1024) "\06\02\00\00\0a\01v\0a\80\04")
        (global $top (mut i32) (i32.const 4096))
        (global $freed (mut i32) (i32.const 0))
        (global $seed (mut i32) (i32.const 7))
        (func $malloc (param $size i32) (result i32) (local $at i32) (local $link i32)
            (local.set $link (i32.const 2048))
            (loop $next
                (local.set $at (i32.load (local.get $link)))
                (if (local.get $at) (then
                    (if (i32.ge_u (i32.load offset=4 (local.get $at)) (local.get $size)) (then
                        (i32.store (local.get $link) (i32.load (local.get $at)))
                        (return (i32.add (local.get $at) (i32.const 8)))))
                    (local.set $link (local.get $at))
                    (br $next))))
            (local.set $at (global.get $top))
            (i32.store offset=4 (local.get $at) (local.get $size))
            (global.set $top (i32.add (local.get $at) (i32.add (local.get $size) (i32.const 8))))
            (i32.add (local.get $at) (i32.const 8)))
        (func $free (param $block i32)
            (local.set $block (i32.sub (local.get $block) (i32.const 8)))
            (i32.store (local.get $block) (i32.load (i32.const 2048)))
            (i32.store (i32.const 2048) (local.get $block)))
        (func (export "_start") (local $done i32) (local $block i32)
            (loop $more
                (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1103515245)) (i32.const 12345)))
                (local.set $block (call $malloc (i32.and (i32.shr_u (global.get $seed) (i32.const 16)) (i32.const 127))))
                (i32.store (i32.add (i32.const 1034) (i32.shl (local.get $done) (i32.const 2))) (local.get $block))
                (if (i32.and (global.get $seed) (i32.const 16384))
                    (then (call $free (local.get $block))))
                (br_if $more (i32.lt_u (local.tee $done (i32.add (local.get $done) (i32.const 1))) (i32.const 128))))
            (call $flush (i32.const 1028)))
        "#,
    )
}

/// A guest that stores where its blocks stand stores the same while it is profiled.
#[test]
fn addresses_stay_as_they_are() {
    let module = tells_addresses();
    let runner = Runner::new(&module, quiet()).unwrap();
    let mut plain = MemoryState::default();
    runner.run_block(&any_input(), &mut plain).unwrap();
    let addresses: BTreeSet<&[u8]> = plain.pairs()[&b"v"[..]].chunks(4).collect();
    assert!((20..100).contains(&addresses.len()), "some are used again");
    for every in [0, 1, 100, 64 << 10, u64::MAX] {
        let mut state = MemoryState::default();
        let options = HeapOptions {
            every,
            ..HeapOptions::default()
        };
        // What the first block wrote is in the state when the second one has ended.
        let inputs = [any_input(), any_input()];
        let profile = heap(&module, quiet(), &inputs, &mut state, &options).unwrap();
        assert!(profile.failure.is_none(), "{:?}", profile.failure);
        assert_eq!(profile.counts.allocations, 256);
        assert_eq!(state.pairs(), plain.pairs(), "every {every} bytes");
    }
}

/// A real indexer computes the same, at the same addresses, while it is profiled.
#[test]
fn an_indexer_does_the_same_while_it_is_profiled() {
    let module = fs::read(guest("indexer_metashrew")).unwrap();
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let block = Input::parse("block", block).unwrap();
    let inputs = [block.at_height(702_861), block.at_height(702_862)];
    let config = RunConfig {
        ceiling: 512 << 20,
        ..quiet()
    };
    let mut state = MemoryState::default();
    let options = HeapOptions::default();
    let profile = heap(&module, config.clone(), &inputs, &mut state, &options).unwrap();
    assert!(profile.failure.is_none(), "{:?}", profile.failure);
    let runner = Runner::new(&module, config).unwrap();
    let mut plain = MemoryState::default();
    let finished = runner.start(&inputs[0], &plain).unwrap();
    let finished = finished.next(&inputs[1], &mut plain).unwrap();
    assert_eq!(state_digest(&state).unwrap(), state_digest(&plain).unwrap());
    let used = finished.report().observed.as_ref().unwrap().heap_use;
    let cost = profile.cost.unwrap();
    assert_eq!(cost.peak_bytes, u64::from(used.unwrap().peak_bytes));
    // Nothing stays: what was given back where the compiler had inlined that is found by the heap's
    // table.
    assert_eq!(profile.end, amount(0, 0));
    let (own, _) = share(
        &profile,
        "peak_bytes",
        "indexer::pending::Pending::for_block",
    );
    assert!(own > 500_000, "{}", profile.table());
}

#[test]
fn the_command_profiles_what_ran_and_fails_as_run_does() {
    let desk = Desk::with_block();
    desk.write("module", allocates(KNOWN, "(call $keeps) unreachable"));
    for more in ["", "--time", "--fuel"] {
        let command = "profile module --input block --collapsed lines";
        let output = desk.steadfast(&format!("{command} {more}"));
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("block 702861 failed: the guest trapped"),
            "{said}"
        );
        let table = String::from_utf8_lossy(&output.stdout);
        assert!(table.contains("the last block failed"), "{table}");
        fs::remove_file(desk.path("lines")).expect("the profile is written");
    }
}

/// Blocks of another chain, from a folder.
#[test]
fn commands_that_need_all_blocks_take_them_as_they_are() {
    let desk = Desk::with_blocks(0);
    for name in ["blocks/1", "blocks/2"] {
        desk.write(name, "no block of Bitcoin's");
    }
    let module = module_that_writes(r#"(memory (export "memory") 1)"#, "", "");
    desk.write("module", module);
    for command in ["profile --fuel", "verify --quick"] {
        let given = format!("{command} module --input blocks");
        assert!(!desk.steadfast(&given).status.success());
        let output = desk.steadfast(&format!("{given} --raw --height 7"));
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn the_command_writes_each_file() {
    let desk = Desk::with_block();
    let code = "(call $keeps) (call $builds) (call $churns)";
    desk.write("module", allocates(KNOWN, code));
    let files = ["collapsed", "svg", "pprof", "firefox", "dhat"];
    let named = files.map(|file| format!("--{file} {file}")).join(" ");
    let output = desk.steadfast(&format!("profile module --input block {named}"));
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("6,200 B (6.1 KiB) in 3 blocks"), "{table}");
    for file in files {
        assert!(desk.read(file).len() > 60, "{file}");
    }
    let [dhat, firefox] = ["dhat", "firefox"].map(|file| {
        let json: serde_json::Value = serde_json::from_slice(&desk.read(file)).unwrap();
        json
    });
    let weights = firefox["threads"][0]["samples"]["weight"]
        .as_array()
        .unwrap();
    let weights: Vec<u64> = weights.iter().filter_map(|it| it.as_u64()).collect();
    assert_eq!(weights, [5000, 200, 1000], "those of --collapsed");
    let points = dhat["pps"].as_array().unwrap();
    let at_peak: u64 = points.iter().filter_map(|it| it["gb"].as_u64()).sum();
    assert_eq!(at_peak, 6200);
}
