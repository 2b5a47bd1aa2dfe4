//! A state that tells how long writing took.

use std::mem::take;
use std::time::Instant;

use anyhow::Result;
use steadfast_host::{Pair, RedbState, Snapshot, State, StateError, Tip};

pub struct Timed {
    state: RedbState,
    ns: f64,
}

impl Timed {
    pub fn new(state: RedbState) -> Timed {
        Timed { state, ns: 0.0 }
    }

    /// What writing has taken since this was asked last.
    pub fn take_ns(&mut self) -> f64 {
        take(&mut self.ns)
    }

    /// About so many pairs whose keys begin with `kind`, without that byte.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn sample(&self, kind: u8, count: usize) -> Result<Vec<Pair>> {
        let snapshot = self.state.snapshot()?;
        let mut there = 0;
        snapshot.for_each(&mut |key, _| there += usize::from(key.first() == Some(&kind)))?;
        let stride = (there / count).max(1);
        let (mut pairs, mut seen) = (Vec::new(), 0);
        snapshot.for_each(&mut |key, value| {
            if key.first() == Some(&kind) {
                if seen % stride == 0 {
                    pairs.push((key[1..].to_vec(), value.to_vec()));
                }
                seen += 1;
            }
        })?;
        Ok(pairs)
    }
}

impl State for Timed {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        self.state.snapshot()
    }

    fn write(&mut self, writes: &[Pair], tip: Option<Tip>) -> Result<(), StateError> {
        let began = Instant::now();
        let written = self.state.write(writes, tip);
        self.ns += began.elapsed().as_nanos() as f64;
        written
    }
}
