//! Comparing and copying a word at a time: a byte-wise `memcmp` is what a lookup in wasm spends
//! most of its time on, and a `memory.copy` costs more than the few words that most keys and values
//! are.

use crate::lanes::same;

/// Whether two byte strings are equal.
///
/// From 16 to 63 bytes, as most keys have, it takes neither loop nor call: both ends are compared,
/// which overlap where there is less between them.
#[inline(always)]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a.len() >= 64 {
        return long_equal(a, b);
    }
    match (ends::<32>(a), ends::<32>(b)) {
        (Some(a), Some(b)) => same_ends(a, b),
        _ => match (ends::<16>(a), ends::<16>(b)) {
            (Some(a), Some(b)) => same_ends(a, b),
            _ => short_equal(a, b),
        },
    }
}

/// The last bytes, where keys differ most, and the first, of what has as many but not twice as
/// many.
///
/// The last begin at the remainder of the length. At a difference, wasm's loads could not take
/// their offsets in.
#[inline(always)]
pub fn ends<const N: usize>(bytes: &[u8]) -> Option<[&[u8; N]; 2]> {
    if bytes.len() >= 2 * N {
        return None;
    }
    let first = bytes.first_chunk()?;
    Some([bytes.get(bytes.len() % N..)?.first_chunk()?, first])
}

#[inline(always)]
fn same_ends<const N: usize>(
    [a_last, a_first]: [&[u8; N]; 2],
    [b_last, b_first]: [&[u8; N]; 2],
) -> bool {
    same(a_last, b_last) && same(a_first, b_first)
}

/// Bytes up to which words are copied; for more, the engine's own copy is quicker.
const MOST_COPIED: usize = 512;

/// Copies as many bytes as the shorter of the two has.
///
/// As in [`equal`], what does not come to whole pieces is copied by two that overlap.
#[inline(always)]
pub fn copy(to: &mut [u8], from: &[u8]) {
    let len = to.len().min(from.len());
    let (to, from) = (&mut to[..len], &from[..len]);
    if len >= 64 {
        copy_long(to, from);
    } else if !copy_ends::<32>(to, from) && !copy_ends::<16>(to, from) {
        copy_short(to, from);
    }
}

/// Copies the first and the last bytes, if there are as many but not twice as many. Says whether
/// there are.
#[inline(always)]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) -> bool {
    let Some([last, first]) = ends::<N>(from) else {
        return false;
    };
    if let Some(to) = to.first_chunk_mut() {
        *to = *first;
    }
    let to = to.get_mut(from.len() % N..);
    if let Some(to) = to.and_then(<[u8]>::first_chunk_mut) {
        *to = *last;
    }
    true
}

#[inline(never)]
fn copy_long(to: &mut [u8], from: &[u8]) {
    if from.len() > MOST_COPIED {
        to.copy_from_slice(from);
        return;
    }
    for (to, from) in to.chunks_exact_mut(64).zip(from.chunks_exact(64)) {
        if let (Some(to), Some(from)) = (to.first_chunk_mut::<64>(), from.first_chunk()) {
            *to = *from;
        }
    }
    if let (Some(to), Some(from)) = (to.last_chunk_mut::<64>(), from.last_chunk()) {
        *to = *from;
    }
}

#[inline(never)]
fn copy_short(to: &mut [u8], from: &[u8]) {
    if !copy_ends::<8>(to, from) {
        to.copy_from_slice(from);
    }
}

#[inline(never)]
fn long_equal(a: &[u8], b: &[u8]) -> bool {
    let equal =
        |a: Option<&[u8; 32]>, b: Option<&[u8; 32]>| a.zip(b).is_some_and(|(a, b)| same(a, b));
    let mut pieces = a.chunks_exact(32).zip(b.chunks_exact(32));
    pieces.all(|(a, b)| equal(a.first_chunk(), b.first_chunk()))
        && equal(a.last_chunk(), b.last_chunk())
}

#[inline(never)]
fn short_equal(a: &[u8], b: &[u8]) -> bool {
    match (ends::<8>(a), ends::<8>(b)) {
        (Some(a), Some(b)) => same_ends(a, b),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::{copy, equal};

    #[test]
    #[cfg_attr(miri, ignore = "too long, and safe")]
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

    #[test]
    #[cfg_attr(miri, ignore = "too long, and safe")]
    fn copies_every_length_and_nothing_else() {
        let from: [u8; 300] = core::array::from_fn(|at| at as u8 | 1);
        for len in 0..from.len() {
            let mut to = [0; 300];
            copy(&mut to[..len], &from[..len]);
            assert_eq!(to[..len], from[..len]);
            assert!(to[len..].iter().all(|&byte| byte == 0), "{len} bytes");
        }
    }
}
