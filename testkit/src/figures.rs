//! What was measured: a table for people, one JSON object a line for programs.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// A number, or a digest in hexadecimal.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A digest.
    Digest(String),
    /// A word or two.
    Word(String),
}

/// One measured figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// The bench.
    pub bench: &'static str,
    /// The workload or scenario.
    pub row: String,
    /// Who was measured.
    pub subject: String,
    /// What was measured.
    pub metric: &'static str,
    /// The result.
    pub value: Value,
    /// Its unit.
    pub unit: &'static str,
}

/// All figures of one run.
#[derive(Debug, Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// Adds a figure.
    pub fn push(&mut self, figure: Figure) {
        self.0.push(figure);
    }

    /// The number measured, if one was.
    pub fn number(&self, row: &str, subject: &str, metric: &str) -> Option<f64> {
        let found = self.0.iter().find(|figure| {
            figure.row == row && figure.subject == subject && figure.metric == metric
        })?;
        match found.value {
            Value::Number(number) => Some(number),
            Value::Digest(_) | Value::Word(_) => None,
        }
    }

    /// Prints a line for each row and subject, with a column for each metric.
    pub fn print(&self) {
        let mut metrics: Vec<(&str, &str)> = Vec::new();
        let mut lines: Vec<(&str, &str)> = Vec::new();
        for figure in &self.0 {
            if !metrics.contains(&(figure.metric, figure.unit)) {
                metrics.push((figure.metric, figure.unit));
            }
            if !lines.contains(&(&figure.row, &figure.subject)) {
                lines.push((&figure.row, &figure.subject));
            }
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        let heads = metrics.iter().map(|(metric, unit)| match *unit {
            "" => (*metric).to_owned(),
            unit => format!("{metric} [{unit}]"),
        });
        table.set_header(
            ["row".to_owned(), "subject".to_owned()]
                .into_iter()
                .chain(heads),
        );
        for (row, subject) in lines {
            let cells = metrics.iter().map(|(metric, _)| {
                self.0
                    .iter()
                    .find(|figure| {
                        figure.row == row && figure.subject == subject && figure.metric == *metric
                    })
                    .map_or(String::from("-"), |figure| shown(&figure.value))
            });
            table.add_row(
                [row.to_owned(), subject.to_owned()]
                    .into_iter()
                    .chain(cells),
            );
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("{table}");
    }

    /// Prints one metric: a line for each row, a column for each subject; why, where a subject
    /// stopped.
    pub fn print_across(&self, metric: &str) {
        let of_metric = |figure: &&Figure| figure.metric == metric;
        let rows = distinct(self.0.iter().filter(of_metric).map(|figure| &*figure.row));
        let subjects = distinct(
            self.0
                .iter()
                .filter(of_metric)
                .map(|figure| &*figure.subject),
        );
        if rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header([metric].into_iter().chain(subjects.iter().copied()));
        for row in rows {
            let cells = subjects.iter().map(|subject| {
                let found = |metric: &str| {
                    self.0.iter().find(|figure| {
                        figure.row == row && figure.subject == *subject && figure.metric == metric
                    })
                };
                found(metric)
                    .or_else(|| found("stopped"))
                    .map_or(String::from("-"), |figure| shown(&figure.value))
            });
            table.add_row([row.to_owned()].into_iter().chain(cells));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        println!("{table}\n");
    }

    /// Writes the figures, one JSON object a line.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_json(&self, path: &Path) -> Result<()> {
        let mut file =
            fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        for figure in &self.0 {
            writeln!(file, "{}", serde_json::to_string(figure)?)?;
        }
        Ok(())
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Word(word) => word.clone(),
        Value::Digest(digest) => digest.chars().take(16).collect(),
        Value::Number(number) if number.fract() == 0.0 => grouped(*number as i64),
        Value::Number(number) => format!("{number:.3}"),
    }
}

/// Each once, in the order in which they come.
fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// Digits in groups of three.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The middle of the values; the mean of the two middle ones of an even number.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(-1000), "-1,000");
    }
}
