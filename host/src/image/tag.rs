//! Which block an image is as of.

use std::fmt;

use steadfast::format::USER_TAG_BYTES;

/// A block of a chain, as the header of an image names it: 40 bytes, the user's tag.
///
/// ```
/// use steadfast_host::BlockTag;
///
/// let tag = BlockTag { chain: *b"main", height: 702_861, hash: [7; 32] };
/// assert_eq!(BlockTag::from_bytes(&tag.to_bytes()), Some(tag));
/// assert_eq!(BlockTag::from_bytes(&[0; 40]), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockTag {
    /// What the host calls the chain; the magic number of its network, say.
    pub chain: [u8; 4],
    /// The block's height.
    pub height: u32,
    /// The block's hash. All zeros are none.
    pub hash: [u8; 32],
}

impl BlockTag {
    /// As it stands in a header: the chain, the height in little-endian order, and the hash.
    #[must_use]
    pub fn to_bytes(self) -> [u8; USER_TAG_BYTES] {
        let mut bytes = [0; USER_TAG_BYTES];
        bytes[..4].copy_from_slice(&self.chain);
        bytes[4..8].copy_from_slice(&self.height.to_le_bytes());
        bytes[8..].copy_from_slice(&self.hash);
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) gave; `None` where the hash is all zeros.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; USER_TAG_BYTES]) -> Option<Self> {
        let (chain, rest) = bytes.split_first_chunk()?;
        let (height, hash) = rest.split_first_chunk()?;
        let hash = *hash.first_chunk()?;
        (hash != [0; 32]).then_some(BlockTag {
            chain: *chain,
            height: u32::from_le_bytes(*height),
            hash,
        })
    }
}

/// The height, and the hash as Bitcoin's tools print it: its last byte first.
impl fmt::Display for BlockTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} (", self.height)?;
        for byte in self.hash.iter().rev() {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}
