//! The answers to requests.

use std::future::ready;
use std::io;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tinytorrent_client::{ReadError, Torrent};
use tinytorrent_metainfo::Info;
use tokio::io::{AsyncBufReadExt, AsyncSeekExt};
use url::Url;

use super::body::FileBody;
use super::files::ServedFile;
use super::page::{page, waiting_page};
use super::range::{Part, parse_range};
use crate::http::names_us;

type Answer = Response<BoxBody<Bytes, io::Error>>;

/// A page loads nothing but the files of the torrent.
const PAGE_POLICY: &str =
    "default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'";

/// A document of the torrent runs no script, and is no page of this server.
const FILE_POLICY: &str = "sandbox";

/// Answers a request. `base` is the address of the server, and `chosen` the file that the user named.
pub(super) async fn answer<B>(
    torrent: &Torrent,
    base: &Url,
    chosen: Option<u32>,
    request: &Request<B>,
) -> Answer {
    let mut answer = match respond(torrent, base, chosen, request).await {
        Ok(answer) => answer,
        Err((status, text)) => plain(status, text),
    };
    set(&mut answer, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut answer, header::REFERRER_POLICY, "no-referrer");
    if request.method() == Method::HEAD {
        // With the length of what a GET would get.
        *answer.body_mut() = empty();
    }
    answer
}

/// A status, and words for people.
type Refusal = (StatusCode, String);

async fn respond<B>(
    torrent: &Torrent,
    base: &Url,
    chosen: Option<u32>,
    request: &Request<B>,
) -> Result<Answer, Refusal> {
    if !names_us(request.headers()) {
        let text = "this server has no name; use its address";
        return Err((StatusCode::MISDIRECTED_REQUEST, text.into()));
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD".into());
        set(&mut answer, header::ALLOW, "GET, HEAD");
        return Ok(answer);
    }
    let info = torrent.info();
    match (request.uri().path(), info) {
        ("/", None) => Ok(html(waiting_page())),
        ("/", Some(info)) => {
            let asked = request.uri().query().and_then(file_of_query).or(chosen);
            let asked = asked.and_then(|index| ServedFile::find(info.layout(), index));
            let played = asked.or_else(|| ServedFile::main(info.layout()));
            Ok(html(page(&info, base, played.as_ref())))
        }
        (_, None) => {
            let text = "the metadata of the torrent is being fetched";
            let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, text.into());
            set(&mut answer, header::RETRY_AFTER, "1");
            Ok(answer)
        }
        (path, Some(info)) => {
            let found = find_file(&info, base, path);
            let file = found.ok_or((StatusCode::NOT_FOUND, "there is no such file".into()))?;
            serve_file(torrent, &info, &file, request).await
        }
    }
}

/// The number in `file=N`.
fn file_of_query(query: &str) -> Option<u32> {
    query.split('&').find_map(|pair| pair.strip_prefix("file="))?.parse().ok()
}

/// The file with this address.
fn find_file(info: &Info, base: &Url, path: &str) -> Option<ServedFile> {
    let index = path.strip_prefix('/')?.split('/').next()?.parse().ok()?;
    let file = ServedFile::find(info.layout(), index)?;
    // Programs differ in what they encode.
    (percent_decoded(file.url(base).path()) == percent_decoded(path)).then_some(file)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| first == b'%');
        let pair = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

async fn serve_file<B>(
    torrent: &Torrent,
    info: &Info,
    file: &ServedFile,
    request: &Request<B>,
) -> Result<Answer, Refusal> {
    let tag = entity_tag(info, file);
    let headers = request.headers();
    if text(headers, header::IF_NONE_MATCH).is_some_and(|tags| lists(tags, &tag)) {
        let mut answer = status(StatusCode::NOT_MODIFIED, empty());
        set(&mut answer, header::ETAG, &tag);
        return Ok(answer);
    }
    let part = match text(headers, header::RANGE) {
        // RFC 9110, section 14.2: of other methods the header means nothing.
        Some(range) if request.method() == Method::GET && is_unchanged(headers, &tag) => {
            parse_range(range, file.length)
        }
        _ => Part::Whole,
    };
    let (code, bytes) = match part {
        Part::Whole => (StatusCode::OK, 0..file.length),
        Part::Bytes(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        Part::Unsatisfiable => {
            let mut answer = plain(
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("the file has {} bytes", file.length),
            );
            set(&mut answer, header::CONTENT_RANGE, &format!("bytes */{}", file.length));
            return Ok(answer);
        }
    };
    let count = bytes.end - bytes.start;
    let body = if request.method() == Method::GET && count > 0 {
        let mut reader = torrent.reader(file.index).await.map_err(refusal)?;
        reader.seek(io::SeekFrom::Start(bytes.start)).await.map_err(internal)?;
        // An error that is known at once has a status. Later it can only end the connection.
        tokio::select! {
            biased;
            read = reader.fill_buf() => { read.map_err(unreadable)?; }
            () = ready(()) => {}
        }
        FileBody::new(reader, count).boxed()
    } else {
        empty()
    };
    let mut answer = status(code, body);
    if code == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{}", bytes.start, bytes.end - 1, file.length);
        set(&mut answer, header::CONTENT_RANGE, &range);
    }
    set(&mut answer, header::CONTENT_LENGTH, &count.to_string());
    set(&mut answer, header::CONTENT_TYPE, file.mime().as_ref());
    set(&mut answer, header::ACCEPT_RANGES, "bytes");
    set(&mut answer, header::ETAG, &tag);
    // Another torrent may be served at this address tomorrow.
    set(&mut answer, header::CACHE_CONTROL, "no-cache");
    if file.is_document() {
        set(&mut answer, header::CONTENT_SECURITY_POLICY, FILE_POLICY);
    }
    Ok(answer)
}

/// The tag of a file, whose bytes follow from the info-hash.
fn entity_tag(info: &Info, file: &ServedFile) -> String {
    format!("\"{}-{}\"", info.hashes().to_wire(), file.index)
}

/// Returns `true` unless an `If-Range` names something else than this file (RFC 9110, section 13.1.5).
fn is_unchanged(headers: &HeaderMap, tag: &str) -> bool {
    text(headers, header::IF_RANGE).is_none_or(|known| known.trim() == tag)
}

fn lists(tags: &str, tag: &str) -> bool {
    let mut tags = tags.split(',').map(|tag| tag.trim());
    tags.any(|listed| listed == "*" || listed.strip_prefix("W/").unwrap_or(listed) == tag)
}

fn refusal(error: ReadError) -> Refusal {
    let status = match &error {
        ReadError::NotWanted { .. } | ReadError::NoSuchFile { .. } | ReadError::NotAFile { .. } => {
            StatusCode::NOT_FOUND
        }
        ReadError::Ended(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string())
}

fn unreadable(error: io::Error) -> Refusal {
    let reason = error.get_ref().and_then(|reason| reason.downcast_ref::<ReadError>());
    reason.cloned().map_or_else(|| internal(error), refusal)
}

fn internal(error: io::Error) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn html(page: String) -> Answer {
    let mut answer = sized(StatusCode::OK, page);
    set(&mut answer, header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(&mut answer, header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    set(&mut answer, header::CACHE_CONTROL, "no-store");
    answer
}

fn plain(status: StatusCode, mut text: String) -> Answer {
    text.push('\n');
    let mut answer = sized(status, text);
    set(&mut answer, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    answer
}

fn sized(code: StatusCode, text: String) -> Answer {
    let length = text.len().to_string();
    let mut answer = status(code, Full::from(text).map_err(|never| match never {}).boxed());
    set(&mut answer, header::CONTENT_LENGTH, &length);
    answer
}

fn status(status: StatusCode, body: BoxBody<Bytes, io::Error>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
}

fn empty() -> BoxBody<Bytes, io::Error> {
    Full::default().map_err(|never| match never {}).boxed()
}

fn set(answer: &mut Answer, name: HeaderName, value: &str) {
    // Names of files are in no header, so that each value is plain text.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}
