//! Any bytes are operations on a heap. The first one sets the budget, and what its memory held
//! before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steadfast_testkit::heap::{Ops, Player, Span};

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let pages = usize::from(first >> 1) % 48;
    let span = match first & 1 {
        0 => Span::fresh(pages),
        _ => Span::dirty(pages, first),
    };
    let mut player = Player::new(span);
    for op in Ops::new(rest.iter().copied(), usize::MAX) {
        player.play(op);
        player.validate();
    }
    player.finish();
});
