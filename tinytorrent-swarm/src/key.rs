use std::fmt;

use crate::contract::WebSeedKey;

/// Names one connection of a swarm, from the decision to make it until after its end.
///
/// The generation keeps a late word about an old connection from reaching its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey {
    slot: u32,
    generation: u32,
}

impl PeerKey {
    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// A small number, unique among the connections of the moment: fit for indexing a table.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

impl PeerKey {
    /// The key as one number, to name a request to the disk by, say.
    pub const fn to_bits(self) -> u64 {
        (self.slot as u64) << 32 | self.generation as u64
    }

    /// The key of a number that [`to_bits`](Self::to_bits) gave.
    pub const fn from_bits(bits: u64) -> Self {
        Self { slot: (bits >> 32) as u32, generation: bits as u32 }
    }
}

/// The slots of web seeds among the sources of blocks, which no connection reaches.
const FIRST_WEB_SEED: u32 = 1 << 31;

/// Web seeds are sources of blocks beside the peers, by keys that no peer has. They do not leave the engine.
impl PeerKey {
    /// The web seed of this key, if it is one's.
    pub(crate) fn web_seed(self) -> Option<WebSeedKey> {
        self.slot.checked_sub(FIRST_WEB_SEED).map(WebSeedKey)
    }
}

impl WebSeedKey {
    /// The web seed as a source of blocks.
    pub(crate) const fn source(self) -> PeerKey {
        PeerKey::new(FIRST_WEB_SEED | self.0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_number_are_the_same() {
        for key in [PeerKey::new(0, 0), PeerKey::new(7, u32::MAX), PeerKey::new(u32::MAX, 1)] {
            assert_eq!(PeerKey::from_bits(key.to_bits()), key);
        }
    }
}
