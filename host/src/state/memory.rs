//! A state that lasts as long as the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Pair, Snapshot, State, StateError};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A state in memory. Taking a snapshot is free; writing while one is held copies the map.
#[derive(Clone, Debug, Default)]
pub struct MemoryState(Arc<Map>);

impl MemoryState {
    /// All pairs.
    pub fn pairs(&self) -> &Map {
        &self.0
    }
}

impl State for MemoryState {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        Ok(Box::new(MemorySnapshot(Arc::clone(&self.0))))
    }

    fn apply(&mut self, writes: &[Pair]) -> Result<(), StateError> {
        let map = Arc::make_mut(&mut self.0);
        for (key, value) in writes {
            if value.is_empty() {
                map.remove(key);
            } else {
                map.insert(key.clone(), value.clone());
            }
        }
        Ok(())
    }
}

struct MemorySnapshot(Arc<Map>);

impl Snapshot for MemorySnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.get(key).cloned())
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StateError> {
        self.0.iter().for_each(|(key, value)| visit(key, value));
        Ok(())
    }
}
