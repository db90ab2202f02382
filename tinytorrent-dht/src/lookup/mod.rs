use std::net::SocketAddr;

use crate::table::K;
use crate::{NodeId, NodeInfo};

mod networks;
#[cfg(test)]
mod tests;

use networks::Networks;

/// The search for the nodes closest to a target, in one address family.
///
/// - The closest nodes that are known are asked, some at a time. What they name comes in, in order.
/// - A node that is slow makes room for the next one, and is not waited for in the end, unless there are too
///   few others. Its answer still counts.
/// - It ends when the closest nodes that answer have all answered (D-40).
/// - A host is asked once, and so is a subnet; a larger network is asked twice (D-41). Nodes whose id does not fit their address are asked, but
///   neither count for the end nor get anything to store (D-42).
#[derive(Debug)]
pub(crate) struct Lookup {
    target: NodeId,
    /// The nodes that may be waited for at a time.
    branching: usize,
    /// By distance, the closest first.
    contacts: Vec<Contact>,
    /// Addresses to begin with, whose ids are not known.
    entries: Vec<(SocketAddr, State)>,
    /// Those of the contacts.
    networks: Networks,
    queries: u32,
    answers: u32,
}

#[derive(Debug)]
struct Contact {
    node: NodeInfo,
    state: State,
    /// Its id fits its address.
    counts: bool,
    token: Option<Box<[u8]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Asked, and waited for.
    Asked,
    /// Asked, and waited for only if there are too few others.
    Slow,
    /// Asked, and waited for only if nobody has answered.
    GivenUp,
    Answered,
    Failed,
}

/// The nodes that are kept. Those far behind the closest ones are never asked.
const MOST_CONTACTS: usize = 128;

/// The queries of a look-up. Honest networks need a tenth; a network of liars can go on naming closer nodes.
const MOST_QUERIES: u32 = 256;

impl Lookup {
    pub(crate) fn new(target: NodeId, branching: usize) -> Self {
        let (contacts, entries, networks) = Default::default();
        let branching = branching.max(1);
        Self { target, branching, contacts, entries, networks, queries: 0, answers: 0 }
    }

    /// Adds a node that is known or was named.
    pub(crate) fn add(&mut self, node: NodeInfo) {
        let at = self.position(node.id);
        if at >= MOST_CONTACTS
            || self.contacts.get(at).is_some_and(|known| known.node.id == node.id)
        {
            return;
        }
        if !self.networks.take(node.address) {
            return;
        }
        // Once is enough.
        self.entries.retain(|&(entry, state)| entry != node.address || state != State::New);
        let counts = node.id.fits_address(node.address.ip());
        self.contacts.insert(at, Contact { node, state: State::New, counts, token: None });
        // Those that are asked stay, since their answers find them by their place.
        if self.contacts.len() > MOST_CONTACTS
            && let Some(last) = self.contacts.pop_if(|last| last.state == State::New)
        {
            self.networks.free(last.node.address);
        }
    }

    /// Adds an address to begin with, which is asked if there is nobody else to ask.
    pub(crate) fn add_entry(&mut self, address: SocketAddr) {
        let is_entry = self.entries.iter().any(|(known, _)| *known == address);
        let is_known = self.contacts.iter().any(|contact| contact.node.address == address);
        if !is_entry && !is_known {
            self.entries.push((address, State::New));
        }
    }

    /// The next node to ask, with its id if that is known. It counts as asked.
    pub(crate) fn next(&mut self) -> Option<(SocketAddr, Option<NodeId>)> {
        if self.waited_for() >= self.branching || self.queries >= MOST_QUERIES {
            return None;
        }
        let front = self.front_length();
        let next = self.contacts[..front].iter_mut().find(|contact| contact.state == State::New);
        if let Some(contact) = next {
            contact.state = State::Asked;
            let node = contact.node;
            self.queries += 1;
            return Some((node.address, Some(node.id)));
        }
        if self.answered() >= K {
            return None;
        }
        let (address, state) = self.entries.iter_mut().find(|(_, state)| *state == State::New)?;
        *state = State::Asked;
        self.queries += 1;
        Some((*address, None))
    }

    /// A node has answered. The nodes that it named are added apart from this.
    pub(crate) fn on_answer(&mut self, from: SocketAddr, id: NodeId, token: Option<&[u8]>) {
        self.answers += 1;
        if self.set_entry(from, State::Answered) {
            // Now that its id is known, it is a node like others, and may be one of the closest.
            self.add(NodeInfo { id, address: from });
        }
        if let Some(contact) = self.contact_mut(from) {
            // Who has another id than the one that it was asked by is not where it was said to be.
            let is_itself = contact.node.id == id;
            contact.state = if is_itself { State::Answered } else { State::Failed };
            contact.token = token.filter(|_| is_itself).map(Into::into);
        }
    }

    /// A node has not answered for some time: it makes room for the next one (D-39).
    pub(crate) fn on_slow(&mut self, address: SocketAddr) {
        self.set_entry(address, State::Slow);
        if let Some(contact) = self.contact_mut(address) {
            contact.state = State::Slow;
        }
    }

    /// A node has not answered for longer than nodes take.
    pub(crate) fn on_given_up(&mut self, address: SocketAddr) {
        self.set_entry(address, State::GivenUp);
        if let Some(contact) = self.contact_mut(address) {
            contact.state = State::GivenUp;
        }
    }

    /// A node will not answer any more, or refused.
    pub(crate) fn on_failure(&mut self, address: SocketAddr) {
        self.set_entry(address, State::Failed);
        if let Some(contact) = self.contact_mut(address) {
            contact.state = State::Failed;
        }
    }

    /// True if nobody has to be asked or waited for.
    pub(crate) fn is_done(&self) -> bool {
        if self.waited_for() > 0 {
            return false;
        }
        let is_exhausted = self.queries >= MOST_QUERIES;
        let has_next = self.front().any(|contact| contact.state == State::New);
        if has_next && !is_exhausted {
            return false;
        }
        if self.answered() >= K {
            return true;
        }
        // Too few answers: whoever may still answer is worth the wait.
        let states = self.contacts.iter().map(|contact| contact.state);
        let entries = self.entries.iter().map(|(_, state)| *state);
        !states.chain(entries).any(|state| match state {
            State::New => !is_exhausted,
            State::Slow => true,
            State::GivenUp => self.answers == 0,
            State::Asked | State::Answered | State::Failed => false,
        })
    }

    /// The closest nodes that answered, whose ids fit their addresses.
    pub(crate) fn closest(&self) -> impl Iterator<Item = NodeInfo> {
        self.answered_contacts().map(|contact| contact.node)
    }

    /// The closest nodes that answered with a token, and the token (D-44).
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (NodeInfo, &[u8])> {
        self.answered_contacts()
            .filter_map(|contact| Some((contact.node, contact.token.as_deref()?)))
    }

    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    /// The queries so far, and the answers to them.
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.queries, self.answers)
    }

    fn answered_contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts
            .iter()
            .filter(|contact| contact.counts && contact.state == State::Answered)
            .take(K)
    }

    fn answered(&self) -> usize {
        self.answered_contacts().count()
    }

    fn waited_for(&self) -> usize {
        let states = self.contacts.iter().map(|contact| contact.state);
        let entries = self.entries.iter().map(|(_, state)| *state);
        states.chain(entries).filter(|state| *state == State::Asked).count()
    }

    /// The contacts up to the last of the [`K`] closest that answered or are waited for.
    fn front_length(&self) -> usize {
        let mut alive = 0;
        let is_behind = |contact: &Contact| {
            let is_alive = matches!(contact.state, State::Answered | State::Asked);
            alive += usize::from(is_alive && contact.counts);
            alive >= K
        };
        self.contacts.iter().position(is_behind).unwrap_or(self.contacts.len())
    }

    fn front(&self) -> impl Iterator<Item = &Contact> {
        self.contacts[..self.front_length()].iter()
    }

    fn contact_mut(&mut self, address: SocketAddr) -> Option<&mut Contact> {
        self.contacts.iter_mut().find(|contact| contact.node.address == address)
    }

    /// Sets the state of an entry that was asked. Returns false if there is none with this address.
    fn set_entry(&mut self, address: SocketAddr, to: State) -> bool {
        let mut asked = self.entries.iter_mut().filter(|(_, state)| *state != State::New);
        let entry = asked.find(|(known, _)| *known == address);
        entry.map(|(_, state)| *state = to).is_some()
    }

    fn position(&self, id: NodeId) -> usize {
        let distance = id.distance(self.target);
        self.contacts.partition_point(|contact| contact.node.id.distance(self.target) < distance)
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.contacts.is_sorted_by_key(|contact| contact.node.id.distance(self.target)));
        assert!(self.contacts.len() <= MOST_CONTACTS + self.queries as usize);
        assert!(self.waited_for() <= self.branching);
        assert!(self.answers <= self.queries && self.queries <= MOST_QUERIES);
        let tokens = self.contacts.iter().filter(|contact| contact.token.is_some());
        assert!({ tokens }.all(|contact| contact.state == State::Answered));
    }
}
