use std::net::SocketAddr;

use tinytorrent_bencode::{self as bencode, Options, encode};
use tinytorrent_types::compact::{self, Family};

use crate::{NodeId, NodeInfo};

/// What a node keeps between runs: its ids and the nodes that it knows.
///
/// ```
/// use tinytorrent_dht::{NodeId, SavedNodes};
///
/// let saved = SavedNodes { id: Some(NodeId::from_bytes([1; 20])), ..SavedNodes::default() };
/// assert_eq!(SavedNodes::from_bytes(&saved.to_bytes())?, saved);
/// # Ok::<(), tinytorrent_dht::BencodeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SavedNodes {
    /// Our id for IPv4.
    pub id: Option<NodeId>,
    /// Our id for IPv6.
    pub id6: Option<NodeId>,
    /// Nodes of both families that answered.
    pub nodes: Vec<NodeInfo>,
}

/// The nodes that are read; a table has fewer.
const MOST_NODES: usize = 4_096;

impl SavedNodes {
    /// The bencoded form: `id`, `id6`, `nodes` and `nodes6` as in messages.
    pub fn to_bytes(&self) -> Vec<u8> {
        let compact = |family| {
            let mut bytes = Vec::new();
            for node in self.nodes.iter().filter(|node| node.family() == family) {
                bytes.extend_from_slice(node.id.as_bytes());
                compact::write(node.address, &mut bytes);
            }
            bytes
        };
        let mut out = Vec::new();
        encode::dict(&mut out, |dict| {
            for (key, id) in [("id", self.id), ("id6", self.id6)] {
                if let Some(id) = id {
                    dict.bytes(key, id);
                }
            }
            dict.bytes("nodes", compact(Family::V4));
            dict.bytes("nodes6", compact(Family::V6));
        });
        out
    }

    /// Reads the bencoded form. What is missing or of a wrong length is left out, and so are nodes beyond some
    /// thousands.
    ///
    /// # Errors
    /// The bytes are not bencode.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, bencode::Error> {
        let document = Options::lenient().decode(bytes)?;
        let root = document.root();
        let id = |key: &str| Some(NodeId::from_bytes(*root.get(key)?.as_array()?));
        let nodes = [("nodes", Family::V4), ("nodes6", Family::V6)].into_iter().flat_map(
            |(key, family)| {
                let bytes = root.get(key).and_then(|nodes| nodes.as_bytes()).unwrap_or_default();
                bytes.chunks_exact(NodeInfo::length(family)).filter_map(move |entry| {
                    let (id, address) = entry.split_first_chunk()?;
                    let address: SocketAddr = compact::peers(address, family).next()?;
                    Some(NodeInfo { id: NodeId::from_bytes(*id), address })
                })
            },
        );
        Ok(Self { id: id("id"), id6: id("id6"), nodes: nodes.take(MOST_NODES).collect() })
    }

    pub(crate) fn id_of(&self, family: Family) -> Option<NodeId> {
        match family {
            Family::V4 => self.id,
            Family::V6 => self.id6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_again() {
        // D-50
        let node = |n, address: &str| NodeInfo {
            id: NodeId::from_bytes([n; 20]),
            address: address.parse().unwrap(),
        };
        let saved = SavedNodes {
            id: Some(NodeId::from_bytes([1; 20])),
            id6: Some(NodeId::from_bytes([2; 20])),
            nodes: vec![node(3, "1.2.3.4:5"), node(4, "[2001::1]:6")],
        };
        assert_eq!(SavedNodes::from_bytes(&saved.to_bytes()), Ok(saved));
        assert_eq!(SavedNodes::from_bytes(b"d2:id3:abc5:nodesi4ee"), Ok(SavedNodes::default()));
        assert!(SavedNodes::from_bytes(b"junk").is_err());
    }
}
