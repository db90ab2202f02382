use core::fmt;

use super::escape::Escaped;
use super::{FileSelection, Magnet};
use crate::HostPort;

/// The parts of magnet links beside that which names the torrent; see the fields of [`Magnet`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Parameters {
    pub(super) name: Option<String>,
    pub(super) length: Option<u64>,
    pub(super) trackers: Vec<String>,
    pub(super) web_seeds: Vec<String>,
    pub(super) exact_sources: Vec<String>,
    pub(super) acceptable_sources: Vec<String>,
    pub(super) peers: Vec<HostPort>,
    pub(super) nodes: Vec<HostPort>,
    pub(super) selection: FileSelection,
}

impl From<Magnet> for Parameters {
    fn from(magnet: Magnet) -> Self {
        let Magnet {
            hashes: _,
            key: _,
            name,
            length,
            trackers,
            web_seeds,
            exact_sources,
            acceptable_sources,
            peers,
            nodes,
            selection,
        } = magnet;
        Self {
            name,
            length,
            trackers,
            web_seeds,
            exact_sources,
            acceptable_sources,
            peers,
            nodes,
            selection,
        }
    }
}

/// Each parameter behind a `&`.
impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "&dn={}", Escaped(name))?;
        }
        if let Some(length) = self.length {
            write!(f, "&xl={length}")?;
        }
        let urls = [
            ("tr", &self.trackers),
            ("ws", &self.web_seeds),
            ("xs", &self.exact_sources),
            ("as", &self.acceptable_sources),
        ];
        for (key, urls) in urls {
            urls.iter().try_for_each(|url| write!(f, "&{key}={}", Escaped(url)))?;
        }
        // A host and port has no character that needs an escape.
        self.peers.iter().try_for_each(|peer| write!(f, "&x.pe={peer}"))?;
        self.nodes.iter().try_for_each(|node| write!(f, "&dht={node}"))?;
        if !self.selection.is_empty() {
            write!(f, "&so={}", self.selection)?;
        }
        Ok(())
    }
}
