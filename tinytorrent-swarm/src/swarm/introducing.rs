//! Peers that tell of others, and introduce them (BEP 11, BEP 55).

use std::net::SocketAddr;

use tinytorrent_types::{AddressVerdict, canonical};
use tinytorrent_wire::extension::{
    Extension, ExtensionMessage, Holepunch, HolepunchFailure, PexFlags, PexPeer,
};
use tinytorrent_wire::session::Violation;

use super::Swarm;
use crate::PeerKey;
use crate::contract::{ConnectionError, Introductions, LeaveReason};
use crate::peers::Gone;
use crate::punching::{self, Meeting, Punching};
use crate::roster::Teller;

impl Swarm {
    /// The introductions since the start.
    pub fn introductions(&self) -> Introductions {
        self.punching.as_ref().map(|punching| punching.counts).unwrap_or_default()
    }

    /// A peer tells of others.
    pub(super) fn on_peers_told(&mut self, key: PeerKey, told: &[PexPeer]) {
        let Some(peer) = self.peers.get(key) else { return };
        let teller = Teller::peer(peer.contact.address.ip());
        let introduces =
            self.extensions.may_punch() && peer.extensions.id(Extension::Holepunch).is_some();
        let addresses: Vec<_> = told.iter().map(|peer| peer.address).collect();
        if !self.roster.add(self.now, teller, &addresses, self.extensions.is_private()) {
            return;
        }
        let speaks = |peer: &&PexPeer| peer.flags.contains(PexFlags::SUPPORTS_HOLEPUNCH);
        for peer in told.iter().filter(|_| introduces).filter(speaks) {
            self.roster.note_introducer(peer.address, key);
        }
        self.dial();
    }

    /// A connection could not be made. A peer that told of the address may introduce us.
    pub(super) fn seek_introduction(&mut self, gone: &Gone, reason: &LeaveReason) {
        let Gone::Pending(contact) = gone else { return };
        let is_out_of_reach = matches!(
            reason,
            LeaveReason::ConnectFailed(ConnectionError::Io(_) | ConnectionError::TimedOut)
        );
        // A peer that was introduced and did not come is not asked for again.
        if !is_out_of_reach || contact.is_incoming || contact.is_punched {
            return;
        }
        let (address, now) = (contact.address, self.now);
        let Some(introducer) = self.roster.introducer(address) else { return };
        let is_there = self.peers.get(introducer).is_some() && self.extensions.may_punch();
        if is_there && self.punching().ask(now, introducer, address) {
            self.roster.note_asked(address);
            self.say(introducer, Holepunch::Rendezvous(address));
        }
    }

    /// A peer wants an introduction, or gives us one.
    pub(super) fn on_introduction(&mut self, key: PeerKey, message: Holepunch) {
        let now = self.now;
        let outcome = match message {
            Holepunch::Rendezvous(target) => self.on_rendezvous(key, target),
            Holepunch::Connect(address) => {
                self.on_connect(key, canonical(address));
                Ok(())
            }
            Holepunch::Error { target, .. } => {
                self.punching().on_error(now, key, canonical(target))
            }
            Holepunch::Unknown(_) => Ok(()),
        };
        if let Err(violation) = outcome {
            self.leave(key, LeaveReason::Violation(violation));
        }
    }

    /// A peer wants to meet another one.
    fn on_rendezvous(&mut self, key: PeerKey, target: SocketAddr) -> Result<(), Violation> {
        let now = self.now;
        if !self.punching().on_rendezvous(now, key)? {
            return Ok(());
        }
        match self.meeting(key, target) {
            Ok(Meeting { target: other, initiator_at }) => {
                if self.punching().introduce(now, other) {
                    self.say(key, Holepunch::Connect(target));
                    self.say(other, Holepunch::Connect(initiator_at));
                }
            }
            Err(reason) => self.say(key, Holepunch::Error { target, reason }),
        }
        Ok(())
    }

    fn meeting(&self, key: PeerKey, target: SocketAddr) -> Result<Meeting, HolepunchFailure> {
        match self.roster.judge(target) {
            AddressVerdict::Own => Err(HolepunchFailure::NoSelf),
            AddressVerdict::Usable => punching::find(&self.peers, key, target),
            // Nobody can be there.
            _ => Err(HolepunchFailure::NoSuchPeer),
        }
    }

    /// A peer has us connect to another one, which does the same.
    fn on_connect(&mut self, key: PeerKey, address: SocketAddr) {
        let Some(relay) = self.peers.contact(key).map(|contact| contact.address.ip()) else {
            return;
        };
        let now = self.now;
        // It is silent if it cannot be done (BEP 55, "implementation notes").
        if self.is_open() && self.punching().on_connect(now, key, address) {
            let (peers, out) = (&mut self.peers, &mut self.out);
            self.roster.punch(now, peers, out, Teller::peer(relay), address);
        }
    }

    fn punching(&mut self) -> &mut Punching {
        self.punching.get_or_insert_with(|| Box::new(Punching::new(self.now)))
    }

    fn say(&mut self, key: PeerKey, message: Holepunch) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if let Some(id) = peer.extensions.id(Extension::Holepunch) {
            self.out.send(self.now, peer, ExtensionMessage::holepunch(id, message).into());
        }
    }
}
