//! The info dictionary: from peers, for a magnet link, and for peers (BEP 9).

use std::time::Instant;

use bytes::Bytes;
use tinytorrent_wire::extension::{Extension, ExtensionMessage, MetadataMessage};
use tinytorrent_wire::metadata::{
    AssemblyConfig, BLOCK_LENGTH, Complete, DataOutcome, Demand, MetadataAssembly, SizeRefused,
};

use crate::PeerKey;
use crate::config::SwarmConfig;
use crate::contract::{Action, Event};
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::peers::Peers;

/// The info dictionary while it is being fetched.
#[derive(Debug)]
pub(crate) struct MetadataFetch {
    assembly: MetadataAssembly<PeerKey>,
    /// A complete one that is with somebody who can hash it; one at a time.
    checking: Option<Complete<PeerKey>>,
    has_memory: bool,
    /// The application knows of a size that was refused.
    is_refusal_told: bool,
}

/// Blocks of metadata that a peer gets at one instant: 8 MiB, more than anybody asks for at once.
/// They are copied, and nobody knows yet whether the peer reads them.
const AT_ONCE: u64 = 512;

/// Times over that a peer may fetch the metadata from us, and then some blocks more.
const TIMES: u64 = 4;

/// The blocks beyond: a torrent of one block is asked for more often than a large one.
const SPARE_BLOCKS: u64 = 8;

impl MetadataFetch {
    pub(crate) fn new(config: &SwarmConfig) -> Self {
        let mut limits = AssemblyConfig::default();
        limits.max_size(config.max_metadata).memory(config.metadata_memory);
        Self {
            assembly: MetadataAssembly::new(limits),
            checking: None,
            has_memory: config.metadata_memory > 0,
            is_refusal_told: false,
        }
    }

    /// The memory that there is a use for.
    pub(crate) fn demand(&self) -> Demand {
        self.assembly.demand()
    }

    /// Returns true while there is no memory for what peers announce, so that nobody is asked for anything.
    pub(crate) fn is_held_back(&self) -> bool {
        !self.has_memory && self.assembly.demand().least > 0
    }

    /// Sets the memory anew.
    pub(crate) fn set_memory(&mut self, bytes: u64) {
        self.has_memory = bytes > 0;
        self.assembly.set_memory(bytes);
    }

    /// The next instant at which a request is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.assembly.poll_timeout()
    }

    /// A peer tells the size of the metadata.
    pub(crate) fn add_peer(
        &mut self,
        now: Instant,
        peer: &Peer,
        size: Option<u64>,
        out: &mut Outbox,
    ) {
        if let Some(size) = size
            && peer.extensions.id(Extension::Metadata).is_some()
            // A size that is refused makes the peer useless for the metadata, no more.
            && let Err(SizeRefused { announced, limit }) = self.assembly.add_peer(now, peer.key, size)
            && announced > u64::from(limit)
            && !std::mem::replace(&mut self.is_refusal_told, true)
        {
            out.tell(Event::MetadataTooLarge { bytes: announced, limit: limit.into() });
        }
    }

    /// A peer is gone.
    pub(crate) fn remove_peer(&mut self, peer: PeerKey) {
        self.assembly.remove_peer(peer);
    }

    /// Takes in a message of a peer; a request is none of its business. Returns true if the peer gave
    /// something that was missing.
    pub(crate) fn on_message(
        &mut self,
        now: Instant,
        peer: PeerKey,
        message: MetadataMessage,
        out: &mut Outbox,
    ) -> bool {
        match message {
            MetadataMessage::Data { block, total_size, data } => {
                // The assembly knows what was asked of whom; anything else is dropped there.
                let outcome = self.assembly.handle_data(now, peer, block, total_size, &data);
                let is_gift = outcome == DataOutcome::Stored;
                if is_gift {
                    self.tell_progress(out);
                }
                self.check(out);
                return is_gift;
            }
            MetadataMessage::Reject { block } => self.assembly.handle_reject(now, peer, block),
            MetadataMessage::Request { .. } | MetadataMessage::Unknown { .. } => {}
        }
        false
    }

    fn tell_progress(&self, out: &mut Outbox) {
        if let Some((bytes, total)) = self.assembly.progress() {
            out.tell(Event::MetadataProgress { bytes: bytes.into(), total: total.into() });
        }
    }

    /// Hands what is complete to somebody who can hash it.
    fn check(&mut self, out: &mut Outbox) {
        // One at a time, however many sizes peers name.
        if self.checking.is_none()
            && let Some(mut complete) = self.assembly.poll_complete()
        {
            let info = Bytes::from(std::mem::take(&mut complete.bytes));
            self.checking = Some(complete);
            out.act(Action::CheckMetadata { info });
        }
    }

    /// Asks peers for the blocks that are due.
    pub(crate) fn request(&mut self, now: Instant, peers: &mut Peers, out: &mut Outbox) {
        while let Some((key, block)) = self.assembly.poll_request(now) {
            let id = peers.get(key).and_then(|peer| peer.extensions.id(Extension::Metadata));
            match (id, peers.get_mut(key)) {
                (Some(id), Some(peer)) => {
                    out.send(now, peer, ExtensionMessage::request_metadata(id, block).into());
                }
                _ => self.assembly.remove_peer(key),
            }
        }
    }

    /// The info-hash does not name the bytes that were checked. Returns the peers that sent all of them.
    pub(crate) fn on_refused(&mut self, now: Instant, out: &mut Outbox) -> Vec<PeerKey> {
        let Some(complete) = self.checking.take() else { return Vec::new() };
        let liars = self.assembly.handle_verdict(now, complete, false);
        self.check(out);
        liars
    }
}

/// Answers a request for a block of the metadata.
pub(crate) fn serve(now: Instant, peer: &mut Peer, out: &mut Outbox, info: &Bytes, block: u32) {
    let Some(id) = peer.extensions.id(Extension::Metadata) else { return };
    // a peer that asks for it again and again is not after the metadata.
    let blocks = info.len().div_ceil(BLOCK_LENGTH as usize) as u64;
    let limit = TIMES * (blocks + SPARE_BLOCKS) + 1;
    let is_fair = peer.rations.metadata.has_room(now, limit, AT_ONCE);
    let answer = match block_of(info, block).filter(|_| is_fair) {
        Some(data) => {
            peer.rations.metadata.add(now, 1);
            MetadataMessage::Data { block, total_size: Some(info.len() as u64), data }
        }
        None => MetadataMessage::Reject { block },
    };
    out.send(now, peer, answer.to_message(id).into());
}

/// A block of 16 KiB, the last one shorter (BEP 9).
fn block_of(info: &Bytes, block: u32) -> Option<Bytes> {
    let length = BLOCK_LENGTH as usize;
    let start = (block as usize).checked_mul(length).filter(|&start| start < info.len())?;
    Some(info.slice(start..info.len().min(start + length)))
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::{InfoHashV1, InfoHashes, PeerId};
    use tinytorrent_wire::Message;
    use tinytorrent_wire::extension::{ExtendedHandshake, OurExtensions};

    use super::*;
    use crate::peer::testing::peer;

    fn with_metadata(now: Instant, slot: u32) -> Peer {
        let mut peer = peer(now, slot);
        let theirs = OurExtensions::new([Extension::Metadata]);
        peer.extensions.update(&ExtendedHandshake::new(&theirs));
        peer
    }

    /// A fetch of metadata of at most 1 MiB.
    fn fetch() -> MetadataFetch {
        let hashes = InfoHashes::from_v1(InfoHashV1::from_bytes([7; 20]));
        let mut config = SwarmConfig::new(hashes, PeerId::from_bytes([1; 20]), 7);
        config.max_metadata(1 << 20);
        MetadataFetch::new(&config)
    }

    #[test]
    fn a_size_that_is_too_large_is_told_once() {
        let (now, mut out, mut fetch) = (Instant::now(), Outbox::default(), fetch());
        let peer = with_metadata(now, 0);
        for size in [0, 5 << 20, 6 << 20] {
            fetch.add_peer(now, &peer, Some(size), &mut out);
        }
        let told: Vec<_> = std::iter::from_fn(|| out.poll_event()).collect();
        assert_eq!(told, [Event::MetadataTooLarge { bytes: 5 << 20, limit: 1 << 20 }]);
    }

    #[test]
    fn without_memory_it_is_held_back_once_a_peer_announces_a_size() {
        let (now, mut out, mut fetch) = (Instant::now(), Outbox::default(), fetch());
        fetch.set_memory(0);
        assert!(!fetch.is_held_back(), "nobody could be asked for anything");
        let mut peers = Peers::of([with_metadata(now, 0)]);
        let key = peers.keys().next().unwrap();
        fetch.add_peer(now, peers.get(key).unwrap(), Some(100), &mut out);
        fetch.request(now, &mut peers, &mut out);
        assert!(fetch.is_held_back() && out.take_messages(key).is_empty());
        fetch.set_memory(100);
        fetch.request(now, &mut peers, &mut out);
        assert!(!fetch.is_held_back() && out.take_messages(key).len() == 1);
    }

    #[test]
    fn blocks_come_from_peers_and_the_whole_is_checked_once() {
        let (now, mut out) = (Instant::now(), Outbox::default());
        let mut peers = Peers::of([with_metadata(now, 0)]);
        let key = peers.keys().next().unwrap();
        let mut fetch = fetch();
        fetch.add_peer(now, peers.get(key).unwrap(), Some(100), &mut out);
        fetch.request(now, &mut peers, &mut out);
        assert!(matches!(out.take_messages(key)[..], [Message::Extended(_)]));
        let data = Bytes::from(vec![7; 100]);
        let whole = MetadataMessage::Data { block: 0, total_size: Some(100), data: data.clone() };
        fetch.on_message(now, key, whole, &mut out);
        assert_eq!(out.take_actions(), [Action::CheckMetadata { info: data }]);
        assert_eq!(fetch.on_refused(now, &mut out), [key], "it sent all of it");
    }

    #[test]
    fn a_peer_gets_the_metadata_some_times_over_and_not_for_ever() {
        //
        let (now, mut out) = (Instant::now(), Outbox::default());
        let (mut peer, info) = (with_metadata(now, 0), Bytes::from(vec![1; 20_000]));
        for _ in 0..2 {
            serve(now, &mut peer, &mut out, &info, 1);
        }
        for block in [2, u32::MAX] {
            serve(now, &mut peer, &mut out, &info, block);
        }
        assert_eq!(
            out.take_messages(peer.key).len(),
            4,
            "each is answered, by a reject if need be"
        );
        (0..1_000).for_each(|_| serve(now, &mut peer, &mut out, &info, 0));
        let has_data = |message: &Message| match message {
            Message::Extended(extended) => extended.payload.len() > BLOCK_LENGTH as usize,
            _ => false,
        };
        let count = out.take_messages(peer.key).iter().filter(|message| has_data(message)).count();
        // Four times over its two blocks, and eight more.
        assert_eq!(count, 39, "two have come before");
    }
}
