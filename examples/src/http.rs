use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Failure;

/// An HTTP server that answers `GET` and `HEAD`.
///
/// At a loopback address it answers browsers only if they were sent there by an IP address or by `localhost`:
/// the owner of any other name can let it point here, and the pages of that name would read the answers.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl HttpServer {
    /// Listens at this address.
    ///
    /// # Errors
    /// The address is in use, or not one of this machine.
    pub async fn bind(address: SocketAddr) -> Result<Self, Failure> {
        let cannot = |error| Failure::could_not(format!("cannot serve at {address}"), &error);
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        Ok(Self { listener, address })
    }

    /// The URL of the server, with the port that was picked and a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Answers requests until this future is dropped, which closes all connections.
    pub async fn serve<F, R, B>(self, respond: F)
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
        R: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let address = self.address;
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            // It fails only if it is closed, which nobody does.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else {
                // Such as no file descriptor left: open connections will end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let respond = respond.clone();
            let service = service_fn(move |request| {
                let respond = respond.clone();
                async move {
                    let response = match refuse(address, &request) {
                        Some(refusal) => refusal.map(Either::Left),
                        None => respond(request).await.map(Either::Right),
                    };
                    Ok::<_, Infallible>(harden(response))
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(MAX_REQUEST)
                .serve_connection(TokioIo::new(stream), service);
            connections.spawn(async move {
                // An error of one connection has no effect on others.
                let _ = connection.await;
                drop(place);
            });
        }
    }
}

/// A whole text as a response.
pub fn text_response(
    status: StatusCode,
    kind: &'static str,
    text: String,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Text as it can stand in an HTML page, in an element or in a quoted attribute.
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// The refusal of a request that is no reading, or whose host is a name that may be anybody's.
fn refuse<T>(address: SocketAddr, request: &Request<T>) -> Option<Response<Full<Bytes>>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = "only GET and HEAD\n".to_owned();
        let mut response = text_response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, text);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    if address.ip().is_loopback() && !names_us(request.headers()) {
        let text = format!("ask for http://{address}/ instead\n");
        return Some(text_response(StatusCode::MISDIRECTED_REQUEST, PLAIN, text));
    }
    None
}

/// `true` if the request names the server by an IP address or as `localhost`, or not at all, as no browser does. A
/// page of another site can have a name that leads here, and would be let read what is served (DNS rebinding).
pub(crate) fn names_us(headers: &HeaderMap) -> bool {
    headers.get(HOST).is_none_or(|host| is_ours(host.to_str().unwrap_or_default()))
}

/// `true` for an IP address or `localhost`, with or without a port.
fn is_ours(host: &str) -> bool {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let inner = without_port.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let ip = inner.unwrap_or(without_port).parse::<IpAddr>();
    ip.is_ok() || without_port.eq_ignore_ascii_case("localhost")
}

/// No browser is to take one kind of content for another.
fn harden<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The type of plain text.
const PLAIN: &str = "text/plain; charset=utf-8";

/// Connections at a time. A browser opens six of them.
const MAX_CONNECTIONS: usize = 64;

/// The timeout for the headers of a request, and for the next request of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of the headers of a request at most. Browsers send a few KiB, with cookies of other ports.
const MAX_REQUEST: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// Sends a request as it stands. Returns the whole answer.
    async fn ask(url: &str, request: &str) -> String {
        let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn requests_are_answered_if_they_read_and_came_by_our_address() {
        let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = server.url();
        let answer = async |line: &str, host: &str| {
            ask(&url, &format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
                .await
        };
        let serving = server.serve(|request| async move {
            text_response(StatusCode::OK, PLAIN, format!("you want {}", request.uri().path()))
        });
        let asking = async {
            let page = answer("GET /a", "localhost:1").await;
            assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("you want /a"), "{page}");
            assert!(page.contains("x-content-type-options: nosniff"), "{page}");
            let head = answer("HEAD /a", "127.0.0.1").await;
            assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
            let post = answer("POST /a", "[::1]:80").await;
            assert!(post.starts_with("HTTP/1.1 405"), "{post}");
            let other = answer("GET /a", "evil.example").await;
            assert!(other.starts_with("HTTP/1.1 421") && !other.contains("you want"), "{other}");
        };
        tokio::select! {
            () = serving => panic!("it ended"),
            () = asking => {}
        }
    }

    #[test]
    fn names_are_told_from_addresses() {
        for ours in ["127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80", "LOCALHOST:1", "10.0.0.1"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in ["", "example", "localhost.example", "127.0.0.1.example:80", "a:b", "[::1].x"]
        {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn text_is_harmless_in_a_page() {
        let evil = "<a title=\"x\" href='y'>&amp;</a>";
        let escaped = escape_html(evil);
        assert!(!escaped.contains(['<', '>', '"', '\'']), "{escaped}");
        assert!(escaped.contains("&amp;amp;"), "{escaped}");
    }
}
