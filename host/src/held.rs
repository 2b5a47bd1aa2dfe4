//! A region that outlives its instance: its pages go out of one instance's memory and into the next
//! one's. Nothing is copied, hashed or walked, so the cost is that of moving page tables.
//!
//! ```text
//! instance of block n         host                        instance of block n + 1
//! ┌────────┐                  ┌────────┐                  ┌────────┐
//! │ region │ ── mremap ─────► │ pages  │ ── mremap ─────► │ region │
//! ├────────┤  leaves zeros    └────────┘  in place of     ├────────┤
//! │ heap   │                              zeros           │ heap   │
//! └────────┘                                              └────────┘
//! ```
//!
//! The `unsafe` code of the crate is here, in `image/buffer.rs`, `page_file.rs`, `share.rs` and
//! `shared_cache.rs`.
#![allow(unsafe_code)]

use std::ops::Deref;

use steadfast::format::{AttachError, HEADER_BYTES, RegionInfo, Start, Status, seal};

use crate::ceiling::PAGE_BYTES;
use crate::digest::Digest;
use crate::image::{AsOf, BlockTag, ImageError, Origin, RegionImage, cut, with_cache};

/// The word of a host that pages may be moved into and out of its instances' memories.
///
/// ```
/// use steadfast_host::OwnPages;
///
/// // SAFETY: this host gives it along with memories of one wasmtime engine alone, which allocates
/// // them on demand.
/// let pages = unsafe { OwnPages::new() };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OwnPages(());

impl OwnPages {
    /// Of the engines of this crate.
    // `engine::config`, which all of them are made from, sets allocation on demand.
    pub(crate) const OF_RUNNER: Self = OwnPages(());

    /// # Safety
    ///
    /// Every memory that is given along with the value is the whole linear memory of an instance,
    /// or begins as that does; the pages under the region are a private anonymous mapping of
    /// the process, and nothing but the instance refers to them. So it is in wasmtime where
    /// memories are allocated on demand, which is its default, a 32-bit memory is reserved
    /// whole, which is its default too, and no data segment of the module reaches into the
    /// region.
    #[must_use]
    pub unsafe fn new() -> Self {
        OwnPages(())
    }
}

/// A guest's region between two instances, with the cache in it as the last one left it.
///
/// [`Runner::start_held`](crate::Runner::start_held) puts it into an instance and has an example.
/// What it holds was never verified: it goes from one instance to the next of the same module in
/// the same process, and nowhere else. [`image`](Self::image) makes a verified copy that a file can
/// keep.
#[derive(Debug)]
pub struct HeldRegion {
    pub(crate) origin: Origin,
    pub(crate) pages: Pages,
}

impl HeldRegion {
    /// Takes the region at an address out of an instance's linear memory, given whole, and leaves
    /// zeros: the instance must not run again. On Linux it costs one page table for each 2 MiB;
    /// elsewhere the bytes are copied.
    ///
    /// # Errors
    ///
    /// When no region stands there, when the guest has not opened the cache that it began with or
    /// was stopped in the middle of an operation, and when the system refuses. The region may
    /// be lost then; nothing else is.
    pub fn take(
        memory: &mut [u8],
        base: u32,
        module: Digest,
        _: OwnPages,
    ) -> Result<Self, ImageError> {
        let region = memory.get_mut(base as usize..).unwrap_or_default();
        let info = left_in(region)?;
        let len = u64::from(info.capacity.max(info.frontier));
        let region = region
            .get_mut(..len.next_multiple_of(PAGE_BYTES) as usize)
            .ok_or(ImageError::Short)?;
        Ok(HeldRegion {
            origin: Origin { base, module, info },
            // SAFETY: whoever made the `OwnPages` guarantees the pages under the memory.
            pages: unsafe { Pages::take(region) }.map_err(ImageError::Move)?,
        })
    }

    /// Puts the region into a fresh instance's linear memory, in place of what stands there, and
    /// seals it, so that the guest attaches to it at constant cost. Costs what
    /// [`take`](Self::take) does. Where `memory` ends before the region does, what the cache has
    /// not used is left out. Linux is asked for huge pages below the region, where the heap is:
    /// a heap of 4 MiB then takes two page faults instead of a thousand.
    ///
    /// # Errors
    ///
    /// When the memory is shorter than [`memory_needed`](Origin::memory_needed), and when the
    /// system refuses: the guest then finds no region and begins cold.
    pub fn put(self, memory: &mut [u8], _: OwnPages) -> Result<(), ImageError> {
        let (need, have) = (self.memory_needed(), memory.len() as u64);
        if have < need {
            return Err(ImageError::Memory { need, have });
        }
        let (heap, room) = memory.split_at_mut(self.origin.base as usize);
        ask_for_huge_pages(heap);
        let len = self.pages.bytes().len().min(room.len());
        let room = &mut room[..len];
        // SAFETY: as in `take`.
        let put = unsafe { self.pages.put(room) };
        let header = &mut room[..HEADER_BYTES as usize];
        match put {
            Ok(()) => Ok(seal(header, Status::Sealed)?),
            Err(reason) => {
                header.fill(0);
                Err(ImageError::Move(reason))
            }
        }
    }

    /// A copy that is verified whole: every link, count and sum. Takes time in proportion to the
    /// bytes in use.
    ///
    /// # Errors
    ///
    /// When anything in it is damaged.
    pub fn image(&self) -> Result<RegionImage, ImageError> {
        RegionImage::of_region(self.pages.bytes(), self.origin.base, self.origin.module)
    }
}

/// The header of a region that a guest has left whole.
pub(crate) fn left_in(region: &[u8]) -> Result<RegionInfo, ImageError> {
    let info = RegionInfo::read(region)?;
    match info.status {
        Status::Changing => Err(ImageError::Refused(AttachError::Torn)),
        Status::Sealed | Status::Shared => Err(ImageError::Unopened),
        Status::Open | Status::Closed => Ok(info),
    }
}

impl Deref for HeldRegion {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

impl AsOf for HeldRegion {
    fn tag(&self) -> Option<BlockTag> {
        self.origin.tag()
    }

    fn set_tag(&mut self, tag: BlockTag) {
        self.origin.set_tag(self.pages.bytes_mut(), tag);
    }

    fn cut_back(&mut self, taken_at: u32, height: u32) -> Result<(), ImageError> {
        let Some(cut) = cut(&self.origin.info, taken_at, height)? else {
            return Ok(());
        };
        let bytes = self.pages.bytes_mut();
        seal(bytes, Status::Sealed)?;
        if let Start::Cold(reason) = with_cache(bytes, &self.origin.info, cut, height) {
            return Err(ImageError::Refused(reason));
        }
        self.origin.info = RegionInfo::read(bytes)?;
        Ok(())
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{Pages, ask_for_huge_pages};

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::ptr::{NonNull, null_mut};

    use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap_fixed, munmap};
    use rustix::param::page_size;

    use crate::mappings::mappings;
    use crate::page_file::no_whole_pages;

    /// Where page tables of the second level begin: aligned alike on both sides, pages move by
    /// those.
    const ALIGN: usize = 2 << 20;

    /// A private anonymous mapping of the host's own.
    #[derive(Debug)]
    pub struct Pages {
        mapping: NonNull<u8>,
        mapped: usize,
        start: NonNull<u8>,
        len: usize,
    }

    // SAFETY: the mapping is the value's alone, and any thread may unmap it.
    unsafe impl Send for Pages {}
    // SAFETY: a shared reference only reads it.
    unsafe impl Sync for Pages {}

    impl Pages {
        /// Zeros.
        pub fn reserve(len: usize) -> io::Result<Pages> {
            let mapped = len + ALIGN;
            let access = ProtFlags::READ | ProtFlags::WRITE;
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            // SAFETY: new pages, wherever the system likes.
            let mapping = unsafe { mmap_anonymous(null_mut(), mapped, access, flags) }?;
            let mapping = NonNull::new(mapping.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
            let skip = mapping.as_ptr().align_offset(ALIGN);
            Ok(Pages {
                mapping,
                mapped,
                // SAFETY: the alignment is at most the room that was added for it.
                start: unsafe { mapping.add(skip) },
                len,
            })
        }

        /// # Safety
        ///
        /// What [`OwnPages`](super::OwnPages) asks for.
        pub unsafe fn take(region: &mut [u8]) -> io::Result<Pages> {
            let mut pages = Pages::reserve(region.len())?;
            let from = NonNull::from(&mut *region).cast();
            // SAFETY: both are `len` bytes of private anonymous memory that nobody else refers to.
            unsafe { move_pages(from, pages.start, pages.len) }?;
            ask_for_huge_pages(pages.bytes_mut());
            Ok(pages)
        }

        /// # Safety
        ///
        /// As for [`take`](Self::take); `room` is at most as long.
        pub unsafe fn put(self, room: &mut [u8]) -> io::Result<()> {
            let to = NonNull::from(&mut *room).cast();
            // SAFETY: both are `room.len()` bytes of private anonymous memory that nobody else
            // refers to.
            unsafe { move_pages(self.start, to, room.len()) }
        }

        pub fn bytes(&self) -> &[u8] {
            // SAFETY: the mapping is ours until the value is dropped.
            unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
        }

        pub fn bytes_mut(&mut self) -> &mut [u8] {
            // SAFETY: as above.
            unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            // SAFETY: the mapping is ours, and no slice of it outlives the value. What was moved
            // away left zeros, so the whole of it is still mapped.
            let _ = unsafe { munmap(self.mapping.as_ptr().cast(), self.mapped) };
        }
    }

    /// Asks the system for huge pages under memory that begins with a page, as far as it has whole
    /// ones. Nothing depends on what it answers.
    pub fn ask_for_huge_pages(memory: &mut [u8]) {
        let len = memory.len() / page_size() * page_size();
        // SAFETY: the memory is borrowed alone, and advice changes no byte of it.
        unsafe { libc::madvise(memory.as_mut_ptr().cast(), len, libc::MADV_HUGEPAGE) };
    }

    /// Moves page tables, and leaves zeros. The system moves what it keeps as one mapping: where it
    /// has more than one on the way, each is moved by itself.
    ///
    /// # Safety
    ///
    /// Both are `len` bytes of private anonymous memory, in whole pages, and nobody refers to them
    /// meanwhile.
    unsafe fn move_pages(from: NonNull<u8>, to: NonNull<u8>, len: usize) -> io::Result<()> {
        let whole = |address: NonNull<u8>| address.addr().get().is_multiple_of(page_size());
        if !(whole(from) && whole(to) && len.is_multiple_of(page_size())) {
            return Err(no_whole_pages());
        }
        // SAFETY: the caller's duty.
        let moved = unsafe { move_mapping(from, to, len) };
        match moved {
            Err(reason) if reason.raw_os_error() == Some(libc::EFAULT) => {}
            other => return other,
        }
        let mut done = 0;
        for end in mapping_ends(from.addr().get(), len)? {
            let part = end - done;
            // SAFETY: within both, by the caller's duty.
            unsafe { move_mapping(from.add(done), to.add(done), part) }?;
            done = end;
        }
        Ok(())
    }

    unsafe fn move_mapping(from: NonNull<u8>, to: NonNull<u8>, len: usize) -> io::Result<()> {
        let flags = MremapFlags::MAYMOVE | MremapFlags::DONTUNMAP;
        // SAFETY: the caller's duty.
        unsafe { mremap_fixed(from.as_ptr().cast(), len, len, flags, to.as_ptr().cast()) }?;
        Ok(())
    }

    /// Where the system's mappings end among `len` bytes at an address, counted from there.
    fn mapping_ends(start: usize, len: usize) -> io::Result<Vec<usize>> {
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let end = start + len;
        let mut ends: Vec<usize> = mappings(&maps)
            .map(|mapping| mapping.end)
            .filter(|to| (start + 1..end).contains(to))
            .map(|to| to - start)
            .collect();
        ends.push(len);
        Ok(ends)
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::{Pages, ask_for_huge_pages};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    /// Systems that have no such advice.
    pub fn ask_for_huge_pages(_: &mut [u8]) {}

    /// The region's bytes, copied, aligned as a region is.
    #[derive(Debug)]
    pub struct Pages(crate::image::Buffer);

    impl Pages {
        /// Zeros.
        pub fn reserve(len: usize) -> io::Result<Pages> {
            Ok(Pages(crate::image::Buffer::zeros(len)))
        }

        /// # Safety
        ///
        /// None is needed; the signature is that of moving.
        pub unsafe fn take(region: &mut [u8]) -> io::Result<Pages> {
            let mut pages = Pages::reserve(region.len())?;
            pages.bytes_mut().copy_from_slice(region);
            Ok(pages)
        }

        /// # Safety
        ///
        /// None is needed; the signature is that of moving.
        pub unsafe fn put(self, room: &mut [u8]) -> io::Result<()> {
            room.copy_from_slice(&self.0.bytes()[..room.len()]);
            Ok(())
        }

        pub fn bytes(&self) -> &[u8] {
            self.0.bytes()
        }

        pub fn bytes_mut(&mut self) -> &mut [u8] {
            self.0.bytes_mut()
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::ptr::null_mut;

    use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
    use rustix::param::page_size;

    use super::Pages;

    /// Private anonymous memory as an engine has it: reserved whole, and made accessible in steps.
    struct Memory(&'static mut [u8]);

    impl Memory {
        const PAGES: usize = 12;

        fn new() -> Memory {
            let len = Self::PAGES * page_size();
            // SAFETY: new pages, wherever the system likes, which live until the value is dropped.
            let bytes = unsafe {
                let access = ProtFlags::READ | ProtFlags::WRITE;
                let start = mmap_anonymous(null_mut(), len, access, MapFlags::PRIVATE).unwrap();
                std::slice::from_raw_parts_mut(start.cast::<u8>(), len)
            };
            Memory(bytes)
        }

        fn pages(&self) -> Vec<u8> {
            let firsts = self.0.chunks(page_size()).map(|page| page[7]);
            firsts.collect()
        }

        /// Makes the system keep a page as a mapping of its own.
        fn split_at(&mut self, page: usize) {
            let part = &mut self.0[page * page_size()..][..page_size()];
            // SAFETY: our own page.
            unsafe { libc::madvise(part.as_mut_ptr().cast(), part.len(), libc::MADV_NOHUGEPAGE) };
            // SAFETY: as above.
            unsafe {
                let all = MprotectFlags::READ | MprotectFlags::WRITE;
                mprotect(part.as_mut_ptr().cast(), part.len(), all).unwrap();
            }
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: our own pages, to which nobody refers any more.
            unsafe { munmap(self.0.as_mut_ptr().cast(), self.0.len()).unwrap() };
        }
    }

    #[test]
    fn pages_move_there_and_back_however_the_system_maps_them() {
        for splits in [&[][..], &[0], &[11], &[3, 7], &[1, 2, 3, 5, 8]] {
            let mut memory = Memory::new();
            for (number, page) in memory.0.chunks_mut(page_size()).enumerate() {
                page.fill(number as u8 + 1);
            }
            for &page in splits {
                memory.split_at(page);
            }
            let before = memory.0.to_vec();
            for turn in 0..3 {
                // SAFETY: private anonymous memory of our own.
                let mut held = unsafe { Pages::take(memory.0) }.unwrap();
                assert!(memory.0.iter().all(|&byte| byte == 0), "{splits:?}");
                assert_eq!(held.bytes(), before, "{splits:?}");
                held.bytes_mut()[0] = 1;
                memory = Memory::new();
                memory.split_at(turn);
                // SAFETY: as above.
                unsafe { held.put(memory.0) }.unwrap();
                assert_eq!(memory.0, before, "{splits:?}");
            }
            // A shorter room takes the first pages.
            // SAFETY: as above.
            let held = unsafe { Pages::take(memory.0) }.unwrap();
            let memory = Memory::new();
            // SAFETY: as above.
            unsafe { held.put(&mut memory.0[..5 * page_size()]) }.unwrap();
            assert_eq!(memory.pages(), [1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0]);
        }
    }

    #[test]
    fn what_does_not_consist_of_whole_pages_is_refused() {
        let memory = Memory::new();
        // SAFETY: refused before anything is moved.
        let refused = unsafe { Pages::take(&mut memory.0[1..=page_size()]) };
        assert!(refused.is_err());
        // SAFETY: as above.
        let refused = unsafe { Pages::take(&mut memory.0[..100]) };
        assert!(refused.is_err());
        assert!(memory.0.iter().all(|&byte| byte == 0));
    }
}
