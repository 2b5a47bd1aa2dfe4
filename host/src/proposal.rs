//! Proposals of WebAssembly that this host does not enable, and what a module has to do without.

use wasmparser::{Validator, WasmFeatures};

use crate::load_error::LoadError;

/// The features of each, its name, and how to build without it.
const DISABLED: [(WasmFeatures, &str, &str); 8] = [
    (
        WasmFeatures::STACK_SWITCHING,
        "stack switching",
        "build it without continuations",
    ),
    (
        WasmFeatures::WIDE_ARITHMETIC,
        "wide arithmetic",
        "build it without the target feature `wide-arithmetic`",
    ),
    (
        WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS),
        "exceptions",
        "build it with panic=abort, and C++ in it without exceptions",
    ),
    (
        WasmFeatures::THREADS.union(WasmFeatures::SHARED_EVERYTHING_THREADS),
        "threads",
        "build it without the target feature `atomics` and without shared memory",
    ),
    (
        WasmFeatures::MEMORY64,
        "64-bit memory",
        "build it for a 32-bit target",
    ),
    (
        WasmFeatures::MULTI_MEMORY,
        "multiple memories",
        "leave it the one that it exports as `memory`",
    ),
    (
        WasmFeatures::CUSTOM_PAGE_SIZES,
        "custom page sizes",
        "leave its pages at 64 KiB",
    ),
    (
        WasmFeatures::GC.union(WasmFeatures::FUNCTION_REFERENCES),
        "garbage collection",
        "build it from a language that manages linear memory",
    ),
];

/// The first of them that a module needs, where it is valid with all proposals.
pub(crate) fn needed(module: &[u8]) -> Option<LoadError> {
    let is_valid = |features| {
        Validator::new_with_features(features)
            .validate_all(module)
            .is_ok()
    };
    if !is_valid(WasmFeatures::all()) {
        return None;
    }
    let mut disabled = DISABLED.into_iter();
    let (_, name, advice) =
        disabled.find(|(features, ..)| !is_valid(WasmFeatures::all().difference(*features)))?;
    Some(LoadError::Proposal { name, advice })
}
