//! The client against servers that do what servers do, and what they should not.
#![cfg(feature = "client")]
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "real sockets and files")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use support::{Asked, Reply, Script, blocks, content, file, honest, info, reply, serve};
use tinytorrent_metainfo::{FileIndex, Info};
use tinytorrent_net::Network;
use tinytorrent_types::{BlockInfo, WireInfoHash};
use tinytorrent_webseed::Refusal;
use tinytorrent_webseed::client::{
    Credit, Fetch, FetchError, LocalAccess, Protocol, Report, Settings, WebSeed,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Fetches these blocks. Returns the bytes that came, and the outcome.
async fn fetch_with(
    address: SocketAddr,
    info: &Arc<Info>,
    path: &str,
    blocks: Vec<BlockInfo>,
    access: LocalAccess,
    protocol: Protocol,
    max_skip: u64,
) -> (Vec<u8>, Result<(), FetchError>) {
    let (sender, mut reports) = mpsc::channel(4);
    let url = format!("http://{address}{path}").parse().unwrap();
    let network = Network::default();
    let mut seed =
        WebSeed::new(network, Arc::clone(info), url, protocol, access, Settings::default(), sender);
    let credit = Arc::new(Credit::new(blocks.len() as u32));
    let expected = blocks.clone();
    seed.fetch(Fetch { id: 7, blocks, credit, max_skip });
    let (mut bytes, mut came) = (Vec::new(), Vec::new());
    loop {
        let report = timeout(Duration::from_secs(60), reports.recv()).await.expect("in time");
        match report.expect("the seed is there") {
            Report::Blocks { fetch: 7, blocks } => {
                for (block, data) in blocks {
                    assert_eq!(data.len(), block.length() as usize);
                    came.push(block);
                    bytes.extend_from_slice(&data);
                }
            }
            Report::Ended { fetch: 7, outcome } => {
                assert_eq!(came, expected[..came.len()], "in order");
                return (bytes, outcome);
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn fetch(
    address: SocketAddr,
    info: &Arc<Info>,
    path: &str,
) -> (Vec<u8>, Result<(), FetchError>) {
    let (all, full) = (blocks(info), LocalAccess::Full);
    fetch_with(address, info, path, all, full, Protocol::Files, 0).await
}

/// F-11: a request for each file, one behind the other, on one connection.
#[tokio::test]
async fn files_are_asked_for_in_order_on_one_connection() {
    let (address, log) = serve(honest).await;
    let (bytes, outcome) = fetch(address, &info(false), "/").await;
    assert_eq!((bytes == content(), outcome), (true, Ok(())));
    let log = log.lock().unwrap();
    let paths: Vec<_> = log.iter().map(|asked| (asked.path.as_str(), asked.connection)).collect();
    assert_eq!(paths, [("/x/a", 0), ("/x/b", 0), ("/x/c", 0)]);
    assert!(log.iter().all(|asked| asked.head.contains("\r\nAccept-Encoding: identity\r\n")));
}

/// F-12
#[tokio::test]
async fn half_a_block_survives_a_broken_connection() {
    let (address, log) = serve(|asked| {
        let Reply(bytes, _) = honest(asked);
        match asked.connection {
            // 20,000 bytes are one block and a part of the next.
            0..3 => Reply(bytes[..bytes.len().min(20_100)].to_vec(), true),
            _ => Reply(bytes, false),
        }
    })
    .await;
    let (bytes, outcome) = fetch(address, &info(true), "/x").await;
    assert_eq!((bytes == content(), outcome), (true, Ok(())));
    let starts: Vec<_> =
        log.lock().unwrap().iter().map(|asked| asked.range.map_or(0, |r| r.0)).collect();
    assert!(
        starts.is_sorted() && starts.iter().all(|start| start % 16_384 != 0 || *start == 0),
        "{starts:?}"
    );
    assert_eq!(starts.len(), 4);
}

/// F-14
#[tokio::test]
async fn servers_of_all_kinds_are_understood() {
    let old = |asked: &Asked| {
        let bytes = file(&asked.path).unwrap();
        // Neither a length nor a range.
        Reply([b"HTTP/1.0 200 OK\r\n\r\n", &bytes[..]].concat(), true)
    };
    let closing = |asked: &Asked| {
        let Reply(bytes, _) = honest(asked);
        let text = b"HTTP/1.1 200 OK\r\n";
        Reply([&text[..], b"Connection: close\r\n", &bytes[text.len()..]].concat(), true)
    };
    let chunked = |asked: &Asked| {
        let bytes = file(&asked.path).unwrap();
        let mut reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in bytes.chunks(7_001) {
            reply.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            reply.extend([chunk, b"\r\n"].concat());
        }
        reply.extend(b"0\r\n\r\n");
        Reply(reply, false)
    };
    let scripts: [Box<Script>; 3] = [Box::new(old), Box::new(closing), Box::new(chunked)];
    for script in scripts {
        let (address, _) = serve(script).await;
        let (bytes, outcome) = fetch(address, &info(false), "/").await;
        assert_eq!((bytes == content(), outcome), (true, Ok(())));
    }
}

/// A server that says that it keeps connections, and closes them with requests on their way.
#[tokio::test]
async fn a_server_that_does_not_pipeline_is_asked_one_by_one() {
    let (address, log) = serve(|asked| Reply(honest(asked).0, true)).await;
    let (bytes, outcome) = fetch(address, &info(false), "/").await;
    assert_eq!((bytes == content(), outcome), (true, Ok(())));
    assert_eq!(log.lock().unwrap().len(), 3);
}

/// F-04, F-13
#[tokio::test]
async fn what_is_not_what_was_asked_for_is_refused() {
    let wrong_range = |asked: &Asked| {
        let range = "Content-Range: bytes 1-200000/200001\r\n";
        reply("206 Part", range, &file(&asked.path).unwrap())
    };
    let compressed =
        |asked: &Asked| reply("200 OK", "Content-Encoding: gzip\r\n", &file(&asked.path).unwrap());
    let short = |asked: &Asked| {
        let bytes = &file(&asked.path).unwrap()[..100_000];
        let mut text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n".to_vec();
        text.extend(bytes);
        text.extend(b"\r\n0\r\n\r\n");
        Reply(text, false)
    };
    let scripts: [(Box<Script>, Option<Refusal>); 3] = [
        (Box::new(wrong_range), None),
        (Box::new(compressed), Some(Refusal::Compressed)),
        (Box::new(short), Some(Refusal::WrongLength)),
    ];
    for (script, refusal) in scripts {
        let (address, _) = serve(script).await;
        let (_, outcome) = fetch(address, &info(true), "/x").await;
        match refusal {
            Some(refusal) => assert!(
                matches!(outcome, Err(FetchError::Refused { refusal: r, .. }) if r == refusal)
            ),
            None => assert!(matches!(outcome, Err(FetchError::Missing { .. })), "{outcome:?}"),
        }
    }
}

/// F-05
#[tokio::test]
async fn what_is_sent_beyond_the_range_is_not_taken() {
    let (address, _) = serve(|asked| {
        let mut text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let bytes = [file(&asked.path).unwrap(), vec![9; 300_000]].concat();
        text.extend(format!("{:x}\r\n", bytes.len()).into_bytes());
        text.extend(bytes);
        Reply(text, false)
    })
    .await;
    let (bytes, outcome) = fetch(address, &info(false), "/").await;
    assert_eq!((bytes == content(), outcome), (true, Ok(())));
}

/// F-04: without ranges, whole files come, and what comes before is skipped if that is wanted.
#[tokio::test]
async fn a_server_without_ranges_sends_whole_files() {
    let (address, _) = serve(|asked| reply("200 OK", "", &file(&asked.path).unwrap())).await;
    let info = info(true);
    let (full, files) = (LocalAccess::Full, Protocol::Files);
    let some = || blocks(&info)[4..7].to_vec();
    let (bytes, outcome) = fetch_with(address, &info, "/x", some(), full, files, 1_000).await;
    let refused = FetchError::Refused { file: Some(FileIndex::new(0)), refusal: Refusal::NoRanges };
    assert_eq!((bytes.len(), outcome), (0, Err(refused)));
    let (bytes, outcome) = fetch_with(address, &info, "/x", some(), full, files, u64::MAX).await;
    assert_eq!((&bytes[..], outcome), (&content()[4 << 14..7 << 14], Ok(())));
}

/// F-06, F-07
#[tokio::test]
async fn a_missing_file_and_a_busy_server_are_told_apart() {
    let (address, _) = serve(|asked| match asked.path.as_str() {
        "/x/b" => reply("410 Gone", "", b"gone"),
        _ => honest(asked),
    })
    .await;
    let (bytes, outcome) = fetch(address, &info(false), "/").await;
    assert!(matches!(outcome, Err(FetchError::Missing { file, status: 410 }) if file.get() == 1));
    assert_eq!(bytes, content()[..2 << 14]);
    let (address, _) = serve(|_| reply("503 Busy", "Retry-After: 7\r\n", b"")).await;
    let (_, outcome) = fetch(address, &info(true), "/x").await;
    let pause = Some(Duration::from_secs(7));
    assert_eq!(outcome, Err(FetchError::Later { status: 503, pause }));
}

/// F-08
#[tokio::test]
async fn redirects_are_kept_and_have_an_end() {
    let (there, there_log) = serve(|asked| {
        let path = asked.path.strip_prefix("/mirror").unwrap().to_owned();
        honest(&Asked { path, ..asked.clone() })
    })
    .await;
    let (address, log) = serve(move |asked| {
        reply("302 Found", &format!("Location: http://{there}/mirror{}\r\n", asked.path), b"there")
    })
    .await;
    let (bytes, outcome) = fetch(address, &info(false), "/").await;
    assert_eq!((bytes == content(), outcome), (true, Ok(())));
    assert_eq!(log.lock().unwrap().len(), 1, "the place of one file is that of all");
    assert_eq!(there_log.lock().unwrap().len(), 3);

    let (address, log) = serve(|_| reply("302 Found", "Location: /again\r\n", b"")).await;
    let (_, outcome) = fetch(address, &info(true), "/x").await;
    assert!(matches!(outcome, Err(FetchError::ForbiddenRedirect(_))), "{outcome:?}");
    assert_eq!(log.lock().unwrap().len(), 6);
    for target in ["ftp://127.0.0.1/x", "file:///etc/passwd"] {
        let (address, _) =
            serve(move |_| reply("302 Found", &format!("Location: {target}\r\n"), b"")).await;
        let (_, outcome) = fetch(address, &info(true), "/x").await;
        assert!(matches!(outcome, Err(FetchError::ForbiddenRedirect(_))), "{outcome:?}");
    }
}

/// F-08: a stranger's URL sends nothing into the local network but a request for a file, and a link's not even that.
#[tokio::test]
async fn strangers_ask_nothing_of_local_servers() {
    let (address, log) = serve(honest).await;
    let info = info(true);
    let all = || blocks(&info);
    let files = Protocol::Files;
    let (_, outcome) = fetch_with(address, &info, "/x", all(), LocalAccess::Never, files, 0).await;
    assert!(matches!(outcome, Err(FetchError::LocalAddress(_))), "{outcome:?}");
    let query = "/reboot?now=1";
    let (_, outcome) = fetch_with(address, &info, query, all(), LocalAccess::Files, files, 0).await;
    assert!(matches!(outcome, Err(FetchError::LocalAddress(_))), "{outcome:?}");
    assert!(log.lock().unwrap().is_empty());
    let (_, outcome) = fetch_with(address, &info, "/x", all(), LocalAccess::Files, files, 0).await;
    assert_eq!(outcome, Ok(()));
    let (other, other_log) = serve(honest).await;
    let (address, _) =
        serve(move |_| reply("302 Found", &format!("Location: http://{other}/x\r\n"), b"")).await;
    let (_, outcome) = fetch_with(address, &info, "/x", all(), LocalAccess::Files, files, 0).await;
    assert!(matches!(outcome, Err(FetchError::LocalAddress(_))), "{outcome:?}");
    assert!(other_log.lock().unwrap().is_empty());
}

/// F-08
#[tokio::test]
async fn credentials_go_to_their_server_alone() {
    let (there, there_log) = serve(honest).await;
    let (address, log) =
        serve(move |_| reply("302 Found", &format!("Location: http://{there}/x\r\n"), b"")).await;
    let (sender, mut reports) = mpsc::channel(4);
    let info = info(true);
    let url = format!("http://joe:secret@{address}/x").parse().unwrap();
    let mut seed = WebSeed::new(
        Network::default(),
        Arc::clone(&info),
        url,
        Protocol::Files,
        LocalAccess::Full,
        Settings::default(),
        sender,
    );
    let credit = Arc::new(Credit::new(99));
    seed.fetch(Fetch { id: 1, blocks: blocks(&info), credit, max_skip: 0 });
    while !matches!(reports.recv().await, Some(Report::Ended { outcome: Ok(()), .. })) {}
    let basic = "Authorization: Basic am9lOnNlY3JldA==\r\n";
    assert!(log.lock().unwrap()[0].head.contains(basic));
    let there = there_log.lock().unwrap();
    assert!(there.len() == 1 && !there[0].head.contains("Authorization"));
}

/// F-19
#[tokio::test]
async fn ranges_of_pieces_are_asked_for_by_the_hash() {
    let (address, log) = serve(|asked| {
        let query = asked.path.split_once('?').unwrap().1;
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .unwrap()
                .to_owned()
        };
        let piece: usize = value("piece").parse().unwrap();
        let (first, last) =
            value("ranges").split_once('-').map(|(f, l)| (f.to_owned(), l.to_owned())).unwrap();
        let at = |text: String| piece * 32_768 + text.parse::<usize>().unwrap();
        reply("200 OK", "", &content()[at(first)..=at(last)])
    })
    .await;
    let info = info(true);
    let hash = WireInfoHash::from_bytes([b'a'; 20]);
    let (full, pieces) = (LocalAccess::Full, Protocol::Pieces(hash));
    let (bytes, outcome) =
        fetch_with(address, &info, "/seed", blocks(&info), full, pieces, 0).await;
    assert_eq!((bytes == content(), outcome), (true, Ok(())));
    assert!(
        log.lock().unwrap()[0]
            .path
            .starts_with("/seed?info_hash=aaaaaaaaaaaaaaaaaaaa&piece=0&ranges=0-32767")
    );
    let (address, _) = serve(|_| reply("503 Full", "", b"42")).await;
    let (_, outcome) = fetch_with(address, &info, "/seed", blocks(&info), full, pieces, 0).await;
    let pause = Some(Duration::from_secs(42));
    assert_eq!(outcome, Err(FetchError::Later { status: 503, pause }));
}

/// F-15: nothing is read for which there is no credit, and a fetch can be cancelled while it waits.
#[tokio::test]
async fn credit_holds_a_fetch_back_and_closing_it_ends_it() {
    let (address, _) = serve(honest).await;
    let info = info(true);
    let (sender, mut reports) = mpsc::channel(4);
    let url = format!("http://{address}/x").parse().unwrap();
    let mut settings = Settings::default();
    settings.connections(1);
    let full = LocalAccess::Full;
    let mut seed = WebSeed::new(
        Network::default(),
        Arc::clone(&info),
        url,
        Protocol::Files,
        full,
        settings,
        sender,
    );
    let credit = Arc::new(Credit::new(2));
    let held = Arc::clone(&credit);
    seed.fetch(Fetch { id: 1, blocks: blocks(&info), credit, max_skip: 0 });
    let mut count = 0;
    while count < 2 {
        match reports.recv().await {
            Some(Report::Blocks { fetch: 1, blocks }) => count += blocks.len(),
            other => panic!("{other:?}"),
        }
    }
    assert!(timeout(Duration::from_millis(300), reports.recv()).await.is_err() && count == 2);
    held.cancel();
    let credit = Arc::new(Credit::new(99));
    seed.fetch(Fetch { id: 2, blocks: blocks(&info)[3..5].to_vec(), credit, max_skip: 0 });
    let mut count = 0;
    loop {
        match reports.recv().await {
            Some(Report::Blocks { fetch: 2, blocks }) => count += blocks.len(),
            Some(Report::Ended { fetch: 2, outcome: Ok(()) }) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(count, 2);
}
