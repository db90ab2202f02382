//! The pieces of each peer over time, and the bans.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Map, Value, json};
use tinytorrent_examples::{Output, format_size};
use tinytorrent_sim::Node;
use tinytorrent_swarm::Event;

use crate::swarm::Swarm;

/// The story of a swarm, as far as it was seen.
pub(crate) struct Story {
    pub(crate) peers: Vec<Peer>,
    /// The first ban of each hostile node: when, and by whom.
    pub(crate) bans: BTreeMap<Node, Ban>,
    addresses: BTreeMap<SocketAddr, Node>,
    /// Seconds at the last report of pieces.
    told: f64,
    unsaid: BTreeMap<Node, u32>,
}

/// A peer that wants the content.
#[derive(Default)]
pub(crate) struct Peer {
    /// Seconds, and the pieces from then on.
    pub(crate) pieces: Vec<(f64, u32)>,
    /// Seconds at which it was complete.
    complete: Option<f64>,
    /// Events that were looked at.
    seen: usize,
}

#[derive(Clone, Copy)]
pub(crate) struct Ban {
    pub(crate) seconds: f64,
    /// The pieces that the peer had that banned it.
    pub(crate) pieces: u32,
}

impl Story {
    pub(crate) fn new(swarm: &Swarm) -> Self {
        let peers = swarm.peers.clone().map(|_| Peer { pieces: vec![(0.0, 0)], ..Peer::default() });
        let nodes = swarm.world.nodes.iter().enumerate();
        Self {
            peers: peers.collect(),
            bans: BTreeMap::new(),
            addresses: nodes.map(|(node, simulated)| (simulated.address, node)).collect(),
            told: 0.0,
            unsaid: BTreeMap::new(),
        }
    }

    /// Looks at all peers, and tells what is new.
    pub(crate) fn look(&mut self, swarm: &mut Swarm, out: &Output) {
        let seconds = swarm.world.elapsed().as_secs_f64();
        for node in swarm.peers.clone() {
            self.look_at(swarm, node, seconds, out);
        }
        // Programs hear of the pieces once in a second of the swarm.
        if seconds - self.told >= 1.0 && !self.unsaid.is_empty() {
            self.tell_pieces(seconds, out);
        }
    }

    fn look_at(&mut self, swarm: &Swarm, node: Node, seconds: f64, out: &Output) {
        let simulated = &swarm.world.nodes[node];
        let have = simulated.swarm.have().map_or(0, |have| have.count());
        let peer = &mut self.peers[node];
        if peer.pieces.last().is_none_or(|(_, before)| *before != have) {
            peer.pieces.push((seconds, have));
            self.unsaid.insert(node, have);
        }
        for event in &simulated.events[std::mem::replace(&mut peer.seen, simulated.events.len())..]
        {
            match event {
                Event::PeerBanned { address, piece } => {
                    let Some(&other) = self.addresses.get(address) else { continue };
                    self.bans.entry(other).or_insert(Ban { seconds, pieces: have });
                    let behaviour = format!("{:?}", swarm.world.nodes[other].behaviour);
                    out.say(format!(
                        "{seconds:8.1} s  peer {node} bans peer {other} ({behaviour}) for piece {piece}"
                    ));
                    out.event(&json!({
                        "event": "banned", "seconds": seconds, "node": node, "banned": other,
                        "piece": piece.get(),
                    }));
                }
                Event::Finished if peer.complete.is_none() => {
                    peer.complete = Some(seconds);
                    out.say(format!("{seconds:8.1} s  peer {node} is complete"));
                    out.event(&json!({ "event": "complete", "seconds": seconds, "node": node }));
                }
                _ => {}
            }
        }
    }

    fn tell_pieces(&mut self, seconds: f64, out: &Output) {
        self.told = seconds;
        let pieces = std::mem::take(&mut self.unsaid).into_iter();
        let pieces: Map<_, _> =
            pieces.map(|(node, count)| (node.to_string(), Value::from(count))).collect();
        out.event(&json!({ "event": "have", "seconds": seconds, "pieces": pieces }));
    }

    /// The number of peers that are complete.
    pub(crate) fn complete(&self) -> usize {
        self.peers.iter().filter(|peer| peer.complete.is_some()).count()
    }

    /// Tells how it went.
    pub(crate) fn sum_up(&mut self, swarm: &mut Swarm, out: &Output) {
        let seconds = swarm.world.elapsed().as_secs_f64();
        self.tell_pieces(seconds, out);
        let now = swarm.world.now;
        let mut sum = |nodes: std::ops::Range<Node>| {
            let stats = nodes.map(|node| swarm.world.nodes[node].swarm.stats(now));
            stats.fold(Default::default(), |sum: tinytorrent_swarm::Stats, one| sum + one)
        };
        let (peers, seeds) = (sum(swarm.peers.clone()), sum(swarm.seeds.clone()));
        let times: Vec<_> = self.peers.iter().filter_map(|peer| peer.complete).collect();
        let copies = seeds.uploaded as f64 / swarm.geometry.total_payload().max(1) as f64;
        out.event(&json!({
            "event": "summary",
            "seconds": seconds,
            "complete": times.len(),
            "peers": self.peers.len(),
            "first": times.iter().copied().reduce(f64::min),
            "last": times.iter().copied().reduce(f64::max),
            "downloaded": peers.downloaded,
            "wasted": peers.wasted,
            "hash_failures": peers.hash_failures,
            "uploaded_by_seeds": seeds.uploaded,
            "banned": self.bans.len(),
        }));
        out.say(format!(
            "{} of {} peers complete after {seconds:.1} s; {copies:.2} copies from seeds, {} wasted, \
             {} of {} hostile peers banned",
            times.len(),
            self.peers.len(),
            format_size(peers.wasted),
            self.bans.len(),
            swarm.hostile.len(),
        ));
    }
}
