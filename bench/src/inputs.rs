//! The blocks that are indexed.

use std::path::PathBuf;

use anyhow::Result;
use steadfast_host::Input;

/// Reads the files; without any, mainnet block 702,861.
///
/// # Errors
/// When a file is not a block.
pub fn read(files: &[PathBuf]) -> Result<Vec<Input>> {
    if files.is_empty() {
        return Ok(vec![Input::parse(
            "mainnet block 702861",
            mainnet_702861(),
        )?]);
    }
    Ok(files.iter().map(Input::read).collect::<Result<_, _>>()?)
}

/// The serialised block, without the height in front.
pub fn block(input: &Input) -> &[u8] {
    &input.bytes()[size_of::<u32>()..]
}

/// Mainnet block 702,861, serialised.
pub fn mainnet_702861() -> &'static [u8] {
    bitcoin_test_data::blocks::mainnet_702861()
}
