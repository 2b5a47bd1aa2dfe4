/// Bytes of memory that the test modules declare as their maximum: 53.5 MiB.
pub const MAXIMUM_BYTES: u64 = 107 << 19;
