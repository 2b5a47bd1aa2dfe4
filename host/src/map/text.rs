//! The map as aligned text.

use std::fmt;

use super::cells::{CellKind, Strip};
use super::history::gathered;
use super::model::MemoryMap;
use crate::table::{bytes, grouped};

/// Cells in a line.
const LINE: usize = 64;
/// The most lines of a history; each is then for several blocks, up to the one that it names.
const MOMENTS: usize = 24;

impl fmt::Display for MemoryMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        let sizes: Vec<String> = self.rows.iter().map(|row| bytes(row.bytes)).collect();
        let width = sizes.iter().map(String::len).max().unwrap_or(0);
        for (row, size) in self.rows.iter().zip(&sizes).rev() {
            let line = format!(
                "{:#010x}  {size:>width$}  {:<25}  {}",
                row.start, row.name, row.note
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        if !self.figures.is_empty() {
            writeln!(f)?;
        }
        for (name, figure) in &self.figures {
            writeln!(f, "{name:<16}  {figure}")?;
        }
        self.strips
            .iter()
            .try_for_each(|strip| write_strip(f, strip))?;
        self.write_index(f)?;
        self.write_ages(f)?;
        self.write_free_runs(f)?;
        self.write_classes(f)?;
        self.write_history(f)
    }
}

impl MemoryMap {
    fn write_classes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.classes.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\nheap, by the size of blocks: the most in use at once, at a flush or at the end"
        )?;
        writeln!(
            f,
            "{:>8} {:>10} {:>14} {:>8} {:>8}",
            "bytes", "at most", "taking", "in use", "slabs"
        )?;
        for class in &self.classes {
            writeln!(
                f,
                "{:>8} {:>10} {:>14} {:>8} {:>8}",
                class.block_bytes,
                grouped(class.most_blocks as u64),
                grouped(class.most_bytes()),
                grouped(class.live_blocks as u64),
                grouped(class.slabs as u64)
            )?;
        }
        let large = self.history.iter().map(|moment| moment.heap.large_bytes);
        let large = large.max().unwrap_or(0);
        if large > 0 {
            writeln!(f, "{:>8} {:>10} {:>14}", "larger", "", grouped(large))?;
        }
        Ok(())
    }

    /// The newest blocks come last, below everything that is known of the last one alone.
    fn write_history(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.history.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nblock by block")?;
        writeln!(
            f,
            "{:>10} {:>14} {:>14} {:>10} {:>9}",
            "up to", "heap peak", "cache bytes", "lookups", "hit ratio"
        )?;
        for moment in gathered(&self.history, MOMENTS) {
            let ratio = moment.hit_ratio();
            let ratio = ratio.map_or_else(|| "-".to_string(), |it| format!("{:.1} %", 100.0 * it));
            writeln!(
                f,
                "{:>10} {:>14} {:>14} {:>10} {ratio:>9}",
                moment.last,
                grouped(moment.heap_peak_bytes),
                grouped(moment.cache_bytes),
                grouped(moment.lookups())
            )?;
        }
        Ok(())
    }

    fn write_free_runs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.free_runs.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nfree runs of the heap, by length")?;
        writeln!(f, "{:>12} {:>8} {:>14}", "at least", "runs", "bytes")?;
        for row in &self.free_runs {
            writeln!(
                f,
                "{:>12} {:>8} {:>14}",
                bytes(row.least_bytes),
                grouped(row.runs),
                grouped(row.bytes)
            )?;
        }
        Ok(())
    }

    fn write_index(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(index) = &self.index else {
            return Ok(());
        };
        writeln!(f, "\nbuckets of the index, by the entries that they hold")?;
        writeln!(f, "{:>8} {:>10} {:>7}", "entries", "buckets", "share")?;
        let all = index.buckets.iter().sum::<u32>().max(1);
        for (entries, buckets) in index.buckets.iter().enumerate() {
            writeln!(
                f,
                "{entries:>8} {:>10} {:>6.1}%",
                grouped((*buckets).into()),
                100.0 * f64::from(*buckets) / f64::from(all)
            )?;
        }
        Ok(())
    }

    fn write_ages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ages.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nentries, by new ones since their last use")?;
        writeln!(f, "{:>12} {:>10} {:>14}", "at most", "entries", "bytes")?;
        for age in &self.ages {
            writeln!(
                f,
                "{:>12} {:>10} {:>14}",
                grouped(age.up_to.into()),
                grouped(age.entries),
                grouped(age.bytes)
            )?;
        }
        Ok(())
    }
}

/// A letter for each cell; of entries a digit, from 0 for those used last to 9 for the oldest.
fn write_strip(f: &mut fmt::Formatter<'_>, strip: &Strip) -> fmt::Result {
    let mut kinds: Vec<CellKind> = strip.cells.iter().map(|cell| cell.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let legend: Vec<String> = kinds
        .iter()
        .map(|kind| match kind {
            CellKind::Entries => "0 to 9 entries, from the latest to the oldest".to_string(),
            kind => format!("{} {}", kind.letter(), kind.name()),
        })
        .collect();
    writeln!(
        f,
        "\n{}, {} to a character: {}",
        strip.name,
        bytes(strip.cell_bytes),
        legend.join(", ")
    )?;
    for line in strip.cells.chunks(LINE) {
        let letters: String = line
            .iter()
            .map(|cell| match (cell.kind, cell.age) {
                (CellKind::Entries, Some(age)) => digit(age),
                (kind, _) => kind.letter(),
            })
            .collect();
        writeln!(f, "{:#010x}  {letters}", line[0].start)?;
    }
    Ok(())
}

fn digit(age: f64) -> char {
    char::from_digit((age * 10.0).clamp(0.0, 9.0) as u32, 10).unwrap_or('9')
}
