//! A tracker without sockets: admission, figures and iteration, over both protocols and without any
//! feature of the crate.
#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tinytorrent_tracker::http::{ResponseError, announce_target, read_announce, read_scrape};
use tinytorrent_tracker::server::{Figures, ServerConfig, Tracker};
use tinytorrent_tracker::udp::{
    Announce, MAX_DATAGRAM, Request, RequestBody, Response, ResponseBody,
};
use tinytorrent_tracker::{AnnounceEvent, AnnounceRequest, Refusal, RetryIn, SwarmCounts};
use tinytorrent_types::compact::Family;
use tinytorrent_types::{PeerId, WireInfoHash};

fn hash(number: u16) -> WireInfoHash {
    let mut bytes = [7; 20];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    WireInfoHash::from_bytes(bytes)
}

fn announce(torrent: u16, port: u16, left: u64) -> AnnounceRequest {
    let mut id = [b'x'; 20];
    id[..2].copy_from_slice(&port.to_be_bytes());
    let mut request = AnnounceRequest::new(hash(torrent), PeerId::from_bytes(id), port, 1);
    (request.event, request.left) = (AnnounceEvent::Started, Some(left));
    request
}

fn tracker() -> Tracker {
    Tracker::new(ServerConfig::default(), 1, Instant::now())
}

/// A client of a tracker, over both protocols.
struct Client<'a> {
    tracker: &'a Tracker,
    from: SocketAddr,
    connection_id: u64,
}

impl<'a> Client<'a> {
    fn new(tracker: &'a Tracker, from: &str) -> Self {
        let mut client = Self { tracker, from: from.parse().unwrap(), connection_id: 0 };
        let connect = client.datagram(RequestBody::Connect);
        let ResponseBody::Connect { connection_id } = Response::read(&connect).unwrap().body else {
            panic!("{connect:?}")
        };
        client.connection_id = connection_id;
        client
    }

    fn datagram(&self, body: RequestBody<'_>) -> Vec<u8> {
        let (mut datagram, mut reply) = (Vec::new(), Vec::new());
        Request { transaction_id: 9, body }.write(&mut datagram);
        self.tracker.handle_datagram(Instant::now(), self.from, &datagram, &mut reply);
        reply
    }

    /// The seeders, leechers and peers of the reply, or the text of the refusal.
    fn announce(&self, request: &AnnounceRequest, url: &str) -> Result<(u32, u32, usize), String> {
        let mut options = Vec::new();
        tinytorrent_tracker::udp::write_url_data(url.as_bytes(), &mut options);
        let announce = Announce::from(request);
        let connection_id = self.connection_id;
        let reply =
            self.datagram(RequestBody::Announce { connection_id, announce, options: &options });
        let body = Response::read(&reply).unwrap().body;
        match body {
            ResponseBody::Announce { seeders, leechers, .. } => {
                Ok((seeders, leechers, body.peers(Family::of(self.from.ip())).len()))
            }
            ResponseBody::Error { message } => Err(String::from_utf8(message.to_vec()).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn scrape(&self, torrents: &[u16]) -> Result<Vec<SwarmCounts>, String> {
        let hashes: Vec<u8> = torrents.iter().flat_map(|t| *hash(*t).as_bytes()).collect();
        let connection_id = self.connection_id;
        let reply = self.datagram(RequestBody::Scrape { connection_id, info_hashes: &hashes });
        let body = Response::read(&reply).unwrap().body;
        match body {
            ResponseBody::Scrape { .. } => Ok(body.counts().collect()),
            ResponseBody::Error { message } => Err(String::from_utf8(message.to_vec()).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    fn get(&self, target: &str) -> Vec<u8> {
        let mut body = Vec::new();
        let status = self.tracker.handle_target(Instant::now(), self.from.ip(), target, &mut body);
        assert_eq!(status, 200);
        body
    }

    fn announce_over_http(
        &self,
        url: &str,
        request: &AnnounceRequest,
    ) -> Result<usize, ResponseError> {
        let target = announce_target(&url.parse().unwrap(), request);
        read_announce(&self.get(&target)).map(|response| response.peers.len())
    }

    fn scrape_over_http(&self, torrents: &[u16]) -> Result<Vec<WireInfoHash>, ResponseError> {
        let hashes: Vec<_> = torrents.iter().map(|torrent| hash(*torrent)).collect();
        let url = "http://h/key/scrape".parse().unwrap();
        let target = tinytorrent_tracker::http::scrape_target(&url, &hashes);
        let response = read_scrape(&self.get(&target))?;
        Ok(response.files.into_iter().map(|(hash, _)| hash).collect())
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.tracker.check_invariants();
        }
    }
}

const NOT_LISTED: &str = "not on the list";

fn of_listed_torrents() -> Tracker {
    tracker().with_admission(|_, request| match request.info_hash == hash(1) {
        true => Ok(()),
        false => Err(Refusal { reason: NOT_LISTED.into(), retry_in: Some(RetryIn::Never) }),
    })
}

#[test]
fn who_is_not_admitted_is_told_the_reason_and_leaves_no_trace() {
    let tracker = of_listed_torrents();
    let client = Client::new(&tracker, "192.0.2.1:5");
    assert_eq!(client.announce(&announce(2, 1, 5), ""), Err(NOT_LISTED.into()));
    let refused = client.announce_over_http("http://h/announce", &announce(2, 1, 5));
    let Err(ResponseError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!((refusal.reason.as_str(), refusal.retry_in), (NOT_LISTED, Some(RetryIn::Never)));
    assert_eq!(tracker.figures().totals.torrents, 0);
    assert_eq!(client.announce(&announce(1, 1, 5), ""), Ok((0, 1, 0)));
    assert_eq!(client.announce_over_http("http://h/announce", &announce(1, 2, 5)), Ok(1));
}

#[test]
fn of_a_scrape_what_is_not_admitted_is_not_known_and_none_of_it_is_a_refusal() {
    let tracker = of_listed_torrents();
    let client = Client::new(&tracker, "192.0.2.1:5");
    client.announce(&announce(1, 1, 0), "").unwrap();
    let seeders = |counts: &SwarmCounts| counts.seeders.unwrap();
    let found = client.scrape(&[2, 1, 3]).unwrap();
    assert_eq!(found.iter().map(seeders).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(client.scrape(&[2, 3]), Err(NOT_LISTED.into()));
    assert_eq!(client.scrape_over_http(&[2, 1, 3]), Ok(vec![hash(1)]));
    let refused = client.scrape_over_http(&[2, 3]);
    assert!(matches!(refused, Err(ResponseError::Refused(_))), "{refused:?}");
}

/// As private trackers need: the passkey is in the URL, over UDP by BEP 41.
#[test]
fn admission_sees_the_address_the_announce_and_the_url() {
    let tracker = tracker().with_admission(|from, request| {
        let has_key = request.url.windows(6).any(|part| part == b"secret");
        let is_member = from == IpAddr::from([192, 0, 2, 1]);
        let is_scrape = request.announce.is_none();
        match (has_key || is_scrape) && is_member {
            true => Ok(()),
            false => {
                Err(Refusal::new(format!("{from} {}", request.announce.map_or(0, |a| a.port))))
            }
        }
    });
    let member = Client::new(&tracker, "[::ffff:192.0.2.1]:5");
    let other = Client::new(&tracker, "192.0.2.2:5");
    let key = "/secret/announce";
    assert_eq!(member.announce(&announce(1, 1, 0), key), Ok((1, 0, 0)));
    assert_eq!(member.announce(&announce(1, 1, 0), ""), Err("192.0.2.1 1".into()));
    assert_eq!(other.announce(&announce(1, 2, 0), key), Err("192.0.2.2 2".into()));
    for url in ["http://h/secret/announce", "http://h/announce?key=secret"] {
        assert_eq!(member.announce_over_http(url, &announce(1, 3, 5)), Ok(1));
        assert!(other.announce_over_http(url, &announce(1, 3, 5)).is_err());
    }
    assert!(member.announce_over_http("http://h/announce", &announce(1, 3, 5)).is_err());
    assert_eq!(member.scrape(&[1]).unwrap().len(), 1);
}

#[test]
fn each_swarm_is_seen_once_and_forgotten_on_request() {
    let tracker = tracker();
    let client = Client::new(&tracker, "192.0.2.1:5");
    for torrent in 0..500 {
        for port in 1..=1 + torrent % 3 {
            client.announce(&announce(torrent, port, u64::from(port) - 1), "").unwrap();
        }
    }
    let seen = || {
        let mut seen = BTreeMap::new();
        tracker.for_each(|hash, counts| {
            let twice = seen.insert(*hash.as_bytes(), counts);
            assert_eq!(twice, None);
        });
        seen
    };
    let all = seen();
    assert_eq!(all.len(), 500);
    for (bytes, counts) in &all {
        let torrent = u32::from(u16::from_be_bytes([bytes[0], bytes[1]]));
        assert_eq!((counts.seeders, counts.leechers), (Some(1), Some(torrent % 3)));
    }
    let totals = tracker.figures().totals;
    assert_eq!((totals.torrents, totals.seeders, totals.leechers), (500, 500, 499));
    assert_eq!(totals.addresses, 999);
    tracker.retain(|_, counts| counts.leechers == Some(0));
    tracker.check_invariants();
    assert_eq!(seen().len(), 167);
    assert_eq!(tracker.figures().totals.addresses, 167);
    assert_eq!(tracker.counts(hash(1)), None);
}

#[test]
fn figures_count_what_was_asked() {
    let tracker = of_listed_torrents();
    let client = Client::new(&tracker, "192.0.2.1:5");
    client.announce(&announce(1, 1, 5), "").unwrap();
    client.announce(&announce(2, 1, 5), "").unwrap_err();
    client.announce_over_http("http://h/announce", &announce(1, 2, 0)).unwrap();
    client.scrape(&[1, 2]).unwrap();
    client.scrape_over_http(&[1]).unwrap();
    client.get("/announce?port=1");
    client.datagram(RequestBody::Scrape { connection_id: 1, info_hashes: &[] });
    tracker.handle_datagram(Instant::now(), client.from, b"hello", &mut Vec::new());
    let Figures { connects, announces, scrapes, refused, invalid, totals, .. } = tracker.figures();
    assert_eq!((connects, announces, scrapes), (1, 4, 2));
    assert_eq!((refused, invalid), (2, 3));
    assert_eq!((totals.torrents, totals.seeders, totals.leechers), (1, 1, 1));
}

#[test]
fn peers_that_left_are_forgotten_though_nobody_announces() {
    let tracker = tracker();
    let client = Client::new(&tracker, "192.0.2.1:5");
    client.announce(&announce(1, 1, 5), "").unwrap();
    let after = |minutes: u64| Instant::now() + Duration::from_secs(60 * minutes);
    for (minutes, torrents) in [(59, 1), (62, 0)] {
        tracker.handle_timeout(after(minutes));
        tracker.check_invariants();
        assert_eq!(tracker.figures().totals.torrents, torrents);
    }
}

/// Shards have the limits of the whole between them, and a small tracker has few.
#[test]
fn limits_are_those_of_all_shards_together() {
    for limit in [1, 100, 1_000] {
        let mut config = ServerConfig::default();
        config.max_torrents(limit);
        let tracker = Tracker::new(config, 1, Instant::now());
        let client = Client::new(&tracker, "192.0.2.1:5");
        for torrent in 0..2_000 {
            client.announce(&announce(torrent, 1, 5), "").unwrap();
        }
        let torrents = tracker.figures().totals.torrents as usize;
        assert!(torrents <= limit && torrents > limit * 9 / 10, "{torrents} of {limit}");
    }
}

#[test]
fn a_reply_fits_into_a_datagram_however_many_peers_are_wanted() {
    let mut config = ServerConfig::default();
    config.peers(50, usize::MAX).max_swarm(20_000).max_per_host(u32::MAX).shards(1);
    let tracker = Tracker::new(config, 1, Instant::now());
    let client = Client::new(&tracker, "[2001:db8::1]:5");
    for port in 1..=5_000 {
        let mut request = announce(1, port, 5);
        request.num_want = Some(0);
        client.announce_over_http("http://h/announce", &request).unwrap();
    }
    let mut request = announce(1, 6_000, 5);
    request.num_want = Some(u32::MAX);
    let (_, leechers, peers) = client.announce(&request, "").unwrap();
    assert_eq!((leechers, peers), (5_001, (65_507 - 20) / 18));
    assert!(20 + 18 * peers <= MAX_DATAGRAM);
}

/// Swarms are spread by a key, and what several threads do at once is what they do one by one.
#[test]
fn threads_share_a_tracker() {
    let tracker = tracker();
    std::thread::scope(|threads| {
        for thread in 0..4u16 {
            let tracker = &tracker;
            threads.spawn(move || {
                let from: IpAddr = [192, 0, thread as u8, 1].into();
                let client = Client::new(tracker, &SocketAddr::new(from, 9).to_string());
                for torrent in 0..100 {
                    client.announce(&announce(torrent, 1_000 + thread, 5), "").unwrap();
                }
            });
        }
    });
    tracker.for_each(|_, counts| assert_eq!(counts.leechers, Some(4)));
    assert_eq!(tracker.figures().announces, 400);
}
