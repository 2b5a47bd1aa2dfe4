//! `metashrew::get` on steadfast.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::metashrew::{get, lru_cache::set_lru_cache};

steadfast::plan!();

bench_metashrew_guests::subject!(set_lru_cache, get);
