//! Connections over sockets of the system, on loopback.
#![cfg(feature = "tokio")]
#![allow(clippy::disallowed_types, reason = "sockets are what this is about")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tinytorrent_utp::{EndpointConfig, UtpListener, UtpSocket, UtpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const V4: &str = "127.0.0.1:0";

fn bind(address: &str, seed: u8) -> UtpSocket {
    UtpSocket::bind(address.parse().unwrap(), EndpointConfig::new([seed; 32])).unwrap()
}

async fn pair(address: &str) -> (UtpStream, UtpStream, UtpListener) {
    let (server, client) = (bind(address, 1), bind(address, 2));
    let mut listener = server.listen();
    let ours = client.connect(server.local_address()).await.unwrap();
    let theirs = listener.accept().await;
    (ours, theirs, listener)
}

/// Bytes that differ everywhere.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * at / 7 + at) as u8).collect()
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_go_both_ways_over_both_families() {
    for address in [V4, "[::1]:0"] {
        let Ok(_) = std::net::UdpSocket::bind(address) else {
            eprintln!("{address} is left out: the system has no such address");
            continue;
        };
        let (mut ours, mut theirs, _) = in_time(pair(address)).await;
        assert_eq!(ours.peer_address(), theirs.local_address());
        assert_eq!(theirs.peer_address(), ours.local_address());
        let sent = bytes(20_000_000);
        let echo = tokio::spawn(async move {
            let (mut reader, mut writer) = theirs.split();
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let (mut reader, mut writer) = ours.split();
        let mut received = Vec::new();
        let (written, read) = in_time(async {
            tokio::join!(
                async {
                    writer.write_all(&sent).await?;
                    writer.shutdown().await
                },
                reader.read_to_end(&mut received)
            )
        })
        .await;
        written.unwrap();
        assert_eq!(read.unwrap(), sent.len());
        assert!(received == sent);
        echo.await.unwrap();
    }
}

/// P-15
#[tokio::test]
async fn what_was_written_arrives_though_the_stream_and_its_socket_are_dropped() {
    let (server, client) = (bind(V4, 1), bind(V4, 2));
    let mut listener = server.listen();
    let mut ours = in_time(client.connect(server.local_address())).await.unwrap();
    let sent = bytes(300_000);
    in_time(ours.write_all(&sent)).await.unwrap();
    drop((ours, client));
    let mut received = Vec::new();
    in_time(in_time(listener.accept()).await.read_to_end(&mut received)).await.unwrap();
    assert!(received == sent);
}

#[tokio::test]
async fn nobody_who_listens_is_an_error_at_once_where_the_network_says_so() {
    let client = bind(V4, 2);
    // Nobody else gets its port.
    let closed = std::net::UdpSocket::bind(V4).unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let error = in_time(client.connect(address)).await.unwrap_err();
    if cfg!(target_os = "linux") {
        assert_eq!(error.kind(), ErrorKind::HostUnreachable);
    }
    // The socket is as good as before.
    let server = bind(V4, 1);
    let mut listener = server.listen();
    in_time(client.connect(server.local_address())).await.unwrap();
    // It is there once the other end has answered.
    drop(client);
    in_time(listener.accept()).await;
}

#[tokio::test]
async fn a_socket_that_takes_no_connections_refuses_none_of_its_own() {
    let mut config = EndpointConfig::new([1; 32]);
    config.max_half_open(0);
    let closed = UtpSocket::bind(V4.parse().unwrap(), config).unwrap();
    let open = bind(V4, 2);
    let mut listener = open.listen();
    let (ours, theirs) =
        in_time(async { tokio::join!(closed.connect(open.local_address()), listener.accept()) })
            .await;
    ours.unwrap();
    assert_eq!(theirs.peer_address(), closed.local_address());
}

#[tokio::test]
async fn a_reset_ends_both_ends() {
    let (ours, mut theirs, _) = in_time(pair(V4)).await;
    ours.reset();
    let error = in_time(theirs.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(in_time(theirs.write_u8(1)).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    const COUNT: usize = 100;
    let staying = tokio::runtime::Runtime::new().unwrap();
    let ending = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = staying.block_on(async { bind(V4, 1) });
    let mut listener = server.listen();
    let ours = ending.block_on(async {
        let client = bind(V4, 2);
        let mut streams = Vec::new();
        for _ in 0..COUNT {
            streams.push(in_time(client.connect(server.local_address())).await.unwrap());
            streams.last_mut().unwrap().write_u8(7).await.unwrap();
        }
        // When there is an answer to the last one, all have arrived.
        let (mut theirs, last) = (Vec::new(), &mut streams[COUNT - 1]);
        let accept = async {
            for _ in 0..COUNT {
                theirs.push(listener.accept().await);
                assert_eq!(theirs.last_mut().unwrap().read_u8().await.unwrap(), 7);
            }
        };
        in_time(accept).await;
        theirs[COUNT - 1].write_u8(1).await.unwrap();
        in_time(last.read_u8()).await.unwrap();
        (streams, theirs)
    });
    drop(ending);
    let (_ours, theirs) = ours;
    staying.block_on(async {
        for mut stream in theirs {
            let error = in_time(stream.read_u8()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    });
}

#[tokio::test]
async fn a_writer_waits_for_a_reader() {
    let (mut ours, mut theirs, _) = in_time(pair(V4)).await;
    let sent = bytes(32 << 20);
    let written = async {
        let mut count = 0;
        while let Ok(Ok(more)) =
            timeout(Duration::from_millis(500), ours.write(&sent[count..])).await
        {
            count += more;
        }
        count
    };
    let count = in_time(written).await;
    // Both buffers of four MiB, and what is on its way.
    assert!((1 << 20..12 << 20).contains(&count), "{count}");
    let mut received = vec![0; count];
    in_time(theirs.read_exact(&mut received)).await.unwrap();
    assert!(received == sent[..count]);
    in_time(ours.write_all(b"more")).await.unwrap();
    assert_eq!(in_time(theirs.read_u32()).await.unwrap().to_be_bytes(), *b"more");
}

/// P-14
#[tokio::test]
async fn datagrams_of_others_pass_the_socket() {
    let socket = tokio::net::UdpSocket::bind(V4).await.unwrap();
    let (sender, mut others) = tokio::sync::mpsc::unbounded_channel();
    let socket = std::sync::Arc::new(socket);
    let pass = move |from: SocketAddr, bytes: &[u8]| {
        _ = sender.send((from, bytes.to_vec()));
    };
    let config = EndpointConfig::new([1; 32]);
    let server = UtpSocket::over(std::sync::Arc::clone(&socket), config, |_| true, pass).unwrap();
    let friend = std::net::UdpSocket::bind(V4).unwrap();
    let friends: SocketAddr = friend.local_addr().unwrap();
    let told: [&[u8]; 3] = [b"d1:y1:qe", &[0, 0, 0, 1, 9, 9, 9, 9], &[0x51; 30]];
    for datagram in told {
        friend.send_to(datagram, server.local_address()).unwrap();
    }
    for datagram in told {
        assert_eq!(in_time(others.recv()).await, Some((friends, datagram.to_vec())));
    }
    // It sends as well.
    socket.send_to(b"hello", friends).await.unwrap();
    assert_eq!(friend.recv_from(&mut [0; 9]).unwrap(), (5, server.local_address()));
    let mut listener = server.listen();
    let client = bind(V4, 2);
    in_time(client.connect(server.local_address())).await.unwrap();
    drop(client);
    in_time(listener.accept()).await;
    assert!(others.try_recv().is_err());
}

#[tokio::test]
async fn nothing_of_a_sender_that_is_not_admitted_is_heard() {
    let socket = std::sync::Arc::new(tokio::net::UdpSocket::bind(V4).await.unwrap());
    let address = socket.local_addr().unwrap();
    let [stranger, friend] = [(); 2].map(|()| std::net::UdpSocket::bind(V4).unwrap());
    let [strangers, friends] = [&stranger, &friend].map(|socket| socket.local_addr().unwrap());
    let (sender, mut others) = tokio::sync::mpsc::unbounded_channel();
    let pass = move |from: SocketAddr, _: &[u8]| _ = sender.send(from);
    let admits = move |from| from != strangers;
    let _server = UtpSocket::over(socket, EndpointConfig::new([1; 32]), admits, pass).unwrap();
    let syn = [0x41, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0];
    for datagram in [&b"d1:y1:qe"[..], &syn] {
        stranger.send_to(datagram, address).unwrap();
        friend.send_to(datagram, address).unwrap();
    }
    assert_eq!(in_time(others.recv()).await, Some(friends));
    friend.set_nonblocking(true).unwrap();
    let friend = tokio::net::UdpSocket::from_std(friend).unwrap();
    in_time(friend.recv(&mut [0; 99])).await.unwrap();
    // Whoever was first has his answer by then.
    stranger.set_nonblocking(true).unwrap();
    let nothing = stranger.recv(&mut [0; 99]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    assert!(others.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_share_two_sockets() {
    const COUNT: usize = 1_000;
    let (server, client) = (bind(V4, 1), bind(V4, 2));
    let (mut listener, address) = (server.listen(), server.local_address());
    let accepting = tokio::spawn(async move {
        for _ in 0..COUNT {
            let mut stream = listener.accept().await;
            tokio::spawn(async move {
                let number = stream.read_u32().await.unwrap();
                stream.write_u32(number + 1).await.unwrap();
            });
        }
    });
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..COUNT as u32 {
        let client = client.clone();
        asking.spawn(async move {
            let mut stream = client.connect(address).await.unwrap();
            stream.write_u32(number).await.unwrap();
            assert_eq!(stream.read_u32().await.unwrap(), number + 1);
        });
    }
    in_time(async {
        asking.join_all().await;
        accepting.await.unwrap();
    })
    .await;
}

/// P-16
#[tokio::test]
async fn of_two_ends_that_connect_at_once_one_is_the_initiator() {
    for seed in 0..20 {
        let (one, other) = (bind(V4, seed), bind(V4, seed + 100));
        let (ours, theirs) = in_time(async {
            tokio::join!(one.connect(other.local_address()), other.connect(one.local_address()))
        })
        .await;
        let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
        assert_ne!(ours.is_initiator(), theirs.is_initiator());
        in_time(ours.write_u8(seed)).await.unwrap();
        assert_eq!(in_time(theirs.read_u8()).await.unwrap(), seed);
    }
}

#[tokio::test]
async fn the_port_is_free_once_what_was_written_has_arrived() {
    for is_silent in [false, true] {
        let (server, client) = (bind(V4, 1), bind(V4, 2));
        let address = server.local_address();
        let mut listener = server.listen();
        let ours = in_time(client.connect(address)).await.unwrap();
        let mut theirs = in_time(listener.accept()).await;
        // One that nobody accepts.
        let _waiting = in_time(client.connect(address)).await.unwrap();
        if is_silent {
            // Nobody answers any more.
            ours.reset();
            let far = tokio::net::UdpSocket::bind(V4).await.unwrap();
            let lost = server.connect(far.local_addr().unwrap());
            _ = timeout(Duration::from_millis(50), lost).await;
        }
        _ = theirs.write_all(b"the end").await;
        drop((server, listener, theirs));
        in_time(async {
            while UtpSocket::bind(address, EndpointConfig::new([3; 32])).is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_an_ended_stream_has_written_is_delivered_once_it_is_read() {
    let server = bind(V4, 1);
    let mut config = EndpointConfig::new([2; 32]);
    config.receive_buffer(20_000);
    let client = UtpSocket::bind(V4.parse().unwrap(), config).unwrap();
    in_time(server.delivered()).await;
    let mut listener = server.listen();
    let mut ours = in_time(client.connect(server.local_address())).await.unwrap();
    let mut theirs = in_time(listener.accept()).await;
    // More than fits into the buffer of the other end.
    in_time(theirs.write_all(&[7; 100_000])).await.unwrap();
    drop(theirs);
    assert!(timeout(Duration::from_millis(100), server.delivered()).await.is_err());
    let mut read = Vec::new();
    let (arrived, ()) =
        in_time(async { tokio::join!(ours.read_to_end(&mut read), server.delivered()) }).await;
    assert_eq!((arrived.unwrap(), read.len()), (100_000, 100_000));
}
