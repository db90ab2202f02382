//! Look-ups of names while sockets are bound.
#![cfg(all(feature = "resolver", target_os = "linux"))]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tinytorrent_net::{Network, NetworkConfig};
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// A server of names that knows one IPv4 address. Returns where it is asked, and who has asked.
async fn server() -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<SocketAddr>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, askers) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let _ = sender.send(from);
            let end = 12 + buffer[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
            let is_v4 = buffer[end - 4..end] == [0, 1, 0, 1];
            // A response with the question, and with an answer to that for IPv4 (RFC 1035, section 4.1).
            let mut answer =
                [&buffer[..2], &[0x81, 0x80, 0, 1, 0, u8::from(is_v4), 0, 0, 0, 0]].concat();
            answer.extend(&buffer[12..end]);
            if is_v4 {
                answer.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07");
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    (address, askers)
}

#[tokio::test]
async fn names_are_looked_up_from_the_address_of_the_binding() {
    let (server, mut askers) = server().await;
    let ours = IpAddr::from([127, 0, 0, 3]);
    let mut config = NetworkConfig::default();
    config.bind(ours.into()).name_servers(vec![server]);
    let network = Network::new(config);
    let deadline = Instant::now() + Duration::from_secs(60);
    let found = network.look_up("peer.example", 6881, deadline).await.unwrap();
    assert_eq!(found, ["192.0.2.7:6881".parse().unwrap()]);
    assert_eq!(askers.recv().await.unwrap().ip(), ours);
    while let Ok(asker) = askers.try_recv() {
        assert_eq!(asker.ip(), ours);
    }
}
