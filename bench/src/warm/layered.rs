//! States that share what they began with.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Instant;

use steadfast_host::{Digest, FullDigest, Pair, Snapshot, State, StateError, Tip};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A state over one that no longer changes; clones share that one, and have writes of their own. An empty value is a deletion.
///
/// A snapshot reads what is there when it reads. Between the blocks that are measured nobody writes.
#[derive(Debug, Default)]
pub struct Layered {
    base: Arc<Map>,
    own: Arc<RwLock<Map>>,
    /// What writing has taken.
    ns: f64,
}

impl Layered {
    /// What writing has taken since this was asked last.
    pub fn take_ns(&mut self) -> f64 {
        std::mem::take(&mut self.ns)
    }

    /// The same state, as one that others begin with.
    pub fn frozen(self) -> Layered {
        let mut base = Arc::unwrap_or_clone(self.base);
        base.append(&mut self.own.write().expect("nobody panics with it"));
        base.retain(|_, value| !value.is_empty());
        Layered {
            base: Arc::new(base),
            own: Arc::default(),
            ns: 0.0,
        }
    }
}

impl Clone for Layered {
    fn clone(&self) -> Layered {
        let own = self.own.read().expect("nobody panics with it").clone();
        Layered {
            base: Arc::clone(&self.base),
            own: Arc::new(RwLock::new(own)),
            ns: 0.0,
        }
    }
}

impl PartialEq for Layered {
    /// Whether the same was written to both.
    fn eq(&self, other: &Layered) -> bool {
        let own = self.own.read().expect("nobody panics with it");
        *own == *other.own.read().expect("nobody panics with it")
    }
}

impl State for Layered {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        Ok(Box::new(Layered {
            base: Arc::clone(&self.base),
            own: Arc::clone(&self.own),
            ns: 0.0,
        }))
    }

    /// Which block it is as of, nobody asks here.
    fn write(&mut self, writes: &[Pair], _: Option<Tip>) -> Result<(), StateError> {
        let began = Instant::now();
        let mut own = self.own.write().expect("nobody panics with it");
        own.extend(writes.iter().cloned());
        self.ns += began.elapsed().as_nanos() as f64;
        Ok(())
    }
}

impl Snapshot for Layered {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let own = self.own.read().expect("nobody panics with it");
        let value = own.get(key).or_else(|| self.base.get(key));
        Ok(value.filter(|value| !value.is_empty()).cloned())
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StateError> {
        let own = self.own.read().expect("nobody panics with it").clone();
        let mut all = (*self.base).clone();
        all.extend(own);
        let there = all.iter().filter(|(_, value)| !value.is_empty());
        there.for_each(|(key, value)| visit(key, value));
        Ok(())
    }

    fn digest(&self) -> Result<Digest, StateError> {
        Ok(FullDigest::of(self)?.state)
    }

    fn tip(&self) -> Result<Option<Tip>, StateError> {
        Ok(None)
    }

    fn block_at(&self, _: u32) -> Result<Option<[u8; 32]>, StateError> {
        Ok(None)
    }
}
