//! Operation interpreters and oracles that tests, fuzzers and guests share.
pub mod cache;
