//! A chain of blocks that makes the state grow by as much each time, and spends a share of what it
//! made.

use std::mem::size_of;

use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};

/// Outputs of each transaction but the coinbase.
pub const OUTPUTS: u32 = 100;

/// Unspent outputs that are remembered, to be spent. Those that are displaced stay in the state for
/// good.
const REMEMBERED: usize = 100_000;

type Outpoint = [u8; 36];

/// Makes the blocks, one after the other.
pub struct Chain {
    random: ChaCha8Rng,
    parent: [u8; 32],
    height: u32,
    unspent: Vec<Outpoint>,
    /// Outputs of earlier blocks that are unspent.
    live: u64,
}

impl Chain {
    pub fn new() -> Self {
        Chain {
            random: ChaCha8Rng::seed_from_u64(1),
            parent: [0; 32],
            height: 0,
            unspent: Vec::new(),
            live: 0,
        }
    }

    pub fn height(&self) -> u32 {
        self.height
    }

    /// Keys that the example indexer keeps for these blocks: one for each output and one for its
    /// script, which are all different, and one for each block.
    pub fn keys(&self) -> u64 {
        2 * self.live + u64::from(self.height)
    }

    /// The next block, with so many transactions beside the coinbase, each of which spends so many
    /// earlier outputs.
    pub fn next_block(&mut self, transactions: u32, spends: u32) -> Vec<u8> {
        self.height += 1;
        let mut body = varint(u64::from(transactions) + 1);
        let height = self.height.to_le_bytes();
        let script = [&[3], &height[..3]].concat();
        let coinbase = self.transaction(&[[0xff; 36]], &script, 1, true);
        body.extend(coinbase);
        let mut made = Vec::new();
        for _ in 0..transactions {
            let spent: Vec<Outpoint> = (0..spends).map_while(|_| self.take()).collect();
            self.live -= spent.len() as u64;
            let inputs = match spent.is_empty() {
                true => vec![self.unknown()],
                false => spent,
            };
            let transaction = self.transaction(&inputs, &[], OUTPUTS, false);
            let txid: [u8; 32] = double_sha256(&transaction);
            let outpoint = |number: u32| {
                let mut outpoint = [0; size_of::<Outpoint>()];
                outpoint[..32].copy_from_slice(&txid);
                outpoint[32..].copy_from_slice(&number.to_le_bytes());
                outpoint
            };
            made.extend((0..OUTPUTS).map(outpoint));
            body.extend(transaction);
        }
        self.live += made.len() as u64 + 1;
        made.into_iter()
            .for_each(|outpoint| self.remember(outpoint));
        let mut header = Vec::new();
        header.extend(4i32.to_le_bytes());
        header.extend(self.parent);
        header.extend([0; 32]);
        for number in [self.height, 0, 0] {
            header.extend(number.to_le_bytes());
        }
        self.parent = double_sha256(&header);
        [header, body].concat()
    }

    fn transaction(
        &mut self,
        inputs: &[Outpoint],
        script: &[u8],
        outputs: u32,
        is_coinbase: bool,
    ) -> Vec<u8> {
        let mut bytes = 2i32.to_le_bytes().to_vec();
        bytes.extend(varint(inputs.len() as u64));
        for input in inputs {
            match is_coinbase {
                // What a coinbase spends: the null outpoint.
                true => bytes.extend([&[0; 32][..], &[0xff; 4]].concat()),
                false => bytes.extend(input),
            }
            bytes.extend(varint(script.len() as u64));
            bytes.extend(script);
            bytes.extend([0xff; 4]);
        }
        bytes.extend(varint(u64::from(outputs)));
        for number in 0..outputs {
            bytes.extend((1000 + u64::from(number)).to_le_bytes());
            bytes.extend([0x16, 0x00, 0x14]);
            let mut script = [0; 20];
            self.random.fill_bytes(&mut script);
            bytes.extend(script);
        }
        bytes.extend([0; 4]);
        bytes
    }

    fn unknown(&mut self) -> Outpoint {
        let mut outpoint = [0; size_of::<Outpoint>()];
        self.random.fill_bytes(&mut outpoint[..32]);
        outpoint
    }

    fn take(&mut self) -> Option<Outpoint> {
        let count = self.unspent.len();
        let at = (count > 0).then(|| self.random.random_range(..count))?;
        Some(self.unspent.swap_remove(at))
    }

    /// Old ones are displaced by chance, so that spends reach back any distance.
    fn remember(&mut self, outpoint: Outpoint) {
        if self.unspent.len() < REMEMBERED {
            self.unspent.push(outpoint);
        } else {
            let at = self.random.random_range(..REMEMBERED);
            self.unspent[at] = outpoint;
        }
    }
}

fn double_sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

fn varint(number: u64) -> Vec<u8> {
    match number {
        0..0xfd => vec![number as u8],
        0xfd..0x1_0000 => [&[0xfd], &(number as u16).to_le_bytes()[..]].concat(),
        _ => [&[0xfe], &(number as u32).to_le_bytes()[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use steadfast_testkit::reference::Indexer;

    use super::Chain;

    #[test]
    fn the_keys_are_those_that_the_reference_keeps() {
        let mut chain = Chain::new();
        let mut reference = Indexer::default();
        for height in 1..=8 {
            let block = chain.next_block(3, 40);
            reference.index(height, &block).unwrap();
            assert_eq!(reference.state.len() as u64, chain.keys(), "block {height}");
        }
    }
}
