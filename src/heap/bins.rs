//! Free runs by length: an array of lists under a two-level bitmap.

use core::hint::assert_unchecked;
use core::num::NonZero;

use super::table::{NOWHERE, Table, UNIT};

/// Number of lists, for run lengths from 1 to [`MAX_LEN`]. The first list is never used.
pub(super) const BINS: usize = 351;

/// The longest run, in granules: a span is shorter than 4 GiB.
pub(super) const MAX_LEN: usize = (1 << 23) - 1;

/// The number of a list: below [`BINS`], which every way to make one sees to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bin(NonZero<usize>);

const WORDS: usize = BINS.div_ceil(BITS);
const BITS: usize = u32::BITS as usize;

/// Every run this long holds an aligned unit.
const ANY: usize = 2 * UNIT - 1;

/// What the first run of a list has in place of the run before: its bin's number under this bit,
/// which no granule's number has. So a run can be taken out of a list without telling which.
const FIRST: usize = 1 << 31;

pub(super) struct Bins {
    summary: u32,
    words: [u32; WORDS],
    heads: [usize; BINS],
}

const _: () = assert!(
    least_bin(1) > 0 && least_bin(MAX_LEN) == BINS - 1 && BINS < WORDS * BITS,
    "every length has a bin, and behind every bin there is a bit"
);

/// The number of the least bin that may hold a run of `len` granules.
#[inline]
const fn least_bin(len: usize) -> usize {
    if len < ANY {
        return 2 * len;
    }
    let shift = (len | 16).ilog2() as usize - 4;
    (shift << 4) + (len >> shift) + ANY
}

impl Bin {
    /// # Safety
    /// `number` is not 0, and below [`BINS`].
    #[inline]
    const unsafe fn numbered(number: usize) -> Self {
        debug_assert!(number < BINS);
        // SAFETY: the caller's duty.
        unsafe { Self(NonZero::new_unchecked(number)) }
    }

    /// All bins, ascending.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (1..BINS).filter_map(NonZero::new).map(Self)
    }

    /// The least bin that may hold a run of `len` granules.
    ///
    /// # Safety
    /// `len` is not 0, and at most [`MAX_LEN`].
    #[inline]
    pub(super) const unsafe fn least(len: usize) -> Self {
        // SAFETY: `least_bin` grows with the length, and the caller keeps to those that have a bin.
        unsafe { Self::numbered(least_bin(len)) }
    }

    /// The bin of a run of `len` granules that starts at granule `at`.
    ///
    /// Lengths below 32 have bins of their own, longer ones share 16 an octave. From `UNIT` on, as
    /// long as it depends on the run's place whether it holds an aligned unit, there are two
    /// bins a length: the first for those that do not.
    ///
    /// # Safety
    /// As for [`least`](Self::least); and the run ends within the address space.
    #[inline]
    pub(super) const unsafe fn of(at: usize, len: usize) -> Self {
        let mut number = least_bin(len);
        if len.wrapping_sub(UNIT) < ANY - UNIT {
            let unit = (at + (UNIT - 1)) & !(UNIT - 1);
            number += (unit + UNIT <= at + len) as usize;
        }
        // SAFETY: as for `least`. The second bin of a length lies below that of `ANY`.
        unsafe { Self::numbered(number) }
    }

    /// As [`of`](Self::of), whatever the length.
    pub(super) fn checked_of(at: usize, len: usize) -> Option<Self> {
        let fits = (1..=MAX_LEN).contains(&len) && at <= MAX_LEN;
        // SAFETY: just checked.
        fits.then(|| unsafe { Self::of(at, len) })
    }

    /// The number.
    #[inline]
    pub(super) const fn number(self) -> usize {
        let number = self.0.get();
        // SAFETY: the type's invariant. It spares the bounds of the arrays.
        unsafe { assert_unchecked(number < BINS) };
        number
    }

    /// What the first run of the bin has in place of the run before.
    #[inline]
    pub(super) const fn before_first(self) -> usize {
        self.number() | FIRST
    }

    #[inline]
    const fn word(self) -> usize {
        self.number() / BITS
    }

    #[inline]
    const fn bit(self) -> u32 {
        1 << (self.number() % BITS)
    }
}

impl Bins {
    pub(super) const fn new() -> Self {
        Self {
            summary: 0,
            words: [0; WORDS],
            heads: [NOWHERE; BINS],
        }
    }

    /// The first run of `bin`, or [`NOWHERE`].
    #[inline]
    pub(super) fn head(&self, bin: Bin) -> usize {
        self.heads[bin.number()]
    }

    /// The first bin at or after a number of at most [`BINS`] that is not empty.
    #[inline]
    pub(super) fn at_or_after(&self, number: usize) -> Option<Bin> {
        let mut word = number / BITS;
        let mut bits = self.words.get(word)? & (u32::MAX << (number % BITS));
        if bits == 0 {
            let later = self.summary & (u32::MAX << word << 1);
            if later == 0 {
                return None;
            }
            word = later.trailing_zeros() as usize;
            // SAFETY: `insert` alone sets bits, those of bins.
            unsafe { assert_unchecked(word < WORDS) };
            bits = self.words[word];
        }
        let found = word * BITS + bits.trailing_zeros() as usize;
        // SAFETY: as above.
        unsafe { assert_unchecked(found < BINS) };
        NonZero::new(found).map(Bin)
    }

    /// Puts `run` at the head of `bin`.
    ///
    /// # Safety
    /// A free run long enough for links stands at `run`, and is in no bin.
    #[inline]
    pub(super) unsafe fn insert(&mut self, table: Table, bin: Bin, run: usize) {
        let head = self.head(bin);
        // SAFETY: the caller gives `run`; a head that is somewhere is a linked free run of this
        // heap.
        unsafe {
            table.set_next(run, head);
            table.set_prev(run, bin.before_first());
            if head != NOWHERE {
                table.set_prev(head, run);
            }
        }
        self.heads[bin.number()] = run;
        self.words[bin.word()] |= bin.bit();
        self.summary |= 1 << bin.word();
    }

    /// Takes `run` out of its bin.
    ///
    /// # Safety
    /// `run` is in a bin.
    #[inline]
    pub(super) unsafe fn remove(&mut self, table: Table, run: usize) {
        // SAFETY: `run` and its neighbours in the list are linked free runs of this heap.
        unsafe {
            let (next, prev) = table.links(run);
            if next != NOWHERE {
                table.set_prev(next, prev);
            }
            if prev & FIRST == 0 {
                table.set_next(prev, next);
                return;
            }
            let bin = Bin::numbered(prev & !FIRST);
            self.heads[bin.number()] = next;
            if next == NOWHERE {
                let word = &mut self.words[bin.word()];
                *word &= !bin.bit();
                if *word == 0 {
                    self.summary &= !(1 << bin.word());
                }
            }
        }
    }

    /// Whether the bitmaps say that `bin` holds a run; for the check of the whole state.
    pub(super) fn is_marked(&self, bin: Bin) -> bool {
        let word = self.words[bin.word()];
        let summary = self.summary >> bin.word() & 1 == 1;
        summary == (word != 0) && word & bin.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_grow_with_the_length_and_end_at_the_last() {
        let mut last = 0;
        let step = if cfg!(miri) { 997 } else { 1 };
        for len in (1..64).chain((64..MAX_LEN).step_by(step)).chain([MAX_LEN]) {
            let bin = least_bin(len);
            assert!(bin >= last && (cfg!(miri) || bin <= last + 2), "{len}");
            last = bin;
        }
        assert_eq!(last, BINS - 1);
    }

    fn holds_unit(at: usize, len: usize) -> bool {
        (at..=at + len).any(|unit| unit % UNIT == 0 && unit + UNIT <= at + len)
    }

    #[test]
    fn runs_that_hold_an_aligned_unit_have_bins_of_their_own() {
        let step = if cfg!(miri) { 7 } else { 1 };
        for at in (0..2 * UNIT).step_by(step) {
            for len in 1..3 * UNIT {
                let bin = Bin::checked_of(at, len);
                let holds = holds_unit(at, len);
                let other = (at..at + UNIT).find(|&at| holds != holds_unit(at, len));
                assert!(
                    other.is_none_or(|other| Bin::checked_of(other, len) != bin),
                    "{len} granules at {at}"
                );
                let number = bin.expect("such a run has a bin").number();
                assert!(number >= least_bin(len) && number < least_bin(len + 1).max(number + 1));
            }
        }
    }

    #[test]
    fn no_length_makes_a_bin_that_there_is_not() {
        for len in [0, MAX_LEN + 1, usize::MAX] {
            assert_eq!(Bin::checked_of(0, len), None);
        }
        assert_eq!(Bin::checked_of(usize::MAX, 1), None);
        assert_eq!(Bin::all().count(), BINS - 1);
        assert!(Bin::all().all(|bin| bin.number() < BINS && bin.word() < WORDS));
    }

    fn bin(number: usize) -> Bin {
        let found = Bin::all().find(|bin| bin.number() == number);
        found.expect("a bin has this number")
    }

    #[test]
    fn search_finds_the_nearest_bin() {
        let mut bins = Bins::new();
        let mut words = [0_usize; 16];
        let table = Table::new((&raw mut words).cast());
        assert_eq!(bins.at_or_after(1), None);
        // SAFETY: three separate runs, each inserted once and removed once; the table has their
        // words.
        unsafe {
            bins.insert(table, bin(31), 4);
            bins.insert(table, bin(310), 8);
            bins.insert(table, bin(31), 12);
            assert_eq!(bins.at_or_after(1), Some(bin(31)));
            assert_eq!(bins.at_or_after(31), Some(bin(31)));
            assert_eq!(bins.at_or_after(32), Some(bin(310)));
            bins.remove(table, 4);
            assert_eq!(bins.head(bin(31)), 12);
            bins.remove(table, 12);
            assert_eq!(bins.at_or_after(1), Some(bin(310)));
            assert_eq!(bins.at_or_after(BINS), None);
            bins.remove(table, 8);
            assert_eq!(bins.at_or_after(1), None);
        }
    }
}
