use bytes::Bytes;
use tinytorrent_types::{Bitfield, Geometry};

use super::{Pieces, Rule};

/// The pieces that one side announced. Before the metadata is known the announcements are kept as received,
/// and checked once the number of pieces is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Announced {
    /// True once a `bitfield`, `have all` or `have none` was sent.
    pub(super) is_stated: bool,
    pieces: Stated,
}

#[derive(Debug, Clone)]
enum Stated {
    /// Announcements before the number of pieces is known: the one about all pieces, and those about single
    /// pieces after it. The flag is true for `have` and false for `lt_donthave`.
    Raw { all: bool, bits: Vec<u8>, single: Vec<(u32, bool)> },
    /// Pieces, checked against their number.
    Known(Pieces),
}

impl Default for Stated {
    fn default() -> Self {
        Stated::Raw { all: false, bits: Vec::new(), single: Vec::new() }
    }
}

/// The effect of a `have`.
pub(super) enum Added {
    New,
    Known,
    Breach(Rule),
}

/// The effect of a `lt_donthave`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removed {
    Gone,
    Missing,
    NoSuchPiece,
}

impl Announced {
    pub(super) fn all(&mut self, geometry: Option<&Geometry>) {
        self.is_stated = true;
        match &mut self.pieces {
            Stated::Raw { all, single, .. } => {
                *all = true;
                // Statements about single pieces that came before are out of date.
                single.clear();
            }
            // The geometry is known where the pieces are, so that 0 is never taken.
            Stated::Known(set) => *set = Pieces::all(geometry.map_or(0, Geometry::piece_count)),
        }
    }

    pub(super) fn none(&mut self) {
        self.is_stated = true;
    }

    /// Takes in a bitfield. Pieces announced one by one before a late bitfield stay.
    pub(super) fn bits(&mut self, bits: &Bytes, geometry: Option<&Geometry>) -> Result<(), Rule> {
        let (Stated::Known(set), Some(geometry)) = (&mut self.pieces, geometry) else {
            self.is_stated = true;
            if let Stated::Raw { bits: kept, .. } = &mut self.pieces {
                // Kept unchecked, as its due length is not known yet (W-17). A copy, since a slice
                // would keep a whole receive buffer in memory.
                *kept = bits.to_vec();
            }
            return Ok(());
        };
        let count = geometry.piece_count();
        let stated = Bitfield::from_bytes_lenient(bits, count).map_err(|_| Rule::BitfieldLength)?;
        self.is_stated = true;
        let has_spare_bits = stated.as_bytes() != &bits[..];
        // Pieces of an earlier `have` may be missing from the bitfield.
        let before = std::mem::replace(set, Pieces::from(stated));
        for piece in before.iter().filter_map(|index| geometry.piece(index)) {
            set.insert(piece);
        }
        if has_spare_bits { Err(Rule::SpareBitsZero) } else { Ok(()) }
    }

    pub(super) fn have(&mut self, index: u32, geometry: Option<&Geometry>) -> Added {
        match (&mut self.pieces, geometry) {
            (Stated::Known(set), Some(geometry)) => match geometry.piece(index) {
                Some(piece) if set.insert(piece) => Added::New,
                Some(_) => Added::Known,
                None => Added::Breach(Rule::HaveInRange),
            },
            (Stated::Raw { single, .. }, _) if single.len() < MAX_EARLY => {
                single.push((index, true));
                Added::New
            }
            _ => Added::Known,
        }
    }

    /// Removes a piece, after a `lt_donthave`.
    pub(super) fn dont_have(&mut self, index: u32, geometry: Option<&Geometry>) -> Removed {
        match (&mut self.pieces, geometry) {
            (Stated::Known(set), Some(geometry)) => match geometry.piece(index) {
                Some(piece) if set.remove(piece) => Removed::Gone,
                Some(_) => Removed::Missing,
                None => Removed::NoSuchPiece,
            },
            (Stated::Raw { single, .. }, _) if single.len() < MAX_EARLY => {
                single.push((index, false));
                Removed::Gone
            }
            _ => Removed::Missing,
        }
    }

    /// Returns true if all pieces were announced before their number is known.
    pub(super) fn has_stated_all(&self) -> bool {
        matches!(self.pieces, Stated::Raw { all: true, .. })
    }

    /// Returns true if something was announced, before the number of pieces is known.
    pub(super) fn has_any(&self) -> bool {
        match &self.pieces {
            Stated::Known(set) => !set.is_empty(),
            Stated::Raw { all, bits, single } => *all || !bits.is_empty() || !single.is_empty(),
        }
    }

    /// Checks the announcements from before the number of pieces was known.
    pub(super) fn learn(&mut self, geometry: &Geometry) -> Result<(), (&'static str, Rule)> {
        // The metadata may be learned twice, and the second time must not forget any piece.
        let Stated::Raw { all, bits, single } = &self.pieces else { return Ok(()) };
        let count = geometry.piece_count();
        let mut breach = Ok(());
        let mut set = if *all { Bitfield::full(count) } else { Bitfield::new(count) };
        if !bits.is_empty() {
            match Bitfield::from_bytes_lenient(bits, count) {
                Ok(stated) if stated.as_bytes() != bits.as_slice() => {
                    breach = Err(("bitfield", Rule::SpareBitsZero));
                    set = stated;
                }
                Ok(stated) => set = stated,
                Err(_) => breach = Err(("bitfield", Rule::BitfieldLength)),
            }
        }
        // In the order of their arrival, as a `lt_donthave` takes back a `have` before it.
        for &(index, has) in single {
            match (geometry.piece(index), has) {
                (Some(piece), true) => {
                    set.insert(piece);
                }
                (Some(piece), false) => {
                    set.remove(piece);
                }
                // `and` keeps the first breach, which is the one to report.
                (None, true) => breach = breach.and(Err(("have", Rule::HaveInRange))),
                (None, false) => {}
            }
        }
        self.pieces = Stated::Known(Pieces::from(set));
        breach
    }

    pub(super) fn pieces(&self) -> Option<&Pieces> {
        match &self.pieces {
            Stated::Known(set) => Some(set),
            Stated::Raw { .. } => None,
        }
    }
}

/// Announcements of single pieces to keep before the metadata is known, of 8 bytes each. A fast peer sends
/// so many in some minutes. Those beyond are dropped; the peer then seems to lack pieces, or rejects
/// requests.
const MAX_EARLY: usize = 1 << 14;
