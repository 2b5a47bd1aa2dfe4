//! The host's side of a guest that asks for the image of its cache and offers the next one.

use super::{BlockTag, ImageError, RegionImage, module_digest};
use crate::digest::Digest;

/// One module's images, for a host that makes the instances itself: the two functions that a module built with steadfast's feature
/// `image` imports from `env`, over the bytes of its linear memory. Any engine will do.
///
/// ```text
/// __load_image(ptr: i32, capacity: i32) -> i32     load
/// __offer_image(ptr: i32, length: i32)             offer
/// ```
///
/// Both numbers are unsigned. The host says when a block has succeeded: nothing that a failed one offered is handed out.
///
/// ```
/// use steadfast_host::ImageExchange;
///
/// let module = b"\0asm\x01\0\0\0";
/// let mut images = ImageExchange::new(module);
/// let mut memory = vec![0; 65536];
/// // In the imports of an instance:
/// assert_eq!(images.load(&mut memory, 0, 65536), 0);
/// assert!(images.offer(&memory, 0, 65536).is_err());
/// // When what it flushed has been written, or has not:
/// images.publish(702_861);
/// images.discard();
/// assert!(images.image().is_none());
/// ```
#[derive(Clone, Debug)]
pub struct ImageExchange {
    module: Digest,
    /// With the height of the block that it was taken after.
    published: Option<(RegionImage, u32)>,
    offered: Option<RegionImage>,
}

impl ImageExchange {
    /// For a module, given as its bytes.
    #[must_use]
    pub fn new(module: &[u8]) -> Self {
        ImageExchange::of(module_digest(module))
    }

    /// For a module of which the digest is known.
    #[must_use]
    pub(crate) fn of(module: Digest) -> Self {
        ImageExchange {
            module,
            published: None,
            offered: None,
        }
    }

    /// `__load_image`: writes the published image to the address that the guest names, and vouches for it. Answers the image's length
    /// in bytes. Where that exceeds the capacity, nothing is written: the guest may find more room and ask again. 0 if there is no
    /// image, or none for this address.
    pub fn load(&self, memory: &mut [u8], ptr: u32, capacity: u32) -> i32 {
        let Some(image) = self.image().filter(|image| image.address() == ptr) else {
            return 0;
        };
        let len = image.info().frontier;
        match i32::try_from(len) {
            Ok(answer) if len > capacity || image.restore(memory).is_ok() => answer,
            _ => 0,
        }
    }

    /// `__offer_image`: copies the region and verifies it, as [`RegionImage::capture`] does; it is kept until it is published or
    /// discarded, in place of any offered before.
    ///
    /// # Errors
    ///
    /// When it is no image that is whole. Then none is offered; the guest need not be told.
    pub fn offer(&mut self, memory: &[u8], ptr: u32, len: u32) -> Result<(), ImageError> {
        self.offered = None;
        let end = u64::from(ptr) + u64::from(len);
        let memory = usize::try_from(end).ok().and_then(|end| memory.get(..end));
        let memory = memory.ok_or(ImageError::Short)?;
        self.offered = Some(RegionImage::capture(memory, ptr, self.module)?);
        Ok(())
    }

    /// The block at a height has succeeded, and what it flushed has been written: the next instance begins with what was offered. The
    /// image before it is dropped in any case, since it is not as of the state any more.
    pub fn publish(&mut self, height: u32) {
        self.published = self.offered.take().map(|image| (image, height));
    }

    /// As [`publish`](Self::publish), and notes in the image which block it is as of, so that [`bring_to`](Self::bring_to) can tell.
    pub fn publish_as_of(&mut self, block: BlockTag) {
        self.publish(block.height);
        if let Some((image, _)) = &mut self.published {
            image.set_tag(block);
        }
    }

    /// The block has failed: forgets what it offered. The next instance begins as the last one did.
    pub fn discard(&mut self) {
        self.offered = None;
    }

    /// The chain goes back to a height: [cuts](RegionImage::cut_back) the published image back to it, or drops it where that cannot be
    /// done. Takes time in proportion to the entries.
    pub fn cut_back(&mut self, height: u32) {
        self.discard();
        if let Some((image, taken_at)) = &mut self.published {
            match image.cut_back(*taken_at, height) {
                Ok(()) => *taken_at = height.min(*taken_at),
                Err(_) => self.published = None,
            }
        }
    }

    /// The next block builds on `at`: [brings](RegionImage::bring_to) the published image to it, or drops it where that cannot be done.
    ///
    /// # Errors
    ///
    /// Why it was dropped.
    pub fn bring_to(
        &mut self,
        at: BlockTag,
        is_ancestor: impl FnOnce(&BlockTag) -> bool,
    ) -> Result<(), ImageError> {
        self.discard();
        let Some((mut image, _)) = self.published.take() else {
            return Ok(());
        };
        image.bring_to(at, is_ancestor)?;
        self.published = Some((image, at.height));
        Ok(())
    }

    /// Takes up an image that was kept, as of the block at a height.
    ///
    /// # Errors
    ///
    /// When it belongs to another module.
    pub fn take_up(&mut self, image: RegionImage, height: u32) -> Result<(), ImageError> {
        image.check_module(self.module)?;
        self.published = Some((image, height));
        Ok(())
    }

    /// The published image, for a host that keeps it.
    #[must_use]
    pub fn image(&self) -> Option<&RegionImage> {
        self.published.as_ref().map(|(image, _)| image)
    }

    /// What the block at hand offered last.
    #[must_use]
    pub fn offered(&self) -> Option<&RegionImage> {
        self.offered.as_ref()
    }
}
