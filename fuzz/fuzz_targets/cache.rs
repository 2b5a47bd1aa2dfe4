//! Any bytes are operations on a cache, beside the oracle. The first three set the capacity, the
//! expected entry and what the memory held before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use steadfast_testkit::cache::{Checks, Script, Spec, run_once};

/// The largest capacity, in bytes: small, so that entries have to go.
const MOST: u32 = 24 << 10;

fuzz_target!(|data: &[u8]| {
    let Some((&[low, high, kind], rest)) = data.split_first_chunk() else {
        return;
    };
    let capacity = u32::from(u16::from_le_bytes([low, high])) % MOST;
    let spec = Spec {
        expected_entry: [137, 1, 60, 1024][usize::from(kind >> 1) % 4],
        fresh_from: if kind & 1 == 0 { 0 } else { capacity },
        ..Spec::fresh(capacity)
    };
    let mut script = Script::new(rest.iter().copied(), capacity as usize * 5 / 4);
    if let Err(mismatch) = run_once(&spec, &mut script, u64::MAX, Checks::FULL) {
        panic!("{spec:?}: {mismatch}");
    }
});
