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
    /// How many there are is not known.
    Raw { all: bool, bits: Vec<u8>, haves: Vec<u32> },
    /// How many there are is known.
    Known(Bitfield),
}

impl Default for Pieces {
    fn default() -> Self {
        Pieces::Raw { all: false, bits: Vec::new(), haves: Vec::new() }
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
            Pieces::Raw { all, .. } => *all = true,
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
            (Pieces::Raw { haves, .. }, _) if haves.len() < MAX_EARLY_HAVES => {
                haves.push(index);
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
            (Pieces::Raw { haves, bits, .. }, _) => {
                haves.retain(|&have| have != index);
                if let Some(byte) = bits.get_mut(index as usize / 8) {
                    *byte &= !(0x80 >> (index % 8));
                }
            }
            _ => {}
        }
    }

    /// Checks what came before the number of pieces was known.
    pub(super) fn learn(&mut self, geometry: &Geometry) -> Result<(), (&'static str, Rule)> {
        let Pieces::Raw { all, bits, haves } = std::mem::take(&mut self.pieces) else {
            return Ok(());
        };
        let count = geometry.piece_count();
        let mut breach = Ok(());
        let mut set = if all { Bitfield::full(count) } else { Bitfield::new(count) };
        if !bits.is_empty() {
            match Bitfield::from_bytes_lenient(&bits, count) {
                Ok(stated) if stated.as_bytes() != bits => {
                    breach = Err(("bitfield", Rule::SpareBitsZero));
                    set = stated;
                }
                Ok(stated) => set = stated,
                Err(_) => breach = Err(("bitfield", Rule::BitfieldLength)),
            }
        }
        for index in haves {
            match geometry.piece(index) {
                Some(piece) => {
                    set.insert(piece);
                }
                None => breach = breach.and(Err(("have", Rule::HaveInRange))),
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

/// How many single pieces to remember before the metadata is known: some minutes' worth of a fast
/// peer. What is over is forgotten, which makes the peer look poorer than it is, no more.
const MAX_EARLY_HAVES: usize = 65_536;
