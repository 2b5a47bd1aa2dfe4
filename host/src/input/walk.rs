//! One pass over the bytes of a block: whether they are one, and which height it tells.

use std::ops::ControlFlow;

use bitcoin_slices::{Visit, Visitor, bsl};

use super::InputError;

/// What one pass over a block's bytes finds.
#[derive(Default)]
pub(super) struct Walk {
    /// Transactions that the block claims to hold.
    claimed: usize,
    /// Transactions that are complete.
    pub whole: usize,
    /// The height that the first transaction tells.
    pub height: Option<u32>,
    /// The result: bytes left over, or what stopped the pass.
    end: Option<Result<usize, bitcoin_slices::Error>>,
}

impl Walk {
    pub fn over(bytes: &[u8]) -> Walk {
        let mut walk = Walk::default();
        let end = bsl::Block::visit(bytes, &mut walk).map(|parsed| parsed.remaining().len());
        walk.end = Some(end);
        let version = bytes.first_chunk().copied().map(i32::from_le_bytes);
        if version.is_none_or(|version| version < 2) {
            // Blocks before version 2 have no height where BIP 34 puts it.
            walk.height = None;
        }
        walk
    }

    /// Exactly one block, with at least the transaction that every block has.
    pub fn is_whole(&self) -> bool {
        self.end == Some(Ok(0)) && self.whole > 0
    }

    /// The flag of a transaction that is none of Bitcoin's.
    pub fn unknown_flag(&self) -> Option<u8> {
        match self.end {
            Some(Err(bitcoin_slices::Error::UnknownSegwitFlag(flag))) => Some(flag),
            _ => None,
        }
    }

    pub fn error(self, name: String, bytes: usize) -> InputError {
        use bitcoin_slices::Error;
        let reason = match self.end {
            Some(Ok(_)) if self.whole == 0 => "it holds no transaction".to_string(),
            Some(Ok(left)) => {
                return InputError::TrailingBytes {
                    name,
                    transactions: self.whole,
                    left,
                };
            }
            Some(Err(Error::MoreBytesNeeded)) | None => {
                return InputError::Truncated {
                    name,
                    whole: self.whole,
                    claimed: self.claimed,
                    bytes,
                };
            }
            Some(Err(Error::NonMinimalVarInt)) => self.at("a count is not in its shortest form"),
            Some(Err(ref error)) => self.at(&format!("{error:?}")),
        };
        InputError::Malformed { name, reason }
    }

    fn at(&self, what: &str) -> String {
        format!(
            "{what}, after {} of {} transactions",
            self.whole, self.claimed
        )
    }
}

impl Visitor for Walk {
    fn visit_block_begin(&mut self, total_transactions: usize) {
        self.claimed = total_transactions;
    }

    fn visit_tx_in(&mut self, vin: usize, tx_in: &bsl::TxIn<'_>) -> ControlFlow<()> {
        if self.whole == 0 && vin == 0 {
            self.height = bip34_height(tx_in.script_sig());
        }
        ControlFlow::Continue(())
    }

    fn visit_transaction(&mut self, _: &bsl::Transaction<'_>) -> ControlFlow<()> {
        self.whole += 1;
        ControlFlow::Continue(())
    }
}

/// The height that a coinbase's script begins with (BIP 34): the shortest push of a number.
fn bip34_height(script: &[u8]) -> Option<u32> {
    const OP_0: u8 = 0x00;
    const OP_1: u8 = 0x51;
    const OP_16: u8 = 0x60;
    let (&first, rest) = script.split_first()?;
    match first {
        OP_0 => Some(0),
        OP_1..=OP_16 => Some(u32::from(first - OP_1) + 1),
        1..=5 => {
            let number = rest.get(..usize::from(first))?;
            let (&top, low) = number.split_last()?;
            // The top bit is the sign; a leading zero byte stands only where it keeps that clear.
            let negative = top & 0x80 != 0;
            let padded = top == 0 && low.last().is_none_or(|byte| byte & 0x80 == 0);
            if negative || padded {
                return None;
            }
            let mut bytes = [0; 8];
            bytes[..number.len()].copy_from_slice(number);
            u32::try_from(u64::from_le_bytes(bytes)).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_read_as_bip_34_has_them() {
        assert_eq!(bip34_height(&[0x00]), Some(0));
        assert_eq!(bip34_height(&[0x51]), Some(1));
        assert_eq!(bip34_height(&[0x60]), Some(16));
        assert_eq!(bip34_height(&[0x01, 0x11]), Some(17));
        assert_eq!(bip34_height(&[0x02, 0x80, 0x00]), Some(128));
        assert_eq!(bip34_height(&[0x03, 0x8d, 0xb9, 0x0a, 0xff]), Some(702_861));
        let five = [0x05, 0xff, 0xff, 0xff, 0xff, 0x00];
        assert_eq!(bip34_height(&five), Some(u32::MAX));
    }

    #[test]
    fn a_script_without_a_height_has_none() {
        for script in [
            &[][..],
            &[0x03, 1, 2],
            &[0x01, 0x80],
            &[0x02, 0x11, 0x00],
            &[0x01, 0x00],
            &[0x05, 0, 0, 0, 0, 1],
            &[0x06, 1, 1, 1, 1, 1, 1],
            &[0x4c, 0x01, 0x11],
        ] {
            assert_eq!(bip34_height(script), None, "{script:x?}");
        }
    }
}
