use std::net::SocketAddr;

use bytes::BytesMut;
use tinytorrent_types::WireInfoHash;

use super::channel::Channel;

/// An incoming connection whose handshake has been read as far as the info-hash.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) channel: Channel,
    pub(crate) address: SocketAddr,
    /// All bytes received so far, beginning with the
    /// [`HandshakeOpening`](tinytorrent_wire::HandshakeOpening).
    pub(crate) received: BytesMut,
    /// The info-hash in the handshake. A hybrid torrent has two.
    pub(crate) info_hash: WireInfoHash,
}
