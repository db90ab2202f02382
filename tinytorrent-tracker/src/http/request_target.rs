use std::fmt::Write;

use tinytorrent_types::WireInfoHash;

use super::percent;
use crate::{AnnounceEvent, AnnounceRequest, TrackerUrl};

/// Path and query of an announce, for the request line: the URL's own query byte for byte, then
/// the keys of the announce (BEP 3, "trackers").
///
/// ```
/// use tinytorrent_tracker::{AnnounceRequest, TrackerUrl, http::announce_target};
/// use tinytorrent_types::{PeerId, WireInfoHash};
///
/// let url: TrackerUrl = "http://tracker.example/announce?passkey=a%2fb".parse()?;
/// let torrent = WireInfoHash::from_bytes(*b"aaaaaaaaaaaaaaaaaaa\xff");
/// let ourselves = PeerId::generate(*b"abcdefghijkl");
/// let target = announce_target(&url, &AnnounceRequest::new(torrent, ourselves, 6881, 1));
/// assert!(target.starts_with("/announce?passkey=a%2fb&info_hash=aaaaaaaaaaaaaaaaaaa%FF&"));
/// # Ok::<(), tinytorrent_tracker::UrlError>(())
/// ```
pub fn announce_target(url: &TrackerUrl, request: &AnnounceRequest) -> String {
    let mut query = Query::after(url);
    query.bytes("info_hash", request.info_hash.as_bytes());
    query.bytes("peer_id", request.peer_id.as_bytes());
    query.plain("port", request.port);
    query.plain("uploaded", request.uploaded);
    query.plain("downloaded", request.downloaded);
    query.plain("left", request.left_on_wire());
    query.plain("key", format_args!("{:08X}", request.key));
    query.plain("compact", 1);
    query.plain("no_peer_id", 1);
    match (request.event, request.num_want) {
        // A client that leaves has no use for peers.
        (AnnounceEvent::Stopped, _) => query.plain("numwant", 0),
        (_, Some(count)) => query.plain("numwant", count),
        (_, None) => {}
    }
    if let Some(event) = request.event.as_str() {
        query.plain("event", event);
    }
    if let Some(ip) = request.ip {
        query.bytes("ip", ip.to_string().as_bytes());
    }
    if let Some(id) = &request.tracker_id {
        query.bytes("trackerid", id);
    }
    query.target
}

/// Path and query of a scrape (BEP 48). `url` is the scrape URL, see [`TrackerUrl::to_scrape`].
/// Without info-hashes the scrape is one of all swarms, which few trackers allow.
pub fn scrape_target(url: &TrackerUrl, info_hashes: &[WireInfoHash]) -> String {
    let mut query = Query::after(url);
    for hash in info_hashes {
        query.bytes("info_hash", hash.as_bytes());
    }
    query.target
}

struct Query {
    target: String,
}

impl Query {
    fn after(url: &TrackerUrl) -> Self {
        let own = url.path_and_query();
        let slash = if own.starts_with('/') { "" } else { "/" };
        Self { target: format!("{slash}{own}") }
    }

    fn plain(&mut self, key: &str, value: impl std::fmt::Display) {
        self.separator();
        write!(self.target, "{key}={value}").expect("a string takes all");
    }

    fn bytes(&mut self, key: &str, value: &[u8]) {
        self.separator();
        self.target.push_str(key);
        self.target.push('=');
        percent::encode(value, &mut self.target);
    }

    fn separator(&mut self) {
        if !self.target.contains('?') {
            self.target.push('?');
        } else if !self.target.ends_with(['?', '&']) {
            self.target.push('&');
        }
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::PeerId;

    use super::*;

    fn request() -> AnnounceRequest {
        let hash = WireInfoHash::from_bytes(*b"\x00 +/%~aaaaaaaaaaaaa\xff");
        AnnounceRequest::new(hash, PeerId::from_bytes(*b"-TT0100-abcdefghijkl"), 6881, 0xbeef)
    }

    fn target(url: &str, request: &AnnounceRequest) -> String {
        announce_target(&url.parse().unwrap(), request)
    }

    /// H-01, H-02, H-20, H-21, H-25, BEP 3 "trackers"
    #[test]
    fn an_announce_has_all_keys_and_every_byte_in_its_place() {
        let mut request = request();
        (request.uploaded, request.downloaded, request.left) = (1, 2, Some(3));
        assert_eq!(
            target("http://h/announce", &request),
            "/announce?info_hash=%00%20%2B%2F%25~aaaaaaaaaaaaa%FF&peer_id=-TT0100-abcdefghijkl\
             &port=6881&uploaded=1&downloaded=2&left=3&key=0000BEEF&compact=1&no_peer_id=1"
        );
    }

    /// H-03, H-04, H-05
    #[test]
    fn the_query_of_the_url_stays_first_and_as_it_was() {
        for (url, start) in [
            ("http://h/a?x=%2f+y", "/a?x=%2f+y&info_hash="),
            ("http://h/a?", "/a?info_hash="),
            ("http://h/a?x&", "/a?x&info_hash="),
            ("http://h/a#frag", "/a?info_hash="),
            ("http://h", "/?info_hash="),
            ("http://h?x", "/?x&info_hash="),
            ("http://h/../%2E/a//b", "/../%2E/a//b?info_hash="),
        ] {
            assert!(target(url, &request()).starts_with(start), "{url}");
        }
    }

    /// H-17, H-26, H-28
    #[test]
    fn optional_keys_come_when_they_are_set_and_only_then() {
        let bare = target("http://h/", &request());
        for key in ["event", "ip=", "ipv4", "ipv6", "trackerid", "numwant"] {
            assert!(!bare.contains(key), "{key}");
        }
        let mut full = request();
        full.event = AnnounceEvent::Stopped;
        full.num_want = Some(80);
        full.ip = Some("2001:db8::1".parse().unwrap());
        full.tracker_id = Some(b"a b&\x01".to_vec());
        assert!(
            target("http://h/", &full)
                .ends_with("&numwant=0&event=stopped&ip=2001%3Adb8%3A%3A1&trackerid=a%20b%26%01")
        );
    }

    /// H-24, BEP 21 "Tracker Announce"
    #[test]
    fn a_partial_seed_says_paused() {
        let mut request = request();
        request.event = AnnounceEvent::Paused;
        assert!(target("http://h/", &request).ends_with("&event=paused"));
    }

    /// H-37, BEP 48 "Scrape Request"
    #[test]
    fn a_scrape_repeats_its_key() {
        let url: TrackerUrl = "http://h/scrape?x=1".parse().unwrap();
        let hashes = [WireInfoHash::from_bytes([b'a'; 20]), WireInfoHash::from_bytes([0xff; 20])];
        let target = scrape_target(&url, &hashes);
        assert_eq!(
            target,
            format!("/scrape?x=1&info_hash={}&info_hash={}", "a".repeat(20), "%FF".repeat(20))
        );
        assert_eq!(scrape_target(&url, &[]), "/scrape?x=1");
    }
}
