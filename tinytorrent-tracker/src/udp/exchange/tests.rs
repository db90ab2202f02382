#![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

use std::net::Ipv4Addr;

use tinytorrent_types::PeerId;

use super::*;
use crate::udp::{Response, ResponseBody, url_data};
use crate::{AnnounceEvent, Peer};

mod replies;
mod requests;
mod retransmission;
mod steps;

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

    /// The datagrams to be sent now.
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
