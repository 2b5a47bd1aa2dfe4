//! Any bytes are changes to an image of a region, which a cache then attaches to or refuses.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use steadfast::region::{Status, vouch};
use steadfast_ops::cache::{Fate, Victim};

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
    let status = [None, Some(Status::Open), Some(Status::Sealed), Some(Status::Shared)];
    let status = status[usize::from(kind % 4)];
    if let Some(status) = status {
        let _ = vouch(&mut image, status);
    }
    let fate = VICTIM.fate(&image);
    assert!(status.is_some() || fate != Fate::Wrong);
});
