use bytes::Bytes;
use tinytorrent_types::{Bitfield, BitfieldError, Geometry};

use super::Rule;

/// Which pieces one side says it has. Before the metadata is known it is kept as it came, and
/// checked when the number of pieces is learned.
#[derive(Debug, Clone, Default)]
pub(super) struct Announced {
    /// `bitfield`, `have all` or `have none` has come.
    pub(super) is_stated: bool,
    pieces: Pieces,
}

#[derive(Debug, Clone)]
enum Pieces {
    /// How many there are is not known: what was said of all of them, and then of single ones,
    /// which it has or has no more.
    Raw { all: bool, bits: Vec<u8>, single: Vec<(u32, bool)> },
    /// How many there are is known.
    Known(Bitfield),
}

impl Default for Pieces {
    fn default() -> Self {
        Pieces::Raw { all: false, bits: Vec::new(), single: Vec::new() }
    }
}

/// What a message added to what was known.
pub(super) enum Added {
    New,
    Known,
    Breach(Rule),
}

impl Announced {
    pub(super) fn all(&mut self) {
        self.is_stated = true;
        match &mut self.pieces {
            Pieces::Raw { all, single, .. } => {
                *all = true;
                single.clear();
            }
            Pieces::Known(set) => *set = Bitfield::full(set.piece_count()),
        }
    }

    pub(super) fn none(&mut self) {
        self.is_stated = true;
    }

    /// Pieces said one by one before a late bitfield stay.
    pub(super) fn bits(&mut self, bits: &Bytes, geometry: Option<&Geometry>) -> Result<(), Rule> {
        let (Pieces::Known(set), Some(geometry)) = (&mut self.pieces, geometry) else {
            self.is_stated = true;
            if let Pieces::Raw { bits: kept, .. } = &mut self.pieces {
                *kept = bits.to_vec();
            }
            return Ok(());
        };
        let mut stated = Bitfield::from_bytes_lenient(bits, set.piece_count())
            .map_err(|_| Rule::BitfieldLength)?;
        self.is_stated = true;
        let is_exact = Bitfield::from_bytes(bits, set.piece_count());
        set.iter().filter_map(|index| geometry.piece(index)).for_each(|piece| {
            stated.insert(piece);
        });
        *set = stated;
        match is_exact {
            Err(BitfieldError::SpareBits) => Err(Rule::SpareBitsZero),
            _ => Ok(()),
        }
    }

    pub(super) fn have(&mut self, index: u32, geometry: Option<&Geometry>) -> Added {
        match (&mut self.pieces, geometry) {
            (Pieces::Known(set), Some(geometry)) => match geometry.piece(index) {
                Some(piece) if set.insert(piece) => Added::New,
                Some(_) => Added::Known,
                None => Added::Breach(Rule::HaveInRange),
            },
            (Pieces::Raw { single, .. }, _) if single.len() < MAX_EARLY => {
                single.push((index, true));
                Added::New
            }
            _ => Added::Known,
        }
    }

    /// One piece less, by `lt_donthave`.
    pub(super) fn dont_have(&mut self, index: u32, geometry: Option<&Geometry>) {
        match (&mut self.pieces, geometry.and_then(|geometry| geometry.piece(index))) {
            (Pieces::Known(set), Some(piece)) => {
                set.remove(piece);
            }
            (Pieces::Raw { single, .. }, _) if single.len() < MAX_EARLY => {
                single.push((index, false));
            }
            _ => {}
        }
    }

    /// Checks what came before the number of pieces was known.
    pub(super) fn learn(&mut self, geometry: &Geometry) -> Result<(), (&'static str, Rule)> {
        let Pieces::Raw { all, bits, single } = &self.pieces else { return Ok(()) };
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
        for &(index, has) in single {
            match (geometry.piece(index), has) {
                (Some(piece), true) => {
                    set.insert(piece);
                }
                (Some(piece), false) => {
                    set.remove(piece);
                }
                (None, true) => breach = breach.and(Err(("have", Rule::HaveInRange))),
                (None, false) => {}
            }
        }
        self.pieces = Pieces::Known(set);
        breach
    }

    pub(super) fn pieces(&self) -> Option<&Bitfield> {
        match &self.pieces {
            Pieces::Known(set) => Some(set),
            Pieces::Raw { .. } => None,
        }
    }
}

/// How much of single pieces to remember before the metadata is known: some minutes' worth of a
/// fast peer. What is over is forgotten: a peer that looks poorer than it is, or has to reject.
const MAX_EARLY: usize = 65_536;
