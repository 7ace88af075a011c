//! A table that is full at some point, and gives up its least telling entries then.

use std::collections::{HashMap, VecDeque};

/// How many entries are weighed to find the one to give up.
const SAMPLE: usize = 16;

/// Entries by key, with an order in which they are looked at when room is needed. The order goes round, so that every
/// entry is weighed at some time and none because of where it happens to lie.
pub(super) struct Table<V> {
    entries: HashMap<u128, V>,
    order: VecDeque<u128>,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<V> Table<V> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, key: u128) -> Option<&V> {
        self.entries.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: u128) -> Option<&mut V> {
        self.entries.get_mut(&key)
    }

    /// The entry of a key, a new one if there is none.
    pub(super) fn entry(&mut self, key: u128, new: impl FnOnce() -> V) -> &mut V {
        let order = &mut self.order;
        self.entries.entry(key).or_insert_with(|| {
            order.push_back(key);
            new()
        })
    }

    pub(super) fn remove(&mut self, key: u128) {
        self.entries.remove(&key);
        // Keys that are gone stay in the order until they are met, or until they are most of it.
        if self.order.len() > 2 * self.entries.len() + SAMPLE {
            let entries = &self.entries;
            let mut seen = std::collections::HashSet::new();
            self.order
                .retain(|key| entries.contains_key(key) && seen.insert(*key));
        }
    }

    /// Keeps what `keep` says.
    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.entries.retain(|_, value| keep(value));
        let entries = &self.entries;
        self.order.retain(|key| entries.contains_key(key));
    }

    /// Gives up the lightest of the entries that are next in the order.
    pub(super) fn give_up<W: Ord>(&mut self, weight: impl Fn(&V) -> W) {
        let mut sample: Vec<u128> = Vec::with_capacity(SAMPLE);
        while sample.len() < SAMPLE {
            let Some(key) = self.order.pop_front() else {
                break;
            };
            if self.entries.contains_key(&key) && !sample.contains(&key) {
                sample.push(key);
            }
        }
        let lightest = sample
            .iter()
            .min_by_key(|key| self.entries.get(key).map(&weight))
            .copied();
        if let Some(lightest) = lightest {
            self.entries.remove(&lightest);
            self.order
                .extend(sample.into_iter().filter(|key| *key != lightest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_entries_outlast_a_flood() {
        let mut table = Table::default();
        let mut heavy = 0;
        for key in 0..100_000u128 {
            if table.len() >= 200 {
                table.give_up(|weight: &u32| *weight);
            }
            let weight = u32::from(key % 10 == 0 && key < 1000) * 9;
            heavy += u32::from(weight > 0);
            table.entry(key, || weight);
        }
        assert_eq!(heavy, 100);
        assert_eq!(table.entries.values().filter(|w| **w > 0).count(), 100);
        assert!(table.len() <= 200 && table.order.len() <= 200);
    }

    #[test]
    fn the_order_does_not_outgrow_the_entries() {
        let mut table = Table::default();
        for round in 0..1000u128 {
            table.entry(1, || round);
            table.remove(1);
            table.entry(2, || round);
        }
        assert!(table.order.len() <= 2 * table.len() + SAMPLE + 1);
        table.retain(|_| false);
        assert!(table.len() == 0 && table.order.is_empty());
        table.give_up(|value| *value);
    }
}
