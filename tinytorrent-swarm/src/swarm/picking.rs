use tinytorrent_types::{Bitfield, Geometry};

use crate::config::SwarmConfig;
use crate::piece::Picker;

/// The wishes about the order of pieces, until the content is known.
#[derive(Debug)]
pub(super) struct Picking {
    /// In the order of the content rather than the rarest first.
    pub(super) is_sequential: bool,
    seed: u64,
}

impl Picking {
    pub(super) fn new(config: &SwarmConfig) -> Self {
        Self { is_sequential: config.sequential, seed: config.seed }
    }

    /// A picker by these wishes.
    pub(super) fn picker(&self, geometry: Geometry, have: Bitfield, wanted: Bitfield) -> Picker {
        Picker::new(geometry, have, wanted, self.is_sequential, self.seed)
    }
}
