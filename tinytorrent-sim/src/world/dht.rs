//! The DHT beside a swarm: a network of nodes with which the swarm's look for each other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_dht::{Announce, Event};
use tinytorrent_swarm::{Input, LookUpTask, PeerSource};

use super::{Node, World};
use crate::{DhtWorld, Links, Simulated};

/// Nodes of the DHT that are no peers and say that they answer nobody, as a share (BEP 43).
const READ_ONLY: f64 = 0.2;

/// The time for which the network has run before anybody of the swarm comes.
const WARM_UP: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Dht {
    network: DhtWorld,
    /// The nodes that are in it, and their numbers there.
    members: Vec<(Node, usize)>,
}

impl Dht {
    fn number_of(&self, node: Node) -> Option<usize> {
        self.members.iter().find(|(member, _)| *member == node).map(|(_, number)| *number)
    }

    /// Silences a node, or has it go on.
    fn set_silent(&mut self, now: Instant, number: usize, is_silent: bool) {
        let was_silent = std::mem::replace(&mut self.network.nodes[number].is_silent, is_silent);
        if was_silent && !is_silent {
            // Its timers went off meanwhile.
            self.network.now = now;
            self.network.with(number, |now, node| node.handle_timeout(now));
        }
    }
}

impl World {
    /// Adds a DHT of so many nodes that are no peers, some of which leave and are replaced if they stay for a time only.
    ///
    /// # Panics
    /// If there are nodes already.
    pub fn add_dht(&mut self, seed: u64, count: usize, stay: Option<Duration>) {
        assert!(self.nodes.is_empty(), "a network is there before its users");
        let links = Links { loss: self.loss, ..Links::default() };
        let mut network = DhtWorld::new(seed, links);
        (network.now, network.start) = (self.now, self.now);
        network.populate(count, READ_ONLY);
        if let Some(stay) = stay {
            network.churn(stay);
        }
        network.run_for(WARM_UP);
        (self.now, self.start) = (network.now, network.now);
        self.dht = Some(Dht { network, members: Vec::new() });
    }

    /// Silences all nodes of the DHT that are no peers, or has them go on.
    pub fn silence_dht(&mut self, is_silent: bool) {
        let Some(dht) = &mut self.dht else { return };
        for number in 0..dht.network.nodes.len() {
            if !dht.network.nodes[number].stays {
                dht.set_silent(self.now, number, is_silent);
            }
        }
    }

    /// Looks for peers in the DHT. With its first look-up a node takes part in it, under its own address: one on the
    /// internet, or others are not told of it.
    pub(super) fn look_up(&mut self, node: Node, task: LookUpTask) {
        let Simulated { address, nat, .. } = &self.nodes[node];
        let (address, is_behind_nat) = (*address, nat.is_some());
        let Some(mut dht) = self.dht.take() else { return };
        dht.network.now = self.now;
        let number = dht.number_of(node).unwrap_or_else(|| {
            let number = dht.network.add_at(address, is_behind_nat);
            dht.members.push((node, number));
            number
        });
        self.follow_access(&mut dht);
        dht.network.with(number, |now, node| {
            if task.announce {
                let announce = Announce { port: Some(address.port()), is_seed: task.is_seed };
                node.announce(now, task.hash, announce);
            } else {
                node.find_peers(now, task.hash);
            }
        });
        self.dht = Some(dht);
    }

    /// A peer has told where its node of the DHT is.
    pub(super) fn hear_of_dht_node(&mut self, node: Node, address: SocketAddr) {
        let now = self.now;
        if let Some(dht) = &mut self.dht
            && let Some(number) = dht.number_of(node)
        {
            dht.network.now = now;
            dht.network.with(number, |now, node| node.add_node(now, address));
        }
    }

    /// Does what is next in the DHT, unless it is behind this instant.
    pub(super) fn dht_step(&mut self, until: Instant) -> bool {
        let Some(mut dht) = self.dht.take() else { return false };
        self.follow_access(&mut dht);
        let has_stepped = dht.network.step(until);
        self.now = self.now.max(dht.network.now);
        let mut found = Vec::new();
        for &(node, number) in &dht.members {
            for (_, event) in dht.network.nodes[number].events.drain(..) {
                if let Event::PeersFound { peers, .. } = event {
                    found.push((node, peers));
                }
            }
        }
        self.dht = Some(dht);
        for (node, addresses) in found {
            self.input(node, Input::PeersFound { source: PeerSource::Dht, addresses });
        }
        has_stepped
    }

    /// Has the members hear and say nothing while their hosts or processes do not.
    fn follow_access(&self, dht: &mut Dht) {
        for at in 0..dht.members.len() {
            let (node, number) = dht.members[at];
            let access = &self.nodes[node].access;
            let is_asleep = access.asleep_until.is_some_and(|until| until > self.now);
            let is_silent = is_asleep || access.is_down || self.is_cut_off(node);
            dht.set_silent(self.now, number, is_silent);
        }
    }
}
