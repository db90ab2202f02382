//! The pieces that are to be fetched.

use tinytorrent_types::{Bitfield, PieceIndex};

use super::{Picker, Pieces};
use crate::piece::words;
use crate::planted::{Bug, is_planted};

impl Picker {
    /// The pieces that are to be fetched, those that are here included.
    pub(crate) fn wanted(&self) -> &Bitfield {
        &self.wanted
    }

    /// Bytes of wanted pieces that are not verified.
    pub(crate) fn wanted_left(&self) -> u64 {
        self.wanted_left
    }

    /// Number of wanted pieces that are not verified.
    pub(crate) fn wanted_missing(&self) -> u32 {
        self.wanted_missing
    }

    /// Returns true if every wanted piece is verified.
    pub(crate) fn is_finished(&self) -> bool {
        self.wanted_missing <= u32::from(is_planted(Bug::FinishesEarly))
    }

    /// Returns true if this piece is wanted and not verified yet.
    pub(crate) fn wants(&self, piece: PieceIndex) -> bool {
        self.wanted.contains(piece) && !self.have.contains(piece)
    }

    /// Number of these pieces that are wanted and not verified yet.
    pub(crate) fn count_wanted(&self, pieces: &Pieces) -> u32 {
        match pieces {
            Pieces::All { .. } => self.wanted_missing,
            Pieces::Some(some) if some.is_empty() => 0,
            Pieces::Some(some) => words::count(self.geometry.piece_count(), |at| {
                words::word(some, at) & words::word(&self.wanted, at) & !words::word(&self.have, at)
            }),
        }
    }

    /// Changes the pieces that are to be fetched. Blocks of others that are here stay, and are of use if
    /// their piece is wanted again.
    ///
    /// The caller takes back the requests for pieces that are not wanted any more, before and after.
    pub(crate) fn set_wanted(&mut self, wanted: Bitfield) {
        debug_assert_eq!(wanted.piece_count(), self.geometry.piece_count());
        self.given_back += 1;
        let before = std::mem::replace(&mut self.wanted, wanted);
        for piece in self.geometry.clone().pieces() {
            match (before.contains(piece), self.wanted.contains(piece)) {
                (false, true) => self.take_in(piece),
                (true, false) => self.take_out(piece),
                (true, true) | (false, false) => {}
            }
        }
        let (have, wanted) = (&self.have, &self.wanted);
        self.urgent.retain(|urgent| wanted.contains(urgent.piece) && !have.contains(urgent.piece));
    }

    fn take_in(&mut self, piece: PieceIndex) {
        if self.have.contains(piece) {
            return;
        }
        self.wanted_missing += 1;
        self.wanted_left += u64::from(self.geometry.payload_length(piece));
        if self.downloads.get(piece).is_some() {
            self.downloads.park(piece, false);
        } else if !self.downloads.is_verifying(piece) {
            self.rarity.insert(piece, &mut self.chance);
        }
    }

    fn take_out(&mut self, piece: PieceIndex) {
        if self.have.contains(piece) {
            return;
        }
        self.wanted_missing -= 1;
        self.wanted_left -= u64::from(self.geometry.payload_length(piece));
        if self.rarity.contains(piece) {
            self.rarity.remove(piece);
        } else if self.downloads.get(piece).is_some_and(|download| download.is_untouched()) {
            self.downloads.remove(piece);
        } else {
            self.downloads.park(piece, true);
        }
    }
}
