//! A SOCKS5 proxy that relays datagrams (RFC 1928), with faults on request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

pub struct Socks5 {
    pub address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

impl Drop for Socks5 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Default)]
struct Counts {
    opened: AtomicUsize,
    closed: AtomicUsize,
}

#[derive(Clone)]
pub struct Behaviour {
    /// The reply to `UDP ASSOCIATE`; 0 grants it.
    pub reply: u8,
    /// Replies with the port of the relay only, and not with its address.
    pub hides_address: bool,
    /// The address of every name.
    pub names: SocketAddr,
    /// The number of datagrams after which an association ends.
    pub datagrams: usize,
    /// Bytes to put before every datagram to the client.
    pub noise: Vec<Vec<u8>>,
}

impl Default for Behaviour {
    fn default() -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let (reply, hides_address, datagrams) = (0, false, usize::MAX);
        Self { reply, hides_address, names: nowhere, datagrams, noise: Vec::new() }
    }
}

impl Socks5 {
    pub async fn start(ip: impl Into<IpAddr>, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind((ip.into(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let counting = counts.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (behaviour, counts) = (behaviour.clone(), counting.clone());
                tokio::spawn(async move {
                    counts.opened.fetch_add(1, Ordering::Relaxed);
                    serve(stream, behaviour).await;
                    counts.closed.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, counts, task }
    }

    /// The number of requested associations.
    pub fn opened(&self) -> usize {
        self.counts.opened.load(Ordering::Relaxed)
    }

    /// Waits until all requested associations have ended.
    pub async fn all_closed(&self) {
        for _ in 0..6000 {
            if self.counts.closed.load(Ordering::Relaxed) == self.opened() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("an association stays open");
    }
}

async fn serve(mut stream: TcpStream, behaviour: Behaviour) {
    let mut greeting = [0; 3];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting, [5, 1, 0]);
    stream.write_all(&[5, 0]).await.unwrap();
    let mut request = [0; 10];
    stream.read_exact(&mut request).await.unwrap();
    assert_eq!(request, [5, 3, 0, 1, 0, 0, 0, 0, 0, 0], "udp associate from anywhere");
    if behaviour.reply != 0 {
        stream.write_all(&[5, behaviour.reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        return;
    }
    let relay = UdpSocket::bind((stream.local_addr().unwrap().ip(), 0)).await.unwrap();
    let bound = relay.local_addr().unwrap();
    let told = match bound.ip() {
        _ if behaviour.hides_address => SocketAddr::from(([0, 0, 0, 0], bound.port())),
        _ => bound,
    };
    let mut answer = vec![5, 0, 0];
    write_address(told, &mut answer);
    stream.write_all(&answer).await.unwrap();
    let mut said = [0];
    tokio::select! {
        () = relay_datagrams(relay, behaviour) => {}
        closed = stream.read(&mut said) => assert_eq!(closed.unwrap_or(0), 0),
    }
}

async fn relay_datagrams(relay: UdpSocket, behaviour: Behaviour) {
    let v4 = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let v6 = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    let mut client = None;
    let (mut up, mut down_v4, mut down_v6) = (vec![0; 65_535], vec![0; 65_535], vec![0; 65_535]);
    let mut taken = 0;
    loop {
        let (from, datagram) = tokio::select! {
            received = relay.recv_from(&mut up) => {
                let (length, from) = received.unwrap();
                assert_eq!(*client.get_or_insert(from), from, "one client");
                taken += 1;
                if taken > behaviour.datagrams {
                    return;
                }
                let (target, datagram) = read_datagram(&up[..length], behaviour.names);
                let socket = if target.is_ipv4() { &v4 } else { &v6 };
                socket.send_to(datagram, target).await.unwrap();
                continue;
            }
            received = v4.recv_from(&mut down_v4) => {
                let (length, from) = received.unwrap();
                (from, &down_v4[..length])
            }
            received = v6.recv_from(&mut down_v6) => {
                let (length, from) = received.unwrap();
                (from, &down_v6[..length])
            }
        };
        let client = client.unwrap();
        for noise in &behaviour.noise {
            relay.send_to(noise, client).await.unwrap();
        }
        // The right content under another port, and as a fragment.
        for (port, fragment) in [(from.port() ^ 1, 0), (from.port(), 1), (from.port(), 0)] {
            let mut wrapped = vec![0, 0, fragment];
            write_address(SocketAddr::new(from.ip(), port), &mut wrapped);
            wrapped.extend(datagram);
            if (port, fragment) != (from.port(), 0) {
                // Only the last is a valid reply.
                let last = wrapped.len() - 1;
                wrapped[last] ^= 0xff;
            }
            relay.send_to(&wrapped, client).await.unwrap();
        }
    }
}

fn write_address(address: SocketAddr, out: &mut Vec<u8>) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(1);
            out.extend(ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(4);
            out.extend(ip.octets());
        }
    }
    out.extend(address.port().to_be_bytes());
}

/// The target of a datagram from the client, and its content.
fn read_datagram(wrapped: &[u8], names: SocketAddr) -> (SocketAddr, &[u8]) {
    let [0, 0, 0, kind, rest @ ..] = wrapped else { panic!("no header: {wrapped:?}") };
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => 1 + usize::from(rest[0]),
        kind => panic!("address type {kind}"),
    };
    let (host, rest) = rest.split_at(length);
    let (port, datagram) = rest.split_first_chunk().unwrap();
    let port = u16::from_be_bytes(*port);
    let target = match kind {
        1 => SocketAddr::from((<[u8; 4]>::try_from(host).unwrap(), port)),
        4 => SocketAddr::from((<[u8; 16]>::try_from(host).unwrap(), port)),
        _ => {
            assert!(host.ends_with(b".invalid"), "{host:?}");
            names
        }
    };
    (target, datagram)
}
