//! What a flush hands out and a block reads, against a plain model of metashrew-core's rule.

use std::collections::HashMap;
use std::sync::Arc;

use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::*;
use steadfast_testkit::heap::seeded;

/// metashrew-core's queue and values, and the host's state.
#[derive(Default)]
struct Model {
    values: HashMap<Vec<u8>, Vec<u8>>,
    queue: Vec<Vec<u8>>,
    host: HashMap<Vec<u8>, Vec<u8>>,
}

impl Model {
    fn get(&self, key: &[u8]) -> Vec<u8> {
        let value = self.values.get(key).or_else(|| self.host.get(key));
        value.cloned().unwrap_or_default()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.values.insert(key.to_vec(), value.to_vec());
        self.queue.push(key.to_vec());
    }

    /// The message: field 1, repeated; keys and values here are shorter than 2^14 bytes.
    fn flush(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        for key in std::mem::take(&mut self.queue) {
            let value = self.values[&key].clone();
            for field in [&key, &value] {
                message.push(0x0A);
                match field.len() {
                    len @ ..128 => message.push(len as u8),
                    len => message.extend_from_slice(&[len as u8 | 0x80, (len >> 7) as u8]),
                }
                message.extend_from_slice(field);
            }
            self.host.insert(key, value);
        }
        message
    }

    /// What is queued goes on into the next block.
    fn begin(&mut self) {
        let queue = &self.queue;
        self.values.retain(|key, _| queue.contains(key));
    }

    fn clear(&mut self) {
        self.queue.clear();
        self.values.clear();
    }
}

#[test]
fn every_flush_is_the_models_byte_for_byte() {
    super::reserve_little();
    for seed in 0..8 {
        clear();
        stand_in::with(|host| *host = Default::default());
        let mut bytes = seeded(seed);
        let mut next = |below: u8| bytes.next().expect("endless") % below;
        let mut model = Model::default();
        let mut height = 1;
        for step in 0..80 {
            let key = vec![b'k'; usize::from(next(5))];
            match next(16) {
                0..=6 => {
                    // None, some that are copied at each read, and some that are kept.
                    let len = [0, 10, 30, 4096, 5000][usize::from(next(5))];
                    let value = vec![next(3); len];
                    model.set(&key, &value);
                    set(Arc::new(key), Arc::new(value));
                }
                7..=11 => {
                    let expected = model.get(&key);
                    let read = get(Arc::new(key));
                    assert_eq!(*read, expected, "seed {seed}, step {step}");
                }
                12 if next(2) == 0 => {
                    super::begin(height);
                    height += 1;
                    model.begin();
                }
                12 => flush_to_lru(),
                13 => {
                    reset();
                    model.queue.clear();
                }
                14 if next(4) == 0 => {
                    clear();
                    model.clear();
                }
                _ => {
                    flush();
                    let message = stand_in::with(|host| host.flushes.last().cloned());
                    assert_eq!(message, Some(model.flush()), "seed {seed}, step {step}");
                }
            }
        }
    }
}
