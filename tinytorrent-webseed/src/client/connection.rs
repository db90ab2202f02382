use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use url::Url;

use super::FetchError;
use super::body::Body;
use super::connect::{Origin, Stream};
use crate::{Event, ResponseReader};

/// A connection, and what is known of it.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// The address of the server; `None` behind a proxy.
    pub(super) peer: Option<SocketAddr>,
    pub(super) origin: Origin,
    reader: ResponseReader,
    /// The places of the requests that are not answered, the first of which is that of the first part.
    pub(super) sent: VecDeque<Url>,
    /// Responses that were read to their end.
    answered: u64,
    /// The use of the body that is being read.
    pub(super) body: Option<Body>,
    /// For the next byte, and to write.
    patience: Duration,
}

/// The outcome of waiting for bytes.
pub(super) enum Received {
    /// Some.
    Bytes,
    /// The server closed the connection, which ends a body without a length.
    EndOfBody,
    /// The server closed the connection.
    Closed {
        /// It has answered at least one request, and not begun to answer the next.
        is_between: bool,
    },
}

impl Connection {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        peer: Option<SocketAddr>,
        origin: Origin,
        patience: Duration,
    ) -> Self {
        Self {
            stream,
            peer,
            origin,
            reader: ResponseReader::new(),
            sent: VecDeque::new(),
            answered: 0,
            body: None,
            patience,
        }
    }

    /// Sends requests.
    pub(super) async fn write(&mut self, text: &str) -> Result<(), FetchError> {
        let stream = &mut self.stream;
        let write = async {
            stream.write_all(text.as_bytes()).await?;
            // TLS may keep a part of it.
            stream.flush().await
        };
        match timeout(self.patience, write).await {
            Ok(written) => written.map_err(|error| FetchError::Network(error.to_string())),
            Err(_) => Err(silence()),
        }
    }

    /// The next part of a response; `None` if more bytes are needed.
    pub(super) fn next_event(&mut self, bytes: &mut BytesMut) -> Result<Option<Event>, FetchError> {
        self.reader.next(bytes).map_err(|error| FetchError::Network(error.to_string()))
    }

    /// Waits for more bytes.
    pub(super) async fn receive(&mut self, bytes: &mut BytesMut) -> Result<Received, FetchError> {
        match timeout(self.patience, self.stream.read_buf(bytes)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(_)) => return Ok(Received::Bytes),
            // Requests that it does not read make an end of the connection a reset.
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => {}
            Ok(Err(error)) => return Err(FetchError::Network(error.to_string())),
            Err(_) => return Err(silence()),
        }
        if matches!(self.reader.close(), Ok(true)) {
            return Ok(Received::EndOfBody);
        }
        Ok(Received::Closed { is_between: self.answered > 0 && self.reader.is_between() })
    }

    /// True if the server has answered one request and was sent several: it does not want that, if it closes now.
    pub(super) fn is_first_pipeline(&self) -> bool {
        self.answered == 1 && self.sent.len() > 1
    }

    /// True if more than one request is on its way.
    pub(super) fn is_pipelined(&self) -> bool {
        self.sent.len() > 1
    }

    /// A response is over. Returns the use of its body.
    pub(super) fn end_response(&mut self) -> Option<Body> {
        self.sent.pop_front();
        self.answered += 1;
        self.body.take()
    }
}

fn silence() -> FetchError {
    FetchError::Network("the server sends nothing".to_owned())
}
