use bytes::Bytes;
use tinytorrent_swarm::PeerKey;
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::Message;

use crate::connection::{Hold, Link};

/// The links of a torrent's connections.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The links, by [`PeerKey::slot`].
    links: Vec<Option<(PeerKey, Link)>>,
    /// Peers with messages of this turn, which [`flush`](Self::flush) sends.
    unflushed: Vec<PeerKey>,
}

impl Links {
    pub(super) fn insert(&mut self, peer: PeerKey, link: Link) {
        let slot = peer.slot();
        if self.links.len() <= slot {
            self.links.resize_with(slot + 1, || None);
        }
        self.links[slot] = Some((peer, link));
    }

    /// Closes a connection. Its messages of this turn are still written.
    pub(super) fn remove(&mut self, peer: PeerKey) {
        if let Some(link) = self.get(peer) {
            link.flush();
            self.links[peer.slot()] = None;
        }
    }

    pub(super) fn send(&mut self, peer: PeerKey, message: &Message) {
        let Some(link) = self.get(peer) else { return };
        link.push(message);
        self.mark(peer);
    }

    pub(super) fn send_block(&mut self, peer: PeerKey, block: BlockInfo, data: Bytes, hold: Hold) {
        if let Some(link) = self.get(peer) {
            link.push_block(block, data, hold);
        }
    }

    /// Sends the messages of this turn. Returns the peers that are stalled.
    pub(super) fn flush(&mut self) -> Vec<PeerKey> {
        let mut stalled = Vec::new();
        for peer in std::mem::take(&mut self.unflushed) {
            let Some(link) = self.get(peer) else { continue };
            link.flush();
            if link.is_stalled() {
                stalled.push(peer);
            }
        }
        stalled
    }

    fn mark(&mut self, peer: PeerKey) {
        // Messages to one peer mostly come in a row, so that few peers are in the list twice.
        if self.unflushed.last() != Some(&peer) {
            self.unflushed.push(peer);
        }
    }

    pub(super) fn get(&mut self, peer: PeerKey) -> Option<&mut Link> {
        match self.links.get_mut(peer.slot()) {
            // A slot is used again. The keys of earlier peers in it have another generation.
            Some(Some((key, link))) if *key == peer => Some(link),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::super::testing::engine;
    use super::*;
    use crate::connection::Outgoing;
    use crate::memory::Share;

    fn links() -> (Links, PeerKey, mpsc::UnboundedReceiver<Outgoing>) {
        let (link, outgoing) = Link::new(Share::new(1 << 20).holder(), tracing::Span::none());
        let (mut links, (peer, _)) = (Links::default(), engine());
        links.insert(peer, link);
        (links, peer, outgoing)
    }

    #[test]
    fn messages_wait_for_the_end_of_the_turn() {
        let (mut links, peer, mut outgoing) = links();
        links.send(peer, &Message::Unchoke);
        links.send(peer, &Message::Interested);
        assert!(outgoing.try_recv().is_err());
        assert_eq!(links.flush(), []);
        assert!(outgoing.try_recv().is_ok());
        assert!(outgoing.try_recv().is_err(), "they are sent together");
    }

    #[test]
    fn a_removed_connection_still_sends_its_messages() {
        let (mut links, peer, mut outgoing) = links();
        links.send(peer, &Message::Unchoke);
        links.remove(peer);
        assert!(outgoing.try_recv().is_ok());
        links.send(peer, &Message::Interested);
        assert_eq!(links.flush(), []);
        assert_eq!(outgoing.try_recv().unwrap_err(), mpsc::error::TryRecvError::Disconnected);
    }
}
