use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Connections, Shared};
use crate::Refusal;
use crate::http::{
    AnnounceQuery, PeerFormat, QueryError, ScrapeQuery, write_announce, write_refusal, write_scrape,
};

/// Accepts connections until `shutdown` changes, then waits for those that are open.
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
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
                let (shared, shutdown) = (shared.clone(), shutdown.clone());
                let place = connections.enter(from.ip());
                let id = place.id();
                let task = tasks.spawn(async move {
                    serve_connection(stream, from.ip(), shared, shutdown).await;
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
    shared: Arc<Shared>,
    mut shutdown: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let response = respond(&shared, Instant::now(), from, &request);
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
    shared: &Shared,
    now: Instant,
    from: IpAddr,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let query = request.uri().query().unwrap_or_default();
    let mut body = Vec::new();
    // Only the last segment counts, so that a reverse proxy can add a prefix.
    let last = request.uri().path().rsplit('/').next().unwrap_or_default();
    let outcome = match last {
        "announce" => announce(shared, now, from, query, &mut body),
        "scrape" => scrape(shared, query, &mut body),
        _ => return reply(StatusCode::NOT_FOUND, "this is a tracker: /announce, /scrape\n".into()),
    };
    if let Err(refusal) = outcome {
        write_refusal(&refusal, &mut body);
    }
    // A refusal too has status 200, since some clients ignore the body of other statuses.
    reply(StatusCode::OK, body.into())
}

fn announce(
    shared: &Shared,
    now: Instant,
    from: IpAddr,
    query: &str,
    body: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let query = AnnounceQuery::read(query).map_err(refusal)?;
    let response = shared.swarms().announce(now, from, &query.request, true)?;
    // Compact is the default, as on most trackers (BEP 23 suggests it).
    let format = match query.compact {
        Some(false) => PeerFormat::Dictionaries { no_peer_id: query.no_peer_id },
        Some(true) | None => PeerFormat::Compact,
    };
    write_announce(&response, format, body);
    Ok(())
}

fn scrape(shared: &Shared, query: &str, body: &mut Vec<u8>) -> Result<(), Refusal> {
    let query = ScrapeQuery::read(query).map_err(refusal)?;
    let response = match query.info_hashes.as_slice() {
        [] => shared.swarms().scrape_all()?,
        hashes => shared.swarms().scrape(hashes),
    };
    write_scrape(&response, body);
    Ok(())
}

fn refusal(error: QueryError) -> Refusal {
    Refusal { reason: error.to_string(), retry_in: None }
}

fn reply(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("text/plain"));
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
    use std::sync::Mutex;

    use tokio::io::AsyncWriteExt;

    use super::super::{ConnectionIds, ServerConfig, Swarms};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_its_answers_holds_no_connection_for_ever() {
        let now = Instant::now();
        let swarms = Mutex::new(Swarms::new(ServerConfig::default(), 1, now));
        let shared = Arc::new(Shared { swarms, connection_ids: ConnectionIds::new(now) });
        let (_running, shutdown) = watch::channel(false);
        let (mut client, server) = tokio::io::duplex(64);
        let from = IpAddr::from([192, 0, 2, 1]);
        let served = tokio::spawn(serve_connection(server, from, shared, shutdown));
        let asked = async {
            while client.write_all(b"GET /scrape HTTP/1.1\r\nHost: x\r\n\r\n").await.is_ok() {}
        };
        // The clock of the test goes on by itself when all are waiting.
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, asked).await.is_ok());
        assert!(tokio::time::timeout(hour, served).await.is_ok());
    }
}
