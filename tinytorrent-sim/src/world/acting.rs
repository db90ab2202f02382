//! The deeds of engines, which a driver would carry out.

use std::time::Duration;

use tinytorrent_swarm::{Action, Failure, Input, PeerKey, ScrapeOutcome};
use tinytorrent_wire::{Handshake, Message};

use super::happening::Happening;
use super::{Node, World};
use crate::Behaviour;
use crate::node::Link;

impl World {
    pub(super) fn act(&mut self, node: Node, action: Action) {
        match action {
            Action::Connect { peer, address, route, info_hash } => {
                let handshake = Handshake { info_hash, ..self.handshake(node) };
                match self.node_at(address) {
                    Some(to) => {
                        // The other node has no key for the connection until it accepts.
                        self.nodes[node].links.insert(peer, Link::to(to));
                        self.dial_node(node, peer, to, route, handshake);
                    }
                    None => self.dial_stranger(node, peer, address),
                }
            }
            Action::Send { peer, message } => self.send(node, peer, message),
            Action::ServeBlock { peer, block } => self.serve(node, peer, block),
            Action::VerifyPiece { piece, digests } => {
                self.hash_later(node, piece, digests);
            }
            Action::CheckMetadata { info } => {
                self.later(Duration::from_millis(2), node, Happening::Metadata { info });
            }
            Action::ReadHashes { peer, request } => self.read_hashes(node, peer, request),
            Action::CheckHashes { peer, hashes } => self.check_hashes(node, peer, *hashes),
            Action::Announce(task) => {
                self.nodes[node].announces.push(task.clone());
                self.announce_later(node, task);
            }
            Action::Fetch(task) => self.begin_fetch(node, task),
            Action::GrantFetch { fetch, blocks } => self.grant_fetch(node, fetch, blocks),
            Action::CancelFetch { fetch } => self.cancel_fetch(node, fetch),
            Action::DoubtFiles { seed, piece } => self.doubt_files(node, seed, piece),
            Action::LookUp(task) => self.later(Duration::ZERO, node, Happening::LooksUp(task)),
            Action::Scrape(task) => {
                let result = Err(Failure::Failed("there are no scrapes here".into()));
                self.input(node, Input::Scraped(ScrapeOutcome { id: task.id, result }));
            }
            Action::Disconnect { peer, reason } => {
                self.nodes[node].strangers.remove(&peer);
                if let Some(link) = self.nodes[node].links.remove(&peer) {
                    let address = self.nodes[link.to].address;
                    self.nodes[node].disconnected.push((address, reason));
                    self.hang_up(node, link);
                }
            }
        }
    }

    /// The handshake of a node, with the id that it gives.
    pub(super) fn handshake(&self, node: Node) -> Handshake {
        let ours = self.nodes[node].swarm.handshake();
        Handshake { peer_id: self.nodes[node].alias.unwrap_or(ours.peer_id), ..ours }
    }

    pub(super) fn send(&mut self, node: Node, peer: PeerKey, mut message: Message) {
        let Some(link) = self.nodes[node].links.get(&peer).copied() else { return };
        let address = self.nodes[link.to].address;
        match (self.nodes[node].behaviour, &message) {
            (Behaviour::Silent, _) | (Behaviour::AsksNothing, Message::Request(_)) => return,
            _ => {}
        }
        // Id 0 is the extension handshake (BEP 10), without which nobody asks for metadata.
        if self.nodes[node].behaviour == Behaviour::LiesAboutMetadata
            && let Message::Extended(extended) = &mut message
            && extended.id != 0
        {
            let mut lie = extended.payload.to_vec();
            if let Some(last) = lie.last_mut() {
                // The metadata is at the end of the message (BEP 9), behind a dictionary that stays
                // valid.
                *last ^= 0x55;
            }
            extended.payload = lie.into();
        }
        self.nodes[node].sent.push((address, message.clone()));
        if let Some(key) = link.their_key {
            self.deliver(node, peer, Happening::Arrives { key, message });
        }
    }
}
