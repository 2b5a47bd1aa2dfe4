//! `steadfast map`: where a module's memory goes.

use std::io::{IsTerminal, Write as _, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use steadfast::Plan;
use steadfast_host::map::Moment;
use steadfast_host::text::plain;
use steadfast_host::{
    Bounds, Finished, Input, MemoryMap, MemoryState, Outline, Position, RunConfig, Runner,
};

use super::block_files::BlockFiles;
use super::memory_file::{self, Left};
use super::outputs::{check_outputs, write_file};
use super::run::Memory;
use super::warm::Warm;

/// Draws the address map of a module, or of an instance after it has indexed blocks
///
/// Without `--input`, from the module's plan alone: nothing runs. With it, in a fresh instance for
/// each block, which begins with the cache that the one before it left, as `run` does; also where a
/// block stops. Of an instance that runs elsewhere, from a copy of its memory: `--memory-file`
#[derive(clap::Args)]
#[command(
    override_usage = "steadfast map <MODULE> [OPTIONS]\n       steadfast map --memory-file <FILE> [OPTIONS]"
)]
pub struct Arguments {
    /// The indexer: a WebAssembly module that is built on steadfast
    #[arg(required_unless_present = "memory_file")]
    module: Option<PathBuf>,
    #[command(flatten)]
    blocks: BlockFiles,
    /// Draws a file instead: a copy of an instance's linear memory, or of its region alone, or
    /// what `run --warm` has left
    #[arg(long, value_name = "FILE", conflicts_with_all = ["module", "input"])]
    memory_file: Option<PathBuf>,
    /// Draws the map anew after each block
    #[arg(long, requires = "input")]
    live: bool,
    /// Draws the map as a picture, there
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draws the map as one page of HTML that tells what one points at, there
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Prints the map as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    memory: Memory,
}

/// Gathers the map, and draws it.
pub fn map(arguments: &Arguments) -> anyhow::Result<()> {
    check_outputs(
        [
            ("--svg", arguments.svg.as_ref()),
            ("--html", arguments.html.as_ref()),
        ],
        (arguments.blocks.input.iter())
            .chain(&arguments.memory_file)
            .chain(&arguments.module),
    )?;
    if let Some(path) = &arguments.memory_file {
        return draw(
            arguments,
            &of_file(path, &arguments.memory.limits.bounds())?,
        );
    }
    let path = arguments.module.as_deref().context("a module is wanted")?;
    let name = path.display().to_string();
    let module = super::read_module(path, &arguments.memory.limits)?;
    if arguments.blocks.input.is_empty() {
        let map = planned(
            &module_name(path),
            &module,
            &arguments.memory.limits.bounds(),
        )
        .with_context(|| name.clone())?;
        return draw(arguments, &map);
    }
    let inputs = arguments.blocks.read(arguments.memory.limits.bounds())?;
    let config = RunConfig {
        watch_heap: true,
        ..arguments.memory.config(false)
    };
    let runner = Runner::new(&module, config).with_context(|| name.clone())?;
    super::run::check_budget(&runner).with_context(|| name.clone())?;
    over_blocks(arguments, &module_name(path), &runner, &inputs).with_context(|| name.clone())
}

/// Indexes the blocks as `run` does, and draws the map after the last, after each, or where one
/// stops.
fn over_blocks(
    arguments: &Arguments,
    name: &str,
    runner: &Runner,
    inputs: &[Input],
) -> anyhow::Result<()> {
    let mut state = MemoryState::default();
    let mut cache = Warm::between_blocks();
    let mut history = Vec::new();
    let mut last = None;
    let mut left = inputs.len();
    for input in inputs {
        left -= 1;
        let height = input.height();
        super::warn_of_gap(last.replace(height), input);
        let failed = || super::block_failed(runner.guest(), input);
        let finished = cache.start(runner, input, Position::Next, &state);
        let finished = finished.with_context(failed)?;
        history.extend(Moment::of(&finished));
        // What failed without instance info has no map; the failure is told below.
        let has_failed = finished.outcome().is_err();
        let is_due = match has_failed {
            true => finished.instance_info().is_some(),
            false => left == 0 || arguments.live,
        };
        if is_due {
            let title = match has_failed {
                true => format!("{name}, stopped in block {height}"),
                false => format!("{name}, after block {height}"),
            };
            let map = of_instance(title, &finished)?.with_history(history);
            if arguments.live && stdout().is_terminal() {
                // To the top left, and everything below it away.
                stdout().write_all(b"\x1b[H\x1b[J")?;
            }
            draw(arguments, &map)?;
            history = map.history;
        }
        let committed = cache.commit(finished, input, &mut state);
        committed.with_context(failed)?;
    }
    Ok(())
}

/// What a title calls a file.
fn module_name(path: &Path) -> String {
    let name = path.file_stem().unwrap_or(path.as_os_str());
    plain(&name.to_string_lossy()).into_owned()
}

fn planned(name: &str, module: &[u8], bounds: &Bounds) -> anyhow::Result<MemoryMap> {
    let guest = Outline::read(module, bounds)?;
    if guest.is_stripped() {
        bail!(
            "the module's custom sections were stripped, and its plan with them: keep the section `{}`, or give the map a block with --input",
            Plan::SECTION
        );
    }
    let plan = guest.plan().context(
        "the module has no plan, since it has its own allocator: write steadfast::plan! in it",
    )?;
    let title = format!("{name}, as planned");
    Ok(MemoryMap::of_plan(title, plan, &guest))
}

/// A region's bytes do not tell where it stood: its map begins at 0.
fn of_file(path: &Path, bounds: &Bounds) -> anyhow::Result<MemoryMap> {
    let name = module_name(path);
    Ok(match memory_file::read(path, bounds)? {
        Left::Memory(bytes, info) => MemoryMap::of_memory(name, &bytes, &info),
        Left::Region(bytes) => MemoryMap::of_region(format!("{name}, by offsets"), 0, &bytes)?,
        Left::Image(image, _) => MemoryMap::of_region(name, image.address(), image.bytes())?,
    })
}

fn of_instance(title: String, finished: &Finished) -> anyhow::Result<MemoryMap> {
    let info = finished.instance_info();
    let info = info.context(super::NO_INSTANCE_INFO)?;
    Ok(MemoryMap::of_memory(title, finished.memory(), &info))
}

fn draw(arguments: &Arguments, map: &MemoryMap) -> anyhow::Result<()> {
    if let Some(path) = &arguments.svg {
        write_file(path, map.to_svg())?;
    }
    if let Some(path) = &arguments.html {
        write_file(path, map.to_html())?;
    }
    if arguments.json {
        return super::print_json(map);
    }
    Ok(super::print(&map.to_string())?)
}
