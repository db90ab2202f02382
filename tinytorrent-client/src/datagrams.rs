//! The UDP sockets of a client, which uTP, the DHT and requests to trackers share (P-14).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tinytorrent_dht::{Inlet, SharedSocket};
use tinytorrent_net::IpFilter;
use tinytorrent_tracker::client::TrackerClient;
use tinytorrent_types::compact::Family;
use tinytorrent_utp::{EndpointConfig, UtpSocket};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::ClientOptions;
use crate::memory::Memory;

/// The users of the UDP sockets of a client.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    /// The connections of each socket. They read it for all others, even if there are no connections.
    pub(crate) utp: Vec<UtpSocket>,
    /// The part of the DHT in the first socket of each family.
    pub(crate) dht: Vec<SharedSocket>,
    /// The part of trackers in the same.
    trackers: Vec<OfTrackers>,
    /// The sockets themselves.
    pub(crate) ports: Vec<Port>,
    /// True if no other host can be reached by them.
    pub(crate) are_on_loopback: bool,
}

/// A socket that can be replaced.
#[derive(Debug)]
pub(crate) struct Port {
    utp: UtpSocket,
    dht: Option<Inlet>,
}

impl Port {
    pub(crate) fn address(&self) -> SocketAddr {
        self.utp.local_address()
    }

    /// Has all users of the socket go on with another one. Requests to trackers find one by themselves.
    pub(crate) fn replace(&self, socket: UdpSocket) -> io::Result<()> {
        let socket = Arc::new(socket);
        if let Some(dht) = &self.dht {
            dht.replace(Arc::clone(&socket));
        }
        self.utp.replace(socket)
    }
}

/// A socket for requests to trackers, and what may be answers.
type OfTrackers = (Arc<UdpSocket>, mpsc::Receiver<(SocketAddr, Box<[u8]>)>);

/// The ways to those who do not read a socket themselves.
#[derive(Default)]
struct Inlets {
    dht: Option<Inlet>,
    trackers: Option<mpsc::Sender<(SocketAddr, Box<[u8]>)>>,
}

/// Answers of trackers that wait. More are lost, as they are in the buffer of a socket.
const MOST_WAITING: usize = 64;

impl Datagrams {
    /// Begins to receive. What comes is told apart by its first byte.
    pub(crate) fn start(
        options: &ClientOptions,
        sockets: Vec<UdpSocket>,
        filter: &IpFilter,
    ) -> io::Result<Self> {
        let mut all = Self { are_on_loopback: true, ..Self::default() };
        let mut families = Vec::new();
        for socket in sockets.into_iter().map(Arc::new) {
            let address = socket.local_addr()?;
            all.are_on_loopback &= address.ip().is_loopback();
            let family = Family::of(address.ip());
            let mut inlets = Inlets::default();
            if !families.contains(&family) {
                families.push(family);
                inlets = all.share(options, &socket, address);
            }
            let mut config = EndpointConfig::new(rand::random());
            config.memory(Memory::queues(options.limits.memory));
            if !options.accepts_peers() || !options.utp {
                config.max_half_open(0);
            }
            let dht = inlets.dht.clone();
            let pass_on = move |from: SocketAddr, datagram: &[u8]| inlets.pass(from, datagram);
            let filter = filter.clone();
            let admits = move |from: SocketAddr| !filter.blocks(from.ip());
            let utp = UtpSocket::over(socket, config, admits, pass_on)?;
            all.ports.push(Port { utp: utp.clone(), dht });
            all.utp.push(utp);
        }
        Ok(all)
    }

    fn share(
        &mut self,
        options: &ClientOptions,
        socket: &Arc<UdpSocket>,
        address: SocketAddr,
    ) -> Inlets {
        let mut inlets = Inlets::default();
        if options.has_dht() {
            let (of_node, inlet) = SharedSocket::new(Arc::clone(socket));
            self.dht.push(of_node);
            inlets.dht = Some(inlet);
        }
        // Most trackers are elsewhere.
        if !address.ip().is_loopback() {
            let (inlet, datagrams) = mpsc::channel(MOST_WAITING);
            self.trackers.push((Arc::clone(socket), datagrams));
            inlets.trackers = Some(inlet);
        }
        inlets
    }

    /// Has requests to trackers sent by these sockets.
    pub(crate) fn serve_trackers(&mut self, trackers: &TrackerClient) -> io::Result<()> {
        let mut all = self.trackers.drain(..);
        all.try_for_each(|(socket, datagrams)| trackers.share_udp(socket, datagrams))
    }
}

impl Inlets {
    /// Passes on a datagram that is not of uTP. It is lost if too many wait.
    fn pass(&self, from: SocketAddr, datagram: &[u8]) {
        match (datagram.first(), &self.dht, &self.trackers) {
            // Messages of the DHT are dictionaries.
            (Some(b'd'), Some(dht), _) => dht.pass(from, datagram),
            // The actions of BEP 15 are small numbers of four bytes.
            (Some(0), _, Some(trackers)) => {
                if let Ok(place) = trackers.try_reserve() {
                    place.send((from, datagram.into()));
                }
            }
            _ => {}
        }
    }
}
