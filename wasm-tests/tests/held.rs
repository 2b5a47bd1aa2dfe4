//! Regions whose pages move from one instance to the next: the same results as with a cold cache or
//! a copied image, on hosts of every size, and a cold start where the region cannot be had.

use std::cell::RefCell;

use steadfast::format::{AttachError, Start, Status};
use steadfast_host::{
    AsOf, BlockReport, BlockTag, Chain, Digest, Finished, HeldRegion, ImageError, Input,
    MemoryState, Output, RegionImage, RunConfig, Runner, state_digest,
};
use wasm_tests::{indexer, sized};

const MODULES: [&str; 3] = ["indexer_metashrew", "indexer-wasi", "metashrew_port"];
const FIRST: u32 = 702_861;
const BLOCKS: u32 = 4;

fn runner(name: &str) -> Runner {
    let config = RunConfig {
        output: Output::Discard,
        ..RunConfig::default()
    };
    Runner::new(&indexer(name), config).unwrap()
}

/// The same transactions in one block after the other, each of which builds on the one before.
fn blocks() -> Vec<Input> {
    let mut blocks: Vec<Input> = Vec::new();
    for height in FIRST..FIRST + BLOCKS {
        let mut block = bitcoin_test_data::blocks::mainnet_702861().to_vec();
        if let Some(parent) = blocks.last() {
            block[4..36].copy_from_slice(&parent.block_hash().unwrap());
        }
        let input = [&height.to_le_bytes()[..], &block].concat();
        blocks.push(Input::parse("mainnet block 702861", &input).unwrap());
    }
    blocks
}

fn start_of(finished: &Finished) -> Start {
    let info = finished.instance_info().expect("it has instance info");
    Start::from_code(info.cache_start).expect("it opened its cache")
}

/// Indexes the first block, and takes the region that it leaves.
fn first_block(runner: &Runner, state: &mut MemoryState) -> Result<HeldRegion, ImageError> {
    let finished = runner.start_held(&blocks()[0], state, None).unwrap();
    finished.commit_and_hold(state).unwrap().1
}

/// What can be told of a run from outside.
#[derive(Debug, PartialEq)]
struct Run {
    state: Digest,
    heaps: Vec<String>,
    written: Vec<u64>,
}

struct Sequence {
    starts: Vec<Start>,
    reports: Vec<BlockReport>,
    state: MemoryState,
    left: Result<HeldRegion, ImageError>,
}

impl Sequence {
    /// Indexes the blocks, each with what `between` makes of the region before, on the hosts in
    /// turn.
    fn of(hosts: &[&Runner], between: impl Fn(HeldRegion) -> Option<HeldRegion>) -> Sequence {
        let mut sequence = Sequence {
            starts: Vec::new(),
            reports: Vec::new(),
            state: MemoryState::default(),
            left: Err(ImageError::NotOffered),
        };
        for (input, host) in blocks().iter().zip(hosts.iter().cycle()) {
            let left = std::mem::replace(&mut sequence.left, Err(ImageError::NotOffered));
            let held = left.ok().and_then(&between);
            let finished = host.start_held(input, &sequence.state, held).unwrap();
            sequence.starts.push(start_of(&finished));
            let (report, left) = finished.commit_and_hold(&mut sequence.state).unwrap();
            sequence.reports.push(report);
            sequence.left = left;
        }
        sequence
    }

    fn told(&self) -> Run {
        let observed = self.reports.iter().map(|report| &report.observed);
        Run {
            state: state_digest(&self.state).unwrap(),
            heaps: observed
                .map(|observed| format!("{:?}", observed.as_ref().unwrap().heap_trace))
                .collect(),
            written: self
                .reports
                .iter()
                .map(|report| report.written_pairs)
                .collect(),
        }
    }

    fn reads(&self) -> Vec<u64> {
        let reports = self.reports.iter();
        reports.map(|report| report.imports.get_lens).collect()
    }
}

#[test]
fn a_held_region_changes_speed_and_nothing_else() {
    for name in MODULES {
        let runner = runner(name);
        let cold = Sequence::of(&[&runner], |_| None);
        let held = Sequence::of(&[&runner], Some);
        assert!(cold.starts.iter().all(|start| !start.is_warm()), "{name}");
        assert_eq!(
            held.starts[1..],
            [Start::Sealed; BLOCKS as usize - 1],
            "{name}"
        );
        assert_eq!(held.told(), cold.told(), "{name}");

        // A copied image of each region answers as many reads.
        let copied = Sequence::of(&[&runner], |held| {
            let image = held.image().unwrap();
            let mut memory = vec![0; image.memory_needed() as usize];
            image.restore(&mut memory).unwrap();
            Some(held)
        });
        assert_eq!(held.reads(), copied.reads(), "{name}");
        let (last, first) = (held.reads()[1], held.reads()[0]);
        assert!(last < first, "{name}: {last} of {first}");
    }
}

#[test]
fn what_is_held_is_what_an_image_has() {
    let runner = runner(MODULES[0]);
    let blocks = blocks();
    let mut state = MemoryState::default();
    let finished = runner.start_held(&blocks[0], &state, None).unwrap();
    let image = finished.image().unwrap();
    let (_, held) = finished.commit_and_hold(&mut state).unwrap();
    let held = held.unwrap();
    assert_eq!(held.info().status, Status::Open);
    assert_eq!(held.image().unwrap().bytes(), image.bytes());
    assert_eq!(
        (held.address(), held.module()),
        (image.address(), image.module())
    );
    // A tag covers nothing more than the tag.
    let mut held = held;
    let block = BlockTag {
        chain: *b"main",
        height: FIRST,
        hash: [7; 32],
    };
    held.set_tag(block);
    let tagged = held.image().unwrap();
    assert_eq!(
        (tagged.tag(), held.info().status),
        (Some(block), Status::Open)
    );
    assert_eq!(tagged.info().stats.entries, image.info().stats.entries);
    // Both lead to the same next block.
    let by_image = runner.start_warm(&blocks[1], &state, Some(&image)).unwrap();
    let held = runner.start_held(&blocks[1], &state, Some(held)).unwrap();
    assert_eq!(
        by_image.outcome().as_ref().unwrap(),
        held.outcome().as_ref().unwrap()
    );
    assert_eq!(
        by_image.report().imports.get_lens,
        held.report().imports.get_lens
    );
    assert_eq!(by_image.report().memory_bytes, held.report().memory_bytes);
}

#[test]
fn regions_move_between_hosts_of_other_sizes() {
    let largest = runner(MODULES[0]);
    let expected = Sequence::of(&[&largest], |_| None).told();
    let sizes = [0, 1, 2, 3, 16, 64, 1024];
    for from in sizes {
        for into in sizes {
            let hosts = [sized(&largest, from), sized(&largest, into)];
            let context = format!("from {from} MiB into {into} MiB and back");
            let needed = RefCell::new(Vec::new());
            let moved = Sequence::of(&[&hosts[0], &hosts[1]], |held| {
                needed.borrow_mut().push(held.memory_needed());
                Some(held)
            });
            assert_eq!(moved.told(), expected, "{context}");
            if from == 0 || into == 0 {
                continue;
            }
            // It begins warm where the bytes in use fit, whatever the region was.
            let ceilings = [hosts[1].config().ceiling, hosts[0].config().ceiling];
            let fits = needed
                .into_inner()
                .into_iter()
                .zip(ceilings.into_iter().cycle());
            let fits: Vec<bool> = fits.map(|(needed, ceiling)| needed <= ceiling).collect();
            let warm = moved.starts[1..].iter().map(|start| start.is_warm());
            assert_eq!(warm.collect::<Vec<_>>(), fits, "{context}");
        }
    }
}

#[test]
fn a_block_that_fails_leaves_no_region() {
    let runner = runner(MODULES[0]);
    let blocks = blocks();
    let mut state = MemoryState::default();
    let held = first_block(&runner, &mut state);
    let before = state_digest(&state).unwrap();
    let half = &blocks[1].bytes()[4..blocks[1].bytes().len() / 2];
    let broken = Input::new(FIRST + 1, half);
    let finished = runner.start_held(&broken, &state, held.ok()).unwrap();
    assert!(start_of(&finished).is_warm());
    assert!(finished.commit_and_hold(&mut state).is_err());
    assert_eq!(state_digest(&state).unwrap(), before);
}

#[test]
fn another_module_refuses_the_region() {
    let [one, other] = [runner(MODULES[0]), runner(MODULES[2])];
    let blocks = blocks();
    let mut state = MemoryState::default();
    let held = first_block(&one, &mut state);
    let finished = other.start_held(&blocks[1], &state, held.ok()).unwrap();
    assert!(matches!(
        finished.refused_image(),
        Some(ImageError::Module { .. })
    ));
    assert_eq!(start_of(&finished), Start::Cold(AttachError::Fresh));
}

#[test]
fn a_module_without_a_cache_leaves_no_region() {
    let runner = runner("bare/control-random");
    let mut state = MemoryState::default();
    let held = first_block(&runner, &mut state);
    assert!(matches!(held, Err(ImageError::Region(_))), "{held:?}");
}

/// After a reorganisation, what the other chain wrote is gone and the rest is there.
#[test]
fn a_reorganisation_cuts_the_region_back_where_it_lies() {
    let runner = runner("metashrew_port");
    let blocks = blocks();
    for back_to in 0..BLOCKS {
        let mut chain = Chain::new(*b"main");
        let mut states = vec![MemoryState::default()];
        let mut held: Option<HeldRegion> = None;
        let mut entries = Vec::new();
        for block in &blocks {
            let mut state = states.last().unwrap().clone();
            if let Some(held) = &mut held {
                chain.bring(held, block).unwrap();
            }
            let finished = runner.start_held(block, &state, held.take()).unwrap();
            let (_, left) = finished.commit_and_hold(&mut state).unwrap();
            held = left.ok();
            chain.append(block, held.as_mut());
            entries.push(held.as_ref().unwrap().info().stats.entries);
            states.push(state);
        }
        let mut held = held.unwrap();
        let parent = &blocks[back_to as usize];
        let mut bytes = blocks[0].bytes()[4..].to_vec();
        bytes[4..36].copy_from_slice(&parent.block_hash().unwrap());
        let next = Input::new(parent.height() + 1, &bytes);
        chain.bring(&mut held, &next).unwrap();
        let tag: BlockTag = held.tag().unwrap();
        assert_eq!(
            (tag.height, Some(tag.hash)),
            (parent.height(), parent.block_hash())
        );
        let is_cut = back_to < BLOCKS - 1;
        assert_eq!(
            held.info().stats.entries < entries[BLOCKS as usize - 1],
            is_cut
        );
        let state = &states[back_to as usize + 1];
        let warm = runner.start_held(&next, state, Some(held)).unwrap();
        assert_eq!(start_of(&warm), Start::Sealed);
        let cold = runner.start(&next, state).unwrap();
        assert_eq!(
            warm.outcome().as_ref().unwrap(),
            cold.outcome().as_ref().unwrap()
        );
    }
}

/// A file is read into the first instance, moved through the blocks, and written again.
#[test]
fn a_region_begins_as_a_file_and_ends_as_one() {
    let runner = runner(MODULES[0]);
    let blocks = blocks();
    let mut state = MemoryState::default();
    let held = first_block(&runner, &mut state);
    let image: RegionImage = held.unwrap().image().unwrap();
    let finished = runner.start_warm(&blocks[1], &state, Some(&image)).unwrap();
    assert_eq!(start_of(&finished), Start::Sealed);
    let (_, held) = finished.commit_and_hold(&mut state).unwrap();
    let finished = runner.start_held(&blocks[2], &state, held.ok()).unwrap();
    assert_eq!(start_of(&finished), Start::Sealed);
    assert!(finished.image().is_ok());
}
