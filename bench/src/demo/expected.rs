//! What a plain indexer, run natively and without any of this project's memory, makes of the same blocks.

use std::fmt;

use anyhow::{Context as _, Result, ensure};
use steadfast::region::block_bytes;
use steadfast_host::{Digest, Input, StateHasher};
use steadfast_testkit::reference::{Counts, Indexer};

use crate::inputs;

/// What block 702,861 holds, as others count it.
const MAINNET_702861: Counts = Counts {
    transactions: 2500,
    inputs: 6518,
    outputs: 6015,
};

/// The results that every run must reach.
pub struct Expected {
    /// The digest of the state after the last block.
    pub state: Digest,
    /// What each block holds.
    pub counts: Vec<Counts>,
    /// Bytes that the smallest entry of the state takes in a cache.
    pub least_entry_bytes: u32,
}

impl Expected {
    /// Indexes the blocks with the reference indexer.
    ///
    /// # Errors
    /// When it refuses a block.
    pub fn of(inputs: &[Input]) -> Result<Self> {
        let mut indexer = Indexer::default();
        let mut counts = Vec::new();
        for input in inputs {
            let block = indexer.index(input.height(), inputs::block(input));
            counts.push(block.with_context(|| input.name().to_owned())?);
        }
        let mut hasher = StateHasher::default();
        for (key, value) in &indexer.state {
            hasher.pair(key, value);
        }
        let entries = indexer.state.iter();
        Ok(Self {
            state: hasher.finish(),
            counts,
            least_entry_bytes: entries
                .filter_map(|(key, value)| block_bytes(key.len(), value.len()))
                .min()
                .context("the state is empty")?,
        })
    }

    /// Holds the reference itself to what others count in the default block.
    ///
    /// # Errors
    /// When it counts something else.
    pub fn check_known_block(&self) -> Result<()> {
        ensure!(
            self.counts == [MAINNET_702861],
            "the reference counts {self}; block 702,861 is known to hold {}",
            shown(&MAINNET_702861)
        );
        Ok(())
    }
}

/// The counts over all blocks.
impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sum = Counts::default();
        for counts in &self.counts {
            sum.transactions += counts.transactions;
            sum.inputs += counts.inputs;
            sum.outputs += counts.outputs;
        }
        f.write_str(&shown(&sum))
    }
}

fn shown(counts: &Counts) -> String {
    format!(
        "{} transactions, {} inputs and {} outputs",
        counts.transactions, counts.inputs, counts.outputs
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_counts_the_default_block_as_others_do() {
        let mut expected = Expected::of(&inputs::read(&[]).unwrap()).unwrap();
        expected.check_known_block().unwrap();
        expected.counts[0].outputs += 1;
        assert!(expected.check_known_block().is_err());
    }
}
