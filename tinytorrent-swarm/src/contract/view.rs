use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_types::PeerId;

use crate::PeerKey;
use crate::contract::PeerSource;

/// A connected peer, as it is at the moment of [`Swarm::peers`](crate::Swarm::peers).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerView {
    /// The key of the connection.
    pub key: PeerKey,
    /// The address of the other end of the connection.
    pub address: SocketAddr,
    /// The address at which the peer says it accepts connections; for a connection that we made, the
    /// address that we connected to.
    pub listens_at: Option<SocketAddr>,
    /// `true` if the peer made the connection.
    pub is_incoming: bool,
    /// The source of the address.
    pub source: PeerSource,
    /// The peer id in the handshake.
    pub id: PeerId,
    /// The name and version that the peer gives itself (BEP 10, `v`).
    pub client: Option<String>,
    /// Time since the handshakes.
    pub connected: Duration,
    /// Number of pieces that the peer has. Zero until the metadata is known.
    pub pieces: u32,
    /// `true` if the peer has all pieces.
    pub is_seed: bool,
    /// The directions of the conversation, and what holds each of them up.
    pub flow: PeerFlow,
    /// Bytes of blocks received from the peer.
    pub downloaded: u64,
    /// Bytes of blocks sent to the peer.
    pub uploaded: u64,
    /// Received bytes of blocks a second.
    pub download_rate: u64,
    /// Sent bytes of blocks a second.
    pub upload_rate: u64,
}

/// Both directions of a conversation with a peer (BEP 3, "peer protocol").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PeerFlow {
    /// `true` if the peer has pieces that we want.
    pub we_are_interested: bool,
    /// `true` if the peer chokes us.
    pub peer_chokes: bool,
    /// `true` if the peer has not sent a block for long, though it owes some.
    pub peer_is_snubbing: bool,
    /// Our requests that are not yet answered.
    pub our_requests: u32,
    /// `true` if the peer wants pieces of ours.
    pub peer_is_interested: bool,
    /// `true` if we choke the peer.
    pub we_choke: bool,
    /// Requests of the peer that are not yet answered.
    pub peer_requests: u32,
}
