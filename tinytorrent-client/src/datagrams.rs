//! The UDP sockets of a client, which uTP, the DHT and requests to trackers share (P-14).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tinytorrent_dht::{Inlet, SharedSocket};
use tinytorrent_net::{IpFilter, Network};
use tinytorrent_tracker::client::TrackerClient;
use tinytorrent_types::compact::Family;
use tinytorrent_utp::{EndpointConfig, UtpSocket};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::ClientOptions;
use crate::memory::Memory;
use crate::relay::{KeptRelay, Relayed};

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
    /// The relay of the proxy that is in their place.
    pub(crate) relay: Option<KeptRelay>,
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
    /// At most one of each family.
    dht: Vec<(Family, Inlet)>,
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
            let dht = inlets.dht.first().map(|(_, inlet)| inlet.clone());
            let pass_on = move |from: SocketAddr, datagram: &[u8]| inlets.pass(from, datagram);
            let utp = UtpSocket::over(socket, endpoint(options), admits(filter), pass_on)?;
            all.ports.push(Port { utp: utp.clone(), dht });
            all.utp.push(utp);
        }
        Ok(all)
    }

    /// Has the relay of the proxy carry what would go by sockets, once it is [run](KeptRelay::run). Requests to trackers
    /// have a relay of their own.
    pub(crate) fn relayed(options: &ClientOptions, network: &Network) -> Self {
        let mut all = Self::default();
        let (_, has_utp) = options.usable();
        if !options.has_dht() && !has_utp {
            return all;
        }
        let relay = KeptRelay::new(network.clone());
        let mut inlets = Inlets::default();
        for family in [Family::V4, Family::V6].into_iter().filter(|_| options.has_dht()) {
            let socket = relay.socket().clone();
            // What is not sent is lost, as in the network: that there is no relay says nothing of a node.
            let send = move |datagram: &[u8], to| _ = socket.try_send(datagram, to);
            let (of_node, inlet) = SharedSocket::by(family, send);
            all.dht.push(of_node);
            inlets.dht.push((family, inlet));
        }
        let pass_on = move |from: SocketAddr, datagram: &[u8]| inlets.pass(from, datagram);
        let carrier = Arc::new(Relayed(relay.socket().clone()));
        all.utp.push(UtpSocket::by(carrier, endpoint(options), admits(network.filter()), pass_on));
        all.relay = Some(relay);
        all
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
            inlets.dht.push((Family::of(address.ip()), inlet));
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
        match (datagram.first(), &self.trackers) {
            // Messages of the DHT are dictionaries.
            (Some(b'd'), _) => {
                let family = Family::of(from.ip());
                let inlet = self.dht.iter().find(|(of, _)| *of == family);
                if let Some((_, inlet)) = inlet {
                    inlet.pass(from, datagram);
                }
            }
            // The actions of BEP 15 are small numbers of four bytes.
            (Some(0), Some(trackers)) => {
                if let Ok(place) = trackers.try_reserve() {
                    place.send((from, datagram.into()));
                }
            }
            _ => {}
        }
    }
}

/// The settings of the connections of a socket.
fn endpoint(options: &ClientOptions) -> EndpointConfig {
    let mut config = EndpointConfig::new(rand::random());
    config.memory(Memory::queues(options.limits.memory));
    if !options.accepts_peers() || !options.utp {
        config.max_half_open(0);
    }
    config
}

/// The judgement on senders: nobody whom the user avoids is heard.
fn admits(filter: &IpFilter) -> impl FnMut(SocketAddr) -> bool + Send + 'static {
    let filter = filter.clone();
    move |from| !filter.blocks(from.ip())
}
