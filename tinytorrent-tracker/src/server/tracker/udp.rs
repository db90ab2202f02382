use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::super::admission::Request as Applied;
use super::super::figures::Counters;
use super::Tracker;
use crate::udp::{Announce, Request, RequestBody, Response, ResponseBody, url_data};
use crate::{AnnounceRequest, Refusal};

impl Tracker {
    /// Appends the reply to a datagram from a client (BEP 15), or nothing if there is none.
    ///
    /// Before a client has shown that its address is not forged, it gets no more bytes than it has
    /// sent.
    pub fn handle_datagram(
        &self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        reply: &mut Vec<u8>,
    ) {
        let counters = self.traffic.of(from.port());
        // No reply to a malformed datagram: it would go to a source that may be forged.
        let Ok(request) = Request::read(datagram) else { return counters.invalid() };
        let (ip, transaction_id) = (from.ip(), request.transaction_id);
        let mut write = |body| Response { transaction_id, body }.write(reply);
        let connection_id = match &request.body {
            RequestBody::Connect => {
                counters.connect();
                let connection_id = self.connection_ids.issue(now, ip);
                return write(ResponseBody::Connect { connection_id });
            }
            RequestBody::Announce { connection_id, .. }
            | RequestBody::Scrape { connection_id, .. } => *connection_id,
        };
        if !self.connection_ids.is_valid(now, ip, connection_id) {
            counters.invalid();
            // The source may be forged, and must not get more than was sent in its name. A scrape
            // without info-hashes is shorter than the reply.
            if WRONG_ID.len() + ERROR_HEADER <= datagram.len() {
                write(ResponseBody::Error { message: WRONG_ID });
            }
            return;
        }
        let start = reply.len();
        if let Err(refusal) = self.answer(now, ip, &request, counters, reply) {
            counters.refused();
            reply.truncate(start);
            let message = refusal.reason.as_bytes();
            Response { transaction_id, body: ResponseBody::Error { message } }.write(reply);
        }
    }

    /// Appends the reply to an announce or a scrape.
    fn answer(
        &self,
        now: Instant,
        from: IpAddr,
        request: &Request<'_>,
        counters: &Counters,
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let transaction_id = request.transaction_id;
        match &request.body {
            RequestBody::Connect => {}
            RequestBody::Announce { announce, options, .. } => {
                counters.announce();
                let announce = to_request(announce);
                if !self.admission.is_open() {
                    let url = url_data(options).unwrap_or_default();
                    let (info_hash, url) = (announce.info_hash, url.as_slice());
                    let applied = Applied { info_hash, announce: Some(&announce), url };
                    self.admission.check(from, &applied)?;
                }
                let mut swarms = self.shard(announce.info_hash);
                swarms.announce_compact(
                    now,
                    from,
                    &announce,
                    reply,
                    |interval, counts, reply| {
                        let body = ResponseBody::Announce {
                            interval: i32::try_from(interval.as_secs()).unwrap_or(i32::MAX),
                            leechers: counts.leechers.unwrap_or(0),
                            seeders: counts.seeders.unwrap_or(0),
                            peers: &[],
                        };
                        Response { transaction_id, body }.write(reply);
                    },
                )?;
            }
            RequestBody::Scrape { .. } => {
                counters.scrape();
                Response { transaction_id, body: ResponseBody::Scrape { counts: &[] } }
                    .write(reply);
                self.write_counts(from, &request.body, reply)?;
            }
        }
        Ok(())
    }

    /// Appends the entries of the reply to a scrape.
    fn write_counts(
        &self,
        from: IpAddr,
        scrape: &RequestBody<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let (mut refused, mut admitted) = (None, false);
        for info_hash in scrape.scrape_hashes() {
            let applied = Applied { info_hash, announce: None, url: &[] };
            // A reply has an entry for each hash, so an unknown swarm has zeros (BEP 15, "Scrape").
            let counts = match self.admission.check(from, &applied) {
                Ok(()) => {
                    admitted = true;
                    self.counts(info_hash).unwrap_or_default()
                }
                Err(refusal) => {
                    refused.get_or_insert(refusal);
                    Default::default()
                }
            };
            for number in [counts.seeders, counts.completed, counts.leechers] {
                reply.extend_from_slice(&number.unwrap_or(0).to_be_bytes());
            }
        }
        refused.filter(|_| !admitted).map_or(Ok(()), Err)
    }
}

fn to_request(announce: &Announce) -> AnnounceRequest {
    let Announce { info_hash, peer_id, port, key, .. } = *announce;
    let mut request = AnnounceRequest::new(info_hash, peer_id, port, key);
    (request.uploaded, request.downloaded) = (announce.uploaded, announce.downloaded);
    request.left = Some(announce.left);
    request.event = announce.event;
    request.num_want = u32::try_from(announce.num_want).ok();
    request.ip = (!announce.ip.is_unspecified()).then_some(announce.ip.into());
    request
}

const WRONG_ID: &[u8] = b"connection id mismatch";

/// Action and transaction id.
const ERROR_HEADER: usize = 8;

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, reason = "tests may begin at any instant")]

    use proptest::prelude::*;

    use super::super::super::ServerConfig;
    use super::*;

    fn tracker(now: Instant) -> Tracker {
        Tracker::new(ServerConfig::default(), 1, now)
    }

    fn reply_to(tracker: &Tracker, now: Instant, datagram: &[u8]) -> Vec<u8> {
        let mut reply = Vec::new();
        tracker.handle_datagram(now, "192.0.2.1:1".parse().unwrap(), datagram, &mut reply);
        reply
    }

    fn scrape(connection_id: u64, hashes: usize) -> Vec<u8> {
        let (mut datagram, info_hashes) = (Vec::new(), vec![7; 20 * hashes]);
        let body = RequestBody::Scrape { connection_id, info_hashes: &info_hashes };
        Request { transaction_id: 5, body }.write(&mut datagram);
        datagram
    }

    proptest! {
        /// U-04: a source that is not verified gets no more bytes than were sent in its name.
        #[test]
        fn no_reply_to_a_stranger_is_longer_than_the_request(
            id in any::<u64>(), hashes in 0usize..80, bytes: Vec<u8>, kind in 0u32..5,
        ) {
            let now = Instant::now();
            let tracker = tracker(now);
            let mut connect = Vec::new();
            Request { transaction_id: 5, body: RequestBody::Connect }.write(&mut connect);
            let mut any = [&id.to_be_bytes()[..], &kind.to_be_bytes(), &[0; 4]].concat();
            any.extend(bytes);
            for datagram in [connect, scrape(id, hashes), any] {
                let reply = reply_to(&tracker, now, &datagram);
                prop_assert!(reply.len() <= datagram.len(), "{} for {datagram:?}", reply.len());
            }
        }
    }

    /// Nor is a scrape without hashes longer for one who is known.
    #[test]
    fn the_reply_to_a_scrape_is_shorter_than_the_scrape() {
        let now = Instant::now();
        let tracker = tracker(now);
        let id = tracker.connection_ids.issue(now, "192.0.2.1".parse().unwrap());
        for hashes in [0, 1, 74] {
            let datagram = scrape(id, hashes);
            let reply = reply_to(&tracker, now, &datagram);
            assert_eq!(reply.len(), 8 + 12 * hashes);
            assert!(reply.len() < datagram.len());
        }
    }
}
