//! What has a cache as of a block, and what becomes of it after a reorganisation.

use steadfast::cache::Cache;
use steadfast::format::RegionInfo;

use super::{BlockTag, ImageError};

/// A cache as of a block: in an image, or in a region that is held or shared.
pub trait AsOf {
    /// The block that it is as of, where a host has [said so](Self::set_tag).
    fn tag(&self) -> Option<BlockTag>;

    /// Says which block it is as of: the last one that has been written to the state. The region's
    /// header keeps it.
    fn set_tag(&mut self, tag: BlockTag);

    /// After a reorganisation: drops what was written above a height, of a cache as of the block at
    /// `taken_at`. Takes time in proportion to the entries.
    ///
    /// # Errors
    ///
    /// When the module does not tell the cache the heights of its blocks: then nobody knows what to
    /// drop. After any error it is not to be used.
    fn cut_back(&mut self, taken_at: u32, height: u32) -> Result<(), ImageError>;

    /// Brings it to the block on which the next one builds: leaves it as it is where it is as of
    /// that block, and [cuts it back](Self::cut_back) after a reorganisation, where that block is
    /// an ancestor of the one that it is as of. Only the host knows: `is_ancestor` is asked
    /// whether `at` is one of the block that it is given.
    ///
    /// What it holds above the block that both chains have in common is what the other chain wrote.
    /// What cannot be brought to `at` is not to be used; the next instance then begins cold.
    ///
    /// # Errors
    ///
    /// When it has no tag, when it was taken after a block of another chain or one that `at` is not
    /// an ancestor of, and as [`cut_back`](Self::cut_back) has it.
    fn bring_to(
        &mut self,
        at: BlockTag,
        is_ancestor: impl FnOnce(&BlockTag) -> bool,
    ) -> Result<(), ImageError> {
        let image = self.tag().ok_or(ImageError::NoTag)?;
        if image == at {
            return Ok(());
        }
        let is_later = image.chain == at.chain && image.height > at.height;
        if !is_later || !is_ancestor(&image) {
            return Err(ImageError::NotAncestor { image, at });
        }
        self.cut_back(image.height, at.height)?;
        self.set_tag(at);
        Ok(())
    }
}

/// Drops what a cache has above a height.
pub(crate) type Cut = fn(&mut Cache, u32);

/// What cuts a cache back to a height, of one as of the block at `taken_at`; `None` where nothing
/// is to be cut.
pub(crate) fn cut(
    info: &RegionInfo,
    taken_at: u32,
    height: u32,
) -> Result<Option<Cut>, ImageError> {
    if height >= taken_at {
        return Ok(None);
    }
    let kept = info.height;
    if kept != taken_at {
        return Err(ImageError::NoHeights {
            image: taken_at,
            kept,
        });
    }
    Ok(Some(|cache, height| {
        cache.invalidate_above(height);
        cache.set_height(height);
    }))
}
