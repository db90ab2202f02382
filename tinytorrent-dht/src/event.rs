use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tinytorrent_types::WireInfoHash;
use tinytorrent_types::compact::Family;

use crate::{Bloom, Item, NodeInfo};

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// The receiver. Its family tells the socket.
    pub to: SocketAddr,
    /// The content.
    pub bytes: Vec<u8>,
}

/// A look-up that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SearchId(pub(crate) u64);

/// A query to one node that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub(crate) u64);

/// News for the application.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A look-up has found peers, each of which it reports once.
    PeersFound {
        /// The look-up.
        search: SearchId,
        /// The node that named them. One on the internet may name peers at local addresses, which it cannot know: such
        /// peers are a way to make others connect to hosts in their own network.
        from: SocketAddr,
        /// The peers.
        peers: Vec<SocketAddr>,
    },
    /// A look-up has found an item, or a newer one.
    ItemFound {
        /// The look-up.
        search: SearchId,
        /// The item, whose hash or signature was verified.
        item: Item,
    },
    /// A look-up is over. Answers that come later count for the table alone: peers in them are not handed out, as
    /// nobody would wait for them.
    SearchEnded {
        /// The look-up.
        search: SearchId,
        /// The work that it took.
        report: SearchReport,
    },
    /// A round of a look-up that goes on is over: of [`follow`](crate::Node::follow) or
    /// [`publish`](crate::Node::publish).
    RoundEnded {
        /// The look-up.
        search: SearchId,
        /// The deeds of the round.
        report: SearchReport,
    },
    /// A node has answered a query of its own.
    Answered {
        /// The query.
        query: QueryId,
        /// The answer.
        answer: NodeAnswer,
    },
    /// A node has not answered a query of its own in time, or has refused it.
    Failed {
        /// The query.
        query: QueryId,
        /// The code and the text of the refusal; `None` for silence.
        refusal: Option<(i64, Vec<u8>)>,
    },
    /// A node was not asked for a sample, since the last one that it gave still holds (BEP 51).
    SampledBefore {
        /// The query.
        query: QueryId,
        /// The time from which it may be asked.
        until: Instant,
    },
    /// We answer no queries any more, as nobody can reach us, or do so again (BEP 43).
    ReachChanged {
        /// True if we answer.
        is_reachable: bool,
    },
    /// Several networks agree on our address on the internet, and we have an id for it (BEP 42).
    AddressAgreed {
        /// The address.
        ip: IpAddr,
    },
    /// No node of a family is known: the names of routers have to be looked up (again), for
    /// [`add_router`](crate::Node::add_router). It comes once each time a table gets empty, and at the start.
    TableEmpty {
        /// The family.
        family: Family,
    },
}

/// The work of a look-up.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct SearchReport {
    /// The queries, without those that store something.
    pub queries: u32,
    /// The answers to them.
    pub answers: u32,
    /// Peers that were found.
    pub peers: usize,
    /// The closest nodes that answered, at most eight of each family.
    pub closest: Vec<NodeInfo>,
    /// Nodes that have stored the announcement or the item.
    pub stored: u32,
    /// Nodes that had the newest item that is known already, as they say.
    pub copies: u32,
    /// The peers and the seeds, as all nodes know them (BEP 33). `None` if it was no scrape, or if no node
    /// had any.
    pub scrape: Option<Box<Scrape>>,
}

/// The peers and seeds of a torrent (BEP 33).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Scrape {
    /// Peers that are no seeds.
    pub peers: Bloom,
    /// Seeds.
    pub seeds: Bloom,
}

/// The answer of one node.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeAnswer {
    /// The node.
    pub node: NodeInfo,
    /// The time from our query to the answer.
    pub round_trip: Duration,
    /// The nodes that it named.
    pub nodes: Vec<NodeInfo>,
    /// The sample of its torrents (BEP 51); `None` if it gives none.
    pub sample: Option<OwnedSample>,
}

/// A sample of the torrents of a node (BEP 51).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedSample {
    /// The time for which the node gives the same sample.
    pub interval: Duration,
    /// The number of torrents that the node has.
    pub total: u64,
    /// Some of them.
    pub info_hashes: Vec<WireInfoHash>,
}

/// The way in which we announce ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// The port at which we accept peers. `None` if it is the one of the socket of the DHT, as others see it:
    /// `implied_port`, which goes through NATs.
    pub port: Option<u16>,
    /// We have all of the torrent (BEP 33).
    pub is_seed: bool,
}

/// The figures of a node, all since its start but those that say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NodeStats {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Queries that we sent.
    pub queries_out: u64,
    /// Answers to them.
    pub answers_in: u64,
    /// Queries that had no answer in time.
    pub lost: u64,
    /// Answers that belong to no query, or came too late.
    pub unsolicited: u64,
    /// Datagrams that are no message.
    pub malformed: u64,
    /// Datagrams of addresses that the user avoids.
    pub avoided: u64,
    /// Queries of others.
    pub queries_in: u64,
    /// Our answers to them.
    pub answers_out: u64,
    /// Queries of hosts that send too many, which were not answered.
    pub floods: u64,
    /// Queries that the budget of answers did not allow to answer.
    pub over_budget: u64,
    /// Nodes of IPv4 in the table now.
    pub nodes_v4: usize,
    /// Nodes of IPv6 in the table now.
    pub nodes_v6: usize,
    /// Torrents that we have peers of now.
    pub torrents: usize,
    /// Peers that we have now.
    pub peers: usize,
    /// Items that we have now.
    pub items: usize,
    /// Queries in flight now.
    pub in_flight: usize,
    /// Hosts that are blocked now.
    pub blocked: usize,
    /// No query is answered now: by choice, or because nobody can reach us.
    pub is_read_only: bool,
}

impl NodeStats {
    /// Nodes of both families in the table now.
    pub fn nodes(&self) -> usize {
        self.nodes_v4 + self.nodes_v6
    }
}
