//! Damaged images: every bit, every length, and many changes by chance and by the format's grammar.

use steadfast::region::Status;
use steadfast_testkit::cache::{Cover, Damage, Fate, Fates, Victim, soak};

const SMALL: u32 = 3_600;
/// Under Miri, every so many places are tried.
const STEP: usize = if cfg!(miri) { 1_999 } else { 1 };

#[test]
fn no_single_bit_gives_a_wrong_value_where_a_checksum_covers_it() {
    let victim = Victim::new(SMALL);
    let image = victim.image();
    let mut fates = Fates::default();
    for bit in (0..8 * image.len()).step_by(STEP) {
        let mut damaged = image.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fates.count(victim.fate(&damaged));
    }
    assert_eq!(fates.wrong, 0, "{fates:?}");
    // What no checksum covers is the room between the index and the arena.
    assert!(fates.cold > fates.warm, "{fates:?}");
    println!("{fates:?}");
}

#[test]
fn damage_to_a_value_is_seen_by_the_checksum_where_the_walk_does_not() {
    let victim = Victim::new(SMALL);
    let open = victim.with(Status::Open);
    let bits = victim.value_bits();
    let (mut seen, mut passed) = (0, 0);
    for (at, mask) in bits.iter().copied().step_by(STEP) {
        let mut covered = victim.image().to_vec();
        covered[at] ^= mask;
        seen += u64::from(victim.fate(&covered) == Fate::AttachError);
        let mut walked = open.clone();
        walked[at] ^= mask;
        passed += u64::from(victim.fate(&walked) == Fate::Wrong);
    }
    let tried = bits.len().div_ceil(STEP) as u64;
    println!("{tried} bits of values: {seen} seen by the checksum, {passed} not by the walk");
    assert_eq!(seen, tried);
    assert!(2 * passed >= tried);
}

#[test]
fn an_image_that_is_cut_off_is_refused() {
    let victim = Victim::new(SMALL);
    for status in [Status::Closed, Status::Open, Status::Sealed, Status::Shared] {
        let image = victim.with(status);
        assert_eq!(victim.fate(&image), Fate::Warm);
        for len in (0..image.len()).step_by(STEP) {
            assert_eq!(
                victim.fate(&image[..len]),
                Fate::AttachError,
                "{status:?}, {len}"
            );
        }
    }
}

/// What a checksum covers is refused unless it is whole, also where a host that verified it has
/// sealed it. What none covers, or what somebody forged, does no harm but a wrong value.
#[test]
fn changes_by_chance_and_by_grammar_do_no_harm() {
    let count = if cfg!(miri) { 1 } else { 600 };
    for kind in Damage::ALL {
        for cover in Cover::ALL {
            let fates = soak(1, count, kind, cover);
            println!("{kind:?}, {cover:?}: {fates:?}");
            assert_eq!(fates.cold + fates.warm + fates.wrong, count);
            if cover.tells_all() {
                assert_eq!(fates.wrong, 0, "{kind:?}, {cover:?}");
                assert!(cfg!(miri) || 2 * fates.cold > count, "{kind:?}: {fates:?}");
            }
        }
    }
}
