//! Questions about the state, each a pure function of it.
//!
//! A view is handed what a block is handed: the height in front, then its argument.

use crate::block::split_height;
use crate::key::{Key, OUTPOINT_BYTES};
use crate::state::load;
use crate::{Balance, Cache, Error, Host};
use alloc::vec::Vec;

/// What the script in `input` holds: its amount in satoshi and its number of unspent outputs, each
/// a little-endian `u64`.
///
/// # Errors
///
/// An input without a height, or a damaged state.
pub fn balance(
    input: &[u8],
    host: &mut impl Host,
    cache: &mut impl Cache,
) -> Result<Vec<u8>, Error> {
    let (_height, script) = split_height(input)?;
    let value = load(host, cache, &Key::script(script));
    Ok(Balance::decode(&value)?.to_bytes().to_vec())
}

/// The unspent output at the outpoint in `input` (txid, then output number as a little-endian
/// `u32`): its amount in satoshi as a little-endian `u64`, then its script. Empty when there is
/// none.
///
/// # Errors
///
/// An input without a height, or an outpoint that is not 36 bytes long.
pub fn output(
    input: &[u8],
    host: &mut impl Host,
    cache: &mut impl Cache,
) -> Result<Vec<u8>, Error> {
    let (_height, outpoint) = split_height(input)?;
    let outpoint: &[u8; OUTPOINT_BYTES] =
        outpoint.try_into().map_err(|_| Error::NotAnOutpoint {
            len: outpoint.len(),
        })?;
    Ok(load(host, cache, &Key::output(outpoint)))
}
