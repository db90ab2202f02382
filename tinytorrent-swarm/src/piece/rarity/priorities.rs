use rand::Rng;
use rand::seq::SliceRandom;
use tinytorrent_types::{Bitfield, PieceIndex};

use super::{Group, Rarity, Standing};

/// Pieces that come before or after all others, however rare they are.
#[derive(Debug, Clone)]
pub(crate) struct Priorities {
    low: Bitfield,
    high: Bitfield,
    /// The number that a low priority adds to the availability in the order, and a high one takes away.
    lag: i32,
}

/// More than there are connections to peers. Each unit costs eight bytes, once there are priorities.
const LAG: i32 = 4_096;

impl Priorities {
    /// A piece that is in both sets has the high one.
    pub(crate) fn new(low: Bitfield, high: Bitfield) -> Self {
        Self { low, high, lag: LAG }
    }

    #[cfg(test)]
    pub(super) fn with_lag(self, lag: i32) -> Self {
        Self { lag, ..self }
    }

    /// Returns true if the sets are for so many pieces.
    pub(crate) fn fit(&self, piece_count: u32) -> bool {
        [&self.low, &self.high].iter().all(|set| set.piece_count() == piece_count)
    }

    pub(super) fn lag(&self, piece: PieceIndex) -> i32 {
        match (self.high.contains(piece), self.low.contains(piece)) {
            (true, _) => -self.lag,
            (false, true) => self.lag,
            (false, false) => 0,
        }
    }
}

impl Rarity {
    /// Puts the pieces in order by these priorities, and those of equal priority by rarity. A walk over all
    /// pieces.
    pub(crate) fn set_priorities(
        &mut self,
        priorities: Option<Box<Priorities>>,
        chance: &mut impl Rng,
    ) {
        for index in 0..self.piece_count() {
            let piece = self.piece(index);
            let lag = priorities.as_ref().map_or(0, |priorities| priorities.lag(piece));
            self.standings[index as usize].availability += lag - self.lag(piece);
        }
        self.priorities = priorities;
        self.regroup(chance);
        // No search knows anything of this order.
        self.recent.clear();
        self.generation += 1;
    }

    /// Returns true if some pieces come before others, however rare they are.
    pub(crate) fn has_priorities(&self) -> bool {
        self.priorities.is_some()
    }

    /// The number that the priority of a piece adds to its availability in the order.
    pub(crate) fn lag(&self, piece: PieceIndex) -> i32 {
        self.priorities.as_ref().map_or(0, |priorities| priorities.lag(piece))
    }

    /// Makes the groups anew, by the availability of the pieces in the order.
    fn regroup(&mut self, chance: &mut impl Rng) {
        let availability = || self.standings.iter().map(|standing| standing.availability);
        let (Some(least), Some(most)) = (availability().min(), availability().max()) else {
            return;
        };
        let mut order = std::mem::take(&mut self.order);
        order.shuffle(chance);
        let place_of = |rarity: &Self, piece: PieceIndex| {
            let group = (rarity.standings[piece.as_usize()].availability - least) as usize;
            (group, usize::from(!rarity.startable.contains(piece)))
        };
        // Of each group: those that may be started, and the others.
        let mut places = vec![[0_u32; 2]; (most - least) as usize + 1];
        for &piece in &order {
            let (group, part) = place_of(self, piece);
            places[group][part] += 1;
        }
        let mut end = 0;
        self.groups.clear();
        for places in &mut places {
            let [startable, others] = *places;
            *places = [end, end + startable];
            self.groups
                .push(Group { startable_end: end + startable, end: end + startable + others });
            end += startable + others;
        }
        self.order.clone_from(&order);
        for piece in order {
            let (group, part) = place_of(self, piece);
            let place = places[group][part];
            places[group][part] += 1;
            self.order[place as usize] = piece;
            let availability = self.standings[piece.as_usize()].availability;
            self.standings[piece.as_usize()] = Standing { place, availability };
        }
        (self.base, self.rarest) = (least, 0);
        self.find_rarest();
    }
}
