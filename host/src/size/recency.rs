//! How deep in the order of recency each lookup finds its key: from that follows what a cache of
//! any size would have held.

use std::collections::BTreeMap;

/// Sums over a row of weights, each of which can be changed: both in logarithmic time (a Fenwick
/// tree).
struct Sums(Vec<u64>);

impl Sums {
    fn new(len: usize) -> Self {
        Sums(vec![0; len + 1])
    }

    /// Adds to the weight at a place; subtracts by wrapping.
    fn add(&mut self, place: usize, weight: u64) {
        let mut node = place + 1;
        while let Some(sum) = self.0.get_mut(node) {
            *sum = sum.wrapping_add(weight);
            node += node & node.wrapping_neg();
        }
    }

    /// The sum of the weights before a place.
    fn before(&self, place: usize) -> u64 {
        let (mut node, mut sum) = (place, 0_u64);
        while node > 0 {
            sum = sum.wrapping_add(self.0[node]);
            node &= node - 1;
        }
        sum
    }
}

/// One measure of what stands in the order of recency: bytes, or entries. Places count up with
/// time.
///
/// What is removed leaves a hole: space that is free in the caches that held it. The next entry
/// that is new to such a cache fills it, and there pushes nothing further down.
struct Measure {
    sums: Sums,
    total: u64,
    holes: BTreeMap<usize, u64>,
}

impl Measure {
    fn new(len: usize) -> Self {
        Measure {
            sums: Sums::new(len),
            total: 0,
            holes: BTreeMap::new(),
        }
    }

    /// The weight from a place on, itself included: what a cache must hold to hold what stands
    /// there.
    fn depth(&self, place: usize) -> u64 {
        self.total - self.sums.before(place)
    }

    fn add(&mut self, place: usize, weight: u64) {
        self.sums.add(place, weight);
        self.total += weight;
    }

    fn take(&mut self, place: usize, weight: u64) {
        self.sums.add(place, weight.wrapping_neg());
        self.total -= weight;
    }

    /// Puts a weight at a new place at the top; it stood at `from`, if anywhere.
    fn move_to_top(&mut self, from: Option<usize>, top: usize, weight: u64) {
        let mut filled = 0;
        while filled < weight {
            let Some(mut hole) = self.holes.last_entry() else {
                break;
            };
            let place = *hole.key();
            if from.is_some_and(|from| place < from) {
                break;
            }
            let part = (*hole.get()).min(weight - filled);
            filled += part;
            *hole.get_mut() -= part;
            if *hole.get() == 0 {
                hole.remove();
            }
            self.take(place, part);
        }
        if let Some(from) = from {
            // A cache that is deep enough to have held it has the same holes as before: they are
            // where it stood.
            self.take(from, weight);
            self.leave_hole(from, filled);
        }
        self.add(top, weight);
    }

    fn remove(&mut self, place: usize, weight: u64) {
        self.take(place, weight);
        self.leave_hole(place, weight);
    }

    fn leave_hole(&mut self, place: usize, weight: u64) {
        if weight > 0 {
            *self.holes.entry(place).or_default() += weight;
            self.add(place, weight);
        }
    }
}

/// What a cache must have room for to hold an entry, those used since included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Bytes of blocks.
    pub bytes: u64,
    /// Entries.
    pub entries: u64,
}

/// The keys in the order of their last use, each with its block's bytes.
pub struct Recency {
    /// Place and bytes by key; keys are small numbers.
    held: Vec<Option<(usize, u64)>>,
    bytes: Measure,
    entries: Measure,
    next: usize,
}

impl Recency {
    /// No entries, and room for so many keys and operations.
    pub fn new(keys: usize, operations: usize) -> Self {
        Recency {
            held: vec![None; keys],
            bytes: Measure::new(operations),
            entries: Measure::new(operations),
            next: 0,
        }
    }

    /// How deep a key stands; `None` if no cache can hold it.
    pub fn depth(&self, key: usize) -> Option<Depth> {
        self.held[key].map(|(place, _)| Depth {
            bytes: self.bytes.depth(place),
            entries: self.entries.depth(place),
        })
    }

    /// Makes a key the one used last. One that is not there comes in with `bytes`, if there are
    /// any; another keeps its own.
    pub fn look_up(&mut self, key: usize, bytes: Option<u64>) {
        let held = self.held[key];
        if let Some(bytes) = held.map(|(_, bytes)| bytes).or(bytes) {
            self.promote(key, held.map(|(place, _)| place), bytes);
        }
    }

    /// Stores a key with `bytes`.
    pub fn insert(&mut self, key: usize, bytes: u64) {
        if self.held[key].is_some_and(|(_, held)| held != bytes) {
            self.remove(key);
        }
        let place = self.held[key].map(|(place, _)| place);
        self.promote(key, place, bytes);
    }

    /// Drops a key.
    pub fn remove(&mut self, key: usize) {
        if let Some((place, bytes)) = self.held[key].take() {
            self.bytes.remove(place, bytes);
            self.entries.remove(place, 1);
        }
    }

    fn promote(&mut self, key: usize, from: Option<usize>, bytes: u64) {
        let top = self.next;
        self.next += 1;
        self.bytes.move_to_top(from, top, bytes);
        self.entries.move_to_top(from, top, 1);
        self.held[key] = Some((top, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache that keeps its entries in order and drops the last ones.
    struct Model {
        capacity: u64,
        entries: Vec<(usize, u64)>,
    }

    impl Model {
        fn take(&mut self, key: usize) -> Option<u64> {
            let at = self.entries.iter().position(|entry| entry.0 == key)?;
            Some(self.entries.remove(at).1)
        }

        fn put(&mut self, key: usize, bytes: u64) {
            self.entries.insert(0, (key, bytes));
            while self.entries.iter().map(|entry| entry.1).sum::<u64>() > self.capacity {
                self.entries.pop();
            }
        }

        fn look_up(&mut self, key: usize, bytes: u64) -> bool {
            let held = self.take(key);
            self.put(key, held.unwrap_or(bytes));
            held.is_some()
        }
    }

    #[test]
    fn depths_tell_what_caches_of_every_size_hold() {
        const KEYS: usize = 60;
        const STEPS: usize = 4_000;
        let mut seed = 9_u64;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let mut models: Vec<Model> = (1..40)
            .map(|step| Model {
                capacity: step * 100,
                entries: Vec::new(),
            })
            .collect();
        let mut recency = Recency::new(KEYS, STEPS);
        let mut sizes = [0; KEYS];
        for _ in 0..STEPS {
            let key = (next(KEYS as u64) * next(KEYS as u64) / KEYS as u64) as usize;
            match next(8) {
                0 => {
                    recency.remove(key);
                    for model in &mut models {
                        model.take(key);
                    }
                }
                1 | 2 => {
                    sizes[key] = 20 + 2 * next(40);
                    recency.insert(key, sizes[key]);
                    for model in &mut models {
                        model.take(key);
                        model.put(key, sizes[key]);
                    }
                }
                _ => {
                    if sizes[key] == 0 {
                        sizes[key] = 20 + 2 * next(40);
                    }
                    let depth = recency.depth(key);
                    for model in &mut models {
                        let hit = model.look_up(key, sizes[key]);
                        let told = depth.is_some_and(|depth| depth.bytes <= model.capacity);
                        assert_eq!(hit, told, "at {}", model.capacity);
                    }
                    recency.look_up(key, Some(sizes[key]));
                }
            }
        }
    }
}
