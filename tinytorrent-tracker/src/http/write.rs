use std::net::IpAddr;
use std::time::Duration;

use tinytorrent_bencode::encode;
use tinytorrent_types::compact::{self, Family};

use crate::{AnnounceResponse, Peer, Refusal, RetryIn, ScrapeResponse};

/// The format of peers in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerFormat {
    /// Packed addresses in `peers` and `peers6` (BEP 23, BEP 7).
    Compact,
    /// A list of dictionaries (BEP 3).
    Dictionaries {
        /// True if the peer ids are left out.
        no_peer_id: bool,
    },
}

/// Appends the body of a response to an announce.
pub fn write_announce(response: &AnnounceResponse, format: PeerFormat, out: &mut Vec<u8>) {
    encode::dict(out, |d| {
        optional(d, "complete", response.seeders);
        optional(d, "downloaded", response.downloaded);
        optional(d, "incomplete", response.leechers);
        optional(d, "interval", response.interval.map(whole_seconds));
        optional(d, "min interval", response.min_interval.map(whole_seconds));
        match response.external_ip {
            Some(IpAddr::V4(ip)) => d.bytes("external ip", ip.octets()),
            Some(IpAddr::V6(ip)) => d.bytes("external ip", ip.octets()),
            None => {}
        }
        if let Some(id) = &response.tracker_id {
            d.bytes("tracker id", id);
        }
        if let Some(warning) = &response.warning {
            d.bytes("warning message", warning);
        }
        match format {
            PeerFormat::Compact => write_compact(d, &response.peers),
            PeerFormat::Dictionaries { no_peer_id } => {
                d.list("peers", |list| {
                    for peer in &response.peers {
                        list.dict(|d| write_peer(d, peer, no_peer_id));
                    }
                });
            }
        }
    });
}

/// Appends the body of a refusal (BEP 3, BEP 31).
pub fn write_refusal(refusal: &Refusal, out: &mut Vec<u8>) {
    encode::dict(out, |d| {
        d.bytes("failure reason", &refusal.reason);
        match refusal.retry_in {
            // BEP 31 counts in minutes.
            Some(RetryIn::After(wait)) => d.integer("retry in", whole_seconds(wait) / 60),
            Some(RetryIn::Never) => d.bytes("retry in", "never"),
            None => {}
        }
    });
}

/// Appends the body of a response to a scrape (BEP 48).
pub fn write_scrape(response: &ScrapeResponse, out: &mut Vec<u8>) {
    encode::dict(out, |d| {
        d.dict("files", |files| {
            for (hash, counts) in &response.files {
                files.dict(hash.as_bytes(), |d| {
                    optional(d, "complete", counts.seeders);
                    optional(d, "downloaded", counts.completed);
                    optional(d, "downloaders", counts.downloaders);
                    optional(d, "incomplete", counts.leechers);
                });
            }
        });
        if let Some(interval) = response.min_request_interval {
            d.dict("flags", |d| d.integer("min_request_interval", interval));
        }
    });
}

fn write_compact(d: &mut encode::DictEncoder<'_>, peers: &[Peer]) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for peer in peers {
        match Family::of(peer.address.ip()) {
            Family::V4 => compact::write(peer.address, &mut v4),
            Family::V6 => compact::write(peer.address, &mut v6),
        }
    }
    // Clients expect `peers`, even if it is empty.
    d.bytes("peers", v4);
    if !v6.is_empty() {
        d.bytes("peers6", v6);
    }
}

fn write_peer(d: &mut encode::DictEncoder<'_>, peer: &Peer, no_peer_id: bool) {
    d.bytes("ip", peer.address.ip().to_canonical().to_string());
    if let Some(id) = peer.id.filter(|_| !no_peer_id) {
        d.bytes("peer id", id.as_bytes());
    }
    d.integer("port", peer.address.port());
}

fn optional(d: &mut encode::DictEncoder<'_>, key: &str, number: Option<u32>) {
    if let Some(number) = number {
        d.integer(key, number);
    }
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{ResponseError, read_announce, read_scrape};
    use crate::{SwarmCounts, http};
    use tinytorrent_types::{PeerId, WireInfoHash};

    fn response() -> AnnounceResponse {
        let peer = |address: &str| Peer { address: address.parse().unwrap(), id: None };
        AnnounceResponse {
            peers: vec![peer("192.0.2.1:6881"), peer("[2001:db8::1]:6882")],
            interval: Some(Duration::from_secs(1800)),
            min_interval: Some(Duration::from_secs(60)),
            seeders: Some(1),
            leechers: Some(2),
            downloaded: Some(3),
            tracker_id: Some(vec![0, 255]),
            external_ip: Some("192.0.2.9".parse().unwrap()),
            warning: Some("careful".into()),
            ..Default::default()
        }
    }

    #[test]
    fn what_the_tracker_writes_the_client_reads_in_either_format() {
        let mut response = response();
        let mut body = Vec::new();
        write_announce(&response, PeerFormat::Compact, &mut body);
        assert_eq!(read_announce(&body).unwrap(), response);
        response.peers[0].id = Some(PeerId::from_bytes([7; 20]));
        body.clear();
        write_announce(&response, PeerFormat::Dictionaries { no_peer_id: false }, &mut body);
        assert_eq!(read_announce(&body).unwrap(), response);
    }

    #[test]
    fn what_the_tracker_writes_is_canonical() {
        let mut body = Vec::new();
        write_announce(&response(), PeerFormat::Compact, &mut body);
        assert!(tinytorrent_bencode::decode(&body).is_ok());
    }

    #[test]
    fn refusals_and_scrapes_survive() {
        for retry_in in [None, Some(RetryIn::Never), Some(RetryIn::After(Duration::from_secs(300)))]
        {
            let refusal = Refusal { reason: "overloaded".into(), retry_in };
            let mut body = Vec::new();
            write_refusal(&refusal, &mut body);
            assert_eq!(read_announce(&body), Err(ResponseError::Refused(refusal)));
        }
        let counts = SwarmCounts { seeders: Some(1), completed: Some(2), ..Default::default() };
        let scrape = ScrapeResponse {
            files: vec![(WireInfoHash::from_bytes([1; 20]), counts)],
            min_request_interval: Some(9),
            ..Default::default()
        };
        let mut body = Vec::new();
        http::write_scrape(&scrape, &mut body);
        assert_eq!(read_scrape(&body), Ok(scrape));
    }
}
