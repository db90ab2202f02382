//! Servers that answer as they are told, and the content that they have.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "real sockets and files")]
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use tinytorrent_metainfo::{CreateOptions, Info};
use tinytorrent_types::BlockInfo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A request as the server sees it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The connection, counted from 0.
    pub(crate) connection: usize,
    pub(crate) path: String,
    pub(crate) range: Option<(usize, usize)>,
    pub(crate) head: String,
}

/// The answer of the server, and whether it closes the connection then.
pub(crate) struct Reply(pub(crate) Vec<u8>, pub(crate) bool);

pub(crate) type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A server that answers as the script says, and all that it was asked for.
pub(crate) async fn serve(
    script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<Asked>>>) {
    serve_at("127.0.0.1", script).await
}

/// The same, at an address of this host.
pub(crate) async fn serve_at(
    ip: &str,
    script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (script, log) = (Arc::<Script>::from(Box::new(script) as Box<Script>), Arc::default());
    let asked = Arc::clone(&log);
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (script, log) = (Arc::clone(&script), Arc::<Mutex<Vec<Asked>>>::clone(&asked));
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                loop {
                    while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                        let head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
                        let path = head.split(' ').nth(1).unwrap().to_owned();
                        let range = head.split_once("Range: bytes=").map(|(_, rest)| {
                            let (first, last) =
                                rest.lines().next().unwrap().split_once('-').unwrap();
                            (first.parse().unwrap(), last.parse::<usize>().unwrap())
                        });
                        let asked = Asked { connection, path, range, head };
                        log.lock().unwrap().push(asked.clone());
                        let Reply(bytes, closes) = script(&asked);
                        if stream.write_all(&bytes).await.is_err() || closes {
                            return;
                        }
                    }
                    if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
            });
        }
    });
    (address, log)
}

/// The bytes of the file `x`, or of the files `x/a`, `x/b` and `x/c` one after the other.
pub(crate) fn content() -> Vec<u8> {
    (0..200_000_u32).map(|at| (at % 251 + at / 251 % 7) as u8).collect()
}

pub(crate) const CUTS: [(&str, usize, usize); 3] =
    [("a", 0, 40_000), ("b", 40_000, 40_500), ("c", 40_500, 200_000)];

pub(crate) fn info(is_single: bool) -> Arc<Info> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    if is_single {
        std::fs::write(&path, content()).unwrap();
    } else {
        std::fs::create_dir(&path).unwrap();
        for (name, start, end) in CUTS {
            std::fs::write(path.join(name), &content()[start..end]).unwrap();
        }
    }
    let mut options = CreateOptions::new();
    options.piece_length(32_768).unwrap();
    let metainfo = options.create(&path, &|_| ControlFlow::Continue(())).unwrap();
    Arc::clone(metainfo.info())
}

/// The bytes of a file by its path.
pub(crate) fn file(path: &str) -> Option<Vec<u8>> {
    match path {
        "/x" => Some(content()),
        path => {
            let (_, start, end) =
                CUTS.into_iter().find(|(name, ..)| path == format!("/x/{name}"))?;
            Some(content()[start..end].to_vec())
        }
    }
}

/// The answer of an honest server.
pub(crate) fn honest(asked: &Asked) -> Reply {
    let Some(bytes) = file(&asked.path) else {
        return Reply(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno".to_vec(), false);
    };
    let (status, headers, body) = match asked.range {
        Some((first, last)) => {
            let range = format!("Content-Range: bytes {first}-{last}/{}\r\n", bytes.len());
            ("206 Part", range, &bytes[first..=last])
        }
        None => ("200 OK", String::new(), &bytes[..]),
    };
    reply(status, &headers, body)
}

pub(crate) fn reply(status: &str, headers: &str, body: &[u8]) -> Reply {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    Reply([head.as_bytes(), body].concat(), false)
}

pub(crate) fn blocks(info: &Info) -> Vec<BlockInfo> {
    let geometry = info.geometry();
    geometry.pieces().flat_map(|piece| geometry.blocks(piece)).collect()
}
