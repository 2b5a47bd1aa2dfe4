//! Call stacks, each kept once: a stack is a node, its caller the node's parent.

use std::collections::HashMap;

use wasmtime::WasmBacktrace;

use crate::bounds::{Bound, Bounds, Exceeded};

/// A place in a module's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub function: u32,
    /// Bytes from the start of the function's code; 0 where nobody asks for lines.
    pub offset: u32,
}

/// A call stack, by its innermost frame.
pub(super) type Node = u32;

/// All call stacks that were met.
pub(super) struct CallTree {
    nodes: Vec<(Option<Node>, Place)>,
    children: HashMap<(Option<Node>, Place), Node>,
    tells_lines: bool,
    bounds: Bounds,
}

impl CallTree {
    /// A tree that tells the places in a function apart, or the functions alone.
    pub fn new(tells_lines: bool, bounds: Bounds) -> Self {
        CallTree {
            nodes: Vec::new(),
            children: HashMap::new(),
            tells_lines,
            bounds,
        }
    }

    /// The stack of a backtrace without its `skipped` innermost frames; `None` if no frame is left.
    /// Of a deep stack the engine tells the innermost frames.
    pub fn enter(
        &mut self,
        backtrace: &WasmBacktrace,
        skipped: usize,
    ) -> Result<Option<Node>, Exceeded> {
        let frames = backtrace.frames().get(skipped..).unwrap_or_default();
        let mut node = None;
        for frame in frames.iter().rev() {
            let offset = frame.func_offset().filter(|_| self.tells_lines);
            let place = Place {
                function: frame.func_index(),
                offset: offset.map_or(0, |offset| offset as u32),
            };
            node = Some(self.child(node, place)?);
        }
        Ok(node)
    }

    /// The stack of a call at this place in the one of its caller.
    pub fn child(&mut self, parent: Option<Node>, place: Place) -> Result<Node, Exceeded> {
        if let Some(&known) = self.children.get(&(parent, place)) {
            return Ok(known);
        }
        let node = self.nodes.len() as Node;
        self.bounds
            .check(Bound::ProfiledCalls, u64::from(node) + 1)?;
        self.nodes.push((parent, place));
        self.children.insert((parent, place), node);
        Ok(node)
    }

    /// The places of a stack, innermost first.
    pub fn places(&self, node: Option<Node>) -> impl Iterator<Item = Place> {
        let mut at = node;
        std::iter::from_fn(move || {
            let (parent, place) = self.nodes[at? as usize];
            at = parent;
            Some(place)
        })
    }
}
