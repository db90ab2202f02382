#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use std::net::Ipv4Addr;

use proptest::prelude::*;
use tinytorrent_types::PeerId;

use super::*;
use crate::udp::{Response, ResponseBody, url_data};
use crate::{AnnounceEvent, Peer};

const TRACKER: &str = "192.0.2.1:6969";

/// A machine, a clock we own, and everything it sends.
struct World {
    exchange: Exchange,
    begun: Instant,
    now: Instant,
    datagram: Vec<u8>,
}

/// A datagram that the machine sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sent {
    at: u64,
    to: SocketAddr,
    transaction_id: u32,
    connection_id: Option<u64>,
}

impl World {
    fn new() -> Self {
        let begun = Instant::now();
        let exchange = Exchange::new(ExchangeConfig::new([3; 32]));
        Self { exchange, begun, now: begun, datagram: Vec::new() }
    }

    fn announce(&mut self, tracker: &str) -> RequestId {
        let id = self.exchange.start_announce(self.now, address(tracker), &request(), b"");
        self.exchange.check_invariants();
        id
    }

    fn scrape(&mut self, count: u8) -> RequestId {
        let hashes: Vec<_> = (0..count).map(|n| WireInfoHash::from_bytes([n; 20])).collect();
        self.exchange.start_scrape(self.now, address(TRACKER), &hashes)
    }

    /// What is to be sent now.
    fn sent(&mut self) -> Vec<Sent> {
        let at = (self.now - self.begun).as_secs();
        let mut all = Vec::new();
        while let Some(to) = self.exchange.poll_transmit(&mut self.datagram) {
            let request = Request::read(&self.datagram).unwrap();
            let connection_id = match request.body {
                RequestBody::Connect => None,
                RequestBody::Announce { connection_id, .. }
                | RequestBody::Scrape { connection_id, .. } => Some(connection_id),
            };
            all.push(Sent { at, to, transaction_id: request.transaction_id, connection_id });
        }
        self.exchange.check_invariants();
        all
    }

    /// The one datagram that is to be sent now.
    fn sent_one(&mut self) -> Sent {
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent[0]
    }

    /// Lets time pass, deadline by deadline, and gives what is sent on the way.
    fn pass_until(&mut self, seconds: u64) -> Vec<Sent> {
        let end = self.begun + Duration::from_secs(seconds);
        let mut all = self.sent();
        while let Some(wake) = self.exchange.poll_timeout().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.exchange.handle_timeout(self.now);
            self.exchange.check_invariants();
            all.extend(self.sent());
        }
        self.now = end;
        all
    }

    fn receive_from(&mut self, from: &str, transaction_id: u32, body: ResponseBody<'_>) -> bool {
        let mut datagram = Vec::new();
        Response { transaction_id, body }.write(&mut datagram);
        let taken = self.exchange.handle_datagram(self.now, address(from), &datagram);
        self.exchange.check_invariants();
        taken
    }

    fn receive(&mut self, transaction_id: u32, body: ResponseBody<'_>) -> bool {
        self.receive_from(TRACKER, transaction_id, body)
    }

    /// Answers the connect that is to be sent now, and gives what is sent then.
    fn connect(&mut self, connection_id: u64) -> Vec<Sent> {
        let connect = self.sent_one();
        assert_eq!(connect.connection_id, None);
        self.receive(connect.transaction_id, ResponseBody::Connect { connection_id });
        self.sent()
    }

    fn outcome(&mut self) -> Option<(RequestId, Result<Reply, ExchangeError>)> {
        self.exchange.poll_outcome()
    }

    fn peers(&mut self) -> Vec<Peer> {
        match self.outcome() {
            Some((_, Ok(Reply::Announce(response)))) => response.peers,
            other => panic!("{other:?}"),
        }
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn request() -> AnnounceRequest {
    let mut request = AnnounceRequest::new(
        WireInfoHash::from_bytes([1; 20]),
        PeerId::from_bytes([2; 20]),
        6881,
        0x1234_5678,
    );
    request.ip = Some(Ipv4Addr::new(198, 51, 100, 1).into());
    request
}

fn announced(peers: &[u8]) -> ResponseBody<'_> {
    ResponseBody::Announce { interval: 1800, leechers: 1, seeders: 2, peers }
}

fn times(sent: &[Sent]) -> Vec<(u64, bool)> {
    sent.iter().map(|sent| (sent.at, sent.connection_id.is_none())).collect()
}

const PEER: [u8; 6] = [203, 0, 113, 5, 0x1a, 0xe1];

/// U-06, BEP 15 "Time outs" and "Examples": connect times out
#[test]
fn a_connect_is_sent_again_after_15_times_2_to_the_n() {
    let mut world = World::new();
    world.announce(TRACKER);
    let sent = world.pass_until(100_000);
    let seconds: Vec<_> = sent.iter().map(|sent| sent.at).collect();
    assert_eq!(seconds, [0, 15, 45, 105, 225, 465, 945, 1905, 3825]);
    let last = sent.last().unwrap().at;
    assert_eq!(last + 3840, 15 * 511);
    let (_, outcome) = world.outcome().unwrap();
    assert_eq!(
        outcome,
        Err(ExchangeError::TimedOut { connecting: true, sent: 9, unexpected_action: None })
    );
    assert_eq!(world.exchange.poll_timeout(), None);
}

/// U-03, U-07, U-08, BEP 15 "Examples": announce times out
#[test]
fn an_announce_falls_back_to_connect_when_its_id_expires_and_keeps_its_n() {
    let mut world = World::new();
    world.announce(TRACKER);
    let connect = world.sent_one();
    // The time line of the BEP: the reply comes at 1; the announce goes out at 2 there, since
    // somebody takes a second to think, and at once here.
    world.pass_until(1);
    world.receive(connect.transaction_id, ResponseBody::Connect { connection_id: 7 });
    let sent = world.pass_until(500);
    let (announce, connect) = (false, true);
    assert_eq!(
        times(&sent),
        [
            (1, announce),
            (16, announce),
            (46, announce),
            (106, connect),
            (226, connect),
            (466, connect)
        ]
    );
}

/// U-07: n rises over connect and announce alike
#[test]
fn an_announce_after_a_slow_connect_waits_longer() {
    let mut world = World::new();
    world.announce(TRACKER);
    let connect = world.pass_until(16);
    assert_eq!(times(&connect), [(0, true), (15, true)]);
    world.receive(connect[1].transaction_id, ResponseBody::Connect { connection_id: 7 });
    assert_eq!(times(&world.pass_until(100)), [(16, false), (46, false)]);
}

/// U-03, BEP 15 "Examples": multiple requests
#[test]
fn a_connection_id_serves_for_a_minute_after_it_came() {
    let mut world = World::new();
    world.announce(TRACKER);
    let connect = world.sent_one();
    world.pass_until(1);
    world.receive(connect.transaction_id, ResponseBody::Connect { connection_id: 7 });
    let first = world.sent_one();
    assert_eq!(first.connection_id, Some(7));
    world.receive(first.transaction_id, announced(&PEER));
    assert_eq!(world.peers().len(), 1);

    world.pass_until(60);
    world.announce(TRACKER);
    let second = world.sent_one();
    assert_eq!(second.connection_id, Some(7), "59 s after it came");
    world.receive(second.transaction_id, announced(&PEER));
    world.pass_until(61);
    world.announce(TRACKER);
    assert_eq!(world.sent_one().connection_id, None, "60 s after it came");
}

/// U-05
#[test]
fn a_connection_id_belongs_to_address_and_port() {
    let mut world = World::new();
    world.announce(TRACKER);
    assert_eq!(world.connect(7)[0].connection_id, Some(7));
    world.announce("192.0.2.1:7000");
    assert_eq!(world.sent_one().connection_id, None);
    world.announce("192.0.2.2:6969");
    assert_eq!(world.sent_one().connection_id, None);
}

/// U-09
#[test]
fn a_late_answer_to_an_earlier_copy_is_accepted() {
    let mut world = World::new();
    world.announce(TRACKER);
    let first = world.connect(7)[0];
    let again = world.pass_until(20);
    assert_eq!(again[0].transaction_id, first.transaction_id);
    // Even while it is back at asking for a connection id.
    let connect = world.pass_until(110);
    assert_eq!(connect.last().unwrap().connection_id, None);
    assert!(world.receive(first.transaction_id, announced(&PEER)));
    assert_eq!(world.peers().len(), 1);
    assert_eq!(world.pass_until(10_000), []);
}

/// U-10
#[test]
fn every_request_has_a_transaction_id_of_its_own() {
    let mut world = World::new();
    for _ in 0..1000 {
        world.announce(TRACKER);
    }
    let connect = world.sent_one().transaction_id;
    world.receive(connect, ResponseBody::Connect { connection_id: 7 });
    let mut ids: Vec<_> = world.sent().iter().map(|sent| sent.transaction_id).collect();
    ids.push(connect);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1001);
}

/// U-11
#[test]
fn a_datagram_from_elsewhere_is_ignored_and_the_wait_goes_on() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    for spoofed in ["192.0.2.2:6969", "192.0.2.1:6970", "[2001:db8::1]:6969"] {
        assert!(!world.receive_from(spoofed, announce.transaction_id, announced(&PEER)));
    }
    assert_eq!(world.exchange.stats().wrong_source, 3);
    assert_eq!(world.outcome(), None);
    assert!(world.receive(announce.transaction_id, announced(&PEER)));
    assert_eq!(world.peers().len(), 1);
}

/// U-12
#[test]
fn a_wrong_transaction_id_is_ignored_and_the_wait_goes_on() {
    let mut world = World::new();
    world.announce(TRACKER);
    let connect = world.sent_one().transaction_id;
    assert!(!world.receive(connect ^ 1, ResponseBody::Connect { connection_id: 1 }));
    assert!(world.receive(connect, ResponseBody::Connect { connection_id: 7 }));
    let announce = world.sent_one();
    assert_eq!(announce.connection_id, Some(7));
    assert!(!world.receive(connect, announced(&PEER)), "the connect is over");
    assert!(!world.receive(announce.transaction_id ^ 1, announced(&PEER)));
    assert_eq!((world.outcome(), world.exchange.stats().stray), (None, 3));
    assert!(world.receive(announce.transaction_id, announced(&PEER)));
    assert_eq!(world.peers().len(), 1);
}

/// U-13, U-44
#[test]
fn short_datagrams_and_unexpected_actions_are_counted_and_the_wait_goes_on() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let tid = announce.transaction_id.to_be_bytes();
    for datagram in [
        &b""[..],
        b"\0\0\0\x01\0\0\0",
        &[&[0, 0, 0, 0], &tid[..], &[0; 8]].concat(),
        &[&[0, 0, 0, 4], &tid[..], &[0; 30]].concat(),
    ] {
        world.exchange.handle_datagram(world.now, address(TRACKER), datagram);
        assert_eq!(world.outcome(), None);
    }
    assert_eq!((world.exchange.stats().stray, world.exchange.stats().unexpected), (2, 2));
    world.pass_until(10_000);
    let (_, outcome) = world.outcome().unwrap();
    assert!(
        matches!(outcome, Err(ExchangeError::TimedOut { unexpected_action: Some(4), .. })),
        "{outcome:?}"
    );
}

/// U-20
#[test]
fn an_announce_reply_without_its_fields_is_an_outcome_and_no_wait() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let datagram = [&[0, 0, 0, 1], &announce.transaction_id.to_be_bytes()[..]].concat();
    world.exchange.handle_datagram(world.now, address(TRACKER), &datagram);
    let (_, outcome) = world.outcome().unwrap();
    assert_eq!(outcome, Err(ExchangeError::CutShort { found: 8 }));
}

/// U-16, U-17, U-35: what goes out over each family
#[test]
fn both_families_carry_the_same_key_and_only_ipv4_the_ip() {
    let mut seen = Vec::new();
    for tracker in [TRACKER, "[2001:db8::1]:6969"] {
        let mut world = World::new();
        world.exchange.start_announce(world.now, address(tracker), &request(), b"/announce?k=1");
        let connect = world.sent_one().transaction_id;
        world.receive_from(tracker, connect, ResponseBody::Connect { connection_id: 7 });
        assert!(world.exchange.poll_transmit(&mut world.datagram).is_some());
        let Request { body: RequestBody::Announce { announce, options, .. }, .. } =
            Request::read(&world.datagram).unwrap()
        else {
            panic!()
        };
        assert_eq!(url_data(options).unwrap(), b"/announce?k=1");
        seen.push((announce.key, announce.ip));
    }
    assert_eq!(seen[0], (0x1234_5678, Ipv4Addr::new(198, 51, 100, 1)));
    assert_eq!(seen[1], (0x1234_5678, Ipv4Addr::UNSPECIFIED));
}

/// U-21, U-24, BEP 15 "IPv6"
#[test]
fn the_stride_of_peers_is_that_of_the_datagram() {
    let packed = [7; 36];
    for (tracker, from, count) in [
        (TRACKER, TRACKER, 6),
        ("[2001:db8::1]:6969", "[2001:db8::1]:6969", 2),
        (TRACKER, "[::ffff:192.0.2.1]:6969", 6),
        ("[::ffff:192.0.2.1]:6969", TRACKER, 6),
    ] {
        let mut world = World::new();
        world.announce(tracker);
        let connect = world.sent_one();
        assert_eq!(connect.to, address(tracker), "datagrams go where the caller said");
        world.receive_from(
            from,
            connect.transaction_id,
            ResponseBody::Connect { connection_id: 7 },
        );
        let announce = world.sent_one().transaction_id;
        world.receive_from(from, announce, announced(&packed));
        assert_eq!(world.peers().len(), count, "{tracker} {from}");
    }
}

/// U-22, U-26
#[test]
fn a_sloppy_reply_is_read_and_told() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let peers = [&PEER[..], b"odd"].concat();
    let body = ResponseBody::Announce { interval: -1, leechers: 0, seeders: 0, peers: &peers };
    world.receive(announce.transaction_id, body);
    let Some((_, Ok(Reply::Announce(response)))) = world.outcome() else { panic!() };
    assert_eq!(response.interval, None);
    assert_eq!(response.peers.len(), 1);
    assert_eq!(response.deviations.len(), 2);
}

/// U-23
#[test]
fn a_thousand_peers_are_a_thousand_peers() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let packed: Vec<u8> =
        (0..1000u16).flat_map(|n| [10, 0, (n >> 8) as u8, n as u8, 1, 1]).collect();
    world.receive(announce.transaction_id, announced(&packed));
    assert_eq!(world.peers().len(), 1000);
}

/// U-27, U-28
#[test]
fn an_error_drops_the_id_and_gets_one_second_chance_with_a_new_one() {
    let mut world = World::new();
    world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let error = ResponseBody::Error { message: b"Connection ID missmatch.\0" };
    world.receive(announce.transaction_id, error);
    assert_eq!(world.outcome(), None);
    let again = world.connect(8)[0];
    assert_eq!(again.connection_id, Some(8));
    assert_eq!(again.transaction_id, announce.transaction_id);
    world.receive(again.transaction_id, announced(&PEER));
    assert_eq!(world.peers().len(), 1);
}

/// U-27, U-28
#[test]
fn a_second_error_is_the_outcome() {
    let mut world = World::new();
    let id = world.announce(TRACKER);
    let announce = world.connect(7)[0];
    let error = ResponseBody::Error { message: b"not \xff registered\0\0" };
    world.receive(announce.transaction_id, error);
    let again = world.connect(8)[0];
    world.receive(again.transaction_id, error);
    let (over, outcome) = world.outcome().unwrap();
    let Err(ExchangeError::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((over, refusal.reason.as_str()), (id, "not \u{fffd} registered"));
    assert_eq!(world.pass_until(10_000), []);
}

/// U-27
#[test]
fn a_refused_connect_is_the_outcome_of_all_who_wait() {
    let mut world = World::new();
    world.announce(TRACKER);
    world.announce(TRACKER);
    let connect = world.sent_one().transaction_id;
    world.receive(connect, ResponseBody::Error { message: b"" });
    for _ in 0..2 {
        assert!(matches!(world.outcome(), Some((_, Err(ExchangeError::Refused(_))))));
    }
    assert_eq!(world.exchange.poll_timeout(), None);
}

/// U-30, BEP 15 "Scrape"
#[test]
fn scrape_entries_belong_to_the_hashes_in_their_order() {
    let mut world = World::new();
    world.scrape(3);
    let scrape = world.connect(7)[0].transaction_id;
    let entry = |n: u8| [0, 0, 0, n, 0, 0, 0, n + 1, 0, 0, 0, n + 2];
    let two = [entry(10), entry(20)].concat();
    world.receive(scrape, ResponseBody::Scrape { counts: &two });
    let Some((_, Ok(Reply::Scrape(response)))) = world.outcome() else { panic!() };
    let seeders = |n| response.get(WireInfoHash::from_bytes([n; 20])).map(|counts| counts.seeders);
    assert_eq!((seeders(0), seeders(1), seeders(2)), (Some(Some(10)), Some(Some(20)), None));
}

/// U-30
#[test]
fn more_scrape_entries_than_hashes_are_an_error() {
    let mut world = World::new();
    world.scrape(1);
    let scrape = world.connect(7)[0].transaction_id;
    world.receive(scrape, ResponseBody::Scrape { counts: &[0; 24] });
    let (_, outcome) = world.outcome().unwrap();
    assert_eq!(outcome, Err(ExchangeError::TooManyEntries { asked: 1, found: 2 }));
}

/// U-29, U-31, BEP 15 "Scrape"
#[test]
fn a_scrape_is_its_hashes_and_nothing_behind_them() {
    let mut world = World::new();
    world.scrape(200);
    let connect = world.sent_one().transaction_id;
    world.receive(connect, ResponseBody::Connect { connection_id: 7 });
    assert!(world.exchange.poll_transmit(&mut world.datagram).is_some());
    assert_eq!(world.datagram.len(), 16 + 20 * MAX_SCRAPE_HASHES);
    assert!(world.datagram.len() < 1500);
}

/// U-39
#[test]
fn many_trackers_and_torrents_share_one_machine() {
    let mut world = World::new();
    let trackers: Vec<String> = (1..=50).map(|n| format!("192.0.2.{n}:6969")).collect();
    let mut ids = Vec::new();
    for tracker in trackers.iter().chain(&trackers) {
        ids.push(world.announce(tracker));
    }
    let connects = world.sent();
    assert_eq!(connects.len(), 50);
    for connect in connects.iter().rev() {
        let to = connect.to.to_string();
        world.receive_from(&to, connect.transaction_id, ResponseBody::Connect { connection_id: 1 });
    }
    for announce in world.sent() {
        let to = announce.to.to_string();
        world.receive_from(&to, announce.transaction_id, announced(&PEER));
    }
    let mut over: Vec<_> = std::iter::from_fn(|| world.outcome()).map(|(id, _)| id).collect();
    over.sort_unstable();
    assert_eq!(over, ids);
}

/// U-43
#[test]
fn a_storm_of_announces_shares_one_connect() {
    let mut world = World::new();
    for second in 0..10 {
        world.now = world.begun + Duration::from_secs(second);
        world.announce(TRACKER);
    }
    assert_eq!(world.sent().len(), 1);
    let connects = world.pass_until(44);
    assert!(connects.iter().all(|sent| sent.connection_id.is_none()));
    assert!(connects.len() <= 2, "{connects:?}");
    let connect = connects.last().unwrap().transaction_id;
    world.receive(connect, ResponseBody::Connect { connection_id: 7 });
    assert_eq!(world.sent().len(), 10);
}

#[test]
fn a_cancelled_request_leaves_nothing_behind() {
    let mut world = World::new();
    let first = world.announce(TRACKER);
    let second = world.announce(TRACKER);
    world.exchange.cancel(first);
    world.exchange.check_invariants();
    assert_eq!(world.exchange.pending_requests(), 1);
    world.exchange.cancel(second);
    world.exchange.cancel(second);
    assert_eq!(world.sent(), []);
    assert_eq!((world.outcome(), world.exchange.poll_timeout()), (None, None));
}

#[test]
fn a_timeout_that_is_too_early_changes_nothing() {
    let mut world = World::new();
    world.announce(TRACKER);
    world.sent();
    let wake = world.exchange.poll_timeout();
    for _ in 0..10 {
        world.exchange.handle_timeout(world.now);
        assert_eq!((world.sent(), world.exchange.poll_timeout()), (vec![], wake));
    }
}

/// U-18: `stopped` asks for no peers
#[test]
fn stopped_asks_for_no_peers() {
    let mut world = World::new();
    let stopped = AnnounceRequest { event: AnnounceEvent::Stopped, ..request() };
    world.exchange.start_announce(world.now, address(TRACKER), &stopped, b"");
    let connect = world.sent_one().transaction_id;
    world.receive(connect, ResponseBody::Connect { connection_id: 7 });
    assert!(world.exchange.poll_transmit(&mut world.datagram).is_some());
    assert_eq!(world.datagram[92..96], [0; 4]);
}

#[derive(Debug, Clone)]
enum Step {
    Announce(u8),
    Scrape(u8, u8),
    Cancel(usize),
    Wait(u32),
    /// Answers one of the datagrams sent so far.
    Answer {
        which: usize,
        action: u8,
        from_port: u16,
        tail: Vec<u8>,
    },
    Noise(Vec<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0u8..4).prop_map(Step::Announce),
        (0u8..4, 0u8..80).prop_map(|(tracker, count)| Step::Scrape(tracker, count)),
        any::<usize>().prop_map(Step::Cancel),
        (0u32..100_000).prop_map(Step::Wait),
        (any::<usize>(), 0u8..5, 6969u16..6971, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(which, action, from_port, tail)| Step::Answer {
                which,
                action,
                from_port,
                tail
            }),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Step::Noise),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    /// Whatever happens, every request ends at most once, and all end at last.
    #[test]
    fn every_request_ends_once(steps in steps()) {
        let mut world = World::new();
        let (mut open, mut sent) = (Vec::new(), Vec::new());
        let tracker = |n: u8| format!("192.0.2.{n}:6969");
        for step in steps {
            match step {
                Step::Announce(to) => open.push(world.announce(&tracker(to))),
                Step::Scrape(to, count) => {
                    let hashes = vec![WireInfoHash::from_bytes([1; 20]); usize::from(count)];
                    let to = address(&tracker(to));
                    open.push(world.exchange.start_scrape(world.now, to, &hashes));
                }
                Step::Cancel(which) if !open.is_empty() => {
                    world.exchange.cancel(open.swap_remove(which % open.len()));
                }
                Step::Wait(millis) => {
                    world.now += Duration::from_millis(millis.into());
                    world.exchange.handle_timeout(world.now);
                }
                Step::Answer { which, action, from_port, tail } if !sent.is_empty() => {
                    let asked: &Sent = &sent[which % sent.len()];
                    let mut datagram = vec![0, 0, 0, action];
                    datagram.extend(asked.transaction_id.to_be_bytes());
                    datagram.extend(tail);
                    let from = SocketAddr::new(asked.to.ip(), from_port);
                    world.exchange.handle_datagram(world.now, from, &datagram);
                }
                Step::Noise(bytes) => {
                    world.exchange.handle_datagram(world.now, address(TRACKER), &bytes);
                }
                Step::Cancel(_) | Step::Answer { .. } => {}
            }
            sent.extend(world.sent());
            while let Some((id, _)) = world.outcome() {
                let at = open.iter().position(|open| *open == id);
                prop_assert!(at.is_some(), "{id:?} ended twice, or after it was cancelled");
                open.swap_remove(at.unwrap());
            }
            prop_assert_eq!(world.exchange.pending_requests(), open.len());
        }
        let end = (world.now - world.begun).as_secs() + 3 * 7665;
        world.pass_until(end);
        while let Some((id, _)) = world.outcome() {
            open.retain(|open| *open != id);
        }
        prop_assert_eq!(open, vec![]);
        prop_assert_eq!(world.exchange.poll_timeout(), None);
    }
}
