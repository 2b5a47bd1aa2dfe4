//! Guests stopped anywhere: an image of what they leave gives right values or none.

use std::collections::HashSet;

use steadfast::cache::{Cache, Pool, Scope};
use steadfast::instance_info::InstanceInfo;
use steadfast::region::{HEADER_BYTES, RegionInfo, Start};
use steadfast_host::engine::engine;
use steadfast_host::{Digest, HeldRegion, ImageError, OwnPages, RegionImage};
use steadfast_testkit::cache::{Script, Spec, apply, noise, open_once, region};
use wasm_tests::{RESULTS, TARGETS, path};
use wasmtime::{Instance, InstancePre, Linker, Memory, Module, Store};

/// As the guest has them.
const OPERATIONS: usize = 400;
const BASE: usize = 2 << 20;
const REGION: usize = 64 << 10;

/// How many points are tried, unless `STEADFAST_STOPS` says otherwise.
const STOPS: u64 = 10_000;
/// One in so many images is also put into a fresh instance.
const INSTANCES: u64 = 10;

type Entry = (Scope, Vec<u8>, Vec<u8>);
type Entries = Vec<Entry>;

fn entries(cache: &Cache) -> Entries {
    let all = Pool::ALL.into_iter().flat_map(|pool| cache.entries(pool));
    all.map(|(scope, key, value)| (scope, key.to_vec(), value.to_vec()))
        .collect()
}

/// What the cache holds after each number of operations.
fn expected() -> Vec<Entries> {
    let spec = Spec {
        expected_entry: 60,
        ..Spec::fresh(REGION as u32)
    };
    let mut cache = Cache::new(region(&spec));
    let mut script = Script::new(noise(3), 3_000).all_pools();
    let mut scope = Scope::Main;
    let mut all = vec![Entries::new()];
    for _ in 0..OPERATIONS {
        let op = script.next().unwrap();
        apply(&mut cache, &mut scope, &op);
        all.push(entries(&cache));
    }
    all.push(all[OPERATIONS].clone());
    all
}

struct Live {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    results_at: usize,
}

impl Live {
    fn new(instances: &InstancePre<()>, fuel: u64) -> Live {
        let mut store = Store::new(instances.module().engine(), ());
        store.set_fuel(fuel).unwrap();
        let instance = instances.instantiate(&mut store).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let results = instance.get_global(&mut store, "guest_results").unwrap();
        let results_at = results.get(&mut store).unwrap_i32() as usize;
        assert!(
            instance
                .get_global(&mut store, InstanceInfo::EXPORT)
                .is_some()
        );
        Live {
            store,
            instance,
            memory,
            results_at,
        }
    }

    /// Runs to the end or until the fuel is used up; says whether it ended.
    fn start(&mut self) -> bool {
        let start = self
            .instance
            .get_typed_func::<(), ()>(&mut self.store, "_start");
        start.unwrap().call(&mut self.store, ()).is_ok()
    }

    /// Runs a guest that is to look at what it finds and to do nothing else.
    fn look(&mut self) {
        let look = self.results_at + 8 * (RESULTS - 1);
        self.memory
            .write(&mut self.store, look, &1u64.to_le_bytes())
            .unwrap();
        assert!(self.start(), "an image does not stop an instance");
    }

    fn result(&self, number: usize) -> u64 {
        let bytes = &self.memory.data(&self.store)[self.results_at + 8 * number..];
        u64::from_le_bytes(*bytes.first_chunk().unwrap())
    }

    /// The region's bytes, as far as there are any.
    fn region(&self) -> &[u8] {
        let memory = self.memory.data(&self.store);
        memory.get(BASE..).unwrap_or_default()
    }
}

/// What a fresh instance makes of a region's bytes: how it began, and how many entries it has.
fn look(instances: &InstancePre<()>, image: &[u8]) -> (Start, u64) {
    let mut live = Live::new(instances, u64::MAX);
    let pages = (BASE + image.len()).div_ceil(1 << 16) as u64;
    let more = pages - live.memory.size(&live.store);
    live.memory.grow(&mut live.store, more).unwrap();
    live.memory.write(&mut live.store, BASE, image).unwrap();
    live.look();
    let start = Start::from_code(live.result(1) as u32).expect("it opened its cache");
    (start, live.result(3))
}

/// What a fresh instance makes of the region that moves there from one that was stopped; `None`
/// where it does not.
fn look_at_moved(instances: &InstancePre<()>, stopped: &mut Live) -> Option<(Start, u64, Entries)> {
    // SAFETY: the memories are those of one engine, which allocates them on demand.
    let pages = unsafe { OwnPages::new() };
    let memory = stopped.memory.data_mut(&mut stopped.store);
    let held = HeldRegion::take(memory, BASE as u32, Digest([0; 32]), pages).ok()?;
    let mut live = Live::new(instances, u64::MAX);
    let more = held.memory_wanted() / (1 << 16) - live.memory.size(&live.store);
    live.memory.grow(&mut live.store, more).unwrap();
    held.put(live.memory.data_mut(&mut live.store), pages)
        .unwrap();
    let found = attach(live.region()).expect("what is moved is sealed");
    // An instance that has not opened its cache has told it nothing.
    let memory = live.memory.data_mut(&mut live.store);
    let unopened = HeldRegion::take(memory, BASE as u32, Digest([0; 32]), pages);
    assert!(matches!(unopened, Err(ImageError::Unopened)));
    let unopened = RegionImage::capture(memory, BASE as u32, Digest([0; 32]));
    assert!(matches!(unopened, Err(ImageError::Unopened)));
    live.look();
    let start = Start::from_code(live.result(1) as u32).expect("it opened its cache");
    Some((start, live.result(3), found.into_iter().collect()))
}

/// What the same code finds natively, if it attaches.
fn attach(bytes: &[u8]) -> Option<HashSet<Entry>> {
    let info = RegionInfo::read(bytes).ok()?;
    let spec = Spec {
        expected_entry: info.expected_entry,
        plan_fingerprint: info.plan_fingerprint,
        ..Spec::fresh(REGION as u32)
    };
    open_once(&spec, bytes, |cache, _| {
        let warm = cache.start().is_warm();
        warm.then(|| entries(cache).into_iter().collect())
    })
}

#[test]
fn a_guest_that_is_stopped_anywhere_leaves_right_values_or_none() {
    let stops = std::env::var("STEADFAST_STOPS").ok();
    let stops = stops.map_or(STOPS, |stops| stops.parse().expect("a number"));
    let engine = engine(true).unwrap();
    let module = Module::from_file(&engine, path(TARGETS[1], "image-ops")).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("env", "__log", |_: u32| ()).unwrap();
    let instances = linker.instantiate_pre(&module).unwrap();
    let expected = expected();

    let mut whole = Live::new(&instances, u64::MAX);
    assert!(whole.start());
    let all = u64::MAX - whole.store.get_fuel().unwrap();
    assert_eq!(look(&instances, whole.region()).0, Start::Walked);

    let (mut cold, mut rejected, mut warm, mut every_key) = (0u64, 0u64, 0u64, 0u64);
    for stop in 0..stops {
        // Every unit where there are as many stops, and evenly spread ones otherwise.
        let fuel = 1 + (u128::from(all) * u128::from(stop) / u128::from(stops)) as u64;
        let mut live = Live::new(&instances, fuel);
        live.start();
        let at = live.result(0) as usize;
        let region = live.region();
        let begun = region.len() >= HEADER_BYTES as usize && region[..8] != [0; 8];
        let Some(found) = attach(region) else {
            if begun {
                rejected += 1;
            } else {
                cold += 1;
            }
            assert!(
                look_at_moved(&instances, &mut live).is_none(),
                "fuel {fuel}"
            );
            continue;
        };
        warm += 1;
        let around = at.saturating_sub(1)..=(at + 1).min(expected.len() - 1);
        for entry in &found {
            let right = around.clone().any(|at| expected[at].contains(entry));
            assert!(right, "fuel {fuel}, operation {at}: {:?} is wrong", entry.1);
        }
        let same = |entries: &Entries| {
            entries.len() == found.len() && entries.iter().all(|entry| found.contains(entry))
        };
        every_key += u64::from(around.clone().any(|at| same(&expected[at])));
        if stop % INSTANCES == 0 {
            let (start, count) = look(&instances, region);
            assert_eq!(
                (start, count),
                (Start::Walked, found.len() as u64),
                "fuel {fuel}"
            );
            let moved = look_at_moved(&instances, &mut live).expect("what attaches is moved");
            assert_eq!((moved.0, moved.1), (Start::Sealed, found.len() as u64));
            assert!(
                moved.2.iter().all(|entry| found.contains(entry)),
                "fuel {fuel}"
            );
            assert_eq!(moved.2.len(), found.len(), "fuel {fuel}");
        }
    }
    println!(
        "{stops} stops in {all} units of fuel: {warm} warm, {every_key} of them with every key; {rejected} rejected; {cold} cold"
    );
    assert!(warm > 0 && every_key > 0 && rejected > 0 && cold > 0);
    assert!(
        10 * every_key >= 9 * warm,
        "an image between operations has every key"
    );
}
