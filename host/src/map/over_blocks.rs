//! The picture of a history: heap, cache, hit ratio and size classes over the same blocks.

use plotters::coord::ranged1d::{BoldPoints, Ranged};
use plotters::coord::types::RangedCoordf64;
use svg::node::element::Title;

use super::cells::CellKind;
use super::history::{Moment, gathered, heap_marks};
use super::page::{MARGIN, Page, class, label, rectangle};
use crate::heap_marks::HeapMarks;
use crate::table::{bytes, counted, grouped};

/// Where the blocks stand across the page.
const LEFT: f64 = 130.0;
const ACROSS: f64 = 640.0;
/// The most moments that have room there.
const MOST: usize = 160;
/// A bar's greatest width, so that one block does not fill the page.
const WIDEST: f64 = 40.0;
const PANEL_HEIGHT: f64 = 90.0;
const ROW_HEIGHT: f64 = 14.0;
/// Heights written below the bars, as parts of all.
const MARKS: usize = 4;

/// What a panel shows.
struct Panel {
    heading: &'static str,
    kind: CellKind,
    /// The greatest value, and what one is divided by and called.
    top: f64,
    unit: (f64, &'static str),
    value: fn(&Moment) -> Option<f64>,
}

/// Draws what there is of a history.
pub fn draw(page: &mut Page, history: &[Moment]) {
    if history.is_empty() {
        return;
    }
    let moments = gathered(history, MOST);
    let most = |value: fn(&Moment) -> u64| moments.iter().map(value).max().unwrap_or(0);
    page.heading(&span(history), 15);
    let heap = most(|moment| moment.heap_peak_bytes);
    let cache = most(|moment| moment.cache_bytes);
    let panels = [
        Panel {
            heading: "heap: the most that a block held at once",
            kind: CellKind::Slab,
            top: heap as f64,
            unit: unit(heap),
            value: |moment| Some(moment.heap_peak_bytes as f64),
        },
        Panel {
            heading: "cache: the bytes of its entries after the block",
            kind: CellKind::Entries,
            top: cache as f64,
            unit: unit(cache),
            value: |moment| Some(moment.cache_bytes as f64),
        },
        Panel {
            heading: "cache: the share of the block's lookups that hit",
            kind: CellKind::Index,
            top: 1.0,
            unit: (0.01, "%"),
            value: Moment::hit_ratio,
        },
    ];
    for panel in &panels {
        page.panel(panel, &moments);
    }
    page.heights(&moments);
    page.sizes(&moments);
}

impl Page {
    /// A bar for each moment, over a scale of its own.
    fn panel(&mut self, panel: &Panel, moments: &[Moment]) {
        self.at += 18.0;
        self.text(LEFT, 12, panel.heading);
        self.at += 8.0;
        let base = self.at + PANEL_HEIGHT;
        let (size, name) = panel.unit;
        let top = (panel.top / size).max(1.0);
        let up = |value: f64| PANEL_HEIGHT * value / top;
        let axis: RangedCoordf64 = (0.0..top).into();
        for mark in axis.key_points(BoldPoints(5)) {
            let y = base - up(mark);
            self.add(rectangle(LEFT, y, ACROSS, 0.5, "line"));
            let text = format!("{} {name}", rounded(mark));
            self.add(label(MARGIN as f64, y + 4.0, 11, "faint", &text));
        }
        let step = step(moments);
        for (place, moment) in moments.iter().enumerate() {
            let x = LEFT + step * place as f64;
            if let Some(value) = (panel.value)(moment) {
                let height = up(value / size);
                let bar = rectangle(x, base - height, thin(step), height, class(panel.kind));
                self.add(bar);
            }
            let pick = rectangle(x, self.at, step, PANEL_HEIGHT, "pick");
            self.add(pick.add(Title::new(told(moment))));
        }
        self.at = base + 4.0;
    }

    /// The heights of some of the blocks, below the bars.
    fn heights(&mut self, moments: &[Moment]) {
        self.at += 12.0;
        let last = moments.len() - 1;
        let mut places: Vec<usize> = (0..=MARKS).map(|mark| last * mark / MARKS).collect();
        places.dedup();
        let step = step(moments);
        // Words must not run into each other.
        let mut free_from = 0.0;
        for place in places {
            let x = LEFT + step * place as f64;
            if x >= free_from {
                let moment = &moments[place];
                let height = if place == last {
                    moment.last
                } else {
                    moment.first
                };
                let text = grouped(height.into());
                free_from = x + 8.0 * text.len() as f64;
                self.add(label(x, self.at, 11, "faint", &text));
            }
        }
        self.at += 6.0;
    }

    /// A row for each size, with a cell for each moment, and the most of all.
    fn sizes(&mut self, moments: &[Moment]) {
        let most = heap_marks(moments);
        let mut rows: Vec<Row> = most.blocks.keys().map(|&size| Row::Small(size)).collect();
        if most.large_bytes > 0 {
            rows.push(Row::Large);
        }
        if rows.is_empty() {
            return;
        }
        self.heading(
            "heap by the size of blocks: the most in use at once, seen at a flush or at the end of a block",
            15,
        );
        let top = rows.iter().map(|row| row.bytes(&most)).max().unwrap_or(0);
        let step = step(moments);
        for row in rows {
            for (place, moment) in moments.iter().enumerate() {
                let bytes = row.bytes(&moment.heap);
                if bytes == 0 {
                    continue;
                }
                let x = LEFT + step * place as f64;
                let cell = rectangle(x, self.at, thin(step), ROW_HEIGHT - 1.0, class(row.kind()));
                // By the root, so that small parts are seen beside large ones.
                let strength = 0.15 + 0.85 * (bytes as f64 / top as f64).sqrt();
                let note = format!(
                    "{}, blocks of {}: {}",
                    heights(moment),
                    row.name(),
                    row.figure(&moment.heap)
                );
                let cell = cell.set("fill-opacity", format!("{strength:.2}"));
                self.add(cell.add(Title::new(note)));
            }
            self.at += 11.0;
            self.text(MARGIN as f64, 12, &row.name());
            self.text(LEFT + ACROSS + 8.0, 12, &row.figure(&most));
            self.at += ROW_HEIGHT - 11.0;
        }
        self.heights(moments);
    }
}

/// A row of the heap by sizes.
enum Row {
    /// Small blocks of so many bytes.
    Small(usize),
    /// All others.
    Large,
}

impl Row {
    fn kind(&self) -> CellKind {
        match self {
            Row::Small(_) => CellKind::Slab,
            Row::Large => CellKind::Large,
        }
    }

    fn name(&self) -> String {
        match self {
            Row::Small(size) => format!("{size} B"),
            Row::Large => "over 2 KiB".to_string(),
        }
    }

    fn bytes(&self, marks: &HeapMarks) -> u64 {
        match self {
            Row::Small(size) => {
                let blocks = marks.blocks.get(size).copied().unwrap_or(0);
                size.saturating_mul(blocks) as u64
            }
            Row::Large => marks.large_bytes,
        }
    }

    fn figure(&self, marks: &HeapMarks) -> String {
        let taken = bytes(self.bytes(marks));
        match self {
            Row::Small(size) => {
                let blocks = marks.blocks.get(size).copied().unwrap_or(0);
                format!("{}, {taken}", counted(blocks as u64, "block", "blocks"))
            }
            Row::Large => taken,
        }
    }
}

/// How far a moment is from the next.
fn step(moments: &[Moment]) -> f64 {
    (ACROSS / moments.len() as f64).min(WIDEST)
}

/// The width of a bar, with a gap behind it where there is room.
fn thin(step: f64) -> f64 {
    if step > 5.0 { step - 1.0 } else { step }
}

/// Which blocks these are.
fn span(history: &[Moment]) -> String {
    let (first, last) = (&history[0], &history[history.len() - 1]);
    if history.len() == 1 {
        return format!("block {}", grouped(first.first.into()));
    }
    let each = history.len().div_ceil(MOST);
    let together = if each > 1 {
        format!("; a bar stands for {each} of them")
    } else {
        String::new()
    };
    format!(
        "{} blocks, {} to {}{together}",
        grouped(history.len() as u64),
        grouped(first.first.into()),
        grouped(last.last.into())
    )
}

fn heights(moment: &Moment) -> String {
    let (first, last) = (grouped(moment.first.into()), grouped(moment.last.into()));
    if first == last {
        format!("block {first}")
    } else {
        format!("blocks {first} to {last}")
    }
}

fn told(moment: &Moment) -> String {
    let lookups = grouped(moment.lookups());
    let hits = match moment.hit_ratio() {
        Some(ratio) => format!("{:.1} % of {lookups} lookups hit", 100.0 * ratio),
        None => "no lookups".to_string(),
    };
    format!(
        "{}: heap peak {}, cache {}, {hits}",
        heights(moment),
        bytes(moment.heap_peak_bytes),
        bytes(moment.cache_bytes)
    )
}

/// The unit in which values up to that one are read best.
fn unit(most: u64) -> (f64, &'static str) {
    match most {
        0..0x2800 => (1.0, "B"),
        0x2800..0xa0_0000 => (1024.0, "KiB"),
        _ => (f64::from(1 << 20), "MiB"),
    }
}

/// A number on an axis, without digits that say nothing.
fn rounded(number: f64) -> String {
    if number.fract() == 0.0 {
        grouped(number as u64)
    } else {
        format!("{number:.2}")
    }
}
