//! URLs of strangers that lead into the local network: server-side request forgery, as libtorrent's
//! `ssrf_mitigation` sees it. All servers here are at loopback addresses.
#![cfg(feature = "client")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::sync::{Arc, Mutex};

use support::{BODY, Tracker, client, hasty, honest, request, with_headers};
use tinytorrent_tracker::TrackerUrl;
use tinytorrent_tracker::client::{ErrorKind, TrackerClient};
use tinytorrent_types::WireInfoHash;
use tokio::io::AsyncWriteExt;

/// An HTTP server with the heads of all requests, which it answers with these bytes.
async fn listening(answer: impl Into<Vec<u8>>) -> (Tracker, Arc<Mutex<Vec<String>>>) {
    let (heads, answer) = (Arc::<Mutex<Vec<String>>>::default(), answer.into());
    let heard = heads.clone();
    let server = Tracker::http_with(move |head, mut stream| {
        heard.lock().unwrap().push(head);
        let answer = answer.clone();
        async move {
            let _ = stream.write_all(&answer).await;
        }
    });
    (server.await, heads)
}

fn url(text: &str) -> TrackerUrl {
    text.parse().unwrap()
}

fn refused(error: &tinytorrent_tracker::client::Error) -> bool {
    matches!(error.kind(), ErrorKind::LocalAddress)
}

#[tokio::test]
async fn a_local_server_is_asked_only_under_the_path_of_a_tracker() {
    let (server, heads) = listening(with_headers("", BODY)).await;
    let client = client(hasty());
    let port = server.address.port();
    for host in ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "2130706433"] {
        for path in ["", "/", "/x", "/x/announce", "/admin?/announce", "/announce/../admin"] {
            let url = url(&format!("http://{host}:{port}{path}"));
            let error = client.announce(&url, &request()).await.unwrap_err();
            assert!(refused(&error), "{error}");
        }
    }
    assert_eq!(*heads.lock().unwrap(), [""; 0], "nothing was sent");
    let (localhost, key) = (url(&format!("http://localhost:{port}/announce")), server.http());
    for url in [localhost, key] {
        client.announce(&url, &request()).await.unwrap();
    }
    assert_eq!(heads.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_local_server_is_scraped_beside_the_path_of_a_tracker() {
    let (server, heads) = listening(with_headers("", b"d5:filesdee")).await;
    let client = client(hasty());
    let hashes = [WireInfoHash::from_bytes([1; 20])];
    let of = |path: &str| url(&format!("http://{}{path}", server.address));
    client.scrape(&of("/announce.php?k=1"), &hashes).await.unwrap();
    assert!(heads.lock().unwrap()[0].starts_with("GET /scrape.php?k=1&info_hash="));
    let error = client.scrape(&of("/x/announce"), &hashes).await.unwrap_err();
    assert!(refused(&error), "{error}");
}

#[tokio::test]
async fn a_local_server_gets_no_credentials() {
    let (server, heads) = listening(with_headers("", BODY)).await;
    let url = url(&format!("http://joe:secret@{}/announce", server.address));
    client(hasty()).announce(&url, &request()).await.unwrap();
    assert!(!heads.lock().unwrap()[0].to_lowercase().contains("authorization"));
    client(hasty()).trusting_urls().announce(&url, &request()).await.unwrap();
    assert!(heads.lock().unwrap()[1].to_lowercase().contains("authorization: basic am9l"));
}

/// H-29
#[tokio::test]
async fn a_redirect_leads_to_no_other_path_of_a_local_server() {
    for to in ["/admin?announce", "/announce/../x", "//localhost:{port}/x", "http://127.1:{port}/"]
    {
        let (target, heads) = listening(with_headers("", BODY)).await;
        let to = to.replace("{port}", &target.address.port().to_string());
        let to = if to.contains("//") { to } else { format!("http://{}{to}", target.address) };
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let first = Tracker::http_sending(answer).await;
        let error = client(hasty()).announce(&first.http(), &request()).await.unwrap_err();
        assert!(refused(&error), "{to}: {error}");
        assert_eq!(*heads.lock().unwrap(), [""; 0], "nothing was sent");
        client(hasty()).trusting_urls().announce(&first.http(), &request()).await.unwrap();
    }
}

/// H-29
#[tokio::test]
async fn a_redirect_to_another_host_keeps_no_credentials() {
    let (target, heads) = listening(with_headers("", BODY)).await;
    let (address, port) = (target.address, target.address.port());
    for to in [format!("http://{address}/announce"), format!("//localhost:{port}/announce")] {
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
        let first = Tracker::http_sending(answer).await;
        let url = url(&format!("http://joe:secret@{}/announce", first.address));
        client(hasty()).trusting_urls().announce(&url, &request()).await.unwrap();
    }
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 2);
    assert!(heads.iter().all(|head| !head.to_lowercase().contains("authorization")), "{heads:?}");
}

/// BEP 41
#[tokio::test]
async fn a_local_udp_server_is_sent_no_other_path_than_that_of_a_tracker() {
    let server = Tracker::udp_with(|_, datagram, from, socket| async move {
        socket.send_to(&honest(&datagram, &[]), from).await.unwrap();
    });
    let server = server.await;
    let address = server.address;
    let client = client(hasty());
    for (path, is_asked) in [("", true), ("/announce?k", true), ("/x", false), ("?x", false)] {
        let outcome = client.announce(&url(&format!("udp://{address}{path}")), &request()).await;
        assert_eq!(outcome.is_ok(), is_asked, "{path}");
        assert!(outcome.err().as_ref().is_none_or(refused), "{path}");
    }
}

/// The proxy would connect to itself, or into the network around it.
#[tokio::test]
async fn a_proxy_is_asked_for_no_local_server_either() {
    let (proxy, heads) = listening("HTTP/1.1 200 OK\r\n\r\n").await;
    let mut config = hasty();
    config.network(support::through(&format!("http://{}", proxy.address)));
    let client = TrackerClient::new(config);
    for host in ["127.0.0.1", "[::1]", "localhost", "192.168.0.1", "[fd00::1]"] {
        let outcome = client.announce(&url(&format!("http://{host}/admin")), &request()).await;
        assert!(outcome.is_err_and(|error| refused(&error)), "{host}");
    }
    assert_eq!(*heads.lock().unwrap(), [""; 0], "nothing was sent");
    // This fails behind the proxy, which is no server.
    let outcome = client.announce(&url("http://127.0.0.1/announce"), &request()).await;
    assert!(outcome.is_err_and(|error| !refused(&error)));
    assert_eq!(heads.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_rule_can_be_lifted() {
    let (server, heads) = listening(with_headers("", BODY)).await;
    let mut config = hasty();
    config.allow_local(true);
    let url = url(&format!("http://joe@{}/admin", server.address));
    client(config).announce(&url, &request()).await.unwrap();
    assert!(heads.lock().unwrap()[0].to_lowercase().contains("authorization"));
}
