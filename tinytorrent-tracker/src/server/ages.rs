/// The order by age of the entries of a list: a doubly linked list that is threaded through them by
/// index, so that each operation takes constant time and no memory of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ages {
    oldest: u32,
    newest: u32,
}

/// The neighbours of an entry in the order by age, by index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    older: u32,
    newer: u32,
}

/// An entry with a link.
pub(super) trait Aged {
    fn link(&self) -> Link;
    fn link_mut(&mut self) -> &mut Link;
}

/// The index of no entry: lists are shorter.
const NONE: u32 = u32::MAX;

impl Default for Ages {
    fn default() -> Self {
        Self { oldest: NONE, newest: NONE }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self { older: NONE, newer: NONE }
    }
}

impl Ages {
    /// Makes an entry that is not in the order the newest.
    pub(super) fn append<T: Aged>(&mut self, list: &mut [T], at: usize) {
        *list[at].link_mut() = Link { older: self.newest, newer: NONE };
        self.relocate(list, at);
    }

    /// Takes an entry out of the order. It stays in the list.
    pub(super) fn unlink<T: Aged>(&mut self, list: &mut [T], at: usize) {
        let link = list[at].link();
        self.point(list, link, link.newer, link.older);
    }

    /// Makes an entry the newest.
    pub(super) fn renew<T: Aged>(&mut self, list: &mut [T], at: usize) {
        if self.newest != at as u32 {
            self.unlink(list, at);
            self.append(list, at);
        }
    }

    /// Records that an entry was moved to this index.
    pub(super) fn relocate<T: Aged>(&mut self, list: &mut [T], at: usize) {
        let link = list[at].link();
        self.point(list, link, at as u32, at as u32);
    }

    /// The indexes of all entries, the oldest first.
    pub(super) fn oldest_first<T: Aged>(&self, list: &[T]) -> impl Iterator<Item = usize> {
        let known = |at: u32| Some(at).filter(|at| *at != NONE);
        let next = move |at: &u32| known(list[*at as usize].link().newer);
        // A cycle, which would be a bug, must not make this endless.
        let steps = std::iter::successors(known(self.oldest), next).take(list.len() + 1);
        steps.map(|at| at as usize)
    }

    /// Makes the older neighbour of a link point at `newer`, and the newer one at `older`.
    fn point<T: Aged>(&mut self, list: &mut [T], link: Link, newer: u32, older: u32) {
        match link.older {
            NONE => self.oldest = newer,
            before => list[before as usize].link_mut().newer = newer,
        }
        match link.newer {
            NONE => self.newest = older,
            behind => list[behind as usize].link_mut().older = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Entry {
        name: usize,
        link: Link,
    }

    impl Aged for Entry {
        fn link(&self) -> Link {
            self.link
        }

        fn link_mut(&mut self) -> &mut Link {
            &mut self.link
        }
    }

    proptest! {
        /// The same operations on a list that is kept in order are the specification.
        #[test]
        fn the_order_is_that_of_a_list_sorted_by_hand(
            operations in prop::collection::vec((0u8..3, any::<prop::sample::Index>()), 0..200),
        ) {
            let (mut ages, mut list, mut sorted) = (Ages::default(), Vec::new(), Vec::new());
            for (name, (operation, index)) in operations.into_iter().enumerate() {
                if operation == 0 || list.is_empty() {
                    list.push(Entry { name, link: Link::default() });
                    sorted.push(name);
                    let at = list.len() - 1;
                    ages.append(&mut list, at);
                } else {
                    let at = index.index(list.len());
                    let name = list[at].name;
                    sorted.retain(|other| *other != name);
                    if operation == 1 {
                        sorted.push(name);
                        ages.renew(&mut list, at);
                    } else {
                        ages.unlink(&mut list, at);
                        list.swap_remove(at);
                        if at < list.len() {
                            ages.relocate(&mut list, at);
                        }
                    }
                }
                let found: Vec<_> = ages.oldest_first(&list).map(|at| list[at].name).collect();
                prop_assert_eq!(&found, &sorted);
            }
        }
    }
}
