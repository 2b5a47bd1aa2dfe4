//! Blocks that only add: state and cache grow by as much with each.

use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};
use steadfast_host::Input;

/// Outputs of a transaction.
const OUTPUTS: usize = 100;

/// A chain of blocks, each with so many new outputs that have scripts of their own, which spend nothing. The same for the same
/// numbers; proof of work aside.
pub struct Growing {
    transactions: usize,
    random: ChaCha8Rng,
    parent: [u8; 32],
    height: u32,
}

impl Growing {
    /// With so many outputs in each block, to the hundred.
    pub fn new(outputs: usize) -> Self {
        Growing {
            transactions: outputs / OUTPUTS,
            random: ChaCha8Rng::seed_from_u64(1),
            parent: [0; 32],
            height: 0,
        }
    }

    /// The next block, at the next height.
    pub fn next_block(&mut self) -> Input {
        self.height += 1;
        let mut header = [0; 80];
        header[0] = 4;
        header[4..36].copy_from_slice(&self.parent);
        header[68..72].copy_from_slice(&self.height.to_le_bytes());
        self.parent = Sha256::digest(Sha256::digest(header)).into();
        let mut block = header.to_vec();
        // A number of three bytes, as every number of transactions here.
        block.push(0xfd);
        block.extend((self.transactions as u16 + 1).to_le_bytes());
        self.coinbase(&mut block);
        for _ in 0..self.transactions {
            self.transaction(&mut block);
        }
        Input::new(self.height, &block)
    }

    fn coinbase(&mut self, block: &mut Vec<u8>) {
        block.extend([2, 0, 0, 0, 1]);
        block.extend([0; 32]);
        block.extend([0xff; 4]);
        block.extend([4, 3]);
        block.extend(&self.height.to_le_bytes()[..3]);
        block.extend([0xff; 4]);
        block.push(1);
        self.output(block, 5_000_000_000);
        block.extend([0; 4]);
    }

    fn transaction(&mut self, block: &mut Vec<u8>) {
        block.extend([2, 0, 0, 0, 1]);
        self.random_bytes::<32>(block);
        block.extend([0; 5]);
        block.extend([0xff; 4]);
        block.push(OUTPUTS as u8);
        for number in 0..OUTPUTS as u64 {
            self.output(block, 1_000 + number);
        }
        block.extend([0; 4]);
    }

    fn output(&mut self, block: &mut Vec<u8>, value: u64) {
        block.extend(value.to_le_bytes());
        block.extend([0x16, 0, 0x14]);
        self.random_bytes::<20>(block);
    }

    fn random_bytes<const N: usize>(&mut self, block: &mut Vec<u8>) {
        let mut bytes = [0; N];
        self.random.fill_bytes(&mut bytes);
        block.extend(bytes);
    }
}
