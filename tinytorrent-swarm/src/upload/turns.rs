use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tinytorrent_types::Host;

use crate::PeerKey;
use crate::peer::Contact;

/// The host of a peer, by which its turns are counted. Peers on this machine each have their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Seat {
    Host(Host),
    Here(PeerKey),
}

impl Seat {
    pub(super) fn of(key: PeerKey, contact: &Contact) -> Self {
        let host = Host::of(contact.address.ip());
        if host.is_loopback() { Seat::Here(key) } else { Seat::Host(host) }
    }
}

/// The last slot of each host, lest one that connects anew come before those who wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    last: HashMap<Host, Instant>,
    /// The same, the oldest first, with entries that were replaced.
    order: VecDeque<(Host, Instant)>,
}

/// Hosts to remember, each of about 100 bytes: many times as many as have a turn in an hour.
const MAX_HOSTS: usize = 4_096;

impl Turns {
    /// Notes that a peer has a slot, or loses it.
    pub(super) fn note(&mut self, now: Instant, contact: &Contact) {
        let host = Host::of(contact.address.ip());
        self.last.insert(host, now);
        self.order.push_back((host, now));
        if self.order.len() > MAX_HOSTS
            && let Some((oldest, at)) = self.order.pop_front()
            && self.last.get(&oldest) == Some(&at)
        {
            self.last.remove(&oldest);
        }
    }

    /// The last time that a peer of this host had a slot.
    pub(super) fn last(&self, contact: &Contact) -> Option<Instant> {
        self.last.get(&Host::of(contact.address.ip())).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn contact(host: [u8; 4]) -> Contact {
        Contact::incoming((host, 1).into())
    }

    #[test]
    fn the_last_turns_are_remembered() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut turns = Turns::default();
        turns.note(start, &contact([1, 1, 1, 1]));
        turns.note(start + second, &contact([1, 1, 1, 1]));
        assert_eq!(turns.last(&contact([1, 1, 1, 1])), Some(start + second));
        assert_eq!(turns.last(&contact([1, 1, 1, 2])), None);
        for n in 0..MAX_HOSTS as u32 {
            turns.note(start, &contact((10 << 24 | n).to_be_bytes()));
        }
        assert_eq!(turns.last(&contact([1, 1, 1, 1])), None);
        assert!(turns.last.len() <= MAX_HOSTS && turns.order.len() <= MAX_HOSTS);
    }
}
