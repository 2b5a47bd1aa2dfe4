//! `steadfast size`: how large should a module's region and its heap be?

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use steadfast::Plan;
use steadfast_host::ceiling::PAGE_BYTES;
use steadfast_host::size::{
    Cause, HeapNeed, Measured, Point, Prediction, Recording, better_entry, curve_svg, falls,
    measure, record, settable,
};
use steadfast_host::table::{bytes, grouped};
use steadfast_host::{Input, Output, RunConfig, Runner};

use super::block_files::BlockFiles;
use super::outputs::{check_outputs, write_file};
use super::run::Memory;

/// Capacities in the table, and tried with `--check`.
const POINTS: usize = 10;
/// What the prediction and a real run may differ by, in points of the hit ratio.
const TOLERATED: f64 = 0.5;

/// Tells how large a module's region and heap should be: the hit ratio of its cache at every
/// capacity, and what its heap reached, from one run
///
/// Give it the heaviest blocks that there are. They are indexed in one instance, so that the cache
/// is warm from the second block on. Heights count up from the first block's.
#[derive(clap::Args)]
#[command(mut_arg("input", |input| input.required(true)))]
#[command(override_usage = "steadfast size <MODULE> --input <FILE|FOLDER>... [OPTIONS]")]
pub struct Arguments {
    /// The indexer: a WebAssembly module that exports `_start`, built on steadfast
    module: PathBuf,
    #[command(flatten)]
    blocks: BlockFiles,
    /// Indexes the blocks so many times over
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Bytes of key and value in a typical entry, for a plan that is to be changed; by default the
    /// module's own plan's
    #[arg(long, value_name = "BYTES", conflicts_with = "check", value_parser = clap::value_parser!(u32).range(1..=i64::from(Plan::MAX_EXPECTED_ENTRY)))]
    expected_entry: Option<u32>,
    /// Runs the module at each capacity of the table too, and fails where that differs from the
    /// prediction by more than half a point
    #[arg(long)]
    check: bool,
    /// Draws the curve
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Writes the figures there, one JSON object a line
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    memory: Memory,
}

/// One figure, as the benches write theirs.
#[derive(Serialize)]
struct Figure {
    bench: &'static str,
    row: String,
    subject: &'static str,
    metric: &'static str,
    value: f64,
    unit: &'static str,
}

impl Figure {
    fn of(point: &Point, subject: &'static str) -> Self {
        Figure {
            bench: "size",
            row: point.capacity.to_string(),
            subject,
            metric: "hit_ratio",
            value: point.hit_ratio,
            unit: "",
        }
    }
}

/// Records a run, and prints what follows from it.
pub fn size(arguments: &Arguments) -> anyhow::Result<()> {
    check_outputs(
        [
            ("--svg", arguments.svg.as_ref()),
            ("--json", arguments.json.as_ref()),
        ],
        arguments.blocks.input.iter().chain([&arguments.module]),
    )?;
    let name = || arguments.module.display().to_string();
    let inputs = inputs(arguments)?;
    let module = super::read_module(&arguments.module, &arguments.memory.limits)?;
    let config = RunConfig {
        output: Output::Capture,
        ..arguments.memory.config(false)
    };
    let runner = Runner::new(&module, config).with_context(name)?;
    super::run::check_budget(&runner).with_context(name)?;
    let progress = super::run::progress(inputs.len());
    let recording = record(&runner, &inputs, |done| progress.set_position(done as u64));
    progress.finish_and_clear();
    let Recording { trace, heap } = recording.with_context(name)?;
    let planned = trace.expected_entry.unwrap_or_default();
    let expected = arguments.expected_entry.unwrap_or(planned);
    let prediction = Prediction::new(&trace, expected);
    let predicted = prediction.points(POINTS);
    let measured = if arguments.check {
        let run = |point: &Point| measure(&runner, &inputs, point.capacity);
        let run = predicted.iter().map(run).collect::<Result<Vec<_>, _>>();
        run.with_context(name)?
    } else {
        Vec::new()
    };

    let plan = runner.guest().plan();
    let c_heap = plan.map_or(0, |plan| plan.c_heap().get());
    let points: Vec<Point> = measured.iter().map(|run| run.point).collect();
    let lines = [
        counts(&prediction, inputs.len()),
        table(&prediction, &predicted, &points),
        advice(&prediction),
        heap.as_ref()
            .map_or_else(Vec::new, |need| heap_advice(need, c_heap)),
    ];
    let paragraphs = lines.map(|lines| lines.join("\n") + "\n");
    super::print(&paragraphs.join("\n"))?;
    if let Some(path) = &arguments.svg {
        write_file(path, curve_svg(&prediction, &points)?)?;
    }
    if let Some(path) = &arguments.json {
        write_figures(path, &predicted, &points)?;
    }
    check(runner.config(), &prediction, &predicted, &measured).with_context(name)
}

/// The blocks, as often as they are wanted, at rising heights.
fn inputs(arguments: &Arguments) -> anyhow::Result<Vec<Input>> {
    let blocks = arguments.blocks.read(arguments.memory.limits.bounds())?;
    let first = blocks.first().map_or(0, Input::height);
    let times = arguments.repeat as usize;
    let repeated = blocks.iter().cycle().take(blocks.len() * times);
    let mut inputs = Vec::new();
    for (block, number) in repeated.zip(0..) {
        let height = first.checked_add(number);
        let height = height.context("there are no heights left for so many blocks")?;
        inputs.push(block.at_height(height));
    }
    Ok(inputs)
}

/// What was recorded.
fn counts(prediction: &Prediction<'_>, blocks: usize) -> Vec<String> {
    let trace = prediction.trace();
    let held = prediction.replay(prediction.recommended().capacity);
    let mut lines = vec![
        format!("blocks          {}", grouped(blocks as u64)),
        format!("lookups         {}", grouped(prediction.strict().lookups())),
        format!(
            "entries held    {} of {} B of key and value on average, in the smallest cache that finds as much; the plan expects {} B",
            grouped(held.most_entries.into()),
            held.mean_entry,
            prediction.expected_entry()
        ),
    ];
    let (unseen, lost) = (trace.unseen, trace.lost);
    if unseen + lost > 0 {
        lines.push(format!(
            "left out        {} lookups and {} entries that could not be seen",
            grouped(unseen),
            grouped(lost)
        ));
    }
    lines
}

/// The hit ratio of each capacity.
fn table(prediction: &Prediction<'_>, predicted: &[Point], measured: &[Point]) -> Vec<String> {
    let head = format!("{:>14} {:>10} {:>10}", "capacity", "strict", "predicted");
    let mut lines = vec![if measured.is_empty() {
        head
    } else {
        format!("{head} {:>10} {:>10}", "measured", "difference")
    }];
    let recommended = prediction.recommended();
    for (at, point) in predicted.iter().enumerate() {
        let strict = prediction.strict().at(point.capacity);
        let mut line = format!(
            "{:>14} {:>9.2}% {:>9.2}%",
            kib(point.capacity),
            percent(&strict),
            percent(point)
        );
        if let Some(measured) = measured.get(at) {
            let difference = percent(measured) - percent(point);
            line += &format!(" {:>9.2}% {difference:>+10.2}", percent(measured));
        }
        if hits(prediction) && point.capacity == recommended.capacity {
            line += "  <- recommended";
        }
        lines.push(line);
    }
    let falls = falls(prediction, predicted);
    lines.extend(falls.iter().map(|fall| format!("falls           {fall}")));
    lines
}

/// Whether lookups hit at all, or no region is better than another.
fn hits(prediction: &Prediction<'_>) -> bool {
    prediction.best().hit_ratio > Prediction::WITHIN / 100.0
}

/// What the plan should say of the region. Each value has been replayed.
fn advice(prediction: &Prediction<'_>) -> Vec<String> {
    let recommended = prediction.recommended();
    let best = prediction.best();
    if !hits(prediction) {
        return vec![format!(
            "recommended     nothing: {:.2} % of the lookups hit at best; give consecutive blocks, or more of them",
            percent(&best)
        )];
    }
    let mut lines = vec![
        format!(
            "recommended     {}: hit ratio {:.2} %, of {:.2} % at best, which takes {}",
            bytes(recommended.capacity),
            percent(&recommended),
            percent(&best),
            bytes(best.capacity)
        ),
        format!(
            "set             STEADFAST_REGION_MAX={}",
            in_units(settable(prediction, &recommended).capacity)
        ),
    ];
    if let Some(better) = better_entry(prediction, &recommended) {
        let reason = if better.index_is_full {
            "the index is full before the region is"
        } else {
            "the index is larger than these entries need"
        };
        lines.push(format!(
            "or set          STEADFAST_EXPECTED_ENTRY={} STEADFAST_REGION_MAX={}: {:.2} % from less, since {reason}",
            better.expected_entry,
            in_units(better.point.capacity),
            percent(&better.point)
        ));
    }
    lines
}

/// What the plan should say of the heap.
fn heap_advice(need: &HeapNeed, c_heap: u64) -> Vec<String> {
    let mut lines = vec![
        format!(
            "heap            reached {} of {}, largest block {}",
            bytes(need.reached_bytes()),
            bytes(need.room_bytes()),
            bytes(need.used.largest_bytes.into())
        ),
        format!(
            "margin          {} should be left for heavier blocks, {} is",
            bytes(need.margin_bytes()),
            bytes(need.left_bytes())
        ),
    ];
    let base = variables(need, c_heap);
    lines.push(if need.is_near() {
        format!("set             {base}: the heap's budget is near its end")
    } else {
        format!("enough          {base} would do for these blocks and the margin")
    });
    lines
}

/// The variables that give the heap what it needs. A plan refuses a base below which its part for C
/// and two pages do not fit, also in a module that has no such part.
fn variables(need: &HeapNeed, c_heap: u64) -> String {
    let base = need.region_base();
    let is_too_low = base < c_heap + 2 * PAGE_BYTES;
    let no_c_heap = if need.c_bytes == 0 && is_too_low {
        "STEADFAST_C_HEAP=0 "
    } else {
        ""
    };
    format!("{no_c_heap}STEADFAST_REGION_BASE={}", in_units(base))
}

/// A size as the variables take it.
fn in_units(bytes: u64) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ => format!("{}KiB", bytes >> 10),
    }
}

fn percent(point: &Point) -> f64 {
    100.0 * point.hit_ratio
}

/// All capacities are whole numbers of 4 KiB.
fn kib(bytes: u64) -> String {
    format!("{} KiB", grouped(bytes >> 10))
}

fn write_figures(path: &Path, predicted: &[Point], measured: &[Point]) -> anyhow::Result<()> {
    let mut lines = String::new();
    for (subject, points) in [("predicted", predicted), ("measured", measured)] {
        for point in points {
            lines += &serde_json::to_string(&Figure::of(point, subject))?;
            lines.push('\n');
        }
    }
    write_file(path, lines)
}

fn check(
    config: &RunConfig,
    prediction: &Prediction<'_>,
    predicted: &[Point],
    measured: &[Measured],
) -> anyhow::Result<()> {
    let differences = predicted.iter().zip(measured).map(|(predicted, measured)| {
        let difference = (percent(predicted) - percent(&measured.point)).abs();
        (difference, measured)
    });
    let most = differences.max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((most, measured)) = most
        && most > TOLERATED
    {
        bail!(
            "prediction and run differ by {most:.2} points at {}, more than {TOLERATED}: {}",
            bytes(measured.point.capacity),
            Cause::of(config, prediction, measured)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use steadfast_host::HeapUse;
    use steadfast_host::size::HeapNeed;

    use super::variables;

    #[test]
    fn what_is_advised_is_a_plan() {
        let need = |c_bytes| HeapNeed {
            start: 1 << 20,
            budget_bytes: 4 << 20,
            c_bytes,
            used: HeapUse {
                held_bytes: 0,
                peak_bytes: 0,
                reached_bytes: 64 << 10,
                largest_bytes: 0,
            },
        };
        let c_heap = 4 << 20;
        let low = "STEADFAST_REGION_BASE=2MiB";
        assert_eq!(variables(&need(0), 0), low);
        assert_eq!(
            variables(&need(0), c_heap),
            format!("STEADFAST_C_HEAP=0 {low}")
        );
        let with_c = "STEADFAST_REGION_BASE=6MiB";
        assert_eq!(variables(&need(4 << 20), c_heap), with_c);
    }
}
