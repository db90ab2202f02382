use std::collections::VecDeque;

use rand::{Rng, RngExt};
use tinytorrent_types::{Geometry, PieceIndex};

use super::Pieces;

/// The pieces that may be started, rarest first, equals in random order (S-22).
///
/// `order` holds them grouped by availability; `ends[a]` is where the group of availability `a`
/// ends. A `have` moves one piece across one border: a swap and a decrement, whatever the number
/// of pieces. Peers that have everything are one counter beside the groups, since they change
/// nothing about the order.
#[derive(Debug, Clone)]
pub(crate) struct Rarity {
    order: Vec<PieceIndex>,
    ends: Vec<u32>,
    /// Where in `order` each piece stands, or `ABSENT`.
    places: Vec<u32>,
    /// Peers that have each piece, seeds apart.
    availability: Vec<u32>,
    seeds: u32,
    /// Counts what has been put in, so that a search that found nothing need not be repeated.
    generation: u64,
    /// What was put in lately, the latest last: all that such a search has to look at again.
    recent: VecDeque<PieceIndex>,
    /// No piece before this one is in `order`.
    first: u32,
}

const ABSENT: u32 = u32::MAX;

/// How many of the pieces put in to remember: more than one peer that leaves gives back.
const MAX_RECENT: usize = 4_096;

impl Rarity {
    /// No piece may be started yet.
    pub(crate) fn new(piece_count: u32) -> Self {
        Self {
            order: Vec::new(),
            ends: vec![0],
            places: vec![ABSENT; piece_count as usize],
            availability: vec![0; piece_count as usize],
            seeds: 0,
            generation: 0,
            recent: VecDeque::new(),
            first: piece_count,
        }
    }

    /// Lets a piece be started.
    pub(crate) fn insert(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        debug_assert!(!self.contains(piece));
        let group = self.availability[piece.as_usize()] as usize;
        self.reach(group);
        // The first of each later group moves to its end, which opens a place at our group's end.
        self.order.push(piece);
        let mut hole = self.order.len() - 1;
        for later in (group + 1..self.ends.len()).rev() {
            let start = self.ends[later - 1] as usize;
            if start != hole {
                self.put(hole, self.order[start]);
            }
            hole = start;
            self.ends[later] += 1;
        }
        self.ends[group] += 1;
        self.put(hole, piece);
        self.shuffle_in(piece, chance);
        self.generation += 1;
        if self.recent.len() == MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(piece);
        self.first = self.first.min(piece.get());
    }

    /// Takes a piece out: it was started, or is not wanted any more.
    pub(crate) fn remove(&mut self, piece: PieceIndex) {
        let mut hole = self.places[piece.as_usize()] as usize;
        debug_assert!(self.contains(piece));
        for group in self.availability[piece.as_usize()] as usize..self.ends.len() {
            let last = self.ends[group] as usize - 1;
            if last != hole {
                self.put(hole, self.order[last]);
            }
            hole = last;
            self.ends[group] -= 1;
        }
        self.order.pop();
        self.places[piece.as_usize()] = ABSENT;
    }

    /// Whether the piece may be started.
    pub(crate) fn contains(&self, piece: PieceIndex) -> bool {
        self.places[piece.as_usize()] != ABSENT
    }

    /// Whether there is nothing left to start.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Changes whenever a piece is put in.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The startable pieces among those put in since `generation`: all there can be for a peer for
    /// whom nothing was found then. `None` if there were too many to know them.
    pub(crate) fn put_in_since(&self, generation: u64) -> Option<impl Iterator<Item = PieceIndex>> {
        let put_in = usize::try_from(self.generation - generation).ok()?;
        let known = self.recent.len().checked_sub(put_in)?;
        Some(self.recent.range(known..).copied().filter(|&piece| self.contains(piece)))
    }

    /// Where a startable piece stands in the order: rarest first.
    pub(crate) fn place(&self, piece: PieceIndex) -> u32 {
        self.places[piece.as_usize()]
    }

    /// Peers that have this piece.
    #[cfg(test)]
    pub(crate) fn availability(&self, piece: PieceIndex) -> u32 {
        self.availability[piece.as_usize()] + self.seeds
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
        let group = self.availability[piece.as_usize()] as usize;
        self.availability[piece.as_usize()] += 1;
        if self.contains(piece) {
            self.reach(group + 1);
            let last = self.ends[group] as usize - 1;
            self.swap(self.places[piece.as_usize()] as usize, last);
            self.ends[group] -= 1;
            self.shuffle_in(piece, chance);
        }
    }

    /// One peer less, no seed, has the piece.
    pub(crate) fn remove_have(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        let group = self.availability[piece.as_usize()] as usize;
        debug_assert!(group > 0);
        self.availability[piece.as_usize()] -= 1;
        if self.contains(piece) {
            let start = self.ends[group - 1] as usize;
            self.swap(self.places[piece.as_usize()] as usize, start);
            self.ends[group - 1] += 1;
            self.shuffle_in(piece, chance);
        }
    }

    /// The rarest startable piece that the peer has.
    pub(crate) fn rarest(&self, peer: &Pieces) -> Option<PieceIndex> {
        self.order.iter().copied().find(|&piece| peer.contains(piece))
    }

    /// Any startable piece that the peer has: a random one, or near to it.
    pub(crate) fn random(&self, peer: &Pieces, chance: &mut impl Rng) -> Option<PieceIndex> {
        if self.order.is_empty() {
            return None;
        }
        let (before, after) = self.order.split_at(chance.random_range(0..self.order.len()));
        after.iter().chain(before).copied().find(|&piece| peer.contains(piece))
    }

    /// The first startable piece that the peer has, in the order of the content.
    pub(crate) fn first(&mut self, peer: &Pieces, geometry: &Geometry) -> Option<PieceIndex> {
        while let Some(piece) = geometry.piece(self.first)
            && !self.contains(piece)
        {
            self.first += 1;
        }
        (self.first..geometry.piece_count())
            .filter_map(|index| geometry.piece(index))
            .find(|&piece| self.contains(piece) && peer.contains(piece))
    }

    /// Whether nothing startable is rarer than this piece.
    pub(crate) fn is_among_rarest(&self, piece: PieceIndex) -> bool {
        self.order.first().is_some_and(|rarest| {
            self.availability[rarest.as_usize()] == self.availability[piece.as_usize()]
        })
    }

    /// Makes sure that the group exists.
    fn reach(&mut self, group: usize) {
        let end = self.order.len() as u32;
        while self.ends.len() <= group {
            self.ends.push(end);
        }
    }

    fn put(&mut self, place: usize, piece: PieceIndex) {
        self.order[place] = piece;
        self.places[piece.as_usize()] = place as u32;
    }

    fn swap(&mut self, a: usize, b: usize) {
        let (first, second) = (self.order[a], self.order[b]);
        self.put(a, second);
        self.put(b, first);
    }

    /// Trades places with a random piece of the same group.
    fn shuffle_in(&mut self, piece: PieceIndex, chance: &mut impl Rng) {
        let group = self.availability[piece.as_usize()] as usize;
        let start = if group == 0 { 0 } else { self.ends[group - 1] };
        let other = chance.random_range(start..self.ends[group]);
        self.swap(self.places[piece.as_usize()] as usize, other as usize);
    }

    pub(crate) fn check_invariants(&self) {
        assert_eq!(self.ends.last().copied().unwrap_or(0) as usize, self.order.len());
        assert!(self.ends.is_sorted());
        for (place, piece) in self.order.iter().enumerate() {
            assert_eq!(self.places[piece.as_usize()] as usize, place);
            let group = self.availability[piece.as_usize()] as usize;
            let start = if group == 0 { 0 } else { self.ends[group - 1] };
            assert!((start as usize..self.ends[group] as usize).contains(&place));
            assert!(piece.get() >= self.first);
        }
        let present = self.places.iter().filter(|&&place| place != ABSENT).count();
        assert_eq!(present, self.order.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tinytorrent_types::Bitfield;

    use super::*;

    const PIECES: u32 = 12;

    fn geometry() -> Geometry {
        Geometry::new(PIECES.into(), 1).unwrap()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u32),
        Remove(u32),
        Have(u32),
        Lose(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (0..4, 0..PIECES).prop_map(|(kind, piece)| match kind {
            0 => Step::Insert(piece),
            1 => Step::Remove(piece),
            2 => Step::Have(piece),
            _ => Step::Lose(piece),
        });
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn the_order_is_by_availability_whatever_happens(steps in steps(), seed: u64) {
            let (geometry, mut chance) = (geometry(), StdRng::seed_from_u64(seed));
            let mut rarity = Rarity::new(PIECES);
            for step in steps {
                match step {
                    Step::Insert(n) => {
                        let piece = geometry.piece(n).unwrap();
                        if !rarity.contains(piece) { rarity.insert(piece, &mut chance) }
                    }
                    Step::Remove(n) => {
                        let piece = geometry.piece(n).unwrap();
                        if rarity.contains(piece) { rarity.remove(piece) }
                    }
                    Step::Have(n) => rarity.add_have(geometry.piece(n).unwrap(), &mut chance),
                    Step::Lose(n) => {
                        let piece = geometry.piece(n).unwrap();
                        if rarity.availability(piece) > 0 { rarity.remove_have(piece, &mut chance) }
                    }
                }
                rarity.check_invariants();
                let least = geometry.pieces().filter(|&p| rarity.contains(p))
                    .map(|p| rarity.availability(p)).min();
                let picked = rarity.rarest(&Pieces::all(PIECES)).map(|p| rarity.availability(p));
                prop_assert_eq!(picked, least);
            }
        }
    }

    #[test]
    fn a_peer_is_asked_for_the_rarest_piece_it_has() {
        let (geometry, mut chance) = (geometry(), StdRng::seed_from_u64(1));
        let mut rarity = Rarity::new(PIECES);
        geometry.pieces().for_each(|piece| rarity.insert(piece, &mut chance));
        let mut peer = Bitfield::new(PIECES);
        for index in [3, 7] {
            let piece = geometry.piece(index).unwrap();
            peer.insert(piece);
            rarity.add_have(piece, &mut chance);
        }
        rarity.add_have(geometry.piece(3).unwrap(), &mut chance);
        assert_eq!(rarity.rarest(&peer.clone().into()).unwrap().get(), 7);
        assert_eq!(rarity.first(&peer.into(), &geometry).unwrap().get(), 3);
    }

    #[test]
    fn equals_come_in_random_order() {
        let first_of = |seed| {
            let mut chance = StdRng::seed_from_u64(seed);
            let mut rarity = Rarity::new(PIECES);
            geometry().pieces().for_each(|piece| rarity.insert(piece, &mut chance));
            rarity.rarest(&Pieces::all(PIECES)).unwrap()
        };
        let firsts: std::collections::HashSet<_> = (0..100).map(first_of).collect();
        assert!(firsts.len() > 6);
    }
}
