//! A torrent service over HTTP, on axum and the crate `tinytorrent` alone: `tinytorrent-service FOLDER [ADDRESS:PORT]`.
//!
//! ```text
//! curl -d 'magnet:?xt=…' localhost:8080/torrents            add a link; ?peer=HOST:PORT names a peer
//! curl -H 'content-type: application/x-bittorrent' --data-binary @a.torrent localhost:8080/torrents
//! curl localhost:8080/torrents                              list them
//! curl localhost:8080/torrents/HASH                         one; …/peers, …/files, …/trackers
//! curl -r 0-99 localhost:8080/torrents/HASH/files/0         read a file while it is downloaded
//! curl -X POST localhost:8080/torrents/HASH/pause           and …/resume
//! curl -X DELETE localhost:8080/torrents/HASH               remove it; ?content=delete with its content
//! curl localhost:8080/metrics                               for Prometheus
//! ```

use std::collections::HashMap;
use std::io::SeekFrom;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tinytorrent::{
    Client, ClientOptions, FigureDetail, InfoHashes, Removal, Source, Torrent, TorrentOptions,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

#[derive(Clone)]
struct Service {
    client: Client,
    folder: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder: PathBuf = arguments.next().ok_or("a folder for the contents")?.into();
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());

    // The torrents of the last run come back.
    let client = Client::start(ClientOptions::default().state(folder.join(".session")))?;
    let service = Service { client: client.clone(), folder };
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/torrents", listener.local_addr()?);
    let ended = tokio::select! {
        ended = axum::serve(listener, router(service)) => ended,
        interrupted = tokio::signal::ctrl_c() => interrupted,
    };
    client.shutdown(Duration::from_secs(5)).await;
    Ok(ended?)
}

fn router(service: Service) -> Router {
    Router::new()
        .route("/torrents", get(list).post(add))
        .route("/torrents/{hash}", get(show).delete(remove))
        .route("/torrents/{hash}/{what}", get(view).post(act))
        .route("/torrents/{hash}/files/{index}", get(read))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(32 << 20))
        .layer(middleware::from_fn(refuse_pages))
        .with_state(service)
}

/// Refuses what pages of other sites send by way of a browser of this machine, which need no password for it.
async fn refuse_pages(request: Request, next: Next) -> Result<Response, Failure> {
    if request.headers().contains_key(header::ORIGIN) {
        return Err(Failure(StatusCode::FORBIDDEN, "not for pages of other sites".into()));
    }
    Ok(next.run(request).await)
}

async fn list(State(service): State<Service>) -> Json<Vec<Value>> {
    Json(service.client.torrents().iter().map(summary).collect())
}

async fn add(
    State(service): State<Service>,
    Query(query): Query<HashMap<String, SocketAddr>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let source = match kind {
        Some("application/x-bittorrent") => Source::try_from(body.to_vec()),
        _ => String::from_utf8_lossy(&body).trim().parse(),
    };
    let mut options = TorrentOptions::new(&service.folder);
    if let Some(peer) = query.get("peer") {
        options.peer(*peer);
    }
    let torrent = service.client.add(source?, options)?;
    Ok((StatusCode::CREATED, Json(summary(&torrent))))
}

async fn show(State(service): State<Service>, Path(hash): Path<InfoHashes>) -> Answer {
    Ok(Json(summary(&service.find(hash)?)))
}

async fn view(
    State(service): State<Service>,
    Path((hash, what)): Path<(InfoHashes, String)>,
) -> Answer {
    let torrent = service.find(hash)?;
    Ok(Json(match &what[..] {
        "peers" => json!(torrent.peers()),
        "trackers" => json!(torrent.trackers()),
        "files" => json!(torrent.files()),
        _ => return Err(not_found("peers, trackers and files")),
    }))
}

async fn act(
    State(service): State<Service>,
    Path((hash, what)): Path<(InfoHashes, String)>,
) -> Answer {
    let torrent = service.find(hash)?;
    match &what[..] {
        "pause" => torrent.pause(),
        "resume" => torrent.resume(),
        _ => return Err(not_found("pause and resume")),
    }
    Ok(Json(summary(&torrent)))
}

async fn remove(
    State(service): State<Service>,
    Path(hash): Path<InfoHashes>,
    Query(query): Query<HashMap<String, Removal>>,
) -> Answer {
    let torrent = service.find(hash)?;
    let removal = query.get("content").copied().unwrap_or(Removal::Keep);
    service.client.remove(hash, removal).await?;
    Ok(Json(summary(&torrent)))
}

async fn read(
    State(service): State<Service>,
    Path((hash, index)): Path<(InfoHashes, u32)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let mut reader = service.find(hash)?.reader(index).await?;
    let length = reader.length();
    let asked = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let part = asked.and_then(|range| part(range, length));
    let bytes = part.clone().unwrap_or(0..length);
    if part.is_some() && bytes.is_empty() {
        let whole = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
        return Ok((StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response());
    }
    reader.seek(SeekFrom::Start(bytes.start)).await?;
    let count = bytes.end - bytes.start;
    // The next bytes are fetched as the receiver takes the ones before.
    let body = Body::from_stream(ReaderStream::new(reader.take(count)));
    let response = Response::builder()
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CONTENT_LENGTH, count);
    let response = match part {
        None => response,
        Some(Range { start, end }) => response
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end - 1)),
    };
    Ok(response.body(body)?)
}

/// The part of a file that a `Range` header asks for (RFC 9110, section 14); `None` if it is to be ignored.
fn part(range: &str, length: u64) -> Option<Range<u64>> {
    let number = |text: &str| text.parse::<u64>().ok();
    Some(match range.strip_prefix("bytes=")?.split_once('-')? {
        ("", count) => length.saturating_sub(number(count)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => number(first)?..number(last)?.saturating_add(1).min(length),
    })
}

async fn metrics(State(service): State<Service>) -> String {
    service.client.figures(FigureDetail::Torrents).to_string()
}

fn summary(torrent: &Torrent) -> Value {
    json!({
        "hashes": torrent.hashes(),
        "name": torrent.name(),
        "state": torrent.state(),
        "error": torrent.error(),
        "stats": torrent.stats(),
    })
}

impl Service {
    fn find(&self, hash: InfoHashes) -> Result<Torrent, Failure> {
        self.client.get(hash).ok_or_else(|| not_found("torrents, but not this one"))
    }
}

type Answer = Result<Json<Value>, Failure>;

/// A status, and the reason in words.
struct Failure(StatusCode, String);

fn not_found(others: &str) -> Failure {
    Failure(StatusCode::NOT_FOUND, format!("there are {others}"))
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

/// Whatever else is wrong, from a link that is none to a file that cannot be read, is told in its own words.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}
