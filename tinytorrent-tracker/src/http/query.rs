use std::borrow::Cow;
use std::net::IpAddr;

use tinytorrent_types::{PeerId, WireInfoHash};

use super::percent;
use crate::{AnnounceEvent, AnnounceRequest};

/// An announce in the query of an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceQuery {
    /// The announce itself.
    pub request: AnnounceRequest,
    /// True if the client wants compact peers; `None` if the query does not tell (BEP 23).
    pub compact: Option<bool>,
    /// True if the client needs no peer ids.
    pub no_peer_id: bool,
}

/// A scrape in the query of an HTTP request (BEP 48).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeQuery {
    /// The info-hashes of the swarms; empty for all swarms.
    pub info_hashes: Vec<WireInfoHash>,
}

/// An error in the query of an announce or a scrape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A required key is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The value of a key is malformed.
    #[error("{0} is invalid")]
    Invalid(&'static str),
    /// A key that must be unique is given more than once.
    #[error("{0} is given more than once")]
    Repeated(&'static str),
}

impl AnnounceQuery {
    /// Parses the query, without the `?`. Unknown keys are ignored, and missing numbers are 0. Of
    /// a repeated key the first counts, since announce URLs have keys of their own.
    ///
    /// # Errors
    /// No `info_hash`, `peer_id` or `port`, several of `info_hash` or `peer_id`, or a malformed
    /// value.
    pub fn read(query: &str) -> Result<Self, QueryError> {
        let find =
            |key: &str| pairs(query).find(|(found, _)| *found == key).map(|(_, value)| value);
        let number = |key: &'static str| find(key).map_or(Ok(None), |value| number(key, value));
        let hash = twenty_bytes("info_hash", unique_value(query, "info_hash")?)?;
        let peer_id = twenty_bytes("peer_id", unique_value(query, "peer_id")?)?;
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
        request.event = find("event").map_or(Ok(AnnounceEvent::None), event_of)?;
        request.num_want = find("numwant").map_or(Ok(None), num_want)?;
        request.ip = find("ip").and_then(address);
        request.tracker_id = find("trackerid").map(percent::decode);
        Ok(Self {
            request,
            compact: find("compact").map(compact).transpose()?,
            no_peer_id: find("no_peer_id").is_some_and(|value| value != "0"),
        })
    }
}

impl ScrapeQuery {
    /// Parses the query, without the `?`.
    ///
    /// # Errors
    /// An `info_hash` that is not of 20 bytes.
    pub fn read(query: &str) -> Result<Self, QueryError> {
        let hashes = pairs(query).filter(|(key, _)| *key == "info_hash");
        let info_hashes = hashes
            .map(|(_, value)| twenty_bytes("info_hash", Some(value)).map(WireInfoHash::from_bytes))
            .collect::<Result<_, _>>()?;
        Ok(Self { info_hashes })
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// The value of a key that must not be repeated.
fn unique_value<'a>(query: &'a str, key: &'static str) -> Result<Option<&'a str>, QueryError> {
    let mut values = pairs(query).filter(|(found, _)| *found == key).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(QueryError::Repeated(key)),
        (value, None) => Ok(value),
    }
}

/// A value that is text, with percent-encoding decoded.
fn text(value: &str) -> Cow<'_, str> {
    if value.contains('%') {
        Cow::Owned(String::from_utf8_lossy(&percent::decode(value)).into_owned())
    } else {
        Cow::Borrowed(value)
    }
}

fn number(key: &'static str, value: &str) -> Result<Option<u64>, QueryError> {
    match &*text(value) {
        // Clients send `left=` while they do not know the size.
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| QueryError::Invalid(key)),
    }
}

/// Parses `numwant`; `None` if the client leaves the number to the tracker.
fn num_want(value: &str) -> Result<Option<u32>, QueryError> {
    let value = text(value);
    // A negative number is the default, as over UDP (BEP 15, "Announce").
    let digits = value.strip_prefix('-').unwrap_or(&value);
    if !value.is_empty() && (digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit())) {
        return Err(QueryError::Invalid("numwant"));
    }
    let is_wish = digits.len() == value.len() && !value.is_empty();
    Ok(is_wish.then(|| digits.parse().unwrap_or(u32::MAX)))
}

/// Parses `compact`, which is 0 or 1 (BEP 23).
fn compact(value: &str) -> Result<bool, QueryError> {
    match &*text(value) {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(QueryError::Invalid("compact")),
    }
}

fn twenty_bytes(key: &'static str, value: Option<&str>) -> Result<[u8; 20], QueryError> {
    let value = value.ok_or(QueryError::Missing(key))?;
    percent::decode(value).try_into().map_err(|_| QueryError::Invalid(key))
}

fn address(text: &str) -> Option<IpAddr> {
    String::from_utf8(percent::decode(text)).ok()?.parse().ok()
}

/// Parses `event` (BEP 3; `paused` is BEP 21).
fn event_of(value: &str) -> Result<AnnounceEvent, QueryError> {
    match &*text(value) {
        "started" => Ok(AnnounceEvent::Started),
        "completed" => Ok(AnnounceEvent::Completed),
        "stopped" => Ok(AnnounceEvent::Stopped),
        "paused" => Ok(AnnounceEvent::Paused),
        "" => Ok(AnnounceEvent::None),
        _ => Err(QueryError::Invalid("event")),
    }
}

/// A number for `key`, equal for equal texts.
fn opaque_key(text: &str) -> u32 {
    // Clients write the key in hex, in decimal or as any text. It is only compared.
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

    /// H-02: a value may be escaped
    #[test]
    fn nonsense_is_refused_by_name() {
        let read = |more: &str| AnnounceQuery::read(&format!("{GOOD}&{more}"));
        for (key, values) in [
            ("compact", ["", "2", "yes", "-1", "11", "%00"]),
            ("numwant", ["all", "-", "5x", "+5", "0x5", "--5"]),
            ("event", ["start", "Started", "none", "5", "started,stopped", "%ff"]),
            ("left", ["x", "-1", "1.5", "1e3", " 1", "%20"]),
        ] {
            for value in values {
                let outcome = read(&format!("{key}={value}"));
                assert_eq!(outcome.unwrap_err(), QueryError::Invalid(key), "{value:?}");
            }
        }
        let good = read("compact=%31&event=st%61rted&numwant=&left=").unwrap();
        assert_eq!((good.compact, good.request.event), (Some(true), AnnounceEvent::Started));
        assert_eq!((good.request.num_want, good.request.left), (None, None));
        let large = read("numwant=99999999999999999999&event=").unwrap().request;
        assert_eq!((large.num_want, large.event), (Some(u32::MAX), AnnounceEvent::None));
    }

    #[test]
    fn an_announce_is_for_one_torrent_and_one_peer() {
        for (key, value) in [("info_hash", "a".repeat(20)), ("peer_id", "b".repeat(20))] {
            let twice = AnnounceQuery::read(&format!("{GOOD}&{key}={value}"));
            assert_eq!(twice, Err(QueryError::Repeated(key)));
        }
        // In the URL of the tracker and behind it.
        let twice = AnnounceQuery::read(&format!("port=1&compact=1&{GOOD}&compact=1")).unwrap();
        assert_eq!(twice.request.port, 1);
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
