//! Free runs by length: an array of lists under a two-level bitmap.

use super::table::{NOWHERE, Table, UNIT};

/// Number of lists: run lengths below 2^23 granules.
pub(super) const BINS: usize = 335;

/// What a search answers when nothing fits.
pub(super) const NONE: usize = usize::MAX;

const WORDS: usize = BINS.div_ceil(BITS);
const BITS: usize = u32::BITS as usize;

/// Every run this long holds an aligned unit.
const ANY: usize = 2 * UNIT - 1;

/// What the first run of a list has in place of the run before: its bin's number under this bit, which no granule's number
/// has. So a run can be taken out of a list without telling which.
const FIRST: usize = 1 << 31;

pub(super) struct Bins {
    summary: u32,
    words: [u32; WORDS],
    heads: [usize; BINS],
}

/// The bin of a run of `len` granules that starts at granule `at`.
///
/// Lengths below 32 have bins of their own, longer ones share 16 an octave. From `UNIT` on, as long as it depends on
/// the run's place whether it holds an aligned unit, there are two bins a length: the first for those that do not.
#[inline]
pub(super) fn bin_of(at: usize, len: usize) -> usize {
    let first = first_bin(len);
    if len.wrapping_sub(UNIT) < ANY - UNIT {
        let unit = (at + (UNIT - 1)) & !(UNIT - 1);
        first + usize::from(unit + UNIT <= at + len)
    } else {
        first
    }
}

/// The least bin that may hold a run of `len` granules.
#[inline]
pub(super) const fn first_bin(len: usize) -> usize {
    if len < ANY {
        return len + len.saturating_sub(UNIT);
    }
    let shift = (len | 16).ilog2() as usize - 4;
    (shift << 4) + (len >> shift) + (ANY - UNIT)
}

/// What the first run of `bin` has in place of the run before.
#[inline]
pub(super) const fn before_first(bin: usize) -> usize {
    bin | FIRST
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
    pub(super) fn head(&self, bin: usize) -> usize {
        debug_assert!(bin < BINS);
        // SAFETY: every bin number comes from `first_bin`, `bin_of` or a search, and is below `BINS` for runs that fit
        // in 4 GiB.
        unsafe { *self.heads.get_unchecked(bin) }
    }

    /// The first bin at or after `bin` that is not empty, or [`NONE`].
    #[inline]
    pub(super) fn at_or_after(&self, bin: usize) -> usize {
        let mut word = bin / BITS;
        let mut bits = self.word(word) & (u32::MAX << (bin % BITS));
        if bits == 0 {
            let later = self.summary & (u32::MAX << word << 1);
            if later == 0 {
                return NONE;
            }
            word = later.trailing_zeros() as usize;
            bits = self.word(word);
        }
        word * BITS + bits.trailing_zeros() as usize
    }

    /// Puts `run` at the head of `bin`.
    ///
    /// # Safety
    /// A free run long enough for links stands at `run`, and is in no bin.
    #[inline]
    pub(super) unsafe fn insert(&mut self, table: Table, bin: usize, run: usize) {
        let head = self.head(bin);
        // SAFETY: the caller gives `run`; a head that is somewhere is a linked free run of this heap.
        unsafe {
            table.set_next(run, head);
            table.set_prev(run, before_first(bin));
            if head != NOWHERE {
                table.set_prev(head, run);
            }
        }
        self.set_head(bin, run);
        *self.word_mut(bin / BITS) |= 1 << (bin % BITS);
        self.summary |= 1 << (bin / BITS);
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
            let bin = prev & !FIRST;
            self.set_head(bin, next);
            if next == NOWHERE {
                let word = self.word_mut(bin / BITS);
                *word &= !(1 << (bin % BITS));
                if *word == 0 {
                    self.summary &= !(1 << (bin / BITS));
                }
            }
        }
    }

    /// Whether the bitmaps say that `bin` holds a run; for the check of the whole state.
    pub(super) fn is_marked(&self, bin: usize) -> bool {
        let word = self.word(bin / BITS);
        let summary = self.summary >> (bin / BITS) & 1 == 1;
        summary == (word != 0) && word >> (bin % BITS) & 1 == 1
    }

    #[inline]
    fn word(&self, word: usize) -> u32 {
        debug_assert!(word < WORDS);
        // SAFETY: as for `head`: `word` is a bin number divided by `BITS`, or comes from the summary.
        unsafe { *self.words.get_unchecked(word) }
    }

    #[inline]
    fn word_mut(&mut self, word: usize) -> &mut u32 {
        debug_assert!(word < WORDS);
        // SAFETY: as for `word`.
        unsafe { self.words.get_unchecked_mut(word) }
    }

    #[inline]
    fn set_head(&mut self, bin: usize, run: usize) {
        debug_assert!(bin < BINS);
        // SAFETY: as for `head`.
        unsafe { *self.heads.get_unchecked_mut(bin) = run }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_grow_with_the_length_and_end_at_the_last() {
        let mut last = 0;
        let step = if cfg!(miri) { 997 } else { 1 };
        for len in (1..64)
            .chain((64..1 << 23).step_by(step))
            .chain([(1 << 23) - 1])
        {
            let bin = first_bin(len);
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
                let bin = bin_of(at, len);
                let holds = holds_unit(at, len);
                let other = (at..at + UNIT).find(|&at| holds != holds_unit(at, len));
                assert!(
                    other.is_none_or(|other| bin_of(other, len) != bin),
                    "{len} granules at {at}"
                );
                assert!(bin >= first_bin(len) && bin < first_bin(len + 1).max(bin + 1));
            }
        }
    }

    #[test]
    fn search_finds_the_nearest_bin() {
        let mut bins = Bins::new();
        let mut words = [0_usize; 16];
        let table = Table::new((&raw mut words).cast());
        assert_eq!(bins.at_or_after(0), NONE);
        // SAFETY: three separate runs, each inserted once and removed once; the table has their words.
        unsafe {
            bins.insert(table, 31, 4);
            bins.insert(table, 310, 8);
            bins.insert(table, 31, 12);
            assert_eq!(bins.at_or_after(0), 31);
            assert_eq!(bins.at_or_after(31), 31);
            assert_eq!(bins.at_or_after(32), 310);
            bins.remove(table, 4);
            assert_eq!(bins.head(31), 12);
            bins.remove(table, 12);
            assert_eq!(bins.at_or_after(0), 310);
            bins.remove(table, 8);
            assert_eq!(bins.at_or_after(0), NONE);
        }
    }
}
