use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Connections;
use crate::server::Tracker;

/// Accepts connections until `shutdown` changes, then waits for those that are open.
pub(super) async fn serve(
    listener: TcpListener,
    tracker: Arc<Tracker>,
    connections: Connections,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    loop {
        while tasks.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = shutdown.changed() => break,
        };
        match accepted {
            Ok((stream, from)) => {
                let (tracker, shutdown) = (tracker.clone(), shutdown.clone());
                let place = connections.enter(from.ip());
                let id = place.id();
                let task = tasks.spawn(async move {
                    serve_connection(stream, from.ip(), tracker, shutdown).await;
                    drop(place);
                });
                connections.set_task(id, task);
            }
            // Such as no file descriptor left: open connections will end.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    from: IpAddr,
    tracker: Arc<Tracker>,
    mut shutdown: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let response = respond(&tracker, Instant::now(), from, &request);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_REQUEST)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // An error of one connection has no effect on others.
        _ = &mut connection => return,
        _ = shutdown.changed() => {}
        () = tokio::time::sleep(CONNECTION_LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(HEADER_TIMEOUT, connection).await;
}

fn respond(
    tracker: &Tracker,
    now: Instant,
    from: IpAddr,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let mut body = Vec::new();
    let status = tracker.handle_target(now, from, target, &mut body);
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The timeout for the headers of a request: a slow client takes one of the connections.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// The time after which a connection takes no more requests. It also ends connections of clients
/// that do not read their responses.
const CONNECTION_LIFE: Duration = Duration::from_secs(30);

/// Room for a scrape of a hundred hashes.
const MAX_REQUEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::server::ServerConfig;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answers_holds_no_connection_for_ever() {
        let tracker = Arc::new(Tracker::new(ServerConfig::default(), 1, Instant::now()));
        let (_running, shutdown) = watch::channel(false);
        let (mut client, server) = tokio::io::duplex(64);
        let from = IpAddr::from([192, 0, 2, 1]);
        let served = tokio::spawn(serve_connection(server, from, tracker, shutdown));
        let asked = async {
            while client.write_all(b"GET /scrape HTTP/1.1\r\nHost: x\r\n\r\n").await.is_ok() {}
        };
        // The clock of the test goes on by itself when all are waiting.
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, asked).await.is_ok());
        assert!(tokio::time::timeout(hour, served).await.is_ok());
    }
}
