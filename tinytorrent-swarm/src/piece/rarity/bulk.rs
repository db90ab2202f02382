//! Changes to the availability of many pieces at once.

use super::{Count, Group, PieceIndex, Pieces, Rarity, Rng, RngExt, Standing, words};

/// A change to more than one in so many pieces is one walk over all. Single moves jump about in memory,
/// and would take longer.
const BULK: u32 = 16;

/// Pieces that became rarer are looked at one by one, for every peer, if they are no more than these.
const FEW: u32 = 256;

impl Rarity {
    /// Changes the availability, by one up or down, of all that the peer has or of all that it lacks.
    pub(super) fn shift(&mut self, pieces: &Pieces, count: Count, by: i32, chance: &mut impl Rng) {
        let (piece_count, has) = (self.piece_count(), pieces.count());
        let (changes, flip) = match count {
            Count::Sparse => (has, 0),
            Count::Dense => (piece_count - has, u64::MAX),
        };
        let word = |at| words::word_of(pieces, at) ^ flip;
        // The last one is known by its number, and most peers have only some, near to each other.
        let changed = words::indices(0, piece_count, word).take(changes as usize);
        if changes > piece_count / BULK {
            return self.shift_many(|index| pieces.get(index) == (flip == 0), by, chance);
        }
        let (is_less, is_noted) = (by < 0, changes <= FEW);
        self.sunk += i64::from(is_less && !is_noted);
        for index in changed {
            let piece = self.piece(index);
            if !is_less {
                self.add_have(piece, chance);
            } else if is_noted {
                self.remove_have(piece, chance);
            } else {
                self.lower(piece, chance);
            }
        }
    }

    /// The piece of this index, which there is.
    pub(super) fn piece(&self, index: u32) -> PieceIndex {
        self.order[self.standings[index as usize].place as usize]
    }

    /// The same by one walk over all pieces.
    fn shift_many(&mut self, is_changed: impl Fn(u32) -> bool, by: i32, chance: &mut impl Rng) {
        if by < 0 {
            self.open_group_in_front();
            self.sunk += 1;
        } else {
            let end = self.piece_count();
            self.groups.push(Group { startable_end: end, end });
        }
        let old = std::mem::take(&mut self.order);
        let sort = Sort { groups: &self.groups, order: &old, by, is_changed };
        let (order, sorted) = sort.run();
        self.order = order;
        for (group, Sorted { start, unchanged_end, startable_end, end }) in
            sorted.into_iter().enumerate()
        {
            // Both were in random order. Those that came have to be spread among the others.
            for place in unchanged_end..startable_end {
                let other = chance.random_range(start..=place);
                self.order.swap(place as usize, other as usize);
            }
            let availability = self.base + group as i32;
            for place in start..end {
                let piece = self.order[place as usize];
                self.standings[piece.as_usize()] = Standing { place, availability };
            }
            self.groups[group] = Group { startable_end, end };
        }
        self.close_empty_groups();
        self.rarest = 0;
        self.find_rarest();
    }

    /// Drops groups at both ends that have no piece.
    fn close_empty_groups(&mut self) {
        let empty = self.groups.iter().take_while(|group| group.end == 0).count();
        self.groups.drain(..empty);
        self.base += empty as i32;
        while let [.., before, last] = self.groups[..]
            && before.end == last.end
        {
            self.groups.pop();
        }
    }
}

/// A sort of all pieces by availability, after that of some has changed. It is known by the group they
/// were in, so that nothing is looked up but who changes.
struct Sort<'a, F> {
    /// As they were before.
    groups: &'a [Group],
    order: &'a [PieceIndex],
    by: i32,
    is_changed: F,
}

/// A group after the sort: startable pieces that were in it before, those that came, and the others.
struct Sorted {
    start: u32,
    unchanged_end: u32,
    startable_end: u32,
    end: u32,
}

impl<F: Fn(u32) -> bool> Sort<'_, F> {
    fn run(&self) -> (Vec<PieceIndex>, Vec<Sorted>) {
        // Of each group: startable pieces that were in it and that come, and the same of the others.
        let mut places = vec![[0; 4]; self.groups.len()];
        self.for_each(|_, group, part| places[group][part] += 1);
        let mut start = 0;
        for place in places.iter_mut().flatten() {
            start += std::mem::replace(place, start);
        }
        let mut order = self.order.to_vec();
        self.for_each(|piece, group, part| {
            let place = &mut places[group][part];
            order[*place as usize] = piece;
            *place += 1;
        });
        let mut start = 0;
        let sorted = places.into_iter().map(|[unchanged_end, startable_end, _, end]| Sorted {
            start: std::mem::replace(&mut start, end),
            unchanged_end,
            startable_end,
            end,
        });
        (order, sorted.collect())
    }

    /// Gives each piece, its group to be, and its part in that.
    fn for_each(&self, mut act: impl FnMut(PieceIndex, usize, usize)) {
        let mut start = 0;
        for (group, borders) in self.groups.iter().enumerate() {
            let target = group.saturating_add_signed(self.by as isize);
            for (part, end) in [(0, borders.startable_end as usize), (2, borders.end as usize)] {
                for &piece in &self.order[start..end] {
                    if (self.is_changed)(piece.get()) {
                        act(piece, target, part + 1);
                    } else {
                        act(piece, group, part);
                    }
                }
                start = end;
            }
        }
    }
}
