//! The laws of one engine.

use std::collections::HashMap;
use std::net::SocketAddr;

use tinytorrent_swarm::{Action, Event, Input, LeaveReason, PeerKey};
use tinytorrent_types::{Bitfield, PieceIndex};
use tinytorrent_wire::Message;

use super::announces::AnnounceLaws;
use super::conversation::Conversation;
use super::{Law, Proofs, Terms};
use crate::{Behaviour, Node, Seen, World};

/// A verdict: a law that is broken, and by what.
pub(super) type Verdict = Result<(), (Law, String)>;

/// Wake-ups a second that need no reason, and those that each peer is one for.
const WAKE_UPS: u32 = 200;
const WAKE_UPS_FOR_PEER: u32 = 100;

/// All that an engine has been told and has said, as far as laws are about it.
#[derive(Debug, Default)]
pub(super) struct EngineLaws {
    /// The verified pieces, once the content is known.
    verified: Option<Bitfield>,
    /// Connections, also those that are being made.
    peers: HashMap<PeerKey, SocketAddr>,
    conversations: HashMap<PeerKey, Conversation>,
    /// Bytes that wait for the disk.
    unwritten: u64,
    /// A second of the world, and the wake-ups in it.
    woken: (u64, u32),
    announces: AnnounceLaws,
}

impl EngineLaws {
    pub(super) fn address(&self, peer: PeerKey) -> Option<SocketAddr> {
        self.peers.get(&peer).copied()
    }

    /// An answer that is due for longer than any line for the uplink is.
    pub(super) fn debt(&self, world: &World) -> Option<String> {
        self.conversations.values().find_map(|conversation| conversation.debt(world.now))
    }

    pub(super) fn see(
        &mut self,
        world: &World,
        node: Node,
        terms: &Terms,
        proofs: &Proofs,
        seen: &Seen<'_>,
    ) -> Verdict {
        // Whatever has to follow from something follows in the same turn.
        if matches!(seen, Seen::Input(_) | Seen::Woken) {
            for conversation in self.conversations.values_mut() {
                conversation.end_turn()?;
            }
            let count = self.peers.len();
            demand(count <= terms.max_peers, Law::Budgets, || {
                format!("{count} connections where {} may be", terms.max_peers)
            })?;
        }
        match seen {
            Seen::Began => *self = Self::default(),
            Seen::Input(input) => return self.on_input(world, input),
            Seen::Block(peer, header, verdict) => {
                self.unwritten += verdict.block().map_or(0, |block| block.length().into());
                if let Some(conversation) = self.conversations.get_mut(peer) {
                    conversation.on_block((*header).into());
                }
            }
            Seen::Fetched(verdict) => {
                self.unwritten += verdict.block().map_or(0, |block| block.length().into());
            }
            Seen::Accepted(peer, address) => _ = self.peers.insert(*peer, *address),
            Seen::Woken => return self.on_wake_up(world),
            Seen::Action(action) => return self.on_action(world, action, terms),
            Seen::Event(event) => return self.on_event(world, node, event, proofs),
        }
        Ok(())
    }

    fn on_wake_up(&mut self, world: &World) -> Verdict {
        let second = world.elapsed().as_secs();
        self.woken = if self.woken.0 == second { (second, self.woken.1 + 1) } else { (second, 1) };
        let most = WAKE_UPS + WAKE_UPS_FOR_PEER * self.peers.len() as u32;
        demand(self.woken.1 <= most, Law::Pace, || format!("{} wake-ups in a second", self.woken.1))
    }

    fn on_input(&mut self, world: &World, input: &Input) -> Verdict {
        match input {
            Input::ContentReady(content) => self.verified = Some(content.have.clone()),
            Input::PieceVerified { piece, .. } => {
                self.verified.as_mut().map(|verified| verified.insert(*piece));
            }
            Input::PieceLost { piece } => {
                self.verified.as_mut().map(|verified| verified.remove(*piece));
            }
            Input::BlocksWritten { bytes } => self.unwritten -= bytes,
            Input::HandshakeCompleted { peer, .. } => {
                let address = self.address(*peer);
                let other = address.and_then(|address| world.node_at(address));
                let is_honest = |node: Node| world.nodes[node].behaviour == Behaviour::Honest;
                let conversation = Conversation::new(other.is_some_and(is_honest));
                self.conversations.insert(*peer, conversation);
            }
            Input::MessageReceived { peer, message } => {
                if let Some(conversation) = self.conversations.get_mut(peer) {
                    conversation.on_received(world.now, message);
                }
            }
            Input::ConnectFailed { peer, .. } | Input::ConnectionClosed { peer, .. } => {
                self.leave(*peer);
            }
            Input::BlockServed { peer, block, sent: true } => {
                if let Some(conversation) = self.conversations.get_mut(peer) {
                    return conversation.on_sent_block((*block).into());
                }
            }
            Input::BlockServed { peer, block, sent: false } => {
                if let Some(conversation) = self.conversations.get_mut(peer) {
                    conversation.on_unread((*block).into());
                }
            }
            Input::Announced(outcome) => self.announces.on_answer(world.now, outcome),
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self, peer: PeerKey) {
        self.peers.remove(&peer);
        self.conversations.remove(&peer);
    }

    fn on_action(&mut self, world: &World, action: &Action, terms: &Terms) -> Verdict {
        match action {
            Action::Connect { peer, address, .. } => {
                self.peers.insert(*peer, *address);
                Ok(())
            }
            Action::Disconnect { peer, .. } => {
                self.leave(*peer);
                Ok(())
            }
            Action::ServeBlock { peer, block } => {
                self.demand_verified(block.piece(), "serves")?;
                let conversation = self.conversations.get_mut(peer);
                conversation.map_or(Ok(()), |conversation| conversation.on_serve((*block).into()))
            }
            Action::Send { peer, message } => self.on_send(*peer, message, terms),
            Action::Announce(task) => self.announces.on_announce(world.now, task),
            _ => Ok(()),
        }
    }

    fn on_send(&mut self, peer: PeerKey, message: &Message, terms: &Terms) -> Verdict {
        let verified = self.verified.as_ref();
        let is_verified = |index: u32| verified.is_some_and(|verified| verified.get(index));
        match message {
            Message::Have(index) => demand(is_verified(*index), Law::Content, || {
                format!("tells of piece {index}, which is not verified")
            })?,
            Message::HaveAll => {
                let has_all = verified.is_some_and(Bitfield::is_full);
                demand(has_all, Law::Content, || "tells of all pieces, and lacks some".into())?;
            }
            Message::Bitfield(bits) => {
                let count = verified.map_or(0, Bitfield::piece_count);
                let told = Bitfield::from_bytes(bits, count).ok();
                let is_right = told.is_some_and(|told| told.iter().all(is_verified));
                demand(is_right, Law::Content, || "tells of pieces that are not verified".into())?;
            }
            Message::Request(request) => {
                demand(!is_verified(request.index), Law::Words, || {
                    format!("asks for piece {}, which it has", request.index)
                })?;
                demand(self.unwritten < terms.store_budget, Law::Budgets, || {
                    format!("asks for more while {} bytes wait for the disk", self.unwritten)
                })?;
            }
            _ => {}
        }
        match self.conversations.get_mut(&peer) {
            Some(conversation) => conversation.on_send(message),
            None => Err((Law::Words, format!("speaks to nobody: {}", message.name()))),
        }
    }

    fn on_event(&self, world: &World, node: Node, event: &Event, proofs: &Proofs) -> Verdict {
        match event {
            Event::PeerBanned { address, piece } => {
                demand(proofs.holds(node, *address, *piece), Law::Bans, || {
                    format!("bans {address} for {piece:?}, of which it has sent nothing wrong")
                })
            }
            Event::PeerLeft { address, reason, .. } => {
                let is_accused = matches!(reason, LeaveReason::Violation(_) | LeaveReason::Banned);
                let other = world.node_at(*address);
                let is_honest =
                    other.is_some_and(|other| world.nodes[other].behaviour == Behaviour::Honest);
                demand(!is_honest || !is_accused, Law::Bans, || {
                    format!("leaves {address}: {reason}")
                })
            }
            Event::PieceCompleted { piece } => self.demand_verified(*piece, "has"),
            Event::Finished => {
                let swarm = &world.nodes[node].swarm;
                let verified = self.verified.as_ref();
                let is_verified = |index| verified.is_some_and(|verified| verified.get(index));
                let lacking =
                    swarm.wanted().and_then(|wanted| wanted.iter().find(|&n| !is_verified(n)));
                demand(lacking.is_none(), Law::Content, || {
                    format!("is finished without piece {}", lacking.unwrap_or_default())
                })
            }
            _ => Ok(()),
        }
    }

    fn demand_verified(&self, piece: PieceIndex, does: &str) -> Verdict {
        let is_verified = self.verified.as_ref().is_some_and(|all| all.contains(piece));
        demand(is_verified, Law::Content, || format!("{does} {piece:?}, which is not verified"))
    }
}

/// Gives the breach unless this holds.
pub(super) fn demand(holds: bool, law: Law, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err((law, what())) }
}
