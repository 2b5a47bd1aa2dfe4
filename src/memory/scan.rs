//! Looks for memory that somebody has written.

/// How far the heap and the cache look ahead of what they take, in bytes: pages of one owner stand
/// together, and some of them may still be empty.
pub(crate) const STEP: usize = 128 << 10;

/// Where the first word stands from `start` on that is not zero; `end` where all before it are.
///
/// # Safety
/// The bytes from `start` to `end` are initialised and may be read; both are multiples of 8.
pub(crate) unsafe fn first_used(start: *const u8, end: *const u8) -> *const u8 {
    let mut at = start.cast::<u64>();
    let end = end.cast();
    // SAFETY: the caller's duty.
    unsafe {
        while at < end && at.read() == 0 {
            at = at.add(1);
        }
    }
    at.cast()
}

#[cfg(test)]
mod tests {
    use super::first_used;

    #[test]
    fn each_byte_is_looked_at() {
        let mut words = [0_u64; 20];
        let start = words.as_mut_ptr().cast::<u8>();
        for len in [0, 8, 64, 72, 160] {
            let end = start.wrapping_add(len);
            // SAFETY: all of it is the array's.
            assert_eq!(unsafe { first_used(start, end) }, end);
            for at in 0..160 {
                // SAFETY: as above.
                let found = unsafe {
                    start.add(at).write(1);
                    let found = first_used(start, end);
                    start.add(at).write(0);
                    found.addr() - start.addr()
                };
                assert_eq!(found, (at / 8 * 8).min(len), "{at} of {len}");
            }
        }
    }
}
