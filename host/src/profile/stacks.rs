//! Figures by call stack: what every format and every table is made from.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::call_tree::{CallTree, Node};
use super::symbols::{Frame, Symbols};

/// A figure that each stack has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its unit, such as `bytes`.
    pub unit: &'static str,
}

/// A stack and its figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Numbers of frames, outermost first.
    pub frames: Vec<usize>,
    /// A value for each column.
    pub values: Vec<u64>,
}

/// Stacks with their figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stacks {
    /// The figures.
    pub columns: Vec<Column>,
    /// The functions that were called, each once.
    pub frames: Vec<Frame>,
    /// The stacks, in the order of their frames' names.
    pub rows: Vec<Stack>,
}

/// One figure of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The function's name.
    pub function: String,
    /// What stacks have that end in it, library functions at the end not counted.
    pub own: u64,
    /// What stacks have that contain it.
    pub with_callees: u64,
}

impl Stacks {
    /// Names the frames of stacks.
    pub(super) fn new(
        columns: &[Column],
        tree: &CallTree,
        symbols: &Symbols<'_>,
        rows: impl Iterator<Item = (Option<Node>, Vec<u64>)>,
    ) -> Self {
        let mut known = HashMap::new();
        let mut frames = Numbered::new();
        let mut named = |place| -> Vec<usize> {
            let here = known.entry(place).or_insert_with(|| {
                let all = symbols.frames(place).into_iter();
                all.map(|frame| frames.number(frame))
                    .collect::<Vec<usize>>()
            });
            here.clone()
        };
        let mut rows: Vec<Stack> = rows
            .map(|(node, values)| {
                let mut frames: Vec<usize> = tree.places(node).flat_map(&mut named).collect();
                frames.reverse();
                Stack { frames, values }
            })
            .collect();
        let frames = frames.all;
        rows.sort_by(|a, b| names(&frames, a).cmp(names(&frames, b)));
        Stacks {
            columns: columns.to_vec(),
            frames,
            rows,
        }
    }

    /// The place of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The sum of a column.
    #[must_use]
    pub fn total(&self, column: usize) -> u64 {
        self.rows.iter().map(|row| row.values[column]).sum()
    }

    /// The stacks with a value in a column other than 0: the functions' names, outermost first, and
    /// the value. Stacks of the same functions are one.
    #[must_use]
    pub fn by_name(&self, column: usize) -> Vec<(Vec<&str>, u64)> {
        let mut rows: Vec<(Vec<&str>, u64)> = Vec::new();
        for row in self.rows.iter().filter(|row| row.values[column] > 0) {
            let names: Vec<&str> = names(&self.frames, row).collect();
            match rows.last_mut() {
                Some((last, value)) if *last == names => *value += row.values[column],
                _ => rows.push((names, row.values[column])),
            }
        }
        rows
    }

    /// The function that a stack's figures are put down to: the innermost one that is of no
    /// library, or the innermost.
    fn owner(&self, row: &Stack) -> &str {
        let mut frames = row.frames.iter().rev().map(|frame| &self.frames[*frame]);
        let innermost = frames.clone().next();
        let owner = frames.find(|frame| !frame.is_library()).or(innermost);
        owner.map_or("(nobody)", |frame| &frame.function)
    }

    /// What of a column is put down to each function.
    pub(super) fn own(&self, column: usize) -> HashMap<&str, u64> {
        let mut own = HashMap::new();
        for row in &self.rows {
            *own.entry(self.owner(row)).or_default() += row.values[column];
        }
        own
    }

    /// A column by function, the largest first: by what is its own, then by name.
    #[must_use]
    pub fn shares(&self, column: usize) -> Vec<Share> {
        let mut shares: HashMap<&str, (u64, u64)> = HashMap::new();
        for row in &self.rows {
            let value = row.values[column];
            let own = self.owner(row);
            shares.entry(own).or_default().0 += value;
            // A function that calls itself counts once.
            let mut all: HashSet<&str> = names(&self.frames, row).collect();
            all.insert(own);
            for function in all {
                shares.entry(function).or_default().1 += value;
            }
        }
        let share = |(function, (own, with_callees)): (&str, (u64, u64))| Share {
            function: function.to_string(),
            own,
            with_callees,
        };
        let mut shares: Vec<Share> = shares.into_iter().map(share).collect();
        shares.retain(|share| share.with_callees > 0);
        shares.sort_by(|a, b| b.own.cmp(&a.own).then_with(|| a.function.cmp(&b.function)));
        shares
    }
}

/// The functions of a stack, outermost first.
fn names<'a>(frames: &'a [Frame], row: &'a Stack) -> impl Iterator<Item = &'a str> {
    let frames = row.frames.iter().map(|frame| &frames[*frame]);
    frames.map(|frame| frame.function.as_str())
}

/// Values, each once: a value's number is its place.
pub(super) struct Numbered<T> {
    pub all: Vec<T>,
    numbers: HashMap<T, usize>,
}

impl<T: Clone + Eq + Hash> Numbered<T> {
    pub fn new() -> Self {
        Numbered {
            all: Vec::new(),
            numbers: HashMap::new(),
        }
    }

    /// The number of a value, in the order in which values were first met.
    pub fn number(&mut self, value: T) -> usize {
        *self.numbers.entry(value).or_insert_with_key(|value| {
            self.all.push(value.clone());
            self.all.len() - 1
        })
    }
}

/// What a part is of a whole, in percent.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64 * 100.0
}
