//! Views beside the indexer: each answers as of the block that was the last one when it was opened,
//! whatever is committed, fails or is taken back meanwhile, and leaves nothing when it ends.
#![cfg(target_os = "linux")]

use std::collections::VecDeque;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;

use steadfast_host::{
    AsOf, Chain, Finished, ImageError, Input, MemoryState, Output, RunConfig, Runner, SharedCache,
    View, state_digest,
};
use wasm_tests::shared_pages::own_bytes;
use wasm_tests::{indexer, sized};

/// Scripts that each block pays.
const ACCOUNTS: u32 = 64;

/// Scripts that one block alone pays, so that it writes here and there.
const OTHERS: u32 = 600;

/// As few of them as make a number that takes three bytes, as the block is written here.
const FEW: u32 = 253 - ACCOUNTS;

const BLOCKS: u32 = 100;

/// The tests look at the mappings of the whole process: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn runner(name: &str) -> Runner {
    let config = RunConfig {
        ceiling: 1 << 32,
        output: Output::Discard,
        ..RunConfig::default()
    };
    Runner::new(&indexer(name), config).unwrap()
}

fn script(account: u32) -> [u8; 22] {
    let mut script = [0; 22];
    script[1] = 20;
    script[2..6].copy_from_slice(&account.to_le_bytes());
    script
}

/// The state, the cache and what is known of both, as of one block.
#[derive(Default)]
struct Node {
    state: MemoryState,
    cache: Option<SharedCache>,
    at: Known,
}

/// What an oracle knows of a block.
#[derive(Clone, Default)]
struct Known {
    height: u32,
    hash: [u8; 32],
    balances: Vec<u64>,
    /// The blocks of the branch.
    numbers: Vec<u32>,
}

/// The block that follows, in one transaction: it pays each account another amount.
fn block_after(known: &Known, number: u32) -> (Input, Known) {
    block_with(known, number, OTHERS)
}

fn block_with(known: &Known, number: u32, others: u32) -> (Input, Known) {
    let height = known.height + 1;
    let mut bytes = 4i32.to_le_bytes().to_vec();
    bytes.extend(known.hash);
    bytes.extend([0; 32]);
    for word in [number, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.push(1);
    bytes.extend(2i32.to_le_bytes());
    bytes.push(1);
    bytes.extend([0; 32]);
    bytes.extend([0xff; 4]);
    bytes.push(4);
    bytes.extend(number.to_le_bytes());
    bytes.extend([0xff; 4]);
    bytes.push(0xfd);
    bytes.extend(u16::try_from(ACCOUNTS + others).unwrap().to_le_bytes());
    let mut balances = known.balances.clone();
    balances.resize(ACCOUNTS as usize, 0);
    for at in 0..ACCOUNTS + others {
        let amount = u64::from(number * 1000 + at);
        let account = match balances.get_mut(at as usize) {
            Some(balance) => {
                *balance += amount;
                at
            }
            None => (number << 16) + at,
        };
        bytes.extend(amount.to_le_bytes());
        bytes.push(22);
        bytes.extend(script(account));
    }
    bytes.extend([0; 4]);
    let input = Input::new(height, &bytes);
    let hash = input.block_hash().unwrap();
    let after = Known {
        height,
        hash,
        balances,
        numbers: [&known.numbers[..], &[number]].concat(),
    };
    (input, after)
}

impl Node {
    fn start(&self, runner: &Runner, input: &Input) -> Finished {
        let cache = self.cache.as_ref();
        runner.start_shared(input, &self.state, cache).unwrap()
    }

    fn commit(&mut self, finished: Finished, after: Known) {
        let (_, cache) = finished
            .commit_and_share(&mut self.state, &mut self.cache)
            .unwrap();
        cache.unwrap();
        self.at = after;
    }

    fn open(&self, runner: &Runner, account: u32) -> Asked {
        let question = Input::new(self.at.height, &script(account));
        let view = runner
            .open_view_of(&question, &self.state, self.cache.as_ref())
            .unwrap();
        let amount = self.at.balances.get(account as usize);
        Asked {
            view,
            amount: amount.copied().unwrap_or(0),
            outputs: self.at.height,
        }
    }
}

/// A view, and what its account holds: an output of each block.
struct Asked {
    view: View,
    amount: u64,
    outputs: u32,
}

impl Asked {
    fn is_right(&mut self) -> bool {
        match self.view.call("balance") {
            Ok(balance) => balance[..8] == self.amount.to_le_bytes(),
            // The other module counts.
            Err(_) => {
                let unspent = self.view.call("unspent").unwrap();
                match self.outputs {
                    0 => unspent.is_empty(),
                    outputs => unspent == outputs.to_le_bytes(),
                }
            }
        }
    }

    fn reads(&self) -> u64 {
        self.view.imports().get_lens
    }
}

/// Opens views until there is nothing more to come; some are kept, and asked again much later.
fn ask(runner: &Runner, node: &RwLock<Node>, seed: u32, done: &AtomicBool, told: &Told) {
    let mut slow: VecDeque<Asked> = VecDeque::new();
    let mut turn = seed;
    while !done.load(Ordering::Relaxed) {
        turn = turn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut asked = node.read().unwrap().open(runner, (turn >> 16) % ACCOUNTS);
        if turn >> 29 == 0 {
            // It is first asked when others have been committed.
            slow.push_back(asked);
            if slow.len() < 8 {
                continue;
            }
            asked = slow.pop_front().unwrap();
        }
        told.answers.fetch_add(1, Ordering::Relaxed);
        let is_right = asked.is_right() && asked.is_right();
        told.wrong
            .fetch_add(u64::from(!is_right), Ordering::Relaxed);
        told.reads.fetch_add(asked.reads(), Ordering::Relaxed);
    }
}

#[derive(Default)]
struct Told {
    answers: AtomicU64,
    wrong: AtomicU64,
    reads: AtomicU64,
}

#[test]
fn views_answer_as_of_the_last_block_while_the_next_one_is_indexed() {
    let _alone = ALONE.lock();
    for (name, keeps_heights) in [("indexer_metashrew", false), ("metashrew_port", true)] {
        beside(&runner(name), keeps_heights);
    }
}

fn beside(runner: &Runner, keeps_heights: bool) {
    let hosts = [runner.clone(), sized(runner, 8), sized(runner, 64)];
    let node = RwLock::new(Node::default());
    let mut chain = Chain::new(*b"main");
    let mut before: VecDeque<(MemoryState, Known)> = VecDeque::new();
    let (done, told) = (AtomicBool::new(false), Told::default());
    let (mut cut, mut cold) = (0, 0);
    thread::scope(|scope| {
        for seed in 1..=3 {
            let (node, done, told) = (&node, &done, &told);
            scope.spawn(move || ask(runner, node, seed, done, told));
        }
        for number in 1..=BLOCKS {
            if number % 50 == 49 {
                // The next region is as large as its host lets it be.
                node.write().unwrap().cache = None;
            }
            let is_reorganised = number % 11 == 0 && before.len() > 3;
            if is_reorganised {
                let mut node = node.write().unwrap();
                let keep = before.len() - number as usize % 3 - 1;
                before.truncate(keep + 1);
                let (state, known) = before.pop_back().unwrap();
                let (next, _) = block_after(&known, number);
                if let Some(cache) = &mut node.cache {
                    match chain.bring(cache, &next) {
                        Ok(()) => cut += 1,
                        Err(ImageError::NoHeights { .. }) if !keeps_heights => node.cache = None,
                        Err(reason) => panic!("{reason}"),
                    }
                }
                (node.state, node.at) = (state, known);
            }
            let (input, after) = block_after(&node.read().unwrap().at, number);
            let host = &hosts[usize::from(number % 13 == 0) * (1 + number as usize % 2)];
            if number % 7 == 0 {
                let broken = Input::new(after.height, &input.bytes()[4..1000]);
                let mut node = node.write().unwrap();
                let failed = node.start(host, &broken);
                let Node { state, cache, .. } = &mut *node;
                let had = cache.is_some();
                assert!(failed.commit_and_share(state, cache).is_err());
                assert_eq!(cache.is_some(), had, "a block that fails leaves the cache");
            }
            let finished = node.read().unwrap().start(host, &input);
            cold += u32::from(finished.refused_image().is_some());
            let mut node = node.write().unwrap();
            before.push_back((node.state.clone(), node.at.clone()));
            if before.len() > 8 {
                before.pop_front();
            }
            node.commit(finished, after);
            chain.append(&input, node.cache.as_mut());
            // What is shared is whole: every link, count and sum.
            if number % 50 == 0 {
                let cache = node.cache.as_ref().unwrap();
                let image = cache.snapshot().unwrap().image().unwrap();
                assert_eq!(image.tag(), cache.tag());
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let [answers, wrong, reads] = [told.answers, told.wrong, told.reads].map(AtomicU64::into_inner);
    println!(
        "{answers} answers, {wrong} wrong, {reads} reads of the state; {cut} times cut back, {cold} times cold"
    );
    assert_eq!(wrong, 0);
    assert!(answers > 1_000, "{answers}");
    assert!(reads * 2 < answers, "{reads} reads for {answers} answers");
    assert_eq!(cut > 3, keeps_heights, "{cut}");

    // Nothing of it is left when the last view and the cache are gone.
    let node = node.into_inner().unwrap();
    let digest = state_digest(&node.state).unwrap();
    drop(node.cache);
    assert_eq!(own_bytes("memfd:steadfast-cache"), (0, 0));
    assert_eq!(open_files("memfd:steadfast-cache"), 0);

    // The same blocks without a cache come to the same state.
    let mut state = MemoryState::default();
    let mut known = Known::default();
    for &number in &node.at.numbers {
        let (input, after) = block_after(&known, number);
        runner.run_block(&input, &mut state).unwrap();
        known = after;
    }
    assert_eq!(state_digest(&state).unwrap(), digest);
}

/// The number of this process's open files whose names contain `name`.
fn open_files(name: &str) -> usize {
    let files = fs::read_dir("/proc/self/fd").unwrap();
    let targets = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
    targets
        .filter(|target| target.to_string_lossy().contains(name))
        .count()
}

/// Indexes a block with so many outputs beside those to the accounts.
fn index(node: &mut Node, runner: &Runner, number: u32, others: u32) {
    let (input, after) = block_with(&node.at, number, others);
    let finished = node.start(runner, &input);
    assert!(
        finished.outcome().is_ok(),
        "{:?}",
        finished.outcome().as_ref().err()
    );
    let left = finished.image().unwrap();
    node.commit(finished, after);
    let cache = node.cache.as_ref().unwrap();
    let shared = cache.snapshot().unwrap().image().unwrap();
    assert!(
        shared.bytes() == left.bytes(),
        "block {number} left something else"
    );
}

#[test]
fn a_block_costs_what_it_changed_and_a_view_keeps_no_more() {
    let _alone = ALONE.lock();
    let runner = runner("indexer_metashrew");
    let mut node = Node::default();
    for number in 1..=3 {
        index(&mut node, &runner, number, 60_000);
    }
    index(&mut node, &runner, 4, FEW);
    let in_use = u64::from(node.cache.as_ref().unwrap().info().frontier) / 4096;
    let taken_up = node.cache.as_ref().unwrap().pages_taken_up();
    assert!(in_use > 5_000, "{in_use} pages are in use");
    assert!(
        (1..in_use / 10).contains(&taken_up),
        "{taken_up} pages of {in_use}"
    );

    // Views that are asked when another block has been committed.
    let mut views = [1, 2, 3].map(|account| node.open(&runner, account));
    let (mappings, header) = own_bytes("memfd:steadfast-cache");
    assert_eq!((mappings, header), (3, 3 * 4096), "opening writes a header");
    index(&mut node, &runner, 5, FEW);
    let changed = node.cache.as_ref().unwrap().pages_taken_up();
    let (mappings, kept) = own_bytes("memfd:steadfast-cache");
    assert_eq!(mappings, 3);
    assert!(
        kept > 3 * 4096 && kept <= 3 * (changed + 1) * 4096,
        "{kept} bytes for {changed} pages"
    );
    for view in &mut views {
        assert!(view.is_right());
        assert_eq!(view.reads(), 0, "it is answered from the cache");
    }
    drop(views);
    assert_eq!(own_bytes("memfd:steadfast-cache"), (0, 0));
}

#[test]
fn two_blocks_that_begin_alike_do_not_mix() {
    let _alone = ALONE.lock();
    let runner = runner("indexer_metashrew");
    let mut node = Node::default();
    index(&mut node, &runner, 1, OTHERS);
    let (one, after_one) = block_after(&node.at, 2);
    let (other, _) = block_after(&node.at, 3);
    let finished = [&one, &other].map(|input| node.start(&runner, input));
    let left = finished.each_ref().map(|block| block.image().unwrap());
    for (block, left) in finished.into_iter().zip(left) {
        node.commit(block, after_one.clone());
        let shared = node.cache.as_ref().unwrap().snapshot().unwrap();
        assert!(shared.image().unwrap().bytes() == left.bytes());
    }
}
