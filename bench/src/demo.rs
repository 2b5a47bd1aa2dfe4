//! Indexes real blocks under every kind of memory that a host may grant, and checks that nobody can tell the difference.

mod expected;
mod family;
mod scenario;
mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use steadfast_host::ceiling::PAGE_BYTES;
use steadfast_host::{Input, MemoryState, Runner};

use crate::figures::Figures;
use crate::{guests, inputs};
use expected::Expected;
use family::{Family, Instances};
use scenario::Subject;

/// Runs every scenario on both modules, prints the tables, writes the figures, and only then tells what was found wrong.
///
/// # Errors
/// When a module is missing, a run fails, or anything differs that must not.
pub fn run(files: &[PathBuf], json: Option<&Path>) -> Result<()> {
    let inputs = inputs::read(files)?;
    let expected = Expected::of(&inputs)?;
    if files.is_empty() {
        expected.check_known_block()?;
    }
    let wasi = load(Subject::Wasi)?;
    let metashrew = load(Subject::Metashrew)?;

    let mut demo = Family::new("demo", Instances::Fresh, &inputs, expected);
    demo.run(Subject::Wasi, &wasi)?;
    demo.run(Subject::Metashrew, &metashrew)?;
    println!("{}: a fresh instance for each block", named(&inputs));
    demo.figures.print();
    println!();
    for (subject, runner) in [(Subject::Wasi, &wasi), (Subject::Metashrew, &metashrew)] {
        let refusal = refusal(runner, &inputs[0])?;
        println!("a page below the budget, {}: {refusal}", subject.name());
    }

    let twice = [&inputs[..], &inputs].concat();
    let expected = Expected::of(&twice)?;
    let mut replay = Family::new("replay", Instances::Kept, &twice, expected);
    replay.run(Subject::Metashrew, &metashrew)?;
    println!(
        "\n{}: one instance, whose cache is warm the second time",
        named(&twice)
    );
    replay.figures.print();
    println!();

    let verdicts = [demo.verdict(), replay.verdict()];
    if let Some(path) = json {
        let mut figures = Figures::default();
        figures.append(demo.figures);
        figures.append(replay.figures);
        figures.write_json(path)?;
    }
    verdicts.into_iter().collect()
}

fn load(subject: Subject) -> Result<Runner> {
    let module = guests::read(subject.module())?;
    Runner::new(&module, subject.config()).with_context(|| subject.module().to_owned())
}

/// The blocks, for a heading.
fn named(inputs: &[Input]) -> String {
    let heights: Vec<String> = inputs
        .iter()
        .map(|input| input.height().to_string())
        .collect();
    format!("blocks {}", heights.join(", "))
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
