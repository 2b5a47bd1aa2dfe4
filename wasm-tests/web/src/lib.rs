//! What the test modules declare.

include!("maximum.rs");
