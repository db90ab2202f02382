//! The work of one engine, to be measured.

use std::fmt;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tinytorrent_swarm::record::Recorded;
use tinytorrent_swarm::{Action, Event, Input, SwarmConfig};
use tinytorrent_wire::{Decoder, Hashes, Message, PieceHeader};

use super::{Node, World, peer_id};

/// Somebody who measures the work of an engine.
///
/// What the engine is given is made after [`begin`](Self::begin), and what it hands out is freed before
/// [`end`](Self::end). So what is allocated between the two and not freed between such two is the engine's.
pub trait Watch {
    /// The engine is about to work.
    fn begin(&mut self, now: Instant, cause: Cause);

    /// The engine has worked.
    fn end(&mut self);
}

/// The cause of some work of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A connection comes in, fails, or ends.
    Connection,
    /// A handshake has come.
    Handshake,
    /// A message has come, of so many bytes. Of a block that is the header only.
    Message(usize),
    /// A bitfield has come, of so many bytes.
    Bitfield(usize),
    /// A tracker, or somebody else, has told so many addresses.
    Addresses(usize),
    /// The disk or the user said something.
    Told,
    /// The content has become known, of so many pieces.
    Learned(u32),
    /// A deadline has come.
    Time,
    /// Something that was decided before is handed out.
    Drained,
}

impl Cause {
    pub(super) fn of(input: &Input) -> Self {
        match input {
            Input::MessageReceived { message: Message::Piece(_), .. } => {
                Cause::Message(PieceHeader::FRAME_LENGTH)
            }
            Input::MessageReceived { message: Message::Bitfield(bits), .. } => {
                Cause::Bitfield(bits.len())
            }
            Input::MessageReceived { message, .. } => Cause::Message(message.encoded_length()),
            Input::HandshakeCompleted { .. } => Cause::Handshake,
            Input::ConnectFailed { .. } | Input::ConnectionClosed { .. } => Cause::Connection,
            Input::PeersFound { addresses, .. } => Cause::Addresses(addresses.len()),
            Input::Announced(outcome) => {
                let peers = outcome.result.as_ref().map_or(0, |response| response.peers.len());
                Cause::Addresses(peers)
            }
            Input::ContentReady(content) => Cause::Learned(content.geometry.piece_count()),
            _ => Cause::Told,
        }
    }
}

/// The node that is watched, and by whom.
pub(super) struct Watched {
    node: Node,
    by: Box<dyn Watch>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("node", &self.node).finish_non_exhaustive()
    }
}

impl World {
    /// Has the work of a node's engine measured. The node may be one that is yet to be added.
    pub fn watch(&mut self, node: Node, by: impl Watch + 'static) {
        self.watched = Some(Watched { node, by: Box::new(by) });
    }

    pub(super) fn is_watched(&self, node: Node) -> bool {
        self.watched.as_ref().is_some_and(|watched| watched.node == node)
    }

    /// Has the engine of a node work.
    pub(super) fn engine<T>(
        &mut self,
        node: Node,
        cause: Cause,
        act: impl FnOnce(&mut Recorded) -> T,
    ) -> T {
        self.measured(node, cause, |world| act(&mut world.nodes[node].swarm))
    }

    /// The engine of a node, at its start.
    pub(super) fn new_engine(&mut self, node: Node, config: &SwarmConfig) -> Recorded {
        self.measured(node, Cause::Told, |world| world.make_engine(node, config.clone()))
    }

    /// Frees the engine of a node. Another one, which nobody knows, is in its place from now on.
    pub fn free_engine(&mut self, node: Node) {
        let config = SwarmConfig::new(self.hashes, peer_id(node), 0);
        let mut other = Recorded::new(self.now, config);
        other.stop(self.now);
        // They may share memory with the engine, and so may what was to happen to it.
        self.nodes[node].announces.clear();
        self.nodes[node].events.clear();
        self.schedule.forget(node);
        self.engine(node, Cause::Told, |swarm| *swarm = other);
    }

    fn measured<T>(&mut self, node: Node, cause: Cause, act: impl FnOnce(&mut Self) -> T) -> T {
        let mut watched = self.watched.take_if(|watched| watched.node == node);
        if let Some(watched) = &mut watched {
            watched.by.begin(self.now, cause);
        }
        let result = act(self);
        if let Some(mut watched) = watched {
            watched.by.end();
            self.watched = Some(watched);
        }
        result
    }

    pub(super) fn poll_action(&mut self, node: Node) -> Option<Action> {
        let action = self.engine(node, Cause::Drained, Recorded::poll_action)?;
        if !self.is_watched(node) {
            return Some(action);
        }
        let copy = copy_of_action(&action);
        self.engine(node, Cause::Drained, |_| drop(action));
        Some(copy)
    }

    pub(super) fn poll_event(&mut self, node: Node) -> Option<Event> {
        let event = self.engine(node, Cause::Drained, Recorded::poll_event)?;
        if !self.is_watched(node) {
            return Some(event);
        }
        let copy = event.clone();
        self.engine(node, Cause::Drained, |_| drop(event));
        Some(copy)
    }
}

/// A copy that shares no memory. Of values that are shared inside of an engine, a clone is one.
pub(super) fn copy_of_input(input: &Input) -> Input {
    match input {
        Input::MessageReceived { peer, message } => {
            Input::MessageReceived { peer: *peer, message: copy_of_message(message) }
        }
        Input::ContentReady(content) => {
            let mut copy = content.clone();
            copy.info = Bytes::copy_from_slice(&content.info);
            Input::ContentReady(copy)
        }
        Input::HashesRead { peer, request, hashes } => Input::HashesRead {
            peer: *peer,
            request: *request,
            hashes: hashes.as_deref().map(Bytes::copy_from_slice),
        },
        other => other.clone(),
    }
}

fn copy_of_action(action: &Action) -> Action {
    match action {
        Action::Send { peer, message } => {
            Action::Send { peer: *peer, message: copy_of_message(message) }
        }
        Action::CheckMetadata { info } => {
            Action::CheckMetadata { info: Bytes::copy_from_slice(info) }
        }
        Action::CheckHashes { peer, hashes } => {
            let Hashes { request, ref hashes } = **hashes;
            let hashes = Box::new(Hashes { request, hashes: Bytes::copy_from_slice(hashes) });
            Action::CheckHashes { peer: *peer, hashes }
        }
        other => other.clone(),
    }
}

/// The message as it comes out of a buffer of its own.
fn copy_of_message(message: &Message) -> Message {
    let mut buffer = BytesMut::with_capacity(message.encoded_length());
    message.encode(&mut buffer);
    let decoded = Decoder::new().max_frame_length(u32::MAX).decode(&mut buffer);
    decoded.ok().flatten().expect("what is encoded can be decoded")
}
