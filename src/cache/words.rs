//! Comparing keys a word at a time: a byte-wise `memcmp` is what a lookup in wasm spends most of its time on.

/// Whether two byte strings of the same length are equal.
#[inline]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return equal_short(a, b);
    };
    let words = a.chunks_exact(8).zip(b.chunks_exact(8));
    // The last eight bytes overlap the last full word: no remainder is left.
    words.into_iter().all(|(x, y)| x == y) && word(a_last) == word(b_last)
}

/// As [`equal`], for less than eight bytes.
fn equal_short(a: &[u8], b: &[u8]) -> bool {
    match (
        a.first_chunk::<4>(),
        a.last_chunk::<4>(),
        b.first_chunk::<4>(),
        b.last_chunk::<4>(),
    ) {
        (Some(a_first), Some(a_last), Some(b_first), Some(b_last)) => {
            a_first == b_first && a_last == b_last
        }
        _ => a.iter().zip(b).all(|(x, y)| x == y),
    }
}

fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
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
