use std::time::Instant;

use bytes::Bytes;
use tinytorrent_types::Bitfield;
use tinytorrent_wire::session::{Session, Side};
use tinytorrent_wire::{HashRequest, Message};

use crate::PeerKey;
use crate::extensions::About;
use crate::hash_fetch::{AT_ONCE as MOST_HASHES, HashFetch};
use crate::metadata::MetadataFetch;
use crate::outbox::Outbox;
use crate::peers::Peers;
use crate::piece::Picker;

/// The stage that a torrent is in, and all that is known of its content there.
///
/// ```text
///   Metadata ──▶ Hashes ──▶ Loaded      a magnet link
///       └──────▶ Checking ◀───▶         v1 torrents need no hashes, and a torrent file begins here
/// ```
#[derive(Debug)]
pub(crate) enum Stage {
    /// The info dictionary is being fetched (BEP 9).
    Metadata(Box<MetadataFetch>),
    /// The piece layers of a v2 torrent are being fetched (BEP 52).
    Hashes(Box<HashFetch>),
    /// The driver looks at what is on the disk. If it does so again, there are no peers meanwhile.
    Checking { is_again: bool },
    /// The content is known.
    Loaded(Box<Loaded>),
}

/// The content, once it is known.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) picker: Picker,
    /// The info dictionary, to serve to peers.
    pub(crate) info: Bytes,
}

impl Stage {
    /// The stage in which these hashes are fetched; if there are none, nothing is fetched any more.
    pub(crate) fn hashes(requests: Vec<HashRequest>) -> Self {
        if requests.is_empty() {
            return Stage::Checking { is_again: false };
        }
        Stage::Hashes(Box::new(HashFetch::new(requests)))
    }

    pub(crate) fn picker(&self) -> Option<&Picker> {
        self.loaded().map(|loaded| &loaded.picker)
    }

    pub(crate) fn picker_mut(&mut self) -> Option<&mut Picker> {
        match self {
            Stage::Loaded(loaded) => Some(&mut loaded.picker),
            Stage::Metadata(_) | Stage::Hashes(_) | Stage::Checking { .. } => None,
        }
    }

    pub(crate) fn loaded(&self) -> Option<&Loaded> {
        match self {
            Stage::Loaded(loaded) => Some(loaded),
            Stage::Metadata(_) | Stage::Hashes(_) | Stage::Checking { .. } => None,
        }
    }

    /// The verified pieces, once the content is known.
    pub(crate) fn have(&self) -> Option<&Bitfield> {
        self.picker().map(Picker::have)
    }

    /// Returns true if every piece is verified.
    pub(crate) fn is_full(&self) -> bool {
        self.have().is_some_and(Bitfield::is_full)
    }

    /// Returns true if every wanted piece is verified.
    pub(crate) fn is_finished(&self) -> bool {
        self.picker().is_some_and(Picker::is_finished)
    }

    /// Returns true if there are to be no peers, as the content is looked at again.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Stage::Checking { is_again: true })
    }

    /// The state that peers are told of.
    pub(crate) fn about(&self) -> About {
        let size = self.loaded().map(|loaded| loaded.info.len() as u64);
        About {
            metadata_size: size.filter(|&size| size > 0),
            is_upload_only: self.is_finished(),
            ..About::default()
        }
    }

    /// The next instant at which something has to be asked for.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        match self {
            Stage::Metadata(fetch) => fetch.poll_timeout(),
            Stage::Hashes(fetch) => fetch.poll_timeout(now),
            Stage::Checking { .. } | Stage::Loaded(_) => None,
        }
    }

    /// Asks peers for metadata or hashes that are due.
    pub(crate) fn fetch(&mut self, now: Instant, peers: &mut Peers, out: &mut Outbox) {
        match self {
            Stage::Metadata(fetch) => fetch.request(now, peers, out),
            Stage::Hashes(fetch) => request_hashes(now, fetch, peers, out),
            Stage::Checking { .. } | Stage::Loaded(_) => {}
        }
    }

    /// A peer is gone: what it was asked for is asked of others.
    pub(crate) fn remove_peer(&mut self, peer: PeerKey) {
        match self {
            Stage::Metadata(fetch) => fetch.remove_peer(peer),
            Stage::Hashes(fetch) => fetch.remove_peer(peer),
            Stage::Checking { .. } | Stage::Loaded(_) => {}
        }
    }
}

fn request_hashes(now: Instant, fetch: &mut HashFetch, peers: &mut Peers, out: &mut Outbox) {
    // Answers that are overdue are free to be asked of others, before others are asked.
    fetch.handle_timeout(now);
    // A peer that answers nothing is asked for no more than the rulebook keeps.
    let can_have = |session: &Session| {
        session.speaks_v2()
            && session.has_any(Side::Peer)
            && session.hash_request_room() > MOST_HASHES
    };
    let able: Vec<PeerKey> =
        peers.iter().filter(|peer| can_have(&peer.session)).map(|peer| peer.key).collect();
    for (key, request) in fetch.poll_requests(now, &able) {
        if let Some(peer) = peers.get_mut(key) {
            out.send(now, peer, Message::HashRequest(request));
        }
    }
}
