use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_types::{PeerId, Printable};

use crate::PeerKey;
use crate::contract::{PeerSource, Transport};

/// A connected peer, as it is at the moment of [`Swarm::peers`](crate::Swarm::peers).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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
    /// The transport of the connection.
    pub transport: Transport,
    /// The source of the address.
    pub source: PeerSource,
    /// The peer id in the handshake.
    pub id: PeerId,
    /// The name and version that the peer gives itself (BEP 10, `v`).
    pub client: Option<String>,
    /// Time since the handshakes. Serialized, it is a number of seconds.
    #[cfg_attr(feature = "serde", serde(with = "tinytorrent_types::as_seconds"))]
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

impl PeerView {
    /// A peer of which nothing is known but its connection, for tests: an incoming one by TCP that has sent
    /// nothing and chokes, as every conversation begins (BEP 3, "peer protocol").
    pub fn new(key: PeerKey, address: SocketAddr) -> Self {
        Self {
            key,
            address,
            listens_at: None,
            is_incoming: true,
            transport: Transport::Tcp,
            source: PeerSource::Incoming,
            id: PeerId::from_bytes([0; 20]),
            client: None,
            connected: Duration::ZERO,
            pieces: 0,
            is_seed: false,
            flow: PeerFlow {
                peer_chokes: true,
                we_choke: Some(ChokeReason::NotInterested),
                ..PeerFlow::default()
            },
            downloaded: 0,
            uploaded: 0,
            download_rate: 0,
            upload_rate: 0,
        }
    }

    /// The name and version of the peer's program, made printable: those that it gives itself, or else those in
    /// its peer id (BEP 20). Any program can give the name of another.
    pub fn client_name(&self) -> Option<String> {
        let claimed = self.client.as_deref().map(|name| Printable(name).to_string());
        claimed.or_else(|| self.id.client().map(|client| client.to_string()))
    }
}

/// Both directions of a conversation with a peer (BEP 3, "peer protocol").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
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
    /// The reason why we choke the peer; `None` if we do not.
    pub we_choke: Option<ChokeReason>,
    /// Requests of the peer that are not yet answered.
    pub peer_requests: u32,
}

/// The reason why we choke a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ChokeReason {
    /// It wants nothing of us.
    NotInterested,
    /// It has made no use of its last turn, and others come before it.
    UnusedTurn,
    /// It has owed us blocks for long, and others come before it.
    Snubs,
    /// Others have their turn.
    NoSlot,
}

impl fmt::Display for ChokeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChokeReason::NotInterested => "wants nothing",
            ChokeReason::UnusedTurn => "did not use its turn",
            ChokeReason::Snubs => "owes blocks",
            ChokeReason::NoSlot => "waits for its turn",
        })
    }
}

/// The letters by which clients commonly show a conversation: `D`, we download; `d`, we want to and are choked;
/// `U`, the peer downloads; `u`, it wants to and is choked; `S`, it has owed us blocks for long.
impl fmt::Display for PeerFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [
            (self.we_are_interested && !self.peer_chokes, "D"),
            (self.we_are_interested && self.peer_chokes, "d"),
            (self.peer_is_interested && self.we_choke.is_none(), "U"),
            (self.peer_is_interested && self.we_choke.is_some(), "u"),
            (self.peer_is_snubbing, "S"),
        ];
        let shown = letters.into_iter().filter(|(is_shown, _)| *is_shown);
        shown.map(|(_, letter)| letter).collect::<String>().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> PeerView {
        PeerView::new(PeerKey::from_bits(7), "192.0.2.1:6881".parse().unwrap())
    }

    #[test]
    fn a_program_is_known_by_what_it_says_or_by_its_id() {
        let mut peer = peer();
        assert_eq!(peer.client_name(), None);
        peer.id = PeerId::from_bytes(*b"-qB4650-abcdefghijkl");
        assert_eq!(peer.client_name().as_deref(), Some("qBittorrent 4.6.5"));
        peer.client = Some("a\x1b[2J".into());
        assert_eq!(peer.client_name().as_deref(), Some("a\u{fffd}[2J"));
    }

    #[test]
    fn a_conversation_has_a_letter_for_each_direction() {
        let mut flow = peer().flow;
        assert_eq!(flow.to_string(), "");
        (flow.we_are_interested, flow.peer_is_interested) = (true, true);
        assert_eq!(flow.to_string(), "du");
        (flow.peer_chokes, flow.we_choke, flow.peer_is_snubbing) = (false, None, true);
        assert_eq!(format!("{flow:>4}"), " DUS");
    }
}
