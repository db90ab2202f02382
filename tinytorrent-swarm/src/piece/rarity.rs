use std::collections::VecDeque;

use rand::{Rng, RngExt};
use tinytorrent_types::{Geometry, PieceIndex};

use super::Pieces;

/// The pieces that may be started, rarest first, equals in random order (S-22).
///
/// `order` holds all pieces, grouped by availability. In each group those that may be started come
/// first, so that each change moves one piece across one or two borders: a few swaps, whatever the
/// number of pieces and of peers. Peers that have everything are one counter beside the groups, since
/// they change nothing about the order.
///
/// ```text
///   order   s s s - - | s - | - - - | s s        s: may be started
///   group   0           1     2       3          the availability
/// ```
#[derive(Debug, Clone)]
pub(crate) struct Rarity {
    order: Vec<PieceIndex>,
    /// The last one ends where `order` does.
    groups: Vec<Group>,
    /// The standing of each piece.
    standings: Vec<Standing>,
    /// Pieces that may be started.
    startable: u32,
    /// The first group with a piece that may be started, if there is one.
    rarest: usize,
    seeds: u32,
    /// Counts what has been put in or has become rarer, so that a search that found nothing need not be
    /// repeated.
    generation: u64,
    /// Pieces that did so lately, the latest last: all that such a search has to look at again.
    recent: VecDeque<PieceIndex>,
    /// No piece before this one may be started.
    first: u32,
}

/// The standing of one piece; both numbers lie together, as most questions need both.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// The place in `order`.
    place: u32,
    /// Peers that have the piece, seeds apart.
    availability: u32,
}

/// The pieces of one availability. They begin where the group before them ends.
#[derive(Debug, Clone, Copy)]
struct Group {
    /// The end of those that may be started.
    startable_end: u32,
    end: u32,
}

/// The availability below which a peer has nothing that may be started, as of a generation. What was put
/// in since counts besides.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Floor {
    group: usize,
    generation: u64,
}

/// How many of the pieces put in to remember: more than one peer that leaves gives back.
const MAX_RECENT: usize = 4_096;

impl Rarity {
    /// No piece may be started yet.
    pub(crate) fn new(geometry: &Geometry) -> Self {
        let piece_count = geometry.piece_count();
        Self {
            order: geometry.pieces().collect(),
            groups: vec![Group { startable_end: 0, end: piece_count }],
            standings: (0..piece_count).map(|place| Standing { place, availability: 0 }).collect(),
            startable: 0,
            rarest: 0,
            seeds: 0,
            generation: 0,
            recent: VecDeque::new(),
            first: piece_count,
        }
    }

    /// Lets a piece be started.
    pub(crate) fn insert(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        debug_assert!(!self.contains(piece));
        let group = self.group(piece);
        self.startable += 1;
        self.make_startable(piece, group);
        // Peers that see the same availability would all ask for the same piece otherwise.
        self.shuffle_in(piece, chance);
        self.note(piece);
        self.first = self.first.min(piece.get());
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
        self.startable -= 1;
        self.make_unstartable(piece, self.group(piece));
        self.find_rarest();
    }

    /// Returns true if the piece may be started.
    pub(crate) fn contains(&self, piece: PieceIndex) -> bool {
        let Standing { place, availability } = self.standings[piece.as_usize()];
        place < self.groups[availability as usize].startable_end
    }

    /// Returns true if there is nothing left to start.
    pub(crate) fn is_empty(&self) -> bool {
        self.startable == 0
    }

    /// Changes whenever a piece is put in or becomes rarer.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The startable pieces among those put in since `generation`, and those that became rarer: all there
    /// can be for a peer for whom nothing was found then. `None` if there were too many to know them.
    pub(crate) fn put_in_since(&self, generation: u64) -> Option<impl Iterator<Item = PieceIndex>> {
        let put_in = usize::try_from(self.generation - generation).ok()?;
        let known = self.recent.len().checked_sub(put_in)?;
        Some(self.recent.range(known..).copied().filter(|&piece| self.contains(piece)))
    }

    /// The place of a startable piece in the order: rarest first.
    pub(crate) fn place(&self, piece: PieceIndex) -> u32 {
        self.standings[piece.as_usize()].place
    }

    /// Peers that have this piece.
    #[cfg(test)]
    pub(crate) fn availability(&self, piece: PieceIndex) -> u32 {
        self.standings[piece.as_usize()].availability + self.seeds
    }

    /// Counts the pieces of a peer that came.
    pub(crate) fn add_peer(&mut self, pieces: &Pieces, geometry: &Geometry, chance: &mut impl Rng) {
        match pieces {
            Pieces::All { .. } => self.seeds += 1,
            Pieces::Some(some) => some
                .iter()
                .filter_map(|index| geometry.piece(index))
                .for_each(|piece| self.add_have(piece, chance)),
        }
    }

    /// Discounts the pieces of a peer that left.
    pub(crate) fn remove_peer(
        &mut self,
        pieces: &Pieces,
        geometry: &Geometry,
        chance: &mut impl Rng,
    ) {
        match pieces {
            Pieces::All { .. } => self.seeds -= 1,
            Pieces::Some(some) => some
                .iter()
                .filter_map(|index| geometry.piece(index))
                .for_each(|piece| self.remove_have(piece, chance)),
        }
    }

    /// One more peer, no seed, has the piece.
    pub(crate) fn add_have(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        let (group, is_startable) = (self.group(piece), self.contains(piece));
        // One group for each availability that a piece has had: no more than there are peers.
        if group + 1 == self.groups.len() {
            let end = self.order.len() as u32;
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

    /// One peer less, no seed, has the piece.
    pub(crate) fn remove_have(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        let (group, is_startable) = (self.group(piece), self.contains(piece));
        debug_assert!(group > 0);
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
            self.note(piece);
        }
        self.find_rarest();
    }

    /// The rarest startable piece that the peer has, all of whose pieces are counted. `floor` is where the
    /// last search ended: among the rarest there may be any number of pieces that the peer lacks.
    pub(crate) fn rarest(&self, peer: &Pieces, floor: &mut Floor) -> Option<PieceIndex> {
        let group = self.raised(peer, *floor);
        let found = self.startable_from(group).find(|&piece| peer.contains(piece));
        let group = found.map_or(group, |piece| self.group(piece));
        *floor = Floor { group, generation: self.generation };
        found
    }

    /// The availability below which the peer has nothing that may be started.
    fn raised(&self, peer: &Pieces, floor: Floor) -> usize {
        // Each piece of a peer that is no seed counts: it has none of availability zero.
        let least = usize::from(matches!(peer, Pieces::Some(_)));
        // Too much has happened since to know what.
        let Some(news) = self.put_in_since(floor.generation) else { return least };
        let of_peer = news.filter(|&piece| peer.contains(piece)).map(|piece| self.group(piece));
        of_peer.fold(floor.group.max(least), usize::min)
    }

    /// A peer has got a startable piece.
    pub(crate) fn lower(&self, floor: &mut Floor, piece: PieceIndex) {
        floor.group = floor.group.min(self.group(piece));
    }

    /// Panics if a search for this peer would overlook a piece.
    pub(crate) fn check_floor(&self, peer: &Pieces, floor: Floor) {
        let group = self.raised(peer, floor);
        for piece in self.startable().filter(|&piece| peer.contains(piece)) {
            assert!(self.group(piece) >= group, "piece {piece} is overlooked");
        }
    }

    /// Any startable piece that the peer has: a random one, or near to it.
    pub(crate) fn random(&self, peer: &Pieces, chance: &mut impl Rng) -> Option<PieceIndex> {
        if self.is_empty() {
            return None;
        }
        // From a random place on: to count those of the peer would be a walk over all.
        let at = chance.random_range(0..self.startable) as usize;
        let mut pieces = self.startable().skip(at).chain(self.startable().take(at));
        pieces.find(|&piece| peer.contains(piece))
    }

    /// The first startable piece that the peer has, in the order of the content.
    pub(crate) fn first(&mut self, peer: &Pieces, geometry: &Geometry) -> Option<PieceIndex> {
        // It never goes back but for a piece that is put in, so that all walks together are one.
        while let Some(piece) = geometry.piece(self.first)
            && !self.contains(piece)
        {
            self.first += 1;
        }
        (self.first..geometry.piece_count())
            .filter_map(|index| geometry.piece(index))
            .find(|&piece| self.contains(piece) && peer.contains(piece))
    }

    /// Returns true if nothing startable is rarer than this piece, which is startable.
    pub(crate) fn is_among_rarest(&self, piece: PieceIndex) -> bool {
        self.group(piece) == self.rarest
    }

    /// The pieces that may be started, rarest first.
    fn startable(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.startable_from(self.rarest)
    }

    /// The same, without the groups before this one.
    fn startable_from(&self, group: usize) -> impl Iterator<Item = PieceIndex> + '_ {
        (group.max(self.rarest)..self.groups.len()).flat_map(|group| {
            let (start, end) = (self.start(group), self.groups[group].startable_end);
            self.order[start as usize..end as usize].iter().copied()
        })
    }

    fn group(&self, piece: PieceIndex) -> usize {
        self.standings[piece.as_usize()].availability as usize
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
        for (group, borders) in self.groups.iter().enumerate() {
            assert!((self.start(group)..=borders.end).contains(&borders.startable_end));
            assert!(group >= self.rarest || self.start(group) == borders.startable_end);
        }
        for (place, &piece) in self.order.iter().enumerate() {
            assert_eq!(self.place(piece) as usize, place);
            let group = self.group(piece);
            let borders = self.start(group) as usize..self.groups[group].end as usize;
            assert!(borders.contains(&place));
            assert!(piece.get() >= self.first || !self.contains(piece));
        }
        let startable = self.order.iter().filter(|&&piece| self.contains(piece)).count();
        assert_eq!(startable, self.startable as usize);
        assert_eq!(startable, self.startable().count());
    }
}

#[cfg(test)]
mod tests;
