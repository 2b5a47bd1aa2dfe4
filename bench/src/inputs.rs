//! The blocks that are indexed, and where their state goes.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
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

/// Where a new database goes: to the path that is given, or into the directory.
///
/// # Errors
/// When something stands at that path.
pub fn new_database(given: Option<&Path>, directory: &Path) -> Result<PathBuf> {
    let path = given.map_or_else(|| directory.join("state"), Path::to_path_buf);
    ensure!(!path.exists(), "{}: exists already", path.display());
    Ok(path)
}

/// The serialised block, without the height in front.
pub fn block(input: &Input) -> &[u8] {
    &input.bytes()[size_of::<u32>()..]
}

/// Mainnet block 702,861, serialised.
pub fn mainnet_702861() -> &'static [u8] {
    bitcoin_test_data::blocks::mainnet_702861()
}
