//! Images: a cache that goes on in another instance, and what makes it begin without entries.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::cache::{Cache, Pool, Scope};
use steadfast::region::{
    AttachError, HEADER_BYTES, Region, RegionInfo, Start, Status, seal, set_user_tag,
};
use steadfast_testkit::cache::{
    Bytes, Checks, Grants, Oracle, Script, Spec, keys_of_first_bucket, noise, region_holding,
    region_with_bytes, run_on, two_buckets,
};

const STEPS: u64 = if cfg!(miri) { 30 } else { 2_000 };

/// A cache that has been driven by a script, its oracle, and the way to its bytes.
fn driven(spec: &Spec, seed: u64) -> (Cache, Oracle, Bytes) {
    let (region, bytes) = region_with_bytes(spec);
    let mut cache = Cache::open(region);
    let mut oracle = Oracle::default();
    go_on(&mut cache, &mut oracle, seed);
    (cache, oracle, bytes)
}

fn go_on(cache: &mut Cache, oracle: &mut Oracle, seed: u64) {
    let mut script = Script::new(noise(seed), 2_000).all_pools();
    run_on(cache, oracle, &mut script, STEPS, Checks::SPARSE).unwrap();
}

/// A cache in memory to which a host has written an image, after it has grown it where the region
/// begins without.
fn opened(spec: &Spec, image: &[u8]) -> (Cache, Bytes) {
    let grown = match spec.grants {
        Grants::Fixed => 0,
        Grants::Shares { .. } => image.len() as u32,
    };
    let spec = Spec {
        capacity: spec.capacity.max(grown),
        ..spec.clone()
    };
    let (region, bytes) = region_holding(&spec, image);
    (Cache::open(region), bytes)
}

fn start_of(spec: &Spec, image: &[u8]) -> Start {
    opened(spec, image).0.start()
}

/// The image that a cache leaves between two operations.
fn image(spec: &Spec, seed: u64) -> Vec<u8> {
    driven(spec, seed).2.image()
}

fn closed(spec: &Spec, seed: u64) -> Vec<u8> {
    let (cache, _, bytes) = driven(spec, seed);
    cache.close();
    bytes.image()
}

fn sealed(spec: &Spec, seed: u64, status: Status) -> Vec<u8> {
    let mut image = closed(spec, seed);
    seal(&mut image, status).unwrap();
    image
}

fn specs() -> [Spec; 4] {
    let capacity = if cfg!(miri) { 6_000 } else { 120_000 };
    let grants = Grants::Shares {
        step: 4_096,
        limit: 2 * capacity,
        shares: vec![256; 100],
    };
    [
        Spec::fresh(capacity),
        Spec::dirty(capacity),
        Spec {
            grants: grants.clone(),
            ..Spec::fresh(0)
        },
        Spec {
            grants,
            ..Spec::dirty(capacity / 2)
        },
    ]
}

#[test]
fn a_cache_goes_on_with_every_entry_in_order() {
    for (number, spec) in specs().iter().enumerate() {
        for (how, status) in [
            (Start::Walked, None),
            (Start::Walked, Some(Status::Closed)),
            (Start::Sealed, Some(Status::Sealed)),
        ] {
            let (cache, mut oracle, bytes) = driven(spec, number as u64);
            let quotas = Pool::ALL.map(|pool| cache.pool_info(pool).quota_bytes);
            let (height, entries) = (cache.height(), cache.len());
            assert!(entries > 3);
            let image = match status {
                None => bytes.image(),
                Some(status) => {
                    cache.close();
                    let mut image = bytes.image();
                    seal(&mut image, status).unwrap();
                    image
                }
            };
            let (mut next, _) = opened(spec, &image);
            assert_eq!(next.start(), how, "{spec:?}");
            next.validate().unwrap();
            oracle.compare(&next).unwrap();
            assert_eq!(
                Pool::ALL.map(|pool| next.pool_info(pool).quota_bytes),
                quotas
            );
            assert_eq!((next.height(), next.stats().hits), (height, 0));
            go_on(&mut next, &mut oracle, 77);
        }
    }
}

#[test]
fn restarts_follow_each_other() {
    let spec = Spec::fresh(specs()[0].capacity);
    let (_, mut oracle, mut bytes) = driven(&spec, 5);
    for round in 0..6 {
        let image = bytes.image();
        let (mut cache, now) = opened(&spec, &image);
        bytes = now;
        assert_eq!(cache.start(), Start::Walked);
        oracle.compare(&cache).unwrap();
        for number in 0..40u32 {
            let key = number.to_le_bytes();
            assert_eq!(cache.remove(&key), oracle.remove(Scope::Main, &key));
        }
        go_on(&mut cache, &mut oracle, round);
        if round == 2 {
            // In between, a host that has lost the image.
            (cache, bytes) = opened(&spec, &[]);
            assert_eq!(cache.start(), Start::Cold(AttachError::Fresh));
            oracle = Oracle::default();
            go_on(&mut cache, &mut oracle, round);
        }
        if round == 3 {
            cache.clear();
            oracle.clear();
        }
    }
}

#[test]
fn an_invalidation_that_was_not_over_goes_on() {
    let spec = Spec::fresh(120_000);
    for steps in [1, 7, 60] {
        let (region, bytes) = region_with_bytes(&spec);
        let mut cache = Cache::open(region);
        for number in 0..100u32 {
            cache.set_height(number);
            cache.insert(&number.to_le_bytes(), b"value").unwrap();
        }
        assert!(!cache.invalidate_above_in_steps(49, steps).done);
        let mut image = bytes.image();
        seal(&mut image, Status::Shared).unwrap();
        let (mut reader, seen) = opened(&spec, &image);
        assert_eq!(reader.start(), Start::Shared);
        for number in 0..100u32 {
            assert_eq!(reader.get(&number.to_le_bytes()).is_some(), number < 50);
        }
        assert_eq!(seen.image(), image, "nothing was written");
        let (mut next, _) = opened(&spec, &bytes.image());
        assert_eq!(next.start(), Start::Walked);
        for number in 0..100u32 {
            let key = number.to_le_bytes();
            assert_eq!(next.peek(&key).is_some(), number < 50);
            assert_eq!(next.get(&key).is_some(), number < 50);
        }
        assert!(next.invalidate_above_in_steps(49, 1_000).done);
        assert_eq!(next.len(), 50);
        next.validate().unwrap();
    }
}

#[test]
fn a_larger_region_keeps_the_images_geometry_and_a_smaller_one_starts_cold() {
    let spec = Spec::fresh(if cfg!(miri) { 6_000 } else { 120_000 });
    let (cache, oracle, bytes) = driven(&spec, 3);
    let image = bytes.image();
    let (larger, _) = opened(&Spec::fresh(10 * spec.capacity), &image);
    assert_eq!(larger.start(), Start::Walked);
    assert_eq!(larger.capacity(), cache.capacity());
    assert_eq!(larger.max_capacity(), cache.max_capacity());
    oracle.compare(&larger).unwrap();
    let used = image.len() as u32;
    let (fits, _) = opened(&Spec::fresh(used), &image);
    assert_eq!(
        (fits.start(), fits.capacity()),
        (Start::Walked, used as usize)
    );
    oracle.compare(&fits).unwrap();
    for capacity in [used - 1, used / 2, HEADER_BYTES] {
        let (smaller, _) = opened(&Spec::fresh(capacity), &image);
        let reason = if smaller.is_enabled() {
            AttachError::TooSmall
        } else {
            AttachError::Disabled
        };
        assert_eq!(smaller.start(), Start::Cold(reason));
        assert!(smaller.is_empty());
        smaller.validate().unwrap();
    }
}

#[test]
fn a_region_that_grows_on_demand_has_only_the_images_pages_at_first() {
    let [_, _, growing, _] = specs();
    let (_, mut oracle, bytes) = driven(&growing, 9);
    let image = bytes.image();
    let spec = Spec {
        capacity: image.len() as u32,
        ..growing
    };
    let (mut next, _) = opened(&spec, &image);
    assert_eq!(
        (next.start(), next.capacity()),
        (Start::Walked, image.len())
    );
    oracle.compare(&next).unwrap();
    go_on(&mut next, &mut oracle, 10);
    assert!(next.capacity() > image.len(), "it has grown on");
    assert_eq!(next.max_capacity(), 2 * specs()[0].capacity as usize);
}

#[test]
fn what_belongs_to_another_is_refused_and_says_why() {
    let spec = specs()[0].clone();
    let image = image(&spec, 4);
    assert_eq!(start_of(&spec, &image), Start::Walked);
    let cold = |spec: &Spec, image: &[u8], reason| {
        let (cache, _) = opened(spec, image);
        assert_eq!(cache.start(), Start::Cold(reason));
        assert!(cache.is_empty());
        cache.validate().unwrap();
    };
    cold(&spec, &[], AttachError::Fresh);
    cold(&Spec::dirty(spec.capacity), &[], AttachError::NoImage);
    let other = |plan_fingerprint, module_tag| Spec {
        plan_fingerprint,
        module_tag,
        ..spec.clone()
    };
    cold(&other(1, 0), &image, AttachError::Plan);
    cold(
        &other(spec.plan_fingerprint, 1),
        &image,
        AttachError::Module,
    );
    let expecting = Spec {
        expected_entry: 60,
        ..spec.clone()
    };
    cold(&expecting, &image, AttachError::Plan);
    let with = |at: usize, value: u8| {
        let mut image = image.clone();
        image[at] = value;
        image
    };
    cold(&spec, &with(0, b'x'), AttachError::NoImage);
    for version in [0, 1, 9] {
        cold(&spec, &with(8, version), AttachError::Version);
    }
    // The header's length, the hash's name, the byte order.
    for at in [12, 24, 224] {
        cold(&spec, &with(at, 9), AttachError::Format);
    }
    cold(&spec, &with(72, Status::Changing as u8), AttachError::Torn);
    cold(&spec, &with(72, 0), AttachError::Damaged);
    let none = Cache::open(Region::none());
    assert_eq!(none.start(), Start::Cold(AttachError::Disabled));
    assert!(!Cache::new(Region::none()).start().is_warm());
}

#[test]
fn damage_to_any_field_of_the_header_is_noticed() {
    let spec = specs()[0].clone();
    for status in [Status::Closed, Status::Sealed, Status::Shared] {
        let image = sealed(&spec, 6, status);
        assert!(start_of(&spec, &image).is_warm());
        for at in 0..HEADER_BYTES as usize {
            let mut damaged = image.clone();
            damaged[at] ^= 1 << (at % 8);
            let (cache, _) = opened(&spec, &damaged);
            assert!(
                !cache.start().is_warm(),
                "byte {at} of one that is {status:?}"
            );
            assert!(cache.is_empty());
            cache.validate().unwrap();
        }
    }
}

#[test]
fn a_closed_image_is_verified_whole() {
    let spec = Spec::fresh(8_000);
    let image = closed(&spec, 8);
    let info = RegionInfo::read(&image).unwrap();
    assert_eq!(info.status, Status::Closed);
    for part in info.image_parts() {
        for at in part.step_by(if cfg!(miri) { 997 } else { 3 }) {
            let mut damaged = image.clone();
            damaged[at as usize] ^= 0x10;
            assert!(!start_of(&spec, &damaged).is_warm(), "byte {at}");
        }
    }
    // Cut off, the rest is what the memory holds: zeros.
    for len in (0..image.len()).step_by(101) {
        let start = start_of(&spec, &image[..len]);
        let same = image[len..].iter().all(|byte| *byte == 0);
        assert!(!start.is_warm() || same, "cut off at {len}");
    }
}

#[test]
fn a_shared_image_is_read_without_a_write() {
    let spec = specs()[0].clone();
    let (cache, oracle, bytes) = driven(&spec, 2);
    cache.close();
    let mut image = bytes.image();
    seal(&mut image, Status::Shared).unwrap();
    let (mut shared, bytes) = opened(&spec, &image);
    assert_eq!(shared.start(), Start::Shared);
    assert!(shared.is_read_only());
    shared.validate().unwrap();
    oracle.compare(&shared).unwrap();
    let keys: Vec<_> = Pool::ALL
        .into_iter()
        .flat_map(|pool| shared.entries(pool))
        .map(|(scope, key, value)| (scope, key.to_vec(), value.to_vec()))
        .collect();
    for (scope, key, value) in &keys {
        assert_eq!(shared.scope(*scope).get(key), Some(&value[..]));
        assert_eq!(shared.scope(*scope).peek(key), Some(&value[..]));
    }
    assert_eq!(shared.get(b"no such key, surely"), None);
    assert_eq!(shared.set_quota(Pool::Main, 0), 0);
    assert_eq!(bytes.image(), image, "nothing was written");
    // What it writes, it sees, and the rest stays sound.
    shared.insert(b"own", b"value").unwrap();
    assert_eq!(shared.get(b"own"), Some(&b"value"[..]));
    shared.validate().unwrap();
    let info: RegionInfo = RegionInfo::read(&bytes.read(0, HEADER_BYTES as usize)).unwrap();
    assert_eq!((info.stats.hits, info.status), (0, Status::Open));
}

/// Its header was written for another region.
#[test]
fn a_shared_image_that_is_written_to_tells_the_region_that_it_is_in() {
    let spec = Spec::fresh(6_000);
    let image = sealed(&spec, 2, Status::Shared);
    let (mut shared, bytes) = opened(&spec, &image);
    let capacity = |bytes: &Bytes| {
        let info: RegionInfo = RegionInfo::read(&bytes.read(0, HEADER_BYTES as usize)).unwrap();
        info.capacity
    };
    assert_eq!(capacity(&bytes), 6_000);
    let (mut shorter, in_shorter) = opened(&Spec::fresh(image.len() as u32), &image);
    assert_eq!(capacity(&in_shorter), 6_000, "nothing was written");
    for cache in [&mut shared, &mut shorter] {
        cache.remove(b"no such key, surely");
    }
    assert_eq!(capacity(&bytes), 6_000);
    assert_eq!(capacity(&in_shorter), image.len() as u32);
    // So the next instance takes it up as what it is.
    assert_eq!(start_of(&spec, &in_shorter.image()), Start::Walked);
}

#[test]
fn an_image_keeps_the_tag_and_the_identity() {
    let spec = Spec {
        module_tag: 0xABCD,
        ..specs()[0].clone()
    };
    let (mut cache, _, bytes) = driven(&spec, 1);
    let tag = core::array::from_fn(|at| at as u8);
    cache.set_user_tag(&tag);
    cache.set_height(849_236);
    let info = RegionInfo::read(&bytes.image()).unwrap();
    assert_eq!(
        (info.user_tag, info.module_tag, info.height),
        (tag, 0xABCD, 849_236)
    );
    let (next, bytes) = opened(&spec, &bytes.image());
    assert_eq!((next.user_tag(), next.height()), (tag, 849_236));
    // A host sets it from outside, and what covers the header covers it.
    next.close();
    let mut image = bytes.image();
    for status in [Status::Closed, Status::Sealed] {
        seal(&mut image, status).unwrap();
        set_user_tag(&mut image, &[7; 40]).unwrap();
        let (tagged, _) = opened(&spec, &image);
        assert!(tagged.start().is_warm());
        assert_eq!(tagged.user_tag(), [7; 40]);
        image[80] ^= 1;
        assert!(!start_of(&spec, &image).is_warm());
        image[80] ^= 1;
    }
    // Nothing covers an open one, before and after.
    seal(&mut image, Status::Open).unwrap();
    set_user_tag(&mut image, &tag).unwrap();
    let (tagged, _) = opened(&spec, &image);
    assert_eq!((tagged.start(), tagged.user_tag()), (Start::Walked, tag));
    assert!(set_user_tag(&mut image[..100], &tag).is_err());
}

#[test]
fn an_operation_that_is_stopped_leaves_a_torn_image() {
    let spec = specs()[0].clone();
    let (mut cache, _, bytes) = driven(&spec, 1);
    let mut seen = None;
    cache
        .get_or_load(b"being loaded", 8, |_| seen = Some(bytes.image()))
        .unwrap();
    let torn = seen.expect("it was not there");
    assert_eq!(RegionInfo::read(&torn).unwrap().status, Status::Changing);
    assert_eq!(start_of(&spec, &torn), Start::Cold(AttachError::Torn));
    assert_eq!(start_of(&spec, &bytes.image()), Start::Walked);
}

#[test]
fn new_memory_is_not_touched() {
    // Under Miri, and by the host's page counters in the engines' tests: here, that nothing but the
    // header is written.
    let (region, bytes) = region_with_bytes(&Spec::fresh(300_000));
    let cache = Cache::open(region);
    assert_eq!(cache.start(), Start::Cold(AttachError::Fresh));
    let written = bytes.read(HEADER_BYTES as usize, 200_000);
    assert!(written.iter().all(|byte| *byte == 0));
}

/// Loads an image into a region, as a host does that is asked for it; also tells how often it was
/// asked.
fn loaded(spec: &Spec, image: &[u8]) -> (Cache, u32) {
    let mut asked = 0;
    let mut region = region_with_bytes(spec).0;
    region.load(|memory| {
        asked += 1;
        if let Some(memory) = memory.get_mut(..image.len()) {
            memory.copy_from_slice(image);
        }
        image.len() as u32
    });
    (Cache::open(region), asked)
}

#[test]
fn an_image_that_is_loaded_counts_as_memory_that_was_there() {
    for (number, spec) in specs().iter().enumerate() {
        let (_, mut oracle, bytes) = driven(spec, number as u64);
        let image = bytes.image();
        let (mut next, asked) = loaded(spec, &image);
        assert_eq!(next.start(), Start::Walked, "{spec:?}");
        let had_room = image.len() <= spec.capacity as usize;
        assert_eq!(asked, if had_room { 1 } else { 2 });
        oracle.compare(&next).unwrap();
        go_on(&mut next, &mut oracle, 90);
        // Damaged, it leaves nothing behind in the index of the cold cache.
        let mut damaged = closed(spec, number as u64);
        damaged[HEADER_BYTES as usize + 1] ^= 0x40;
        let (mut cold, _) = loaded(spec, &damaged);
        assert_eq!(cold.start(), Start::Cold(AttachError::Damaged), "{spec:?}");
        cold.validate().unwrap();
        go_on(&mut cold, &mut Oracle::default(), 91);
    }
    let large = image(&specs()[0], 1);
    let small = Spec::fresh(large.len() as u32 - 1);
    let (cache, asked) = loaded(&small, &large);
    assert_eq!(
        (cache.start(), asked),
        (Start::Cold(AttachError::TooSmall), 1)
    );
    let exact = Spec::fresh(large.len() as u32);
    let (cache, asked) = loaded(&exact, &large);
    assert_eq!((cache.start(), asked), (Start::Walked, 1));
    // A host that declines may have written before.
    let mut region = region_with_bytes(&exact).0;
    region.load(|memory| {
        memory.copy_from_slice(&large);
        0
    });
    assert_eq!(Cache::open(region).start(), Start::Cold(AttachError::Fresh));
    assert_eq!(
        loaded(&specs()[0], &[]).0.start(),
        Start::Cold(AttachError::Fresh)
    );
}

#[test]
fn less_than_a_header_is_no_image() {
    let spec = Spec::fresh(20_000);
    let image = closed(&spec, 5);
    for len in [1, 8, 100, HEADER_BYTES as usize - 1] {
        assert_eq!(
            start_of(&spec, &image[..len]),
            Start::Cold(AttachError::Fresh)
        );
    }
}

/// A snapshot of an instance has new memory, into which a host may have written since.
#[test]
fn an_image_in_memory_that_was_new_is_gone_on_with() {
    let spec = Spec::fresh(20_000);
    let (region, bytes) = region_with_bytes(&spec);
    for (at, byte) in closed(&spec, 5).into_iter().enumerate() {
        bytes.write(at, byte);
    }
    assert_eq!(Cache::open(region).start(), Start::Walked);
}

/// The walk cannot tell that a bucket counts too few of its entries that stand in their other one,
/// as long as it counts some.
#[test]
#[cfg_attr(miri, ignore = "too long")]
fn an_open_image_that_counts_too_little_loses_nothing() {
    const BUCKET_BYTES: usize = 64;
    const AWAY: usize = 12;
    let spec = Spec::fresh(120_000);
    let (region, bytes) = region_with_bytes(&spec);
    let mut cache = Cache::new(region);
    let keys: Vec<[u8; 4]> = (0..2_000_u32).map(u32::to_le_bytes).collect();
    for key in &keys {
        cache.insert(key, &[key[0]; 90]).unwrap();
    }
    let mut image = bytes.image();
    let info = RegionInfo::read(&image).unwrap();
    let index = HEADER_BYTES as usize..info.arena_start as usize;
    let mut lowered = 0;
    for bucket in image[index].chunks_exact_mut(BUCKET_BYTES) {
        for counts in &mut bucket[AWAY..AWAY + 4] {
            let low = (*counts & 15).min(1) | (*counts >> 4).min(1) << 4;
            lowered += u32::from(*counts != low);
            *counts = low;
        }
    }
    assert!(lowered > 10, "{lowered}");
    let (mut cache, _) = opened(&spec, &image);
    assert_eq!(cache.start(), Start::Walked);
    for key in &keys {
        cache.remove(key);
        assert_eq!(cache.peek(key), None);
        assert_eq!(cache.validate(), Ok(()));
    }
    assert!(cache.is_empty());
}

/// A search takes a tag that differs in its last bit for the one looked for, behind one that is
/// equal. The walk does not.
#[test]
fn an_open_image_with_another_tag_is_refused() {
    const TAGS: usize = HEADER_BYTES as usize;
    let spec = two_buckets();
    let (region, bytes) = region_with_bytes(&spec);
    let mut cache = Cache::new(region);
    assert_eq!(cache.stats().index_bytes, 128);
    for key in keys_of_first_bucket(|tag| tag == 77).take(2) {
        cache.insert(&key, b"v").unwrap();
    }
    let mut image = bytes.image();
    assert_eq!(image[TAGS..TAGS + 3], [77, 77, 0]);
    assert_eq!(start_of(&spec, &image), Start::Walked);
    image[TAGS + 1] ^= 1;
    let refused = Start::Cold(AttachError::Damaged);
    assert_eq!(start_of(&spec, &image), refused);
}
