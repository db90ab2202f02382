//! The metrics of the node of the DHT. Without one they are zero.

use tinytorrent_dht::NodeStats;

use super::MetricKind::{Counter, Gauge};
use super::collect::Column;

pub(super) const DHT: &[Column<NodeStats>] = &[
    ("tinytorrent_dht_nodes", Gauge, "Nodes of the DHT that are known, of both families.", |it| {
        it.nodes() as f64
    }),
    ("tinytorrent_dht_stored_peers", Gauge, "Peers that others announced to us.", |it| {
        it.peers as f64
    }),
    ("tinytorrent_dht_stored_items", Gauge, "Items that others put here.", |it| it.items as f64),
    ("tinytorrent_dht_received_bytes_total", Counter, "Bytes received from nodes.", |it| {
        it.bytes_in as f64
    }),
    ("tinytorrent_dht_sent_bytes_total", Counter, "Bytes sent to nodes.", |it| it.bytes_out as f64),
    ("tinytorrent_dht_queries_total", Counter, "Queries sent to nodes.", |it| {
        it.queries_out as f64
    }),
    ("tinytorrent_dht_lost_queries_total", Counter, "Queries that nobody answered.", |it| {
        it.lost as f64
    }),
    (
        "tinytorrent_dht_answers_total",
        Counter,
        "Queries of other nodes that were answered.",
        |it| it.answers_out as f64,
    ),
    ("tinytorrent_dht_refused_total", Counter, "Queries of other nodes beyond the limits.", |it| {
        (it.floods + it.over_budget) as f64
    }),
];
