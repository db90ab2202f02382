use tinytorrent_types::WireInfoHash;

use crate::item::MutablePart;
use crate::message::{Method, PutMutable};
use crate::{Announce, Item, NodeId};

/// The purpose of a search.
#[derive(Debug, Clone)]
pub(crate) enum Task {
    /// Nodes for the table; nobody is told.
    Upkeep,
    FindNodes,
    FindPeers {
        hash: WireInfoHash,
        no_seeds: bool,
        announce: Option<Announce>,
    },
    Scrape {
        hash: WireInfoHash,
    },
    Get {
        /// `None` if the item is immutable.
        owner: Option<Owner>,
        /// The sequence number that is known already.
        newer_than: Option<i64>,
    },
    Put {
        item: Item,
        cas: Option<i64>,
        /// It is put only if few have it (D-70).
        if_few: bool,
    },
}

/// The key and salt of a mutable item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) key: [u8; 32],
    pub(crate) salt: Box<[u8]>,
}

impl Owner {
    pub(crate) fn of(part: &MutablePart) -> Self {
        Self { key: part.key, salt: part.salt.clone() }
    }
}

impl Task {
    /// True if something is stored with the nodes that were found.
    pub(super) fn stores(&self) -> bool {
        match self {
            Self::FindPeers { announce, .. } => announce.is_some(),
            Self::Put { .. } => true,
            Self::Upkeep | Self::FindNodes | Self::Scrape { .. } | Self::Get { .. } => false,
        }
    }

    /// The question to each node of the look-up.
    pub(super) fn question(&self, target: NodeId) -> Method<'_> {
        match self {
            Self::FindPeers { hash, no_seeds, .. } => {
                Method::GetPeers { info_hash: *hash, no_seeds: *no_seeds, scrape: false }
            }
            Self::Scrape { hash } => {
                Method::GetPeers { info_hash: *hash, no_seeds: false, scrape: true }
            }
            Self::Get { newer_than, .. } => Method::Get { target, seq: *newer_than },
            // Those who have this one need not send it.
            Self::Put { item, .. } => Method::Get { target, seq: item.seq() },
            Self::Upkeep | Self::FindNodes => Method::FindNode { target },
        }
    }

    /// The wish that a node store something. `held` is the sequence number of the item that it has.
    pub(super) fn store<'a>(&'a self, token: &'a [u8], held: Option<i64>) -> Method<'a> {
        match self {
            Self::FindPeers { hash, announce: Some(announce), .. } => Method::AnnouncePeer {
                info_hash: *hash,
                // Those who do not know `implied_port` refuse a port of 0.
                port: announce.port.unwrap_or(1),
                implied_port: announce.port.is_none(),
                is_seed: announce.is_seed,
                token,
            },
            Self::Put { item, cas, .. } => Method::Put {
                token,
                value: item.raw(),
                mutable: item.mutable_part().map(|part| PutMutable {
                    key: &part.key,
                    signature: &part.signature,
                    seq: part.seq,
                    salt: &part.salt,
                    // BEP 44, "CAS": for those alone who have an item. The same one again replaces nothing.
                    cas: cas.filter(|_| held.is_some_and(|held| held != part.seq)),
                }),
            },
            // No other task stores anything.
            _ => Method::Ping,
        }
    }
}
