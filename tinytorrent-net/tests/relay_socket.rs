//! A socket behind a SOCKS5 proxy that does what it likes.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_net::{Network, NetworkConfig, RelaySocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

const PEER: &str = "192.0.2.1:6881";
const HEADER: &[u8] = b"\0\0\0\x01\xc0\0\x02\x01\x1a\xe1";

/// A proxy whose relay the test plays.
struct Proxy {
    listener: TcpListener,
    relay: UdpSocket,
}

impl Proxy {
    async fn start() -> (Self, RelaySocket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self { listener, relay }, through(&format!("socks5://{address}")))
    }

    /// Takes the next request for a relay. It lives as long as the connection.
    async fn associate(&self) -> TcpStream {
        let (mut control, _) = self.listener.accept().await.unwrap();
        let mut asked = [0; 13];
        control.read_exact(&mut asked[..3]).await.unwrap();
        control.write_all(&[5, 0]).await.unwrap();
        control.read_exact(&mut asked[3..]).await.unwrap();
        assert_eq!(asked, [5, 1, 0, 5, 3, 0, 1, 0, 0, 0, 0, 0, 0]);
        let port = self.relay.local_addr().unwrap().port().to_be_bytes();
        control.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, port[0], port[1]]).await.unwrap();
        control
    }

    /// Opens the relay of a socket.
    async fn open(&self, socket: &RelaySocket) -> TcpStream {
        let (control, opened) = tokio::join!(self.associate(), socket.open(soon()));
        opened.unwrap();
        control
    }

    /// Datagrams that have come to the relay, with their senders.
    async fn received(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2_000];
        let (length, from) = in_time(self.relay.recv_from(&mut buffer)).await.unwrap();
        (buffer[..length].to_vec(), from)
    }
}

fn through(proxy: &str) -> RelaySocket {
    let mut config = NetworkConfig::default();
    config.proxy(Some(proxy.parse().unwrap()));
    RelaySocket::new(Network::new(config))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("in time")
}

async fn receive(socket: &RelaySocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2_000];
    let received = async {
        loop {
            socket.readable().await;
            match socket.try_receive(&mut buffer) {
                Ok((length, from)) => return (buffer[..length].to_vec(), from),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    };
    in_time(received).await
}

/// U-42, RFC 1928 section 7
#[tokio::test]
async fn datagrams_of_both_families_have_their_address_before_them() {
    let (proxy, socket) = Proxy::start().await;
    let _control = proxy.open(&socket).await;
    let v6 = b"\0\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe1";
    for (peer, header) in
        [(PEER, HEADER), ("[2001:db8::1]:6881", v6), ("[::ffff:192.0.2.1]:6881", HEADER)]
    {
        socket.try_send(b"hello", peer.parse().unwrap()).unwrap();
        let (sent, ours) = proxy.received().await;
        assert_eq!(sent, [header, b"hello"].concat(), "{peer}");
        proxy.relay.send_to(&[header, b"there"].concat(), ours).await.unwrap();
        let (datagram, from) = receive(&socket).await;
        let peer: SocketAddr = peer.parse().unwrap();
        assert_eq!((&datagram[..], from.ip()), (&b"there"[..], peer.ip().to_canonical()));
    }
}

#[tokio::test]
async fn only_whole_datagrams_of_the_relay_come_in() {
    let (proxy, socket) = Proxy::start().await;
    let _control = proxy.open(&socket).await;
    socket.try_send(b"", PEER.parse().unwrap()).unwrap();
    let (_, ours) = proxy.received().await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(&[HEADER, b"a stranger"].concat(), ours).await.unwrap();
    for wrong in [
        &b""[..],
        b"\0\0\0\x01\xc0\0\x02\x01\x1a",
        b"\0\0\x01\x01\xc0\0\x02\x01\x1a\xe1a fragment",
        b"\0\0\0\x02\xc0\0\x02\x01\x1a\xe1an unknown kind of address",
        b"\0\0\0\x03\x09a.example\x1a\xe1a name",
    ] {
        proxy.relay.send_to(wrong, ours).await.unwrap();
    }
    proxy.relay.send_to(&[HEADER, b"right"].concat(), ours).await.unwrap();
    assert_eq!(receive(&socket).await, (b"right".to_vec(), PEER.parse().unwrap()));
}

#[tokio::test]
async fn nothing_is_sent_between_two_relays_and_whoever_waits_goes_on_with_the_next() {
    let (proxy, socket) = Proxy::start().await;
    let peer = PEER.parse().unwrap();
    let waiting = tokio::spawn({
        let socket = socket.clone();
        async move { receive(&socket).await }
    });
    for _ in 0..3 {
        assert!(!socket.is_open());
        assert_eq!(socket.try_send(b"lost", peer).unwrap_err().kind(), ErrorKind::NotConnected);
        in_time(socket.writable()).await;
        let control = proxy.open(&socket).await;
        assert!(socket.is_open());
        socket.try_send(b"sent", peer).unwrap();
        assert!(proxy.received().await.0.ends_with(b"sent"));
        // Bytes on the connection mean nothing, its end does.
        let mut control = control;
        control.write_all(b"noise").await.unwrap();
        drop(control);
        in_time(socket.ended()).await;
    }
    let _control = proxy.open(&socket).await;
    socket.try_send(b"", peer).unwrap();
    let (_, ours) = proxy.received().await;
    proxy.relay.send_to(&[HEADER, b"at last"].concat(), ours).await.unwrap();
    assert_eq!(waiting.await.unwrap().0, b"at last");
}

#[tokio::test]
async fn a_relay_that_nobody_reads_is_no_word_of_the_peer() {
    let (Proxy { listener, relay }, socket) = Proxy::start().await;
    let proxy = Proxy { listener, relay };
    let _control = proxy.open(&socket).await;
    drop(proxy);
    // The system tells of the first with one of the next.
    for _ in 0..10 {
        if let Err(error) = socket.try_send(b"lost", PEER.parse().unwrap()) {
            assert_eq!(error.kind(), ErrorKind::Other);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(socket.is_open());
}

#[tokio::test]
async fn a_proxy_that_relays_nothing_leaves_the_socket_closed() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (proxy, kind) in [
        (format!("http://{nobody}"), ErrorKind::Unsupported),
        (format!("socks5://{nobody}"), ErrorKind::ConnectionRefused),
    ] {
        let socket = through(&proxy);
        assert_eq!(socket.open(soon()).await.unwrap_err().kind(), kind);
        assert!(!socket.is_open());
        let kind = socket.try_send(b"lost", PEER.parse().unwrap()).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::NotConnected);
    }
    let socket = RelaySocket::new(Network::default());
    assert_eq!(socket.open(soon()).await.unwrap_err().kind(), ErrorKind::NotConnected);
}
