//! The spans of log lines: the torrent, the peer or the tracker that a line is about.
//!
//! All have the level `ERROR`, which every filter lets through that lets anything through: a warning without
//! its torrent is of little use.

use std::fmt;
use std::net::SocketAddr;

use tinytorrent_swarm::Event;
use tinytorrent_tracker::TrackerUrl;
use tinytorrent_types::InfoHashes;
use tracing::{Level, Span, error_span};

/// The span of a torrent, for as long as the torrent lives. Without a subscriber that wants it, it costs a word.
#[derive(Debug)]
pub(crate) struct TorrentSpan(Option<Box<Span>>);

impl TorrentSpan {
    pub(crate) fn new(hashes: InfoHashes) -> Self {
        let span = torrent(hashes);
        Self((!span.is_disabled()).then(|| Box::new(span)))
    }

    /// Runs something that is about the torrent.
    pub(crate) fn in_scope<R>(&self, run: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(span) => span.in_scope(run),
            None => run(),
        }
    }
}

/// A torrent, by the first digits of its info-hash. It has no parent: it outlives the request of a user, say,
/// that has added it.
pub(crate) fn torrent(hashes: InfoHashes) -> Span {
    error_span!(parent: None, "torrent", hash = %Short(hashes))
}

/// A peer, by its address or host name.
pub(crate) fn peer(address: impl fmt::Display) -> Span {
    error_span!("peer", %address)
}

/// A tracker. Its path may hold the user's passkey.
pub(crate) fn tracker(url: &TrackerUrl) -> Span {
    error_span!("tracker", host = url.host())
}

/// The peer or the tracker that an event is about, in the span of the torrent.
pub(crate) fn of_event(event: &Event) -> Span {
    // Only lines of this level are written there, and events are many.
    if !tracing::enabled!(Level::DEBUG) {
        return Span::none();
    }
    let of_peer = |address: &SocketAddr| peer(address);
    match event {
        Event::PeerJoined { address, .. }
        | Event::PeerLeft { address, .. }
        | Event::PeerBanned { address, .. } => of_peer(address),
        Event::TrackerAnswered { url, .. } | Event::TrackerFailed { url, .. } => tracker(url),
        _ => Span::none(),
    }
}

/// As many digits as nobody confuses among the torrents of one client.
struct Short(InfoHashes);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.0.to_wire();
        hash.as_bytes()[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::InfoHashV1;

    use super::*;

    #[test]
    fn a_torrent_is_known_by_the_first_digits_of_its_hash() {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([0x0a; 20]));
        assert_eq!(Short(hashes).to_string(), "0a0a0a0a");
    }

    #[test]
    fn without_a_subscriber_nothing_is_kept() {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        assert!(TorrentSpan::new(hashes).0.is_none());
        assert_eq!(size_of::<TorrentSpan>(), size_of::<usize>());
    }
}
