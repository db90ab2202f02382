use std::net::IpAddr;

use tinytorrent_types::{PeerId, WireInfoHash};

use super::percent;
use crate::{AnnounceEvent, AnnounceRequest};

/// An announce as a tracker reads it from the query of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceQuery {
    /// What the client tells.
    pub request: AnnounceRequest,
    /// Whether it asks for compact peers; `None` if it does not say (BEP 23).
    pub compact: Option<bool>,
    /// Whether it can do without peer ids.
    pub no_peer_id: bool,
}

/// A scrape as a tracker reads it from the query of a request (BEP 48).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeQuery {
    /// The swarms asked for; none means all of them.
    pub info_hashes: Vec<WireInfoHash>,
}

/// Why a query is no announce or scrape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A key that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that cannot be.
    #[error("{0} is invalid")]
    Invalid(&'static str),
}

impl AnnounceQuery {
    /// Reads what stands after the `?`. Unknown keys are ignored, of a repeated key the first
    /// counts, numbers that are missing are 0.
    ///
    /// # Errors
    /// No `info_hash`, `peer_id` or `port`, or a value that cannot be read.
    pub fn read(query: &str) -> Result<Self, QueryError> {
        let find =
            |key: &str| pairs(query).find(|(found, _)| *found == key).map(|(_, value)| value);
        let number = |key: &'static str| match find(key) {
            None | Some("") => Ok(None),
            Some(digits) => digits.parse::<u64>().map(Some).map_err(|_| QueryError::Invalid(key)),
        };
        let hash = twenty("info_hash", find("info_hash"))?;
        let peer_id = twenty("peer_id", find("peer_id"))?;
        let port = number("port")?.ok_or(QueryError::Missing("port"))?;
        let port = u16::try_from(port).map_err(|_| QueryError::Invalid("port"))?;
        let key = find("key").map_or(0, opaque_key);
        let mut request = AnnounceRequest::new(
            WireInfoHash::from_bytes(hash),
            PeerId::from_bytes(peer_id),
            port,
            key,
        );
        request.uploaded = number("uploaded")?.unwrap_or(0);
        request.downloaded = number("downloaded")?.unwrap_or(0);
        request.left = number("left")?;
        request.event = event_of(find("event").unwrap_or_default());
        request.num_want = find("numwant").and_then(|count| count.parse().ok());
        request.ip = find("ip").and_then(address);
        request.tracker_id = find("trackerid").map(percent::decode);
        Ok(Self {
            request,
            compact: find("compact").map(|value| value != "0"),
            no_peer_id: find("no_peer_id").is_some_and(|value| value != "0"),
        })
    }
}

impl ScrapeQuery {
    /// Reads what stands after the `?`.
    ///
    /// # Errors
    /// An `info_hash` that has not 20 bytes.
    pub fn read(query: &str) -> Result<Self, QueryError> {
        let hashes = pairs(query).filter(|(key, _)| *key == "info_hash");
        let info_hashes = hashes
            .map(|(_, value)| twenty("info_hash", Some(value)).map(WireInfoHash::from_bytes))
            .collect::<Result<_, _>>()?;
        Ok(Self { info_hashes })
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn twenty(key: &'static str, value: Option<&str>) -> Result<[u8; 20], QueryError> {
    let value = value.ok_or(QueryError::Missing(key))?;
    percent::decode(value).try_into().map_err(|_| QueryError::Invalid(key))
}

fn address(text: &str) -> Option<IpAddr> {
    String::from_utf8(percent::decode(text)).ok()?.parse().ok()
}

fn event_of(text: &str) -> AnnounceEvent {
    match text {
        "started" => AnnounceEvent::Started,
        "completed" => AnnounceEvent::Completed,
        "stopped" => AnnounceEvent::Stopped,
        "paused" => AnnounceEvent::Paused,
        _ => AnnounceEvent::None,
    }
}

/// Clients write the key in hex, in decimal or as any text: it is only ever compared.
fn opaque_key(text: &str) -> u32 {
    u32::from_str_radix(text, 16).unwrap_or_else(|_| {
        text.bytes().fold(0, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::TrackerUrl;
    use crate::http::{announce_target, scrape_target};

    const GOOD: &str = "info_hash=aaaaaaaaaaaaaaaaaaa%FF&peer_id=-TY0100-abcdefghijkl&port=6881";

    #[test]
    fn what_must_be_there_is_asked_for_by_name() {
        assert!(AnnounceQuery::read(GOOD).is_ok());
        for (key, error) in [
            ("info_hash", QueryError::Missing("info_hash")),
            ("peer_id", QueryError::Missing("peer_id")),
            ("port", QueryError::Missing("port")),
        ] {
            let without: Vec<_> = GOOD.split('&').filter(|pair| !pair.starts_with(key)).collect();
            assert_eq!(AnnounceQuery::read(&without.join("&")), Err(error));
        }
        let short = GOOD.replace("%FF", "");
        assert_eq!(AnnounceQuery::read(&short), Err(QueryError::Invalid("info_hash")));
        let port = GOOD.replace("6881", "68810");
        assert_eq!(AnnounceQuery::read(&port), Err(QueryError::Invalid("port")));
    }

    #[test]
    fn what_is_advice_is_read_as_advice() {
        let query = AnnounceQuery::read(GOOD).unwrap();
        assert_eq!((query.compact, query.no_peer_id, query.request.left), (None, false, None));
        let query = AnnounceQuery::read(&format!("{GOOD}&compact=0&no_peer_id=1&numwant=-1"));
        let query = query.unwrap();
        assert_eq!((query.compact, query.no_peer_id), (Some(false), true));
        assert_eq!(query.request.num_want, None);
    }

    proptest! {
        #[test]
        fn what_the_client_writes_the_tracker_reads(
            hash: [u8; 20], peer_id: [u8; 20], port: u16, key: u32, up: u64, down: u64, left: u64,
            want: Option<u32>, ip: Option<IpAddr>, id: Option<Vec<u8>>,
        ) {
            let mut request = AnnounceRequest::new(
                WireInfoHash::from_bytes(hash), PeerId::from_bytes(peer_id), port, key);
            (request.uploaded, request.downloaded, request.left) = (up, down, Some(left));
            (request.num_want, request.ip, request.tracker_id) = (want, ip, id);
            request.event = AnnounceEvent::Started;
            let url: TrackerUrl = "http://h/announce?x=1".parse().unwrap();
            let target = announce_target(&url, &request);
            let (_, query) = target.split_once('?').unwrap();
            prop_assert_eq!(AnnounceQuery::read(query).unwrap().request, request);
        }

        #[test]
        fn any_text_is_read_without_a_panic(query: String) {
            let _ = (AnnounceQuery::read(&query), ScrapeQuery::read(&query));
        }
    }

    /// H-37
    #[test]
    fn a_scrape_may_ask_for_many() {
        let url: TrackerUrl = "http://h/scrape".parse().unwrap();
        let info_hashes =
            vec![WireInfoHash::from_bytes([1; 20]), WireInfoHash::from_bytes([2; 20])];
        let target = scrape_target(&url, &info_hashes);
        let (_, query) = target.split_once('?').unwrap();
        assert_eq!(ScrapeQuery::read(query), Ok(ScrapeQuery { info_hashes }));
        assert_eq!(ScrapeQuery::read(""), Ok(ScrapeQuery { info_hashes: vec![] }));
    }
}
