use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::{AddressScope, Host};

/// The judgement on whether others can reach us. A node that nobody can reach is read-only (D-15, BEP 43).
///
/// Behind most NATs and firewalls, datagrams come in from those alone whom we have written to in the last
/// minutes. So a query of anybody else proves that we are reachable, for an hour. If there is none though many
/// know us, we are not, and after another hour we take part again to see if that has changed.
///
/// Only the internet counts. Few hosts prove nothing by their silence, so that a small network of its own, where
/// everybody has written to everybody, is never without nodes that answer.
#[derive(Debug)]
pub(crate) struct Reach {
    state: State,
    /// The time at which the state began, or was proved last.
    since: Instant,
    /// Hosts that have answered us on trial, at most [`ENOUGH`].
    answered: HashSet<Host>,
    written_to: WrittenTo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// We take part, and see who comes.
    OnTrial,
    Reachable,
    Unreachable,
}

/// The time in which a stranger comes to a node that many know. A guess: in the Mainline DHT it takes a few
/// minutes.
const TRIAL: Duration = Duration::from_secs(15 * 60);

/// The hosts that have to know us before their silence counts.
const ENOUGH: usize = 64;

/// The time for which a proof holds, and for which we are read-only.
const HOLDS_FOR: Duration = Duration::from_secs(60 * 60);

impl Reach {
    /// `secret` is random, so that nobody knows whose hosts share a bit.
    pub(crate) fn new(now: Instant, secret: u64) -> Self {
        let written_to = WrittenTo::new(now, secret);
        Self { state: State::OnTrial, since: now, answered: HashSet::new(), written_to }
    }

    /// True if we are known to be out of reach.
    pub(crate) fn is_lost(&self) -> bool {
        self.state == State::Unreachable
    }

    /// A query goes out.
    pub(crate) fn on_sent(&mut self, now: Instant, to: SocketAddr) {
        self.written_to.insert(now, to);
    }

    /// A query has come in.
    pub(crate) fn on_query(&mut self, now: Instant, from: SocketAddr) {
        let is_fresh = now.saturating_duration_since(self.since) < PROOF_AGAIN;
        if self.state == State::Reachable && is_fresh {
            return;
        }
        if is_public(from) && !self.written_to.contains(now, from) {
            self.begin(State::Reachable, now);
        }
    }

    /// A query of ours was answered.
    pub(crate) fn on_answer(&mut self, from: SocketAddr) {
        if self.state == State::OnTrial && self.answered.len() < ENOUGH && is_public(from) {
            self.answered.insert(Host::of(from.ip()));
        }
    }

    /// We have another address, or another network.
    pub(crate) fn on_new_address(&mut self, now: Instant) {
        self.begin(State::OnTrial, now);
    }

    /// Takes note of the time. Called every few seconds.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        match self.state {
            State::OnTrial if passed >= TRIAL && self.answered.len() >= ENOUGH => {
                self.begin(State::Unreachable, now);
            }
            State::Reachable | State::Unreachable if passed >= HOLDS_FOR => {
                self.begin(State::OnTrial, now);
            }
            _ => {}
        }
    }

    fn begin(&mut self, state: State, now: Instant) {
        (self.state, self.since) = (state, now);
        self.answered.clear();
    }
}

/// The time after which a proof is worth another look.
const PROOF_AGAIN: Duration = Duration::from_secs(60);

fn is_public(address: SocketAddr) -> bool {
    AddressScope::of(address.ip()).is_public()
}

/// The hosts that we have written to in the last five to ten minutes, in which a NAT may let them through
/// (RFC 4787, REQ-5).
///
/// A host is a bit, which others may share: who is taken for one that we have written to proves nothing, and
/// somebody else comes.
#[derive(Debug)]
struct WrittenTo {
    secret: u64,
    /// Those of now, and those of before.
    bits: [Box<[u64; WORDS]>; 2],
    turns_at: Instant,
}

/// With 100 queries a second for five minutes, each to another host, a third of the bits is set.
const WORDS: usize = 1_024;

/// The time for which bits are gathered.
const GATHERED: Duration = Duration::from_secs(5 * 60);

impl WrittenTo {
    fn new(now: Instant, secret: u64) -> Self {
        let bits = [(); 2].map(|()| Box::new([0; WORDS]));
        Self { secret, bits, turns_at: now + GATHERED }
    }

    fn insert(&mut self, now: Instant, to: SocketAddr) {
        self.turn(now);
        let (word, bit) = self.place(to);
        self.bits[0][word] |= bit;
    }

    fn contains(&mut self, now: Instant, from: SocketAddr) -> bool {
        self.turn(now);
        let (word, bit) = self.place(from);
        self.bits.iter().any(|bits| bits[word] & bit != 0)
    }

    fn place(&self, address: SocketAddr) -> (usize, u64) {
        let mut hasher = DefaultHasher::new();
        (self.secret, Host::of(address.ip())).hash(&mut hasher);
        let hash = hasher.finish() as usize;
        (hash / 64 % WORDS, 1 << (hash % 64))
    }

    fn turn(&mut self, now: Instant) {
        // After a long silence both are too old.
        for _ in 0..2 {
            if now >= self.turns_at {
                self.bits.swap(0, 1);
                self.bits[0].fill(0);
                self.turns_at += GATHERED;
            }
        }
        self.turns_at = self.turns_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn host(n: u8) -> SocketAddr {
        ([20, n, 1, 1], 6881).into()
    }

    /// We ask so many hosts, and all of them answer.
    fn asked(now: Instant, hosts: u8) -> Reach {
        let mut reach = Reach::new(now, 1);
        for n in 0..hosts {
            reach.on_sent(now, host(n));
            reach.on_answer(host(n));
        }
        reach
    }

    #[test]
    fn a_node_that_many_know_and_no_stranger_asks_is_out_of_reach_for_an_hour() {
        // D-15
        let now = Instant::now();
        let mut reach = asked(now, 100);
        // Those whom we have written to come through a NAT.
        reach.on_query(now + MINUTE, host(1));
        reach.handle_timeout(now + TRIAL - MINUTE);
        assert!(!reach.is_lost());
        reach.handle_timeout(now + TRIAL);
        assert!(reach.is_lost());
        reach.handle_timeout(now + TRIAL + HOLDS_FOR);
        assert!(!reach.is_lost(), "it is on trial again");
        reach.handle_timeout(now + TRIAL * 9 + HOLDS_FOR);
        assert!(!reach.is_lost(), "nobody has answered it since");
    }

    #[test]
    fn a_query_of_a_stranger_is_a_proof_at_any_time() {
        // D-15
        let now = Instant::now();
        for asked_after in [MINUTE, TRIAL + MINUTE] {
            let mut reach = asked(now, 100);
            reach.handle_timeout(now + asked_after);
            reach.on_query(now + asked_after, host(200));
            assert!(!reach.is_lost());
            reach.handle_timeout(now + asked_after + HOLDS_FOR - MINUTE);
            assert!(!reach.is_lost());
        }
        let mut reach = asked(now, 100);
        reach.on_query(now + 3 * GATHERED, host(1));
        reach.handle_timeout(now + 3 * GATHERED);
        assert!(!reach.is_lost(), "a NAT has forgotten it by then");
    }

    #[test]
    fn a_small_or_local_network_and_a_new_address_prove_nothing() {
        // D-15
        let now = Instant::now();
        let mut small = asked(now, ENOUGH as u8 - 1);
        small.handle_timeout(now + TRIAL);
        assert!(!small.is_lost());
        let mut local = Reach::new(now, 1);
        (0..200u8).for_each(|n| local.on_answer(([192, 168, 0, n], 1).into()));
        local.on_query(now, ([192, 168, 0, 201], 1).into());
        local.handle_timeout(now + TRIAL);
        assert!(!local.is_lost());
        assert_eq!(local.state, State::OnTrial);
        let mut moved = asked(now, 100);
        moved.handle_timeout(now + TRIAL);
        moved.on_new_address(now + TRIAL);
        assert!(!moved.is_lost());
    }
}
