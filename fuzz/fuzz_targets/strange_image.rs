//! The file of `--warm`, from a stranger.
#![no_main]

#[path = "../../host/tests/host/hostile.rs"]
#[allow(dead_code)]
mod hostile;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostile::image(bytes));
