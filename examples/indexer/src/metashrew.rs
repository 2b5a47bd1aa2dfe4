//! The metashrew host as the store, and what the wrappers share.

use crate::{Cache, Error, Host, Summary};
use alloc::vec::Vec;
use steadfast::metashrew::host_interface;

/// Opens the module's one cache, or halts with the reason.
pub fn open_cache() -> steadfast::cache::Cache {
    steadfast::open_cache().unwrap_or_else(|error| host_interface::halt(format_args!("{error}")))
}

/// The store behind the metashrew imports.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetashrewHost;

impl Host for MetashrewHost {
    fn read(&mut self, key: &[u8]) -> Vec<u8> {
        host_interface::read(key)
    }

    fn flush<'a>(&mut self, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) {
        host_interface::flush(pairs);
    }
}

/// Indexes the block in `input`, or halts with the reason.
pub fn index(input: &[u8], cache: &mut impl Cache) -> Summary {
    or_halt(crate::index(input, &mut MetashrewHost, cache))
}

/// Answers the balance view's question in `input`, or halts with the reason.
pub fn balance(input: &[u8], cache: &mut impl Cache) -> Vec<u8> {
    or_halt(crate::view::balance(input, &mut MetashrewHost, cache))
}

/// Answers the output view's question in `input`, or halts with the reason.
pub fn output(input: &[u8], cache: &mut impl Cache) -> Vec<u8> {
    or_halt(crate::view::output(input, &mut MetashrewHost, cache))
}

fn or_halt<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| host_interface::halt(format_args!("refused: {error}")))
}
