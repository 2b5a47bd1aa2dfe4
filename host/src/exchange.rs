//! The host's side of a guest that asks for the image of its cache and offers the next one.

use steadfast::format::RegionInfo;

use crate::carried::Carried;
use crate::ceiling::PAGE_BYTES;
use crate::digest::Digest;
use crate::held::{HeldRegion, OwnPages};
use crate::image::{AsOf, BlockTag, ImageError, Origin, RegionImage, module_digest};

/// One module's images, for a host that makes the instances itself: the two functions that a module
/// built with steadfast's feature `image` imports from `env`, over the bytes of its linear memory.
/// Any engine will do.
///
/// ```text
/// __load_image(ptr: i32, capacity: i32) -> i32     load
/// __offer_image(ptr: i32, length: i32)             offer
/// ```
///
/// Both numbers are unsigned. The host says when a block has succeeded: nothing that a failed one
/// offered is handed out.
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
///
/// A host that guarantees what [`OwnPages`] asks for [moves](Self::move_regions) the regions
/// instead of copying them.
#[derive(Debug)]
pub struct ImageExchange {
    module: Digest,
    /// With the height of the block that it was taken after.
    published: Option<(Carried, u32)>,
    offered: Option<Offered>,
    /// Where regions are moved: the host's word for its memories.
    moves: Option<OwnPages>,
    /// What stands in the instance's memory already.
    in_place: Option<Origin>,
}

/// What an instance has offered.
#[derive(Debug)]
enum Offered {
    Image(Box<RegionImage>),
    /// The address of a region that stays where it is until it is published.
    Region(u32),
}

impl ImageExchange {
    /// For a module, given as its bytes.
    #[must_use]
    pub fn new(module: &[u8]) -> Self {
        ImageExchange::of(module_digest(module))
    }

    /// For the module with this digest.
    #[must_use]
    pub(crate) fn of(module: Digest) -> Self {
        ImageExchange {
            module,
            published: None,
            offered: None,
            moves: None,
            in_place: None,
        }
    }

    /// Has regions moved from one instance to the next, where they were copied and verified:
    /// [`offer`](Self::offer) notes the region's address, [`publish_from`](Self::publish_from)
    /// takes it out of the instance, and [`load`](Self::load) puts it into the next. See
    /// [`HeldRegion`] for what that costs.
    pub fn move_regions(&mut self, pages: OwnPages) {
        self.moves = Some(pages);
    }

    /// `__load_image`: writes the published image to the address that the guest names, and seals
    /// it. Answers the image's length in bytes. Where that exceeds the capacity, nothing is
    /// written: the guest may find more room and ask again. 0 if there is no image, or none for
    /// this address. A region that is held is moved there, and is not there for the next instance
    /// before it is published again.
    pub fn load(&mut self, memory: &mut [u8], ptr: u32, capacity: u32) -> i32 {
        if let Some(image) = &self.in_place {
            return answer(image, ptr);
        }
        let Some((published, height)) = self.published.take() else {
            return 0;
        };
        let answer = answer(published.origin(), ptr);
        if answer == 0 || published.origin().info().frontier > capacity {
            self.published = Some((published, height));
            return answer;
        }
        let loaded = match published {
            Carried::Image(image) => {
                let loaded = image.restore(memory);
                self.published = Some((Carried::Image(image), height));
                loaded
            }
            Carried::Region(held) => {
                let Some(pages) = self.moves else { return 0 };
                // What stands above the region is not the guest's.
                let end = (u64::from(ptr) + u64::from(capacity)).next_multiple_of(PAGE_BYTES);
                let end = memory.len().min(usize::try_from(end).unwrap_or(usize::MAX));
                held.put(&mut memory[..end], pages)
            }
        };
        if loaded.is_ok() { answer } else { 0 }
    }

    /// `__offer_image`: copies the region and verifies it, as [`RegionImage::capture`] does; it is
    /// kept until it is published or discarded, in place of any offered before. Where regions
    /// are [moved](Self::move_regions), only their place is noted.
    ///
    /// # Errors
    ///
    /// When it is no image that is whole. Then none is offered; the guest need not be told.
    pub fn offer(&mut self, memory: &[u8], ptr: u32, len: u32) -> Result<(), ImageError> {
        self.offered = None;
        let end = u64::from(ptr) + u64::from(len);
        let memory = usize::try_from(end).ok().and_then(|end| memory.get(..end));
        let memory = memory.ok_or(ImageError::Short)?;
        self.offered = Some(if self.moves.is_some() {
            RegionInfo::read(&memory[ptr as usize..])?;
            Offered::Region(ptr)
        } else {
            let image = RegionImage::capture(memory, ptr, self.module)?;
            Offered::Image(Box::new(image))
        });
        Ok(())
    }

    /// The block has succeeded, and what it flushed has been written: the region that it offered is
    /// taken out of its instance's linear memory, given whole, for the next one. The instance must
    /// not run again. For hosts that have regions [moved](Self::move_regions).
    ///
    /// # Errors
    ///
    /// When nothing was offered, or the region cannot be taken. The next instance then begins cold.
    pub fn publish_from(&mut self, memory: &mut [u8], block: BlockTag) -> Result<(), ImageError> {
        self.published = None;
        match (self.offered.take(), self.moves) {
            (Some(Offered::Region(ptr)), Some(pages)) => {
                let mut held = HeldRegion::take(memory, ptr, self.module, pages)?;
                held.set_tag(block);
                self.published = Some((Carried::Region(held), block.height));
                Ok(())
            }
            _ => Err(ImageError::NotOffered),
        }
    }

    /// The block at a height has succeeded, and what it flushed has been written: the next instance
    /// begins with what was offered. The image before it is dropped in any case, since it is
    /// not as of the state any more.
    pub fn publish(&mut self, height: u32) {
        self.published = match self.offered.take() {
            Some(Offered::Image(image)) => Some((Carried::Image(*image), height)),
            _ => None,
        };
    }

    /// As [`publish`](Self::publish), and notes in the image which block it is as of, so that
    /// [`bring_to`](Self::bring_to) can tell.
    pub fn publish_as_of(&mut self, block: BlockTag) {
        self.publish(block.height);
        if let Some((published, _)) = &mut self.published {
            published.set_tag(block);
        }
    }

    /// The block has failed: forgets what it offered. The next instance begins as the last one did.
    pub fn discard(&mut self) {
        self.offered = None;
    }

    /// The chain goes back to a height: [cuts](AsOf::cut_back) the published image back to it, or
    /// drops it where that cannot be done. Takes time in proportion to the entries.
    pub fn cut_back(&mut self, height: u32) {
        self.discard();
        if let Some((image, taken_at)) = &mut self.published {
            match image.cut_back(*taken_at, height) {
                Ok(()) => *taken_at = height.min(*taken_at),
                Err(_) => self.published = None,
            }
        }
    }

    /// The next block builds on `at`: [brings](AsOf::bring_to) the published image to it, or drops
    /// it where that cannot be done.
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
        self.published = Some((Carried::Image(image), height));
        Ok(())
    }

    /// As [`take_up`](Self::take_up), of a region that is held.
    ///
    /// # Errors
    ///
    /// As there.
    pub(crate) fn take_up_held(&mut self, held: HeldRegion) -> Result<(), ImageError> {
        held.check_module(self.module)?;
        let height = held.info().height;
        self.published = Some((Carried::Region(held), height));
        Ok(())
    }

    /// Has the next instance told of an image that the host has mapped where it is to stand.
    pub(crate) fn find_in_place(&mut self, image: &Origin) {
        self.in_place = Some(image.clone());
    }

    /// The published image, for a host that keeps it.
    #[must_use]
    pub fn image(&self) -> Option<&RegionImage> {
        match &self.published {
            Some((Carried::Image(image), _)) => Some(image),
            _ => None,
        }
    }

    /// What the block at hand offered last.
    #[must_use]
    pub fn offered(&self) -> Option<&RegionImage> {
        match &self.offered {
            Some(Offered::Image(image)) => Some(image),
            _ => None,
        }
    }
}

/// What a guest is told that asks at `ptr` for an image from there: its length, or 0 for none.
fn answer(origin: &Origin, ptr: u32) -> i32 {
    let len = i32::try_from(origin.info().frontier).ok();
    len.filter(|_| origin.address() == ptr).unwrap_or(0)
}
