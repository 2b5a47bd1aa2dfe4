//! Comparing keys a word at a time: a byte-wise `memcmp` is what a lookup in wasm spends most of its time on.

/// Whether two byte strings are equal.
///
/// From 16 to 64 bytes, as most keys have, it takes neither loop nor call: both ends are compared, which overlap where there is
/// less between them.
#[inline(always)]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a.len() > 64 {
        return long_equal(a, b);
    }
    match (ends::<32>(a), ends::<32>(b)) {
        (Some(a), Some(b)) => same(a, b),
        _ => match (ends::<16>(a), ends::<16>(b)) {
            (Some(a), Some(b)) => same(a, b),
            _ => short_equal(a, b),
        },
    }
}

/// The last bytes, where keys differ most, and the first.
#[inline(always)]
fn ends<const N: usize>(bytes: &[u8]) -> Option<[&[u8; N]; 2]> {
    Some([bytes.last_chunk()?, bytes.first_chunk()?])
}

/// Whether both ends are equal; they consist of whole words.
#[inline(always)]
fn same<const N: usize>(
    [a_last, a_first]: [&[u8; N]; 2],
    [b_last, b_first]: [&[u8; N]; 2],
) -> bool {
    let equal = |a: &[u8; N], b: &[u8; N]| {
        let mut words = a.chunks_exact(8).zip(b.chunks_exact(8));
        words.all(|(a, b)| word(a) == word(b))
    };
    equal(a_last, b_last) && equal(a_first, b_first)
}

#[inline(always)]
fn word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

#[inline(never)]
fn long_equal(a: &[u8], b: &[u8]) -> bool {
    let mut pieces = a.chunks_exact(32).zip(b.chunks_exact(32));
    pieces.all(|(a, b)| ends::<16>(a).zip(ends(b)).is_some_and(|(a, b)| same(a, b)))
        && ends::<32>(a).zip(ends(b)).is_some_and(|(a, b)| same(a, b))
}

#[inline(never)]
fn short_equal(a: &[u8], b: &[u8]) -> bool {
    match (ends::<8>(a), ends::<8>(b)) {
        (Some(a), Some(b)) => same(a, b),
        _ => a == b,
    }
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
