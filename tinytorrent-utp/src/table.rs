/// The name of a connection within its endpoint. It is never given to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    place: u32,
    generation: u32,
}

/// Values by id. Places are used again, with another generation.
#[derive(Debug)]
pub(crate) struct Table<T> {
    places: Vec<(u32, Option<Box<T>>)>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> ConnectionId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push((0, None));
            self.places.len() as u32 - 1
        });
        let (generation, slot) = &mut self.places[place as usize];
        *slot = Some(Box::new(value));
        ConnectionId { place, generation: *generation }
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<&T> {
        let (generation, slot) = self.places.get(id.place as usize)?;
        slot.as_deref().filter(|_| *generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut T> {
        let (generation, slot) = self.places.get_mut(id.place as usize)?;
        slot.as_deref_mut().filter(|_| *generation == id.generation)
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Box<T>> {
        self.get(id)?;
        let (generation, slot) = &mut self.places[id.place as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(id.place);
        slot.take()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &T)> {
        self.places.iter().zip(0..).filter_map(|((generation, slot), place)| {
            Some((ConnectionId { place, generation: *generation }, slot.as_deref()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_that_of_another() {
        let mut table = Table::new();
        let first = table.insert('a');
        assert_eq!(table.remove(first).as_deref(), Some(&'a'));
        let second = table.insert('b');
        assert_ne!(first, second);
        assert_eq!(table.get(first), None);
        assert_eq!(table.get_mut(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!((table.get(second), table.len()), (Some(&'b'), 1));
        assert!(table.iter().eq([(second, &'b')]));
    }
}
