//! Looks for memory that somebody has written.

/// How far the heap and the cache look ahead of what they take, in bytes: pages of one owner stand
/// together, and some of them may still be empty.
pub(crate) const STEP: usize = 128 << 10;

/// The offset of the first word among the `len` bytes at `start` that is not zero.
///
/// # Safety
/// The bytes are initialised and may be read; `start` and `len` are multiples of 8.
#[inline(never)]
pub(crate) unsafe fn first_used(start: *const u8, len: usize) -> Option<usize> {
    const WORD: usize = size_of::<u64>();
    // SAFETY: the caller's duty.
    let words = unsafe { core::slice::from_raw_parts(start.cast::<u64>(), len / WORD) };
    // Several at a time: one branch for each cache line.
    let mut at = 0;
    while let Some(line) = words.get(at..).and_then(<[u64]>::first_chunk::<8>) {
        if line.iter().fold(0, |all, word| all | word) != 0 {
            break;
        }
        at += line.len();
    }
    let left = words.get(at..)?.iter().position(|word| *word != 0)?;
    Some((at + left) * WORD)
}

#[cfg(test)]
mod tests {
    use super::first_used;

    #[test]
    fn each_byte_is_looked_at() {
        let mut words = [0_u64; 20];
        for len in [0, 8, 64, 72, 160] {
            let start = words.as_mut_ptr().cast::<u8>();
            // SAFETY: all of it is the array's.
            assert_eq!(unsafe { first_used(start, len) }, None);
            for at in 0..words.len() * 8 {
                // SAFETY: as above.
                let found = unsafe {
                    start.add(at).write(1);
                    let found = first_used(start, len);
                    start.add(at).write(0);
                    found
                };
                assert_eq!(found, (at < len).then_some(at / 8 * 8), "{at} of {len}");
            }
        }
    }
}
