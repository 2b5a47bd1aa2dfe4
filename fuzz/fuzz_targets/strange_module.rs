//! Modules that are valid, and modules that nearly are.
#![no_main]

#[path = "../../host/tests/host/hostile.rs"]
#[allow(dead_code)]
mod hostile;

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    if kind.is_multiple_of(4) {
        return hostile::module(bytes);
    }
    let config = wasm_smith::Config {
        export_everything: true,
        min_memories: 1,
        max_memories: 1,
        ..wasm_smith::Config::default()
    };
    if let Ok(module) = wasm_smith::Module::new(config, &mut Unstructured::new(bytes)) {
        hostile::module(&module.to_bytes());
    }
});
