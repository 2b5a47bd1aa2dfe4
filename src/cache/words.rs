//! Reading keys a word at a time: a byte-wise `memcmp` is what a lookup in wasm spends most of its time on.

/// A byte string as words of eight bytes.
pub struct Words<F> {
    /// The words that are not the last.
    pub full: F,
    /// The last eight bytes, which overlap the word before them; all bytes of a shorter string.
    pub last: u64,
}

impl<'a> Words<()> {
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Words<impl Iterator<Item = u64> + 'a> {
        let (inner, last) = match bytes.last_chunk::<8>() {
            Some(last) => (&bytes[..bytes.len() - 1], u64::from_le_bytes(*last)),
            None => (&[][..], short(bytes)),
        };
        Words {
            full: inner.chunks_exact(8).map(word),
            last,
        }
    }
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Less than eight bytes as a word; it tells strings of the same length apart.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | (u64::from(u32::from_le_bytes(*last)) << 32)
        }
        _ => bytes
            .iter()
            .fold(0, |word, byte| (word << 8) | u64::from(*byte)),
    }
}

/// Whether two byte strings are equal.
#[inline]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (a, b) = (Words::of(a), Words::of(b));
    a.last == b.last && a.full.eq(b.full)
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn sees_a_difference_in_any_byte_at_any_length() {
        let a: [u8; 40] = core::array::from_fn(|at| at as u8);
        for len in 0..=a.len() {
            assert!(equal(&a[..len], &a[..len]));
            assert!(len == 0 || !equal(&a[..len], &a[..len - 1]));
            for at in 0..len {
                let mut b = a;
                b[at] ^= 0x80;
                assert!(!equal(&a[..len], &b[..len]), "byte {at} of {len}");
            }
        }
    }
}
