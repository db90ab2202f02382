use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tinytorrent_types::{AddressFilter, AddressScope, AddressVerdict, PeerId, WireInfoHash};

use crate::Deviation;

/// The value of `left` that is sent while it is not known, before a magnet link has its metadata.
///
/// Trackers require the parameter, and some refuse -1 and numbers above `i64::MAX`. Zero would
/// make us a seed. libtorrent sends the size of one block, too.
pub const UNKNOWN_LEFT: u64 = 16 * 1024;

/// An announce of a client to a tracker, about one torrent (BEP 3, BEP 15).
///
/// The same value is sent over UDP and HTTP. [`new`](Self::new) sets the fields that most clients
/// leave alone; all are public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceRequest {
    /// The info-hash of the torrent. A hybrid announces twice, see [`hybrid`](Self::hybrid).
    pub info_hash: WireInfoHash,
    /// Our peer id, the same for the whole run.
    pub peer_id: PeerId,
    /// The port at which we accept peers; not the source port of the request.
    pub port: u16,
    /// Bytes of payload sent since `started`.
    pub uploaded: u64,
    /// Bytes of payload received since `started`, without those that were on disk before.
    pub downloaded: u64,
    /// Bytes of the whole torrent that are still missing; `None` if that is not known yet, and
    /// then [`UNKNOWN_LEFT`] is sent.
    pub left: Option<u64>,
    /// The reason for the announce.
    pub event: AnnounceEvent,
    /// Peers wanted; `None` leaves it to the tracker.
    pub num_want: Option<u32>,
    /// 32 random bits, the same for both families and the whole run of a torrent, by which the
    /// tracker knows that two addresses are one peer (BEP 7, BEP 15).
    pub key: u32,
    /// An address to publish instead of the source of the request; only if the user asks for it,
    /// and IPv4 only over UDP.
    pub ip: Option<IpAddr>,
    /// The last `tracker id` that this tracker gave, to be sent back; HTTP only.
    pub tracker_id: Option<Vec<u8>>,
}

impl AnnounceRequest {
    /// A regular announce with nothing uploaded or downloaded, and `left` unknown.
    pub fn new(info_hash: WireInfoHash, peer_id: PeerId, port: u16, key: u32) -> Self {
        Self {
            info_hash,
            peer_id,
            port,
            key,
            uploaded: 0,
            downloaded: 0,
            left: None,
            event: AnnounceEvent::None,
            num_want: None,
            ip: None,
            tracker_id: None,
        }
    }

    /// The second announce of a hybrid torrent, under its other hash.
    pub fn hybrid(&self, other: WireInfoHash) -> Self {
        // A tracker may treat both swarms as one, and would count the transfer twice.
        Self { info_hash: other, uploaded: 0, downloaded: 0, ..self.clone() }
    }

    /// The number that stands for `left` on the wire.
    pub fn left_on_wire(&self) -> u64 {
        self.left.unwrap_or(UNKNOWN_LEFT)
    }
}

/// The reason for an announce (BEP 3; `Paused` is BEP 21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AnnounceEvent {
    /// The interval has passed, or peers are short.
    #[default]
    None,
    /// The first announce to this tracker.
    Started,
    /// The download is complete; not sent if it was complete at the start.
    Completed,
    /// The last announce.
    Stopped,
    /// Every announce of a partial seed, which is incomplete and downloads nothing more (BEP 21).
    /// HTTP only: BEP 15 has no number for it, so a UDP announce has `None`.
    Paused,
}

impl AnnounceEvent {
    /// The value of the `event` parameter; none for a regular announce.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            AnnounceEvent::None => None,
            AnnounceEvent::Started => Some("started"),
            AnnounceEvent::Completed => Some("completed"),
            AnnounceEvent::Stopped => Some("stopped"),
            AnnounceEvent::Paused => Some("paused"),
        }
    }
}

/// The response of a tracker to an announce, over HTTP or UDP. Everything is optional, since
/// trackers leave out any field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnounceResponse {
    /// Other peers of the swarm, unfiltered and in the order of the tracker.
    pub peers: Vec<Peer>,
    /// Peers with a host name instead of an address (BEP 3 allows it); the caller has to resolve
    /// them.
    pub named_peers: Vec<NamedPeer>,
    /// The time until the next regular announce, as the tracker sent it.
    /// [`Schedule`](crate::Schedule) clamps it.
    pub interval: Option<Duration>,
    /// The shortest time between two announces.
    pub min_interval: Option<Duration>,
    /// The number of complete peers.
    pub seeders: Option<u32>,
    /// The number of incomplete peers.
    pub leechers: Option<u32>,
    /// The number of peers that have ever completed.
    pub downloaded: Option<u32>,
    /// A value to send back with the next announce to this tracker.
    pub tracker_id: Option<Vec<u8>>,
    /// Our address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// The address at which the tracker was reached; `None` if that is not known, as through a
    /// proxy. It is not part of the response on the wire: whoever sent the request fills it in. A
    /// tracker on the internet has no business to name peers at local addresses.
    pub reached_at: Option<IpAddr>,
    /// A message for the user; the announce has succeeded all the same.
    pub warning: Option<String>,
    /// Harmless deviations of the response from the rules.
    pub deviations: Vec<Deviation>,
}

impl AnnounceResponse {
    /// Adds the response to another announce of the same torrent to the same tracker: over the
    /// other family, or under the other hash of a hybrid. Of counts and times the larger ones are
    /// kept, and of the addresses of the tracker one that is not local.
    pub fn merge(&mut self, other: AnnounceResponse) {
        // Counts are not added: most peers are in both responses.
        let known: std::collections::HashSet<SocketAddr> =
            self.peers.iter().map(|peer| peer.address).collect();
        self.peers.extend(other.peers.into_iter().filter(|peer| !known.contains(&peer.address)));
        self.named_peers.extend(other.named_peers);
        // The longer times are allowed by both responses.
        self.interval = self.interval.max(other.interval);
        self.min_interval = self.min_interval.max(other.min_interval);
        self.seeders = self.seeders.max(other.seeders);
        self.leechers = self.leechers.max(other.leechers);
        self.downloaded = self.downloaded.max(other.downloaded);
        self.tracker_id = self.tracker_id.take().or(other.tracker_id);
        self.external_ip = self.external_ip.or(other.external_ip);
        // A name may have a public address of a stranger and a local one of somebody else.
        self.reached_at = match (self.reached_at, other.reached_at) {
            (Some(one), Some(other)) => {
                Some(if AddressScope::of(one).is_local() { other } else { one })
            }
            _ => None,
        };
        self.warning = self.warning.take().or(other.warning);
        self.deviations.extend(other.deviations);
    }

    /// Drops the peers that are not worth a connection, and counts them by reason. `own` is our
    /// peer id, as trackers list ourselves too. Compact responses have no peer ids: add
    /// [`external_ip`](Self::external_ip) with our port to the filter's own addresses for these.
    pub fn retain_usable(&mut self, filter: &AddressFilter, own: PeerId) -> Dropped {
        let mut dropped = Dropped::default();
        self.peers.retain(|peer| {
            let verdict = match filter.judge(peer.address) {
                // Behind a NAT the tracker lists us at an address that we do not know.
                AddressVerdict::Usable if peer.id == Some(own) => AddressVerdict::Own,
                verdict => verdict,
            };
            dropped.count(verdict);
            verdict == AddressVerdict::Usable
        });
        dropped
    }
}

/// A peer, by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The address at which it listens. An IPv4 address that came mapped into IPv6 is IPv4 here.
    pub address: SocketAddr,
    /// Its id, if the response has one.
    pub id: Option<PeerId>,
}

/// A peer, by host name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamedPeer {
    /// The host name, as the tracker wrote it.
    pub host: String,
    /// The port at which it listens.
    pub port: u16,
    /// Its id, if the response has one.
    pub id: Option<PeerId>,
}

/// The numbers of peers that [`AnnounceResponse::retain_usable`] dropped, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// Port 0.
    pub port_zero: u32,
    /// `0.0.0.0` or `::`.
    pub unspecified: u32,
    /// Multicast or broadcast addresses.
    pub multicast: u32,
    /// Ourselves, by address or by peer id.
    pub own: u32,
    /// Addresses that are not routed on the public internet, if the filter refuses these.
    pub bogon: u32,
    /// Any other reason of the filter.
    pub other: u32,
}

impl Dropped {
    /// The sum over all reasons.
    pub fn total(&self) -> u32 {
        let Self { port_zero, unspecified, multicast, own, bogon, other } = *self;
        port_zero + unspecified + multicast + own + bogon + other
    }

    fn count(&mut self, verdict: AddressVerdict) {
        match verdict {
            AddressVerdict::Usable => {}
            AddressVerdict::PortZero => self.port_zero += 1,
            AddressVerdict::Unspecified => self.unspecified += 1,
            AddressVerdict::Multicast => self.multicast += 1,
            AddressVerdict::Own => self.own += 1,
            AddressVerdict::Bogon => self.bogon += 1,
            _ => self.other += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer { address: address.parse().unwrap(), id: None }
    }

    /// U-25, T-13
    #[test]
    fn peers_nobody_can_reach_and_ourselves_are_dropped_and_counted() {
        let own = PeerId::from_bytes([9; 20]);
        let mut filter = AddressFilter::new();
        filter.add_own("192.0.2.7:6881".parse().unwrap());
        let mut response = AnnounceResponse {
            peers: vec![
                peer("192.0.2.1:0"),
                peer("0.0.0.0:1"),
                peer("[::]:1"),
                peer("224.0.0.1:1"),
                peer("192.0.2.7:6881"),
                Peer { id: Some(own), ..peer("192.0.2.8:6881") },
                peer("192.0.2.9:6881"),
            ],
            ..Default::default()
        };
        let dropped = response.retain_usable(&filter, own);
        assert_eq!(response.peers, [peer("192.0.2.9:6881")]);
        assert_eq!(
            (dropped.port_zero, dropped.unspecified, dropped.multicast, dropped.own),
            (1, 2, 1, 2)
        );
        assert_eq!(dropped.total(), 6);
    }

    /// H-41
    #[test]
    fn two_answers_of_one_swarm_become_one_without_counting_twice() {
        let mut first = AnnounceResponse {
            peers: vec![peer("192.0.2.1:1"), peer("192.0.2.2:1")],
            interval: Some(Duration::from_secs(900)),
            seeders: Some(3),
            ..Default::default()
        };
        first.merge(AnnounceResponse {
            peers: vec![peer("192.0.2.2:1"), peer("[2001:db8::1]:1")],
            interval: Some(Duration::from_secs(1800)),
            seeders: Some(2),
            leechers: Some(1),
            ..Default::default()
        });
        assert_eq!(first.peers.len(), 3);
        assert_eq!(first.interval, Some(Duration::from_secs(1800)));
        assert_eq!((first.seeders, first.leechers), (Some(3), Some(1)));
    }

    /// U-25
    #[test]
    fn of_two_answers_the_tracker_is_local_only_if_it_is_in_both() {
        let at =
            |text: &str| AnnounceResponse { reached_at: text.parse().ok(), ..Default::default() };
        for (one, other, reached_at) in [
            ("10.0.0.1", "fd00::1", "fd00::1"),
            ("10.0.0.1", "8.8.8.8", "8.8.8.8"),
            ("8.8.8.8", "::1", "8.8.8.8"),
            ("10.0.0.1", "unknown", "unknown"),
            ("unknown", "::1", "unknown"),
            ("unknown", "unknown", "unknown"),
        ] {
            let mut response = at(one);
            response.merge(at(other));
            assert_eq!(response.reached_at, at(reached_at).reached_at, "{one} and {other}");
        }
    }

    /// H-41
    #[test]
    fn the_second_announce_of_a_hybrid_counts_no_bytes_again() {
        let hash = WireInfoHash::from_bytes([1; 20]);
        let mut first = AnnounceRequest::new(hash, PeerId::from_bytes([2; 20]), 6881, 7);
        (first.uploaded, first.downloaded, first.left) = (10, 20, Some(30));
        let second = first.hybrid(WireInfoHash::from_bytes([3; 20]));
        assert_eq!((second.uploaded, second.downloaded, second.left), (0, 0, Some(30)));
        assert_eq!((second.peer_id, second.key), (first.peer_id, first.key));
    }

    /// H-20
    #[test]
    fn unknown_left_is_a_positive_number() {
        let hash = WireInfoHash::from_bytes([1; 20]);
        let request = AnnounceRequest::new(hash, PeerId::from_bytes([2; 20]), 6881, 7);
        assert!(request.left_on_wire() > 0 && request.left_on_wire() < i64::MAX as u64);
    }
}
