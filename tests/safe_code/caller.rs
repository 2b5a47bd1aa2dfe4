//! Calls the public functions, any of them after any other.

mod cache;
mod formats;
mod metashrew;
mod reservation;

use std::panic::{AssertUnwindSafe, catch_unwind};

use steadfast::{Bytes, Cache, Plan};

use crate::random::Random;

/// What a program holds on to from call to call.
pub struct Caller {
    random: Random,
    plans: Vec<Plan>,
    caches: Vec<Cache>,
    images: Vec<Vec<u8>>,
}

/// Small, so that images are.
pub const SMALL: Plan =
    Plan::DEFAULT.with_region_max(Bytes::kib(if cfg!(miri) { 64 } else { 1024 }));

/// One call, or a few that belong together.
type Call = fn(&mut Caller);

const CALLS: [Call; 32] = [
    reservation::plan,
    reservation::encoded_plan,
    reservation::sizes,
    reservation::reserve,
    reservation::probe,
    reservation::exclusive,
    cache::open,
    cache::open_over_an_image,
    cache::insert,
    cache::insert,
    cache::insert,
    cache::look_up,
    cache::look_up,
    cache::load,
    cache::misname,
    cache::remove,
    cache::bound,
    cache::heights,
    cache::walk,
    cache::image,
    cache::end,
    cache::on_another_thread,
    formats::region,
    formats::heap,
    formats::heap_map,
    formats::instance_info,
    metashrew::block,
    metashrew::view,
    metashrew::lru_cache,
    metashrew::debugging,
    metashrew::host_reads,
    metashrew::host_writes,
];

impl Caller {
    pub fn new(random: Random) -> Self {
        Self {
            random,
            plans: vec![SMALL],
            caches: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Makes so many calls, and tells how many it made.
    pub fn run(mut self, calls: usize) -> usize {
        for _ in 0..calls {
            let call = self.random.pick(&CALLS);
            // A panic is an answer; what was being called must still be fit for use.
            let _ = catch_unwind(AssertUnwindSafe(|| call(&mut self)));
        }
        calls
    }

    /// One of the plans that were made; often the one that images are of.
    fn plan(&mut self) -> Plan {
        match self.random.chance(2) {
            true => SMALL,
            false => self.random.pick(&self.plans),
        }
    }

    /// One of the caches, for one call.
    fn with_cache<R>(&mut self, call: impl FnOnce(&mut Random, &mut Cache) -> R) -> Option<R> {
        let number = self.random.below(self.caches.len().max(1) as u64) as usize;
        let cache = self.caches.get_mut(number)?;
        Some(call(&mut self.random, cache))
    }

    /// An image of a cache, as it was or damaged; or no image at all.
    fn damaged_image(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        if self.images.is_empty() || random.chance(10) {
            return random.bytes(3_000);
        }
        let number = random.below(self.images.len() as u64) as usize;
        let mut image = self.images[number].clone();
        if !random.chance(3) {
            random.damage(&mut image);
        }
        if random.chance(10) {
            image.truncate(random.below(image.len() as u64 + 1) as usize);
        }
        image
    }
}
