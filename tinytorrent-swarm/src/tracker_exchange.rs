//! The exchange of trackers with peers (BEP 28).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tinytorrent_tracker::{TrackerId, TrackerUrl};
use tinytorrent_types::AddressScope;
use tinytorrent_wire::extension::{Extension, TexMessage};

use crate::config::{Sha1, SwarmConfig};
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::trackers::Trackers;

/// The trackers that peers are told of, and those that they have told of.
///
/// A stranger can name any host, so that a learned tracker comes after all others, is forgotten once it has failed a
/// few times, and is told to nobody before it has answered.
#[derive(Debug)]
pub(crate) struct TrackerExchange {
    /// Those that peers are told of: the torrent's own, then learned ones that have answered. It only grows, as peers
    /// count by it.
    told: Vec<TrackerId>,
    /// Learned ones that are there, and how often each has failed.
    learned: Vec<(TrackerId, u8)>,
    /// Trackers learned in this run, those that were forgotten included.
    total: usize,
    /// SHA-1 of those that peers are told of.
    hash: Option<[u8; 20]>,
    sha1: Option<Sha1>,
}

/// What was said of trackers on one connection.
#[derive(Debug, Default)]
pub(crate) struct TrackerTalk {
    /// The hash of the peer's own list, by its handshake.
    pub(crate) list: Option<[u8; 20]>,
    /// Trackers that the peer was told of; `None` before the first time.
    told: Option<usize>,
    next: Option<Instant>,
    /// Trackers that it told of and that were new.
    learned: usize,
}

/// BEP 28, "extension message": no more than one message in two minutes.
const INTERVAL: Duration = Duration::from_secs(120);

/// Learned trackers at a time, over all peers of the torrent, and in a run.
const MOST: usize = 16;
const MOST_IN_A_RUN: usize = 64;

/// New trackers that one peer can tell of.
const MOST_OF_A_PEER: usize = 4;

/// Failures without an answer after which a learned tracker is forgotten.
const MAX_FAILURES: u8 = 3;

impl TrackerExchange {
    /// `None` if there is to be none.
    pub(crate) fn new(config: &SwarmConfig, trackers: &Trackers) -> Option<Box<Self>> {
        let public = config.tracker_exchange.as_ref()?;
        let told = public.iter().filter_map(|url| trackers.find(&url.parse().ok()?));
        let mut told: Vec<_> = told.collect();
        told.dedup();
        let mut exchange =
            Self { told, learned: Vec::new(), total: 0, hash: None, sha1: config.sha1 };
        exchange.hash_list(trackers);
        Some(Box::new(exchange))
    }

    /// SHA-1 of the list, for the handshake; `None` without trackers.
    pub(crate) fn hash(&self) -> Option<[u8; 20]> {
        self.hash
    }

    /// Takes in the trackers that a peer tells of.
    pub(crate) fn learn(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        message: &TexMessage,
        trackers: &mut Trackers,
    ) {
        let from = peer.contact.address.ip();
        for url in message.added.iter().filter_map(|url| url.parse::<TrackerUrl>().ok()) {
            if self.learned.len() >= MOST
                || self.total >= MOST_IN_A_RUN
                || peer.tracker_talk.learned >= MOST_OF_A_PEER
            {
                return;
            }
            if may_be_told(&url, from)
                && let Some(id) = trackers.learn(now, url)
            {
                self.learned.push((id, 0));
                self.total += 1;
                peer.tracker_talk.learned += 1;
            }
        }
    }

    /// Takes in whether a tracker has answered. A learned one that never does is forgotten.
    pub(crate) fn note(
        &mut self,
        now: Instant,
        id: TrackerId,
        has_answered: bool,
        trackers: &mut Trackers,
    ) {
        let Some(at) = self.learned.iter().position(|(learned, _)| *learned == id) else { return };
        if has_answered {
            if !self.told.contains(&id) {
                self.told.push(id);
                self.hash_list(trackers);
            }
            self.learned[at].1 = 0;
            return;
        }
        self.learned[at].1 += 1;
        if self.learned[at].1 >= MAX_FAILURES && !self.told.contains(&id) {
            self.learned.swap_remove(at);
            trackers.forget(now, id);
        }
    }

    /// Tells a peer of the trackers that it has not been told of, if it is time.
    pub(crate) fn send(
        &self,
        now: Instant,
        peer: &mut Peer,
        trackers: &Trackers,
        out: &mut Outbox,
    ) {
        let Some(to) = peer.extensions.id(Extension::TrackerExchange) else { return };
        if peer.tracker_talk.next.is_some_and(|next| now < next) {
            return;
        }
        let has_same = peer.tracker_talk.list.is_some() && peer.tracker_talk.list == self.hash;
        let from = peer.tracker_talk.told.unwrap_or(if has_same { self.told.len() } else { 0 });
        let news = &self.told[from..];
        peer.tracker_talk.told = Some(self.told.len());
        let address = peer.contact.address.ip();
        let urls = news.iter().filter_map(|id| trackers.url(*id));
        let urls = urls.filter(|url| may_be_told(url, address)).map(TrackerUrl::to_string);
        let added: Vec<_> = urls.take(TexMessage::MAX_TRACKERS).collect();
        if !added.is_empty() {
            peer.tracker_talk.next = Some(now + INTERVAL);
            out.send(now, peer, TexMessage { added }.to_message(to).into());
        }
    }

    /// The torrent is private (BEP 27): what was learned is not used.
    pub(crate) fn end(self, now: Instant, trackers: &mut Trackers) {
        for (id, _) in self.learned {
            trackers.forget(now, id);
        }
    }

    /// BEP 28, "extension header".
    fn hash_list(&mut self, trackers: &Trackers) {
        let urls = self.told.iter().filter_map(|id| trackers.url(*id));
        let mut urls: Vec<_> = urls.map(|url| normalized(&url.to_string())).collect();
        urls.sort_unstable();
        self.hash = self.sha1.filter(|_| !urls.is_empty()).map(|sha1| sha1(&urls.concat()));
    }

    /// Panics if the lists contradict each other or their limits.
    pub(crate) fn check_invariants(&self) {
        assert!(self.learned.len() <= MOST && self.total <= MOST_IN_A_RUN);
        assert!(self.learned.len() <= self.total);
    }
}

/// Returns true if a host at this address and we may tell each other of the tracker: it bears no credentials, and is in
/// nobody's local network but our common one.
fn may_be_told(url: &TrackerUrl, other: IpAddr) -> bool {
    let is_local = |host: &str| match host.parse::<IpAddr>() {
        Ok(ip) => AddressScope::of(ip).is_local(),
        Err(_) => !host.contains('.'),
    };
    url.user_info().is_none()
        && (!is_local(url.host_to_resolve()) || AddressScope::of(other).is_local())
}

/// The URL with escapes as BEP 28 wants them: none of what need not be escaped (RFC 2396, "unreserved"), others with
/// small digits. Scheme and host of a parsed one are in small letters.
fn normalized(url: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        rest = tail;
        let Some((high, low)) = escaped else {
            out.push(*first);
            continue;
        };
        let byte = high << 4 | low;
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02x}").as_bytes());
        }
        rest = &tail[2..];
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BEP 28, "extension header".
    #[test]
    fn urls_are_compared_without_needless_escapes() {
        for (url, expected) in [
            ("http://a/%7e%41%2D?b=%FF%2f", "http://a/~A-?b=%ff%2f"),
            ("udp://a:1/100%", "udp://a:1/100%"),
            ("udp://a:1/%4", "udp://a:1/%4"),
            ("udp://a:1/%zz%41", "udp://a:1/%zzA"),
        ] {
            assert_eq!(normalized(url), expected.as_bytes());
        }
    }

    #[test]
    fn nobody_is_told_of_credentials_or_of_another_network() {
        let [here, there] = [[10, 0, 0, 1], [20, 0, 0, 1]].map(IpAddr::from);
        for (url, to_here, to_there) in [
            ("http://tracker.example/announce?key=1", true, true),
            ("http://me:secret@tracker.example/announce", false, false),
            ("http://192.168.0.7/announce", true, false),
            ("udp://[::1]:80/announce", true, false),
            ("http://intranet/announce", true, false),
            ("udp://20.0.0.9:80", true, true),
        ] {
            let url = url.parse().unwrap();
            assert_eq!((may_be_told(&url, here), may_be_told(&url, there)), (to_here, to_there));
        }
    }
}
