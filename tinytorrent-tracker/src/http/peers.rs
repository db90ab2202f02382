use std::net::{IpAddr, SocketAddr};

use tinytorrent_bencode::Node;
use tinytorrent_types::PeerId;
use tinytorrent_types::compact::{self, Family};

use super::response::number;
use crate::{AnnounceResponse, Deviation, NamedPeer, Peer};

/// Reads `peers` and `peers6`, each compact or as dictionaries (BEP 3, 7, 23), each optional.
pub(super) fn read_peers(root: Node<'_, '_>, response: &mut AnnounceResponse) {
    for (key, family) in [("peers", Family::V4), ("peers6", Family::V6)] {
        let Some(node) = root.get(key) else { continue };
        if let Some(packed) = node.as_bytes() {
            read_compact(key, node.offset(), packed, family, response);
        } else {
            read_dictionaries(node, response);
        }
    }
}

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

fn read_dictionaries(list: Node<'_, '_>, response: &mut AnnounceResponse) {
    let mut skipped = 0;
    for entry in list.list() {
        let parts = entry.get("ip").and_then(|ip| ip.as_str()).zip(port(entry));
        let Some((host, port)) = parts else {
            skipped += 1;
            continue;
        };
        let id = entry.get("peer id").and_then(|id| id.as_bytes()?.try_into().ok());
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(ip) => response.peers.push(peer(ip, port, id)),
            Err(_) if is_host_name(host) => {
                response.named_peers.push(NamedPeer { host: host.to_owned(), port, id });
            }
            Err(_) => skipped += 1,
        }
    }
    if skipped > 0 {
        let what = format!("{skipped} entries without a usable ip and port");
        response.deviations.push(Deviation::new("peers", what).at_offset(list.offset()));
    }
}

fn peer(ip: IpAddr, port: u16, id: Option<PeerId>) -> Peer {
    Peer { address: SocketAddr::new(ip.to_canonical(), port), id }
}

fn port(entry: Node<'_, '_>) -> Option<u16> {
    u16::try_from(number(entry.get("port")?)?).ok()
}

/// The letters of a host name, so that nothing else is ever given to a resolver.
fn is_host_name(text: &str) -> bool {
    let is_label_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&text.len())
        && text.bytes().all(is_label_byte)
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}
