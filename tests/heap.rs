//! Random operations on a heap, against an oracle.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast_testkit::heap::{Op, Ops, Player, Span, seeded};

/// Operations under Miri are slow: it gets a part of each run.
const fn runs(native: usize, miri: usize) -> usize {
    if cfg!(miri) { miri } else { native }
}

fn play(span: Span, seed: u64, max_size: usize, ops: usize, validate_every: usize) -> Player {
    let mut player = Player::new(span);
    let max_size = max_size.min(runs(usize::MAX, 4_000));
    for (turn, op) in Ops::new(seeded(seed), max_size).take(ops).enumerate() {
        player.play(op);
        if turn % validate_every == 0 {
            player.validate();
        }
    }
    player
}

#[test]
fn random_operations_keep_every_promise_after_each_step() {
    for (seed, pages, max_size) in [
        (1, 1, 4096),
        (2, 4, 64 << 10),
        (3, 32, 256 << 10),
        (4, 64, usize::MAX),
        (5, 200, 2048),
        (6, 16, 300),
    ]
    .into_iter()
    .step_by(runs(1, 2))
    {
        let pages = pages.min(runs(200, 6));
        let (ops, validate_every) = (runs(4000, 40), runs(1, 10));
        let dirty = Span::dirty(pages, 0xa5);
        play(dirty, seed, max_size, ops, validate_every).finish();
        let fresh = Span::fresh(pages);
        play(fresh, seed + 100, max_size, ops, validate_every).finish();
    }
}

#[test]
fn long_runs_with_rare_checks() {
    for seed in 0..runs(2, 1) as u64 {
        play(
            Span::dirty(runs(512, 16), 0xff),
            seed,
            1 << 20,
            runs(40_000, 120),
            997,
        )
        .finish();
        play(
            Span::dirty(runs(64, 4), 0xff),
            seed,
            8192,
            runs(40_000, 120),
            997,
        )
        .finish();
    }
}

#[test]
fn addresses_depend_on_the_requests_alone() {
    for seed in 10..10 + runs(6, 1) as u64 {
        for pages in [1, 3, runs(40, 5)] {
            let digest = |span| play(span, seed, 1 << 18, runs(5000, 40), usize::MAX).digest();
            let digests = [
                digest(Span::fresh(pages)),
                digest(Span::dirty(pages, 0)),
                digest(Span::dirty(pages, 0xff)),
                digest(Span::dirty(pages, 0x55)),
            ];
            assert!(
                digests.iter().all(|&digest| digest == digests[0]),
                "seed {seed}, {pages} pages: {digests:x?}"
            );
        }
    }
}

#[test]
fn small_budgets_refuse_and_go_on() {
    let player = play(
        Span::dirty(1, 0x11),
        7,
        16 << 10,
        runs(5000, 80),
        runs(1, 4),
    );
    assert!(player.refused() > 0);
    player.finish();
}

#[test]
fn callers_without_a_layout_find_it() {
    let mut player = Player::new(Span::dirty(runs(32, 4), 0xff));
    for (turn, op) in Ops::new(seeded(20), runs(100 << 10, 4_000))
        .take(runs(20_000, 120))
        .enumerate()
    {
        match op {
            Op::Dealloc { slot } if player.live() > 0 => {
                player.dealloc_unsized(slot % player.live())
            }
            op => player.play(op),
        }
        if turn % 16 == 0 {
            player.validate();
        }
    }
    player.finish();
}

#[test]
fn every_alignment_with_every_kind_of_size() {
    let mut player = Player::new(Span::dirty(runs(128, 64), 0xff));
    for log in (0..=17).step_by(runs(1, 8)) {
        for size in [
            0, 1, 7, 8, 9, 100, 255, 257, 300, 1000, 2048, 2049, 5000, 65_536,
        ]
        .into_iter()
        .take(runs(14, 12))
        {
            for zeroed in [false, true] {
                assert_eq!(
                    player.alloc(size, 1 << log, zeroed),
                    log <= 16,
                    "{size} bytes at {}",
                    1 << log
                );
            }
            if size == 1000 {
                player.validate();
            }
        }
        player.play(Op::Drain {
            slot: log,
            keep: 20,
        });
    }
    player.finish();
}

#[test]
fn blocks_of_no_bytes_have_addresses_of_their_own() {
    let mut player = Player::new(Span::fresh(1));
    for _ in 0..10 {
        assert!(player.alloc(0, 1, false));
    }
    player.finish();
}
