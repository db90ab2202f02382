//! Introductions: two peers that nobody can reach connect to each other by uTP, at the word of a third (BEP 55).
//!
//! ```text
//!    initiator ──rendezvous──▶ relay
//!    initiator ◀───connect──── relay ────connect───▶ target
//!    initiator ◀════════════ uTP, begun by both ═══▶ target
//! ```
//!
//! Anybody may lie. What that costs is bounded by peer and in all:
//! - An initiator has the relay send two messages, and the target connect to the host from which it asks: to no third.
//! - A relay has us connect to an address that it could have named by the exchange as well (BEP 11): to five, and one
//!   more in ten seconds.
//! - Errors, and answers to what nobody asked, have us do nothing.

mod allowance;
mod asks;
mod relay;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_wire::session::{Rule, Side, Violation};

use self::allowance::{Allowance, Limit};
use self::asks::Asks;
pub(crate) use self::relay::{Meeting, find};
use crate::PeerKey;
use crate::contract::Introductions;

/// The introductions of a torrent: those that we asked for, and limits on those that others have us make.
#[derive(Debug)]
pub(crate) struct Punching {
    asks: Asks,
    /// Introductions that we made for others.
    relayed: Allowance,
    /// Addresses that we connected to unasked.
    obeyed: Allowance,
    /// Peers that sent such messages, or were sent some.
    peers: BTreeMap<PeerKey, Dealings>,
    pub(crate) counts: Introductions,
}

/// The messages between one peer and us, as far as they are limited.
#[derive(Debug)]
struct Dealings {
    /// Messages that it sends of its own accord.
    messages: Allowance,
    /// Introductions that it asks for and gets.
    answered: Allowance,
    /// Introductions to it, of others.
    introduced: Allowance,
    /// Introductions that we ask it for.
    asked: Allowance,
    /// Addresses to which it sends us unasked.
    obeyed: Allowance,
}

/// Messages of one peer that are no flood. A busy client asks as quickly as its dials fail, for each of the hundred
/// addresses of a first message of the exchange, a few times over.
const MESSAGES: Limit = Limit { at_once: 400, each: Duration::from_secs(1) };

/// Introductions for one peer. Those beyond are ignored, and so it can be with those that we ask for.
const ANSWERED: Limit = Limit { at_once: 20, each: Duration::from_secs(2) };

/// Introductions for all peers: some kilobytes a second.
const RELAYED: Limit = Limit { at_once: 100, each: Duration::from_millis(200) };

/// Introductions to one peer, which takes about so many itself.
const INTRODUCED: Limit = Limit { at_once: 10, each: Duration::from_secs(5) };

/// Addresses to which one peer may send us. A peer that cannot be reached is introduced to few at a time.
const OBEYED: Limit = Limit { at_once: 5, each: Duration::from_secs(10) };

/// Addresses to which all peers together may send us.
const OBEYED_IN_ALL: Limit = Limit { at_once: 20, each: Duration::from_secs(2) };

impl Punching {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            asks: Asks::default(),
            relayed: Allowance::new(now),
            obeyed: Allowance::new(now),
            peers: BTreeMap::new(),
            counts: Introductions::default(),
        }
    }

    /// Returns true if this peer may be asked now for an introduction to the target. It is noted as asked for.
    pub(crate) fn ask(&mut self, now: Instant, relay: PeerKey, target: SocketAddr) -> bool {
        let may_ask = self.dealings(now, relay).asked.take(now, ANSWERED);
        if may_ask {
            self.asks.add(now, relay, target);
            self.counts.asked += 1;
        }
        may_ask
    }

    /// A relay says to connect to an address. Returns true if that may be done.
    pub(crate) fn on_connect(&mut self, now: Instant, relay: PeerKey, to: SocketAddr) -> bool {
        // Any stranger can have an honest relay send these, so that many are no fault of the relay.
        self.asks.end(now, relay, to)
            || (self.dealings(now, relay).obeyed.take(now, OBEYED)
                && self.obeyed.take(now, OBEYED_IN_ALL))
    }

    /// A relay says that an introduction failed.
    ///
    /// # Errors
    /// It says so again and again, of what nobody asked.
    pub(crate) fn on_error(
        &mut self,
        now: Instant,
        relay: PeerKey,
        target: SocketAddr,
    ) -> Result<(), Violation> {
        if self.asks.end(now, relay, target) {
            self.counts.refused += 1;
            return Ok(());
        }
        self.count_message(now, relay)
    }

    /// A peer asks for an introduction. Returns true if it is to be answered.
    ///
    /// # Errors
    /// It asks far too often.
    pub(crate) fn on_rendezvous(&mut self, now: Instant, from: PeerKey) -> Result<bool, Violation> {
        self.count_message(now, from)?;
        Ok(self.dealings(now, from).answered.take(now, ANSWERED))
    }

    /// Returns true if a peer may be introduced to this one now. It is counted.
    pub(crate) fn introduce(&mut self, now: Instant, target: PeerKey) -> bool {
        let may_introduce = self.dealings(now, target).introduced.take(now, INTRODUCED)
            && self.relayed.take(now, RELAYED);
        self.counts.relayed += u32::from(may_introduce);
        may_introduce
    }

    /// A peer is gone.
    pub(crate) fn leave(&mut self, peer: PeerKey) {
        self.peers.remove(&peer);
        self.asks.leave(peer);
    }

    fn count_message(&mut self, now: Instant, from: PeerKey) -> Result<(), Violation> {
        let rule = Rule::NoHolepunchFlood;
        let flood = Violation { from: Side::Peer, message: "extended", rule };
        self.dealings(now, from).messages.take(now, MESSAGES).then_some(()).ok_or(flood)
    }

    fn dealings(&mut self, now: Instant, peer: PeerKey) -> &mut Dealings {
        self.peers.entry(peer).or_insert_with(|| Dealings {
            messages: Allowance::new(now),
            answered: Allowance::new(now),
            introduced: Allowance::new(now),
            asked: Allowance::new(now),
            obeyed: Allowance::new(now),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerKey = PeerKey::new(1, 0);
    const B: PeerKey = PeerKey::new(2, 0);

    fn address(n: u32) -> SocketAddr {
        SocketAddr::from((n.to_be_bytes(), 6881))
    }

    #[test]
    fn whoever_asks_too_often_is_ignored_and_then_a_flood() {
        // X-29
        let now = Instant::now();
        let mut punching = Punching::new(now);
        let answers: Vec<_> =
            (0..MESSAGES.at_once).map(|_| punching.on_rendezvous(now, A)).collect();
        assert!(answers.iter().all(Result::is_ok));
        let answered = answers.iter().filter(|answer| **answer == Ok(true)).count();
        assert_eq!(answered, ANSWERED.at_once as usize);
        assert!(punching.on_rendezvous(now, A).is_err());
        assert_eq!(punching.on_rendezvous(now, B), Ok(true), "another has done nothing");
        punching.leave(A);
        assert_eq!(punching.on_rendezvous(now, A), Ok(true), "nothing is kept of who is gone");
    }

    #[test]
    fn strangers_have_us_connect_to_a_few_addresses_and_those_we_asked_for() {
        // X-29
        let now = Instant::now();
        let mut punching = Punching::new(now);
        assert!(punching.ask(now, A, address(9)));
        let obeyed = (100..200).filter(|&n| punching.on_connect(now, A, address(n))).count();
        assert_eq!(obeyed, OBEYED.at_once as usize);
        assert!(!punching.on_connect(now, A, address(8)), "nobody asked it for this one");
        assert!(punching.on_connect(now, A, address(9)));
        assert!(!punching.on_connect(now, A, address(9)), "once");
        let all = (0..100).filter(|&n| punching.on_connect(now, PeerKey::new(n, 1), address(n)));
        assert_eq!(all.count() + obeyed, OBEYED_IN_ALL.at_once as usize);
    }

    #[test]
    fn an_answer_counts_from_whom_it_was_asked_of() {
        let now = Instant::now();
        let mut punching = Punching::new(now);
        punching.ask(now, A, address(1));
        assert_eq!(punching.on_error(now, B, address(1)), Ok(()));
        assert_eq!((punching.counts.asked, punching.counts.refused), (1, 0));
        assert_eq!(punching.on_error(now, A, address(1)), Ok(()));
        assert_eq!(punching.counts.refused, 1);
        let mut lies = (0..=MESSAGES.at_once).map(|n| punching.on_error(now, A, address(n)));
        assert!(lies.any(|lie| lie.is_err()), "a flood of errors ends");
    }

    #[test]
    fn one_peer_is_introduced_to_few_whoever_asks() {
        // X-29
        let now = Instant::now();
        let mut punching = Punching::new(now);
        let to_one = (0..100).filter(|_| punching.introduce(now, A)).count();
        assert_eq!(to_one, INTRODUCED.at_once as usize);
        let to_others = (0..1_000).filter(|&n| punching.introduce(now, PeerKey::new(n, 1))).count();
        assert_eq!(to_one + to_others, RELAYED.at_once as usize);
        assert_eq!(punching.counts.relayed, RELAYED.at_once);
    }

    #[test]
    fn a_relay_is_asked_for_no_more_than_it_would_answer() {
        let now = Instant::now();
        let mut punching = Punching::new(now);
        let asked = (0..100).filter(|&n| punching.ask(now, A, address(n))).count();
        assert_eq!(asked, ANSWERED.at_once as usize);
        assert!(punching.ask(now + ANSWERED.each, A, address(101)));
    }
}
