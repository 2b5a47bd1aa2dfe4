//! Memory of the host's own in which a region stands as it does in an instance, so that the guest
//! crate's own code can check it and work on it.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use steadfast::cache::Cache;
use steadfast::format::{ENTRY_HEADER_BYTES, RegionInfo, Start};
use steadfast::region::{Growth, REGION_ALIGN, Region, RegionParts};

/// The used prefix of a region, aligned as a region is.
pub struct Buffer {
    /// Zeroed by the system, which commits what is written: what no part of an image covers costs
    /// nothing.
    memory: Vec<u8>,
    len: usize,
}

impl Buffer {
    /// Copies an image's parts out of a region that begins with `bytes`; `None` where it is shorter
    /// than its header says.
    pub fn copy(info: &RegionInfo, bytes: &[u8]) -> Option<Buffer> {
        let mut buffer = Buffer::for_image(info);
        for part in info.image_parts() {
            let part = part.start as usize..part.end as usize;
            let bytes = bytes.get(part.clone())?;
            buffer.bytes_mut().get_mut(part)?.copy_from_slice(bytes);
        }
        Some(buffer)
    }

    /// Zeros, as many as the image takes.
    pub fn for_image(info: &RegionInfo) -> Buffer {
        let len = info.frontier.max(info.arena_start + ENTRY_HEADER_BYTES) as usize;
        Buffer::zeros(len)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.skip()..][..self.len]
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let skip = self.skip();
        &mut self.memory[skip..][..self.len]
    }

    /// Lets a new cache have so many bytes of memory, as in an instance whose region is so large,
    /// and runs `work` on it.
    pub fn with_new_cache<R>(
        capacity: u32,
        expected_entry: u32,
        work: impl FnOnce(&mut Cache) -> R,
    ) -> R {
        let mut buffer = Buffer::zeros(capacity as usize);
        let parts = RegionParts {
            start: NonNull::from(buffer.bytes_mut()).cast(),
            capacity,
            fresh_from: 0,
            expected_entry,
            plan_fingerprint: 0,
            module_tag: 0,
            forget_seed: 0,
            growth: Growth::Fixed,
        };
        // SAFETY: the bytes are zero, aligned, and nobody else's until this function ends. The
        // cache over them ends before they do: it is declared after them, and no caller in
        // this crate puts another in its place.
        let mut cache = Cache::new(unsafe { Region::from_raw(parts) });
        work(&mut cache)
    }

    /// Bytes before the first one that is aligned. A vector's bytes do not move when it does.
    fn skip(&self) -> usize {
        self.memory.as_ptr().align_offset(REGION_ALIGN)
    }

    pub fn zeros(len: usize) -> Buffer {
        Buffer {
            memory: vec![0; len + REGION_ALIGN],
            len,
        }
    }
}

/// Attaches a cache to the image in `bytes`, runs `work` if it did, and closes the image again.
///
/// # Panics
///
/// When `bytes` are not aligned as a region is.
pub fn with_cache(
    bytes: &mut [u8],
    info: &RegionInfo,
    work: fn(&mut Cache, u32),
    number: u32,
) -> Start {
    assert!(bytes.as_ptr().addr().is_multiple_of(REGION_ALIGN));
    let len = bytes.len() as u32;
    let parts = RegionParts {
        start: NonNull::from(bytes).cast(),
        capacity: len,
        fresh_from: len,
        expected_entry: info.expected_entry,
        plan_fingerprint: info.plan_fingerprint,
        module_tag: info.module_tag,
        forget_seed: 0,
        growth: Growth::Fixed,
    };
    // SAFETY: the bytes are initialised, aligned, and borrowed for as long as this function runs;
    // the cache over them ends with it, since `work` is a function that can only borrow it.
    let mut cache = Cache::open(unsafe { Region::from_raw(parts) });
    let start = cache.start();
    if start.is_warm() {
        work(&mut cache, number);
        cache.close();
    }
    start
}

/// The copy's bytes are aligned where they then stand.
impl Clone for Buffer {
    fn clone(&self) -> Buffer {
        let mut copy = Buffer::zeros(self.len);
        copy.bytes_mut().copy_from_slice(self.bytes());
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_the_same_bytes_wherever_it_stands() {
        let mut buffer = Buffer::zeros(3 * REGION_ALIGN / 2);
        buffer.bytes_mut().fill_with({
            let mut byte = 0_u8;
            move || {
                byte = byte.wrapping_mul(5).wrapping_add(1);
                byte
            }
        });
        // Kept alive, so that they all stand elsewhere.
        let copies: Vec<Buffer> = (0..20).map(|_| buffer.clone()).collect();
        assert!(copies.iter().all(|copy| copy.bytes() == buffer.bytes()));
    }
}
