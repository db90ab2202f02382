//! Connections of the client: when they are kept, made anew and given up, and to whom.
#![cfg(feature = "client")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "real sockets and files")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use support::{Asked, Reply, blocks, content, honest, info, reply, serve, serve_at};
use tinytorrent_metainfo::Info;
use tinytorrent_net::{Network, NetworkConfig};
use tinytorrent_types::BlockInfo;
use tinytorrent_webseed::client::{
    Credit, Fetch, FetchError, LocalAccess, Protocol, Report, Settings, WebSeed,
};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// A web seed of the user with one connection, and its reports.
fn seed(url: &str, info: &Arc<Info>, network: Network) -> (WebSeed, mpsc::Receiver<Report>) {
    let (sender, reports) = mpsc::channel(4);
    let mut settings = Settings::default();
    // Whatever waits for the server to say more waits longer than the test.
    settings.connections(1).read_timeout(Duration::from_secs(3_600));
    let (info, url, full) = (Arc::clone(info), url.parse().unwrap(), LocalAccess::Full);
    let seed = WebSeed::new(network, info, url, Protocol::Files, full, settings, sender);
    (seed, reports)
}

/// Fetches these blocks as the fetch with this name.
fn begin(seed: &mut WebSeed, id: u64, blocks: &[BlockInfo]) -> Arc<Credit> {
    let credit = Arc::new(Credit::new(blocks.len() as u32));
    seed.fetch(Fetch { id, blocks: blocks.to_vec(), credit: Arc::clone(&credit), max_skip: 0 });
    credit
}

/// The bytes of a fetch, and its outcome.
async fn end(id: u64, reports: &mut mpsc::Receiver<Report>) -> (Vec<u8>, Result<(), FetchError>) {
    let mut bytes = Vec::new();
    loop {
        let report = timeout(Duration::from_secs(60), reports.recv()).await.expect("in time");
        match report.expect("the seed is there") {
            Report::Blocks { fetch, blocks } if fetch == id => {
                blocks.iter().for_each(|(_, data)| bytes.extend_from_slice(data));
            }
            Report::Ended { fetch, outcome } if fetch == id => return (bytes, outcome),
            other => panic!("{other:?}"),
        }
    }
}

/// A server may close a connection that is idle in the moment in which it is used again.
#[tokio::test]
async fn a_request_on_a_connection_that_was_closed_is_sent_again_once() {
    let (address, log) = serve(|asked| Reply(honest(asked).0, true)).await;
    let info = info(true);
    let (mut seed, mut reports) = seed(&format!("http://{address}/x"), &info, Network::default());
    let all = blocks(&info);
    for (id, range) in [(1, 0..2), (2, 2..4)] {
        begin(&mut seed, id, &all[range.clone()]);
        let (bytes, outcome) = end(id, &mut reports).await;
        let expected = &content()[range.start << 14..range.end << 14];
        assert_eq!((bytes == expected, outcome), (true, Ok(())));
    }
    let connections: Vec<_> = log.lock().unwrap().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [0, 1]);
}

#[tokio::test]
async fn a_server_that_closes_each_time_without_a_byte_is_not_asked_for_ever() {
    let (address, log) = serve(|_| Reply(Vec::new(), true)).await;
    let info = info(true);
    let (mut seed, mut reports) = seed(&format!("http://{address}/x"), &info, Network::default());
    begin(&mut seed, 1, &blocks(&info));
    let outcome = end(1, &mut reports).await.1;
    assert!(matches!(outcome, Err(FetchError::Network(_))), "{outcome:?}");
    assert_eq!(log.lock().unwrap().len(), 2);
}

/// A pause, a removal or another wish of the user does not wait for a server.
#[tokio::test]
async fn a_fetch_that_is_cancelled_does_not_wait_for_a_silent_server() {
    let (address, _) = serve(|asked| match (asked.connection, honest(asked)) {
        (0, _) => Reply(Vec::new(), false),
        (1, Reply(bytes, _)) => Reply(bytes[..20_000].to_vec(), false),
        (_, reply) => reply,
    })
    .await;
    let info = info(true);
    let (mut seed, mut reports) = seed(&format!("http://{address}/x"), &info, Network::default());
    let all = blocks(&info);
    let silent = begin(&mut seed, 1, &all);
    assert!(timeout(Duration::from_millis(100), reports.recv()).await.is_err());
    silent.cancel();
    // This one gets a block, and then nothing more.
    let half = begin(&mut seed, 2, &all[..4]);
    assert!(matches!(reports.recv().await, Some(Report::Blocks { fetch: 2, .. })));
    half.cancel();
    begin(&mut seed, 3, &all[1..3]);
    let (bytes, outcome) = end(3, &mut reports).await;
    assert_eq!((bytes == content()[1 << 14..3 << 14], outcome), (true, Ok(())));
}

/// F-06
#[tokio::test]
async fn a_missing_file_leaves_the_connection_as_it_is() {
    let (address, log) = serve(|asked| match asked.path.as_str() {
        "/x/a" => reply("404 Not Found", "", b"not here"),
        _ => honest(asked),
    })
    .await;
    let info = info(false);
    let (mut seed, mut reports) = seed(&format!("http://{address}/"), &info, Network::default());
    let all = blocks(&info);
    for id in [0, 1] {
        begin(&mut seed, id, &all[id as usize..][..1]);
        let outcome = end(id, &mut reports).await.1;
        assert!(matches!(outcome, Err(FetchError::Missing { file, .. }) if file.get() == 0));
    }
    begin(&mut seed, 3, &all[3..5]);
    let (bytes, outcome) = end(3, &mut reports).await;
    assert_eq!((bytes == content()[3 << 14..5 << 14], outcome), (true, Ok(())));
    assert!(log.lock().unwrap().iter().all(|asked| asked.connection == 0));
}

/// F-01: a key in the query goes with each file, and credentials are decoded.
#[tokio::test]
async fn a_query_goes_with_each_file_and_credentials_are_decoded() {
    let (address, log) = serve(|asked| {
        let path = asked.path.strip_suffix("?key=7").expect("each has the query").to_owned();
        honest(&Asked { path, ..asked.clone() })
    })
    .await;
    let info = info(false);
    let url = format!("http://jo%40e:s%3Ac@{address}/?key=7#top");
    let (mut seed, mut reports) = seed(&url, &info, Network::default());
    begin(&mut seed, 1, &blocks(&info));
    let (bytes, outcome) = end(1, &mut reports).await;
    assert_eq!((bytes == content(), outcome), (true, Ok(())));
    let basic = "Authorization: Basic am9AZTpzOmM=\r\n";
    assert!(log.lock().unwrap().iter().all(|asked| asked.head.contains(basic)));
}

#[tokio::test]
async fn a_host_may_be_an_address_of_either_family() {
    for ip in ["127.0.0.1", "::1"] {
        let (address, log) = serve_at(ip, honest).await;
        let info = info(true);
        let url = format!("http://{address}/x");
        let (mut seed, mut reports) = seed(&url, &info, Network::default());
        begin(&mut seed, 1, &blocks(&info));
        let (bytes, outcome) = end(1, &mut reports).await;
        assert_eq!((bytes == content(), outcome), (true, Ok(())));
        let host = format!("\r\nHost: {address}\r\n");
        assert!(log.lock().unwrap()[0].head.contains(&host), "{host}");
    }
}

/// F-15: without a way to prove who the server is, nothing is asked of it.
#[tokio::test]
async fn a_server_with_an_unknown_certificate_is_not_asked() {
    let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (key.cert.der().clone(), key.signing_key.serialize_der());
    let (address, log) = serve(honest).await;
    let tls = tls_front(address, certificate, key).await;
    let info = info(true);
    let url = format!("https://{tls}/x");
    let (mut unknown, mut reports) = seed(&url, &info, Network::default());
    begin(&mut unknown, 1, &blocks(&info));
    let outcome = end(1, &mut reports).await.1;
    assert!(matches!(outcome, Err(FetchError::Network(_))), "{outcome:?}");
    assert!(log.lock().unwrap().is_empty());
    // A user who does not mind has the content all the same.
    let mut config = NetworkConfig::default();
    config.verify_certificates(false);
    let (mut trusting, mut reports) = seed(&url, &info, Network::new(config));
    begin(&mut trusting, 1, &blocks(&info));
    let (bytes, outcome) = end(1, &mut reports).await;
    assert_eq!((bytes == content(), outcome), (true, Ok(())));
}

/// A server that passes on what comes over TLS.
async fn tls_front(
    to: SocketAddr,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
) -> SocketAddr {
    let key = PrivatePkcs8KeyDer::from(key).into();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    address
}
