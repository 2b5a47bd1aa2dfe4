//! A flame graph: a box for each function, as wide as its part, on top of the one that called it.

use svg::Document;
use svg::node::element::{Group, Rectangle, Text, Title};

use crate::profile::stacks::{Stacks, percent};
use crate::table::grouped;
use crate::text;

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 17.0;
const FONT: f64 = 11.0;
/// Room for a character.
const CHARACTER: f64 = 7.0;
/// Boxes that are narrower are left out.
const NARROWEST: f64 = 0.3;

/// A column as an SVG document. Viewers show a box's name and value as one points at it.
#[must_use]
pub fn flame_graph(title: &str, stacks: &Stacks, column: usize) -> String {
    let rows = stacks.by_name(column);
    let total = stacks.total(column);
    let unit = stacks.columns[column].unit;
    let mut graph = Graph {
        scale: WIDTH / total.max(1) as f64,
        total,
        unit,
        depth: 0,
        group: Group::new(),
    };
    graph.add("all", 0, 0, total);
    graph.add_rows(&rows, 0, 0);
    let height = (graph.depth + 3) as f64 * HEIGHT;
    let background = Rectangle::new().set("width", WIDTH).set("height", height);
    let heading = format!("{title}: {} ({unit})", stacks.columns[column].name);
    let heading = Text::new(heading).set("x", 4).set("y", HEIGHT);
    // The root stands at the bottom.
    let moved = format!("translate(0 {})", height - HEIGHT);
    Document::new()
        .set("viewBox", (0, 0, WIDTH, height))
        .set("width", WIDTH)
        .set("height", height)
        .set("font-family", "monospace")
        .set("font-size", FONT)
        .add(background.set("fill", "#ffffff"))
        .add(heading)
        .add(graph.group.set("transform", moved))
        .to_string()
}

struct Graph {
    scale: f64,
    total: u64,
    unit: &'static str,
    depth: usize,
    group: Group,
}

impl Graph {
    /// Adds what stands at `depth`, of rows that begin alike below it, in their order.
    fn add_rows(&mut self, rows: &[(Vec<&str>, u64)], depth: usize, start: u64) {
        let mut at = start;
        for same in rows.chunk_by(|a, b| a.0.get(depth) == b.0.get(depth)) {
            let value = same.iter().map(|(_, value)| value).sum();
            if let Some(name) = same[0].0.get(depth)
                && self.add(name, depth + 1, at, value)
            {
                self.add_rows(same, depth + 1, at);
            }
            at += value;
        }
    }

    /// Adds a box, unless it is too narrow to be seen.
    fn add(&mut self, name: &str, depth: usize, start: u64, value: u64) -> bool {
        let (x, width) = (start as f64 * self.scale, value as f64 * self.scale);
        if width < NARROWEST {
            return false;
        }
        self.depth = self.depth.max(depth);
        let y = -(depth as f64) * HEIGHT;
        let part = percent(value, self.total);
        let told = format!("{name}: {} {}, {part:.1} %", grouped(value), self.unit);
        let shape = Rectangle::new()
            .set("x", round(x))
            .set("y", y)
            .set("width", round(width))
            .set("height", HEIGHT - 1.0)
            .set("fill", colour(name));
        let mut group = Group::new().add(Title::new(told)).add(shape);
        let room = (width / CHARACTER) as usize;
        if room > 3 {
            let text = Text::new(text::cut(name, room - 1)).set("x", round(x + 2.0));
            group = group.add(text.set("y", y + HEIGHT - 5.0));
        }
        self.group = std::mem::take(&mut self.group).add(group);
        true
    }
}

fn round(length: f64) -> f64 {
    (length * 10.0).round() / 10.0
}

/// A warm colour, for the same name always the same.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(7_u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    format!("hsl({} 80% {}%)", hash % 55, 62 + hash / 55 % 12)
}
