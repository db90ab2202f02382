use crate::PeerKey;

/// A table of connections, addressed by [`PeerKey`]: an old key does not reach the successor in its
/// slot.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<(u32, Option<T>)>,
    vacant: Vec<u32>,
    occupied: usize,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: Vec::new(), vacant: Vec::new(), occupied: 0 }
    }

    pub(crate) fn insert(&mut self, value: T) -> PeerKey {
        self.occupied += 1;
        if let Some(slot) = self.vacant.pop() {
            let (generation, entry) = &mut self.entries[slot as usize];
            // A late word about the one before carries the old number, and finds nobody.
            *generation = generation.wrapping_add(1);
            *entry = Some(value);
            return PeerKey::new(slot, *generation);
        }
        self.entries.push((0, Some(value)));
        PeerKey::new(self.entries.len() as u32 - 1, 0)
    }

    pub(crate) fn remove(&mut self, key: PeerKey) -> Option<T> {
        let (generation, entry) = self.entries.get_mut(key.slot())?;
        let value =
            if PeerKey::new(key.slot() as u32, *generation) == key { entry.take() } else { None };
        if value.is_some() {
            self.vacant.push(key.slot() as u32);
            self.occupied -= 1;
        }
        value
    }

    pub(crate) fn get(&self, key: PeerKey) -> Option<&T> {
        let (generation, entry) = self.entries.get(key.slot())?;
        entry.as_ref().filter(|_| PeerKey::new(key.slot() as u32, *generation) == key)
    }

    pub(crate) fn get_mut(&mut self, key: PeerKey) -> Option<&mut T> {
        let (generation, entry) = self.entries.get_mut(key.slot())?;
        entry.as_mut().filter(|_| PeerKey::new(key.slot() as u32, *generation) == key)
    }

    pub(crate) fn len(&self) -> usize {
        self.occupied
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerKey, &T)> {
        self.entries.iter().enumerate().filter_map(|(slot, (generation, entry))| {
            Some((PeerKey::new(slot as u32, *generation), entry.as_ref()?))
        })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (PeerKey, &mut T)> {
        self.entries.iter_mut().enumerate().filter_map(|(slot, (generation, entry))| {
            Some((PeerKey::new(slot as u32, *generation), entry.as_mut()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_does_not_reach_the_successor() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(first.slot(), second.slot());
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&'b')));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.len(), 1);
    }
}
