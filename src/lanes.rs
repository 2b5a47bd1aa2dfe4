//! Several bytes compared at once: in words, or in vectors where a module is built with
//! `-C target-feature=+simd128`. Both find the same.
//!
//! Tags are the first twelve bytes of sixteen. What the last four hold does not matter.

#[cfg_attr(not(target_feature = "simd128"), path = "lanes/words.rs")]
#[cfg_attr(target_feature = "simd128", path = "lanes/vectors.rs")]
mod width;

pub use width::{among_first, among_last, count, exactly, same};

#[cfg(test)]
mod tests {
    use super::{among_first, among_last, count, exactly, same};

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn finds_every_equal_tag_and_the_first_is_sure() {
        let mut state = 1u32;
        for _ in 0..20_000 {
            let head: [u8; 16] = core::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Of other tags the highest bit is set as well.
                (state >> 29) as u8 | (state >> 20) as u8 & 0x80
            });
            let tags = &head[..12];
            for tag in 0..8 {
                let matches = || among_first(&head, tag).chain(among_last(&head, tag));
                let mut equal = (0..12).filter(|&slot| tags[slot] == tag);
                assert!(equal.all(|slot| matches().any(|found| found == slot)));
                let first = matches().next();
                assert_eq!(first.is_some(), tags.contains(&tag));
                assert!(first.is_none_or(|slot| tags[slot] == tag));
                let equal = (0..12).filter(|&slot| tags[slot] == tag);
                let [first, last] = exactly(&head, tag);
                assert!(first.chain(last).eq(equal.clone()));
                assert_eq!(count(&head, tag) as usize, equal.count());
            }
        }
    }

    #[test]
    fn sees_a_difference_in_any_byte() {
        fn check<const N: usize>() {
            let a: [u8; N] = core::array::from_fn(|at| at as u8);
            assert!(same(&a, &a));
            for at in 0..N {
                let mut b = a;
                b[at] ^= 0x80;
                assert!(!same(&a, &b), "byte {at} of {N}");
            }
        }
        check::<8>();
        check::<16>();
        check::<32>();
    }
}
