//! Reading keys a word at a time: a byte-wise `memcmp` is what a lookup in wasm spends most of its time on.

/// Two words of eight bytes.
type Pair = [u64; 2];

/// A byte string as pairs of words.
pub struct Words<F> {
    /// The pairs that are not the last.
    pub full: F,
    /// The last sixteen bytes, which overlap the pair before them; all bytes of a shorter string.
    pub last: Pair,
}

#[inline]
pub fn words(bytes: &[u8]) -> Words<impl Iterator<Item = Pair> + '_> {
    let (inner, last) = match bytes.last_chunk::<16>() {
        Some(last) => (&bytes[..bytes.len() - 1], pair(last)),
        None => (&[][..], short(bytes)),
    };
    Words {
        full: inner.chunks_exact(16).map(pair),
        last,
    }
}

#[inline]
fn pair(bytes: &[u8]) -> Pair {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => [u64::from_le_bytes(*first), u64::from_le_bytes(*last)],
        _ => [0; 2],
    }
}

/// Less than sixteen bytes as a pair; it tells strings of the same length apart.
#[inline]
fn short(bytes: &[u8]) -> Pair {
    if bytes.len() >= 8 {
        return pair(bytes);
    }
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            [*first, *last].map(|bytes| u64::from(u32::from_le_bytes(bytes)))
        }
        _ => {
            let fold = |word, byte: &u8| (word << 8) | u64::from(*byte);
            [bytes.iter().fold(0, fold), 0]
        }
    }
}

/// Whether two byte strings are equal.
#[inline]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (a, b) = (words(a), words(b));
    same((a.last, b.last)) && a.full.zip(b.full).all(same)
}

#[inline]
fn same((a, b): (Pair, Pair)) -> bool {
    (a[0] ^ b[0]) | (a[1] ^ b[1]) == 0
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn sees_a_difference_in_any_byte_at_any_length() {
        let a: [u8; 70] = core::array::from_fn(|at| at as u8);
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
