//! Whether the host wrote the value that it announced.
//!
//! A host that reads a live database may announce a length, and find the value shorter or gone when
//! it is asked for it. What the buffer held before must not pass for a value.

/// What the buffer's last byte is before the host writes: one that few values end in.
const MARK: u8 = 0x9B;

/// Has `write` write a value, and says whether it wrote the last byte: a host writes from front to
/// back.
///
/// A buffer that ends as it did before may hold a value that ends so. It is written once more then,
/// over another last byte: the value cannot end in both.
#[inline]
pub(super) fn is_written(value: &mut [u8], mut write: impl FnMut(&mut [u8])) -> bool {
    let mut ends_anew = |before: u8| {
        if let Some(last) = value.last_mut() {
            *last = before;
        }
        write(value);
        value.last() != Some(&before)
    };
    ends_anew(MARK) || ends_anew(!MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_written_is_told_whatever_it_ends_in() {
        for last in 0..=u8::MAX {
            let mut buffer = [0; 3];
            let mut calls = 0;
            assert!(is_written(&mut buffer, |place| {
                calls += 1;
                place.copy_from_slice(&[1, 2, last]);
            }));
            assert_eq!(buffer, [1, 2, last]);
            assert_eq!(calls, 1 + u32::from(last == MARK));
        }
    }

    #[test]
    fn a_value_that_is_not_written_to_its_end_is_told() {
        for len in 1..20 {
            for written in 0..len {
                let mut buffer = [0; 20];
                let is_written = is_written(&mut buffer[..len], |place| {
                    place[..written].fill(7);
                });
                assert!(!is_written, "{written} of {len}");
            }
        }
    }
}
