//! Searches for a peer, which begin with what the last one has left out.

use super::{PieceIndex, Pieces, Rarity, Rng, RngExt, words};

/// What the last search for a peer has found out: no startable piece of the peer comes before `least`,
/// but for the candidates and for what was put in, or became rarer, since.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    least: Least,
    /// The generation at the last search.
    since: Option<u64>,
    sunk: i64,
    /// Pieces that may come before all others: the peer has got them, or they were given back. Each
    /// once, [`MAX_CANDIDATES`] at most.
    candidates: Vec<PieceIndex>,
}

/// The key of the first startable piece that a peer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Least {
    /// Any.
    #[default]
    Unknown,
    /// This one, or a higher one.
    Key(i64),
    /// It has none.
    Nothing,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The rarest piece. The key is the availability.
    Rarity,
    /// The first piece of the content. The key is the index.
    Index,
}

/// With more of them a search among all costs less, for what their haves have cost.
const MAX_CANDIDATES: usize = 512;

/// Pieces to look at in their order before anything is counted: most peers have one of the first few.
const QUICK: usize = 1_024;

impl Rarity {
    /// The first startable piece that the peer has, whose pieces are counted.
    pub(crate) fn first(&self, peer: &Pieces, floor: &mut Floor, by: By) -> Option<PieceIndex> {
        self.renew(peer, floor, by);
        let candidates = floor.candidates.iter().copied();
        let best = candidates.min_by_key(|&piece| match by {
            By::Rarity => self.place(piece),
            By::Index => piece.get(),
        });
        // The others are known to come after it, and nothing has to be searched.
        match best {
            Some(best) if self.key(best, by) <= floor.least => return Some(best),
            None if floor.least == Least::Nothing => return None,
            _ => {}
        }
        let found = match by {
            By::Rarity => self.rarest(peer, floor.least),
            By::Index => self.first_by_index(peer, floor.least),
        };
        floor.least = found.map_or(Least::Nothing, |piece| self.key(piece, by));
        floor.candidates.clear();
        found
    }

    /// Any startable piece that the peer has: a random one, or near to it.
    pub(crate) fn random(
        &self,
        peer: &Pieces,
        floor: &mut Floor,
        chance: &mut impl Rng,
    ) -> Option<PieceIndex> {
        self.renew(peer, floor, By::Rarity);
        if !floor.candidates.is_empty() {
            return Some(floor.candidates[chance.random_range(0..floor.candidates.len())]);
        }
        if floor.least == Least::Nothing {
            return None;
        }
        // From a random place on: to count those of the peer would be a walk over all.
        let at = chance.random_range(0..self.piece_count());
        let found = self.common(peer, at).next().or_else(|| self.common(peer, 0).next());
        if found.is_none() {
            floor.least = Least::Nothing;
        }
        found.map(|index| self.piece(index))
    }

    /// The peer has got a piece.
    pub(crate) fn gain(&self, floor: &mut Floor, piece: PieceIndex, by: By) {
        if self.contains(piece) {
            self.offer(floor, piece, by);
        }
    }

    /// Takes in what has happened since the last search.
    fn renew(&self, peer: &Pieces, floor: &mut Floor, by: By) {
        let since = floor.since.replace(self.generation);
        let sunk = self.sunk - std::mem::replace(&mut floor.sunk, self.sunk);
        if let Least::Key(key) = &mut floor.least {
            *key -= sunk;
        }
        floor.candidates.retain(|&piece| self.contains(piece) && peer.contains(piece));
        match since.map(|since| self.put_in_since(since)) {
            // The first search is among all.
            None => {}
            Some(Some(news)) => news
                .filter(|&piece| peer.contains(piece))
                .for_each(|piece| self.offer(floor, piece, by)),
            // Too much has happened since to know what.
            Some(None) => {
                floor.least = Least::Unknown;
                floor.candidates.clear();
            }
        }
    }

    /// Makes a startable piece of the peer a candidate, if it may come before the others.
    fn offer(&self, floor: &mut Floor, piece: PieceIndex, by: By) {
        let is_beyond = floor.least != Least::Unknown && self.key(piece, by) > floor.least;
        if is_beyond || floor.candidates.contains(&piece) {
            return;
        }
        if floor.candidates.len() == MAX_CANDIDATES {
            let keys = floor.candidates.iter().map(|&piece| self.key(piece, by));
            floor.least = keys.fold(floor.least, Least::min);
            floor.candidates.clear();
        }
        floor.candidates.push(piece);
    }

    fn key(&self, piece: PieceIndex, by: By) -> Least {
        Least::Key(match by {
            By::Rarity => self.standings[piece.as_usize()].availability.into(),
            By::Index => piece.get().into(),
        })
    }

    /// Among the rarest there may be any number of pieces that the peer lacks.
    fn rarest(&self, peer: &Pieces, least: Least) -> Option<PieceIndex> {
        let group = match least {
            Least::Key(key) => usize::try_from(key - i64::from(self.base)).unwrap_or(0),
            Least::Unknown | Least::Nothing => 0,
        };
        let mut order = self.startable_from(group);
        let quick = order.by_ref().take(QUICK).find(|&piece| peer.contains(piece));
        if quick.is_some() {
            return quick;
        }
        // After as many steps as it has pieces that fit, to look at each of these costs no more.
        let fit = if (peer.count() as usize) < QUICK {
            0
        } else {
            words::count(self.piece_count(), |at| self.common_word(peer, at))
        };
        let found = order.take(fit as usize).find(|&piece| peer.contains(piece));
        found.or_else(|| {
            let places = self.common(peer, 0).map(|index| self.standings[index as usize].place);
            places.min().map(|place| self.order[place as usize])
        })
    }

    fn first_by_index(&self, peer: &Pieces, least: Least) -> Option<PieceIndex> {
        let from = match least {
            Least::Key(key) => u32::try_from(key).unwrap_or(0),
            Least::Unknown | Least::Nothing => 0,
        };
        self.common(peer, from).next().map(|index| self.piece(index))
    }

    /// Indices of the startable pieces that the peer has, ascending, from this one on.
    fn common<'a>(&'a self, peer: &'a Pieces, from: u32) -> impl Iterator<Item = u32> + 'a {
        words::indices(from, self.piece_count(), |at| self.common_word(peer, at))
    }

    fn common_word(&self, peer: &Pieces, at: u32) -> u64 {
        words::word(&self.startable, at) & words::word_of(peer, at)
    }

    /// Panics if a search for this peer would overlook a piece.
    pub(crate) fn check_floor(&self, peer: &Pieces, floor: &Floor, by: By) {
        assert!(floor.candidates.len() <= MAX_CANDIDATES);
        let Some(news) = floor.since.and_then(|since| self.put_in_since(since)) else { return };
        let news: Vec<_> = news.collect();
        let least = match floor.least {
            Least::Key(key) => Least::Key(key - (self.sunk - floor.sunk)),
            least => least,
        };
        for index in self.common(peer, 0) {
            let piece = self.piece(index);
            let is_known = self.key(piece, by) >= least
                || floor.candidates.contains(&piece)
                || news.contains(&piece);
            assert!(is_known, "piece {piece} is overlooked");
        }
    }
}
