use std::net::SocketAddr;

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
    AddPeers(Vec<SocketAddr>),
    /// The peer told where it listens: it may be one that we dialed. As [`Fetch`](Self::Fetch) too.
    MeetTwin {
        /// The port at which it listens.
        listen_port: u16,
    },
    /// The connection is to be left.
    Leave(LeaveReason),
}
