//! Laws that hold in every world, whatever happens in it.

mod announces;
mod conversation;
mod engine;

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tinytorrent_types::PieceIndex;

use self::engine::EngineLaws;
use crate::{Behaviour, Node, Quality, Seen, Witness, World};

/// A law, which no engine breaks in any world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Law {
    /// Nothing is served, announced or told to be there that is not verified.
    Content,
    /// Every request of a peer is answered once, by its block or by a reject (BEP 6).
    Answers,
    /// Messages are legal where they are sent: nothing is asked for that the peer lacks, has been asked for, or does not
    /// serve now, and no state is told twice.
    Words,
    /// Nobody is banned who has not sent what the ban says, and no honest peer is left for breaking the protocol.
    Bans,
    /// Connections, requests and blocks that wait for the disk stay within what the user chose.
    Budgets,
    /// An engine does not wake up more often than its peers give reason to.
    Pace,
    /// Trackers are told `started` first, `completed` once, and nothing sooner than they wish.
    Announces,
    /// A download that an honest source stays for ends within a factor of the best possible time.
    Completion,
    /// Equals that began together end together.
    Shares,
    /// Peers send no more than what is needed, but for what is lost by faults.
    Proportion,
    /// A super seed sends little more than one copy (BEP 16).
    SuperSeeding,
    /// A stopped engine is gone, and its peers and trackers know.
    Ends,
    /// No part of an engine is in a state that cannot be.
    Invariants,
}

/// A breach of a law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The law.
    pub law: Law,
    /// The node whose engine broke it.
    pub node: Node,
    /// The time since the world's beginning.
    pub at: Duration,
    /// The deed.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, node, at, what } = self;
        write!(f, "{law:?}: node {node} at {:.3} s: {what}", at.as_secs_f64())
    }
}

/// The choices of a user that laws are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Connections at most.
    pub max_peers: usize,
    /// Bytes that may wait for the disk.
    pub store_budget: u64,
}

/// The laws of a world, and the first breach of one. A handle: a clone is the same court.
#[derive(Debug, Clone)]
pub struct Laws(Rc<RefCell<Court>>);

#[derive(Debug)]
struct Court {
    engines: Vec<EngineLaws>,
    terms: Vec<Terms>,
    proofs: Proofs,
    breach: Option<Breach>,
}

/// Wrong blocks: the node that got one, the address of its sender, and the piece.
#[derive(Debug, Default)]
struct Proofs(HashSet<(Node, SocketAddr, PieceIndex)>);

impl Laws {
    /// Laws for nodes of these terms, by their numbers.
    pub fn new(terms: Vec<Terms>) -> Self {
        let engines = terms.iter().map(|_| EngineLaws::default()).collect();
        let court = Court { engines, terms, proofs: Proofs::default(), breach: None };
        Self(Rc::new(RefCell::new(court)))
    }

    /// The first breach, if there was one.
    pub fn breach(&self) -> Option<Breach> {
        self.0.borrow().breach.clone()
    }

    /// Returns true if a law was broken.
    pub fn is_broken(&self) -> bool {
        self.0.borrow().breach.is_some()
    }

    /// Takes down a breach, if it is the first.
    pub fn accuse(&self, breach: Breach) {
        self.0.borrow_mut().breach.get_or_insert(breach);
    }

    /// Looks for peers that have waited too long for an answer.
    pub fn look_for_debts(&self, world: &World) {
        let court = &mut *self.0.borrow_mut();
        let owing = court.engines.iter().enumerate().find_map(|(node, engine)| {
            let is_judged = world.nodes[node].behaviour == Behaviour::Honest;
            Some((node, engine.debt(world).filter(|_| is_judged)?))
        });
        if let Some((node, what)) = owing {
            court.accuse(world, node, Law::Answers, what);
        }
    }
}

impl Court {
    fn accuse(&mut self, world: &World, node: Node, law: Law, what: String) {
        self.breach.get_or_insert(Breach { law, node, at: world.elapsed(), what });
    }
}

impl Witness for Laws {
    fn see(&mut self, world: &World, node: Node, seen: &Seen<'_>) {
        let court = &mut *self.0.borrow_mut();
        let Some((engine, terms)) = court.engines.get_mut(node).zip(court.terms.get(node)) else {
            return;
        };
        // Others may do as they like.
        if world.nodes[node].behaviour != Behaviour::Honest || court.breach.is_some() {
            return;
        }
        if let Seen::Block(peer, header, _) = seen {
            court.proofs.note(world, node, engine.address(*peer), *header);
        }
        if let Err((law, what)) = engine.see(world, node, terms, &court.proofs, seen) {
            court.accuse(world, node, law, what);
        }
    }
}

impl Proofs {
    fn note(
        &mut self,
        world: &World,
        node: Node,
        from: Option<SocketAddr>,
        header: tinytorrent_wire::PieceHeader,
    ) {
        let Some(from) = from else { return };
        let Some(sender) = world.node_at(from) else { return };
        let geometry = &world.nodes[node].geometry;
        let Some(piece) = geometry.piece(header.index) else { return };
        let block = geometry.blocks(piece).find(|block| block.begin() == header.begin);
        if let Some(block) = block
            && world.nodes[sender].quality(block) != Quality::Right
        {
            self.0.insert((node, from, piece));
        }
    }

    fn holds(&self, node: Node, from: SocketAddr, piece: PieceIndex) -> bool {
        self.0.contains(&(node, from, piece))
    }
}
