//! Which block builds on which, as far as a host has seen them.

use std::collections::HashMap;

use super::{AsOf, BlockTag, ImageError};
use crate::input::Input;

/// The blocks that have been indexed, for [`AsOf::bring_to`]. Takes about 70 bytes for each.
///
/// ```no_run
/// use steadfast_host::{Chain, Input, MemoryState, RegionImage, RunConfig, Runner};
///
/// let runner = Runner::new(&std::fs::read("indexer.wasm")?, RunConfig::default())?;
/// let mut state = MemoryState::default();
/// let mut chain = Chain::new(*b"main");
/// let mut image: Option<RegionImage> = None;
/// for file in ["1.block", "2.block", "another-2.block"] {
///     let block = Input::read(file)?;
///     // Cut back after a reorganisation; where that cannot be done, the block begins cold.
///     image = image.and_then(|mut image| chain.bring(&mut image, &block).ok().map(|()| image));
///     let finished = runner.start_warm(&block, &state, image.as_ref())?;
///     image = finished.image().ok();
///     finished.commit(&mut state)?;
///     chain.append(&block, image.as_mut());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chain {
    name: [u8; 4],
    /// The parent of each block, by hashes.
    parents: HashMap<[u8; 32], [u8; 32]>,
}

impl Chain {
    /// No blocks yet, of a chain that is called so in tags.
    #[must_use]
    pub fn new(name: [u8; 4]) -> Self {
        Chain {
            name,
            parents: HashMap::new(),
        }
    }

    /// Takes note of a block that has been indexed, and tags the image that it left.
    pub fn append(&mut self, block: &Input, image: Option<&mut impl AsOf>) {
        let (Some(hash), Some(parent)) = (block.block_hash(), block.parent_hash()) else {
            return;
        };
        self.parents.insert(hash, parent);
        if let Some(image) = image {
            image.set_tag(self.tag(block.height(), hash));
        }
    }

    /// [Brings](AsOf::bring_to) an image to the block that `next` builds on.
    ///
    /// # Errors
    ///
    /// As there, and when `next` is no block or the first one of its chain.
    pub fn bring(&self, image: &mut impl AsOf, next: &Input) -> Result<(), ImageError> {
        let height = next.height().checked_sub(1);
        let parent = height.zip(next.parent_hash());
        let (height, hash) = parent.ok_or(ImageError::NoParent)?;
        image.bring_to(self.tag(height, hash), |tag| {
            let mut below = height..tag.height;
            let ancestor = below.try_fold(tag.hash, |hash, _| self.parents.get(&hash).copied());
            ancestor == Some(hash)
        })
    }

    fn tag(&self, height: u32, hash: [u8; 32]) -> BlockTag {
        BlockTag {
            chain: self.name,
            height,
            hash,
        }
    }
}
