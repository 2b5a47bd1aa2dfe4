//! Indexes real blocks under every kind of memory that a host may grant, and checks that nobody can tell the difference.

mod expected;
mod family;
mod outcome;
mod scenario;
mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use steadfast_host::ceiling::PAGE_BYTES;
use steadfast_host::{Input, MemoryState, Runner};

use crate::{guests, inputs};
use expected::Expected;
use family::Family;
use scenario::Subject;
use trial::Instances;

/// Runs every scenario on both modules, prints the tables, writes the figures, and only then tells what was found wrong.
///
/// # Errors
/// When a module is missing, a run fails, or anything differs that must not.
pub fn run(files: &[PathBuf], json: Option<&Path>) -> Result<()> {
    let inputs = inputs::read(files)?;
    if files.is_empty() {
        Expected::of(&inputs)?.check_known_block()?;
    }
    let wasi = load(Subject::Wasi)?;
    let metashrew = load(Subject::Metashrew)?;

    let mut demo = Family::new(Instances::Fresh, &inputs)?;
    demo.run(Subject::Wasi, &wasi)?;
    demo.run(Subject::Metashrew, &metashrew)?;
    println!("A fresh instance for each block: {}", heights(&inputs));
    demo.figures.print();
    println!();
    for (subject, runner) in [(Subject::Wasi, &wasi), (Subject::Metashrew, &metashrew)] {
        let refusal = refusal(runner, &inputs[0])?;
        println!("One page below the budget, {}: {refusal}", subject.name());
    }

    let twice = [&inputs[..], &inputs].concat();
    let mut replay = Family::new(Instances::Kept, &twice)?;
    replay.run(Subject::Metashrew, &metashrew)?;
    println!(
        "\nOne instance, its cache warm the second time: {}",
        heights(&twice)
    );
    replay.figures.print();
    println!();

    let verdicts = [demo.verdict(), replay.verdict()];
    if let Some(path) = json {
        demo.figures.write_json(path)?;
    }
    verdicts.into_iter().collect()
}

fn load(subject: Subject) -> Result<Runner> {
    let module = guests::read(subject.module())?;
    Runner::new(&module, subject.config()).with_context(|| subject.module().to_owned())
}

/// The blocks' heights, for a heading.
fn heights(inputs: &[Input]) -> String {
    let heights = inputs.iter().map(|input| input.height().to_string());
    heights.collect::<Vec<_>>().join(", ")
}

/// What a host tells whose ceiling lies one page below the heap's budget.
fn refusal(runner: &Runner, input: &Input) -> Result<String> {
    let mut config = runner.config().clone();
    config.ceiling = runner.guest().memory_needed() - PAGE_BYTES;
    let mut state = MemoryState::default();
    match runner.with_config(config)?.run_block(input, &mut state) {
        Ok(_) => bail!("a module ran without its heap's budget"),
        Err(error) => {
            ensure!(
                state.pairs().is_empty(),
                "a refused module wrote to the state"
            );
            let line = error.to_string();
            ensure!(
                !line.contains('\n'),
                "the refusal takes more than one line: {line}"
            );
            Ok(line)
        }
    }
}
