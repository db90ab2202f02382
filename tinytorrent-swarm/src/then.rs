use bytes::Bytes;
use tinytorrent_wire::extension::{Holepunch, PexPeer, TexMessage};

use crate::contract::LeaveReason;

/// The consequence of a message for the swarm, beyond the peer that sent it.
#[derive(Debug, PartialEq)]
pub(crate) enum Then {
    Nothing,
    /// Upload slots may be given.
    FillSlots,
    /// Metadata or hashes may be asked for.
    Fetch,
    /// Other peers were told of.
    AddPeers(Vec<PexPeer>),
    /// Trackers were told of.
    LearnTrackers(TexMessage),
    /// A peer wants an introduction, or gives us one.
    Introduce(Holepunch),
    /// The peer told the extensions that it speaks. As [`Fetch`](Self::Fetch) too.
    Greeted,
    /// The peer said this about connections that may be to the same peer.
    HearTwin(Bytes),
    /// The connection is to be left.
    Leave(LeaveReason),
}
