//! How nodes serve what they are asked for, or fail to.

use std::time::Duration;

use tinytorrent_swarm::PeerKey;
use tinytorrent_types::BlockInfo;
use tinytorrent_wire::{Message, Request};

use super::happening::Happening;
use super::{Node, World};
use crate::node::InLine;
use crate::{Behaviour, Simulated};

/// Time that a node that flaps stays choked.
const FLAP: Duration = Duration::from_millis(50);

impl World {
    /// Does with a request what the node does with requests.
    pub(super) fn serve(&mut self, node: Node, key: PeerKey, block: BlockInfo) {
        // A stranger reads nothing, so that the block never goes out.
        if self.nodes[node].strangers.contains(&key) {
            return;
        }
        let uplink = self.nodes[node].uplink.unwrap_or(self.uplink);
        let cost = Duration::from_secs_f64(f64::from(block.length()) / uplink as f64);
        if self.nodes[node].disk.is_unreadable() {
            return self.later(Duration::ZERO, node, Happening::Unread { key, block });
        }
        match self.nodes[node].behaviour {
            Behaviour::Stalls => {}
            Behaviour::StallsAfter(count) | Behaviour::Spoils(count)
                if self.nodes[node].served >= count => {}
            Behaviour::Rejects => {
                let request = Request {
                    index: block.piece().get(),
                    begin: block.begin(),
                    length: block.length(),
                };
                self.send(node, key, Message::Reject(request));
                self.pretend_served(node, key, block);
            }
            Behaviour::ChokesOwing => {
                self.send(node, key, Message::Choke);
                self.pretend_served(node, key, block);
            }
            Behaviour::Flaps => {
                self.send(node, key, Message::Choke);
                self.later(FLAP, node, Happening::Sends { key, message: Message::Unchoke });
                self.pretend_served(node, key, block);
            }
            // By the queue, as the engine is being polled for actions now.
            Behaviour::Leaves => self.later(Duration::ZERO, node, Happening::Leaves { key }),
            Behaviour::Trickles(seconds) => {
                self.upload(node, key, block, Duration::from_secs(seconds.into()));
            }
            Behaviour::Honest
            | Behaviour::Corrupt(_)
            | Behaviour::Spoils(_)
            | Behaviour::StallsAfter(_)
            | Behaviour::AsksNothing
            | Behaviour::Silent
            | Behaviour::ReadsNothing
            | Behaviour::NeverGreets
            | Behaviour::Unreachable
            | Behaviour::LiesAboutMetadata
            | Behaviour::LiesAboutHashes
            | Behaviour::RejectsHashes
            | Behaviour::HoldsHashesBack => self.upload(node, key, block, cost),
        }
    }

    /// Sends a block behind all that waits for the uplink, which it takes so long.
    fn upload(&mut self, node: Node, key: PeerKey, block: BlockInfo, cost: Duration) {
        let simulated = &mut self.nodes[node];
        simulated.served += 1;
        simulated.access.line.push_back(InLine { key, block, cost });
        if !simulated.access.is_sending {
            self.send_next(node);
        }
    }

    /// Begins to send the next block in the line for the uplink.
    pub(super) fn send_next(&mut self, node: Node) {
        let Simulated { access, links, .. } = &mut self.nodes[node];
        access.is_sending = false;
        while let Some(InLine { key, block, cost }) = access.line.pop_front() {
            // Blocks that were to go out over a connection go with it.
            if links.contains_key(&key) {
                access.is_sending = true;
                return self.later(cost, node, Happening::Served { key, block });
            }
        }
    }

    /// Has the node's engine go on as if it had served the block.
    fn pretend_served(&mut self, node: Node, key: PeerKey, block: BlockInfo) {
        // By the queue, as the engine is being polled for actions now.
        self.later(Duration::ZERO, node, Happening::Pretends { key, block });
    }
}
