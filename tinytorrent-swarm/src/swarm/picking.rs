use tinytorrent_types::{Bitfield, Geometry};

use crate::config::SwarmConfig;
use crate::piece::{Picker, Priorities};

/// The wishes about the order of pieces, for when the content is known, or known anew.
#[derive(Debug)]
pub(super) struct Picking {
    /// In the order of the content rather than the rarest first.
    pub(super) is_sequential: bool,
    /// `None` as long as all pieces are equal.
    pub(super) priorities: Option<Box<Priorities>>,
    seed: u64,
}

impl Picking {
    pub(super) fn new(config: &SwarmConfig) -> Self {
        Self { is_sequential: config.sequential, priorities: None, seed: config.seed }
    }

    /// A picker by these wishes.
    pub(super) fn picker(&self, geometry: Geometry, have: Bitfield, wanted: Bitfield) -> Picker {
        let mut picker = Picker::new(geometry, have, wanted, self.is_sequential, self.seed);
        if self.priorities.is_some() {
            picker.set_priorities(self.priorities.clone());
        }
        picker
    }
}
