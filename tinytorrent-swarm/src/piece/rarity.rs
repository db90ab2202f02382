mod bulk;
mod floor;
mod priorities;

use std::collections::VecDeque;

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use tinytorrent_types::{Bitfield, Geometry, PieceIndex};

use super::{Pieces, words};

pub(crate) use self::floor::{By, Floor};
pub(crate) use self::priorities::Priorities;

/// The pieces that may be started, rarest first, equals in random order (S-22).
///
/// `order` holds all pieces, grouped by availability. In each group those that may be started come
/// first, so that each change moves one piece across one or two borders: a few swaps, whatever the
/// number of pieces and of peers.
///
/// ```text
///   order          s s s - - | s - | - - - | s s        s: may be started
///   group          0           1     2       3
///   availability  -1           0     1       2
/// ```
///
/// Peers that have more than half of the pieces are one counter beside the groups, since what all have
/// changes nothing about the order, and each piece that such a peer lacks is one less available. So a
/// peer costs as many moves as it has pieces, or lacks, and what it says of one piece costs one move.
#[derive(Debug, Clone)]
pub(crate) struct Rarity {
    order: Vec<PieceIndex>,
    /// The last one ends where `order` does.
    groups: Vec<Group>,
    /// The availability of the first group.
    base: i32,
    /// The standing of each piece.
    standings: Vec<Standing>,
    /// Pieces that may be started.
    startable: Bitfield,
    /// The first group with a piece that may be started, if there is one.
    rarest: usize,
    /// Peers that have more than half of the pieces.
    dense: u32,
    /// Counts what has been put in or has become rarer, so that searches need not be repeated.
    generation: u64,
    /// Pieces that did so lately, the latest last.
    recent: VecDeque<PieceIndex>,
    /// How often many pieces have become rarer by one peer, without a note: no piece has by more.
    sunk: i64,
    /// `None` as long as all are equal.
    priorities: Option<Box<Priorities>>,
}

/// The standing of one piece; both numbers lie together, as most questions need both.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// The place in `order`.
    place: u32,
    /// Peers that have the piece, dense ones apart, less the dense ones that lack it. The priority of the
    /// piece is in it, too: it is as good as many peers more or less.
    availability: i32,
}

/// The pieces of one availability. They begin where the group before them ends.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// The end of those that may be started.
    startable_end: u32,
    end: u32,
}

/// The way in which the pieces of a peer are counted. It stays so until they are discounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Count {
    /// By what it has.
    #[default]
    Sparse,
    /// By what it lacks.
    Dense,
}

/// How many of the pieces put in to remember: more than one peer that leaves gives back.
const MAX_RECENT: usize = 4_096;

impl Rarity {
    /// These pieces may be started, and no peer has any.
    pub(crate) fn new(geometry: &Geometry, startable: Bitfield, chance: &mut impl Rng) -> Self {
        let is_startable = |piece: &PieceIndex| startable.contains(*piece);
        let (mut order, others): (Vec<_>, Vec<_>) = geometry.pieces().partition(is_startable);
        order.shuffle(chance);
        order.extend(others);
        let mut standings = vec![Standing { place: 0, availability: 0 }; order.len()];
        for (place, piece) in order.iter().enumerate() {
            standings[piece.as_usize()].place = place as u32;
        }
        let (startable_end, end) = (startable.count(), geometry.piece_count());
        Self {
            order,
            groups: vec![Group { startable_end, end }],
            base: 0,
            standings,
            startable,
            rarest: 0,
            dense: 0,
            generation: 0,
            recent: VecDeque::new(),
            sunk: 0,
            priorities: None,
        }
    }

    /// Lets a piece be started.
    pub(crate) fn insert(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        debug_assert!(!self.contains(piece));
        let group = self.group(piece);
        self.startable.insert(piece);
        self.make_startable(piece, group);
        // Peers that see the same availability would all ask for the same piece otherwise.
        self.shuffle_in(piece, chance);
        self.note(piece);
    }

    /// Remembers a piece that searches have to look at again.
    fn note(&mut self, piece: PieceIndex) {
        self.generation += 1;
        // Who searched before the oldest of them searches among all again.
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(piece);
    }

    /// Takes a piece out: it was started, or is not wanted any more.
    pub(crate) fn remove(&mut self, piece: PieceIndex) {
        debug_assert!(self.contains(piece));
        self.startable.remove(piece);
        self.make_unstartable(piece, self.group(piece));
        self.find_rarest();
    }

    /// Returns true if the piece may be started.
    pub(crate) fn contains(&self, piece: PieceIndex) -> bool {
        self.startable.contains(piece)
    }

    /// Returns true if there is nothing left to start.
    pub(crate) fn is_empty(&self) -> bool {
        self.startable.is_empty()
    }

    /// The startable pieces among those put in since `generation`, and those that became rarer one by
    /// one. `None` if there were too many to know them.
    fn put_in_since(&self, generation: u64) -> Option<impl Iterator<Item = PieceIndex>> {
        let put_in = usize::try_from(self.generation - generation).ok()?;
        let known = self.recent.len().checked_sub(put_in)?;
        Some(self.recent.range(known..).copied().filter(|&piece| self.contains(piece)))
    }

    /// The place of a startable piece in the order: rarest first.
    fn place(&self, piece: PieceIndex) -> u32 {
        self.standings[piece.as_usize()].place
    }

    /// Peers that have this piece.
    pub(crate) fn availability(&self, piece: PieceIndex) -> i32 {
        self.standings[piece.as_usize()].availability + self.dense as i32 - self.lag(piece)
    }

    /// Counts the pieces of a peer that came. Gives how, to be told when it leaves.
    pub(crate) fn add_peer(&mut self, pieces: &Pieces, chance: &mut impl Rng) -> Count {
        // No sum that could overflow: half of the pieces are as many as the other half.
        let is_dense = pieces.count() > self.piece_count() - pieces.count();
        let count = if is_dense { Count::Dense } else { Count::Sparse };
        match count {
            Count::Sparse => self.shift(pieces, count, 1, chance),
            Count::Dense => {
                self.dense += 1;
                self.shift(pieces, count, -1, chance);
            }
        }
        count
    }

    /// Discounts the pieces of a peer that left, and was counted so.
    pub(crate) fn remove_peer(&mut self, pieces: &Pieces, count: Count, chance: &mut impl Rng) {
        match count {
            Count::Sparse => self.shift(pieces, count, -1, chance),
            Count::Dense => {
                self.dense -= 1;
                self.shift(pieces, count, 1, chance);
            }
        }
    }

    /// One more peer has the piece.
    pub(crate) fn add_have(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        let (group, is_startable) = (self.group(piece), self.contains(piece));
        // One group for each availability that a piece has had: no more than there are peers.
        if group + 1 == self.groups.len() {
            let end = self.piece_count();
            self.groups.push(Group { startable_end: end, end });
        }
        if is_startable {
            self.make_unstartable(piece, group);
        }
        // The last of its group becomes the first of the next.
        let last = self.groups[group].end - 1;
        self.swap(piece, last);
        self.groups[group].end = last;
        self.standings[piece.as_usize()].availability += 1;
        if is_startable {
            self.shuffle_in(piece, chance);
        } else {
            self.make_unstartable(piece, group + 1);
        }
        self.find_rarest();
    }

    /// One peer less has the piece.
    pub(crate) fn remove_have(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        self.lower(piece, chance);
        if self.contains(piece) {
            self.note(piece);
        }
    }

    /// The same, without a note for searches.
    fn lower(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        if self.group(piece) == 0 {
            self.open_group_in_front();
        }
        let (group, is_startable) = (self.group(piece), self.contains(piece));
        if !is_startable {
            self.make_startable(piece, group);
        }
        // The first of its group becomes the last of the one before.
        self.swap(piece, self.start(group));
        self.groups[group - 1].end += 1;
        self.standings[piece.as_usize()].availability -= 1;
        if is_startable {
            self.make_startable(piece, group - 1);
            self.shuffle_in(piece, chance);
        }
        self.find_rarest();
    }

    /// A piece is about to become rarer than any has been.
    fn open_group_in_front(&mut self) {
        self.groups.insert(0, Group { startable_end: 0, end: 0 });
        self.base -= 1;
        self.rarest += 1;
    }

    /// Returns true if nothing startable is rarer than this piece, which is startable.
    pub(crate) fn is_among_rarest(&self, piece: PieceIndex) -> bool {
        self.group(piece) == self.rarest
    }

    /// The pieces that may be started, rarest first, without the groups before this one.
    fn startable_from(&self, group: usize) -> impl Iterator<Item = PieceIndex> + '_ {
        (group.max(self.rarest)..self.groups.len()).flat_map(|group| {
            let (start, end) = (self.start(group), self.groups[group].startable_end);
            self.order[start as usize..end as usize].iter().copied()
        })
    }

    fn piece_count(&self) -> u32 {
        self.startable.piece_count()
    }

    fn group(&self, piece: PieceIndex) -> usize {
        (self.standings[piece.as_usize()].availability - self.base) as usize
    }

    fn start(&self, group: usize) -> u32 {
        group.checked_sub(1).map_or(0, |before| self.groups[before].end)
    }

    /// Moves a piece of this group among those that may be started.
    fn make_startable(&mut self, piece: PieceIndex, group: usize) {
        let end = self.groups[group].startable_end;
        self.swap(piece, end);
        self.groups[group].startable_end = end + 1;
        self.rarest = self.rarest.min(group);
    }

    /// Moves a piece of this group among those that may not be started.
    fn make_unstartable(&mut self, piece: PieceIndex, group: usize) {
        let last = self.groups[group].startable_end - 1;
        self.swap(piece, last);
        self.groups[group].startable_end = last;
    }

    /// Goes on to the first group with something to start, after some have lost the last of it.
    fn find_rarest(&mut self) {
        while self.rarest + 1 < self.groups.len()
            && self.start(self.rarest) == self.groups[self.rarest].startable_end
        {
            self.rarest += 1;
        }
    }

    /// Trades places with the piece that is there.
    fn swap(&mut self, piece: PieceIndex, place: u32) {
        let before = self.place(piece);
        let other = std::mem::replace(&mut self.order[place as usize], piece);
        self.order[before as usize] = other;
        self.standings[other.as_usize()].place = before;
        self.standings[piece.as_usize()].place = place;
    }

    /// Trades places with a random piece of the same group that may be started too.
    fn shuffle_in(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        let group = self.group(piece);
        let other = chance.random_range(self.start(group)..self.groups[group].startable_end);
        self.swap(piece, other);
    }

    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.groups.last().map(|group| group.end as usize), Some(self.order.len()));
        assert!(self.groups.is_sorted_by_key(|group| group.end));
        let mut startable = 0;
        for (group, borders) in self.groups.iter().enumerate() {
            let start = self.start(group);
            assert!((start..=borders.end).contains(&borders.startable_end));
            assert!(group >= self.rarest || start == borders.startable_end);
            startable += borders.startable_end - start;
        }
        assert_eq!(startable, self.startable.count());
        for (place, &piece) in self.order.iter().enumerate() {
            assert_eq!(self.place(piece) as usize, place);
            let group = self.group(piece);
            let borders = self.groups[group];
            assert!((self.start(group)..borders.end).contains(&(place as u32)));
            assert_eq!(self.contains(piece), (place as u32) < borders.startable_end);
        }
    }
}

#[cfg(test)]
mod tests;
