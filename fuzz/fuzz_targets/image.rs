//! Any bytes are changes to an image of a region, which a cache then attaches to or refuses.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use steadfast_testkit::cache::{Cover, Fate, Victim};

static VICTIM: LazyLock<Victim> = LazyLock::new(|| Victim::new(4_500));

fuzz_target!(|data: &[u8]| {
    let Some((&kind, rest)) = data.split_first() else {
        return;
    };
    let mut image = VICTIM.image().to_vec();
    let mut words = rest.chunks(4).map(|bytes| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u32::from_le_bytes(word)
    });
    VICTIM.mutate(&mut image, || words.next().unwrap_or(0));
    let cover = Cover::ALL[usize::from(kind) % Cover::ALL.len()];
    cover.apply(&mut image);
    let fate = VICTIM.fate(&image);
    assert!(!cover.tells_all() || fate != Fate::Wrong);
});
