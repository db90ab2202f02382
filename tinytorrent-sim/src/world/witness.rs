//! Somebody who sees all that happens.

use std::fmt;
use std::net::SocketAddr;

use tinytorrent_swarm::{Action, BlockVerdict, Event, Input, PeerKey};
use tinytorrent_wire::PieceHeader;

use super::{Node, World};

/// Somebody who sees all that goes into the engines of a world and comes out, for instance to hold it against laws.
pub trait Witness {
    /// Something happens to the engine of a node, or comes out of it. What goes in is seen before the engine has it.
    fn see(&mut self, world: &World, node: Node, seen: &Seen<'_>);
}

/// Two of them.
impl<A: Witness, B: Witness> Witness for (A, B) {
    fn see(&mut self, world: &World, node: Node, seen: &Seen<'_>) {
        self.0.see(world, node, seen);
        self.1.see(world, node, seen);
    }
}

/// Something that goes into an engine, or comes out.
#[derive(Debug)]
pub enum Seen<'a> {
    /// A new engine, which knows nothing yet: the first of a node, or one after a crash.
    Began,
    /// An input.
    Input(&'a Input),
    /// A block that came from a peer, and what the engine says of it.
    Block(PeerKey, PieceHeader, BlockVerdict),
    /// A block that came from a web seed, and what the engine says of it.
    Fetched(BlockVerdict),
    /// A connection was let in.
    Accepted(PeerKey, SocketAddr),
    /// A deadline of the engine has come.
    Woken,
    /// An action of the engine.
    Action(&'a Action),
    /// An event of the engine.
    Event(&'a Event),
}

/// The witness of a world, if there is one.
#[derive(Default)]
pub(super) struct Witnessed(Option<Box<dyn Witness>>);

impl fmt::Debug for Witnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witnessed").field("is_there", &self.0.is_some()).finish()
    }
}

impl World {
    /// Has all be seen by a witness, from now on.
    pub fn set_witness(&mut self, witness: impl Witness + 'static) {
        self.witness = Witnessed(Some(Box::new(witness)));
    }

    pub(super) fn saw(&mut self, node: Node, seen: Seen<'_>) {
        if let Some(mut witness) = self.witness.0.take() {
            witness.see(self, node, &seen);
            self.witness.0 = Some(witness);
        }
    }
}
