use thiserror::Error;
use tinytorrent_types::{InfoHashes, WireInfoHash};

use crate::{Feature, Handshake, Reserved};

/// Judges the peer's handshake against ours. Returns the features of both.
///
/// The peer may answer a v1 hash with the v2 hash of the same torrent if we set the v2 bit, which
/// upgrades the conversation (BEP 52, "upgrade path").
///
/// # Errors
/// The peer is ourselves or names another torrent: close the connection.
pub fn check_greeting(
    torrent: &InfoHashes,
    ours: &Handshake,
    theirs: &Handshake,
) -> Result<Reserved, GreetingError> {
    // First, as our own address is not tried again, whichever torrent it names (W-04).
    if theirs.peer_id == ours.peer_id {
        return Err(GreetingError::OwnPeerId);
    }
    let is_upgrade = torrent.matches(theirs.info_hash) && ours.reserved.contains(Feature::V2);
    if theirs.info_hash != ours.info_hash && !is_upgrade {
        return Err(GreetingError::WrongTorrent { found: theirs.info_hash });
    }
    Ok(ours.reserved.intersection(theirs.reserved))
}

/// The reason to close a connection after its handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GreetingError {
    /// The peer is ourselves: do not connect to this address again.
    #[error("the peer has our own peer id")]
    OwnPeerId,
    /// The peer named another torrent.
    #[error("the peer named another torrent, {found}")]
    WrongTorrent {
        /// The torrent that it named.
        found: WireInfoHash,
    },
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::{InfoHashV1, InfoHashV2, PeerId};

    use super::*;

    const V1: InfoHashV1 = InfoHashV1::from_bytes([1; 20]);
    const V2: InfoHashV2 = InfoHashV2::from_bytes([2; 32]);
    const OURS: Reserved = Reserved::empty().with(Feature::Fast).with(Feature::V2);

    fn handshake(info_hash: WireInfoHash, id: u8, reserved: Reserved) -> Handshake {
        Handshake { reserved, info_hash, peer_id: PeerId::from_bytes([id; 20]) }
    }

    /// W-04.
    #[test]
    fn own_peer_id_is_a_connection_to_ourselves() {
        let ours = handshake(V1.to_wire(), 1, OURS);
        let checked = check_greeting(&InfoHashes::from_v1(V1), &ours, &ours);
        assert_eq!(checked, Err(GreetingError::OwnPeerId));
    }

    /// W-03.
    #[test]
    fn another_torrent_is_refused() {
        let ours = handshake(V1.to_wire(), 1, OURS);
        let found = WireInfoHash::from_bytes([9; 20]);
        let theirs = handshake(found, 2, OURS);
        for torrent in [InfoHashes::from_v1(V1), InfoHashes::from_both(V1, V2)] {
            let checked = check_greeting(&torrent, &ours, &theirs);
            assert_eq!(checked, Err(GreetingError::WrongTorrent { found }));
        }
    }

    /// W-50, BEP 52, "upgrade path".
    #[test]
    fn a_hybrid_may_be_upgraded_if_we_offered_it() {
        let torrent = InfoHashes::from_both(V1, V2);
        let theirs = handshake(V2.to_wire(), 2, OURS);
        let ours = handshake(V1.to_wire(), 1, OURS);
        assert_eq!(check_greeting(&torrent, &ours, &theirs), Ok(OURS));
        let plain = OURS.without(Feature::V2);
        let ours = handshake(V1.to_wire(), 1, plain);
        assert!(check_greeting(&torrent, &ours, &theirs).is_err());
    }

    /// W-08.
    #[test]
    fn what_both_can_do_is_agreed_upon() {
        let torrent = InfoHashes::from_v1(V1);
        let ours = handshake(V1.to_wire(), 1, OURS);
        let theirs = handshake(V1.to_wire(), 2, Reserved::empty().with(Feature::Fast));
        let agreed = check_greeting(&torrent, &ours, &theirs).unwrap();
        assert_eq!(agreed, Reserved::empty().with(Feature::Fast));
    }
}
