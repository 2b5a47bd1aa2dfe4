//! Keeps a value that grows from block to block in the cache, and ignores what `insert` answers.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::metashrew::host_interface::{flush, input, load, value_len};

steadfast::plan!();

fn index_block() {
    let input = input();
    let mut cache = steadfast::open_cache().expect("opened once");
    let mut list = match cache.get(b"list") {
        Some(list) => list.to_vec(),
        None => {
            let mut list = vec![0; value_len(b"list")];
            load(b"list", &mut list);
            list
        }
    };
    // A megabyte more, that tells its height.
    list.extend(input[..4].iter().copied().cycle().take(1 << 20));
    // A value that does not fit costs speed and nothing else.
    let _ = cache.insert(b"list", &list);
    flush([(&b"list"[..], &list[..])].into_iter());
}

wasm_test_guests::entry!(index_block);
