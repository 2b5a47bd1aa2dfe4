//! A state that lasts as long as the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::multiset::Change;
use super::{Digest, Pair, Snapshot, State, StateError, StateHasher, Tip};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A state in memory. Taking a snapshot is free; writing while one is held copies the map.
#[derive(Clone, Debug, Default)]
pub struct MemoryState(Arc<Contents>);

#[derive(Clone, Debug, Default)]
struct Contents {
    pairs: Map,
    digest: StateHasher,
    tip: Option<Tip>,
    blocks: BTreeMap<u32, [u8; 32]>,
}

impl MemoryState {
    /// All pairs.
    pub fn pairs(&self) -> &Map {
        &self.0.pairs
    }
}

impl State for MemoryState {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        Ok(Box::new(MemorySnapshot(Arc::clone(&self.0))))
    }

    fn write(&mut self, writes: &[Pair], tip: Option<Tip>) -> Result<(), StateError> {
        let contents = Arc::make_mut(&mut self.0);
        let mut changes = Vec::with_capacity(writes.len());
        for (key, value) in writes {
            let new = (!value.is_empty()).then_some(value.as_slice());
            let old = match new {
                Some(value) => contents.pairs.insert(key.clone(), value.to_vec()),
                None => contents.pairs.remove(key),
            };
            changes.push(Change { key, old, new });
        }
        contents.digest.apply(&changes);
        if let Some(tip) = tip {
            contents.tip = Some(tip);
            contents.blocks.split_off(&tip.height);
            contents
                .blocks
                .extend(tip.hash.map(|hash| (tip.height, hash)));
        }
        Ok(())
    }
}

struct MemorySnapshot(Arc<Contents>);

impl Snapshot for MemorySnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.pairs.get(key).cloned())
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StateError> {
        self.0
            .pairs
            .iter()
            .for_each(|(key, value)| visit(key, value));
        Ok(())
    }

    fn digest(&self) -> Result<Digest, StateError> {
        Ok(self.0.digest.finish())
    }

    fn tip(&self) -> Result<Option<Tip>, StateError> {
        Ok(self.0.tip)
    }

    fn block_at(&self, height: u32) -> Result<Option<[u8; 32]>, StateError> {
        Ok(self.0.blocks.get(&height).copied())
    }
}
