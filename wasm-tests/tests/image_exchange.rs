//! Guests that ask for the image of their cache themselves, under a host with a linker of its own
//! and under the runner.

use std::collections::BTreeMap;
use std::fs;

use steadfast::instance_info::InstanceInfo;
use steadfast::region::{AttachError, Start, Status, seal};
use steadfast_host::metashrew::decode_flush;
use steadfast_host::{
    BlockTag, HeldRegion, ImageError, ImageExchange, Input, MemoryState, Output, OwnPages,
    RegionImage, RunConfig, Runner, SharedCache, find_instance_info, state_digest,
};
use wasm_tests::path;
use wasmparser::{Parser, Payload};
use wasmtime::{Caller, Engine, Extern, Linker, Module, Store};

const TARGET: &str = "wasm32-unknown-unknown";
const GUESTS: [&str; 2] = ["asking", "asking-on-demand"];
/// Of the keys that the guest reads, and one that it writes in each block.
const KEYS: usize = 501;
/// What follows the height for a block that fails after its flush.
const FAIL: u8 = 1;

fn module(name: &str) -> Vec<u8> {
    let path = path(TARGET, name);
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()))
}

/// What a host has that knows nothing of steadfast but the exchange of images.
struct Host {
    input: Vec<u8>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    flushed: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    images: ImageExchange,
    /// Which byte of a loaded image is damaged, counted from its start.
    damage: Option<usize>,
    reads: usize,
}

/// The host, and the module that it makes a fresh instance of for each block.
struct Embedder {
    linker: Linker<Host>,
    module: Module,
    host: Option<Host>,
    /// Whether regions are moved.
    moves: bool,
}

/// How a block went.
#[derive(Debug)]
struct Block {
    start: Start,
    reads: usize,
    succeeded: bool,
}

type Memory<'a> = (&'a mut [u8], &'a mut Host);

fn parts<'a>(caller: &'a mut Caller<'_, Host>) -> Memory<'a> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    memory.unwrap().data_and_store_mut(caller)
}

/// The byte string at a pointer, behind its length.
fn string(memory: &[u8], pointer: u32) -> Vec<u8> {
    let at = pointer as usize;
    let len = u32::from_le_bytes(memory[at - 4..at].try_into().unwrap());
    memory[at..at + len as usize].to_vec()
}

impl Embedder {
    fn new(name: &str) -> Embedder {
        let bytes = module(name);
        let engine = Engine::default();
        let module = Module::new(&engine, &bytes).unwrap();
        let mut linker = Linker::new(&engine);
        Self::define(&mut linker).unwrap();
        let host = Host {
            input: Vec::new(),
            state: BTreeMap::new(),
            flushed: None,
            images: ImageExchange::new(&bytes),
            damage: None,
            reads: 0,
        };
        Embedder {
            linker,
            module,
            host: Some(host),
            moves: false,
        }
    }

    /// As [`new`](Self::new), and regions are moved from one instance to the next.
    fn moving(name: &str) -> Embedder {
        let mut embedder = Embedder::new(name);
        // SAFETY: the memories are those of one engine, which allocates them on demand, as is its
        // default.
        let pages = unsafe { OwnPages::new() };
        embedder.host().images.move_regions(pages);
        embedder.moves = true;
        embedder
    }

    fn define(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
        linker.func_wrap("env", "__host_len", |mut caller: Caller<'_, Host>| {
            parts(&mut caller).1.input.len() as i32
        })?;
        linker.func_wrap(
            "env",
            "__load_input",
            |mut caller: Caller<'_, Host>, at: u32| {
                let (memory, host) = parts(&mut caller);
                memory[at as usize..][..host.input.len()].copy_from_slice(&host.input);
            },
        )?;
        linker.func_wrap(
            "env",
            "__get_len",
            |mut caller: Caller<'_, Host>, key: u32| {
                let (memory, host) = parts(&mut caller);
                host.reads += 1;
                let value = host.state.get(&string(memory, key));
                value.map_or(0, Vec::len) as i32
            },
        )?;
        linker.func_wrap(
            "env",
            "__get",
            |mut caller: Caller<'_, Host>, key: u32, at: u32| {
                let (memory, host) = parts(&mut caller);
                if let Some(value) = host.state.get(&string(memory, key)) {
                    memory[at as usize..][..value.len()].copy_from_slice(value);
                }
            },
        )?;
        linker.func_wrap(
            "env",
            "__flush",
            |mut caller: Caller<'_, Host>, message: u32| {
                let (memory, host) = parts(&mut caller);
                host.flushed = Some(decode_flush(&string(memory, message)).unwrap());
            },
        )?;
        linker.func_wrap("env", "__log", |_: u32| ())?;
        linker.func_wrap(
            "env",
            "__load_image",
            |mut caller: Caller<'_, Host>, at: u32, capacity: u32| {
                let (memory, host) = parts(&mut caller);
                let len = host.images.load(memory, at, capacity);
                if let Some(byte) = host.damage.filter(|_| len as u32 <= capacity) {
                    memory[at as usize + byte] ^= 1;
                }
                len
            },
        )?;
        linker.func_wrap(
            "env",
            "__offer_image",
            |mut caller: Caller<'_, Host>, at: u32, len: u32| {
                let (memory, host) = parts(&mut caller);
                host.images.offer(memory, at, len).unwrap();
            },
        )?;
        Ok(())
    }

    fn host(&mut self) -> &mut Host {
        self.host.as_mut().unwrap()
    }

    /// Runs a block in a fresh instance, and publishes what it left if it succeeded.
    fn run(&mut self, height: u32, then: u8) -> Block {
        let mut host = self.host.take().unwrap();
        host.input = [&height.to_le_bytes()[..], &[then]].concat();
        (host.flushed, host.reads) = (None, 0);
        let mut store = Store::new(self.linker.engine(), host);
        let instance = self.linker.instantiate(&mut store, &self.module).unwrap();
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start");
        let succeeded = start.unwrap().call(&mut store, ()).is_ok();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let (bytes, host) = memory.data_and_store_mut(&mut store);
        let info: InstanceInfo = find_instance_info(bytes).unwrap();
        assert_eq!(host.images.offered().is_some(), !self.moves);
        match succeeded {
            true => {
                host.state.extend(host.flushed.take().unwrap());
                let hash = [height as u8; 32];
                let chain = *b"test";
                let block = BlockTag {
                    chain,
                    height,
                    hash,
                };
                match self.moves {
                    true => host.images.publish_from(bytes, block).unwrap(),
                    false => host.images.publish_as_of(block),
                }
            }
            false => host.images.discard(),
        }
        let host = store.into_data();
        let reads = host.reads;
        self.host = Some(host);
        Block {
            start: Start::from_code(info.cache_start).unwrap(),
            reads,
            succeeded,
        }
    }

    fn image(&self) -> Option<&RegionImage> {
        self.host.as_ref().unwrap().images.image()
    }
}

#[test]
fn the_second_instance_has_the_keys_of_the_first() {
    for name in GUESTS {
        let mut embedder = Embedder::new(name);
        let first = embedder.run(7, 0);
        assert!(first.succeeded && !first.start.is_warm(), "{first:?}");
        assert_eq!(first.reads, KEYS, "{name}");
        let info = embedder.image().unwrap().info();
        assert_eq!(
            (info.stats.entries as usize, info.height),
            (KEYS, 7),
            "{name}"
        );
        for height in [8, 9] {
            let next = embedder.run(height, 0);
            assert_eq!((next.start, next.reads), (Start::Sealed, 0), "{name}");
        }
    }
}

#[test]
fn regions_move_from_one_instance_to_the_next() {
    for name in GUESTS {
        let mut embedder = Embedder::moving(name);
        let first = embedder.run(7, 0);
        assert_eq!(
            (first.start.is_warm(), first.reads),
            (false, KEYS),
            "{name}"
        );
        for height in 8..20 {
            let next = embedder.run(height, 0);
            assert_eq!((next.start, next.reads), (Start::Sealed, 0), "{name}");
        }
        // A block that fails has the region, and the next one begins without.
        let failed = embedder.run(20, FAIL);
        assert_eq!((failed.start, failed.succeeded), (Start::Sealed, false));
        let again = embedder.run(20, 0);
        assert_eq!(
            (again.start.is_warm(), again.reads),
            (false, KEYS),
            "{name}"
        );
        // Back to the block before: the entry that the last one wrote is asked for again.
        let tag = |height: u32| BlockTag {
            chain: *b"test",
            height,
            hash: [height as u8; 32],
        };
        embedder.run(21, 0);
        let images = &mut embedder.host().images;
        images.bring_to(tag(20), |_| true).unwrap();
        let next = embedder.run(21, 0);
        assert_eq!((next.start, next.reads), (Start::Sealed, 1), "{name}");
        // To one that is no ancestor: cold.
        let images = &mut embedder.host().images;
        assert!(images.bring_to(tag(20), |_| false).is_err());
        assert!(!embedder.run(20, 0).start.is_warm());
        // What an instance did not offer is not taken.
        let images = &mut embedder.host().images;
        let taken = images.publish_from(&mut [0; 65_536], tag(20));
        assert!(matches!(taken, Err(ImageError::NotOffered)));
    }
}

#[test]
fn a_failed_block_publishes_nothing() {
    let mut embedder = Embedder::new(GUESTS[0]);
    assert!(!embedder.run(7, FAIL).succeeded);
    assert!(embedder.image().is_none());
    let again = embedder.run(7, 0);
    assert_eq!((again.start.is_warm(), again.reads), (false, KEYS));
    let before = embedder.image().unwrap().bytes().to_vec();
    assert!(!embedder.run(8, FAIL).succeeded);
    assert_eq!(embedder.image().unwrap().bytes(), before);
    let next = embedder.run(8, 0);
    assert_eq!((next.start, next.reads), (Start::Sealed, 0));
}

#[test]
fn a_damaged_image_starts_cold() {
    let mut embedder = Embedder::new(GUESTS[0]);
    embedder.run(7, 0);
    // On the way into the instance: of a sealed image, the header is checked.
    for byte in [0, 9, 130, 200] {
        embedder.host().damage = Some(byte);
        let damaged = embedder.run(8, FAIL);
        let start = damaged.start;
        assert!(
            !start.is_warm() && start != Start::Cold(AttachError::Fresh),
            "{start:?}"
        );
        assert_eq!(damaged.reads, KEYS, "byte {byte}");
    }
    embedder.host().damage = None;
    assert_eq!(embedder.run(8, 0).start, Start::Sealed);
    // On the way out: it is not taken, and the one before it is not as of the state any more.
    let image = embedder.image().unwrap().clone();
    let mut memory = vec![0; image.memory_needed() as usize];
    image.restore(&mut memory).unwrap();
    let (base, len) = (image.address(), image.info().frontier);
    // As a guest that has opened it and closed it again leaves it.
    seal(&mut memory[base as usize..], Status::Closed).unwrap();
    let images = &mut embedder.host().images;
    images.offer(&memory, base, len).unwrap();
    assert!(images.offer(&memory, base, len - 1).is_err());
    assert!(images.offer(&memory, u32::MAX, u32::MAX).is_err());
    memory[base as usize + image.info().arena_start as usize + 3] ^= 0x80;
    assert!(images.offer(&memory, base, len).is_err());
    images.publish(9);
    assert!(embedder.image().is_none());
    assert!(!embedder.run(10, 0).start.is_warm());
}

#[test]
fn a_reorganisation_cuts_the_published_image_back() {
    let mut embedder = Embedder::new(GUESTS[0]);
    for height in 7..10 {
        embedder.run(height, 0);
    }
    let images = &mut embedder.host().images;
    images.cut_back(8);
    let info = images.image().unwrap().info();
    // The entry that each block writes is gone.
    assert_eq!((info.stats.entries as usize, info.height), (KEYS - 1, 8));
    let next = embedder.run(9, 0);
    assert_eq!((next.start, next.reads), (Start::Sealed, 1));
    // Without heights, nobody knows what to drop.
    let images = &mut embedder.host().images;
    let image = images.image().unwrap().clone();
    images.take_up(image.clone(), 12).unwrap();
    images.cut_back(11);
    assert!(images.image().is_none());
    let mut others = ImageExchange::new(b"another module");
    assert!(others.take_up(image, 9).is_err());
}

fn runner(name: &str) -> Runner {
    let config = RunConfig {
        output: Output::Discard,
        ..RunConfig::default()
    };
    Runner::new(&module(name), config).unwrap()
}

#[test]
fn the_runner_exchanges_images_as_well() {
    for name in GUESTS {
        let runner = runner(name);
        assert!(runner.guest().asks_for_image());
        let (mut warm, mut cold) = (MemoryState::default(), MemoryState::default());
        let mut image: Option<RegionImage> = None;
        for height in 7..10 {
            let input = Input::new(height, &[0]);
            let finished = runner.start_warm(&input, &warm, image.as_ref()).unwrap();
            let start = Start::from_code(finished.instance_info().unwrap().cache_start).unwrap();
            assert_eq!(start.is_warm(), image.is_some(), "{name}: {start}");
            image = Some(finished.image().unwrap());
            let report = finished.commit(&mut warm).unwrap();
            assert_eq!(report.imports.get_lens == 0, start.is_warm());
            let report = runner.run_block(&input, &mut cold).unwrap();
            assert_eq!(report.imports.get_lens as usize, KEYS);
        }
        assert_eq!(state_digest(&warm).unwrap(), state_digest(&cold).unwrap());
        let failed = runner.start_warm(&Input::new(10, &[FAIL]), &warm, image.as_ref());
        assert!(failed.unwrap().image().is_err());
    }
}

#[test]
fn the_runner_moves_regions_as_well() {
    for name in GUESTS {
        let runner = runner(name);
        let (mut warm, mut cold) = (MemoryState::default(), MemoryState::default());
        let mut held: Option<HeldRegion> = None;
        for height in 7..12 {
            let input = Input::new(height, &[0]);
            let was_held = held.is_some();
            let finished = runner.start_held(&input, &warm, held.take()).unwrap();
            let start = Start::from_code(finished.instance_info().unwrap().cache_start).unwrap();
            assert_eq!(start == Start::Sealed, was_held, "{name}: {start}");
            let (report, left) = finished.commit_and_hold(&mut warm).unwrap();
            assert_eq!(report.imports.get_lens == 0, was_held, "{name}");
            held = Some(left.unwrap());
            runner.run_block(&input, &mut cold).unwrap();
        }
        assert_eq!(state_digest(&warm).unwrap(), state_digest(&cold).unwrap());
    }
}

#[test]
fn the_runner_shares_caches_as_well() {
    for name in GUESTS {
        let runner = runner(name);
        let (mut warm, mut cold) = (MemoryState::default(), MemoryState::default());
        let mut cache: Option<SharedCache> = None;
        for height in 7..12 {
            let input = Input::new(height, &[0]);
            let finished = runner.start_shared(&input, &warm, cache.as_ref()).unwrap();
            let start = Start::from_code(finished.instance_info().unwrap().cache_start).unwrap();
            assert_eq!(start == Start::Sealed, cache.is_some(), "{name}: {start}");
            let was_shared = cache.is_some();
            let (report, left) = finished.commit_and_share(&mut warm, &mut cache).unwrap();
            assert_eq!(report.imports.get_lens == 0, was_shared, "{name}");
            left.unwrap();
            runner.run_block(&input, &mut cold).unwrap();
        }
        assert_eq!(state_digest(&warm).unwrap(), state_digest(&cold).unwrap());
    }
}

#[test]
fn a_module_without_the_feature_imports_nothing_new() {
    let imports = |name: &str| -> Vec<String> {
        let bytes = module(name);
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(&bytes) {
            if let Payload::ImportSection(section) = payload.unwrap() {
                for import in section.into_imports() {
                    let import = import.unwrap();
                    names.push(format!("{}::{}", import.module, import.name));
                }
            }
        }
        names.sort();
        names
    };
    let plain = [
        "env::__flush",
        "env::__get",
        "env::__get_len",
        "env::__host_len",
        "env::__load_input",
        "env::__log",
    ];
    assert_eq!(imports("metashrew-block"), plain);
    let mut with = imports(GUESTS[0]);
    with.retain(|name| !plain.contains(&name.as_str()));
    assert_eq!(with, ["env::__load_image", "env::__offer_image"]);
}
