//! Messages of the DHT, read from datagrams and written to them (BEP 5, "KRPC Protocol").
//!
//! Reading is lenient, as deployed nodes deviate from the BEPs in many ways; what is written is canonical.
//! Neither needs a node: a crawler can use them alone.
//!
//! ```
//! use tinytorrent_dht::NodeId;
//! use tinytorrent_dht::message::{Body, Message, Method, Query};
//!
//! let query = Query::new(NodeId::from_bytes([1; 20]), Method::Ping);
//! let mut datagram = Vec::new();
//! Message::new(b"aa", Body::Query(query)).encode(&mut datagram);
//! assert_eq!(datagram, b"d1:ad2:id20:\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01e1:q4:ping1:t2:aa1:y1:qe");
//!
//! let message = Message::decode(&datagram)?;
//! assert_eq!(message.transaction, b"aa");
//! assert!(matches!(message.body, Body::Query(Query { method: Method::Ping, .. })));
//! # Ok::<(), tinytorrent_dht::message::MessageError>(())
//! ```

use std::net::SocketAddr;

use tinytorrent_bencode::Raw;
use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::Family;

use crate::{Bloom, NodeId};

mod decode;
mod encode;
mod error;

pub use error::{ErrorCode, MessageError, MessageErrorKind};

/// The largest datagram that is read, in bytes: what an Ethernet frame holds.
pub const MAX_READ: usize = 1_500;

/// The largest datagram that is written, in bytes (BEP 32, "Maximum packet size").
pub const MAX_WRITTEN: usize = 1_024;

/// The longest transaction id that is read, in bytes. Deployed nodes have up to 20.
pub const MAX_TRANSACTION: usize = 64;

/// The longest value of an item, in bytes of bencode (BEP 44).
pub const MAX_VALUE: usize = 1_000;

/// The longest salt of a mutable item, in bytes (BEP 44).
pub const MAX_SALT: usize = 64;

/// A message: a query, a response, or an error in the place of a response.
///
/// [`decode`](Self::decode) borrows from the datagram. Memory is bounded by the size of the datagram.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    /// `t`: the id by which the sender of a query knows its response.
    pub transaction: &'a [u8],
    /// `v`: the software of the sender, mostly two letters and a version of two bytes.
    pub version: Option<&'a [u8]>,
    /// `ro`: the sender answers no queries (BEP 43).
    pub read_only: bool,
    /// `ip`: the address of the receiver as the sender sees it (BEP 42).
    pub ip: Option<SocketAddr>,
    /// The query, the response or the error.
    pub body: Body<'a>,
}

/// The kinds of messages: `y`.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<'a> {
    /// `q`: a question.
    Query(Query<'a>),
    /// `r`: the answer.
    Response(Box<Response<'a>>),
    /// `e`: a refusal.
    Error(ErrorMessage<'a>),
}

/// A question of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Query<'a> {
    /// The id of the node that asks.
    pub id: NodeId,
    /// The families of the nodes that are wanted. If neither is named, that of the datagram (BEP 32).
    pub want: Want,
    /// The question.
    pub method: Method<'a>,
}

/// The families of nodes that a query wants: `want` (BEP 32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Want {
    /// `n4`: nodes of IPv4, in `nodes`.
    pub v4: bool,
    /// `n6`: nodes of IPv6, in `nodes6`.
    pub v6: bool,
}

/// The question of a query, and its arguments.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Method<'a> {
    /// `ping`: are you there?
    Ping,
    /// `find_node`: the nodes closest to a target.
    FindNode {
        /// The target.
        target: NodeId,
    },
    /// `get_peers`: the peers of a torrent, or the nodes closest to it.
    GetPeers {
        /// The torrent.
        info_hash: WireInfoHash,
        /// `noseed`: peers that are no seeds are wanted (BEP 33).
        no_seeds: bool,
        /// `scrape`: filters of all peers are wanted (BEP 33).
        scrape: bool,
    },
    /// `announce_peer`: the sender has a torrent.
    AnnouncePeer {
        /// The torrent.
        info_hash: WireInfoHash,
        /// The port at which it accepts peers.
        port: u16,
        /// `implied_port`: the source port of the datagram counts instead.
        implied_port: bool,
        /// `seed`: it has all of the torrent (BEP 33).
        is_seed: bool,
        /// The token that the receiver gave out in a response to `get_peers`.
        token: &'a [u8],
    },
    /// `get`: an item (BEP 44).
    Get {
        /// The hash of an immutable item, or of the key and salt of a mutable one.
        target: NodeId,
        /// The sequence number of the item that the sender has already.
        seq: Option<i64>,
    },
    /// `put`: an item to store (BEP 44).
    Put {
        /// The token that the receiver gave out in a response to `get`.
        token: &'a [u8],
        /// The value, whose exact bytes are hashed or signed.
        value: Raw<'a>,
        /// What makes it a mutable item.
        mutable: Option<PutMutable<'a>>,
    },
    /// `sample_infohashes`: some of the torrents that the receiver has peers of (BEP 51).
    SampleInfohashes {
        /// The target of the nodes that come with them.
        target: NodeId,
    },
    /// A query of another name.
    Unknown {
        /// The name.
        name: &'a [u8],
        /// Its `target`, or else its `info_hash`: nodes close to it are an answer to a query of the future
        /// (D-02).
        target: Option<NodeId>,
    },
}

/// The part of a `put` that makes its item mutable (BEP 44, "Mutable Items").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutMutable<'a> {
    /// The public key of its owner.
    pub key: &'a [u8; 32],
    /// The signature over salt, sequence number and value.
    pub signature: &'a [u8; 64],
    /// The sequence number, which each change increases.
    pub seq: i64,
    /// The name of the item among those of its owner. Empty if there is none.
    pub salt: &'a [u8],
    /// The item is to be stored only in the place of one with this sequence number.
    pub cas: Option<i64>,
}

/// A node: its id and its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeInfo {
    /// The id.
    pub id: NodeId,
    /// The address.
    pub address: SocketAddr,
}

/// The answer to a query. It does not say to which; each field is there if that query has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Response<'a> {
    /// The id of the node that answers.
    pub id: NodeId,
    /// `nodes`: nodes of IPv4.
    pub nodes: Option<Vec<NodeInfo>>,
    /// `nodes6`: nodes of IPv6 (BEP 32).
    pub nodes6: Option<Vec<NodeInfo>>,
    /// `token`: what an announcement or an item for the same target needs.
    pub token: Option<&'a [u8]>,
    /// `values`: peers of the torrent, of either family.
    pub values: Vec<SocketAddr>,
    /// `BFsd`: the seeds of the torrent (BEP 33).
    pub seeds: Option<Box<Bloom>>,
    /// `BFpe`: the peers of the torrent (BEP 33).
    pub peers: Option<Box<Bloom>>,
    /// The item (BEP 44).
    pub item: ItemFields<'a>,
    /// What there is of torrents (BEP 51).
    pub sample: Option<Sample<'a>>,
}

/// The fields of an item in a response (BEP 44). All are missing if the node has none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ItemFields<'a> {
    /// `v`: the value.
    pub value: Option<Raw<'a>>,
    /// `k`: the public key.
    pub key: Option<&'a [u8; 32]>,
    /// `sig`: the signature.
    pub signature: Option<&'a [u8; 64]>,
    /// `seq`: the sequence number.
    pub seq: Option<i64>,
}

/// The sample of a node's torrents (BEP 51).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample<'a> {
    /// `interval`: the time in seconds after which the sample is another one, 0 to 21,600.
    pub interval: u32,
    /// `num`: the number of torrents that the node has.
    pub total: u64,
    /// `samples`: 20 bytes for each of some torrents.
    samples: &'a [u8],
}

/// A refusal of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorMessage<'a> {
    /// The code, of which [`ErrorCode`] has those of the BEPs.
    pub code: i64,
    /// The text, for people.
    pub text: &'a [u8],
}

impl<'a> Message<'a> {
    /// A message without optional fields.
    pub fn new(transaction: &'a [u8], body: Body<'a>) -> Self {
        Self { transaction, version: None, read_only: false, ip: None, body }
    }
}

impl<'a> Query<'a> {
    /// A query that wants nodes of the family of its datagram.
    pub fn new(id: NodeId, method: Method<'a>) -> Self {
        Self { id, want: Want::default(), method }
    }
}

impl Want {
    /// Both families.
    pub const BOTH: Self = Self { v4: true, v6: true };

    /// True if nodes of this family are wanted by a query that came in a datagram of `datagram`.
    pub fn wants(self, family: Family, datagram: Family) -> bool {
        match family {
            _ if self == Self::default() => family == datagram,
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }
}

impl<'a> Response<'a> {
    /// A response with nothing but an id.
    pub fn new(id: NodeId) -> Self {
        Self {
            id,
            nodes: None,
            nodes6: None,
            token: None,
            values: Vec::new(),
            seeds: None,
            peers: None,
            item: ItemFields::default(),
            sample: None,
        }
    }

    /// The nodes of both families.
    pub fn all_nodes(&self) -> impl Iterator<Item = NodeInfo> + '_ {
        self.nodes.iter().chain(&self.nodes6).flatten().copied()
    }
}

impl<'a> Sample<'a> {
    /// The longest interval, in seconds (BEP 51).
    pub const MAX_INTERVAL: u32 = 21_600;

    /// A sample of these torrents, 20 bytes each; bytes after the last whole one are dropped. An interval
    /// beyond the maximum is taken as the maximum.
    pub fn new(interval: u32, total: u64, samples: &'a [u8]) -> Self {
        let whole = samples.len() - samples.len() % 20;
        Self { interval: interval.min(Self::MAX_INTERVAL), total, samples: &samples[..whole] }
    }

    /// The torrents.
    pub fn info_hashes(&self) -> impl ExactSizeIterator<Item = WireInfoHash> + use<'a> {
        self.samples.as_chunks::<20>().0.iter().map(|bytes| WireInfoHash::from_bytes(*bytes))
    }
}

impl NodeInfo {
    /// The length of a node in `nodes` or `nodes6`, in bytes: 26 or 38.
    pub const fn length(family: Family) -> usize {
        20 + family.stride()
    }

    /// The family of the address.
    pub fn family(&self) -> Family {
        Family::of(self.address.ip())
    }
}
