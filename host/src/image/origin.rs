//! Where a region comes from.

use steadfast::format::{RegionInfo, set_user_tag};

use super::{BlockTag, ImageError};
use crate::ceiling::PAGE_BYTES;
use crate::digest::Digest;

/// Where a region stood, the module that it belongs to, and what its header tells.
#[derive(Clone, Debug)]
pub struct Origin {
    pub(crate) base: u32,
    pub(crate) module: Digest,
    pub(crate) info: RegionInfo,
}

impl Origin {
    /// The address of the region.
    #[must_use]
    pub fn address(&self) -> u32 {
        self.base
    }

    /// The SHA-256 digest of its module's bytes.
    #[must_use]
    pub fn module(&self) -> Digest {
        self.module
    }

    /// Checks that it belongs to the module with this digest.
    ///
    /// # Errors
    ///
    /// When it belongs to another one.
    pub fn check_module(&self, expected: Digest) -> Result<(), ImageError> {
        check_module(self.module, expected)
    }

    /// What its header tells.
    #[must_use]
    pub fn info(&self) -> &RegionInfo {
        &self.info
    }

    /// The block that it is as of, where a host has said so.
    pub(crate) fn tag(&self) -> Option<BlockTag> {
        BlockTag::from_bytes(&self.info.user_tag)
    }

    /// Says so in the header, with which `region` begins.
    pub(crate) fn set_tag(&mut self, region: &mut [u8], tag: BlockTag) {
        self.info = set_user_tag(region, &tag.to_bytes())
            .and_then(|()| RegionInfo::read(region))
            .expect("a region of which the origin is known begins with a header");
    }

    /// Bytes of linear memory that an instance must have before the region is put there: whole
    /// pages.
    #[must_use]
    pub fn memory_needed(&self) -> u64 {
        (u64::from(self.base) + u64::from(self.info.frontier)).next_multiple_of(PAGE_BYTES)
    }

    /// Bytes of linear memory with which the region is as large as it was.
    #[must_use]
    pub fn memory_wanted(&self) -> u64 {
        let len = self.info.capacity.max(self.info.frontier);
        (u64::from(self.base) + u64::from(len)).next_multiple_of(PAGE_BYTES)
    }
}

pub(crate) fn check_module(found: Digest, expected: Digest) -> Result<(), ImageError> {
    match found == expected {
        true => Ok(()),
        false => Err(ImageError::Module { expected, found }),
    }
}
