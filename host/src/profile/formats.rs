//! Profiles as the files that other tools read. Each is made from [`Stacks`](super::Stacks) alone.

mod collapsed;
mod dhat;
mod firefox;
mod flame_graph;
mod pprof;

pub use self::collapsed::collapsed;
pub use self::dhat::dhat;
pub use self::firefox::firefox;
pub use self::flame_graph::flame_graph;
pub use self::pprof::pprof;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Column, Frame, Stack, Stacks};

    fn frame(function: &str, line: Option<u32>) -> Frame {
        Frame {
            function: function.to_string(),
            file: line.map(|_| "leaf.rs".to_string()),
            line,
        }
    }

    /// `start` calls `leaf;<b>`, which has 30 bytes, and has 12 itself.
    pub(super) fn two_stacks() -> Stacks {
        let stack = |frames: &[usize], values: &[u64]| Stack {
            frames: frames.to_vec(),
            values: values.to_vec(),
        };
        let column = |name, unit| Column { name, unit };
        Stacks {
            columns: vec![column("bytes", "bytes"), column("blocks", "count")],
            frames: vec![frame("start", None), frame("leaf;<b>", Some(7))],
            rows: vec![stack(&[0, 1], &[30, 3]), stack(&[0], &[12, 1])],
        }
    }

    #[test]
    fn collapsed_stacks_have_a_line_each() {
        let lines = collapsed(&two_stacks(), 0);
        assert_eq!(lines, "start;leaf,<b> 30\nstart 12\n");
    }

    #[test]
    fn a_flame_graph_is_as_wide_as_its_parts() {
        let drawn = flame_graph("title", &two_stacks(), 0);
        let read = svg::read(&drawn).unwrap();
        let widths: Vec<f64> = read
            .filter_map(|event| match event {
                svg::parser::Event::Tag("rect", _, attributes) => attributes["width"].parse().ok(),
                _ => None,
            })
            .collect();
        let whole = 1200.0;
        let leaf = (whole / 42.0 * 300.0_f64).round() / 10.0;
        // The background, all, `start`, and `leaf` on top of it.
        assert_eq!(widths, [whole, whole, whole, leaf]);
        assert!(
            drawn.contains("leaf;&lt;b&gt;: 30 bytes, 71.4 %"),
            "{drawn}"
        );
        assert!(!drawn.contains("<b>"));
    }
}
