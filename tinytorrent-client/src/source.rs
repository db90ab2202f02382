use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use tinytorrent_metainfo::{FileSelection, HostPort, HostPortError, Magnet, Metainfo, ReadOptions};
use tinytorrent_types::InfoHashes;

use crate::SourceError;
use crate::web_seed::NamedWebSeeds;

/// The identity of a torrent to be added, and everything that is known about it: made from a
/// [`Metainfo`], a [`Magnet`], or bare [`InfoHashes`].
#[derive(Debug, Clone)]
pub struct Source {
    pub(crate) hashes: InfoHashes,
    /// The name in the link (`dn`), for as long as there is no metadata.
    pub(crate) name: Option<Box<str>>,
    pub(crate) metainfo: Option<Arc<Metainfo>>,
    pub(crate) trackers: Vec<Vec<String>>,
    pub(crate) web_seeds: NamedWebSeeds,
    pub(crate) peers: Vec<PeerAddress>,
    /// Nodes of the DHT.
    pub(crate) nodes: Vec<HostPort>,
    pub(crate) selection: FileSelection,
}

impl Source {
    /// The identity of the torrent.
    pub fn hashes(&self) -> InfoHashes {
        self.hashes
    }
}

impl From<Arc<Metainfo>> for Source {
    fn from(metainfo: Arc<Metainfo>) -> Self {
        let bare = Self::from(metainfo.hashes());
        // BEP 27: a private torrent has nothing to do with the DHT.
        let nodes = match metainfo.info().is_private() {
            true => Vec::new(),
            false => metainfo.nodes().to_vec(),
        };
        Self {
            trackers: metainfo.trackers().to_vec(),
            web_seeds: NamedWebSeeds::of_torrent(&metainfo),
            nodes,
            metainfo: Some(metainfo),
            ..bare
        }
    }
}

impl From<Metainfo> for Source {
    fn from(metainfo: Metainfo) -> Self {
        Arc::new(metainfo).into()
    }
}

impl From<&Metainfo> for Source {
    fn from(metainfo: &Metainfo) -> Self {
        metainfo.clone().into()
    }
}

impl From<&Magnet> for Source {
    fn from(magnet: &Magnet) -> Self {
        Self {
            name: magnet.name.as_deref().map(Into::into),
            // Each `tr` is a tier of its own (BEP 9, "magnet URI format").
            trackers: magnet.trackers.iter().map(|url| vec![url.clone()]).collect(),
            peers: magnet.peers.iter().cloned().map(PeerAddress::from).collect(),
            web_seeds: NamedWebSeeds::of_link(magnet),
            nodes: magnet.nodes.clone(),
            selection: magnet.selection.clone(),
            ..Self::from(magnet.hashes)
        }
    }
}

impl From<Magnet> for Source {
    fn from(magnet: Magnet) -> Self {
        Self::from(&magnet)
    }
}

/// The trackers come from [`TorrentOptions`](crate::TorrentOptions). The metadata is fetched from peers.
impl From<InfoHashes> for Source {
    fn from(hashes: InfoHashes) -> Self {
        Self {
            hashes,
            name: None,
            metainfo: None,
            trackers: Vec::new(),
            web_seeds: NamedWebSeeds::default(),
            peers: Vec::new(),
            nodes: Vec::new(),
            selection: FileSelection::default(),
        }
    }
}

impl From<&Source> for Source {
    fn from(source: &Source) -> Self {
        source.clone()
    }
}

/// A magnet link (BEP 9), or an info-hash in hexadecimal digits or base32.
impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        match Magnet::from_info_hash(text.trim()) {
            Some(magnet) => Ok(magnet.into()),
            None => Ok(text.parse::<Magnet>()?.into()),
        }
    }
}

impl TryFrom<&str> for Source {
    type Error = SourceError;

    fn try_from(text: &str) -> Result<Self, SourceError> {
        text.parse()
    }
}

impl TryFrom<&String> for Source {
    type Error = SourceError;

    fn try_from(text: &String) -> Result<Self, SourceError> {
        text.parse()
    }
}

impl TryFrom<String> for Source {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Self, SourceError> {
        text.parse()
    }
}

/// The bytes of a torrent file. They are read leniently, as those of other clients are.
impl TryFrom<&[u8]> for Source {
    type Error = SourceError;

    fn try_from(bytes: &[u8]) -> Result<Self, SourceError> {
        Ok(ReadOptions::lenient().read(bytes)?.into())
    }
}

impl TryFrom<Vec<u8>> for Source {
    type Error = SourceError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, SourceError> {
        bytes.as_slice().try_into()
    }
}

impl TryFrom<&Vec<u8>> for Source {
    type Error = SourceError;

    fn try_from(bytes: &Vec<u8>) -> Result<Self, SourceError> {
        bytes.as_slice().try_into()
    }
}

/// The address of a peer, or its host name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// An IP address and a port.
    Address(SocketAddr),
    /// A host name that has to be resolved, and a port.
    Name(HostPort),
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        PeerAddress::Address(address)
    }
}

impl From<HostPort> for PeerAddress {
    fn from(host_port: HostPort) -> Self {
        match host_port.ip() {
            Some(ip) => PeerAddress::Address(SocketAddr::new(ip, host_port.port())),
            None => PeerAddress::Name(host_port),
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Address(address) => address.fmt(f),
            PeerAddress::Name(name) => name.fmt(f),
        }
    }
}

impl FromStr for PeerAddress {
    type Err = HostPortError;

    /// Parses `HOST:PORT`. The host is a name, an IPv4 address, or an IPv6 address in brackets.
    fn from_str(text: &str) -> Result<Self, HostPortError> {
        text.parse().map(HostPort::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_named_by_address_or_host() {
        let address = |text: &str| PeerAddress::Address(text.parse().unwrap());
        for text in ["127.0.0.1:6881", "[::1]:6881"] {
            assert_eq!(text.parse(), Ok(address(text)));
        }
        let name = "peer.example:1".parse::<PeerAddress>().unwrap();
        assert!(matches!(name, PeerAddress::Name(_)));
        assert!("::1:6881".parse::<PeerAddress>().is_err());
    }

    // G-18: peers of the link are tried; BEP 53: its selection counts.
    #[test]
    fn a_magnet_brings_trackers_peers_and_selection() {
        let hash = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
        let link = format!(
            "magnet:?xt=urn:btih:{hash}&tr=udp://a:1&tr=http://b/announce\
             &x.pe=127.0.0.1:7&x.pe=peer.example:8&so=1-2"
        );
        let source = Source::from(&link.parse::<Magnet>().unwrap());
        assert_eq!(source.trackers, [["udp://a:1"], ["http://b/announce"]]);
        assert_eq!(source.peers.len(), 2);
        assert!(source.metainfo.is_none());
        assert!(source.selection.contains(2) && !source.selection.contains(0));
    }
}
