//! An endpoint and packets that we write ourselves: of strangers, liars and odd implementations.
#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_utp::packet::{Header, Kind, Packet, SelectiveAck};
use tinytorrent_utp::{ConnectionId, Endpoint, EndpointConfig, Event, Failure, SeqNr, StreamError};

/// An endpoint, and what it sends.
struct Bench {
    now: Instant,
    endpoint: Endpoint,
    sent: Vec<(SocketAddr, Vec<u8>)>,
}

/// Our end of a connection with the endpoint.
struct Peer {
    address: SocketAddr,
    id: ConnectionId,
    /// The id that the endpoint sends, and the one that it expects.
    ours: u16,
    theirs: u16,
    /// The number of our next packet, and the last of theirs.
    seq: SeqNr,
    ack: SeqNr,
}

fn stranger(n: u16) -> SocketAddr {
    SocketAddr::from(([7, (n >> 8) as u8, n as u8, 1], 7))
}

fn header(kind: Kind, connection: u16, seq: SeqNr, ack: SeqNr) -> Header {
    Header { kind, connection, timestamp: 1, delay: 0, window: 1 << 20, seq, ack }
}

impl Bench {
    fn new(change: impl Fn(&mut EndpointConfig)) -> Self {
        let now = Instant::now();
        let mut config = EndpointConfig::new([1; 32]);
        config.keep_alive(None);
        change(&mut config);
        Self { now, endpoint: Endpoint::new(now, config), sent: Vec::new() }
    }

    /// Hands over a packet, and nothing else.
    fn give(&mut self, from: SocketAddr, header: Header, payload: &[u8]) {
        let mut bytes = vec![0; 2_000];
        let length = Packet { header, selective_ack: None, payload }.encode(&mut bytes);
        self.endpoint.handle_datagram(self.now, from, &bytes[..length]);
    }

    /// Collects what is sent.
    fn send(&mut self) -> usize {
        let (before, mut buffer) = (self.sent.len(), vec![0; 16 << 10]);
        while let Some(transmit) = self.endpoint.poll_transmit(self.now, &mut buffer) {
            let datagrams = buffer[..transmit.length].chunks(transmit.segment);
            self.sent.extend(datagrams.map(|datagram| (transmit.to, datagram.to_vec())));
        }
        self.endpoint.check_invariants();
        self.sent.len() - before
    }

    fn last(&self) -> Packet<'_> {
        Packet::decode(&self.sent.last().expect("something was sent").1).unwrap()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        self.endpoint.handle_timeout(self.now);
    }

    /// A connection that we have begun.
    fn accept(&mut self, n: u16) -> Peer {
        let (address, id) = (stranger(n), 100);
        self.give(address, header(Kind::Syn, id, SeqNr::new(1), SeqNr::new(0)), &[]);
        self.send();
        let theirs = self.last().header.seq;
        let (seq, ack) = (SeqNr::new(2), theirs.minus(1));
        self.give(address, header(Kind::State, id + 1, seq, ack), &[]);
        let accepted = self.endpoint.accept().expect("it is confirmed");
        Peer { address, id: accepted, ours: id, theirs: id + 1, seq, ack }
    }

    /// A packet of a peer as it should be.
    fn say(&mut self, peer: &mut Peer, payload: &[u8]) {
        let kind = if payload.is_empty() { Kind::State } else { Kind::Data };
        self.give(peer.address, header(kind, peer.theirs, peer.seq, peer.ack), payload);
        peer.seq = peer.seq.plus(u16::from(!payload.is_empty()));
    }

    fn write(&mut self, peer: &Peer, bytes: &[u8]) {
        assert_eq!(self.endpoint.write(self.now, peer.id, &[IoSlice::new(bytes)]), Ok(bytes.len()));
    }

    fn read(&mut self, peer: &Peer) -> Result<Vec<u8>, StreamError> {
        let mut buffer = vec![0; 1 << 20];
        let length = self.endpoint.read(self.now, peer.id, &mut buffer)?;
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// P-34
#[test]
fn a_flood_of_first_packets_takes_bounded_memory_and_gets_no_more_than_it_sends() {
    let mut bench = Bench::new(|_| ());
    for n in 0..10_000 {
        let first = header(Kind::Syn, 5, SeqNr::new(1), SeqNr::new(0));
        bench.give(stranger(n), first, &[]);
        assert!(bench.send() <= 1);
        assert!(bench.sent.pop().is_none_or(|(_, datagram)| datagram.len() <= 20));
    }
    assert_eq!(bench.endpoint.stats().connections, 0);
    assert_eq!(bench.endpoint.accept(), None);
    // Those who answer are served all the while, and the others send nothing on their own.
    let mut peer = bench.accept(20_000);
    bench.say(&mut peer, b"hello");
    assert_eq!(bench.read(&peer), Ok(b"hello".to_vec()));
    bench.send();
    bench.wait(6_000);
    assert_eq!((bench.send(), bench.endpoint.poll_timeout()), (0, None));
    assert_eq!(bench.endpoint.stats().connections, 1);
}

/// P-35
#[test]
fn a_first_packet_that_comes_again_has_the_same_answer() {
    let mut bench = Bench::new(|_| ());
    let first = header(Kind::Syn, 100, SeqNr::new(1), SeqNr::new(0));
    let mut answers = Vec::new();
    for _ in 0..3 {
        bench.give(stranger(1), first, &[]);
        assert_eq!(bench.send(), 1);
        let Header { kind, connection, seq, ack, .. } = bench.last().header;
        answers.push((kind, connection, seq, ack));
    }
    assert_eq!((answers[0].0, answers[0].1, answers[0].3), (Kind::State, 100, SeqNr::new(1)));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    // Also behind the connection's begin, until something has come.
    let mut peer = bench.accept(1);
    bench.give(stranger(1), first, &[]);
    assert_eq!((bench.send(), bench.last().header.seq), (1, answers[0].2));
    assert_eq!(bench.endpoint.accept(), None);
    bench.say(&mut peer, b"x");
    bench.send();
    bench.give(stranger(1), first, &[]);
    assert_eq!(bench.send(), 0);
}

/// P-17
#[test]
fn all_ids_of_an_address_are_used_once() {
    let mut bench = Bench::new(|config| _ = config.max_connections(100_000));
    let connect = |bench: &mut Bench| bench.endpoint.connect(bench.now, stranger(1));
    for _ in 0..1 << 16 {
        connect(&mut bench).unwrap();
    }
    assert!(connect(&mut bench).is_err());
    bench.endpoint.check_invariants();
}

/// P-12, P-19
#[test]
fn a_reset_counts_from_the_right_address_with_the_right_id_and_number() {
    let mut bench = Bench::new(|_| ());
    let peer = bench.accept(1);
    bench.write(&peer, b"abc");
    bench.send();
    let sent = bench.last().header.seq;
    let reset = |id: u16, ack: SeqNr| header(Kind::Reset, id, SeqNr::new(9), ack);
    bench.give(stranger(2), reset(peer.ours, sent), &[]);
    bench.give(peer.address, reset(peer.theirs + 1, sent), &[]);
    bench.give(peer.address, reset(peer.ours, sent.plus(2)), &[]);
    bench.give(peer.address, reset(peer.ours, sent.minus(2_000)), &[]);
    assert!(bench.events().is_empty());
    assert_eq!(bench.send(), 0, "a reset is never answered");
    bench.give(peer.address, reset(peer.ours, sent), &[]);
    assert_eq!(bench.events(), [Event::Failed(peer.id, Failure::Reset)]);
    assert_eq!(bench.read(&peer), Err(Failure::Reset.into()));
}

#[test]
fn a_packet_of_no_connection_is_answered_with_a_reset_of_its_id_and_number() {
    let mut bench = Bench::new(|_| ());
    bench.give(stranger(1), header(Kind::Data, 9, SeqNr::new(77), SeqNr::new(5)), b"data");
    assert_eq!(bench.send(), 1);
    let answer = bench.last().header;
    assert_eq!((answer.kind, answer.connection, answer.ack), (Kind::Reset, 9, SeqNr::new(77)));
    assert_eq!(bench.endpoint.stats().strays, 1);
}

/// P-18
#[test]
fn packets_that_acknowledge_what_was_never_sent_are_dropped() {
    let mut bench = Bench::new(|_| ());
    let peer = bench.accept(1);
    bench.send();
    for ack in [peer.ack.plus(1), peer.ack.minus(1_025)] {
        bench.give(peer.address, header(Kind::Data, peer.theirs, peer.seq, ack), b"forged");
        assert_eq!((bench.send(), bench.read(&peer)), (0, Err(StreamError::WouldBlock)));
    }
    bench.give(peer.address, header(Kind::Data, peer.theirs, peer.seq, peer.ack), b"right");
    assert_eq!(bench.read(&peer), Ok(b"right".to_vec()));
}

/// P-38
#[test]
fn packets_that_are_read_together_are_acknowledged_once() {
    let mut bench = Bench::new(|_| ());
    let mut peer = bench.accept(1);
    bench.send();
    for _ in 0..10 {
        bench.say(&mut peer, b"abc");
    }
    assert_eq!(bench.send(), 1);
    let answer = bench.last().header;
    assert_eq!((answer.kind, answer.ack), (Kind::State, peer.seq.minus(1)));
    // With something to say it is said in the same packet.
    bench.say(&mut peer, b"abc");
    bench.write(&peer, b"answer");
    assert_eq!(bench.send(), 1);
    let answer = bench.last().header;
    assert_eq!((answer.kind, answer.ack), (Kind::Data, peer.seq.minus(1)));
}

/// P-21
/// Two streams must not become one.
#[test]
fn a_packet_of_a_connection_that_has_ended_begins_no_other() {
    let mut bench = Bench::new(|_| ());
    let mut peer = bench.accept(1);
    let first = header(Kind::Data, peer.theirs, peer.seq, peer.ack);
    bench.say(&mut peer, b"first");
    bench.send();
    bench.endpoint.reset(peer.id);
    bench.send();
    // It comes again, as the network had it twice.
    bench.give(peer.address, first, b"first");
    assert_eq!((bench.send(), bench.last().header.kind), (1, Kind::Reset));
    assert_eq!(bench.endpoint.accept(), None);
}

/// P-21
/// The other end has taken packets of the one that has ended, and those of the next fit into no gap of it.
#[test]
fn a_first_packet_that_comes_again_after_its_connection_begins_one_with_other_numbers() {
    for meets in [false, true] {
        let mut bench = Bench::new(|_| ());
        let first = header(Kind::Syn, u16::MAX - 1, SeqNr::new(1), SeqNr::new(0));
        let mut numbers = [0, 1].map(|_| {
            // Both ends connect to each other, or only the other one does.
            let ours = meets.then(|| bench.endpoint.connect(bench.now, stranger(1)).unwrap());
            bench.send();
            bench.give(stranger(1), first, &[]);
            bench.send();
            let answer = bench.last().header;
            assert_eq!((answer.kind, answer.ack), (Kind::State, first.seq));
            let confirmed = header(Kind::State, u16::MAX, SeqNr::new(2), answer.seq.minus(1));
            bench.give(stranger(1), confirmed, &[]);
            let id = ours.unwrap_or_else(|| bench.endpoint.accept().unwrap());
            bench.endpoint.reset(id);
            bench.send();
            answer.seq
        });
        numbers.sort_by_key(|number| number.get());
        assert_ne!(numbers[0], numbers[1]);
    }
}

#[test]
fn a_room_that_was_overtaken_counts_no_more() {
    let mut bench = Bench::new(|_| ());
    let peer = bench.accept(1);
    bench.write(&peer, &[1; 20_000]);
    let tell = |bench: &mut Bench, timestamp, window| {
        let header = header(Kind::State, peer.theirs, peer.seq, peer.ack);
        bench.give(peer.address, Header { timestamp, window, ..header }, &[]);
        bench.send()
    };
    assert_eq!(tell(&mut bench, 5, 3_000), 2);
    assert_eq!(tell(&mut bench, 9, 5_000), 2);
    assert_eq!(tell(&mut bench, 8, 20_000), 0);
    assert!(tell(&mut bench, 10, 20_000) > 0);
}

#[test]
fn an_end_without_masks_has_the_first_packet_again_after_three_acknowledgements() {
    let mut bench = Bench::new(|_| ());
    let mut peer = bench.accept(1);
    bench.write(&peer, &[1; 5_000]);
    let sent = bench.send();
    assert!(sent >= 4);
    bench.wait(10);
    for expected in [0, 0, 1, 0, 0] {
        // Data with the same acknowledgement says nothing.
        bench.say(&mut peer, b"data");
        bench.send();
        bench.say(&mut peer, &[]);
        assert_eq!(bench.send(), expected);
        let Header { kind, seq, .. } = bench.last().header;
        assert_eq!(expected == 1, (kind, seq) == (Kind::Data, peer.ack.plus(1)));
    }
}

#[test]
fn a_mask_has_the_others_wait_for_the_missing_packet_alone() {
    let mut bench = Bench::new(|_| ());
    let peer = bench.accept(1);
    bench.write(&peer, &[1; 4_000]);
    bench.send();
    bench.wait(100);
    let header = header(Kind::State, peer.theirs, peer.seq, peer.ack);
    let selective_ack = Some(SelectiveAck::new(&[0xff, 0, 0, 0]));
    let mut bytes = vec![0; 100];
    let length = Packet { header, selective_ack, payload: &[] }.encode(&mut bytes);
    bench.endpoint.handle_datagram(bench.now, peer.address, &bytes[..length]);
    assert_eq!(bench.send(), 0, "it may be late");
    bench.wait(30);
    assert_eq!(bench.send(), 1);
    assert_eq!(bench.last().header.seq, peer.ack.plus(1));
}

#[test]
fn a_full_endpoint_answers_to_nobody_new() {
    let mut bench = Bench::new(|config| _ = config.max_connections(1));
    bench.accept(1);
    bench.send();
    let second = stranger(2);
    bench.give(second, header(Kind::Syn, 100, SeqNr::new(1), SeqNr::new(0)), &[]);
    bench.send();
    let ack = bench.last().header.seq.minus(1);
    bench.give(second, header(Kind::Data, 101, SeqNr::new(2), ack), b"x");
    assert_eq!((bench.send(), bench.endpoint.accept()), (0, None));
    assert_eq!(bench.endpoint.stats().refused, 1);
    assert!(bench.endpoint.connect(bench.now, second).is_err());
}

#[test]
fn an_unreachable_address_fails_attempts_to_connect_and_nothing_else() {
    let mut bench = Bench::new(|_| ());
    let peer = bench.accept(1);
    let now = bench.now;
    let [same, other] = [1, 2].map(|n| bench.endpoint.connect(now, stranger(n)).unwrap());
    bench.endpoint.handle_unreachable(now, stranger(1));
    assert_eq!(bench.events(), [Event::Failed(same, Failure::Unreachable)]);
    assert_eq!(bench.endpoint.stats().connections, 3);
    for id in [peer.id, same, other] {
        bench.endpoint.close(now, id);
    }
}

#[test]
fn an_end_that_answers_and_acknowledges_nothing_is_given_up() {
    let mut bench = Bench::new(|_| ());
    let mut peer = bench.accept(1);
    bench.write(&peer, b"abc");
    for _ in 0..500 {
        bench.send();
        bench.say(&mut peer, &[]);
        bench.wait(1_000);
    }
    let events = bench.events();
    assert_eq!(events.last(), Some(&Event::Failed(peer.id, Failure::TimedOut)));
}

#[test]
fn an_end_that_connects_gives_the_answer_that_it_gave_before() {
    let mut bench = Bench::new(|_| ());
    // The id is the highest, so that theirs is the connection.
    let first = header(Kind::Syn, u16::MAX, SeqNr::new(1), SeqNr::new(0));
    bench.give(stranger(1), first, &[]);
    bench.send();
    let answer = bench.last().header;
    let id = bench.endpoint.connect(bench.now, stranger(1)).unwrap();
    bench.send();
    bench.give(stranger(1), first, &[]);
    bench.send();
    assert_eq!(bench.last().header.seq, answer.seq);
    assert_eq!(bench.events(), [Event::Connected(id)]);
}
