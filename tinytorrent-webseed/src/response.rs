use bytes::{Buf, Bytes, BytesMut};

use crate::Head;

/// Reads the responses on one connection of HTTP/1, in the order of the requests.
///
/// ```text
///   Head ──▶ Data … ──▶ End ──▶ Head …
/// ```
///
/// The responses to `HEAD` and `CONNECT` are not for it: bodies of all others are as RFC 9112, section 6.3, has them.
/// Bytes come out as they lie in the buffer, and are not copied.
#[derive(Debug, Default)]
pub struct ResponseReader {
    state: State,
}

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The head of the next response.
    Head(Box<Head>),
    /// Bytes of its body, never none.
    Data(Bytes),
    /// The body is over.
    End,
}

/// The error of bytes that are no response, or a part of one. The connection is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// The head is not one of HTTP/1, or the end of the body cannot be known from it.
    #[error("the response is no valid HTTP/1")]
    BadHead,
    /// The head is longer, or has more headers, than we take.
    #[error("the head of the response is too long")]
    LongHead,
    /// A chunk does not begin or end as one.
    #[error("a chunk of the response is malformed")]
    BadChunk,
    /// The connection ended within a response.
    #[error("the connection ended within a response")]
    Truncated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Head,
    /// So many bytes of the body are to come.
    Length(u64),
    /// The size of a chunk is to come.
    ChunkSize,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// The line break behind a chunk is to come.
    ChunkEnd,
    /// Trailers are to come, of which so many bytes have come.
    Trailers(usize),
    /// The body ends with the connection.
    UntilClose,
}

/// Bytes of a head at most, and of the trailers. Servers send some hundred.
const MAX_HEAD: usize = 32 * 1024;

/// Headers at most, as many as hyper takes.
const MAX_HEADERS: usize = 100;

/// Bytes of the line before a chunk at most: its size, and extensions that nobody uses.
const MAX_CHUNK_LINE: usize = 1024;

impl ResponseReader {
    /// A reader at the beginning of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// True between two responses.
    pub fn is_between(&self) -> bool {
        self.state == State::Head
    }

    /// The next part of a response; `None` if more bytes are needed. What was read is gone from the buffer.
    ///
    /// # Errors
    /// The bytes are no response.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, ResponseError> {
        loop {
            match self.state {
                State::Head => return self.read_head(buffer),
                State::Length(0) => return Ok(Some(self.end())),
                State::Length(left) => {
                    let Some(data) = take(buffer, left) else { return Ok(None) };
                    self.state = State::Length(left - data.len() as u64);
                    return Ok(Some(Event::Data(data)));
                }
                State::UntilClose => {
                    return Ok(take(buffer, u64::MAX).map(Event::Data));
                }
                State::ChunkSize => match httparse::parse_chunk_size(buffer) {
                    Ok(httparse::Status::Complete((line, size))) => {
                        buffer.advance(line);
                        self.state =
                            if size == 0 { State::Trailers(0) } else { State::Chunk(size) };
                    }
                    Ok(httparse::Status::Partial) if buffer.len() <= MAX_CHUNK_LINE => {
                        return Ok(None);
                    }
                    _ => return Err(ResponseError::BadChunk),
                },
                State::Chunk(0) => self.state = State::ChunkEnd,
                State::Chunk(left) => {
                    let Some(data) = take(buffer, left) else { return Ok(None) };
                    self.state = State::Chunk(left - data.len() as u64);
                    return Ok(Some(Event::Data(data)));
                }
                State::ChunkEnd => {
                    if buffer.len() < 2 {
                        return Ok(None);
                    }
                    if &buffer[..2] != b"\r\n" {
                        return Err(ResponseError::BadChunk);
                    }
                    buffer.advance(2);
                    self.state = State::ChunkSize;
                }
                State::Trailers(before) => {
                    // Line by line, as nobody uses what is in them.
                    let Some(at) = buffer.iter().position(|&byte| byte == b'\n') else {
                        let is_long = before + buffer.len() > MAX_HEAD;
                        return if is_long { Err(ResponseError::LongHead) } else { Ok(None) };
                    };
                    let line = buffer.split_to(at + 1);
                    let read = before + line.len();
                    if matches!(&line[..], b"\r\n" | b"\n") {
                        return Ok(Some(self.end()));
                    }
                    if read > MAX_HEAD {
                        return Err(ResponseError::LongHead);
                    }
                    self.state = State::Trailers(read);
                }
            }
        }
    }

    /// The server has closed the connection, and the buffer is read. Returns true if that ends a body.
    ///
    /// # Errors
    /// It is within a response.
    pub fn close(&mut self) -> Result<bool, ResponseError> {
        match self.state {
            State::UntilClose => {
                self.state = State::Head;
                Ok(true)
            }
            State::Head => Ok(false),
            _ => Err(ResponseError::Truncated),
        }
    }

    fn read_head(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, ResponseError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            let mut config = httparse::ParserConfig::default();
            // As lenient as browsers are: many servers are scripts that write their own headers.
            config
                .allow_spaces_after_header_name_in_responses(true)
                .allow_obsolete_multiline_headers_in_responses(true)
                .ignore_invalid_headers_in_responses(true);
            let length = match config.parse_response(&mut response, buffer) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) if buffer.len() <= MAX_HEAD => return Ok(None),
                Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                    return Err(ResponseError::LongHead);
                }
                Err(_) => return Err(ResponseError::BadHead),
            };
            let head = Head::of(&response).map_err(|_| ResponseError::BadHead)?;
            buffer.advance(length);
            match head.status {
                // They announce the real one (RFC 9110, section 15.2). We ask for no upgrade.
                101 => return Err(ResponseError::BadHead),
                100..200 => continue,
                204 | 304 => self.state = State::Length(0),
                _ if head.is_chunked => self.state = State::ChunkSize,
                _ => {
                    self.state = head.content_length.map_or(State::UntilClose, State::Length);
                }
            }
            return Ok(Some(Event::Head(Box::new(head))));
        }
    }

    fn end(&mut self) -> Event {
        self.state = State::Head;
        Event::End
    }
}

/// Up to so many bytes; `None` if there are none.
fn take(buffer: &mut BytesMut, most: u64) -> Option<Bytes> {
    let length = usize::try_from(most).map_or(buffer.len(), |most| most.min(buffer.len()));
    (length > 0).then(|| buffer.split_to(length).freeze())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The contents of a stream, read in parts of this size: statuses, bodies, and whether they ended.
    fn read(stream: &[u8], part: usize) -> Result<Vec<(u16, Vec<u8>, bool)>, ResponseError> {
        let (mut reader, mut buffer, mut found) =
            (ResponseReader::new(), BytesMut::new(), Vec::<(u16, Vec<u8>, bool)>::new());
        for bytes in stream.chunks(part) {
            buffer.extend_from_slice(bytes);
            while let Some(event) = reader.next(&mut buffer)? {
                match event {
                    Event::Head(head) => found.push((head.status, Vec::new(), false)),
                    Event::Data(data) => found.last_mut().unwrap().1.extend_from_slice(&data),
                    Event::End => found.last_mut().unwrap().2 = true,
                }
            }
        }
        if reader.close()? {
            found.last_mut().unwrap().2 = true;
        }
        Ok(found)
    }

    fn all_parts(stream: &[u8]) -> Result<Vec<(u16, Vec<u8>, bool)>, ResponseError> {
        let whole = read(stream, stream.len());
        for part in 1..stream.len() {
            assert_eq!(read(stream, part), whole, "in parts of {part}");
        }
        whole
    }

    /// F-14
    #[test]
    fn lengths_chunks_and_the_end_of_the_connection_end_a_body() {
        let stream = b"HTTP/1.1 206 Partial\r\nContent-Length: 3\r\n\r\nabc\
            HTTP/1.1 100 Continue\r\n\r\n\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nde\r\n1\r\nf\r\n0\r\nT: v\r\n\r\n\
            HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n\
            HTTP/1.0 200 OK\r\n\r\nghi";
        let body = |status, body: &[u8]| (status, body.to_vec(), true);
        let expected = [body(206, b"abc"), body(200, b"def"), body(204, b""), body(200, b"ghi")];
        assert_eq!(all_parts(stream).unwrap(), expected);
    }

    /// F-05, F-14
    #[test]
    fn what_ends_early_or_cannot_be_told_apart_is_an_error() {
        for (stream, error) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc"[..], ResponseError::Truncated),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
                ResponseError::Truncated,
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
                ResponseError::BadChunk,
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                ResponseError::BadChunk,
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
                ResponseError::BadHead,
            ),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n", ResponseError::BadHead),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                ResponseError::BadHead,
            ),
            (b"HTTP/2 200 OK\r\n\r\n", ResponseError::BadHead),
            (b"<html>", ResponseError::BadHead),
        ] {
            let text = String::from_utf8_lossy(stream);
            assert_eq!(read(stream, 1), Err(error), "{text}");
        }
        let long = [b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; MAX_HEAD][..]].concat();
        assert_eq!(read(&long, 1000), Err(ResponseError::LongHead));
        let many =
            [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(MAX_HEADERS + 9), b"\r\n"].concat();
        assert_eq!(read(&many, 7), Err(ResponseError::LongHead));
        let trailers = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
        let many = [&trailers[..], &b"X: y\r\n".repeat(MAX_HEAD)].concat();
        assert_eq!(read(&many, 4096), Err(ResponseError::LongHead));
    }

    /// F-14
    #[test]
    fn a_connection_is_kept_as_its_version_and_its_headers_say() {
        let head = |text: &[u8]| {
            let event = ResponseReader::new().next(&mut BytesMut::from(text)).unwrap();
            let Some(Event::Head(head)) = event else { panic!("{event:?}") };
            (head.keeps_alive, head.is_http_1_1)
        };
        assert_eq!(head(b"HTTP/1.1 200 OK\r\n\r\n"), (true, true));
        assert_eq!(head(b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n"), (false, true));
        assert_eq!(head(b"HTTP/1.0 200 OK\r\n\r\n"), (false, false));
        assert_eq!(head(b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n\r\n"), (true, false));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_in_any_parts(
            bytes in prop::collection::vec(any::<u8>(), 0..200), part in 1_usize..9,
        ) {
            let _ = read(&bytes, part);
            let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = read(&[&chunked[..], &bytes].concat(), part);
        }
    }
}
