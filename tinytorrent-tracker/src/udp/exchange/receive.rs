use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::Family;

use super::endpoint::Connection;
use super::pending::Body;
use super::{
    CONNECTION_LIFE, Exchange, ExchangeError, Reply, RequestId, Timer, Transaction, canonical,
};
use crate::failure::printable;
use crate::udp::{DatagramError, Response, ResponseBody, known_count};
use crate::{AnnounceResponse, Deviation, Peer, Refusal, ScrapeResponse};

impl Exchange {
    /// Takes a datagram from the socket. Returns true if it belongs to a request of this exchange;
    /// another protocol on the same socket may own the others.
    ///
    /// A datagram that is too short, forged, late or malformed is counted, and its request goes on
    /// (BEP 15, "UDP connections / spoofing").
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> bool {
        self.handle_datagram_over(now, from, Family::of(from.ip()), datagram)
    }

    /// As `handle_datagram`, for a datagram whose family is not that of its address, which happens
    /// behind a proxy that resolves names.
    pub(crate) fn handle_datagram_over(
        &mut self,
        now: Instant,
        from: SocketAddr,
        family: Family,
        datagram: &[u8],
    ) -> bool {
        let Some(owner) = self.owner_of(datagram) else {
            self.stats.stray += 1;
            return false;
        };
        // A forger who guesses the id has to forge the source too.
        if self.address_of(owner) != Some(canonical(from)) {
            self.stats.wrong_source += 1;
            return false;
        }
        let taken = match owner {
            Transaction::Connect(address) => self.on_connect_reply(now, address, datagram),
            Transaction::Request(id) => self.on_reply(now, id, family, datagram),
        };
        if taken {
            self.stats.accepted += 1;
        } else {
            self.stats.unexpected += 1;
        }
        true
    }

    /// The tracker that the transaction id of a reply belongs to.
    #[cfg(feature = "client")]
    pub(crate) fn tracker_of(&self, datagram: &[u8]) -> Option<SocketAddr> {
        self.owner_of(datagram).and_then(|owner| self.address_of(owner))
    }

    fn owner_of(&self, datagram: &[u8]) -> Option<Transaction> {
        let transaction_id = Response::peek_transaction_id(datagram)?;
        self.transactions.get(&transaction_id).copied()
    }

    fn address_of(&self, owner: Transaction) -> Option<SocketAddr> {
        match owner {
            Transaction::Connect(address) => Some(address),
            Transaction::Request(id) => self.pending.get(&id).map(|pending| pending.address),
        }
    }

    fn on_connect_reply(&mut self, now: Instant, address: SocketAddr, datagram: &[u8]) -> bool {
        match Response::read(datagram) {
            Ok(Response { body: ResponseBody::Connect { connection_id }, .. }) => {
                self.on_connected(now, address, connection_id);
                true
            }
            Ok(Response { body: ResponseBody::Error { message }, .. }) => {
                let refusal = refusal(message);
                for id in self.waiting_at(address) {
                    self.finish(id, Err(ExchangeError::Refused(refusal.clone())));
                }
                true
            }
            Ok(Response { body, .. }) => {
                self.note_unexpected(&self.waiting_at(address), body.action());
                false
            }
            Err(DatagramError::UnknownAction(action)) => {
                self.note_unexpected(&self.waiting_at(address), action);
                false
            }
            Err(_) => false,
        }
    }

    fn on_connected(&mut self, now: Instant, address: SocketAddr, id: u64) {
        let Some(endpoint) = self.endpoints.get_mut(&address) else { return };
        let before =
            std::mem::replace(&mut endpoint.connection, Connection::Open { id, received_at: now });
        let waiting = std::mem::take(&mut endpoint.waiting);
        if let Connection::Asking { transaction_id, .. } = before {
            // A second reply to the same connect must not replace the id.
            self.transactions.remove(&transaction_id);
        }
        self.timers.insert((now + CONNECTION_LIFE, Timer::ForgetConnection(address)));
        for request in waiting {
            self.advance(now, request);
        }
    }

    fn on_reply(&mut self, now: Instant, id: RequestId, family: Family, datagram: &[u8]) -> bool {
        let Some(pending) = self.pending.get(&id) else { return false };
        match (Response::read(datagram), &pending.body) {
            (
                Ok(Response { body: body @ ResponseBody::Announce { .. }, .. }),
                Body::Announce { .. },
            ) => {
                let response = announce_response(&body, family);
                self.finish(id, Ok(Reply::Announce(response)));
                true
            }
            (
                Ok(Response { body: body @ ResponseBody::Scrape { .. }, .. }),
                Body::Scrape(asked),
            ) => {
                let response = scrape_response(asked, &body);
                self.finish(id, response.map(Reply::Scrape));
                true
            }
            (Ok(Response { body: ResponseBody::Error { message }, .. }), _) => {
                self.on_refused(now, id, message);
                true
            }
            (Ok(Response { body, .. }), _) => {
                self.note_unexpected(&[id], body.action());
                false
            }
            (Err(DatagramError::UnknownAction(action)), _) => {
                self.note_unexpected(&[id], action);
                false
            }
            // opentracker answers so for torrents that it does not list.
            (Err(DatagramError::TooShort { found, .. }), _) => {
                self.finish(id, Err(ExchangeError::CutShort { found }));
                true
            }
            (Err(_), _) => false,
        }
    }

    /// Handles an error reply to a request: the first leads to a retry with a new connection id.
    fn on_refused(&mut self, now: Instant, id: RequestId, message: &[u8]) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        // A tracker that was restarted refuses the old id, and its message has no standard text.
        let is_last = std::mem::replace(&mut pending.has_reconnected, true);
        if let Some(endpoint) = self.endpoints.get_mut(&pending.address)
            && matches!(endpoint.connection, Connection::Open { .. })
        {
            endpoint.connection = Connection::None;
        }
        if is_last {
            self.finish(id, Err(ExchangeError::Refused(refusal(message))));
        } else {
            self.advance(now, id);
        }
    }

    fn waiting_at(&self, address: SocketAddr) -> Vec<RequestId> {
        let waiting = self.endpoints.get(&address).map(|endpoint| endpoint.waiting.iter().copied());
        waiting.into_iter().flatten().collect()
    }

    fn note_unexpected(&mut self, requests: &[RequestId], action: u32) {
        for id in requests {
            if let Some(pending) = self.pending.get_mut(id) {
                pending.unexpected_action = Some(action);
            }
        }
    }
}

fn refusal(message: &[u8]) -> Refusal {
    Refusal { reason: printable(message), retry_in: None }
}

fn scrape_response(
    asked: &[WireInfoHash],
    body: &ResponseBody<'_>,
) -> Result<ScrapeResponse, ExchangeError> {
    let found = body.counts();
    // Entries have no info-hash, and are matched by their place.
    if found.len() > asked.len() {
        return Err(ExchangeError::TooManyEntries { asked: asked.len(), found: found.len() });
    }
    let files = asked.iter().copied().zip(found).collect();
    Ok(ScrapeResponse { files, ..ScrapeResponse::default() })
}

fn announce_response(body: &ResponseBody<'_>, family: Family) -> AnnounceResponse {
    let mut response = AnnounceResponse::default();
    let ResponseBody::Announce { interval, leechers, seeders, .. } = *body else { return response };
    match u64::try_from(interval) {
        Ok(seconds) => response.interval = Some(Duration::from_secs(seconds)),
        // Without an interval the schedule uses its default.
        Err(_) => response.deviations.push(Deviation::new("interval", "is negative").at_offset(8)),
    }
    response.seeders = known_count(seeders);
    response.leechers = known_count(leechers);
    let peers = body.peers(family);
    if !peers.remainder().is_empty() {
        let what = format!("{} bytes after the last whole peer", peers.remainder().len());
        response.deviations.push(Deviation::new("peers", what));
    }
    // A reply over IPv6 can list an IPv4 peer in the mapped form only.
    response.peers = peers.map(|address| Peer { address: canonical(address), id: None }).collect();
    response
}
