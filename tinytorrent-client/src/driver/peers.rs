use bytes::Bytes;
use tinytorrent_swarm::PeerKey;
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::Message;

use crate::connection::Link;

/// The links of a torrent's connections, and which of them have something to write.
#[derive(Debug, Default)]
pub(super) struct Peers {
    /// By [`PeerKey::slot`].
    links: Vec<Option<(PeerKey, Link)>>,
    touched: Vec<PeerKey>,
}

impl Peers {
    pub(super) fn insert(&mut self, peer: PeerKey, link: Link) {
        let slot = peer.slot();
        if self.links.len() <= slot {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot] = Some((peer, link));
    }

    /// Lets go of a connection: what was to be written still is, then it ends.
    pub(super) fn remove(&mut self, peer: PeerKey) {
        if let Some(link) = self.get(peer) {
            link.flush();
            self.links[peer.slot()] = None;
        }
    }

    pub(super) fn send(&mut self, peer: PeerKey, message: &Message) {
        let Some(link) = self.get(peer) else { return };
        link.push(message);
        self.touch(peer);
    }

    pub(super) fn send_block(&mut self, peer: PeerKey, block: BlockInfo, data: Bytes) {
        if let Some(link) = self.get(peer) {
            link.push_block(block, data);
        }
    }

    /// Ends the turn: hands all messages to the connections. Returns those that are clogged.
    pub(super) fn flush(&mut self) -> Vec<PeerKey> {
        let mut clogged = Vec::new();
        for peer in std::mem::take(&mut self.touched) {
            let Some(link) = self.get(peer) else { continue };
            link.flush();
            if link.is_clogged() {
                clogged.push(peer);
            }
        }
        clogged
    }

    fn touch(&mut self, peer: PeerKey) {
        // Messages to one peer mostly come in a row.
        if self.touched.last() != Some(&peer) {
            self.touched.push(peer);
        }
    }

    fn get(&mut self, peer: PeerKey) -> Option<&mut Link> {
        match self.links.get_mut(peer.slot()) {
            Some(Some((key, link))) if *key == peer => Some(link),
            _ => None,
        }
    }
}
