use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::message::ErrorCode;
use crate::{Distance, Item, NodeId};

/// The items that were put here (BEP 44).
///
/// They leave after a time, and the number is bounded: when there are too many, the one farthest from our id
/// leaves (D-59).
#[derive(Debug)]
pub(crate) struct ItemStore {
    own: NodeId,
    /// The most items.
    capacity: usize,
    lifetime: Duration,
    items: HashMap<NodeId, (Item, Instant)>,
    /// All items, by the time at which they leave.
    expiries: BTreeSet<(Instant, NodeId)>,
    /// All items, the closest first.
    distances: BTreeSet<(Distance, NodeId)>,
}

impl ItemStore {
    pub(crate) fn new(own: NodeId, capacity: usize, lifetime: Duration) -> Self {
        let (items, expiries, distances) = Default::default();
        Self { own, capacity, lifetime, items, expiries, distances }
    }

    /// Changes our id, by whose distance items are judged.
    pub(crate) fn set_own(&mut self, own: NodeId) {
        self.own = own;
        self.distances = self.items.keys().map(|target| (own.distance(*target), *target)).collect();
    }

    /// True if an item with this target would be stored now.
    pub(crate) fn would_accept(&self, target: NodeId) -> bool {
        self.items.contains_key(&target)
            || self.items.len() < self.capacity
            || self.distances.last().is_some_and(|(last, _)| self.own.distance(target) < *last)
    }

    /// Stores an item, which was checked.
    ///
    /// # Errors
    /// The code of the refusal: the stored item is newer, or is not the one to be replaced, or there is no
    /// room.
    pub(crate) fn put(
        &mut self,
        now: Instant,
        item: Item,
        cas: Option<i64>,
    ) -> Result<(), ErrorCode> {
        let target = item.target();
        if let Some((stored, _)) = self.items.get(&target) {
            if cas.is_some() && stored.seq() != cas {
                return Err(ErrorCode::CasMismatch);
            }
            let is_newer = item.seq() > stored.seq();
            // D-67: the same item again renews it.
            let is_same = item.seq() == stored.seq() && item.value() == stored.value();
            if !is_newer && !is_same {
                return Err(ErrorCode::SeqTooLow);
            }
        } else if !self.would_accept(target) {
            return Err(ErrorCode::Server);
        } else if self.items.len() >= self.capacity
            && let Some((_, farthest)) = self.distances.last().copied()
        {
            self.remove(farthest);
        }
        self.remove(target);
        let leaves_at = now + self.lifetime;
        self.items.insert(target, (item, leaves_at));
        self.expiries.insert((leaves_at, target));
        self.distances.insert((self.own.distance(target), target));
        Ok(())
    }

    /// The item with this target.
    pub(crate) fn get(&self, target: NodeId) -> Option<&Item> {
        self.items.get(&target).map(|(item, _)| item)
    }

    /// Removes the items whose time has come.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(&(at, target)) = self.expiries.first() {
            if at > now {
                break;
            }
            self.remove(target);
        }
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    fn remove(&mut self, target: NodeId) {
        if let Some((_, leaves_at)) = self.items.remove(&target) {
            self.expiries.remove(&(leaves_at, target));
            self.distances.remove(&(self.own.distance(target), target));
        }
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.items.len() <= self.capacity);
        let expiries = self.items.iter().map(|(target, (_, leaves_at))| (*leaves_at, *target));
        assert_eq!(expiries.collect::<BTreeSet<_>>(), self.expiries);
        let distances = self.items.keys().map(|target| (self.own.distance(*target), *target));
        assert_eq!(distances.collect::<BTreeSet<_>>(), self.distances);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(7_200);

    fn store() -> ItemStore {
        ItemStore::new(NodeId::from_bytes([0; 20]), 4, LIFETIME)
    }

    #[test]
    fn an_item_leaves_after_two_hours_unless_it_is_put_again() {
        // D-70
        let (now, mut store) = (Instant::now(), store());
        let item = Item::from_text("a").unwrap();
        let target = item.target();
        store.put(now, item.clone(), None).unwrap();
        store.expire(now + LIFETIME / 2);
        store.put(now + LIFETIME / 2, item.clone(), None).unwrap();
        store.expire(now + LIFETIME);
        assert_eq!(store.get(target), Some(&item));
        store.expire(now + LIFETIME * 3 / 2);
        assert_eq!(store.get(target), None);
        store.check_invariants();
    }

    #[test]
    fn the_farthest_item_leaves_if_there_are_too_many() {
        // D-58, D-59
        let (now, mut store) = (Instant::now(), store());
        let own = NodeId::from_bytes([0; 20]);
        let items: Vec<_> = (0..50).map(|n| Item::from_text(format!("{n}")).unwrap()).collect();
        for item in &items {
            let told = store.would_accept(item.target());
            assert_eq!(store.put(now, item.clone(), None).is_ok(), told);
            store.check_invariants();
        }
        let mut targets: Vec<_> = items.iter().map(Item::target).collect();
        targets.sort_by_key(|target| target.distance(own));
        assert!(targets[..4].iter().all(|target| store.get(*target).is_some()));
    }

    #[cfg(feature = "mutable")]
    #[test]
    fn a_mutable_item_only_gets_newer() {
        // D-67
        let (now, mut store) = (Instant::now(), store());
        let item = |seq, value: &[u8]| Item::sign(&[1; 32], b"", seq, value).unwrap();
        let mut put = |seq, value: &[u8], cas| store.put(now, item(seq, value), cas);
        assert_eq!(put(5, b"i1e", Some(77)), Ok(()), "`cas` is ignored if nothing is stored");
        assert_eq!(put(5, b"i1e", None), Ok(()), "it is renewed");
        assert_eq!(put(5, b"i2e", None), Err(ErrorCode::SeqTooLow));
        assert_eq!(put(4, b"i2e", None), Err(ErrorCode::SeqTooLow));
        assert_eq!(put(6, b"i2e", Some(4)), Err(ErrorCode::CasMismatch));
        assert_eq!(put(6, b"i2e", Some(5)), Ok(()));
        assert_eq!(put(-1, b"i2e", None), Err(ErrorCode::SeqTooLow));
        store.check_invariants();
    }
}
