use std::net::SocketAddr;

use tinytorrent_types::WireInfoHash;

use super::{Error, ErrorKind, Phase};
use crate::http::{self, ResponseError};
use crate::udp::{MAX_SCRAPE_HASHES, Reply};
use crate::{AnnounceEvent, AnnounceRequest, AnnounceResponse, ScrapeResponse, TrackerUrl};

/// A request that a tracker can be sent over HTTP and over UDP: an announce or a scrape.
pub(super) trait TrackerRequest: Sized + Send + Sync {
    type Response: Default + Send;

    /// The families over which one request goes to a tracker that has both.
    const COVERAGE: Coverage;

    /// Beginnings of the paths under which a tracker at a local address may be asked.
    const LOCAL_PATHS: &'static [&'static str];

    /// The URL of the request, given the tracker's announce URL.
    fn url(&self, announce: &TrackerUrl) -> Result<TrackerUrl, Error>;

    /// True if it cannot wait, neither for other requests nor for a resolver: addresses that were found earlier will do.
    fn is_urgent(&self) -> bool {
        false
    }

    /// The number of torrents that the request asks for.
    fn torrents(&self) -> usize {
        1
    }

    /// The part of the request for at most so many torrents, from one on. An announce is one part.
    fn part(&self, from: usize, most: usize) -> Self;

    /// Path and query for the request line of HTTP.
    fn http_target(&self, url: &TrackerUrl) -> String;

    /// Parses the body of an HTTP response.
    fn read_body(body: &[u8]) -> Result<Self::Response, ResponseError>;

    /// The requests to send over UDP, one after the other.
    fn udp_requests(&self, url: &TrackerUrl) -> Vec<UdpRequest>;

    /// The response in a UDP reply; `None` if the reply is to another kind of request.
    fn read_reply(reply: Reply) -> Option<Self::Response>;

    /// Adds the response to another part of the request, or that of another family.
    fn merge(response: &mut Self::Response, other: Self::Response);

    /// Notes the address that was connected to for a response; `None` through a proxy.
    fn note_address(_response: &mut Self::Response, _tracker: Option<SocketAddr>) {}
}

/// The families over which a tracker is asked that has addresses of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    /// Both at once, and their responses are merged.
    Every,
    /// IPv4 first, and IPv6 only if IPv4 fails.
    First,
}

/// A request that fits into one datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UdpRequest {
    Announce {
        request: AnnounceRequest,
        /// Path and query of the URL (BEP 41).
        url: Vec<u8>,
    },
    Scrape(Vec<WireInfoHash>),
}

impl TrackerRequest for AnnounceRequest {
    type Response = AnnounceResponse;

    /// A tracker lists us for each family under the source address of an announce (BEP 7).
    const COVERAGE: Coverage = Coverage::Every;

    const LOCAL_PATHS: &'static [&'static str] = &["/announce"];

    fn url(&self, announce: &TrackerUrl) -> Result<TrackerUrl, Error> {
        Ok(announce.clone())
    }

    fn is_urgent(&self) -> bool {
        // A program that ends must not wait.
        self.event == AnnounceEvent::Stopped
    }

    fn part(&self, _from: usize, _most: usize) -> Self {
        self.clone()
    }

    fn http_target(&self, url: &TrackerUrl) -> String {
        http::announce_target(url, self)
    }

    fn read_body(body: &[u8]) -> Result<AnnounceResponse, ResponseError> {
        http::read_announce(body)
    }

    fn udp_requests(&self, url: &TrackerUrl) -> Vec<UdpRequest> {
        let url = url.path_and_query().as_bytes().to_vec();
        vec![UdpRequest::Announce { request: self.clone(), url }]
    }

    fn read_reply(reply: Reply) -> Option<AnnounceResponse> {
        match reply {
            Reply::Announce(response) => Some(response),
            Reply::Scrape(_) => None,
        }
    }

    fn merge(response: &mut AnnounceResponse, other: AnnounceResponse) {
        response.merge(other);
    }

    fn note_address(response: &mut AnnounceResponse, tracker: Option<SocketAddr>) {
        response.reached_at = tracker.map(|address| address.ip());
    }
}

/// A scrape of any number of swarms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scrape<'a>(pub(super) &'a [WireInfoHash]);

impl TrackerRequest for Scrape<'_> {
    type Response = ScrapeResponse;

    /// Counts of a swarm are the same over both.
    const COVERAGE: Coverage = Coverage::First;

    /// Those that [`TrackerUrl::to_scrape`] makes of paths under which announces may be made.
    const LOCAL_PATHS: &'static [&'static str] = &["/scrape", "/announce"];

    fn url(&self, announce: &TrackerUrl) -> Result<TrackerUrl, Error> {
        let scrape = announce.to_scrape();
        scrape.ok_or_else(|| Error::new(announce, Phase::Url, ErrorKind::NotScrapable))
    }

    fn torrents(&self) -> usize {
        self.0.len()
    }

    fn part(&self, from: usize, most: usize) -> Self {
        let rest = self.0.get(from..).unwrap_or_default();
        Self(&rest[..rest.len().min(most)])
    }

    fn http_target(&self, url: &TrackerUrl) -> String {
        http::scrape_target(url, self.0)
    }

    fn read_body(body: &[u8]) -> Result<ScrapeResponse, ResponseError> {
        http::read_scrape(body)
    }

    fn udp_requests(&self, _url: &TrackerUrl) -> Vec<UdpRequest> {
        let batches = self.0.chunks(MAX_SCRAPE_HASHES);
        batches.map(|hashes| UdpRequest::Scrape(hashes.to_vec())).collect()
    }

    fn read_reply(reply: Reply) -> Option<ScrapeResponse> {
        match reply {
            Reply::Scrape(response) => Some(response),
            Reply::Announce(_) => None,
        }
    }

    fn merge(response: &mut ScrapeResponse, other: ScrapeResponse) {
        response.files.extend(other.files);
        response.deviations.extend(other.deviations);
    }
}

#[cfg(test)]
mod tests {
    use tinytorrent_types::PeerId;

    use super::*;
    use crate::SwarmCounts;

    fn url(text: &str) -> TrackerUrl {
        text.parse().unwrap()
    }

    fn announce(event: AnnounceEvent) -> AnnounceRequest {
        let hash = WireInfoHash::from_bytes([1; 20]);
        AnnounceRequest { event, ..AnnounceRequest::new(hash, PeerId::from_bytes([2; 20]), 1, 7) }
    }

    /// BEP 41
    #[test]
    fn an_announce_is_one_datagram_with_the_path_of_the_url() {
        let request = announce(AnnounceEvent::Started);
        let url_data = b"/announce?k=1".to_vec();
        let expected = UdpRequest::Announce { request: request.clone(), url: url_data };
        assert_eq!(request.udp_requests(&url("udp://h:1/announce?k=1")), [expected]);
    }

    /// BEP 15, "Scrape"
    #[test]
    fn a_scrape_is_as_many_datagrams_as_it_takes() {
        let hashes = vec![WireInfoHash::from_bytes([1; 20]); MAX_SCRAPE_HASHES + 1];
        let requests = Scrape(&hashes).udp_requests(&url("udp://h:1"));
        let (full, rest) = hashes.split_at(MAX_SCRAPE_HASHES);
        let expected = [full, rest].map(|part| UdpRequest::Scrape(part.to_vec()));
        assert_eq!(requests, expected);
        assert_eq!(Scrape(&[]).udp_requests(&url("udp://h:1")), []);
    }

    #[test]
    fn responses_to_batches_of_a_scrape_are_put_together() {
        let part = |byte| ScrapeResponse {
            files: vec![(WireInfoHash::from_bytes([byte; 20]), SwarmCounts::default())],
            ..ScrapeResponse::default()
        };
        let mut whole = ScrapeResponse::default();
        for reply in [1, 2].map(|byte| Reply::Scrape(part(byte))) {
            Scrape::merge(&mut whole, Scrape::read_reply(reply).unwrap());
        }
        assert_eq!(whole.files, [part(1).files, part(2).files].concat());
    }

    #[test]
    fn a_reply_to_the_other_kind_of_request_is_no_response() {
        assert!(Scrape::read_reply(Reply::Announce(AnnounceResponse::default())).is_none());
        assert!(AnnounceRequest::read_reply(Reply::Scrape(ScrapeResponse::default())).is_none());
    }

    /// BEP 48, "The scrape convention"
    #[test]
    fn a_scrape_goes_to_the_url_beside_that_of_the_announce() {
        let (scrape, hashes) = (url("http://h/scrape?k=1"), [WireInfoHash::from_bytes([b'a'; 20])]);
        assert_eq!(Scrape(&hashes).url(&url("http://h/announce?k=1")).unwrap(), scrape);
        let target = Scrape(&hashes).http_target(&scrape);
        assert_eq!(target, "/scrape?k=1&info_hash=aaaaaaaaaaaaaaaaaaaa");
        let error = Scrape(&hashes).url(&url("http://h/a")).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotScrapable));
    }

    #[test]
    fn only_the_last_announce_is_urgent() {
        assert!(announce(AnnounceEvent::Stopped).is_urgent());
        assert!(!announce(AnnounceEvent::Completed).is_urgent());
        assert!(!Scrape(&[]).is_urgent());
    }
}
