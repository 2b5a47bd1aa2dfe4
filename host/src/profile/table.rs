//! Profiles as people read them.

use std::fmt::Write as _;

use super::INLINED_ADVICE;
use super::fuel::FuelProfile;
use super::heap::{HeapProfile, LargeRequest};
use super::recorder::{Amount, SHORT_LIVED};
use super::stacks::{Stacks, percent};
use super::time::TimeProfile;
use crate::table::{Row, bytes, grouped, write_rows};
use crate::trap::RunError;

/// Functions in each table.
const SHOWN: usize = 10;
/// Functions of a stack that are shown.
const CALLERS: usize = 4;
/// Characters of a line over time.
const LINE: usize = 64;

impl HeapProfile {
    /// The profile in tables: who holds what at the peak and at the end, what is given back at
    /// once, and the largest requests.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = write_rows(&self.rows());
        text += &self.warnings();
        text += &self.held("at the peak", "peak_bytes", "peak_blocks");
        text += &self.held(self.end_name(), "end_bytes", "end_blocks");
        text += &self.churn();
        text += &self.largest_requests();
        text
    }

    fn end_name(&self) -> &'static str {
        match self.exhaustion() {
            Some(_) => "at exhaustion",
            None if self.failure.is_some() => "at the failure",
            None => "at the end",
        }
    }

    fn rows(&self) -> Vec<Row> {
        let counts = &self.counts;
        let mut rows: Vec<Row> = vec![
            ("blocks indexed".into(), grouped(self.blocks as u64)),
            (
                "requests".into(),
                format!(
                    "{} allocations, {} reallocations, {} blocks given back",
                    grouped(counts.allocations),
                    grouped(counts.reallocations),
                    grouped(counts.frees)
                ),
            ),
            (
                "at the peak".into(),
                format!(
                    "{}, after {} requests",
                    amount(self.peak),
                    grouped(counts.requests_at_peak)
                ),
            ),
            (
                self.end_name().into(),
                format!("{}, never given back", amount(self.end)),
            ),
            ("over the requests".into(), self.timeline.drawn(LINE)),
        ];
        if self.every > 0 {
            let every = format!("one in {}: figures are estimates", bytes(self.every));
            rows.push(("blocks looked at".into(), every));
        }
        if let Some(cost) = &self.cost {
            let more = cost.peak_bytes.saturating_sub(self.peak.bytes);
            let reasons = match self.is_partial() {
                true => "for blocks without a report, rounding, and slabs that are used in part",
                false => "for rounding, and for slabs that are used in part",
            };
            rows.push((
                "heap at its peak".into(),
                format!("{}: {} {reasons}", bytes(cost.peak_bytes), bytes(more)),
            ));
            rows.push(("heap's table".into(), bytes(cost.table_bytes)));
            rows.push((
                "free between blocks".into(),
                format!(
                    "{} at the end, {} in one piece",
                    bytes(cost.free_bytes),
                    bytes(cost.largest_free_bytes)
                ),
            ));
        }
        if counts.refused > 0 {
            let last = self.refused.as_ref();
            let last = last.map_or_else(String::new, |it| {
                format!(
                    "; the last for {} in {}",
                    bytes(it.bytes.into()),
                    callers(it)
                )
            });
            rows.push((
                "refused".into(),
                format!("{} requests{last}", grouped(counts.refused)),
            ));
        }
        if let Some(failure) = &self.failure {
            rows.push(("the last block failed".into(), failure.to_string()));
        }
        rows
    }

    /// What makes the figures less than exact, and what to do.
    fn warnings(&self) -> String {
        let counts = &self.counts;
        let mut found = Vec::new();
        if !self.sees_frees {
            found.push("no function was found that gives blocks back".to_string());
        }
        if counts.unseen_frees > 0 {
            let number = grouped(counts.unseen_frees);
            found.push(format!("{number} blocks were given back without a report"));
        }
        if counts.unseen_allocations > 0 {
            let number = grouped(counts.unseen_allocations);
            found.push(format!("{number} were given back that nobody had reported"));
        }
        if self.unreported_blocks > 0 {
            let number = grouped(self.unreported_blocks);
            found.push(format!(
                "{number} blocks are in use at the end that nobody had reported"
            ));
        }
        if found.is_empty() {
            return String::new();
        }
        format!(
            "\nThe compiler inlined a part of the allocator, so what is in use is not exact:\n{}.\n\
             {INLINED_ADVICE}\n",
            found.join(", ")
        )
    }

    fn held(&self, when: &str, bytes: &str, blocks: &str) -> String {
        shares_table(&self.stacks, when, bytes, "bytes", Some(blocks))
    }

    fn churn(&self) -> String {
        let what = format!("given back within {SHORT_LIVED} requests");
        shares_table(&self.stacks, &what, "short_lived_blocks", "blocks", None)
    }

    fn largest_requests(&self) -> String {
        let mut text = format!("\nlargest requests\n{:>15} {:>8}  by\n", "bytes", "times");
        for request in &self.largest {
            let _ = writeln!(
                text,
                "{:>15} {:>8}  {}",
                grouped(request.bytes.into()),
                grouped(request.times),
                callers(request)
            );
        }
        text
    }
}

impl TimeProfile {
    /// The profile as a table: where the time goes.
    #[must_use]
    pub fn table(&self) -> String {
        let samples = self.stacks.column("samples");
        let samples = samples.map_or(0, |column| self.stacks.total(column));
        let rows = summary(self.blocks, ("samples", samples), self.failure.as_ref());
        rows + &shares_table(&self.stacks, "time", "samples", "samples", None)
    }
}

impl FuelProfile {
    /// The profile as a table: where the fuel goes.
    #[must_use]
    pub fn table(&self) -> String {
        let rows = summary(self.blocks, ("fuel", self.fuel()), self.failure.as_ref());
        rows + &shares_table(&self.stacks, "fuel", "fuel", "fuel", None)
    }
}

/// What stands before a table of one figure.
fn summary(
    blocks: usize,
    (name, total): (&'static str, u64),
    failure: Option<&RunError>,
) -> String {
    let mut rows: Vec<Row> = vec![
        ("blocks indexed".into(), grouped(blocks as u64)),
        (name.into(), grouped(total)),
    ];
    if let Some(failure) = failure {
        rows.push(("the last block failed".into(), failure.to_string()));
    }
    write_rows(&rows)
}

/// The functions with the largest shares of a column, in its `unit`. With a column of blocks the
/// table tells how many each of them has.
fn shares_table(
    stacks: &Stacks,
    heading: &str,
    column: &str,
    unit: &str,
    blocks: Option<&str>,
) -> String {
    let Some(column) = stacks.column(column) else {
        return String::new();
    };
    let total = stacks.total(column);
    if total == 0 {
        return String::new();
    }
    let blocks = blocks.and_then(|name| stacks.column(name));
    let blocks = blocks.map(|column| stacks.own(column));
    let mut text = format!("\n{heading}\n{:>15} {:>6}", format!("own {unit}"), "%");
    if blocks.is_some() {
        let _ = write!(text, " {:>12}", "blocks");
    }
    let _ = writeln!(text, " {:>15} {:>6}  function", "with callees", "%");
    let shares = stacks.shares(column);
    for share in shares.iter().filter(|share| share.own > 0).take(SHOWN) {
        let (own, all) = (share.own, share.with_callees);
        let _ = write!(text, "{:>15} {:>6.1}", grouped(own), percent(own, total));
        if let Some(blocks) = &blocks {
            let blocks = blocks.get(share.function.as_str()).copied();
            let _ = write!(text, " {:>12}", grouped(blocks.unwrap_or(0)));
        }
        let _ = write!(text, " {:>15} {:>6.1}", grouped(all), percent(all, total));
        let _ = writeln!(text, "  {}", share.function);
    }
    text
}

fn amount(amount: Amount) -> String {
    format!(
        "{} in {} blocks",
        bytes(amount.bytes),
        grouped(amount.blocks)
    )
}

fn callers(request: &LargeRequest) -> String {
    let stack = &request.stack;
    stack[..stack.len().min(CALLERS)].join(" < ")
}
