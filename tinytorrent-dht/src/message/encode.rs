use std::net::IpAddr;

use tinytorrent_bencode::encode::{self, DictEncoder};
use tinytorrent_types::compact;

use super::{Body, ErrorMessage, Message, Method, NodeInfo, Query, Response};

impl Message<'_> {
    /// Appends the message as canonical bencode.
    ///
    /// It is as long as its fields make it: who sends it keeps to [`MAX_WRITTEN`](super::MAX_WRITTEN).
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode::dict(out, |root| {
            if let Body::Query(query) = &self.body {
                root.dict("a", |arguments| arguments_of(query, arguments));
            }
            if let Body::Error(ErrorMessage { code, text }) = &self.body {
                root.list("e", |list| {
                    list.integer(*code);
                    list.bytes(text);
                });
            }
            if let Some(address) = self.ip {
                root.bytes("ip", compact_address(address));
            }
            if let Body::Query(query) = &self.body {
                root.bytes("q", query.method.name());
            }
            if let Body::Response(response) = &self.body {
                root.dict("r", |fields| fields_of(response, fields));
            }
            if self.read_only {
                root.integer("ro", 1);
            }
            root.bytes("t", self.transaction);
            if let Some(version) = self.version {
                root.bytes("v", version);
            }
            root.bytes("y", self.body.kind());
        });
    }
}

impl Body<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Self::Query(_) => "q",
            Self::Response(_) => "r",
            Self::Error(_) => "e",
        }
    }
}

impl<'a> Method<'a> {
    /// The name of the query in the message.
    pub fn name(&self) -> &'a [u8] {
        match self {
            Self::Ping => b"ping",
            Self::FindNode { .. } => b"find_node",
            Self::GetPeers { .. } => b"get_peers",
            Self::AnnouncePeer { .. } => b"announce_peer",
            Self::Get { .. } => b"get",
            Self::Put { .. } => b"put",
            Self::SampleInfohashes { .. } => b"sample_infohashes",
            Self::Unknown { name, .. } => name,
        }
    }
}

/// The arguments in the order of their keys.
fn arguments_of(query: &Query<'_>, dict: &mut DictEncoder<'_>) {
    if let Method::Put { mutable: Some(mutable), .. } = &query.method
        && let Some(cas) = mutable.cas
    {
        dict.integer("cas", cas);
    }
    dict.bytes("id", query.id);
    match &query.method {
        Method::Ping => {}
        Method::FindNode { target } | Method::SampleInfohashes { target } => {
            dict.bytes("target", target);
        }
        Method::GetPeers { info_hash, no_seeds, scrape } => {
            dict.bytes("info_hash", info_hash);
            flag(dict, "noseed", *no_seeds);
            flag(dict, "scrape", *scrape);
        }
        Method::AnnouncePeer { info_hash, port, implied_port, is_seed, token } => {
            flag(dict, "implied_port", *implied_port);
            dict.bytes("info_hash", info_hash);
            dict.integer("port", *port);
            flag(dict, "seed", *is_seed);
            dict.bytes("token", token);
        }
        Method::Get { target, seq } => {
            if let Some(seq) = seq {
                dict.integer("seq", *seq);
            }
            dict.bytes("target", target);
        }
        Method::Put { token, value, mutable } => {
            if let Some(mutable) = mutable {
                dict.bytes("k", mutable.key);
                if !mutable.salt.is_empty() {
                    dict.bytes("salt", mutable.salt);
                }
                dict.integer("seq", mutable.seq);
                dict.bytes("sig", mutable.signature);
            }
            dict.bytes("token", token);
            dict.raw("v", value);
        }
        Method::Unknown { target, .. } => {
            if let Some(target) = target {
                dict.bytes("target", target);
            }
        }
    }
    if query.want.v4 || query.want.v6 {
        dict.list("want", |list| {
            let families = [(query.want.v4, "n4"), (query.want.v6, "n6")];
            families.iter().filter(|(wanted, _)| *wanted).for_each(|(_, name)| list.bytes(name));
        });
    }
}

/// The fields in the order of their keys.
fn fields_of(response: &Response<'_>, dict: &mut DictEncoder<'_>) {
    for (key, bloom) in [("BFpe", &response.peers), ("BFsd", &response.seeds)] {
        if let Some(bloom) = bloom {
            dict.bytes(key, bloom.as_bytes());
        }
    }
    dict.bytes("id", response.id);
    if let Some(sample) = &response.sample {
        dict.integer("interval", sample.interval);
    }
    if let Some(key) = response.item.key {
        dict.bytes("k", key);
    }
    for (key, nodes) in [("nodes", &response.nodes), ("nodes6", &response.nodes6)] {
        if let Some(nodes) = nodes {
            dict.bytes(key, compact_nodes(nodes));
        }
    }
    if let Some(sample) = &response.sample {
        dict.integer("num", sample.total);
        dict.bytes("samples", sample.samples);
    }
    if let Some(seq) = response.item.seq {
        dict.integer("seq", seq);
    }
    if let Some(signature) = response.item.signature {
        dict.bytes("sig", signature);
    }
    if let Some(token) = response.token {
        dict.bytes("token", token);
    }
    if let Some(value) = &response.item.value {
        dict.raw("v", value);
    }
    if !response.values.is_empty() {
        dict.list("values", |list| {
            for peer in &response.values {
                // By arrays, whose length is known: an answer has fifty of them.
                match peer.ip().to_canonical() {
                    IpAddr::V4(ip) => list.bytes(joined::<4, 6>(ip.octets(), peer.port())),
                    IpAddr::V6(ip) => list.bytes(joined::<16, 18>(ip.octets(), peer.port())),
                }
            }
        });
    }
}

fn flag(dict: &mut DictEncoder<'_>, key: &str, is_set: bool) {
    if is_set {
        dict.integer(key, 1);
    }
}

/// The compact form of an address: that of the host, and the port.
fn joined<const HOST: usize, const BOTH: usize>(ip: [u8; HOST], port: u16) -> [u8; BOTH] {
    let mut bytes = [0; BOTH];
    bytes[..HOST].copy_from_slice(&ip);
    bytes[HOST..].copy_from_slice(&port.to_be_bytes());
    bytes
}

fn compact_address(address: std::net::SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(18);
    compact::write(address, &mut bytes);
    bytes
}

fn compact_nodes(nodes: &[NodeInfo]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(nodes.len() * 38);
    for node in nodes {
        bytes.extend_from_slice(node.id.as_bytes());
        compact::write(node.address, &mut bytes);
    }
    bytes
}
