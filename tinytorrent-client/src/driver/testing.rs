//! Helpers for the tests of several parts.

use std::time::Instant;

use tinytorrent_swarm::{PeerKey, Swarm, SwarmConfig};
use tinytorrent_types::{InfoHashV1, InfoHashes, PeerId};
use tinytorrent_wire::Handshake;

/// Returns an engine that knows nothing yet.
pub(super) fn swarm() -> Swarm {
    let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
    Swarm::new(Instant::now(), SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 7))
}

/// Returns the key of a peer, which only an engine makes, and our handshake.
pub(super) fn engine() -> (PeerKey, Handshake) {
    let mut swarm = swarm();
    let address = "127.0.0.1:1".parse().expect("an address");
    let peer = swarm.accept(Instant::now(), address).expect("there is room for one");
    (peer, swarm.handshake())
}
