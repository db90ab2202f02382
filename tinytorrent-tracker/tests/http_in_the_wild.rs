//! HTTP of deployed servers, which breaks the RFCs in many ways: for trackers and for files.
#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a test is a driver too")]

mod support;

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use support::{BODY, Tracker, client, hasty, request, with_headers};
use tinytorrent_tracker::client::{Error, ErrorKind, Fetched, Phase};
use tinytorrent_tracker::http::ResponseError;
use tokio::io::{AsyncWriteExt, copy, sink};

/// Asks the server as a tracker, and for a file.
async fn ask(server: &Tracker) -> (Result<usize, Error>, Result<Fetched, Error>) {
    // What is served here is to be read under any path.
    let client = client(hasty()).trusting_urls();
    let announced = client.announce(&server.http(), &request()).await;
    let fetched = client.fetch(&format!("http://{}/x.torrent", server.address), 1000).await;
    (announced.map(|response| response.peers.len()), fetched)
}

/// The body, and true if it is known to be whole.
fn file(fetched: Result<Fetched, Error>) -> (Vec<u8>, bool) {
    match fetched.unwrap_or_else(|error| panic!("{error}")) {
        Fetched::File { body, cut_short, .. } => (body.to_vec(), cut_short.is_none()),
        other => panic!("{other:?}"),
    }
}

/// The same answer is read from a tracker and as a file.
async fn assert_read(answer: impl Into<Vec<u8>>) {
    let answer = answer.into();
    let shown = String::from_utf8_lossy(&answer).into_owned();
    let (announced, fetched) = ask(&Tracker::http_sending(answer).await).await;
    assert_eq!(announced.unwrap_or_else(|error| panic!("{error}: {shown}")), 1, "{shown}");
    assert_eq!(file(fetched), (BODY.to_vec(), true), "{shown}");
}

/// A server that redirects every path but `/there` to this place.
async fn redirecting(location: impl Into<Vec<u8>>) -> Tracker {
    let location = location.into();
    Tracker::http_with(move |head, mut stream| {
        let location = location.clone();
        async move {
            let answer = if head.starts_with("GET /there%C3%A4%20x HTTP") {
                with_headers("", BODY)
            } else {
                let head = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ".as_slice();
                [head, &location, b"\r\n\r\n"].concat()
            };
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

/// H-29
#[tokio::test]
async fn a_redirect_with_raw_characters_is_followed() {
    for location in ["/thereä x", "thereä x", "  ../../there\u{e4} x  ", "/there%C3%A4%20x#top"] {
        let (announced, fetched) = ask(&redirecting(location).await).await;
        assert_eq!(announced.unwrap(), 1, "{location}");
        assert_eq!(file(fetched).0, BODY, "{location}");
    }
}

/// H-29
#[tokio::test]
async fn a_redirect_to_a_magnet_link_is_a_link_for_files_and_nothing_for_trackers() {
    let link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&dn=\u{e4} b";
    let (announced, fetched) = ask(&redirecting(link).await).await;
    assert!(matches!(fetched.unwrap(), Fetched::Magnet(found) if found == link));
    let error = announced.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ForbiddenRedirect(_)), "{error}");
    // Targets that are not allowed either.
    for location in ["ftp://127.0.0.1/x", "file:///etc/passwd", "udp://127.0.0.1:1"] {
        let (announced, fetched) = ask(&redirecting(location).await).await;
        assert_eq!(announced.unwrap_err().phase(), Phase::Response, "{location}");
        assert_eq!(fetched.unwrap_err().phase(), Phase::Response, "{location}");
    }
}

/// H-29
#[tokio::test]
async fn a_redirect_that_leads_nowhere_is_a_status() {
    let (announced, fetched) = ask(&redirecting("").await).await;
    for error in [announced.unwrap_err(), fetched.unwrap_err()] {
        assert!(matches!(error.kind(), ErrorKind::Status { status: 302, .. }), "{error}");
    }
}

/// H-30
#[tokio::test]
async fn compressed_bodies_are_read_as_their_bytes_say() {
    let level = Compression::default();
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let mut zlib = ZlibEncoder::new(Vec::new(), level);
    zlib.write_all(BODY).unwrap();
    let zlib = zlib.finish().unwrap();
    let mut bare = DeflateEncoder::new(Vec::new(), level);
    bare.write_all(BODY).unwrap();
    let bare = bare.finish().unwrap();
    let members = [gzip(&BODY[..10]), gzip(b""), gzip(&BODY[10..])].concat();
    for (headers, body) in [
        ("", gzip(BODY)),
        ("Content-Encoding: gzip\r\n", gzip(BODY)),
        ("Content-Encoding: gzip\r\n", members.clone()),
        ("", members.clone()),
        ("Content-Encoding: x-gzip\r\n", members),
        ("Content-Encoding: deflate\r\n", zlib.clone()),
        ("Content-Encoding: deflate\r\n", bare),
        ("Content-Encoding: deflate\r\nContent-Encoding: gzip\r\n", gzip(&zlib)),
        ("Content-Encoding: gzip\r\n", BODY.to_vec()),
        ("Content-Encoding: deflate\r\n", BODY.to_vec()),
        ("Content-Encoding: utf-8\r\n", BODY.to_vec()),
        ("Content-Encoding: br\r\n", BODY.to_vec()),
        ("Content-Encoding: \r\n", BODY.to_vec()),
    ] {
        assert_read(with_headers(headers, &body)).await;
    }
}

/// H-31, RFC 9112 sections 6 and 7
#[tokio::test]
async fn bodies_are_framed_in_every_way_there_is() {
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in BODY.chunks(7) {
        chunked.extend(format!("{:x};ext=1\r\n", chunk.len()).as_bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\nTrailer: x\r\nAnother: y\r\n\r\n");
    assert_read(chunked.clone()).await;
    // A length beside the chunks does not count.
    let head = b"HTTP/1.1 200 OK\r\n";
    let both = [head, &b"Content-Length: 5\r\n"[..], &chunked[head.len()..]].concat();
    assert_read(both).await;
    let length = BODY.len();
    for head in [
        "HTTP/1.0 200 OK\r\nServer: old\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 200\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\nContent-Type: text/plain\n\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nContent-Length: {length}\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}, {length}\r\n\r\n"),
        "\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".to_owned(),
    ] {
        assert_read([head.as_bytes(), BODY].concat()).await;
    }
}

/// H-31
#[tokio::test]
async fn headers_that_are_none_are_skipped() {
    for odd in [
        "Set-Cookie: a=\u{e9}\r\n",
        "X Y: z\r\n",
        "X-Odd : z\r\n",
        "X-Folded: a\r\n b\r\n",
        "no colon at all\r\n",
        ": no name\r\n",
    ] {
        assert_read(with_headers(odd, BODY)).await;
    }
}

/// H-31: a length that was counted before the compression, a last chunk that never comes
#[tokio::test]
async fn a_whole_answer_counts_though_more_was_announced() {
    let too_long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY.len() + 1);
    let unfinished =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", BODY.len());
    for head in [too_long, unfinished] {
        let whole = [head.as_bytes(), BODY].concat();
        let (announced, fetched) = ask(&Tracker::http_sending(whole).await).await;
        assert_eq!(announced.unwrap(), 1, "{head}");
        assert_eq!(file(fetched), (BODY.to_vec(), false), "{head}");
        // If the answer itself is not whole, the error is that of the connection.
        let part = [head.as_bytes(), &BODY[..20]].concat();
        let (announced, fetched) = ask(&Tracker::http_sending(part).await).await;
        let error = announced.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Http(_)), "{error}");
        assert_eq!(file(fetched), (BODY[..20].to_vec(), false), "{head}");
    }
}

#[tokio::test]
async fn lengths_that_contradict_each_other_are_an_error() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n";
    let (announced, fetched) =
        ask(&Tracker::http_sending([head.as_bytes(), BODY].concat()).await).await;
    assert!(matches!(announced.unwrap_err().kind(), ErrorKind::Http(_)));
    assert!(matches!(fetched.unwrap_err().kind(), ErrorKind::Http(_)));
}

/// A connection that is kept open behind a body without a length says nothing more.
#[tokio::test]
async fn an_answer_is_read_though_the_connection_stays_open() {
    let tracker = Tracker::http_with(|_, mut stream| async move {
        let _ = stream.write_all(&[b"HTTP/1.1 200 OK\r\n\r\n", BODY].concat()).await;
        let _ = copy(&mut stream, &mut sink()).await;
    })
    .await;
    let mut config = hasty();
    config.read_timeout(Duration::from_millis(300));
    let response = client(config).announce(&tracker.http(), &request()).await.unwrap();
    assert_eq!(response.peers.len(), 1);
}

/// H-12
#[tokio::test]
async fn blanks_before_the_answer_are_skipped() {
    for before in ["\u{feff}", "\r\n\r\n"] {
        let body = [before.as_bytes(), BODY].concat();
        let (announced, _) = ask(&Tracker::http_sending(with_headers("", &body)).await).await;
        assert_eq!(announced.unwrap(), 1, "{before:?}");
    }
}

/// H-12, BEP 12: the schedule asks the next tracker after an error only
#[tokio::test]
async fn an_answer_of_the_wrong_types_is_an_error() {
    for body in ["d8:intervali9e5:peersi7ee", "d8:intervalle5:peers0:e", "l5:peers0:e"] {
        let tracker = Tracker::http_sending(with_headers("", body.as_bytes())).await;
        let error = client(hasty()).announce(&tracker.http(), &request()).await.unwrap_err();
        assert_eq!(error.phase(), Phase::Response, "{body}: {error}");
        let ErrorKind::Response(kind) = error.kind() else { panic!("{body}: {error}") };
        let is_named =
            matches!(kind, ResponseError::WrongType { .. } | ResponseError::NotADictionary);
        assert!(is_named, "{body}: {error}");
    }
}

#[tokio::test]
async fn a_file_is_fetched_within_its_limit() {
    let server = Tracker::http_sending(with_headers("", &[7; 1000])).await;
    let url = format!("http://{}/x.torrent", server.address);
    // What is served here is to be read under any path.
    let client = client(hasty()).trusting_urls();
    assert_eq!(file(client.fetch(&url, 1000).await), (vec![7; 1000], true));
    let error = client.fetch(&url, 999).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::BodyTooLarge(999)), "{error}");
    let missing =
        Tracker::http_sending("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let error = client.fetch(&format!("http://{}/", missing.address), 10).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Status { status: 404, .. }), "{error}");
    let error = client.fetch("udp://127.0.0.1:1/x", 10).await.unwrap_err();
    assert_eq!(error.phase(), Phase::Url, "{error}");
}
