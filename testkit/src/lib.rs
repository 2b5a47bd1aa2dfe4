//! Operation interpreters and oracles that tests, fuzzers and guests share.

pub mod cache;
#[cfg(feature = "figures")]
pub mod figures;
pub mod heap;
pub mod reference;
