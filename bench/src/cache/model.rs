//! What strict LRU must answer, where the bound is simple enough to be told beforehand.

use std::collections::{HashMap, VecDeque};

use super::instance::Op;
use super::subject::{Bound, Subject};

/// A cache of numbers alone, bounded by how many.
pub struct Model {
    capacity: usize,
    /// Each number held, with the time of its last use.
    last_use: HashMap<u32, u64>,
    /// Every use; only a number's last one counts.
    uses: VecDeque<(u64, u32)>,
    now: u64,
}

impl Model {
    /// A model of this subject, if there is one.
    pub fn of(subject: &Subject, entries: u32) -> Option<Self> {
        (subject.bound == Bound::Entries).then(|| Model {
            capacity: entries as usize,
            last_use: HashMap::new(),
            uses: VecDeque::new(),
            now: 0,
        })
    }

    /// Does one thing with each number, and answers how many lookups found theirs.
    pub fn run(&mut self, op: Op, numbers: &[u32]) -> u64 {
        let mut hits = 0;
        for &number in numbers {
            let is_held = self.last_use.contains_key(&number);
            hits += u64::from(is_held && op != Op::Insert);
            if is_held || !matches!(op, Op::Get | Op::GetMany) {
                self.touch(number);
            }
        }
        hits
    }

    fn touch(&mut self, number: u32) {
        self.now += 1;
        self.last_use.insert(number, self.now);
        self.uses.push_back((self.now, number));
        while self.last_use.len() > self.capacity {
            let Some((time, number)) = self.uses.pop_front() else {
                break;
            };
            if self.last_use.get(&number) == Some(&time) {
                self.last_use.remove(&number);
            }
        }
    }
}
