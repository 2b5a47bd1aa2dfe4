//! The cache on its way from one instance to the next.

use crate::held::HeldRegion;
use crate::image::{AsOf, BlockTag, ImageError, Origin, RegionImage};

/// What an instance has left for the next one: a copy of its region, or the region itself.
#[derive(Debug)]
pub enum Carried {
    /// A verified copy.
    Image(RegionImage),
    /// The region's own pages.
    Region(HeldRegion),
}

impl Carried {
    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        match self {
            Carried::Image(image) => image,
            Carried::Region(held) => held,
        }
    }
}

impl AsOf for Carried {
    fn tag(&self) -> Option<BlockTag> {
        self.origin().tag()
    }

    fn set_tag(&mut self, tag: BlockTag) {
        match self {
            Carried::Image(image) => image.set_tag(tag),
            Carried::Region(held) => held.set_tag(tag),
        }
    }

    fn cut_back(&mut self, taken_at: u32, height: u32) -> Result<(), ImageError> {
        match self {
            Carried::Image(image) => image.cut_back(taken_at, height),
            Carried::Region(held) => held.cut_back(taken_at, height),
        }
    }
}
