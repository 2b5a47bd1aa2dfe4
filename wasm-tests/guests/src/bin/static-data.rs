//! Has static data that reach past the region.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::exclusive::Exclusive;
use steadfast::{Bytes, Plan};

steadfast::plan!(
    Plan::DEFAULT
        .with_c_heap(Bytes::kib(64))
        .with_region_base(Bytes::mib(4))
);

static LARGE: Exclusive<[u8; 5 << 20]> = Exclusive::new([0; 5 << 20]);

fn run() {
    let boxed = Box::new(1_u8);
    LARGE.with(|large| large[100] = *boxed);
    wasm_test_guests::report(0, LARGE.with(|large| u64::from(large[100])));
}

wasm_test_guests::entry!(run);
