//! Ways to a tracker: TLS, proxies, local addresses, both families.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use support::process::left_out;
use support::{BODY, Tracker, client, hasty, other_request, request, through, with_headers};
use tinytorrent_net::{Network, NetworkConfig};
use tinytorrent_tracker::TrackerUrl;
use tinytorrent_tracker::client::{ClientConfig, ErrorKind, Families, Phase};
use tinytorrent_tracker::server::{ServerConfig, TrackerServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig as TlsConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// An HTTPS tracker with a self-signed certificate, which sends these bytes to every client.
async fn https_sending(bytes: Vec<u8>) -> SocketAddr {
    https_ending(bytes, true).await
}

/// The same, which may close the connection without saying so over TLS.
async fn https_ending(bytes: Vec<u8>, says_goodbye: bool) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = TlsConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            if says_goodbye {
                let _ = stream.shutdown().await;
            }
        }
    });
    address
}

fn unverified() -> ClientConfig {
    let mut config = hasty();
    let mut network = NetworkConfig::default();
    network.verify_certificates(false);
    config.network(Network::new(network));
    config
}

/// H-40
#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_an_error_unless_the_user_insists() {
    let address = https_sending(with_headers("", BODY)).await;
    let url: TrackerUrl = format!("https://localhost:{}/announce", address.port()).parse().unwrap();
    let error = client(hasty()).announce(&url, &request()).await.unwrap_err();
    assert_eq!(error.phase(), Phase::Tls, "{error}");
    assert!(error.to_string().contains("localhost"), "{error}");
    let response = client(unverified()).announce(&url, &request()).await.unwrap();
    assert_eq!(response.peers.len(), 1);
}

/// H-31: the end of the connection is the end of the body, and TLS calls it an error
#[tokio::test]
async fn an_answer_over_tls_is_whole_though_the_connection_just_ends() {
    let answer = [b"HTTP/1.1 200 OK\r\n\r\n", BODY].concat();
    for says_goodbye in [true, false] {
        let address = https_ending(answer.clone(), says_goodbye).await;
        let url: TrackerUrl = format!("https://{address}/announce").parse().unwrap();
        let response = client(unverified()).announce(&url, &request()).await.unwrap();
        assert_eq!(response.peers.len(), 1);
    }
    let address = https_ending(answer[..40].to_vec(), false).await;
    let url: TrackerUrl = format!("https://{address}/announce").parse().unwrap();
    let error = client(unverified()).announce(&url, &request()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Http(_)), "{error}");
}

/// H-29
#[tokio::test]
async fn a_redirect_from_https_to_http_is_refused() {
    let plain = Tracker::http_sending(with_headers("", BODY)).await;
    let location = format!("Location: http://{}/announce\r\n", plain.address);
    let answer = format!("HTTP/1.1 301 Moved\r\n{location}Content-Length: 0\r\n\r\n");
    let address = https_sending(answer.into_bytes()).await;
    let url: TrackerUrl = format!("https://{address}/announce").parse().unwrap();
    let error = client(unverified()).announce(&url, &request()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ForbiddenRedirect(_)), "{error}");
    let mut config = unverified();
    config.allow_downgrade(true);
    assert!(client(config).announce(&url, &request()).await.is_ok());
}

/// Each in its phase, and within the time for a connection
#[tokio::test]
async fn a_handshake_or_a_proxy_that_hangs_is_timed_out() {
    // The system accepts the connections, and no program reads from them.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    for (proxy, url, phase) in [
        (None, format!("https://{address}/announce"), Phase::Tls),
        (Some("socks5"), "http://tracker.invalid/announce".to_owned(), Phase::Proxy),
        (Some("socks5"), "udp://tracker.invalid:1".to_owned(), Phase::Proxy),
        (Some("http"), "https://tracker.invalid/announce".to_owned(), Phase::Proxy),
    ] {
        let mut config = hasty();
        config.connect_timeout(Duration::from_millis(200));
        if let Some(kind) = proxy {
            config.network(through(&format!("{kind}://{address}")));
        }
        let url: TrackerUrl = url.parse().unwrap();
        let error = client(config).announce(&url, &request()).await.unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert_eq!(error.phase(), phase, "{error}");
        assert!(error.to_string().contains(url.host()), "{error}");
    }
}

/// A SOCKS5 proxy that knows joe, and looks up every host as this address.
async fn socks5(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut greeting = [0; 3];
            stream.read_exact(&mut greeting).await.unwrap();
            assert_eq!(greeting, [5, 1, 2]);
            stream.write_all(&[5, 2]).await.unwrap();
            let mut credentials = [0; 11];
            stream.read_exact(&mut credentials).await.unwrap();
            assert_eq!(&credentials, b"\x01\x03joe\x05p@ss!");
            stream.write_all(&[1, 0]).await.unwrap();
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.unwrap();
            assert_eq!(head[..4], [5, 1, 0, 3]);
            let mut rest = vec![0; usize::from(head[4]) + 2];
            stream.read_exact(&mut rest).await.unwrap();
            assert_eq!(rest, b"tracker.invalid\x00\x50");
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            let mut target = TcpStream::connect(to).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut target).await;
        }
    });
    address
}

/// The host is looked up by the proxy: here it does not exist at all.
#[tokio::test]
async fn a_socks5_proxy_is_given_the_host_name_and_the_password() {
    let tracker = Tracker::http_sending(with_headers("", BODY)).await;
    let proxy = format!("socks5://joe:p%40ss%21@{}", socks5(tracker.address).await);
    let mut config = hasty();
    config.network(through(&proxy));
    let url: TrackerUrl = "http://tracker.invalid/announce".parse().unwrap();
    let response = client(config).announce(&url, &request()).await.unwrap();
    assert_eq!((response.peers.len(), response.reached_at), (1, None));
}

#[tokio::test]
async fn an_http_proxy_is_asked_to_connect() {
    let tracker = Tracker::http_sending(with_headers("", BODY)).await;
    let to = tracker.address;
    let proxy = Tracker::http_with(move |head, mut stream| async move {
        assert!(head.starts_with("CONNECT tracker.invalid:80 HTTP/1.1\r\n"), "{head}");
        if !head.contains("Proxy-Authorization: Basic am9lOg==\r\n") {
            let _ = stream.write_all(b"HTTP/1.1 407 Who are you\r\n\r\n").await;
            return;
        }
        stream.write_all(b"HTTP/1.1 200 Go\r\nVia: x\r\n\r\n").await.unwrap();
        let mut target = TcpStream::connect(to).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut target).await;
    })
    .await;
    let url: TrackerUrl = "http://tracker.invalid/announce".parse().unwrap();
    let as_user = |user: &str| {
        let mut config = hasty();
        config.network(through(&format!("http://{user}{}", proxy.address)));
        client(config)
    };
    assert_eq!(as_user("joe@").announce(&url, &request()).await.unwrap().peers.len(), 1);
    let error = as_user("").announce(&url, &request()).await.unwrap_err();
    assert_eq!(error.phase(), Phase::Proxy);
    assert!(error.to_string().contains("407"), "{error}");
}

/// H-27, BEP 7 "Announcing"
#[cfg(target_os = "linux")]
#[tokio::test]
async fn requests_leave_from_the_local_address_that_was_chosen() {
    let local = ["127.0.0.1:0".parse().unwrap()];
    let server = TrackerServer::bind(ServerConfig::default(), &local, &local).await.unwrap();
    let mut config = hasty();
    let mut network = NetworkConfig::default();
    network.bind(IpAddr::from([127, 0, 0, 2]).into());
    config.network(Network::new(network));
    let (bound, free) = (client(config), client(hasty()));
    for url in server.announce_urls() {
        let url = url.parse().unwrap();
        bound.announce(&url, &request()).await.unwrap();
        let other = other_request();
        let found = free.announce(&url, &other).await.unwrap().peers;
        let expected: SocketAddr = "127.0.0.2:6881".parse().unwrap();
        assert!(found.iter().any(|peer| peer.address == expected), "{url}: {found:?}");
    }
}

/// U-38, H-27, BEP 7: a host with both families is told over both, under one key
#[tokio::test]
async fn a_host_with_both_families_is_announced_to_over_both() {
    let hosts = tokio::net::lookup_host("localhost:1").await.map(|found| found.collect::<Vec<_>>());
    let hosts = hosts.unwrap_or_default();
    if !(hosts.iter().any(SocketAddr::is_ipv4) && hosts.iter().any(SocketAddr::is_ipv6)) {
        left_out("localhost has not both families here");
        return;
    }
    let first = ["127.0.0.1:0".parse().unwrap()];
    let v4 = TrackerServer::bind(ServerConfig::default(), &first, &first).await.unwrap();
    for (scheme, address) in [("udp", v4.udp_addresses()[0]), ("http", v4.http_addresses()[0])] {
        let same_port = [SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], address.port()))];
        let (udp, http) =
            if scheme == "udp" { (&same_port[..], &[][..]) } else { (&[][..], &same_port[..]) };
        let Ok(v6) = TrackerServer::bind(ServerConfig::default(), udp, http).await else {
            left_out(&format!("port {} is taken on ::1", address.port()));
            continue;
        };
        let url: TrackerUrl =
            format!("{scheme}://localhost:{}/announce", address.port()).parse().unwrap();
        client(hasty()).announce(&url, &request()).await.unwrap();
        for server in [&v4, &v6] {
            let counts = server.tracker().counts(request().info_hash);
            assert_eq!(counts.unwrap().leechers, Some(1), "{url}");
        }
    }
}

/// BEP 34
#[tokio::test]
async fn a_host_may_say_by_dns_where_its_tracker_is_and_that_it_has_none() {
    let local = ["127.0.0.1:0".parse().unwrap()];
    let server = TrackerServer::bind(ServerConfig::default(), &local, &[]).await.unwrap();
    let port = server.udp_addresses()[0].port();
    for (text, is_allowed) in
        [(format!("BITTORRENT UDP:{port}"), true), ("BITTORRENT DENY ALL".to_owned(), false)]
    {
        let dns = Tracker::udp_with(move |_, mut datagram, from, socket| {
            let text = text.clone();
            async move {
                (datagram[2], datagram[7]) = (0x81, 1);
                datagram.extend(b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0");
                datagram.extend([text.len() as u8 + 1, text.len() as u8]);
                datagram.extend(text.as_bytes());
                socket.send_to(&datagram, from).await.unwrap();
            }
        })
        .await;
        let mut config = hasty();
        config.dns_preferences(Some(dns.address)).families(Families::V4);
        let url: TrackerUrl = "http://localhost:1/announce".parse().unwrap();
        let client = client(config);
        let outcome = client.announce(&url, &request()).await;
        let scrape = client.scrape(&url, &[request().info_hash]).await;
        match is_allowed {
            true => {
                assert_eq!(outcome.unwrap().leechers, Some(1));
                assert_eq!(scrape.unwrap().files[0].1.leechers, Some(1));
            }
            false => {
                for error in [outcome.unwrap_err(), scrape.unwrap_err()] {
                    assert!(matches!(error.kind(), ErrorKind::DeniedByDns), "{error}");
                }
            }
        }
    }
}
