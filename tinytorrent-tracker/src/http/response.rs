use std::net::IpAddr;
use std::time::Duration;

use tinytorrent_bencode::{self as bencode, Document, Kind, Node, Options};

use super::peers::read_peers;
use crate::failure::{beginning, printable};
use crate::{AnnounceResponse, Deviation, Refusal, RetryIn};

/// An error of the body of a response to an announce or a scrape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The tracker refused: `failure reason`.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The body is not bencode, but an HTML page for example, of a login or of another web site.
    #[error("{error}; the body begins with {start:?}")]
    NotBencode {
        /// The error of the decoder, with its offset.
        error: bencode::Error,
        /// The first bytes of the body, made printable.
        start: String,
    },
    /// The body is empty.
    #[error("the body is empty")]
    Empty,
    /// The body is bencode, but no dictionary.
    #[error("the body is bencode, but no dictionary")]
    NotADictionary,
    /// An indispensable value has the wrong type.
    #[error("`{key}` is a value of type {found} where {expected} belongs, at byte {offset}")]
    WrongType {
        /// The key of the value.
        key: &'static str,
        /// The expected type.
        expected: &'static str,
        /// The type of the value.
        found: Kind,
        /// The offset of the value in the body, in bytes.
        offset: usize,
    },
}

/// Parses the body of a response to an announce, leniently: in either peer format, with any key
/// missing, with unsorted keys, and with bytes behind the end. Breaches of the rules are listed in
/// [`AnnounceResponse::deviations`].
///
/// # Errors
/// A refusal, a body that is no dictionary, or peers or an interval of a wrong type, which no
/// working tracker sends. Trackers refuse with any HTTP status, so the body has to be parsed
/// under every status.
///
/// ```
/// use tinytorrent_tracker::http::read_announce;
///
/// let body = b"d8:intervali1800e5:peers6:\x7f\x00\x00\x01\x1a\xe1e";
/// let response = read_announce(body)?;
/// assert_eq!(response.interval.unwrap().as_secs(), 1800);
/// assert_eq!(response.peers[0].address.to_string(), "127.0.0.1:6881");
/// # Ok::<(), tinytorrent_tracker::http::ResponseError>(())
/// ```
pub fn read_announce(body: &[u8]) -> Result<AnnounceResponse, ResponseError> {
    let document = read_dictionary(body)?;
    let root = document.root();
    let mut response = AnnounceResponse {
        deviations: deviations_of(body, &document),
        warning: root.get("warning message").and_then(|node| node.as_bytes()).map(printable),
        seeders: count(root, "complete"),
        leechers: count(root, "incomplete"),
        downloaded: count(root, "downloaded"),
        ..AnnounceResponse::default()
    };
    response.interval = interval(root, &mut response.deviations)?;
    response.min_interval = seconds(root, "min interval", &mut response.deviations);
    response.tracker_id = tracker_id(root, &mut response.deviations);
    response.external_ip = external_ip(root, &mut response.deviations);
    read_peers(root, &mut response)?;
    if response.interval.is_none() {
        response.deviations.push(Deviation::new("interval", "is missing or no number"));
    }
    Ok(response)
}

/// Decodes the dictionary of a response. A refusal is an error.
pub(super) fn read_dictionary(body: &[u8]) -> Result<Document<'_>, ResponseError> {
    let body = without_blanks(body);
    if body.is_empty() {
        return Err(ResponseError::Empty);
    }
    let document = Options::lenient()
        .decode(body)
        .map_err(|error| ResponseError::NotBencode { error, start: beginning(body) })?;
    let root = document.root();
    if root.kind() != Kind::Dict {
        return Err(ResponseError::NotADictionary);
    }
    if let Some(reason) = root.get("failure reason") {
        let reason = reason.as_bytes().map_or_else(|| "no reason given".into(), printable);
        let retry_in = root.get("retry in").and_then(retry_in);
        return Err(Refusal { reason, retry_in }.into());
    }
    Ok(document)
}

/// The body behind a byte order mark and white space. Offsets in errors and deviations count from
/// there.
fn without_blanks(body: &[u8]) -> &[u8] {
    // Scripts send them by mistake, as text around their code.
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body).trim_ascii_start()
}

pub(super) fn deviations_of(body: &[u8], document: &Document<'_>) -> Vec<Deviation> {
    let blanks = body.len() - without_blanks(body).len();
    let before = (blanks > 0).then(|| {
        Deviation::new("answer", format!("{blanks} bytes of blanks before it")).at_offset(0)
    });
    let convert = |found: bencode::Deviation| {
        Deviation::new(found.path.to_string(), found.kind.to_string()).at_offset(found.offset)
    };
    before.into_iter().chain(document.deviations().map(convert)).collect()
}

/// The value of a number that is not negative.
pub(super) fn number(node: Node<'_, '_>) -> Option<u64> {
    // Some trackers write -1 for unknown numbers, and some write numbers as strings.
    node.as_u64().or_else(|| std::str::from_utf8(node.as_bytes()?).ok()?.trim().parse().ok())
}

pub(super) fn count(dictionary: Node<'_, '_>, key: &str) -> Option<u32> {
    let number = number(dictionary.get(key)?)?;
    Some(u32::try_from(number).unwrap_or(u32::MAX))
}

fn seconds(root: Node<'_, '_>, key: &str, deviations: &mut Vec<Deviation>) -> Option<Duration> {
    let node = root.get(key)?;
    if node.as_u64().is_none() {
        let what = "is no positive integer";
        deviations.push(Deviation::new(key, what).at_offset(node.offset()));
    }
    number(node).map(Duration::from_secs)
}

/// Parses `interval`. A number out of range is left to the default of the schedule.
///
/// # Errors
/// A value that is no number, since the body is then no response to an announce.
fn interval(
    root: Node<'_, '_>,
    deviations: &mut Vec<Deviation>,
) -> Result<Option<Duration>, ResponseError> {
    match root.get("interval") {
        Some(node) if !is_number(node) => Err(wrong_type("interval", "an integer", node)),
        _ => Ok(seconds(root, "interval", deviations)),
    }
}

/// True if a value is a number of any size, or a string with one.
fn is_number(node: Node<'_, '_>) -> bool {
    let Some(text) = node.as_bytes() else { return node.kind() == Kind::Integer };
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

pub(super) fn wrong_type(
    key: &'static str,
    expected: &'static str,
    node: Node<'_, '_>,
) -> ResponseError {
    ResponseError::WrongType { key, expected, found: node.kind(), offset: node.offset() }
}

/// Parses `retry in` (BEP 31).
fn retry_in(node: Node<'_, '_>) -> Option<RetryIn> {
    // The text of BEP 31 requires an integer, and its examples are strings.
    if node.as_bytes().is_some_and(|text| text.trim_ascii().eq_ignore_ascii_case(b"never")) {
        return Some(RetryIn::Never);
    }
    let minutes = number(node)?;
    Some(RetryIn::After(Duration::from_secs(minutes.saturating_mul(60))))
}

/// Parses `tracker id`.
fn tracker_id(root: Node<'_, '_>, deviations: &mut Vec<Deviation>) -> Option<Vec<u8>> {
    let node = root.get("tracker id")?;
    let id = node.as_bytes()?;
    // The id is sent back in every request line, which has a limit.
    if id.len() > MAX_TRACKER_ID {
        let what = format!("is longer than {MAX_TRACKER_ID} bytes and was left out");
        deviations.push(Deviation::new("tracker id", what).at_offset(node.offset()));
        return None;
    }
    Some(id.to_vec())
}

/// Parses `external ip`: 4 or 16 raw bytes (BEP 24), or text, as some trackers write it.
fn external_ip(root: Node<'_, '_>, deviations: &mut Vec<Deviation>) -> Option<IpAddr> {
    let node = root.get("external ip")?;
    let bytes = node.as_bytes()?;
    let raw = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let raw = raw.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    if let Ok(ip) = raw {
        return Some(ip.to_canonical());
    }
    deviations
        .push(Deviation::new("external ip", "is not 4 or 16 bytes long").at_offset(node.offset()));
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Servers take request lines of about 8 KiB, and percent-encoding can triple the id.
const MAX_TRACKER_ID: usize = 2 * 1024;

#[cfg(test)]
mod tests;
