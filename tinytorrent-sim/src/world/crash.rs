//! Crashes, and what is made of the disk afterwards.

use std::time::Duration;

use tinytorrent_swarm::record::Recorded;
use tinytorrent_swarm::{Input, PeerSource};
use tinytorrent_types::{Bitfield, BlockInfo};

use super::happening::Happening;
use super::witness::Seen;
use super::{Cause, Node, World};
use crate::Quality;

/// The way in which a node crashes and comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// The time until it is there again.
    pub down: Duration,
    /// The host goes with it: peers are not told that their connections are gone.
    pub is_silent: bool,
    /// All that is on the disk is found, and not only what the last record says.
    pub finds_all: bool,
    /// The blocks of unfinished pieces that are on the disk are not what the record says of them.
    pub spoils_blocks: bool,
}

impl World {
    /// Has a node write a record of its content each so often, from which it goes on after a crash.
    pub fn keep_records(&mut self, node: Node, every: Duration) {
        self.nodes[node].kept.every = Some(every);
        self.later(every, node, Happening::Keeps);
    }

    pub(super) fn keeps(&mut self, node: Node) {
        self.keep(node);
        if let Some(every) = self.nodes[node].kept.every {
            self.later(every, node, Happening::Keeps);
        }
    }

    /// Writes a record of the content.
    fn keep(&mut self, node: Node) {
        let simulated = &mut self.nodes[node];
        let Some(have) = simulated.swarm.have() else { return };
        let blocks = simulated.received.keys().copied();
        let mut blocks: Vec<_> = blocks.filter(|block| !have.contains(block.piece())).collect();
        blocks.sort_unstable();
        simulated.kept.have = Some(have.clone());
        (simulated.kept.blocks, simulated.kept.has_info) = (blocks, true);
        simulated.kept.wanted = simulated.swarm.wanted().cloned();
    }

    /// Crashes a node, which comes back later.
    pub fn crash(&mut self, node: Node, recovery: Recovery) {
        if self.nodes[node].access.is_down {
            return;
        }
        if recovery.finds_all {
            self.keep(node);
        }
        for key in self.sorted_links(node) {
            if recovery.is_silent {
                self.sever(node, key);
            }
            if let Some(link) = self.nodes[node].links.remove(&key) {
                self.hang_up(node, link);
            }
        }
        // Whatever is on its way to this life reaches no later one.
        self.nodes[node].life += 1;
        let config = self.nodes[node].config.clone();
        let mut gone = Recorded::new(self.now, config);
        gone.stop(self.now);
        self.engine(node, Cause::Told, |swarm| *swarm = gone);
        let simulated = &mut self.nodes[node];
        simulated.access.is_down = true;
        simulated.access.line.clear();
        simulated.access.is_sending = false;
        simulated.strangers.clear();
        simulated.fetches.clear();
        simulated.web_seeds.clear();
        self.set_due(node, None);
        let spoils = recovery.spoils_blocks;
        self.later(recovery.down, node, Happening::ComesBack { spoils });
    }

    pub(super) fn comes_back(&mut self, node: Node, spoils: bool) {
        let kept = self.nodes[node].kept.clone();
        let mut config = self.nodes[node].config.clone();
        if kept.has_info {
            config.needs_metadata(false);
        }
        let swarm = self.new_engine(node, &config);
        let needs_metadata = swarm.metadata_demand().is_some();
        let simulated = &mut self.nodes[node];
        simulated.swarm = swarm;
        simulated.access.is_down = false;
        let count = simulated.geometry.piece_count();
        let have = kept.have.unwrap_or_else(|| Bitfield::new(count));
        let is_kept = |block: &BlockInfo| {
            have.contains(block.piece()) || kept.blocks.binary_search(block).is_ok()
        };
        simulated.received.retain(|block, _| is_kept(block));
        for block in &kept.blocks {
            // Blocks that were thrown away since the record was written are something else now.
            let quality = simulated.received.entry(*block).or_insert(Quality::Wrong(OF_DISK));
            if spoils {
                *quality = Quality::Wrong(OF_DISK);
            }
        }
        self.saw(node, Seen::Began);
        self.settle(node);
        if !needs_metadata {
            self.recover(node, have, kept.blocks, kept.wanted);
        }
        if let Some(every) = kept.every {
            self.later(every, node, Happening::Keeps);
        }
        // By the same means as at first.
        let addresses = self.nodes[node].introduced.clone();
        let source = PeerSource::of_tracker(self.tracker);
        self.input(node, Input::PeersFound { source, addresses });
    }
}

/// Bytes that no peer has sent, such as zeros.
const OF_DISK: u8 = 1;
