/// The order by age of the entries of a list from which entries are removed with
/// [`Vec::swap_remove`]. A doubly linked list by index, so that each operation takes constant time.
#[derive(Debug, Default)]
pub(super) struct Ages {
    links: Vec<Link>,
    oldest: Option<u32>,
    newest: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Link {
    older: Option<u32>,
    newer: Option<u32>,
}

impl Ages {
    pub(super) fn oldest(&self) -> Option<usize> {
        self.oldest.map(|at| at as usize)
    }

    /// Records that an entry was pushed at the end of the list.
    pub(super) fn push(&mut self) {
        self.links.push(Link::default());
        self.append(self.links.len() as u32 - 1);
    }

    /// Makes the entry at this index the newest.
    pub(super) fn renew(&mut self, at: usize) {
        if self.newest != Some(at as u32) {
            self.unlink(at as u32);
            self.append(at as u32);
        }
    }

    /// Records that the entry at this index was removed with `swap_remove`.
    pub(super) fn swap_remove(&mut self, at: usize) {
        self.unlink(at as u32);
        self.links.swap_remove(at);
        // The last entry has moved here, and its neighbours still point at its old index.
        if let Some(&moved) = self.links.get(at) {
            self.point(moved, Some(at as u32), Some(at as u32));
        }
    }

    fn append(&mut self, at: u32) {
        let link = Link { older: self.newest, newer: None };
        self.links[at as usize] = link;
        self.point(link, Some(at), Some(at));
    }

    fn unlink(&mut self, at: u32) {
        let link = self.links[at as usize];
        self.point(link, link.newer, link.older);
    }

    /// Makes the older neighbour of a link point at `newer`, and the newer one at `older`.
    fn point(&mut self, link: Link, newer: Option<u32>, older: Option<u32>) {
        match link.older {
            Some(before) => self.links[before as usize].newer = newer,
            None => self.oldest = newer,
        }
        match link.newer {
            Some(behind) => self.links[behind as usize].older = older,
            None => self.newest = older,
        }
    }

    /// The whole order, for invariants and tests.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = usize> + '_ {
        let next = |at: &u32| self.links[*at as usize].newer;
        // A cycle, which would be a bug, must not make this endless.
        std::iter::successors(self.oldest, next).map(|at| at as usize).take(self.links.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The same operations on a list that is kept in order are the specification.
        #[test]
        fn the_order_is_that_of_a_list_sorted_by_hand(
            operations in prop::collection::vec((0u8..3, any::<prop::sample::Index>()), 0..200),
        ) {
            let (mut ages, mut list, mut sorted) = (Ages::default(), Vec::new(), Vec::new());
            for (name, (operation, index)) in operations.into_iter().enumerate() {
                if operation == 0 || list.is_empty() {
                    list.push(name);
                    sorted.push(name);
                    ages.push();
                } else {
                    let at = index.index(list.len());
                    let name = list[at];
                    sorted.retain(|other| *other != name);
                    if operation == 1 {
                        sorted.push(name);
                        ages.renew(at);
                    } else {
                        list.swap_remove(at);
                        ages.swap_remove(at);
                    }
                }
                let found: Vec<_> = ages.oldest_first().map(|at| list[at]).collect();
                prop_assert_eq!(&found, &sorted);
                prop_assert_eq!(ages.oldest().map(|at| list[at]), sorted.first().copied());
            }
        }
    }
}
