//! One image of a region that many instances map, copy-on-write.
//!
//! The bytes stand once in memory, in an anonymous file that nobody can change any more. Mapping it
//! into an instance costs the same whatever its length; a page that the instance reads is the
//! shared one, a page that it writes becomes its own.
//!
//! The `unsafe` code of the crate is here, in `image/buffer.rs`, `held.rs`, `page_file.rs` and
//! `shared_cache.rs`.
#![allow(unsafe_code)]

use std::io;
use std::sync::Arc;

use steadfast::format::{Status, seal};
use wasmtime::{AsContextMut, Memory};

use crate::ceiling::PAGE_BYTES;
use crate::digest::Digest;
use crate::image::RegionImage;

/// The used prefix of a region, for any number of instances to map at its address.
///
/// A clone is another handle to the same bytes; they go when the last handle and the last instance
/// that maps them are gone.
///
/// [`Runner::open_view`](crate::Runner::open_view) maps it, and has an example.
#[derive(Clone, Debug)]
pub struct SharedImage {
    address: u32,
    /// Whose it is, where that is known.
    module: Option<Digest>,
    pages: Arc<Pages>,
}

impl SharedImage {
    /// A verified image, its header marked as shared: guests attach to it at constant cost, and
    /// their lookups neither promote nor count, so that reading writes nothing. Copies it once.
    ///
    /// # Errors
    ///
    /// When the system has no room for it.
    pub fn new(image: &RegionImage) -> io::Result<Self> {
        let bytes = image.bytes();
        let parts = image.info().image_parts();
        let [front, arena] = parts.map(|part| part.start as usize..part.end as usize);
        let mut front = bytes[front].to_vec();
        seal(&mut front, Status::Shared).map_err(|error| invalid(error.to_string()))?;
        let arena_start = arena.start as u32;
        let shared = Self::of_parts(
            image.address(),
            &[(0, &front), (arena_start, &bytes[arena])],
        )?;
        let module = Some(image.module());
        Ok(SharedImage { module, ..shared })
    }

    /// As [`new`](Self::new), of any bytes, for a module that knows what to make of them at
    /// `address` in its linear memory.
    ///
    /// ```
    /// use steadfast_host::SharedImage;
    ///
    /// let image = SharedImage::of_bytes(0x0800_0000, b"what the module expects there")?;
    /// // An instance that maps it has at least 2049 pages of memory.
    /// assert_eq!(image.memory_needed(), 2049 * 65536);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `address` is not at the beginning of a page of 64 KiB, when the bytes do not fit in the
    /// 4 GiB from there on, or when the system has no room for them.
    pub fn of_bytes(address: u32, bytes: &[u8]) -> io::Result<Self> {
        Self::of_parts(address, &[(0, bytes)])
    }

    /// As [`of_bytes`](Self::of_bytes), of parts that begin so many bytes behind `address`, in
    /// order. What is between them is zero, and takes no memory but in the pages that they
    /// share.
    ///
    /// # Errors
    ///
    /// As [`of_bytes`](Self::of_bytes), and when parts overlap.
    pub fn of_parts(address: u32, parts: &[(u32, &[u8])]) -> io::Result<Self> {
        let mut len = 0;
        for (at, bytes) in parts {
            if u64::from(*at) < len {
                return Err(invalid("the parts of the image overlap".into()));
            }
            len = u64::from(*at) + bytes.len() as u64;
        }
        let end = u64::from(address) + len;
        if !u64::from(address).is_multiple_of(PAGE_BYTES) || end > 1 << 32 {
            return Err(invalid(format!(
                "an image of {len} bytes cannot stand at {address:#x}: it begins at a multiple of {PAGE_BYTES} and ends within 4 GiB"
            )));
        }
        Ok(SharedImage {
            address,
            module: None,
            pages: Arc::new(Pages::new(parts, len as usize)?),
        })
    }

    /// The address in linear memory at which it is mapped.
    #[must_use]
    pub fn address(&self) -> u32 {
        self.address
    }

    /// The module that it belongs to, of one that was made of a region's image.
    #[must_use]
    pub fn module(&self) -> Option<Digest> {
        self.module
    }

    /// Its bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of linear memory that an instance must have before it can be mapped there: whole pages
    /// of 64 KiB.
    #[must_use]
    pub fn memory_needed(&self) -> u64 {
        (u64::from(self.address) + self.len() as u64).next_multiple_of(PAGE_BYTES)
    }

    /// Puts the image into an instance's linear memory, given whole, in place of what stands there:
    /// for hosts with an engine of their own, whatever it is. Constant cost on Linux; elsewhere
    /// the bytes are copied.
    ///
    /// What stands behind the image in its last page of the operating system becomes zero.
    ///
    /// # Errors
    ///
    /// When the memory is shorter than [`memory_needed`](Self::memory_needed), does not begin at a
    /// page of the operating system, or the system refuses: the number of its mappings may be
    /// limited. After a refusal nothing but dropping the instance may be done with the memory.
    ///
    /// # Safety
    ///
    /// The pages under `memory` are a private mapping of the process that the engine gives back to
    /// the operating system, by unmapping it, when the instance ends. So it is in wasmtime with
    /// its allocation on demand, and with a 32-bit memory reserved whole, which it is by
    /// default. It is not so where instances take over memory from each other, as with
    /// wasmtime's pooling allocator: the next one in the slot would find the image's bytes where it
    /// expects zeros.
    pub unsafe fn map_over(&self, memory: &mut [u8]) -> io::Result<()> {
        let at = self.address as usize..self.memory_needed() as usize;
        let have = memory.len();
        let Some(memory) = memory.get_mut(at) else {
            return Err(invalid(format!(
                "the memory has {have} bytes, and the image needs {}: grow it first",
                self.memory_needed()
            )));
        };
        // SAFETY: the caller guarantees the pages under the memory.
        unsafe { self.pages.place(memory) }
    }

    /// As [`map_over`](Self::map_over), for instances whose engine is this crate's own.
    pub(crate) fn map_into(&self, store: impl AsContextMut, memory: Memory) -> io::Result<()> {
        let mut store = store;
        let memory = memory.data_mut(&mut store);
        // SAFETY: `engine::config`, which all engines of this crate are made from, sets allocation
        // on demand.
        unsafe { self.map_over(memory) }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(target_os = "linux")]
use linux::Pages;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io;

    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals};
    use rustix::param::page_size;

    use crate::page_file::{file_of, map_private};

    /// An anonymous file that can be neither written nor resized.
    #[derive(Debug)]
    pub struct Pages {
        file: File,
        len: usize,
    }

    impl Pages {
        pub fn new(parts: &[(u32, &[u8])], len: usize) -> io::Result<Self> {
            let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
            let parts = parts.iter().map(|&(at, bytes)| (at as usize, bytes));
            let file = file_of("steadfast-image", flags, len, parts)?;
            let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
            fcntl_add_seals(&file, seals)?;
            Ok(Pages { file, len })
        }

        pub fn len(&self) -> usize {
            self.len
        }

        #[cfg(test)]
        pub fn file(&self) -> &File {
            &self.file
        }

        /// Maps the file's pages at the beginning of `memory`.
        ///
        /// # Safety
        ///
        /// As for [`SharedImage::map_over`](super::SharedImage::map_over).
        pub unsafe fn place(&self, memory: &mut [u8]) -> io::Result<()> {
            let len = self.len.next_multiple_of(page_size());
            // SAFETY: we hold `memory` alone, and its pages may be replaced, by the caller's word.
            // The file has as many pages and keeps them, so no access can fail, and its
            // bytes never change.
            unsafe { map_private(memory, len, &self.file) }
        }
    }
}

#[cfg(not(target_os = "linux"))]
use elsewhere::Pages;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::io;

    /// Bytes to copy, where nothing can be mapped.
    #[derive(Debug)]
    pub struct Pages(Box<[u8]>);

    impl Pages {
        pub fn new(parts: &[(u32, &[u8])], len: usize) -> io::Result<Self> {
            let mut all = vec![0; len].into_boxed_slice();
            for (at, bytes) in parts {
                all[*at as usize..][..bytes.len()].copy_from_slice(bytes);
            }
            Ok(Pages(all))
        }

        pub fn len(&self) -> usize {
            self.0.len()
        }

        /// Copies the bytes to the beginning of `memory`.
        ///
        /// # Safety
        ///
        /// None is needed; the signature is that of the mapping.
        pub unsafe fn place(&self, memory: &mut [u8]) -> io::Result<()> {
            memory[..self.len()].copy_from_slice(&self.0);
            Ok(())
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::fs::ftruncate;
    use rustix::io::pwrite;

    #[test]
    fn nobody_can_change_the_file() {
        let image = SharedImage::of_bytes(0, &[1; 5000]).unwrap();
        let file = image.pages.file();
        assert!(pwrite(file, &[2], 0).is_err());
        assert!(ftruncate(file, 0).is_err());
        assert!(ftruncate(file, 10_000).is_err());
    }
}
