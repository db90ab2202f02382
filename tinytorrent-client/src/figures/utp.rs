//! The metrics of the connections by uTP. Without uTP they are zero.

use tinytorrent_utp::EndpointStats;

use super::MetricKind::{Counter, Gauge};
use super::collect::Column;

pub(super) const UTP: &[Column<EndpointStats>] = &[
    (
        "tinytorrent_utp_connections",
        Gauge,
        "Connections by uTP, with those that are being opened or closed.",
        |it| it.connections as f64,
    ),
    ("tinytorrent_utp_queue_bytes", Gauge, "Bytes in the queues of connections by uTP.", |it| {
        it.memory as f64
    }),
    ("tinytorrent_utp_malformed_total", Counter, "Datagrams that are no packets of uTP.", |it| {
        it.malformed as f64
    }),
    ("tinytorrent_utp_strays_total", Counter, "Packets of connections that are not there.", |it| {
        it.strays as f64
    }),
    (
        "tinytorrent_utp_refused_total",
        Counter,
        "First packets of connections beyond the limits.",
        |it| it.refused as f64,
    ),
];
