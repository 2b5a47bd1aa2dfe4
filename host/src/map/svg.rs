//! The map as a picture. Each shape has a title, which viewers show under the pointer.

use svg::node::element::Title;

use super::cells::{Cell, CellKind, Strip};
use super::model::{AgeRow, ClassRow, IndexLoad, MemoryMap, RunRow};
use super::over_blocks;
use super::page::{INNER, MARGIN, Page, class, rectangle};
use crate::table::{bytes, counted, grouped};

/// Cells in a line, and a cell's edge.
const LINE: usize = 64;
const EDGE: f64 = INNER / LINE as f64;
const CELL_HEIGHT: f64 = 13.0;
const BAR_HEIGHT: f64 = 16.0;

impl MemoryMap {
    /// The map as an SVG document.
    pub fn to_svg(&self) -> String {
        let mut page = Page::new();
        page.heading(&self.title, 18);
        page.rows(self);
        over_blocks::draw(&mut page, &self.history);
        for strip in &self.strips {
            page.strip(strip);
        }
        if let Some(load) = &self.index {
            let heading = format!(
                "buckets of the index by the entries that they hold: load {:.2}",
                load.load
            );
            page.chart(&heading, CellKind::Index, &index(load));
        }
        page.chart(
            "entries by new ones since their last use",
            CellKind::Entries,
            &ages(self),
        );
        page.chart(
            "free runs of the heap by length",
            CellKind::Free,
            &free_runs(self),
        );
        page.chart(
            "small blocks in use by size, of the most that were",
            CellKind::Slab,
            &classes(self),
        );
        page.finish()
    }
}

impl Page {
    /// The address space as one bar, low addresses left, and a line for each span. Widths grow with
    /// the root of the sizes, so that small spans are seen beside large ones.
    fn rows(&mut self, map: &MemoryMap) {
        let root = |bytes: u64| (bytes as f64).sqrt();
        let sum: f64 = map.rows.iter().map(|row| root(row.bytes)).sum();
        let mut x = MARGIN as f64;
        for row in &map.rows {
            let colour = span(row.name);
            let width = INNER * root(row.bytes) / sum.max(1.0);
            let note = format!("{}: {:#010x}, {}", row.name, row.start, bytes(row.bytes));
            self.add(rectangle(x, self.at, width, 34.0, colour).add(Title::new(note)));
            x += width;
        }
        self.at += 48.0;
        self.text(
            MARGIN as f64,
            11,
            "low addresses on the left; widths grow with the root of the sizes, so that small spans are seen beside large ones",
        );
        self.at += 24.0;
        for row in &map.rows {
            let colour = span(row.name);
            let mark = rectangle(MARGIN as f64, self.at - 10.0, 12.0, 12.0, colour);
            self.add(mark);
            self.text(48.0, 13, &format!("{:#010x}", row.start));
            self.text(140.0, 13, row.name);
            self.text(320.0, 13, &bytes(row.bytes));
            self.text(510.0, 12, &row.note);
            self.at += 19.0;
        }
        self.at += 8.0;
        for (name, figure) in &map.figures {
            self.text(140.0, 13, name);
            self.text(320.0, 13, figure);
            self.at += 19.0;
        }
    }

    fn strip(&mut self, strip: &Strip) {
        let shown: u64 = strip.cells.iter().map(|cell| cell.bytes).sum();
        let heading = format!(
            "{}, as far as it was ever used ({}): {} to a cell",
            strip.name,
            bytes(shown),
            bytes(strip.cell_bytes)
        );
        self.heading(&heading, 15);
        let mut kinds: Vec<CellKind> = strip.cells.iter().map(|cell| cell.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let mut x = MARGIN as f64;
        self.at += 10.0;
        for kind in kinds {
            self.add(rectangle(x, self.at - 10.0, 12.0, 12.0, class(kind)));
            let name = match kind {
                CellKind::Entries => "entries, stronger the later they were used",
                CellKind::Slab => "small blocks, paler the emptier",
                kind => kind.name(),
            };
            self.text(x + 17.0, 12, name);
            x += 40.0 + 7.0 * name.len() as f64;
        }
        self.at += 10.0;
        for line in strip.cells.chunks(LINE) {
            for (column, cell) in line.iter().enumerate() {
                let x = MARGIN as f64 + EDGE * column as f64;
                let shape = rectangle(x, self.at, EDGE - 1.0, CELL_HEIGHT - 1.0, class(cell.kind));
                let shape = shape.set("fill-opacity", opacity(cell));
                self.add(shape.add(Title::new(cell.note.clone())));
            }
            self.at += CELL_HEIGHT;
        }
    }

    /// A bar for each line; the longest takes all of the width.
    fn chart(&mut self, heading: &str, kind: CellKind, bars: &[Bar]) {
        if bars.is_empty() {
            return;
        }
        self.heading(heading, 15);
        let most = bars.iter().map(|bar| bar.whole).fold(1.0, f64::max);
        for bar in bars {
            let Bar {
                label,
                whole,
                part,
                figure,
            } = bar;
            let (left, top) = (130.0, self.at);
            let note = format!("{label}: {figure}");
            let shape = |length: f64| {
                rectangle(
                    left,
                    top,
                    560.0 * length / most,
                    BAR_HEIGHT - 3.0,
                    class(kind),
                )
                .add(Title::new(note.clone()))
            };
            self.add(shape(*whole).set("fill-opacity", 0.25));
            self.add(shape(*part));
            self.at += 11.0;
            self.text(MARGIN as f64, 12, label);
            self.text(left + 560.0 * whole / most + 8.0, 12, figure);
            self.at += BAR_HEIGHT - 11.0;
        }
    }
}

/// A line of a chart.
struct Bar {
    label: String,
    /// How long the bar is, and how much of that is filled.
    whole: f64,
    part: f64,
    figure: String,
}

impl Bar {
    fn full(label: String, length: f64, figure: String) -> Bar {
        Bar {
            label,
            whole: length,
            part: length,
            figure,
        }
    }
}

fn classes(map: &MemoryMap) -> Vec<Bar> {
    let bar = |class: &ClassRow| Bar {
        label: format!("{} B", class.block_bytes),
        whole: class.most_bytes() as f64,
        part: class.block_bytes as f64 * class.live_blocks as f64,
        figure: format!(
            "{} of {}",
            grouped(class.live_blocks as u64),
            counted(class.most_blocks as u64, "block", "blocks")
        ),
    };
    let used = map.classes.iter().filter(|class| class.live_blocks > 0);
    used.map(bar).collect()
}

fn free_runs(map: &MemoryMap) -> Vec<Bar> {
    let bar = |row: &RunRow| {
        let label = format!("from {}", bytes(row.least_bytes));
        let figure = format!(
            "{} of {}",
            counted(row.runs, "run", "runs"),
            bytes(row.bytes)
        );
        Bar::full(label, row.bytes as f64, figure)
    };
    map.free_runs.iter().map(bar).collect()
}

fn index(index: &IndexLoad) -> Vec<Bar> {
    let bar = |(entries, buckets): (usize, &u32)| {
        let label = counted(entries as u64, "entry", "entries");
        let figure = counted((*buckets).into(), "bucket", "buckets");
        Bar::full(label, f64::from(*buckets), figure)
    };
    index.buckets.iter().enumerate().map(bar).collect()
}

fn ages(map: &MemoryMap) -> Vec<Bar> {
    let bar = |age: &AgeRow| {
        let label = format!("up to {}", grouped(age.up_to.into()));
        let figure = format!("{} in {}", grouped(age.entries), bytes(age.bytes));
        Bar::full(label, age.bytes as f64, figure)
    };
    map.ages.iter().map(bar).collect()
}

/// The class of a line of the address map: that of what it holds most of, in the strips.
fn span(name: &str) -> &'static str {
    match name {
        "static data, shadow stack" => "static",
        "heap" => class(CellKind::Slab),
        "heap of C" => class(CellKind::Large),
        "region: header" => class(CellKind::Header),
        "region: index" => class(CellKind::Index),
        "region" | "region: entries" => class(CellKind::Entries),
        _ => class(CellKind::Free),
    }
}

fn opacity(cell: &Cell) -> String {
    let strength = match (cell.kind, cell.age) {
        (CellKind::Free, _) => 1.0,
        (_, Some(age)) => 1.0 - 0.75 * age,
        _ => 0.25 + 0.75 * cell.used,
    };
    format!("{strength:.2}")
}
