//! A cache of keys alone, bounded by bytes, under either policy.

use std::collections::HashMap;

/// Which entry has to go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The one whose last use is longest ago.
    Lru,
    /// The same, but that a use does not count where fewer others than half of the entries were promoted or stored since the last that did.
    Deferred,
    /// The first that was not used since a hand last passed it, which goes from the oldest entry to the newest and round again.
    Sieve,
}

const NONE: usize = usize::MAX;

struct Node {
    key: u64,
    bytes: u64,
    newer: usize,
    older: usize,
    visited: bool,
    /// What the clock said when it became the newest.
    promoted: u64,
}

/// The entries in order.
pub struct Queue {
    policy: Policy,
    capacity: u64,
    used: u64,
    places: HashMap<u64, usize>,
    nodes: Vec<Node>,
    vacant: Vec<usize>,
    newest: usize,
    oldest: usize,
    hand: usize,
    /// Counts promotions and stores.
    clock: u64,
}

impl Queue {
    /// An empty one.
    pub fn new(policy: Policy, capacity: u64) -> Self {
        Queue {
            policy,
            capacity,
            used: 0,
            places: HashMap::new(),
            nodes: Vec::new(),
            vacant: Vec::new(),
            newest: NONE,
            oldest: NONE,
            hand: NONE,
            clock: 0,
        }
    }

    /// Uses a key, says whether it was there, and stores it if not.
    pub fn access(&mut self, key: u64, bytes: u64) -> bool {
        if let Some(&at) = self.places.get(&key) {
            let age = self.clock - self.nodes[at].promoted;
            match self.policy {
                Policy::Sieve => self.nodes[at].visited = true,
                Policy::Deferred if age < self.places.len() as u64 / 2 => {}
                Policy::Lru | Policy::Deferred => {
                    self.unlink(at);
                    self.link_newest(at);
                }
            }
            return true;
        }
        while self.used + bytes > self.capacity && self.oldest != NONE {
            self.evict();
        }
        let node = Node {
            key,
            bytes,
            newer: NONE,
            older: NONE,
            visited: false,
            promoted: 0,
        };
        let at = match self.vacant.pop() {
            Some(at) => {
                self.nodes[at] = node;
                at
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        self.places.insert(key, at);
        self.used += bytes;
        self.link_newest(at);
        false
    }

    fn evict(&mut self) {
        let mut at = self.oldest;
        if self.policy == Policy::Sieve {
            if self.hand != NONE {
                at = self.hand;
            }
            while self.nodes[at].visited {
                self.nodes[at].visited = false;
                at = match self.nodes[at].newer {
                    NONE => self.oldest,
                    newer => newer,
                };
            }
            self.hand = self.nodes[at].newer;
        }
        self.unlink(at);
        self.places.remove(&self.nodes[at].key);
        self.used -= self.nodes[at].bytes;
        self.vacant.push(at);
    }

    fn link_newest(&mut self, at: usize) {
        self.clock += 1;
        self.nodes[at].promoted = self.clock;
        self.nodes[at].newer = NONE;
        self.nodes[at].older = self.newest;
        match self.newest {
            NONE => self.oldest = at,
            second => self.nodes[second].newer = at,
        }
        self.newest = at;
    }

    fn unlink(&mut self, at: usize) {
        let (newer, older) = (self.nodes[at].newer, self.nodes[at].older);
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older].newer = newer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Policy, Queue};

    /// Three entries fit; the first is used again; the fourth takes the place of the second under either policy.
    #[test]
    fn what_was_used_stays() {
        for policy in [Policy::Lru, Policy::Sieve] {
            let mut queue = Queue::new(policy, 30);
            assert_eq!(
                [1, 2, 3, 1, 4].map(|key| queue.access(key, 10)),
                [false, false, false, true, false]
            );
            assert!(queue.access(1, 10));
            assert!(queue.access(3, 10));
            assert!(!queue.access(2, 10));
        }
    }

    /// Of four entries the two newest are not promoted when they are used, and so go in the order in which they came.
    #[test]
    fn what_is_recent_is_not_promoted() {
        let survives = |policy| {
            let mut queue = Queue::new(policy, 40);
            for key in [1, 2, 3, 4, 4, 3, 5, 6, 7] {
                queue.access(key, 10);
            }
            queue.access(4, 10)
        };
        assert!(survives(Policy::Deferred));
        assert!(!survives(Policy::Lru));
    }

    /// A scan pushes out under LRU what SIEVE keeps.
    #[test]
    fn the_hand_passes_what_was_used() {
        let survives = |policy| {
            let mut queue = Queue::new(policy, 30);
            queue.access(1, 10);
            queue.access(1, 10);
            for key in 2..6 {
                queue.access(key, 10);
            }
            queue.access(1, 10)
        };
        assert!(!survives(Policy::Deferred));
        assert!(survives(Policy::Sieve));
        assert!(!survives(Policy::Lru));
    }
}
