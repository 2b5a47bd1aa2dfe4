//! Views in instances that map one image of the indexer's cache: the same answers, without reading
//! the state, and without writing to a page of the image.

use steadfast_host::{Input, MemoryState, Output, RunConfig, Runner, SharedImage, View};
use wasm_tests::indexer;
use wasm_tests::shared_pages::written_bytes;

/// One in so many of the state's keys is asked for.
const STRIDE: usize = 37;

fn runner() -> Runner {
    let config = RunConfig {
        ceiling: 1 << 32,
        output: Output::Discard,
        ..RunConfig::default()
    };
    Runner::new(&indexer("indexer_metashrew"), config).unwrap()
}

/// The questions that the views can be asked about a state.
fn questions(state: &MemoryState, height: u32) -> Vec<(&'static str, Input)> {
    let outputs = state.pairs().iter().filter(|(key, _)| key[0] == b'o');
    let mut questions = Vec::new();
    for (key, value) in outputs.step_by(STRIDE) {
        questions.push(("output", Input::new(height, &key[1..])));
        questions.push(("balance", Input::new(height, &value[size_of::<u64>()..])));
    }
    questions.push(("output", Input::new(height, &[0; 36])));
    questions.push(("balance", Input::new(height, b"no such script")));
    questions
}

#[test]
fn views_answer_the_same_from_a_shared_image() {
    let runner = runner();
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let input = Input::parse("mainnet block 702861", block).unwrap();
    let mut state = MemoryState::default();
    let finished = runner.start(&input, &state).unwrap();
    let image = SharedImage::new(&finished.image().unwrap()).unwrap();
    finished.commit(&mut state).unwrap();

    let questions = questions(&state, input.height());
    assert!(questions.len() > 150, "{}", questions.len());
    let mut live: Vec<View> = Vec::new();
    let (mut reads, mut reads_without) = (0, 0);
    for (view, question) in &questions {
        let mut plain = runner.open_view(question, &state, None).unwrap();
        let mut warm = runner.open_view(question, &state, Some(&image)).unwrap();
        assert_eq!(warm.call(view).unwrap(), plain.call(view).unwrap());
        // Once more, in an instance that has answered.
        assert_eq!(warm.call(view).unwrap(), plain.call(view).unwrap());
        reads += warm.imports().get_lens;
        reads_without += plain.imports().get_lens;
        live.push(warm);
    }
    // The two that are not there are asked of the host twice each: what an instance learns, it
    // keeps to itself or not at all.
    assert!(reads <= 4, "{reads} reads of the state");
    assert!(reads_without as usize >= questions.len(), "{reads_without}");
    if cfg!(target_os = "linux") {
        // Those two may have been stored.
        let page = 4096;
        let written = written_bytes();
        assert!(
            written <= 8 * page,
            "{written} bytes of the image's pages were written"
        );
    }

    // An instance that runs wild harms nobody but itself: the others do not notice.
    let mut wild = live.pop().unwrap();
    wild.memory_mut()[image.address() as usize..].fill(0xff);
    for (view, question) in questions.iter().take(20) {
        let mut plain = runner.open_view(question, &state, None).unwrap();
        let mut warm = runner.open_view(question, &state, Some(&image)).unwrap();
        assert_eq!(warm.call(view).unwrap(), plain.call(view).unwrap());
    }
}
