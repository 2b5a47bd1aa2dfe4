//! The index by itself, and against what damaged entries say.

use alloc::vec::Vec;

use super::{CacheError, Home, Index, MOST_ALIKE, Occupant, Placed, count, tag_of};
use crate::cache::scope::Scope;
use crate::cache::test_numbers::Numbers;
use crate::region::{ENTRY_HEADER_BYTES, EntryHeader, RegionView, Standing};

const STRIDE: u32 = ENTRY_HEADER_BYTES + 8;

/// A region with the entries of these keys, in none of whose buckets they are.
fn with_entries(keys: u32) -> (RegionView, Vec<u32>) {
    let mut region = RegionView::bare(200_000);
    let start = region.geometry().arena_start;
    let all = (0..keys).map(|number| start + STRIDE * number).collect();
    for (number, at) in (0..keys).zip(&all as &Vec<u32>) {
        let mut entry = EntryHeader::new(4, 0, 0, 0, 0);
        // Coarse, so that some are as old as each other.
        entry.set_stamp((number.wrapping_mul(0x9E37) >> 8) as u8 & 0x1C);
        *region.entry_mut(*at).expect("in the arena") = entry;
        let key = region.bytes_mut(at + ENTRY_HEADER_BYTES, 4);
        key.expect("in the arena")
            .copy_from_slice(&number.to_le_bytes());
    }
    (region, all)
}

/// A hash with this tag whose home bucket stands there.
fn hash_at(region: &RegionView, standing: Standing, tag: u8) -> u64 {
    let group_buckets = u64::from(region.geometry().group_buckets);
    let high = (u64::from(standing.place) << 16).div_ceil(group_buckets);
    (high << 48) | (u64::from(standing.group) << 16) | u64::from(tag)
}

/// As the cache does it: where the entry stands is what its header says.
fn unplace(region: &mut RegionView, at: u32) -> bool {
    let entry = *region.entry(at).expect("in the arena");
    Index(&mut *region).unplace(at, &entry)
}

/// As the cache does it: what is placed says where it stands.
fn place_entry(region: &mut RegionView, at: u32, home: Home) -> Placed {
    let placed = Index(&mut *region).place(at, home);
    let index = Index(&*region);
    let (standing, slot) = match placed {
        Placed::AtHome { slot } | Placed::Instead { slot } => (index.at_home(home.hash), slot),
        Placed::Away { slot } => (index.away_from_home(home.hash), slot),
        Placed::Full { .. } | Placed::Crowded { .. } => return placed,
    };
    let entry = region.entry_mut(at).expect("in the arena");
    entry.set_standing(standing, slot);
    placed
}

/// Who has to go for an entry that was not placed.
fn victim_of(placed: Placed) -> Option<u32> {
    match placed {
        Placed::Full { victim } => Some(victim.expect("the pair is full").get()),
        Placed::Crowded { victim } => Some(victim.get()),
        _ => None,
    }
}

/// Whether no entry of a pair was used a longer time ago.
fn is_oldest(region: &RegionView, victim: u32, hash: u64) -> bool {
    let pair = Index(region).pair(Index(region).home(hash));
    let now = region.header().stamp(region.geometry().stamp_shift);
    let all = [pair.home, pair.other].map(|bucket| region.bucket(bucket).offsets);
    let age = |at: u32| region.entry(at).expect("in the arena").age(now);
    let all = all.as_flattened();
    all.contains(&victim) && all.iter().all(|at| age(*at) <= age(victim))
}

/// While no bucket is split, a bucket knows which tags it has elsewhere, and forgets those that
/// have gone.
#[test]
fn a_bucket_counts_what_stands_away_from_it_and_no_more() {
    const KEYS: u32 = if cfg!(miri) { 100 } else { 2_800 };
    let (mut region, all) = with_entries(KEYS);
    let hash_of = |number: u32| Scope::Main.hash(&number.to_le_bytes());
    let hashes: Vec<u64> = (0..KEYS).map(hash_of).collect();
    let buckets = region.header().buckets as usize;
    let mut numbers = Numbers(4);
    let mut placed = alloc::vec![false; all.len()];
    let mut most = 0;
    for step in 0..if cfg!(miri) { 120 } else { 20_000 } {
        let number = numbers.below(all.len());
        let at = all[number];
        placed[number] = if placed[number] {
            !unplace(&mut region, at)
        } else {
            let home = Index(&region).home(hashes[number]);
            let placed = place_entry(&mut region, at, home);
            victim_of(placed).is_none()
        };
        if step % 100 != 0 {
            continue;
        }
        let mut away = alloc::vec![[0; 8]; buckets];
        for number in (0..all.len()).filter(|number| placed[*number]) {
            let home = Index(&region).home(hashes[number]);
            let pair = Index(&region).pair(home);
            if !region.bucket(pair.home).offsets.contains(&all[number]) {
                away[pair.home as usize][usize::from(pair.tag % 8)] += 1;
            }
        }
        for (bucket, away) in (0..).zip(&away) {
            let known = [0, 1, 2, 3, 4, 5, 6, 7].map(|tag| region.bucket(bucket).may_be_away(tag));
            assert_eq!(known, away.map(|entries| entries > 0), "step {step}");
        }
        most = most.max(away.as_flattened().iter().sum());
        // Too low and too high, as damage may leave them, they are counted anew.
        for bucket in 0..buckets as u32 {
            region.bucket_mut(bucket).forget_away();
            region.bucket_mut(bucket).leave(numbers.below(8) as u8);
        }
        Index(&mut region).count_away();
        for (bucket, away) in (0..).zip(&away) {
            let bucket = region.bucket_mut(bucket);
            for (tag, entries) in (0..).zip(away) {
                (0..*entries).for_each(|_| bucket.come_back(tag));
                assert!(!bucket.may_be_away(tag), "step {step}");
                (0..*entries).for_each(|_| bucket.leave(tag));
            }
        }
    }
    let moved = region.header().relocated;
    assert!(cfg!(miri) || most > 100 && moved > 10, "{most}, {moved}");
}

/// Keys of one pair and tag, at home in either bucket, whichever of them are old.
#[test]
fn a_bucket_gets_few_entries_with_one_tag_and_each_costs_one() {
    const KEYS: usize = 64;
    let (mut region, all) = with_entries(KEYS as u32);
    let tag = 0x4D;
    let first = Index(&region).at_home(0x1234_5678_9ABC_DE4D);
    let second = Index(&region).across(first, tag);
    let hashes = [first, second].map(|standing| hash_at(&region, standing, tag));
    let pair = Index(&region).pair(Index(&region).home(hashes[0]));
    let swapped = Index(&region).pair(Index(&region).home(hashes[1]));
    assert_eq!((pair.home, pair.other), (swapped.other, swapped.home));
    let mut numbers = Numbers(6);
    let mut placed = [false; KEYS];
    let mut displaced_in_all = 0;
    for step in 0..2_000 {
        let number = numbers.below(KEYS);
        let (at, hash) = (all[number], hashes[numbers.below(2)]);
        if placed[number] {
            assert!(unplace(&mut region, at));
            placed[number] = false;
            continue;
        }
        // One bucket's entries are the younger ones for a while.
        let is_young = (hash == hashes[0]) == (step / 100 % 2 == 0);
        let stamp = if is_young { 31 } else { 1 };
        region.entry_mut(at).expect("in the arena").set_stamp(stamp);
        let mut home = Index(&region).home(hash);
        let in_home = |region: &RegionView| count(region.bucket(home.bucket()).head(), tag);
        for _ in 0..in_home(&region) {
            home.note_alike();
        }
        let mut displaced = 0;
        while let Some(victim) = victim_of(place_entry(&mut region, at, home)) {
            let number = ((victim - all[0]) / STRIDE) as usize;
            assert!(unplace(&mut region, victim));
            placed[number] = false;
            displaced += 1;
            home = Index(&region).home(hash);
        }
        placed[number] = true;
        assert!(displaced <= 1, "step {step}: {displaced}");
        displaced_in_all += displaced;
        for bucket in [pair.home, pair.other] {
            let alike = count(region.bucket(bucket).head(), tag);
            assert!(alike <= MOST_ALIKE, "step {step}: {alike} in {bucket}");
        }
    }
    assert!(displaced_in_all > 200, "{displaced_in_all}");
}

/// A search in words comes to tags that differ in one bit; one in vectors does not.
#[test]
fn a_tag_that_differs_in_one_bit_is_not_counted_as_alike() {
    let (mut region, all) = with_entries(4);
    let first = Standing {
        place: 0,
        group: 0,
        is_away: false,
    };
    for (at, tag) in all.iter().zip([200, 201, 201, 201]) {
        let home = Index(&region).home(hash_at(&region, first, tag));
        place_entry(&mut region, *at, home);
    }
    let mut home = Index(&region).home(hash_at(&region, first, 200));
    let found = Index(&region).find(Scope::Main, b"another", &mut home);
    assert_eq!(found, None);
    assert!(!home.was_crowded());
}

/// In a pair that is full, one entry is moved. One that names a place that there is not, or
/// another bucket than its own, stays.
#[test]
fn an_entry_that_lies_about_its_place_is_not_moved() {
    let (mut region, all) = with_entries(25);
    assert!(region.geometry().group_buckets < 200);
    let (place, tag) = (7, 200);
    let first = Standing {
        place,
        group: 0,
        is_away: false,
    };
    let second = Index(&region).across(first, tag);
    for (number, at) in (0..).zip(&all[..24]) {
        let tag = 2 + 8 * (number % 12);
        let hash = hash_at(&region, if number < 12 { first } else { second }, tag);
        let home = Index(&region).home(hash);
        let placed = place_entry(&mut region, *at, home);
        assert!(matches!(placed, Placed::AtHome { .. }));
    }
    let lies = [200, 255, place + 1].map(|place| Standing { place, ..first });
    let home = Index(&region).home(hash_at(&region, first, tag));
    for lie in lies {
        for at in &all[..24] {
            let entry = region.entry_mut(*at).expect("in the arena");
            entry.set_standing(lie, entry.slot());
        }
        let before: Vec<_> = (0..region.header().buckets)
            .map(|bucket| *region.bucket(bucket))
            .collect();
        let placed = place_entry(&mut region, all[24], home);
        assert!(matches!(placed, Placed::Full { victim: Some(_) }));
        for (bucket, before) in (0..).zip(&before) {
            assert_eq!(
                bytemuck::bytes_of(region.bucket(bucket)),
                bytemuck::bytes_of(before)
            );
        }
    }
}

/// No bucket counts it among those that stand in their other one.
#[test]
fn an_entry_that_is_at_home_and_says_it_is_not_is_damage() {
    let (mut region, all) = with_entries(1);
    let home = Index(&region).home(Scope::Main.hash(&0_u32.to_le_bytes()));
    let placed = place_entry(&mut region, all[0], home);
    assert_eq!(placed, Placed::AtHome { slot: 0 });
    let mut lie = *region.entry(all[0]).expect("in the arena");
    let away = Standing {
        is_away: true,
        ..lie.standing()
    };
    lie.set_standing(away, 0);
    assert!(!Index(&mut region).unplace(all[0], &lie));
}

#[test]
fn what_is_placed_is_found_until_it_is_unplaced_or_displaced() {
    const KEYS: u32 = if cfg!(miri) { 100 } else { 3_000 };
    let (mut region, all) = with_entries(KEYS);
    let mut numbers = Numbers(9);
    let mut placed = alloc::vec![false; KEYS as usize];
    let (mut displaced, mut moved) = (0, 0);
    for step in 0..if cfg!(miri) { 150 } else { 20_000 } {
        let number = numbers.below(KEYS as usize);
        let key = (number as u32).to_le_bytes();
        let hash = Scope::Main.hash(&key);
        let at = all[number];
        let mut home = Index(&region).home(hash);
        let found = Index(&region).find(Scope::Main, &key, &mut home);
        assert_eq!(
            found.map(|at| at.get()),
            placed[number].then_some(at),
            "step {step}"
        );
        if placed[number] && numbers.below(4) == 0 {
            assert!(unplace(&mut region, at));
            assert!(!unplace(&mut region, at));
            placed[number] = false;
        } else if !placed[number] {
            while let Some(victim) = victim_of(place_entry(&mut region, at, home)) {
                assert!(is_oldest(&region, victim, hash));
                assert!(unplace(&mut region, victim));
                placed[((victim - all[0]) / STRIDE) as usize] = false;
                displaced += 1;
            }
            placed[number] = true;
            assert_eq!(Index(&mut region).grow(), Some(()));
        }
        moved = region.header().relocated;
        if step % 64 == 0 {
            let held = placed.iter().filter(|placed| **placed).count();
            assert_eq!(Index(&region).validate(), Ok(held as u32));
            assert_eq!(region.header().indexed, held as u32);
        }
    }
    let mut away = 0;
    for (number, at) in (0..KEYS).zip(&all) {
        let key = number.to_le_bytes();
        let checked = Index(&region).check_entry(*at, Scope::Main, &key);
        assert_eq!(checked.is_ok(), placed[number as usize], "key {number}");
        // Nor does one pass that says it stands in another slot, or in the other bucket.
        let entry = *region.entry(*at).expect("in the arena");
        away += u32::from(entry.standing().is_away);
        let other_slot = (entry.slot() + 1) % 16;
        let standing = entry.standing();
        let lying = region.entry_mut(*at).expect("in the arena");
        lying.set_standing(standing, other_slot);
        let checked = Index(&region).check_entry(*at, Scope::Main, &key);
        assert_eq!(checked, Err(CacheError::NotIndexed { at: *at }));
        let lying = *region.entry(*at).expect("in the arena");
        assert!(!Index(&mut region).unplace(*at, &lying));
        let moved = Occupant {
            tag: tag_of(Scope::Main.hash(&key)),
            offset: *at,
        };
        Index(&mut region).cross(moved, entry.slot());
        let checked = Index(&region).check_entry(*at, Scope::Main, &key);
        assert_eq!(checked, Err(CacheError::NotIndexed { at: *at }));
    }
    assert!(cfg!(miri) || away > 100, "{away}");
    assert!(
        cfg!(miri) || displaced > 0 && moved > 0,
        "{displaced}, {moved}"
    );
}
