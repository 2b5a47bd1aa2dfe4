//! The same workloads over steadfast's heap and over the allocators that a guest could pick
//! instead.

mod code;
mod document;
mod row;
mod subject;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::figures::{Figure, Figures, Value, median};
use crate::schedule;
use row::{ROWS, Row};
use steadfast_host::plot::{self, Labels, Series};
use subject::{Instance, Stop, Subject};

const BENCH: &str = "heap";

/// Who is measured: a guest `heap-NAME` each.
const SUBJECTS: [&str; 8] = [
    "std",
    "dlmalloc",
    "talc",
    "rlsf",
    "lol-alloc",
    "wee-alloc",
    "floor",
    "steadfast",
];

/// The subject that `ratio_to_std` is measured by.
const STD: usize = 0;

/// A subject that takes more than so many times std's fuel cannot finish.
const PATIENCE: u64 = 20;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Only these rows.
    #[arg(long, num_args = 1.., value_name = "ROW")]
    rows: Vec<String>,
    /// Fresh instances of each subject in each row.
    #[arg(long, default_value_t = 4)]
    trials: usize,
    /// Further runs in each instance.
    #[arg(long, default_value_t = 8)]
    warm: usize,
    /// Draws the ratios to std into this file.
    #[arg(long, value_name = "SVG")]
    plot: Option<PathBuf>,
}

impl Options {
    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }
}

/// What was measured of one subject in one row.
#[derive(Default)]
struct Measured {
    cold: Vec<f64>,
    warm: Vec<f64>,
    fuel: u64,
    pages: u32,
}

/// Measures every row: fresh instances of each subject, with more calls each, interleaved.
///
/// # Errors
/// When a guest is missing, or two subjects come to different results.
pub fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    ensure!(
        options.trials > 0 && options.warm > 0,
        "at least one run is needed"
    );
    let known = |name: &String| name == code::ROW || ROWS.iter().any(|row| row.name == name);
    if let Some(unknown) = options.rows.iter().find(|name| !known(name)) {
        bail!("there is no row {unknown}");
    }
    let subjects: Vec<Subject> = SUBJECTS
        .into_iter()
        .map(Subject::load)
        .collect::<Result<_>>()?;
    for row in ROWS.iter().filter(|row| options.wants(row.name)) {
        measure_row(row, &subjects, options, figures)?;
    }
    if options.wants(code::ROW) {
        code::measure(&SUBJECTS, figures)?;
    }
    for metric in [
        "ratio_to_std",
        "warm_ns",
        "cold_ns",
        "fuel",
        "pages",
        "bytes_o3",
        "bytes_oz",
    ] {
        figures.print_across(metric);
    }
    match &options.plot {
        Some(path) => draw(path, figures),
        None => Ok(()),
    }
}

fn draw(path: &Path, figures: &Figures) -> Result<()> {
    let rows: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    let series = |subject: &'static str| Series {
        subject,
        points: rows
            .iter()
            .map(|row| figures.number(row, subject, "ratio_to_std"))
            .collect(),
    };
    let series: Vec<_> = SUBJECTS.into_iter().map(series).collect();
    let labels = Labels {
        title: "Time of each workload, as a multiple of std's allocator (bars are cut at 2)",
        x: "workload",
        y: "time / std's time",
    };
    Ok(plot::bars(path, &labels, &rows, 2.0, &series)?)
}

fn measure_row(
    row: &Row,
    subjects: &[Subject],
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    let input = row.input()?;
    // Fuel first: it tells who finishes at all, and what the result is.
    let (std_fuel, expected) = match subjects[STD].fuel(row, &input, u64::MAX)? {
        Ok(counted) => counted,
        Err(stop) => bail!("std stops in {}: {stop}", row.name),
    };
    let mut measured: Vec<Result<Measured, Stop>> = Vec::new();
    for subject in subjects {
        let limit = std_fuel.saturating_mul(PATIENCE);
        measured.push(match subject.fuel(row, &input, limit)? {
            Ok((fuel, result)) => {
                ensure!(
                    result == expected,
                    "{} comes to another result in {}",
                    subject.name(),
                    row.name
                );
                Ok(Measured {
                    fuel,
                    ..Measured::default()
                })
            }
            Err(stop) => Err(stop),
        });
    }
    for trial in 0..options.trials {
        let mut running: Vec<(usize, Instance<'_>)> = Vec::new();
        for (at, subject) in subjects.iter().enumerate() {
            if measured[at].is_ok() {
                running.push((at, subject.start(row, &input)?));
            }
        }
        for call in 0..=options.warm {
            let round = trial * (options.warm + 1) + call;
            for turn in schedule::of_round(round, running.len()) {
                let (at, instance) = &mut running[turn];
                match instance.time(expected)? {
                    Ok(ns) => {
                        if let Ok(measured) = &mut measured[*at] {
                            let times = if call == 0 {
                                &mut measured.cold
                            } else {
                                &mut measured.warm
                            };
                            times.push(ns);
                        }
                    }
                    Err(stop) => measured[*at] = Err(stop),
                }
            }
            running.retain(|(at, _)| measured[*at].is_ok());
        }
        for (at, instance) in &running {
            if let Ok(measured) = &mut measured[*at] {
                measured.pages = instance.pages();
            }
        }
    }
    report(row, measured, figures);
    Ok(())
}

fn report(row: &Row, measured: Vec<Result<Measured, Stop>>, figures: &mut Figures) {
    let mut std_ns = f64::NAN;
    for (subject, measured) in SUBJECTS.into_iter().zip(measured) {
        let mut push = |metric, value, unit| {
            figures.push(Figure {
                bench: BENCH,
                row: row.name.to_owned(),
                subject: subject.to_owned(),
                metric,
                value,
                unit,
            });
        };
        match measured {
            Ok(mut measured) => {
                let warm = median(&mut measured.warm);
                if subject == SUBJECTS[STD] {
                    std_ns = warm;
                }
                push("ratio_to_std", Value::Number(warm / std_ns), "");
                push("warm_ns", Value::Number(warm), "ns");
                push("cold_ns", Value::Number(median(&mut measured.cold)), "ns");
                push("fuel", Value::Number(measured.fuel as f64), "fuel");
                push("pages", Value::Number(f64::from(measured.pages)), "pages");
            }
            Err(stop) => push("stopped", Value::Word(stop.to_string()), ""),
        }
    }
}
