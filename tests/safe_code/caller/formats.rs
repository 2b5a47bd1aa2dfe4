//! What hosts read: regions, heaps and instance info, from any bytes.

use std::alloc::Layout;

use steadfast::heap::{Heap, HeapMap};
use steadfast::instance_info::{InstanceInfo, Reservation};
use steadfast::probe::RegionOutcome;
use steadfast::region::{
    Geometry, RegionInfo, RegionReader, Start, Status, block_bytes, clear, seal, set_user_tag,
};

use super::Caller;

pub fn region(caller: &mut Caller) {
    let mut image = caller.damaged_image();
    let random = &mut caller.random;
    match random.below(4) {
        0 => {
            let status = random.pick(&[
                Status::Open,
                Status::Changing,
                Status::Closed,
                Status::Sealed,
                Status::Shared,
            ]);
            let _ = seal(&mut image, status);
        }
        1 => drop(set_user_tag(&mut image, &[9; 40])),
        2 => drop(clear(&mut image)),
        _ => {}
    }
    if let Ok(info) = RegionInfo::read(&image) {
        let _ = info.image_parts();
    }
    if let Ok(reader) = RegionReader::of(&image) {
        let _ = (reader.info(), reader.age_step(), reader.index_load());
        let _ = reader.buckets_by_load();
        for pool in [0, 1, 2, 3, usize::MAX] {
            reader.recent(pool).for_each(drop);
        }
        reader.blocks().for_each(drop);
    }
    caller.images.push(image);
    if caller.images.len() > 8 {
        caller.images.remove(0);
    }
}

/// Of a heap, what needs no unsafe code is to ask one that has no memory.
pub fn heap(caller: &mut Caller) {
    let random = &mut caller.random;
    let mut heap = Heap::new();
    let (size, align) = (random.size(), 1_usize << random.below(64));
    if let Ok(layout) = Layout::from_size_align(size >> random.below(64), align) {
        assert!(heap.alloc(layout).is_null());
        assert!(heap.alloc_zeroed(layout).is_null());
    }
    let counters = heap.stats();
    assert_eq!(counters.external_fragmentation_permille(), 0);
    let _ = (heap.usage(), heap.class_stats(), heap.is_adopted());
    heap.validate().expect("nothing is wrong with nothing");
}

/// A span of a module's heap with one slab, one free run and one large block, before it is damaged.
pub fn heap_map(caller: &mut Caller) {
    const GRANULES: usize = 128;
    let mut span = vec![0_u8; GRANULES * 512];
    let mut put = |granule: usize, word: u32| {
        span[4 * granule..4 * granule + 4].copy_from_slice(&word.to_le_bytes());
    };
    // The table takes one granule; slabs stand at multiples of 16.
    put(1, 15 << 2 | 1);
    put(16, 64);
    put(32, 20 << 2 | 2);
    let used = 52_u32;
    let random = &mut caller.random;
    let usage: Vec<u8> = [18_432, 18_432, used, used]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut usage = usage;
    if random.chance(3) {
        random.damage(&mut usage);
    }
    for _ in 0..random.below(3) {
        let granule = random.below(60) as usize;
        let word = (random.u32() >> random.below(32)).to_le_bytes();
        span[4 * granule..4 * granule + 4].copy_from_slice(&word);
    }
    span.truncate(random.below(2 * span.len() as u64) as usize);
    let word_bytes = random.pick(&[4, 4, 8, 3, 0, usize::MAX]);
    if let Ok(map) = HeapMap::read(&span, &usage, word_bytes) {
        let _ = (map.usage(), map.stats(), map.class_stats());
        assert_eq!(
            map.parts().map(|part| part.len).sum::<usize>(),
            span.len() / 512 * 512
        );
    }
}

pub fn instance_info(caller: &mut Caller) {
    let random = &mut caller.random;
    let mut bytes = vec![0; InstanceInfo::LEN];
    bytes[..8].copy_from_slice(&InstanceInfo::MAGIC.to_le_bytes());
    bytes[8] = 1;
    random.damage(&mut bytes);
    bytes.truncate(random.below(2 * InstanceInfo::LEN as u64) as usize);
    let _ = InstanceInfo::decode(&bytes);
    let code = random.u32();
    let _ = (Reservation::from_code(code), RegionOutcome::from_code(code));
    let _ = (Start::from_code(code), Status::from_code(code));
    let _ = block_bytes(random.size(), random.size());
    if let Some(geometry) = Geometry::new(random.u32(), random.u32()) {
        let _ = (geometry.index_bytes(), geometry.max_buckets());
    }
    let forged = Geometry {
        limit: random.u32(),
        group_buckets: random.u32(),
        levels: random.u32(),
        first_level: random.u32(),
        arena_start: random.u32(),
        stamp_shift: random.u32(),
    };
    let _ = (forged.max_buckets(), forged.index_bytes());
}
