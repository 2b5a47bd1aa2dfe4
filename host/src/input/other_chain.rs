//! What bytes that form no Bitcoin block seem to be.

use super::walk::Walk;

/// Where the proof of work of Zcash's header begins, and the length that it has there.
const EQUIHASH_AT: usize = 140;
const EQUIHASH_LENGTH: [u8; 3] = [0xfd, 0x40, 0x05];

/// A bit of the version: the header is followed by a block of the chain that it was mined with.
const MERGE_MINED: u32 = 0x100;
/// The chains that say so, by the number in the upper half of their versions.
const MERGE_MINED_CHAINS: [(u32, &str); 2] = [(0x01, "Namecoin"), (0x62, "Dogecoin")];

/// A bit of the flag of the transaction that ends a Litecoin block which has an extension.
const LITECOIN_FLAG: u8 = 0x08;

/// The chain that a block seems to be of, as far as its form tells. Bitcoin's own form was tried
/// before, by `walk`.
pub(super) fn seems(block: &[u8], walk: &Walk) -> Option<&'static str> {
    if walk
        .unknown_flag()
        .is_some_and(|flag| flag & LITECOIN_FLAG != 0)
    {
        return Some("Litecoin");
    }
    seems_by_header(block)
}

fn seems_by_header(block: &[u8]) -> Option<&'static str> {
    let version = u32::from_le_bytes(*block.first_chunk()?);
    if (4..=5).contains(&version)
        && block.get(EQUIHASH_AT..EQUIHASH_AT + 3) == Some(&EQUIHASH_LENGTH)
    {
        return Some("Zcash");
    }
    if version & MERGE_MINED == 0 {
        return None;
    }
    let mut chains = MERGE_MINED_CHAINS.iter();
    let chain = chains.find(|(number, _)| version >> 16 == *number);
    chain.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of a version, with what follows it.
    fn block(version: u32, rest: &[u8]) -> Vec<u8> {
        [&version.to_le_bytes(), &[7; EQUIHASH_AT - 4][..], rest].concat()
    }

    #[test]
    fn other_chains_are_told_by_their_form() {
        let zcash = block(4, &EQUIHASH_LENGTH);
        assert_eq!(seems_by_header(&zcash), Some("Zcash"));
        assert_eq!(seems_by_header(&block(0x0062_0104, &[])), Some("Dogecoin"));
        assert_eq!(seems_by_header(&block(0x0001_0101, &[])), Some("Namecoin"));
        for version in [1, 4, 0x2000_0000, 0x3fff_e000, 0x0062_0004] {
            assert_eq!(seems_by_header(&block(version, &[])), None, "{version:x}");
        }
        assert_eq!(seems_by_header(&[1, 2]), None);
    }
}
