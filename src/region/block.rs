//! The pieces that the index and the arena consist of, as they lie in memory.

use bytemuck::{Pod, Zeroable};

use super::geometry::{
    BLOCK_ALIGN, BUCKET_BYTES, ENTRY_HEADER_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES, SLACK_BYTES,
    SLOTS, block_bytes,
};

/// The block before this one is free, and its last four bytes tell its size.
const PREVIOUS_FREE: u32 = 1 << 31;
/// The slot of its bucket in which the entry stands.
const SLOT_SHIFT: u32 = 25;
const SLOT: u32 = 15 << SLOT_SHIFT;
/// How much longer than its lengths say the block is, in steps of `BLOCK_ALIGN`.
const SLACK_SHIFT: u32 = 29;
const SLACK: u32 = 3 << SLACK_SHIFT;
const KEY_LEN: u32 = MAX_KEY_BYTES;
/// The access stamp stands above the key's length...
const STAMP_SHIFT: u32 = 16;
const STAMP: u32 = (STAMP_MASK as u32) << STAMP_SHIFT;
/// ...then the place, in its group, of the bucket where the entry stands...
const PLACE_SHIFT: u32 = 21;
const PLACE: u32 = 0xFF << PLACE_SHIFT;
/// ...whether that is the other one of its buckets...
const AWAY_SHIFT: u32 = 29;
const AWAY: u32 = 1 << AWAY_SHIFT;
/// ...and the pool's number above that.
const POOL_SHIFT: u32 = 30;
/// Bits of the access stamp.
const STAMP_MASK: u8 = (1 << (PLACE_SHIFT - STAMP_SHIFT)) - 1;

/// What stands in front of an entry's key and value. Links are offsets of other entries, 0 for
/// none.
///
/// Bit 0 of the first word is clear in an entry, by [`BLOCK_ALIGN`]; it is set in a free block,
/// whose first word is its size.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct EntryHeader {
    /// The entry used next after this one.
    pub newer: u32,
    /// The entry used last before this one.
    pub older: u32,
    /// The height that wrote it.
    pub height: u32,
    /// Bits 0..25 the value's length, 25..29 the slot of its bucket; then `SLACK` and
    /// `PREVIOUS_FREE`.
    value: u32,
    /// Bits 0..16 the key's length, 16..21 the access stamp, 21..29 the place of its bucket, 29
    /// `AWAY`, 30..32 the pool.
    key: u32,
    /// The bits of its hash that choose its group: as many of the lowest as the index's level.
    group: u16,
}

impl EntryHeader {
    /// The header of a new entry that follows a block in use, in a block that is `slack` bytes
    /// larger than it needs. The lengths have been checked by [`block_bytes`].
    #[inline]
    pub fn new(
        key_len: usize,
        value_len: usize,
        slack: u32,
        pool: usize,
        height: u32,
    ) -> EntryHeader {
        let value =
            (value_len as u32 & MAX_VALUE_BYTES) | (((slack / BLOCK_ALIGN) << SLACK_SHIFT) & SLACK);
        EntryHeader {
            newer: 0,
            older: 0,
            height,
            value,
            key: (key_len as u32 & KEY_LEN) | ((pool as u32) << POOL_SHIFT),
            group: 0,
        }
    }

    /// The header that bytes begin with, wherever they come from.
    pub fn read(bytes: &[u8]) -> Option<EntryHeader> {
        let bytes = bytes.get(..size_of::<EntryHeader>())?;
        Some(bytemuck::pod_read_unaligned(bytes))
    }

    pub fn key_len(&self) -> u32 {
        self.key & KEY_LEN
    }

    pub fn value_len(&self) -> u32 {
        self.value & MAX_VALUE_BYTES
    }

    pub fn set_value_len(&mut self, len: u32) {
        self.value = (self.value & !MAX_VALUE_BYTES) | (len & MAX_VALUE_BYTES);
    }

    pub fn previous_free(&self) -> bool {
        self.value & PREVIOUS_FREE != 0
    }

    pub fn set_previous_free(&mut self, free: bool) {
        self.value = if free {
            self.value | PREVIOUS_FREE
        } else {
            self.value & !PREVIOUS_FREE
        };
    }

    /// The number of the entry's pool, below four.
    #[inline]
    pub fn pool(&self) -> usize {
        (self.key >> POOL_SHIFT) as usize
    }

    /// Whether the entry has a key of this length, which a key can have, and is in the pool with
    /// this number.
    #[inline]
    pub fn is_like(&self, key_len: u32, pool: usize) -> bool {
        self.key & !(STAMP | PLACE | AWAY) == key_len | ((pool as u32) << POOL_SHIFT)
    }

    /// The bucket where the entry stands.
    #[inline]
    pub fn standing(&self) -> Standing {
        Standing {
            place: (self.key & PLACE) >> PLACE_SHIFT,
            group: u32::from(self.group),
            is_away: self.key & AWAY != 0,
        }
    }

    /// Says where the entry stands, and in which slot of the bucket.
    #[inline]
    pub fn set_standing(&mut self, of: Standing, slot: usize) {
        let place = (of.place << PLACE_SHIFT) & PLACE;
        let away = u32::from(of.is_away) << AWAY_SHIFT;
        self.key = (self.key & !(PLACE | AWAY)) | place | away;
        self.group = of.group as u16;
        self.value = (self.value & !SLOT) | ((slot as u32) << SLOT_SHIFT & SLOT);
    }

    /// The slot in which the entry stands, of its bucket.
    #[inline]
    pub fn slot(&self) -> usize {
        ((self.value & SLOT) >> SLOT_SHIFT) as usize
    }

    /// Ages are told modulo this.
    pub const AGES: u32 = STAMP_MASK as u32 + 1;

    /// Steps of the clock since the entry was used last, if it says `now`.
    pub fn age(&self, now: u8) -> u32 {
        let stamp = (self.key >> STAMP_SHIFT) as u8;
        u32::from(now.wrapping_sub(stamp) & STAMP_MASK)
    }

    pub fn set_stamp(&mut self, stamp: u8) {
        self.key = (self.key & !STAMP) | (u32::from(stamp & STAMP_MASK) << STAMP_SHIFT);
    }

    /// The bytes of the whole block.
    pub fn block_bytes(&self) -> u32 {
        let slack = BLOCK_ALIGN * ((self.value & SLACK) >> SLACK_SHIFT);
        // Both lengths are within the format's limits by their width.
        block_bytes(self.key_len() as usize, self.value_len() as usize).unwrap_or(0) + slack
    }
}

/// Where an entry stands in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The place of its bucket in the group, below 256.
    pub place: u32,
    /// The bits of its hash that choose the group, below 2^16.
    pub group: u32,
    /// Whether the bucket is the other one of its buckets, and not its home.
    pub is_away: bool,
}

/// What a free block begins with. Blocks of less than an entry's header are in no bin, and have no
/// links.
///
/// Bit 0 of the first word tells it from an entry.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct FreeHeader {
    size: u32,
    /// The free block behind this one in its bin; 0 for none.
    pub next: u32,
    /// The free block before this one in its bin; 0 for none.
    pub previous: u32,
}

impl FreeHeader {
    const FREE: u32 = 1;

    /// The header of the first block of a bin.
    pub fn new(bytes: u32, next: u32) -> FreeHeader {
        FreeHeader {
            size: FreeHeader::tag(bytes),
            next,
            previous: 0,
        }
    }

    /// What a free block's last word says, and its first.
    pub fn tag(bytes: u32) -> u32 {
        bytes | FreeHeader::FREE
    }

    /// The size that a free block's last word tells.
    pub fn bytes_of(tag: u32) -> u32 {
        tag & !FreeHeader::FREE
    }

    /// Whether a block that begins with this word is free.
    pub fn is_tag(word: u32) -> bool {
        word & FreeHeader::FREE != 0
    }

    pub fn is_free(&self) -> bool {
        FreeHeader::is_tag(self.size)
    }

    /// The bytes of the whole block.
    pub fn bytes(&self) -> u32 {
        FreeHeader::bytes_of(self.size)
    }
}

/// A bucket of the index: one cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Bucket {
    /// Eight bits of each entry's hash, never 0; 0 for a vacant slot.
    pub tags: [u8; SLOTS],
    /// How many entries whose home is this bucket stand in their other one, or more: a count of
    /// four bits for every eighth of the tags. One that came to 15 stays.
    away: u32,
    /// Offset of each slot's entry.
    pub offsets: [u32; SLOTS],
}

/// What a slot of a bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Occupant {
    pub tag: u8,
    pub offset: u32,
}

impl Bucket {
    /// What a bucket holds that nobody has written yet.
    pub const EMPTY: Bucket = Bucket {
        tags: [0; SLOTS],
        away: 0,
        offsets: [0; SLOTS],
    };

    /// The tags, and four bytes more: what [`lanes`](crate::lanes) takes.
    #[inline(always)]
    pub fn head(&self) -> &[u8; 16] {
        let [head, ..]: &[[u8; 16]; 4] = bytemuck::cast_ref(self);
        head
    }

    /// Whether this offset stands in a slot. There may be no such slot.
    #[inline]
    pub fn has(&self, slot: usize, offset: u32) -> bool {
        self.offsets.get(slot) == Some(&offset)
    }

    pub fn occupant(&self, slot: usize) -> Occupant {
        Occupant {
            tag: self.tags[slot],
            offset: self.offsets[slot],
        }
    }

    pub fn fill(&mut self, slot: usize, held: Occupant) {
        self.tags[slot] = held.tag;
        self.offsets[slot] = held.offset;
    }

    /// An empty half of this bucket, which is split. What stands elsewhere may be either half's.
    pub fn half(&self) -> Bucket {
        Bucket {
            away: self.away,
            ..Bucket::EMPTY
        }
    }

    /// Where the count of a tag stands in `away`.
    fn away_shift(tag: u8) -> u32 {
        4 * u32::from(tag % 8)
    }

    fn away(&self, tag: u8) -> u32 {
        (self.away >> Bucket::away_shift(tag)) & 15
    }

    /// Whether an entry with this tag whose home is this bucket may stand in its other one.
    #[inline]
    pub fn may_be_away(&self, tag: u8) -> bool {
        self.away(tag) != 0
    }

    /// Whether any entry whose home is this bucket may stand in its other one.
    pub fn counts_away(&self) -> bool {
        self.away != 0
    }

    /// Begins to count those anew.
    pub fn forget_away(&mut self) {
        self.away = 0;
    }

    /// Counts an entry with this tag that leaves this bucket, its home.
    pub fn leave(&mut self, tag: u8) {
        if self.away(tag) < 15 {
            self.away += 1 << Bucket::away_shift(tag);
        }
    }

    /// Undoes that.
    pub fn come_back(&mut self, tag: u8) {
        if (1..15).contains(&self.away(tag)) {
            self.away -= 1 << Bucket::away_shift(tag);
        }
    }

    pub fn vacate(&mut self, slot: usize) {
        self.fill(slot, Occupant { tag: 0, offset: 0 });
    }
}

const _: () = assert!(SLACK_BYTES / BLOCK_ALIGN <= SLACK >> SLACK_SHIFT);
const _: () = assert!(size_of::<EntryHeader>() == ENTRY_HEADER_BYTES as usize);
const _: () = assert!(size_of::<FreeHeader>() <= ENTRY_HEADER_BYTES as usize);
const _: () = assert!(size_of::<Bucket>() == BUCKET_BYTES as usize);
