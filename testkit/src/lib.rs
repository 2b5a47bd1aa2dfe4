//! Operation interpreters and oracles that tests, fuzzers and guests share.

pub mod cache;
pub mod heap;
pub mod reference;
