//! What once broke from safe code.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use steadfast::cache::Cache;
use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::host_interface::{self, HostKey};
use steadfast::{Bytes, Plan, Policy};

/// What a call panicked with.
fn halted<R>(call: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(call))
        .err()
        .expect("the call halts");
    payload
        .downcast_ref::<String>()
        .expect("it says why")
        .clone()
}

/// A plan of a region of 2^64 bytes was reserved, and the cache wrote behind the memory.
#[test]
fn no_builder_makes_a_plan_that_does_not_fit() {
    for bytes in [u64::MAX, u64::MAX << 16, 4 << 30, 1] {
        let bytes = Bytes::new(bytes);
        for call in [
            Plan::with_region_base,
            Plan::with_region_max,
            Plan::with_c_heap,
        ] {
            assert!(halted(|| call(Plan::DEFAULT, bytes)).starts_with("steadfast plan: "));
        }
        let policy = Policy::OnDemand { step: bytes };
        assert!(halted(|| Plan::DEFAULT.with_policy(policy)).starts_with("steadfast plan: "));
    }
    for entry in [0, u32::MAX] {
        assert!(halted(|| Plan::DEFAULT.with_expected_entry(entry)).starts_with("steadfast plan"));
    }
}

/// The host wrote the whole value into a buffer that was shorter. Also where the length was right
/// when it was asked for: a flush, or the next block, changes it.
#[test]
fn a_buffer_of_another_length_than_the_value_is_never_written() {
    let store = |value: &[u8]| {
        stand_in::with(|host| host.store.insert(b"key".to_vec(), value.to_vec()));
    };
    store(b"value");
    for len in [0, 1, 4, 6, 600] {
        let mut buffer = vec![0xAA; len];
        let said = halted(|| host_interface::load(b"key", &mut buffer));
        assert!(said.starts_with("a buffer of"), "{said}");
        assert_eq!(buffer, vec![0xAA; len]);
    }
    let key = HostKey::new(b"key");
    let mut buffer = vec![0; key.value_len()];
    store(b"a longer value");
    let said = halted(|| key.load(&mut buffer));
    assert!(
        said.starts_with("a buffer of 5 bytes was given for a value of 14"),
        "{said}"
    );
    assert_eq!(key.read(), b"a longer value");
}

/// An iterator whose clone gives other pairs, as many as are in the cells.
struct Unlike<'a> {
    left: usize,
    clones: &'a Cell<usize>,
}

impl Clone for Unlike<'_> {
    fn clone(&self) -> Self {
        Self {
            left: self.clones.get(),
            clones: self.clones,
        }
    }
}

impl<'a> Iterator for Unlike<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((b"key", b"value"))
    }
}

/// The length in front of the message was that of the clone's pairs: the host read behind it.
#[test]
fn a_flush_whose_pairs_change_halts() {
    for (left, clones) in [(0, 1), (1, 0), (1, 2), (2, 1), (3, 1000), (usize::MAX, 3)] {
        let clones = Cell::new(clones);
        let pairs = Unlike {
            left,
            clones: &clones,
        };
        let said = halted(|| host_interface::flush(pairs));
        assert!(said.starts_with("the pairs of a flush changed"), "{said}");
    }
    assert!(stand_in::with(|host| host.flushes.is_empty()));
}

/// A cache goes on over its memory when the thread that reserved it has ended, and is not extended
/// by the memory of another thread.
#[test]
fn a_cache_outlives_its_thread() {
    const PLAN: Plan =
        Plan::DEFAULT
            .with_region_max(Bytes::kib(512))
            .with_policy(Policy::OnDemand {
                step: Bytes::kib(64),
            });
    let opened = std::thread::spawn(|| {
        steadfast::reserve_with(&PLAN);
        let mut cache = steadfast::open_cache().expect("opened once");
        cache.insert(b"key", b"value").expect("it fits");
        cache
    });
    let mut cache: Cache = opened.join().expect("it does not panic");
    steadfast::reserve_with(&PLAN);
    let (capacity, room) = (cache.capacity(), cache.stats().arena_bytes as usize);
    assert!(capacity < cache.max_capacity());
    assert_eq!(cache.get(b"key"), Some(&b"value"[..]));
    let large = vec![7; room / 4];
    for number in 0..16_u32 {
        cache
            .insert(&number.to_le_bytes(), &large)
            .expect("there is room by eviction");
    }
    assert_eq!(
        cache.capacity(),
        capacity,
        "its own memory cannot grow any more"
    );
    assert_eq!(cache.get(&15_u32.to_le_bytes()), Some(&large[..]));
    cache.validate().expect("the cache is sound");

    let here = steadfast::open_cache().expect("this thread has a region of its own");
    assert!(here.is_empty());
}
