//! A region with header, index and arena in place: the accessors that everything above is built on.

use core::ops::Range;
use core::ptr::NonNull;
use core::slice;

use super::block::{Bucket, EntryHeader, FreeHeader};
use super::geometry::{BUCKET_BYTES, ENTRY_HEADER_BYTES, Geometry, INDEX_PAGE_BYTES};
use super::header::{HEADER_BYTES, Header};
use super::undeclared_pages::UndeclaredPages;
use super::{Growth, REGION_ALIGN, RegionParts};
use crate::memory::platform::Lease;

/// A region that has a header, at least two buckets and room for at least one entry.
///
/// Invariants: `geometry.arena_start + ENTRY_HEADER_BYTES <= capacity`; the index of
/// `geometry.max_buckets()` buckets lies between header and arena; the `capacity` bytes from
/// `start` are valid, initialised and exclusively this value's.
#[derive(Debug)]
pub(crate) struct RegionView {
    start: NonNull<u8>,
    capacity: u32,
    /// Bytes of the arena behind the first entry's header.
    room: u32,
    geometry: Geometry,
    /// `geometry.max_buckets()`.
    buckets: u32,
    growth: Growth,
    /// Every free block is smaller than this.
    free_bound: u32,
    /// Keeps the span.
    lease: Lease,
    undeclared: UndeclaredPages,
}

// SAFETY: the span is exclusively this value's, whichever thread uses it.
unsafe impl Send for RegionView {}

impl RegionView {
    /// Lays a cold header over the span: an empty cache, whatever the span holds. Writes the header
    /// alone.
    ///
    /// # Safety
    ///
    /// As for `Region::from_raw`, and the geometry leaves room for an entry within the capacity.
    /// The undeclared pages were checked for this geometry.
    pub unsafe fn cold(
        parts: RegionParts,
        undeclared: UndeclaredPages,
        lease: Lease,
        geometry: Geometry,
        hash: [u8; 16],
    ) -> RegionView {
        let RegionParts {
            start, capacity, ..
        } = parts;
        // SAFETY: the caller's duty.
        let mut region = unsafe { RegionView::over(parts, undeclared, lease, geometry) };
        if parts.fresh_from > 0 {
            // SAFETY: the header lies within the span, which is exclusively ours.
            unsafe { start.write_bytes(0, HEADER_BYTES as usize) };
        }
        let stale_pages = parts
            .fresh_from
            .saturating_sub(HEADER_BYTES)
            .div_ceil(INDEX_PAGE_BYTES)
            .min(geometry.first_pages());
        let header = region.header_mut();
        header.describe(
            &geometry,
            parts.expected_entry,
            parts.plan_fingerprint,
            parts.module_tag,
            hash,
        );
        header.capacity = capacity;
        (header.stale_pages, header.stale_left) = (stale_pages, stale_pages);
        region.free_bound = 0;
        region
    }

    /// Takes the span as it is.
    ///
    /// # Safety
    ///
    /// As for [`cold`](Self::cold).
    pub unsafe fn over(
        parts: RegionParts,
        undeclared: UndeclaredPages,
        lease: Lease,
        geometry: Geometry,
    ) -> RegionView {
        // What is above it, the index has no room for.
        let capacity = parts.capacity.min(geometry.limit);
        RegionView {
            start: parts.start,
            capacity,
            room: capacity - geometry.least_capacity(),
            geometry,
            buckets: geometry.max_buckets(),
            growth: parts.growth.up_to(geometry.limit),
            free_bound: u32::MAX,
            lease,
            undeclared,
        }
    }

    /// What keeps the span.
    pub fn into_lease(self) -> Lease {
        self.lease
    }

    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Bytes of the whole region.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    pub fn header(&self) -> &Header {
        // SAFETY: the header lies within the span (invariant), the start is aligned to a page, and
        // any bytes are a Header.
        unsafe { self.start.cast().as_ref() }
    }

    pub fn header_mut(&mut self) -> &mut Header {
        // SAFETY: as above, and the span is exclusively ours, as is `self`.
        unsafe { self.start.cast().as_mut() }
    }

    /// Bytes of the region, wherever they stand; `None` if they are not all in it.
    pub fn raw(&self, range: Range<u32>) -> Option<&[u8]> {
        let len = range.end.checked_sub(range.start)?;
        if range.end > self.capacity {
            return None;
        }
        // SAFETY: just checked that the bytes lie within the span, which is initialised.
        Some(unsafe { slice::from_raw_parts(self.at(range.start).as_ptr(), len as usize) })
    }

    /// The region up to its frontier; nothing where that is not in it, or more than a slice may
    /// have on a 32-bit machine.
    pub fn image(&self) -> &[u8] {
        let frontier = self.header().frontier;
        let whole = (frontier <= i32::MAX as u32).then(|| self.raw(0..frontier));
        whole.flatten().unwrap_or_default()
    }

    /// A bucket of the index as it may be read: one on a page that nobody has cleared yet is empty.
    #[inline]
    pub fn bucket(&self, number: u32) -> &Bucket {
        if number >= self.buckets || (self.header().stale_left != 0 && self.is_stale(number)) {
            return &Bucket::EMPTY;
        }
        // SAFETY: the bucket's number is below the number of buckets, so it lies within the index
        // (invariant); header and buckets are multiples of 64 bytes, so it is aligned; any
        // bytes are a Bucket.
        unsafe { self.bucket_at(number).as_ref() }
    }

    /// A bucket of the index to be written; its page is cleared if nobody did so yet. A number that
    /// no bucket has gives the last one.
    #[inline]
    pub fn bucket_mut(&mut self, number: u32) -> &mut Bucket {
        let number = number.min(self.buckets - 1);
        if self.header().stale_left != 0 && self.is_stale(number) {
            self.clear_page(self.geometry.page_of(number));
        }
        // SAFETY: as in `bucket`, and the span is exclusively ours, as is `self`.
        unsafe { self.bucket_at(number).as_mut() }
    }

    /// The header of the entry at an offset, or `None` if none can stand there. Checks that the
    /// header, not the key and value, lies within the arena.
    pub fn entry(&self, at: u32) -> Option<&EntryHeader> {
        // SAFETY: `entry_at` has checked bounds; any bytes at any address are an EntryHeader.
        self.entry_at(at).map(|entry| unsafe { entry.as_ref() })
    }

    /// As [`entry`](Self::entry), to be written.
    pub fn entry_mut(&mut self, at: u32) -> Option<&mut EntryHeader> {
        // SAFETY: as in `entry`, and the span is exclusively ours, as is `self`.
        self.entry_at(at).map(|mut entry| unsafe { entry.as_mut() })
    }

    /// The header of the free block at an offset; `None` if there is none. Behind a free block
    /// stands an entry, so even the smallest one has room for an entry's header.
    #[inline]
    pub fn free(&self, at: u32) -> Option<FreeHeader> {
        // SAFETY: `entry_at` has checked that more bytes than these lie within the arena; any bytes
        // at any address are a FreeHeader.
        let header = self
            .entry_at(at)
            .map(|header| unsafe { *header.cast::<FreeHeader>().as_ref() });
        header.filter(FreeHeader::is_free)
    }

    /// Where a free block's header stands or is to stand.
    #[inline]
    pub fn free_mut(&mut self, at: u32) -> Option<&mut FreeHeader> {
        // SAFETY: as in `free`, and the span is exclusively ours, as is `self`.
        self.entry_at(at)
            .map(|header| unsafe { header.cast::<FreeHeader>().as_mut() })
    }

    /// The header of the entry at an offset, and so many bytes behind it, where its key should
    /// stand. `None` if they are not all in the arena.
    #[inline(always)]
    pub fn entry_and_key(&self, at: u32, key_len: u32) -> Option<(&EntryHeader, &[u8])> {
        let (entry, key) = self.entry_and_rest(at, key_len)?;
        // SAFETY: both lie within the arena; any bytes at any address are an EntryHeader.
        unsafe {
            let key = slice::from_raw_parts(key.as_ptr(), key_len as usize);
            Some((entry.as_ref(), key))
        }
    }

    /// The same, to be written, with the bytes of its value among those behind it.
    #[inline]
    pub fn entry_and_bytes_mut(
        &mut self,
        at: u32,
        len: u32,
    ) -> Option<(&mut EntryHeader, &mut [u8])> {
        let (mut entry, bytes) = self.entry_and_rest(at, len)?;
        // SAFETY: as in `entry_and_key`; the two do not overlap, and the span is exclusively ours,
        // as is `self`.
        unsafe {
            let bytes = slice::from_raw_parts_mut(bytes.as_ptr(), len as usize);
            Some((entry.as_mut(), bytes))
        }
    }

    /// `len` bytes of the arena, or `None` if they are not all in it.
    pub fn bytes(&self, at: u32, len: u32) -> Option<&[u8]> {
        // SAFETY: `span` has checked that the bytes lie within the arena.
        self.span(at, len)
            .map(|start| unsafe { slice::from_raw_parts(start.as_ptr(), len as usize) })
    }

    /// As [`bytes`](Self::bytes), to be written.
    pub fn bytes_mut(&mut self, at: u32, len: u32) -> Option<&mut [u8]> {
        // SAFETY: as in `bytes`, and the span is exclusively ours, as is `self`.
        self.span(at, len)
            .map(|start| unsafe { slice::from_raw_parts_mut(start.as_ptr(), len as usize) })
    }

    /// A word of the arena at an offset where an entry's header has room too; 0 where it has not.
    /// Behind the last word of a free block stands an entry, so it has.
    pub fn word(&self, at: u32) -> u32 {
        // SAFETY: `entry_at` has checked that more bytes than these lie within the arena.
        self.entry_at(at)
            .map_or(0, |word| unsafe { word.cast().read_unaligned() })
    }

    /// Writes a word of the arena; does nothing where [`word`](Self::word) gives 0.
    pub fn set_word(&mut self, at: u32, value: u32) {
        if let Some(word) = self.entry_at(at) {
            // SAFETY: as in `word`, and the span is exclusively ours, as is `self`.
            unsafe { word.cast().write_unaligned(value) };
        }
    }

    /// Forgets all entries. Constant cost: the index begins anew, and is cleared page by page when
    /// it is next written.
    pub fn clear(&mut self) {
        let (geometry, pages) = (self.geometry, self.geometry.first_pages());
        self.header_mut().clear(&geometry, pages);
        self.free_bound = 0;
    }

    /// What every free block is smaller than. An image does not say it: of one nothing is known at
    /// first.
    #[inline]
    pub fn free_bound(&self) -> u32 {
        self.free_bound
    }

    /// Notes that every free block is smaller than this.
    pub fn bound_free(&mut self, bytes: u32) {
        self.free_bound = bytes;
    }

    /// Notes that there is a free block of this size.
    #[inline]
    pub fn note_free(&mut self, bytes: u32) {
        if bytes >= self.free_bound {
            self.free_bound = bytes.saturating_add(1);
        }
    }

    /// Asks for at least `wanted` more bytes, once, if the region may grow. Says whether it got
    /// any.
    pub fn grow(&mut self, wanted: u32) -> bool {
        if !self.lease.is_here() {
            return false;
        }
        let got = self.growth.extend(self.capacity, wanted);
        if got == 0 {
            return false;
        }
        self.capacity += got;
        self.room += got;
        let capacity = self.capacity;
        self.header_mut().capacity = capacity;
        true
    }

    /// Looks at the next `bytes` behind the frontier, where somebody may use them. If somebody
    /// does, the arena ends before them, and is not extended any more.
    #[inline]
    pub fn look_ahead(&mut self, bytes: u32) {
        let to = self.header().frontier.saturating_add(bytes);
        if to > self.undeclared.arena_clear_to {
            self.look_at_arena(to);
        }
    }

    #[cold]
    fn look_at_arena(&mut self, to: u32) {
        let from = self.undeclared.arena_clear_to;
        // SAFETY: the capacity is the region's (invariant), and `Region::beside` guarantees the
        // rest.
        let clear = unsafe { self.undeclared.scan(self.start, from, to, self.capacity) };
        if let Some(clear) = clear {
            self.undeclared.arena_clear_to = clear;
            return;
        }
        // The arena was clear from its start on, with room for an entry's header.
        self.capacity = from;
        self.room = from - self.geometry.least_capacity();
        self.growth = Growth::Fixed;
        self.header_mut().capacity = from;
        (self.undeclared.on_foreign)(from);
    }

    /// Whether the index has a bucket more. Looks at its place, where somebody may use that.
    #[inline]
    pub fn has_next_bucket(&mut self) -> bool {
        let next = self.header().buckets;
        next < self.buckets
            && (HEADER_BYTES + (next + 1) * BUCKET_BYTES <= self.undeclared.index_clear_to
                || self.look_at_index(next))
    }

    #[cold]
    fn look_at_index(&mut self, next: u32) -> bool {
        let (from, most) = (self.undeclared.index_clear_to, self.geometry.arena_start);
        let to = HEADER_BYTES + (next + 1) * BUCKET_BYTES;
        // SAFETY: as in `look_at_arena`.
        let clear = unsafe { self.undeclared.scan(self.start, from, to, most) };
        match clear {
            Some(clear) => self.undeclared.index_clear_to = clear,
            None => self.buckets = next,
        }
        clear.is_some()
    }

    /// Whether a page of the index held unknown bytes when the cache was last emptied, and still
    /// does.
    pub fn page_is_stale(&self, page: u32) -> bool {
        let header = self.header();
        page < header.stale_pages
            && header
                .ready
                .get((page / 32) as usize)
                .is_some_and(|word| word & (1 << (page % 32)) == 0)
    }

    #[cold]
    fn is_stale(&self, bucket: u32) -> bool {
        self.page_is_stale(self.geometry.page_of(bucket))
    }

    #[cold]
    fn clear_page(&mut self, page: u32) {
        let from = HEADER_BYTES + page * INDEX_PAGE_BYTES;
        let len = INDEX_PAGE_BYTES.min(self.geometry.arena_start - from);
        // SAFETY: the page is one of the index's, cut off at the arena, and the span is exclusively
        // ours.
        unsafe { self.at(from).write_bytes(0, len as usize) };
        let header = self.header_mut();
        header.stale_left = header.stale_left.saturating_sub(1);
        if let Some(word) = header.ready.get_mut((page / 32) as usize) {
            *word |= 1 << (page % 32);
        }
    }

    #[inline]
    fn entry_at(&self, at: u32) -> Option<NonNull<EntryHeader>> {
        if at.wrapping_sub(self.geometry.arena_start) > self.room {
            return None;
        }
        // SAFETY: just checked.
        Some(unsafe { self.at(at).cast() })
    }

    /// The address of an entry's header, and of `len` bytes behind it, if all are in the arena.
    #[inline(always)]
    fn entry_and_rest(&self, at: u32, len: u32) -> Option<(NonNull<EntryHeader>, NonNull<u8>)> {
        let before = at.wrapping_sub(self.geometry.arena_start);
        if before > self.room || len > self.room - before {
            return None;
        }
        // SAFETY: just checked.
        unsafe {
            let start = self.at(at);
            Some((start.cast(), start.add(ENTRY_HEADER_BYTES as usize)))
        }
    }

    /// The address of `len` bytes of the arena, if they are all in it.
    #[inline]
    fn span(&self, at: u32, len: u32) -> Option<NonNull<u8>> {
        let left = (self.room + ENTRY_HEADER_BYTES).checked_sub(len)?;
        if at.wrapping_sub(self.geometry.arena_start) > left {
            return None;
        }
        // SAFETY: just checked.
        Some(unsafe { self.at(at) })
    }

    /// # Safety
    ///
    /// `number` is below the number of buckets.
    unsafe fn bucket_at(&self, number: u32) -> NonNull<Bucket> {
        // SAFETY: the bucket lies within the span (invariant). The constant comes last, where a
        // load takes it in.
        unsafe {
            let offset = (number * BUCKET_BYTES) as usize;
            self.start.add(offset).add(HEADER_BYTES as usize).cast()
        }
    }

    /// # Safety
    ///
    /// `offset` is at most the capacity.
    unsafe fn at(&self, offset: u32) -> NonNull<u8> {
        // SAFETY: the caller's duty; the span is one allocation.
        unsafe { self.start.add(offset as usize) }
    }
}

const _: () = assert!(align_of::<EntryHeader>() == 1);
const _: () = assert!(align_of::<Header>() <= REGION_ALIGN && align_of::<Bucket>() <= REGION_ALIGN);
const _: () = assert!(HEADER_BYTES % BUCKET_BYTES == 0);

#[cfg(test)]
impl RegionView {
    /// A cold region of its own, with an index that is all zeros, for tests of what works on it.
    pub fn bare(capacity: u32) -> RegionView {
        extern crate std;

        use crate::region::Region;

        let bytes = std::vec![0_u8; capacity as usize + REGION_ALIGN].leak();
        let skip = bytes.as_ptr().align_offset(REGION_ALIGN);
        let parts = RegionParts {
            start: NonNull::from(&mut bytes[skip..]).cast(),
            capacity,
            ..Region::none().parts
        };
        // SAFETY: the bytes are leaked, so they outlive the region, and nobody else uses them. All
        // are zero.
        let region = unsafe { Region::from_raw(parts) };
        region.format([0; 16]).expect("it is large enough")
    }
}

#[cfg(test)]
mod tests {
    use core::ptr::NonNull;

    use super::*;

    const CAPACITY: u32 = 20_000;

    /// A damaged header may count more buckets than there are.
    #[test]
    fn a_number_that_no_bucket_has_gives_the_last_one() {
        let mut region = RegionView::bare(CAPACITY);
        let buckets = region.geometry().max_buckets();
        for number in [buckets - 1, buckets, buckets + 1, u32::MAX] {
            let end = NonNull::from(region.bucket_mut(number)).addr().get() + size_of::<Bucket>();
            let start = region.start.addr().get();
            assert_eq!(
                end - start,
                region.geometry().arena_start as usize,
                "{number}"
            );
        }
        // To read, such a bucket is empty.
        region.bucket_mut(buckets - 1).tags = [1; 12];
        assert_eq!(region.bucket(buckets - 1).tags, [1; 12]);
        assert_eq!(region.bucket(buckets).tags, [0; 12]);
    }

    /// Adds buckets while there are more; each stands where has been looked. Answers where the last
    /// one ends.
    fn last_bucket_end(region: &mut RegionView) -> u32 {
        while region.has_next_bucket() {
            region.header_mut().buckets += 1;
            let end = HEADER_BYTES + region.header().buckets * BUCKET_BYTES;
            assert!(end <= region.undeclared.index_clear_to, "{end}");
        }
        HEADER_BYTES + region.header().buckets * BUCKET_BYTES
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn a_bucket_is_added_only_where_nobody_uses_its_place() {
        let page = REGION_ALIGN as u32;
        let partly_checked = || {
            let mut region = RegionView::bare(512 * page);
            let index = region.geometry().arena_start;
            assert!(index > 8 * page, "the index has some pages: {index}");
            let first =
                (HEADER_BYTES + region.header().buckets * BUCKET_BYTES).next_multiple_of(page);
            (region.undeclared.index_clear_to, region.undeclared.end) =
                (first, index.next_multiple_of(8));
            (region, index, first)
        };
        let (mut region, index, first) = partly_checked();
        let all = last_bucket_end(&mut region);
        assert!(all <= index && index - all < BUCKET_BYTES);
        // A look goes two pages further. The first and the last byte of a bucket, of a page, of a
        // look.
        for used in [
            first,
            first + BUCKET_BYTES - 1,
            first + page - 1,
            first + 2 * page,
            first + 4 * page - 1,
        ] {
            let (mut region, ..) = partly_checked();
            // SAFETY: the byte lies in the index.
            unsafe { region.at(used).write(1) };
            let end = last_bucket_end(&mut region);
            assert_eq!(
                end,
                first + (used - first) / (2 * page) * 2 * page,
                "{used}"
            );
            assert!(!region.has_next_bucket());
        }
    }

    #[test]
    fn an_index_may_exceed_4_mib() {
        let mut region = RegionView::bare(CAPACITY);
        region.buckets = 70_000;
        region.header_mut().buckets = 69_999;
        assert!(region.has_next_bucket());
        region.header_mut().buckets = 70_000;
        assert!(!region.has_next_bucket());
    }

    #[test]
    fn a_header_or_an_entry_lies_in_the_arena_or_is_none() {
        let mut region = RegionView::bare(CAPACITY);
        let (start, end) = (region.geometry().arena_start, CAPACITY);
        for (at, is_there) in [
            (0, false),
            (start - 1, false),
            (start, true),
            (end - ENTRY_HEADER_BYTES, true),
            (end - ENTRY_HEADER_BYTES + 1, false),
            (end, false),
            (u32::MAX, false),
        ] {
            assert_eq!(region.entry(at).is_some(), is_there, "{at}");
            assert_eq!(region.entry_mut(at).is_some(), is_there, "{at}");
            assert_eq!(region.free_mut(at).is_some(), is_there, "{at}");
            assert_eq!(region.entry_and_key(at, 0).is_some(), is_there, "{at}");
        }
        let last = end - ENTRY_HEADER_BYTES;
        for (at, most) in [(start, last - start), (last - 10, 10), (last, 0)] {
            assert_eq!(
                region
                    .entry_and_key(at, most)
                    .map(|(_, key)| key.len() as u32),
                Some(most)
            );
            let written = region.entry_and_bytes_mut(at, most);
            assert_eq!(written.map(|(_, bytes)| bytes.len() as u32), Some(most));
            for len in [most + 1, u32::MAX] {
                assert!(region.entry_and_key(at, len).is_none());
                assert!(region.entry_and_bytes_mut(at, len).is_none());
            }
        }
    }

    #[test]
    fn bytes_lie_in_the_arena_or_are_none() {
        let mut region = RegionView::bare(CAPACITY);
        let (start, end) = (region.geometry().arena_start, CAPACITY);
        for (at, most) in [(start, end - start), (end - 4, 4), (end, 0)] {
            assert_eq!(region.bytes(at, most).map(<[u8]>::len), Some(most as usize));
            assert_eq!(
                region.bytes_mut(at, most).map(|bytes| bytes.len()),
                Some(most as usize)
            );
            for len in [most + 1, u32::MAX] {
                assert!(region.bytes(at, len).is_none() && region.bytes_mut(at, len).is_none());
            }
        }
        for at in [0, start - 1, end + 1, u32::MAX] {
            assert!(region.bytes(at, 0).is_none(), "{at}");
        }
        let last = end - ENTRY_HEADER_BYTES;
        for (at, word) in [(start, 7), (last, 8), (last + 1, 0), (start - 1, 0)] {
            region.set_word(at, 7 + u32::from(at == last));
            assert_eq!(region.word(at), word, "{at}");
        }
        let raw = |from, to| region.raw(from..to).map(<[u8]>::len);
        assert_eq!(raw(0, end), Some(end as usize));
        assert_eq!(raw(end, end), Some(0));
        assert_eq!((raw(0, end + 1), raw(5, 4)), (None, None));
    }
}
