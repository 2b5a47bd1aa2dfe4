//! Images of regions: a guest's cache, copied out of one instance and into the next.
//!
//! ```text
//! buffer, origin, tag <- as_of <- file, chain
//! ```

mod as_of;
mod buffer;
mod chain;
mod file;
mod origin;
mod tag;

use std::ops::Deref;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use steadfast::format::{AttachError, FormatError, HEADER_BYTES, RegionInfo, Start, Status, seal};

pub use self::as_of::AsOf;
pub(crate) use self::as_of::cut;
pub(crate) use self::buffer::{Buffer, with_cache};
pub use self::chain::Chain;
pub use self::file::{Compression, ImageClaim};
pub use self::origin::Origin;
pub(crate) use self::origin::check_module;
pub use self::tag::BlockTag;
use crate::digest::Digest;

/// Why there is no image, or why it is not used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No region stands at the address.
    #[error("there is no region to make an image of: {0}")]
    Region(FormatError),
    /// The image is torn, damaged, or of another format.
    #[error("the image cannot be used: {0}")]
    Refused(AttachError),
    /// The memory ends before the region does.
    #[error("memory ends before the region's frontier")]
    Short,
    /// The image belongs to another module.
    #[error("the image belongs to the module {found}, not to {expected}")]
    Module {
        /// The module's digest.
        expected: Digest,
        /// The image's.
        found: Digest,
    },
    /// The image is of a region at another address than the module's.
    #[error("the image's region is at {base:#x}, and the module's at {expected:#x}")]
    Place {
        /// The image's address.
        base: u32,
        /// The region's address.
        expected: u64,
    },
    /// The image is larger than the region that the module's plan has.
    #[error("the image has {bytes} bytes, and the module's region up to {most}")]
    TooLarge {
        /// The image's bytes.
        bytes: u64,
        /// The most bytes that the region has.
        most: u64,
    },
    /// The image was taken at another state than the one at hand.
    #[error("the image belongs to the state {found}, and the state is {expected}")]
    State {
        /// The state's digest.
        expected: Digest,
        /// The image's.
        found: Digest,
    },
    /// The entries do not tell at which height they were written.
    #[error(
        "the image is as of height {image}, which it must be cut back from, and the module does not keep heights: it last set {kept}"
    )]
    NoHeights {
        /// The height of the block that the image was taken after.
        image: u32,
        /// The height that the module set last.
        kept: u32,
    },
    /// Nobody has said which block the image was taken after.
    #[error("the image does not tell which block it is as of")]
    NoTag,
    /// The next block does not tell which one it builds on.
    #[error("the block does not tell which one it builds on")]
    NoParent,
    /// The image was taken after a block that is not known to build on the one at hand.
    #[error("the image is as of {image}, of which {at} is not known to be an ancestor")]
    NotAncestor {
        /// The block that the image was taken after.
        image: BlockTag,
        /// The last block of the chain at hand.
        at: BlockTag,
    },
    /// The instance has too little memory for the image.
    #[error("the image needs {need} bytes of memory, and there are {have}")]
    Memory {
        /// Bytes of linear memory that it needs.
        need: u64,
        /// Bytes that there are.
        have: u64,
    },
    /// The instance has not opened the cache that it began with, so it has told it nothing.
    #[error("the block did not open the cache, so what stands in the region is not as of it")]
    Unopened,
    /// The instance offered no region.
    #[error("the instance offered no region to be moved")]
    NotOffered,
    /// The system does not move the region's pages.
    #[error("the system does not move the pages of the region: {0}")]
    Move(std::io::Error),
    /// The system does not let memories share a cache that changes.
    #[error("the system does not share the cache's pages: {0}")]
    Share(std::io::Error),
    /// The file does not hold an image, or a damaged one.
    #[error("{path}: not a usable image ({reason})")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What was found.
        reason: String,
    },
    /// A file that would be replaced is no image.
    #[error(
        "{path}: this is not an image of a cache, so it is neither replaced nor removed; choose another path for the image"
    )]
    NotOurs {
        /// The file.
        path: std::path::PathBuf,
    },
    /// The file could not be read or written.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: std::path::PathBuf,
        /// The operating system's reason. No source of this error, since its text has it already.
        reason: std::io::Error,
    },
}

/// By hand: an error that tells its cause must not name it as its source too.
impl From<FormatError> for ImageError {
    fn from(error: FormatError) -> Self {
        ImageError::Region(error)
    }
}

/// The used prefix of a guest's region, verified whole, and what it belongs to.
///
/// ```no_run
/// use steadfast_host::{Input, MemoryState, RunConfig, Runner};
///
/// let runner = Runner::new(&std::fs::read("indexer.wasm")?, RunConfig::default())?;
/// let mut state = MemoryState::default();
/// let first = runner.start(&Input::read("1.block")?, &state)?;
/// let image = first.image()?;
/// first.commit(&mut state)?;
/// // A fresh instance, with the cache that the first one left.
/// runner.start_warm(&Input::read("2.block")?, &state, Some(&image))?.commit(&mut state)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RegionImage {
    /// Shared by clones, until one of them is cut back.
    buffer: Arc<Buffer>,
    origin: Origin,
}

impl RegionImage {
    /// Copies the region at an address of a guest's linear memory, given whole, and verifies it:
    /// every link, count and sum. Takes time in proportion to the bytes in use.
    ///
    /// To be called when the guest has returned, and published when all that it wrote has been.
    ///
    /// # Errors
    ///
    /// When no region stands there, the guest has not opened the cache that it began with or was
    /// stopped in the middle of an operation, or anything is damaged.
    pub fn capture(memory: &[u8], base: u32, module: Digest) -> Result<Self, ImageError> {
        let region = memory.get(base as usize..).unwrap_or_default();
        Self::of_region(region, base, module)
    }

    /// As [`capture`](Self::capture), from the bytes of the region alone; of these, what stands
    /// between the parts of an image may be anything.
    pub(crate) fn of_region(region: &[u8], base: u32, module: Digest) -> Result<Self, ImageError> {
        let info = RegionInfo::read(region)?;
        if matches!(info.status, Status::Sealed | Status::Shared) {
            return Err(ImageError::Unopened);
        }
        let buffer = Buffer::copy(&info, region).ok_or(ImageError::Short)?;
        RegionImage {
            buffer: Arc::new(buffer),
            origin: Origin { base, module, info },
        }
        .verified()
    }

    fn verified(mut self) -> Result<Self, ImageError> {
        self.work(|_, _| (), 0)?;
        Ok(self)
    }

    fn work(
        &mut self,
        work: fn(&mut steadfast::Cache, u32),
        number: u32,
    ) -> Result<(), ImageError> {
        if let Start::Cold(reason) = with_cache(
            Arc::make_mut(&mut self.buffer).bytes_mut(),
            &self.origin.info,
            work,
            number,
        ) {
            return Err(ImageError::Refused(reason));
        }
        self.origin.info = RegionInfo::read(self.buffer.bytes())?;
        Ok(())
    }

    /// Writes the image into an instance's linear memory, given whole, and seals it. The guest
    /// attaches to it at constant cost.
    ///
    /// # Errors
    ///
    /// When the memory has less than [`memory_needed`](Origin::memory_needed).
    pub fn restore(&self, memory: &mut [u8]) -> Result<(), ImageError> {
        let (need, have) = (self.memory_needed(), memory.len() as u64);
        if have < need {
            return Err(ImageError::Memory { need, have });
        }
        for (address, bytes) in self.parts() {
            memory[address as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        let header = &mut memory[self.origin.base as usize..][..HEADER_BYTES as usize];
        Ok(seal(header, Status::Sealed)?)
    }

    /// The parts of the image, closed, each behind its address in linear memory.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (u32, &[u8])> {
        self.origin.info.image_parts().into_iter().map(|part| {
            let bytes = &self.buffer.bytes()[part.start as usize..part.end as usize];
            (self.origin.base + part.start, bytes)
        })
    }

    /// The image itself: the region's bytes up to its frontier, closed, with zeros where no part of
    /// it stands.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.buffer.bytes()[..self.origin.info.frontier as usize]
    }
}

impl AsOf for RegionImage {
    fn tag(&self) -> Option<BlockTag> {
        self.origin.tag()
    }

    /// It is kept in files too. Constant cost, unless other clones have the same bytes.
    fn set_tag(&mut self, tag: BlockTag) {
        let bytes = Arc::make_mut(&mut self.buffer).bytes_mut();
        self.origin.set_tag(bytes, tag);
    }

    fn cut_back(&mut self, taken_at: u32, height: u32) -> Result<(), ImageError> {
        match cut(&self.origin.info, taken_at, height)? {
            Some(cut) => self.work(cut, height),
            None => Ok(()),
        }
    }
}

impl Deref for RegionImage {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

impl std::fmt::Debug for RegionImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegionImage")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The SHA-256 digest of a module's bytes, by which images tell modules apart.
#[must_use]
pub fn module_digest(module: &[u8]) -> Digest {
    Digest(Sha256::digest(module).into())
}

/// What a module's instance info is told of the module, as
/// [`GuestInfo::name_module`](crate::GuestInfo::name_module) does: the first eight bytes of its
/// digest.
#[must_use]
pub fn module_tag(module: &Digest) -> u64 {
    let first = module.0.first_chunk().expect("a digest has 32 bytes");
    u64::from_le_bytes(*first)
}
