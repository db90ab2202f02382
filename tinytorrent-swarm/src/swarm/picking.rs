use tinytorrent_types::{Bitfield, Geometry};

use crate::config::Config;
use crate::piece::Picker;

/// The wishes about the order of pieces, until the content is known.
#[derive(Debug)]
pub(super) struct Picking {
    /// In the order of the content rather than the rarest first.
    pub(super) is_sequential: bool,
    seed: u64,
    pub(super) urgent: Vec<u32>,
}

impl Picking {
    pub(super) fn new(config: &Config) -> Self {
        Self { is_sequential: config.sequential, seed: config.seed, urgent: Vec::new() }
    }

    /// A picker by these wishes.
    pub(super) fn picker(
        &mut self,
        geometry: Geometry,
        have: Bitfield,
        wanted: Bitfield,
    ) -> Picker {
        let mut picker = Picker::new(geometry, have, wanted, self.is_sequential, self.seed);
        picker.set_urgent(std::mem::take(&mut self.urgent));
        picker
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::{InfoHashV1, InfoHashes, PeerId};

    use super::*;

    #[test]
    fn what_was_urgent_before_is_urgent_once() {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let mut picking = Picking::new(&Config::new(hashes, PeerId::from_bytes([1; 20]), 1));
        picking.urgent = vec![1, 99];
        let geometry = Geometry::new(2, 1).unwrap();
        let mut picker =
            || picking.picker(geometry.clone(), Bitfield::new(2), Bitfield::full(2)).has_urgent();
        assert_eq!([picker(), picker()], [true, false]);
    }
}
