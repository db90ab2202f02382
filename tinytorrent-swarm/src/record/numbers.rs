use std::collections::HashMap;
use std::hash::Hash;

/// Numbers in place of values, from 1 on in the order in which they come.
#[derive(Debug)]
pub(super) struct Numbers<T>(HashMap<T, u64>);

impl<T: Eq + Hash> Numbers<T> {
    pub(super) fn of(&mut self, value: T) -> u64 {
        let next = self.0.len() as u64 + 1;
        *self.0.entry(value).or_insert(next)
    }
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}
