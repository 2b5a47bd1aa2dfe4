//! One database for several subjects, which index the same blocks onto it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use steadfast_host::{Pair, RedbState, Snapshot, State, StateError, Tip};

use crate::process;

/// A subject's sight of the database. What it writes is noted, and written once, by
/// [`commit`](Self::commit), when all subjects have indexed the block.
#[derive(Clone)]
pub struct Shared(Rc<RefCell<Inner>>);

struct Inner {
    database: RedbState,
    block: Option<(Vec<Pair>, Tip)>,
    /// Digests of what was written at each height.
    written: BTreeMap<u32, BTreeSet<[u8; 32]>>,
    noting: Noting,
}

/// What noting has taken: no part of a block.
#[derive(Default)]
pub struct Noting {
    pub ns: f64,
    pub cpu_ns: f64,
}

impl Shared {
    pub fn new(database: RedbState) -> Shared {
        Shared(Rc::new(RefCell::new(Inner {
            database,
            block: None,
            written: BTreeMap::new(),
            noting: Noting::default(),
        })))
    }

    /// What noting has taken since this was asked last.
    pub fn take_noting(&self) -> Noting {
        take(&mut self.0.borrow_mut().noting)
    }

    /// Writes the block that the subjects have indexed. Returns what that took, in nanoseconds.
    ///
    /// # Errors
    /// When no subject has written one, or the database cannot be written.
    pub fn commit(&self) -> Result<f64> {
        let inner = &mut *self.0.borrow_mut();
        let (writes, tip) = inner.block.take().context("nobody wrote a block")?;
        let began = Instant::now();
        inner.database.write(&writes, Some(tip))?;
        Ok(began.elapsed().as_nanos() as f64)
    }

    /// Checks that at each height all have written the same.
    ///
    /// # Errors
    /// When they have not.
    pub fn check(&self) -> Result<()> {
        for (height, digests) in &self.0.borrow().written {
            ensure!(digests.len() == 1, "block {height}: the writes differ");
        }
        Ok(())
    }
}

impl State for Shared {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        self.0.borrow().database.snapshot()
    }

    /// Notes the writes, for [`commit`](Shared::commit). Those of a block that is committed are
    /// only compared.
    fn write(&mut self, writes: &[Pair], tip: Option<Tip>) -> Result<(), StateError> {
        let (cpu, began) = (process::cpu_ns(), Instant::now());
        let inner = &mut *self.0.borrow_mut();
        let tip = tip.expect("only blocks are written here");
        let mut digest = Sha256::new();
        for part in writes.iter().flat_map(|(key, value)| [key, value]) {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        let digests = inner.written.entry(tip.height).or_default();
        if digests.is_empty() {
            inner.block = Some((writes.to_vec(), tip));
        }
        digests.insert(digest.finalize().into());
        inner.noting.ns += began.elapsed().as_nanos() as f64;
        inner.noting.cpu_ns += process::cpu_ns() - cpu;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use steadfast_host::{RedbState, State as _, Tip};

    use super::Shared;

    #[test]
    fn a_block_is_written_once_and_other_writes_at_its_height_are_told() {
        let directory = tempfile::tempdir().unwrap();
        let shared = Shared::new(RedbState::open(directory.path().join("state")).unwrap());
        let (mut one, mut other) = (shared.clone(), shared.clone());
        let pair = |value: u8| [(b"key".to_vec(), vec![value])];
        let tip = |height| Some(Tip { height, hash: None });
        one.write(&pair(1), tip(1)).unwrap();
        assert_eq!(one.snapshot().unwrap().get(b"key").unwrap(), None);
        assert!(shared.commit().unwrap() > 0.0);
        assert!(shared.commit().is_err(), "there is no second block");
        // Late, as an instance that is kept writes.
        other.write(&pair(1), tip(1)).unwrap();
        assert!(shared.check().is_ok());
        other.write(&pair(2), tip(1)).unwrap();
        assert!(shared.check().is_err());
        assert_eq!(one.snapshot().unwrap().get(b"key").unwrap(), Some(vec![1]));
    }
}
