//! The indexers with a cache that outlives its instance: the same results as with a cold one, and
//! what the host refuses.

use std::fs;

use steadfast::instance_info::InstanceInfo;
use steadfast::region::{AttachError, FORMAT_VERSION, RegionInfo, Start, Status};
use steadfast_host::{
    AsOf, BlockReport, Chain, Compression, Digest, Finished, ImageError, Input, MemoryState,
    Output, RegionImage, RunConfig, Runner, state_digest,
};
use wasm_tests::indexer;
use xxhash_rust::xxh64::xxh64;

const MODULES: [&str; 3] = ["indexer_metashrew", "indexer-wasi", "metashrew_port"];
const BLOCKS: u32 = 3;
/// Bytes of an image's file before the region's header; the last eight are a checksum of the
/// others.
const FILE_HEAD: usize = 96;

fn runner(name: &str, config: RunConfig) -> Runner {
    let config = RunConfig {
        output: Output::Discard,
        ..config
    };
    Runner::new(&indexer(name), config).unwrap()
}

/// The same block at one height after the other.
fn inputs() -> impl Iterator<Item = Input> {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    (0..BLOCKS).map(move |number| {
        let height = 702_861 + number;
        let input = [&height.to_le_bytes()[..], block].concat();
        Input::parse("mainnet block 702861", &input).unwrap()
    })
}

fn start_of(finished: &Finished) -> Start {
    let info: InstanceInfo = finished.instance_info().expect("it has instance info");
    Start::from_code(info.cache_start).expect("it opened its cache")
}

struct Run {
    reports: Vec<BlockReport>,
    starts: Vec<Start>,
    state: MemoryState,
    image: RegionImage,
}

impl Run {
    /// Indexes the blocks; each but the first with what `between` makes of the image before.
    fn of(runner: &Runner, between: impl Fn(RegionImage) -> Option<RegionImage>) -> Run {
        let mut state = MemoryState::default();
        let (mut reports, mut starts, mut image) = (Vec::new(), Vec::new(), None);
        for input in inputs() {
            let given = image.take().and_then(&between);
            let finished = runner.start_warm(&input, &state, given.as_ref()).unwrap();
            starts.push(start_of(&finished));
            image = Some(finished.image().unwrap());
            reports.push(finished.commit(&mut state).unwrap());
        }
        Run {
            reports,
            starts,
            state,
            image: image.expect("there were blocks"),
        }
    }

    fn digest(&self) -> Digest {
        state_digest(&self.state).unwrap()
    }

    fn reads(&self) -> u64 {
        self.reports.iter().map(|report| report.imports.gets).sum()
    }
}

#[test]
fn a_warm_cache_changes_speed_and_nothing_else() {
    for name in MODULES {
        let runner = runner(name, RunConfig::default());
        let cold = Run::of(&runner, |_| None);
        let warm = Run::of(&runner, Some);
        assert!(cold.starts.iter().all(|start| !start.is_warm()), "{name}");
        assert_eq!(
            warm.starts[1..],
            [Start::Sealed; BLOCKS as usize - 1],
            "{name}"
        );
        assert_eq!(warm.digest(), cold.digest(), "{name}");
        for (cold, warm) in cold.reports.iter().zip(&warm.reports) {
            let trace = |report: &BlockReport| report.observed.as_ref().unwrap().heap_trace;
            assert_eq!(trace(cold), trace(warm), "{name}");
            assert_eq!(cold.written_pairs, warm.written_pairs, "{name}");
        }
        assert!(warm.reads() < cold.reads(), "{name}");
    }
}

#[test]
fn an_image_is_kept_in_a_file_compressed_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cache.image");
    let runner = runner(MODULES[0], RunConfig::default());
    let expected = Run::of(&runner, Some);
    for compression in [Compression::None, Compression::Lz4] {
        let run = Run::of(&runner, |image| {
            image.write(&path, Digest([7; 32]), compression).unwrap();
            let (read, state) = RegionImage::read(&path).unwrap();
            assert_eq!(state, Digest([7; 32]));
            assert_eq!(read.bytes(), image.bytes());
            Some(read)
        });
        assert_eq!(run.starts, expected.starts);
        assert_eq!(run.digest(), expected.digest());
        assert_eq!(run.image.bytes(), expected.image.bytes(), "{compression:?}");
        // Damaged anywhere, or cut off, it is no image.
        let bytes = fs::read(&path).unwrap();
        let (whole, _) = RegionImage::read_from(&mut &bytes[..]).unwrap();
        for at in (0..bytes.len()).step_by(bytes.len() / 40) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            // Compressed, other bytes may stand for the same image.
            if let Ok((read, _)) = RegionImage::read_from(&mut &damaged[..]) {
                assert_eq!(compression, Compression::Lz4, "byte {at}");
                assert!(read.bytes() == whole.bytes(), "byte {at}");
            }
            // An LZ4 frame ends with a mark of four bytes: before it the image is there.
            let mark = 4 * usize::from(compression == Compression::Lz4);
            if let Ok((read, _)) = RegionImage::read_from(&mut &bytes[..at]) {
                assert!(at + mark >= bytes.len(), "cut off at {at}");
                assert!(read.bytes() == whole.bytes(), "cut off at {at}");
            }
        }
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn what_does_not_belong_is_refused_and_the_block_runs_cold() {
    let one = runner(MODULES[0], RunConfig::default());
    let run = Run::of(&one, Some);
    let image = &run.image;
    let input = inputs().next().unwrap();
    let state = MemoryState::default();
    // Another module of the same plan.
    let other = runner("metashrew_port", RunConfig::default());
    let finished = other.start_warm(&input, &state, Some(image)).unwrap();
    assert_eq!(start_of(&finished), Start::Cold(AttachError::Fresh));
    let refused = finished.refused_image().expect("it is not used");
    assert!(matches!(refused, ImageError::Module { .. }), "{refused}");
    // A ceiling that leaves the region no room for it: the block runs all the same.
    let base = one.guest().plan().unwrap().region_base().get();
    let config = RunConfig {
        ceiling: base + (1 << 20),
        ..one.config().clone()
    };
    let small = one.with_config(config).unwrap();
    let finished = small.start_warm(&input, &state, Some(image)).unwrap();
    assert!(!start_of(&finished).is_warm());
    assert!(finished.outcome().is_ok());
    let refused = finished.refused_image().expect("it does not fit");
    assert!(matches!(refused, ImageError::Memory { .. }), "{refused}");
    // A limit that the host writes, below the image.
    let config = RunConfig {
        cache: Some(image.info().frontier - 1),
        ..one.config().clone()
    };
    let limited = one.with_config(config).unwrap();
    let finished = limited.start_warm(&input, &state, Some(image)).unwrap();
    assert_eq!(start_of(&finished), Start::Cold(AttachError::TooSmall));
    // With the cache off, there is nothing to make an image of.
    let config = RunConfig {
        cache: Some(0),
        ..one.config().clone()
    };
    let off = one.with_config(config).unwrap();
    let finished = off.start_warm(&input, &state, Some(image)).unwrap();
    assert_eq!(start_of(&finished), Start::Cold(AttachError::Disabled));
    assert!(matches!(
        RegionImage::capture(&[], 0, image.module()),
        Err(ImageError::Region(_))
    ));
}

#[test]
fn a_block_that_fails_leaves_no_image() {
    let runner = runner(MODULES[0], RunConfig::default());
    let state = MemoryState::default();
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let broken = Input::new(702_861, &block[..block.len() / 2]);
    let finished = runner.start(&broken, &state).unwrap();
    assert!(finished.outcome().is_err());
    assert!(finished.image().is_err());
}

#[test]
fn a_reorganisation_cuts_an_image_back() {
    let runner = runner("metashrew_port", RunConfig::default());
    let run = Run::of(&runner, Some);
    let last = 702_861 + BLOCKS - 1;
    let mut image = run.image.clone();
    let before = image.info().stats.entries;
    assert_eq!(image.info().height, last);
    image.cut_back(last, last - 2).unwrap();
    assert!(image.info().stats.entries < before);
    assert_eq!(image.info().height, last - 2);
    assert_eq!(image.info().status, Status::Closed);
    // The module goes on from there: cold and warm agree.
    let mut states = [MemoryState::default(), MemoryState::default()];
    let first = inputs().next().unwrap();
    let second = inputs().nth(1).unwrap();
    for (state, image) in states.iter_mut().zip([None, Some(&image)]) {
        runner.start(&first, state).unwrap().commit(state).unwrap();
        let finished = runner.start_warm(&second, state, image).unwrap();
        assert_eq!(start_of(&finished).is_warm(), image.is_some());
        finished.commit(state).unwrap();
    }
    assert_eq!(
        state_digest(&states[0]).unwrap(),
        state_digest(&states[1]).unwrap()
    );
    // A height that the module did not set says nothing about what to drop.
    let mut unknown = run.image;
    assert!(matches!(
        unknown.cut_back(last + 1, last),
        Err(ImageError::NoHeights { .. })
    ));
}

#[test]
fn an_image_moves_between_hosts_of_other_sizes() {
    let largest = runner(MODULES[0], RunConfig::default());
    let base = largest.guest().plan().unwrap().region_base().get();
    let sized = |mebibytes: u64| {
        let config = RunConfig {
            ceiling: base + (mebibytes << 20),
            ..largest.config().clone()
        };
        largest.with_config(config).unwrap()
    };
    let mut blocks = inputs();
    let (first, second) = (blocks.next().unwrap(), blocks.next().unwrap());
    for from in [64, 1024] {
        let mut state = MemoryState::default();
        let finished = sized(from).start(&first, &state).unwrap();
        let image = finished.image().unwrap();
        let limit = image.info().limit;
        assert_eq!(u64::from(limit), from << 20);
        finished.commit(&mut state).unwrap();
        let cold = largest.start(&second, &state).unwrap();
        let used = image.info().frontier.div_ceil(1 << 20);
        for into in [1, u64::from(used) - 1, u64::from(used), 64, 1024] {
            let host = sized(into);
            let finished = host.start_warm(&second, &state, Some(&image)).unwrap();
            let fits = into >= u64::from(used);
            let expected = if fits {
                Start::Sealed
            } else {
                Start::Cold(AttachError::Fresh)
            };
            let context = format!("from {from} MiB into {into} MiB, {used} used");
            assert_eq!(start_of(&finished), expected, "{context}");
            assert_eq!(finished.refused_image().is_none(), fits, "{context}");
            assert!(finished.outcome().is_ok(), "{context}");
            assert_eq!(
                finished.outcome().as_ref().ok(),
                cold.outcome().as_ref().ok(),
                "{context}"
            );
            if fits {
                // Its geometry stays, whatever there is.
                assert_eq!(finished.image().unwrap().info().limit, limit, "{context}");
            }
        }
    }
}

#[test]
fn cold_and_warm_starts_follow_each_other() {
    let runner = runner("metashrew_port", RunConfig::default());
    let (mut state, mut expected) = (MemoryState::default(), MemoryState::default());
    let mut image: Option<RegionImage> = None;
    let mut blocks: Vec<Input> = Vec::new();
    // What becomes of the image before each block: it is lost, kept, or loses what the last block
    // left in it.
    let fates = ["lost", "kept", "lost", "cut", "kept", "lost", "cut", "kept"];
    for (height, fate) in (100..).zip(fates) {
        let block = child(blocks.last(), height);
        match (fate, &mut image) {
            ("lost", image) => *image = None,
            ("cut", Some(image)) => {
                let before = image.info().stats.entries;
                image.cut_back(height - 1, height - 2).unwrap();
                // It is as of the block before all the same: nothing in it has been written since.
                assert!(image.info().stats.entries < before);
            }
            _ => {}
        }
        let finished = runner.start_warm(&block, &state, image.as_ref()).unwrap();
        assert_eq!(start_of(&finished).is_warm(), fate != "lost", "{height}");
        image = Some(finished.image().unwrap());
        finished.commit(&mut state).unwrap();
        runner.run_block(&block, &mut expected).unwrap();
        assert_eq!(
            state_digest(&state).unwrap(),
            state_digest(&expected).unwrap(),
            "{height}, {fate}"
        );
        blocks.push(block);
    }
}

#[test]
fn an_image_of_another_version_is_refused_as_such() {
    const VERSION_AT: usize = 8;
    let runner = runner(MODULES[0], RunConfig::default());
    let finished = runner.start(&inputs().next().unwrap(), &MemoryState::default());
    let finished = finished.unwrap();
    let base = finished.instance_info().unwrap().region_start as usize;
    let image = finished.image().unwrap();
    let current = u8::try_from(FORMAT_VERSION).unwrap();
    for version in [0, current - 1, current + 1] {
        // By the host: in an instance's memory...
        let mut memory = finished.memory().to_vec();
        memory[base + VERSION_AT] = version;
        let refused = RegionImage::capture(&memory, base as u32, image.module()).unwrap_err();
        let words = format!("format version {version}");
        assert!(refused.to_string().contains(&words), "{refused}");
        // ...and in a file, also one of another version itself.
        let mut file = written(&image);
        file[FILE_HEAD + VERSION_AT] = version;
        let refused = RegionImage::read_from(&mut &file[..]).unwrap_err();
        assert!(refused.contains(&words), "{refused}");
        let mut file = written(&image);
        let version = version + 100;
        file[VERSION_AT] = version;
        let checksum = xxh64(&file[..FILE_HEAD - 8], 0).to_le_bytes();
        file[FILE_HEAD - 8..FILE_HEAD].copy_from_slice(&checksum);
        let refused = RegionImage::read_from(&mut &file[..]).unwrap_err();
        assert!(
            refused.contains(&format!("it has version {version}")),
            "{refused}"
        );
    }
}

/// The block at a height, as the one that builds on another.
fn child(parent: Option<&Input>, height: u32) -> Input {
    let mut block = bitcoin_test_data::blocks::mainnet_702861().to_vec();
    if let Some(parent) = parent {
        block[4..36].copy_from_slice(&parent.block_hash().unwrap());
    }
    let input = [&height.to_le_bytes()[..], &block].concat();
    Input::parse("mainnet block 702861", &input).unwrap()
}

#[test]
fn an_image_is_brought_to_the_block_before_or_refused() {
    let runner = runner("metashrew_port", RunConfig::default());
    let mut chain = Chain::new(*b"main");
    let mut state = MemoryState::default();
    let mut images: Vec<RegionImage> = Vec::new();
    let mut blocks: Vec<Input> = Vec::new();
    for height in 100..103 {
        let block = child(blocks.last(), height);
        let mut before = images.last().cloned();
        if let Some(image) = &mut before {
            chain.bring(image, &block).unwrap();
        }
        let finished = runner.start_warm(&block, &state, before.as_ref()).unwrap();
        assert_eq!(start_of(&finished).is_warm(), before.is_some());
        let mut image = finished.image().unwrap();
        finished.commit(&mut state).unwrap();
        chain.append(&block, Some(&mut image));
        let tag = image.tag().unwrap();
        assert_eq!((tag.height, tag.chain), (height, *b"main"));
        assert_eq!(tag.hash, block.block_hash().unwrap());
        images.push(image);
        blocks.push(block);
    }
    // The tag outlives a file.
    let (last, _) = RegionImage::read_from(&mut &written(&images[2])[..]).unwrap();
    assert_eq!(last.tag(), images[2].tag());
    // Each block that has been indexed can be gone back to: what was written above it is dropped.
    for (number, parent) in blocks.iter().enumerate() {
        let mut image = last.clone();
        let next = child(Some(parent), parent.height() + 1);
        chain.bring(&mut image, &next).unwrap();
        assert_eq!(image.tag(), images[number].tag());
        assert_eq!(image.info().height, parent.height());
        assert_eq!(
            image.info().stats.entries < last.info().stats.entries,
            number < 2
        );
        let (read, _) = RegionImage::read_from(&mut &written(&image)[..]).unwrap();
        assert_eq!(read.tag(), image.tag());
    }
    // Also to the one below the first, whose hash that one tells.
    let mut image = last.clone();
    chain.bring(&mut image, &child(None, 100)).unwrap();
    assert_eq!(image.info().stats.entries, 0);
    // Not to a block of another chain, to a later one, to one of the right hash at another height.
    let unknown = child(Some(&child(Some(&blocks[2]), 7)), 102);
    let later = child(Some(&child(Some(&blocks[2]), 103)), 104);
    let misplaced = child(Some(&blocks[1]), 101);
    for next in [&unknown, &later, &misplaced] {
        let mut image = last.clone();
        let refused = chain.bring(&mut image, next).unwrap_err();
        assert!(
            matches!(refused, ImageError::NotAncestor { .. }),
            "{refused}"
        );
        assert_eq!(image.tag(), last.tag());
        assert_eq!(image.bytes(), last.bytes());
    }
    let other = Chain::new(*b"test");
    let same_block = child(Some(&blocks[2]), 103);
    assert!(chain.bring(&mut last.clone(), &same_block).is_ok());
    assert!(other.bring(&mut last.clone(), &same_block).is_err());
    // A chain that has not seen the blocks knows of no ancestor.
    let fresh = Chain::new(*b"main");
    assert!(fresh.bring(&mut last.clone(), &same_block).is_ok());
    assert!(
        fresh
            .bring(&mut last.clone(), &child(Some(&blocks[1]), 102))
            .is_err()
    );
    // No block, and no tag.
    let nothing = chain.bring(&mut last.clone(), &Input::new(103, b"no block"));
    assert!(matches!(nothing, Err(ImageError::NoParent)));
    let mut untagged = runner.start(&blocks[0], &MemoryState::default());
    let mut untagged = untagged.as_mut().unwrap().image().unwrap();
    let refused = chain.bring(&mut untagged, &blocks[1]);
    assert!(matches!(refused, Err(ImageError::NoTag)));
}

/// An image as it stands in a file.
fn written(image: &RegionImage) -> Vec<u8> {
    let mut file = Vec::new();
    let written = image.write_to(&mut file, Digest([0; 32]), Compression::None);
    written.expect("memory is not full");
    file
}

#[test]
fn an_image_taken_from_memory_as_it_is_is_walked() {
    let runner = runner(MODULES[0], RunConfig::default());
    let state = MemoryState::default();
    let finished = runner.start(&inputs().next().unwrap(), &state).unwrap();
    let base = finished.instance_info().unwrap().region_start;
    let region = &finished.memory()[base as usize..];
    assert_eq!(RegionInfo::read(region).unwrap().status, Status::Open);
    let image = RegionImage::capture(finished.memory(), base, runner.guest().digest()).unwrap();
    let mut memory = vec![0; image.memory_needed() as usize];
    image.restore(&mut memory).unwrap();
    assert_eq!(
        RegionInfo::read(&memory[base as usize..]).unwrap().status,
        Status::Sealed
    );
    assert!(image.restore(&mut memory[1..]).is_err());
}
