//! Sizes with their unit, and the roundings between them.

/// Bytes in one page of linear memory.
pub const PAGE_BYTES: u64 = 64 * 1024;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// `count` bytes.
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// `count` KiB.
    ///
    /// # Panics
    /// When the result exceeds `u64`; a compile error in a constant.
    pub const fn kib(count: u64) -> Self {
        Self::times(count, 1 << 10)
    }

    /// `count` MiB.
    ///
    /// # Panics
    /// When the result exceeds `u64`; a compile error in a constant.
    pub const fn mib(count: u64) -> Self {
        Self::times(count, 1 << 20)
    }

    /// `count` GiB.
    ///
    /// # Panics
    /// When the result exceeds `u64`; a compile error in a constant.
    pub const fn gib(count: u64) -> Self {
        Self::times(count, 1 << 30)
    }

    const fn times(count: u64, unit: u64) -> Self {
        match count.checked_mul(unit) {
            Some(bytes) => Self(bytes),
            None => panic!("a size in bytes does not fit 64 bits"),
        }
    }

    /// The plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether the size is a whole number of pages.
    pub const fn is_whole_pages(self) -> bool {
        self.0 % PAGE_BYTES == 0
    }

    /// The pages of a size that is a whole number of them and at most 4 GiB, as those of a plan
    /// are.
    pub(crate) const fn pages(self) -> Pages {
        Pages((self.0 / PAGE_BYTES) as u32)
    }

    /// Pages that hold at least this many bytes; a size past the 4 GiB of wasm32 answers `None`.
    pub const fn pages_up(self) -> Option<Pages> {
        let pages = self.0.div_ceil(PAGE_BYTES);
        if pages > Pages::ADDRESS_SPACE.0 as u64 {
            return None;
        }
        Some(Pages(pages as u32))
    }
}

/// A number of 64 KiB pages of linear memory; as a position, the page's index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pages(pub u32);

impl Pages {
    /// No pages.
    pub const ZERO: Self = Self(0);

    /// All of wasm32's address space: 65,536 pages.
    pub const ADDRESS_SPACE: Self = Self(1 << 16);

    /// Pages in one MiB.
    pub const PER_MIB: u32 = 16;

    /// The first page that begins at or after `address`, which is not 0.
    pub(crate) const fn at_or_after(address: u32) -> Self {
        Self((address.wrapping_sub(1) >> PAGE_BYTES.ilog2()) + 1)
    }

    /// The address at which the page begins, which lies in the address space; as a number of pages,
    /// their bytes.
    pub(crate) const fn address(self) -> u32 {
        self.0 << PAGE_BYTES.ilog2()
    }

    /// The size in bytes.
    pub const fn bytes(self) -> Bytes {
        Bytes(self.0 as u64 * PAGE_BYTES)
    }

    /// The difference, or no pages when `other` is larger.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The largest whole number of MiB that is not larger.
    pub const fn floor_to_mib(self) -> Self {
        Self(self.0 / Self::PER_MIB * Self::PER_MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_up_to_pages() {
        assert_eq!(Bytes::new(0).pages_up(), Some(Pages(0)));
        assert_eq!(Bytes::new(1).pages_up(), Some(Pages(1)));
        assert_eq!(Bytes::new(PAGE_BYTES).pages_up(), Some(Pages(1)));
        assert_eq!(Bytes::new(PAGE_BYTES + 1).pages_up(), Some(Pages(2)));
        assert_eq!(Bytes::gib(4).pages_up(), Some(Pages::ADDRESS_SPACE));
        assert_eq!(Bytes::new((4 << 30) + 1).pages_up(), None);
        assert_eq!(Bytes::new(u64::MAX).pages_up(), None);
    }

    #[test]
    fn pages_round_down_to_mib() {
        assert_eq!(Pages(15).floor_to_mib(), Pages(0));
        assert_eq!(Pages(33).floor_to_mib(), Pages(32));
    }
}
