use std::net::{IpAddr, SocketAddr};

use tinytorrent_bencode::{Kind, Node};
use tinytorrent_types::PeerId;
use tinytorrent_types::compact::{self, Family};

use super::response::{ResponseError, number, wrong_type};
use crate::{AnnounceResponse, Deviation, NamedPeer, Peer};

/// Parses `peers` and `peers6`, each compact or as dictionaries (BEP 3, 7, 23), each optional.
///
/// # Errors
/// [`ResponseError::WrongType`] for `peers` in another form, and for such `peers6` if there are no
/// `peers`. Beside usable `peers` they are a deviation.
pub(super) fn read_peers(
    root: Node<'_, '_>,
    response: &mut AnnounceResponse,
) -> Result<(), ResponseError> {
    read_family("peers", Family::V4, root, response)?;
    match read_family("peers6", Family::V6, root, response) {
        Err(error) if root.get("peers").is_some() => {
            response.deviations.push(Deviation::new("peers6", error.to_string()));
            Ok(())
        }
        outcome => outcome,
    }
}

fn read_family(
    key: &'static str,
    family: Family,
    root: Node<'_, '_>,
    response: &mut AnnounceResponse,
) -> Result<(), ResponseError> {
    let Some(node) = root.get(key) else { return Ok(()) };
    let is_usable = match (node.as_bytes(), node.kind()) {
        (Some(packed), _) => {
            read_compact(key, node.offset(), packed, family, response);
            true
        }
        (None, Kind::List) => read_dictionaries(key, node, response),
        (None, _) => false,
    };
    if is_usable { Ok(()) } else { Err(wrong_type(key, EXPECTED, node)) }
}

const EXPECTED: &str = "a string or a list of dictionaries with ip and port";

fn read_compact(
    key: &str,
    offset: usize,
    packed: &[u8],
    family: Family,
    response: &mut AnnounceResponse,
) {
    let peers = compact::peers(packed, family);
    if !peers.remainder().is_empty() {
        let what = format!("{} bytes after the last whole peer", peers.remainder().len());
        response.deviations.push(Deviation::new(key, what).at_offset(offset));
    }
    response.peers.reserve(peers.len());
    response.peers.extend(peers.map(|address| peer(address.ip(), address.port(), None)));
}

/// Parses a list of peers, and skips malformed entries. Returns false if all of them are.
fn read_dictionaries(key: &str, list: Node<'_, '_>, response: &mut AnnounceResponse) -> bool {
    let (mut read, mut skipped) = (0, 0);
    for entry in list.list() {
        if read_dictionary(entry, response).is_some() {
            read += 1;
        } else {
            skipped += 1;
        }
    }
    if skipped > 0 {
        let what = format!("{skipped} entries without a usable ip and port");
        response.deviations.push(Deviation::new(key, what).at_offset(list.offset()));
    }
    read > 0 || skipped == 0
}

fn read_dictionary(entry: Node<'_, '_>, response: &mut AnnounceResponse) -> Option<()> {
    let host = entry.get("ip")?.as_str()?;
    let port = port(entry)?;
    let id = entry.get("peer id").and_then(|id| id.as_bytes()?.try_into().ok());
    // Some trackers write an IPv6 address in brackets, as in a URL.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => response.peers.push(peer(ip, port, id)),
        Err(_) if is_host_name(host) => {
            response.named_peers.push(NamedPeer { host: host.to_owned(), port, id });
        }
        Err(_) => return None,
    }
    Some(())
}

fn peer(ip: IpAddr, port: u16, id: Option<PeerId>) -> Peer {
    Peer { address: SocketAddr::new(ip.to_canonical(), port), id }
}

fn port(entry: Node<'_, '_>) -> Option<u16> {
    u16::try_from(number(entry.get("port")?)?).ok()
}

/// True if the text has the characters and the length of a host name.
fn is_host_name(text: &str) -> bool {
    // A resolver must not get any other text of a stranger.
    let is_label_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&text.len())
        && text.bytes().all(is_label_byte)
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}
