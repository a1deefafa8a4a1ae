//! Decoded tiles kept in memory up to a bound; the longest unused goes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::Array3;

/// A field by its number, a time, and the row and the column of a tile.
pub(super) type Key = (usize, usize, usize, usize);

/// Arrays, each with the moment of its last use.
#[derive(Debug)]
pub(super) struct Cache {
    bound: usize,
    bytes: usize,
    moment: u64,
    kept: BTreeMap<Key, Kept>,
    order: BTreeMap<u64, Key>,
}

#[derive(Debug)]
struct Kept {
    used: u64,
    array: Arc<Array3<f32>>,
}

impl Cache {
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, bytes: 0, moment: 0, kept: BTreeMap::new(), order: BTreeMap::new() }
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<Arc<Array3<f32>>> {
        self.moment += 1;
        let kept = self.kept.get_mut(key)?;
        self.order.remove(&kept.used);
        kept.used = self.moment;
        self.order.insert(self.moment, *key);
        Some(Arc::clone(&kept.array))
    }

    pub(super) fn insert(&mut self, key: Key, array: &Arc<Array3<f32>>) {
        let size = array.len() * 4;
        if size > self.bound || self.kept.contains_key(&key) {
            return;
        }
        while self.bytes + size > self.bound {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            if let Some(kept) = self.kept.remove(&oldest) {
                self.bytes -= kept.array.len() * 4;
            }
        }
        self.moment += 1;
        self.bytes += size;
        self.order.insert(self.moment, key);
        self.kept.insert(key, Kept { used: self.moment, array: Arc::clone(array) });
    }
}
