use std::collections::VecDeque;
use std::time::Instant;

use tinytorrent_wire::Message;

use crate::contract::{Action, Event};
use crate::peer::Peer;
use crate::timers::Timers;

/// All that the engine wants done: by the driver, by the application, and by itself later.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    pub(crate) timers: Timers,
}

impl Outbox {
    /// Has the driver do something.
    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Tells the application.
    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Tells the application, if there is something to tell.
    pub(crate) fn tell_if(&mut self, event: Option<Event>) {
        self.events.extend(event);
    }

    /// Sends a message to a peer. The rulebook of the conversation judges it like those of the peer: one
    /// that breaks a rule is a bug of ours, and is not sent.
    pub(crate) fn send(&mut self, now: Instant, peer: &mut Peer, message: Message) {
        // In a release it is better to be silent than to break a rule and be banned.
        if let Err(violation) = peer.session.handle_sent(&message) {
            debug_assert!(false, "{violation}: {message:?}");
            return;
        }
        peer.timing.last_sent = now;
        self.actions.push_back(Action::Send { peer: peer.key, message });
    }

    /// Sets a reminder for what is due next with the peer, unless an earlier one is set.
    pub(crate) fn arm(&mut self, peer: &mut Peer) {
        let deadline = peer.deadline();
        // Deadlines move with every message; only an earlier one needs a new entry.
        if peer.timing.arm(deadline) {
            self.timers.remind(deadline, peer.key);
        }
    }

    /// Returns true if there is nothing for the driver to do.
    pub(crate) fn has_no_action(&self) -> bool {
        self.actions.is_empty()
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Gives back the memory of queues that are empty: most torrents have nothing to do for minutes.
    pub(crate) fn rest(&mut self) {
        if self.actions.is_empty() {
            self.actions = VecDeque::new();
        }
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

#[cfg(test)]
impl Outbox {
    /// The messages for this peer, and no action any more.
    pub(crate) fn take_messages(&mut self, to: crate::PeerKey) -> Vec<Message> {
        let messages = self.actions.drain(..).filter_map(|action| match action {
            Action::Send { peer, message } if peer == to => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// The actions.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        self.actions.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::testing::peer;

    #[test]
    fn a_message_is_judged_and_noted_before_it_goes_out() {
        let (now, mut out) = (Instant::now(), Outbox::default());
        let mut peer = peer(now, 1);
        let later = now + std::time::Duration::from_secs(1);
        out.send(later, &mut peer, Message::Unchoke);
        assert!(!peer.is_choked());
        assert_eq!(peer.timing.last_sent, later);
        assert_eq!(out.take_messages(peer.key), [Message::Unchoke]);
    }

    #[test]
    #[should_panic(expected = "rejects what nobody asked for")]
    #[cfg(debug_assertions)]
    fn a_breach_of_our_own_is_a_bug() {
        let mut peer = peer(Instant::now(), 1);
        let request = tinytorrent_wire::Request { index: 0, begin: 0, length: 1 };
        Outbox::default().send(Instant::now(), &mut peer, Message::Reject(request));
    }
}
