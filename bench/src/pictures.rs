//! The pictures of the documentation that show a run of the demo's indexer.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use steadfast_host::size::{Prediction, draw, measure, record};
use steadfast_host::{Input, MemoryMap, MemoryState, Output, RunConfig, Runner};

use crate::{guests, inputs};

/// The ceilings under which the map is drawn, in MiB.
const CEILINGS: [u64; 2] = [129, 512];
/// How often the block is indexed for the curve of hit ratios.
const TIMES: u32 = 4;
/// Capacities that are measured beside the curve.
const MEASURED: usize = 10;

/// Draws into a directory: the map at each ceiling, and the curve of hit ratios.
///
/// # Errors
/// When the indexer cannot be run, or a file not be written.
pub fn draw_all(directory: &Path) -> Result<()> {
    let module = guests::read("indexer_metashrew.wasm")?;
    let blocks = inputs::read(&[])?;
    let block = blocks.first().context("there is a block")?;
    for ceiling in CEILINGS {
        let map = map(&module, block, ceiling)?;
        let path = directory.join(format!("map-{ceiling}.svg"));
        fs::write(&path, map.to_svg())
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{map}");
    }
    let inputs: Vec<Input> = (0..TIMES)
        .map(|number| block.at_height(block.height() + number))
        .collect();
    let runner = runner(&module, 512)?;
    let trace = record(&runner, &inputs, |_| ())?.trace;
    let expected = trace
        .expected_entry
        .context("the indexer opens its cache")?;
    let prediction = Prediction::new(&trace, expected);
    let points = prediction.points(MEASURED);
    let measured = points
        .iter()
        .map(|point| measure(&runner, &inputs, point.capacity).map(|run| run.point));
    let measured = measured.collect::<Result<Vec<_>, _>>()?;
    Ok(draw(&directory.join("size.svg"), &prediction, &measured)?)
}

fn runner(module: &[u8], ceiling_mib: u64) -> Result<Runner> {
    let config = RunConfig {
        ceiling: ceiling_mib << 20,
        output: Output::Discard,
        ..RunConfig::default()
    };
    Ok(Runner::new(module, config)?)
}

fn map(module: &[u8], block: &Input, ceiling_mib: u64) -> Result<MemoryMap> {
    let state = MemoryState::default();
    let finished = runner(module, ceiling_mib)?.start(block, &state)?;
    let finished = finished.succeeded()?;
    let record = finished
        .instance_info()
        .context("the indexer keeps a record")?;
    let title = format!(
        "indexer-metashrew after block {}, under a ceiling of {ceiling_mib} MiB",
        block.height()
    );
    Ok(MemoryMap::of_memory(title, finished.memory(), &record))
}
