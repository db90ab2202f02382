use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use tokio::net::UdpSocket;

use super::{Shared, Swarms};
use crate::udp::{Announce, MAX_DATAGRAM, Request, RequestBody, Response, ResponseBody};
use crate::{AnnounceRequest, Refusal};

/// Answers datagrams until the task is ended.
pub(super) async fn serve(socket: UdpSocket, shared: std::sync::Arc<Shared>) {
    let (mut buffer, mut packed, mut reply) = (vec![0; MAX_DATAGRAM], Vec::new(), Vec::new());
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        packed.clear();
        reply.clear();
        answer(&shared, Instant::now(), from, &buffer[..length], &mut packed, &mut reply);
        if !reply.is_empty() {
            // Errors are ignored, since clients send a request again that got no reply.
            let _ = socket.try_send_to(&reply, from);
        }
    }
}

/// Writes the reply to a datagram, or nothing if there is none. `packed` is an empty buffer for
/// the body of the reply.
fn answer(
    shared: &Shared,
    now: Instant,
    from: SocketAddr,
    datagram: &[u8],
    packed: &mut Vec<u8>,
    out: &mut Vec<u8>,
) {
    // No reply to a malformed datagram: it would go to a source that may be forged.
    let Ok(request) = Request::read(datagram) else { return };
    let ip = from.ip();
    let mut reply = |body| Response { transaction_id: request.transaction_id, body }.write(out);
    let connection_id = match &request.body {
        RequestBody::Connect => {
            let connection_id = shared.connection_ids.issue(now, ip);
            return reply(ResponseBody::Connect { connection_id });
        }
        RequestBody::Announce { connection_id, .. } | RequestBody::Scrape { connection_id, .. } => {
            *connection_id
        }
    };
    if !shared.connection_ids.is_valid(now, ip, connection_id) {
        reply(ResponseBody::Error { message: b"connection id mismatch" });
        // The source may be forged, and must not get more than was sent in its name. A scrape
        // without info-hashes is shorter than the reply.
        if out.len() > datagram.len() {
            out.clear();
        }
        return;
    }
    match &request.body {
        RequestBody::Connect => {}
        RequestBody::Announce { announce, .. } => {
            match announce_reply(shared, now, ip, announce, packed) {
                Ok(body) => reply(body),
                Err(refusal) => reply(ResponseBody::Error { message: refusal.reason.as_bytes() }),
            }
        }
        RequestBody::Scrape { .. } => {
            write_counts(&shared.swarms(), &request.body, packed);
            reply(ResponseBody::Scrape { counts: packed });
        }
    }
}

/// The reply to an announce, with the peers in `packed`.
fn announce_reply<'a>(
    shared: &Shared,
    now: Instant,
    ip: IpAddr,
    announce: &Announce,
    packed: &'a mut Vec<u8>,
) -> Result<ResponseBody<'a>, Refusal> {
    let request = to_request(announce);
    let (interval, counts) = shared.swarms().announce_compact(now, ip, &request, packed)?;
    Ok(ResponseBody::Announce {
        interval: i32::try_from(interval.as_secs()).unwrap_or(i32::MAX),
        leechers: counts.leechers.unwrap_or(0),
        seeders: counts.seeders.unwrap_or(0),
        peers: packed,
    })
}

/// Appends the entries of the reply to a scrape.
fn write_counts(swarms: &Swarms, scrape: &RequestBody<'_>, packed: &mut Vec<u8>) {
    for hash in scrape.scrape_hashes() {
        // A reply has an entry for each hash, so an unknown swarm has zeros (BEP 15, "Scrape").
        let counts = swarms.counts(hash).unwrap_or_default();
        for number in [counts.seeders, counts.completed, counts.leechers] {
            packed.extend_from_slice(&number.unwrap_or(0).to_be_bytes());
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::super::{ConnectionIds, ServerConfig};
    use super::*;

    fn shared(now: Instant) -> Shared {
        let swarms = Mutex::new(Swarms::new(ServerConfig::default(), 1, now));
        Shared { swarms, connection_ids: ConnectionIds::new(now) }
    }

    fn reply_to(shared: &Shared, now: Instant, datagram: &[u8]) -> Vec<u8> {
        let (mut packed, mut out) = (Vec::new(), Vec::new());
        answer(shared, now, "192.0.2.1:1".parse().unwrap(), datagram, &mut packed, &mut out);
        out
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
            let shared = shared(now);
            let mut connect = Vec::new();
            Request { transaction_id: 5, body: RequestBody::Connect }.write(&mut connect);
            let mut any = [&id.to_be_bytes()[..], &kind.to_be_bytes(), &[0; 4]].concat();
            any.extend(bytes);
            for datagram in [connect, scrape(id, hashes), any] {
                let reply = reply_to(&shared, now, &datagram);
                prop_assert!(reply.len() <= datagram.len(), "{} for {datagram:?}", reply.len());
            }
        }
    }

    /// Nor is a scrape without hashes longer for one who is known.
    #[test]
    fn the_reply_to_a_scrape_is_shorter_than_the_scrape() {
        let now = Instant::now();
        let shared = shared(now);
        let id = shared.connection_ids.issue(now, "192.0.2.1".parse().unwrap());
        for hashes in [0, 1, 74] {
            let datagram = scrape(id, hashes);
            let reply = reply_to(&shared, now, &datagram);
            assert_eq!(reply.len(), 8 + 12 * hashes);
            assert!(reply.len() < datagram.len());
        }
    }
}
