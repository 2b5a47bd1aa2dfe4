//! Views on the metashrew surface over a shared image: no read of the state and no page of their
//! own at the image's height, what holds there at any other.

use steadfast_host::{Finished, Input, MemoryState, Output, RunConfig, Runner, SharedImage};
use wasm_tests::TARGETS;
use wasm_tests::shared_pages::written_bytes;

const KEYS: u32 = 20_000;

/// The views that tell their height.
const VIEWS: [&str; 6] = [
    "by_macro",
    "input_then_height",
    "height_then_input",
    "no_height",
    "mode_then_input",
    "initialized",
];

/// The height that the image is as of.
const TIP: u32 = 2;

fn runner(target: &str) -> Runner {
    let module = std::fs::read(wasm_tests::path(target, "metashrew-views"));
    let config = RunConfig {
        output: Output::Discard,
        ..RunConfig::default()
    };
    Runner::new(&module.expect("`cargo xtask guests` builds it"), config).unwrap()
}

/// A block that writes its height under each `step`th of the keys, and does what the guest calls
/// `what`.
fn block(height: u32, keys: u32, step: u32, what: u8) -> Input {
    let body = [&keys.to_le_bytes()[..], &step.to_le_bytes(), &[what]].concat();
    Input::new(height, &body)
}

#[test]
fn a_view_of_a_shared_image_reads_what_holds_at_its_height() {
    for target in TARGETS {
        let runner = runner(target);
        let mut state = MemoryState::default();
        let first = runner.start(&block(1, KEYS, 1, 0), &state).unwrap();
        let image = first.image().unwrap();
        first.commit(&mut state).unwrap();
        let before = state.clone();
        // Every other key has another value from here on.
        let input = block(TIP, KEYS, 2, 0);
        let second = runner.start_warm(&input, &state, Some(&image)).unwrap();
        let image = SharedImage::new(&second.image().unwrap()).unwrap();
        second.commit(&mut state).unwrap();

        let empty = MemoryState::default();
        let heights = [(0, &empty, 10), (1, &before, 5), (TIP, &state, 0)];
        let later = [(3, &state, 10), (900, &state, 10)];
        for (height, state, reads) in heights.into_iter().chain(later) {
            let question = Input::new(height, b"argument");
            let mut views = Vec::new();
            for name in VIEWS {
                let mut cold = runner.open_view(&question, state, None).unwrap();
                let expected = cold.call(name).unwrap();
                assert_eq!(expected.is_empty(), height == 0);
                let mut view = runner.open_view(&question, state, Some(&image)).unwrap();
                assert_eq!(view.call(name).unwrap(), expected, "{name} at {height}");
                let asked = view.imports().get_lens;
                assert_eq!(asked, reads, "{target}, {name} at {height}");
                views.push(view);
            }
            if height == TIP {
                let mut view = runner.open_view(&question, state, Some(&image)).unwrap();
                let expected = views[0].call("by_macro").unwrap();
                assert_eq!(view.call("bare_input").unwrap(), expected);
                assert_eq!(view.imports().get_lens, 0);
                views.push(view);
            }
            if cfg!(target_os = "linux") {
                assert_eq!(written_bytes(), 0, "{target}, at {height}");
            }
        }
    }
}

/// Blocks that set a view's height or mode, or read before their input. The second branch replaces
/// the last two blocks of the first.
fn blocks(what: u8) -> Vec<Input> {
    let heights = [(1, 1), (2, 1), (3, 2), (2, 3), (3, 500), (4, 7)];
    let blocks = heights.map(|(height, step)| block(height, 20, step, what));
    blocks.into()
}

/// Runs the blocks, and goes back to an earlier state where they do. Returns the states that they
/// led to.
fn states(what: u8, mut run: impl FnMut(&Input, &MemoryState) -> Finished) -> Vec<MemoryState> {
    let mut states = Vec::new();
    let mut before: Vec<(u32, MemoryState)> = vec![(1, MemoryState::default())];
    for block in blocks(what) {
        before.retain(|(height, _)| *height <= block.height());
        let mut state = before.last().expect("the first block's stays").1.clone();
        run(&block, &state).commit(&mut state).unwrap();
        before.push((block.height() + 1, state.clone()));
        states.push(state);
    }
    states
}

#[test]
fn blocks_that_set_a_views_height_store_the_same_with_a_warm_cache() {
    for target in TARGETS {
        let runner = runner(target);
        for what in 0..5 {
            let cold = states(what, |block, state| runner.start(block, state).unwrap());
            let mut image = None;
            let warm = states(what, |block, state| {
                let finished = runner.start_warm(block, state, image.as_ref()).unwrap();
                image = Some(finished.image().unwrap());
                finished
            });
            for (block, (warm, cold)) in warm.iter().zip(&cold).enumerate() {
                assert_eq!(warm.pairs(), cold.pairs(), "{target}, {what}, {block}");
            }
        }
    }
}
