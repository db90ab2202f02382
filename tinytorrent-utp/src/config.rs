use std::time::Duration;

/// Settings of an [`Endpoint`](crate::Endpoint).
///
/// # Defaults
/// - 10,000 connections, 4,096 that have only begun, 256 that wait for [`accept`](crate::Endpoint::accept).
/// - Buffers of up to 4 MiB each way, which take memory only while there is something in them, and 64 MiB in all.
/// - Packets for a link of 1,500 bytes.
/// - A packet of an idle connection every 29 seconds.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    pub(crate) seed: [u8; 32],
    pub(crate) max_connections: usize,
    pub(crate) max_half_open: usize,
    pub(crate) backlog: usize,
    pub(crate) send_buffer: usize,
    pub(crate) receive_buffer: usize,
    pub(crate) memory: usize,
    pub(crate) link_mtu: u16,
    pub(crate) keep_alive: Option<Duration>,
}

impl EndpointConfig {
    /// Default settings. All randomness comes from `seed`: ids, and the numbers of first packets. It has to be random
    /// and secret, or others can send packets in the name of a peer.
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            seed,
            max_connections: 10_000,
            max_half_open: 4_096,
            backlog: 256,
            send_buffer: 4 << 20,
            receive_buffer: 4 << 20,
            memory: 64 << 20,
            link_mtu: 1_500,
            keep_alive: Some(KEEP_ALIVE),
        }
    }

    /// The most connections at a time, ours and those of others. Default: 10,000. Beyond, nobody is answered, and
    /// [`connect`](crate::Endpoint::connect) fails.
    pub fn max_connections(&mut self, connections: usize) -> &mut Self {
        self.max_connections = connections;
        self
    }

    /// The most connections of others that have only begun: the answer to their first packet is out. Default: 4,096, at
    /// about 100 bytes each. Beyond, the oldest makes room. With none, others cannot connect.
    pub fn max_half_open(&mut self, connections: usize) -> &mut Self {
        self.max_half_open = connections;
        self
    }

    /// The most connections that wait for [`accept`](crate::Endpoint::accept). Default: 256. Beyond, packets of new
    /// ones are dropped, and come again.
    pub fn backlog(&mut self, connections: usize) -> &mut Self {
        self.backlog = connections;
        self
    }

    /// The most bytes of a connection that wait to be acknowledged. Default: 4 MiB, enough for 220 Mbit/s at a round
    /// trip of 50 ms and a queue of 100 ms. A slow connection takes less: twice its window.
    pub fn send_buffer(&mut self, bytes: usize) -> &mut Self {
        self.send_buffer = bytes.clamp(LEAST_BUFFER, MOST_BUFFER);
        self
    }

    /// The most bytes of a connection that wait to be read, with those beyond a gap. Default: 4 MiB, as above.
    /// A program that reads at once has little there.
    pub fn receive_buffer(&mut self, bytes: usize) -> &mut Self {
        self.receive_buffer = bytes.clamp(LEAST_BUFFER, MOST_BUFFER);
        self
    }

    /// The most bytes that wait in all buffers together, besides 6 KiB of each. Default: 64 MiB. Each buffer may hold as
    /// much as is free, so that connections which are read slowly leave as much to the others. With less, many fast
    /// connections slow down; with more, those that nobody reads hold it.
    pub fn memory(&mut self, bytes: usize) -> &mut Self {
        self.memory = bytes;
        self
    }

    /// Bytes that a packet of IP has on the link of this host, with its headers. Default: 1,500, as on Ethernet. The
    /// largest packet that reaches a peer is found between 1,200 bytes and this.
    pub fn link_mtu(&mut self, bytes: u16) -> &mut Self {
        self.link_mtu = bytes.max(LEAST_MTU);
        self
    }

    /// The time after which an idle connection sends an acknowledgement, so that NATs on the way do not forget it; none
    /// for never. Default: 29 seconds, as in libutp, since many home routers forget after 30. Ten thousand idle
    /// connections send 345 packets a second with it, in one batch; without it they have no timer at all.
    pub fn keep_alive(&mut self, interval: Option<Duration>) -> &mut Self {
        self.keep_alive = interval.map(|interval| interval.max(LEAST_KEEP_ALIVE));
        self
    }

    /// Leaves the search for larger packets out, for systems that cannot forbid to cut a single one.
    #[cfg(feature = "tokio")]
    pub(crate) fn without_probes(&mut self) {
        self.link_mtu = CERTAIN_MTU;
    }
}

/// Some packets, so that a transfer goes on at all; and what offsets of packets in a buffer need to stay small.
const LEAST_BUFFER: usize = 16 << 10;
const MOST_BUFFER: usize = 1 << 30;

/// With this no larger packet is tried than those of 1,200 bytes, with which each connection begins.
#[cfg(feature = "tokio")]
const CERTAIN_MTU: u16 = 1_228;

const KEEP_ALIVE: Duration = Duration::from_secs(29);
const LEAST_KEEP_ALIVE: Duration = Duration::from_secs(1);

/// IPv6 asks as much of each link (RFC 8200).
const LEAST_MTU: u16 = 1_280;
