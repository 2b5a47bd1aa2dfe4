//! A picture that grows downwards, and its colours.

use svg::Document;
use svg::node::element::{Group, Rectangle, Style, Text};

use super::cells::CellKind;

pub const WIDTH: usize = 1000;
pub const MARGIN: usize = 24;
pub const INNER: f64 = (WIDTH - 2 * MARGIN) as f64;
const FONT: &str = "system-ui, sans-serif";
/// By the classes of shapes, so that a reader who likes it dark gets it dark.
const COLOURS: &str = "\
.paper{fill:#fff}.ink{fill:#222}.faint{fill:#667}.line{fill:#ccd3db}.pick{fill-opacity:0}\
.free{fill:#dfe6ee}.header{fill:#4a4e69}.slab{fill:#c43c1e}.large{fill:#d9a441}\
.index{fill:#6b4e9b}.entries{fill:#1f5a99}.static{fill:#8d99ae}\
.pick:hover{fill:#888;fill-opacity:.25}\
@media(prefers-color-scheme:dark){\
.paper{fill:#14171c}.ink{fill:#dde3ea}.faint{fill:#9aa5b1}.line{fill:#3a424d}\
.free{fill:#2a313b}.header{fill:#8186a8}.slab{fill:#e8694b}.large{fill:#d9a441}\
.index{fill:#a487dc}.entries{fill:#5b9be0}.static{fill:#6f7a8c}}";

/// The picture.
pub struct Page {
    group: Group,
    /// How far down it has grown.
    pub at: f64,
}

impl Page {
    pub fn new() -> Page {
        Page {
            group: Group::new(),
            at: MARGIN as f64,
        }
    }

    pub fn add(&mut self, node: impl svg::Node) {
        self.group = std::mem::take(&mut self.group).add(node);
    }

    /// Writes a line at the height reached.
    pub fn text(&mut self, x: f64, size: usize, text: &str) {
        let node = label(x, self.at, size, "ink", text);
        self.add(node);
    }

    pub fn heading(&mut self, text: &str, size: usize) {
        self.at += 22.0;
        self.text(MARGIN as f64, size, text);
        self.at += 14.0;
    }

    pub fn finish(self) -> String {
        let height = self.at + MARGIN as f64;
        Document::new()
            .set("viewBox", (0, 0, WIDTH, height.ceil() as usize))
            .set("width", WIDTH)
            .set("height", height.ceil())
            .set("font-family", FONT)
            .add(Style::new(COLOURS))
            .add(rectangle(0.0, 0.0, WIDTH as f64, height, "paper"))
            .add(self.group)
            .to_string()
    }
}

pub fn label(x: f64, y: f64, size: usize, class: &str, text: &str) -> Text {
    Text::new(text)
        .set("x", format!("{x:.1}"))
        .set("y", format!("{y:.1}"))
        .set("font-size", size)
        .set("class", class)
}

pub fn rectangle(x: f64, y: f64, width: f64, height: f64, class: &str) -> Rectangle {
    Rectangle::new()
        .set("x", format!("{x:.1}"))
        .set("y", format!("{y:.1}"))
        .set("width", format!("{:.1}", width.max(0.5)))
        .set("height", format!("{height:.1}"))
        .set("class", class)
}

/// The class of the shapes that stand for a kind.
pub fn class(kind: CellKind) -> &'static str {
    match kind {
        CellKind::Free => "free",
        CellKind::Header => "header",
        CellKind::Slab => "slab",
        CellKind::Large => "large",
        CellKind::Index => "index",
        CellKind::Entries => "entries",
    }
}
