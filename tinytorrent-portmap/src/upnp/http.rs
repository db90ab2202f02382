//! One request of HTTP to a gateway, on a connection of its own.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::UpnpError;
use super::endpoint::Endpoint;
use super::xml::MAX_DOCUMENT;

/// Headers of an answer at most, and the bytes that are read at a time, all headers among them (N-31).
const MAX_HEADERS: usize = 64;
const MAX_READ: usize = 32 << 10;

/// The contents of a request besides the place.
pub(super) enum Call<'a> {
    Get,
    /// With the value of `SOAPAction`, without its quotes.
    Post {
        action: &'a str,
        body: String,
    },
}

/// Sends a request from our address, and returns what is answered within this time. Nobody is followed elsewhere.
pub(super) async fn exchange(
    local: Ipv4Addr,
    place: &Endpoint,
    call: Call<'_>,
    time: Duration,
) -> Result<(StatusCode, Bytes), UpnpError> {
    timeout(time, run(local, place, call)).await.unwrap_or(Err(UpnpError::Silent))
}

async fn run(
    local: Ipv4Addr,
    place: &Endpoint,
    call: Call<'_>,
) -> Result<(StatusCode, Bytes), UpnpError> {
    let socket = TcpSocket::new_v4().map_err(UpnpError::of_system)?;
    // N-28
    socket.bind((IpAddr::V4(local), 0).into()).map_err(UpnpError::of_system)?;
    let stream = socket.connect(place.address).await.map_err(UpnpError::of_system)?;
    let mut builder = http1::Builder::new();
    // What gateways write is not always HTTP to the letter.
    builder
        .title_case_headers(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_READ);
    let io = TokioIo::new(stream);
    let (mut sender, connection) = builder.handshake(io).await.map_err(|_| UpnpError::Malformed)?;
    let answered = async {
        let request = request(place, call).ok_or(UpnpError::Malformed)?;
        let answer = sender.send_request(request).await.map_err(|_| UpnpError::Malformed)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_DOCUMENT).collect().await;
        Ok((status, body.map_err(|_| UpnpError::Malformed)?.to_bytes()))
    };
    let (mut answered, mut connection) = (std::pin::pin!(answered), std::pin::pin!(connection));
    tokio::select! {
        biased;
        answer = &mut answered => answer,
        // The end of the connection may be that of the answer.
        _ = &mut connection => answered.await,
    }
}

fn request(place: &Endpoint, call: Call<'_>) -> Option<Request<Full<Bytes>>> {
    let request = Request::builder()
        .uri(&place.path)
        // N-26: with the port.
        .header(header::HOST, place.address.to_string())
        .header(header::CONNECTION, "close");
    match call {
        Call::Get => request.body(Full::default()),
        Call::Post { action, body } => request
            .method("POST")
            .header("SOAPAction", format!("\"{action}\""))
            .header(header::CONTENT_TYPE, "text/xml; charset=\"utf-8\"")
            .body(Full::new(Bytes::from(body))),
    }
    .ok()
}
