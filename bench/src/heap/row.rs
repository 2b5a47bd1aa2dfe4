//! The workloads.

use std::borrow::Cow;

use anyhow::Result;

use super::document;
use crate::inputs;

/// What a guest is given to read.
enum Input {
    Nothing,
    /// Mainnet block 702,861.
    Block,
    /// That block's transactions as a JSON document of about 1 MB.
    Json,
}

/// One workload.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its number in the guest.
    pub workload: u32,
    /// How often the guest does it in what is timed as one run.
    pub calls: u32,
    input: Input,
}

const fn row(name: &'static str, workload: u32, calls: u32, input: Input) -> Row {
    Row {
        name,
        workload,
        calls,
        input,
    }
}

/// All of them.
pub const ROWS: [Row; 11] = [
    row("block-parse", 0, 10, Input::Block),
    row("block-index", 1, 1, Input::Block),
    row("churn-wide", 2, 1, Input::Nothing),
    row("churn-small", 3, 1, Input::Nothing),
    row("vec-push", 4, 1, Input::Nothing),
    row("string-build", 5, 1, Input::Nothing),
    row("json", 6, 1, Input::Json),
    row("free-every-other", 7, 1, Input::Nothing),
    row("shifting-phases", 8, 1, Input::Nothing),
    row("hot-pair", 9, 10, Input::Nothing),
    row("fifo-32", 10, 1, Input::Nothing),
];

impl Row {
    /// What the guest reads.
    ///
    /// # Errors
    /// When the block cannot be read.
    pub fn input(&self) -> Result<Cow<'static, [u8]>> {
        Ok(match self.input {
            Input::Nothing => Cow::Borrowed(&[]),
            Input::Block => Cow::Borrowed(inputs::mainnet_702861()),
            Input::Json => Cow::Owned(document::json(inputs::mainnet_702861())?),
        })
    }
}
