use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use crate::message::id;
use crate::{Extended, HashRequest, Hashes, Message, Piece, PieceHeader, Request};

/// Cuts a stream of bytes into [`Message`]s.
///
/// Whatever way the stream is split, the messages are the same. Payloads are slices of the
/// buffer: nothing is copied. A frame that claims more than the limit fails before anything is
/// allocated for it.
///
/// ```
/// use bytes::BytesMut;
/// use tinytorrent_wire::{Decoder, Message};
///
/// let mut decoder = Decoder::new();
/// let mut buffer = BytesMut::new();
/// Message::Have(3).encode(&mut buffer);
/// Message::Unchoke.encode(&mut buffer);
/// buffer.extend_from_slice(&[0, 0, 0]); // a frame whose length is not all there
///
/// let mut messages = Vec::new();
/// for message in decoder.split_frames(&mut buffer) {
///     messages.push(message?);
/// }
/// assert_eq!(messages, [Message::Have(3), Message::Unchoke]);
/// assert_eq!(buffer.len(), 3); // waits for more
/// # Ok::<(), tinytorrent_wire::DecodeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    max_frame_length: u32,
    /// Bytes taken out of buffers so far: where in the stream the next frame begins.
    offset: u64,
}

impl Decoder {
    /// The default of [`max_frame_length`](Self::max_frame_length): 1 MiB holds a block of the
    /// largest size anybody serves, the bitfield of 8 million pieces, and every known extension.
    pub const DEFAULT_MAX_FRAME_LENGTH: u32 = 1 << 20;

    /// A decoder at the start of a stream, just after the handshake, with the default limit.
    pub fn new() -> Self {
        Self { max_frame_length: Self::DEFAULT_MAX_FRAME_LENGTH, offset: 0 }
    }

    /// The longest message to accept, in bytes after the length prefix.
    ///
    /// Default: 1 MiB. More lets each peer make us hold more; less than 16 KiB + 9, or than the
    /// torrent's bitfield + 1, refuses honest peers.
    pub fn max_frame_length(&mut self, length: u32) -> &mut Self {
        self.max_frame_length = length;
        self
    }

    /// Bytes of the stream that have been decoded.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the next message out of the buffer; `None` until more has arrived.
    ///
    /// # Errors
    /// The peer broke the framing. The stream cannot be read on: close the connection.
    #[inline]
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, DecodeError> {
        if let Some((message, length)) = parse_frequent(buffer)
            && length - 4 <= self.max_frame_length as usize
        {
            buffer.advance(length);
            self.offset += length as u64;
            return Ok(Some(message));
        }
        self.decode_any(buffer)
    }

    fn decode_any(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, DecodeError> {
        let Some(length) = self.whole_frame(buffer)? else { return Ok(None) };
        let body = &buffer[4..4 + length];
        let message = match parse_fixed(body) {
            Some(parsed) => {
                let message = parsed.map_err(|kind| self.error(kind))?;
                buffer.advance(4 + length);
                message
            }
            None => {
                check_payload(body).map_err(|kind| self.error(kind))?;
                let mut frame = buffer.split_to(4 + length).freeze();
                frame.advance(4);
                with_payload(frame)
            }
        };
        self.offset += 4 + length as u64;
        Ok(Some(message))
    }

    /// Takes all whole frames out of the buffer at once, to be read from the iterator.
    ///
    /// The cheapest way to read a busy connection: one split for the batch. Frames that are not
    /// read from the iterator are lost.
    pub fn split_frames(&mut self, buffer: &mut BytesMut) -> Frames {
        let mut end = 0;
        let mut failure = None;
        loop {
            match self.whole_frame(&buffer[end..]) {
                Ok(Some(length)) => end += 4 + length,
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error.kind);
                    break;
                }
            }
        }
        // To split off nothing would cost an allocation all the same.
        let bytes = if end == 0 { Bytes::new() } else { buffer.split_to(end).freeze() };
        let frames = Frames { bytes, at: 0, start: self.offset, failure };
        self.offset += end as u64;
        frames
    }

    /// The block that the frame at the front of the buffer brings, as soon as its header is
    /// there: so that the rest can be read to where it belongs.
    pub fn peek_piece(buffer: &[u8]) -> Option<PieceHeader> {
        let header = buffer.get(..PieceHeader::FRAME_LENGTH)?;
        let length = number(header, 0).checked_sub(9)?;
        let (index, begin) = (number(header, 5), number(header, 9));
        (header[4] == id::PIECE).then_some(PieceHeader { index, begin, length })
    }

    /// Length of the frame at the front, without its prefix, if all of it is there.
    fn whole_frame(&self, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        let Some(prefix) = bytes.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix);
        if length > self.max_frame_length {
            let limit = self.max_frame_length;
            return Err(self.error(DecodeErrorKind::FrameTooLong { length, limit }));
        }
        let length = length as usize;
        Ok((bytes.len() - 4 >= length).then_some(length))
    }

    fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { offset: self.offset, kind }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Whole frames that were split off a stream, read one by one. Made by
/// [`Decoder::split_frames`].
///
/// Ends after the last message, or after the first error.
#[derive(Debug)]
pub struct Frames {
    /// Whole frames.
    bytes: Bytes,
    at: usize,
    /// Where in the stream `bytes` begins.
    start: u64,
    /// What is wrong with the frame after them.
    failure: Option<DecodeErrorKind>,
}

impl Frames {
    /// Whether there is no message and no error left to be read.
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len() && self.failure.is_none()
    }

    /// Whether the frame after these broke the framing, so that the stream cannot be read on.
    pub fn ends_in_error(&self) -> bool {
        self.failure.is_some()
    }

    fn fail(&mut self, kind: DecodeErrorKind) -> DecodeError {
        let offset = self.start + self.at as u64;
        self.at = self.bytes.len();
        self.failure = None;
        DecodeError { offset, kind }
    }
}

impl Iterator for Frames {
    type Item = Result<Message, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some((message, length)) = parse_frequent(&self.bytes[self.at..]) {
            self.at += length;
            return Some(Ok(message));
        }
        self.next_any()
    }
}

impl Frames {
    fn next_any(&mut self) -> Option<Result<Message, DecodeError>> {
        let Some(prefix) = self.bytes[self.at..].first_chunk::<4>() else {
            let kind = self.failure.take()?;
            return Some(Err(self.fail(kind)));
        };
        let start = self.at + 4;
        // Whole by the check of `split_frames`.
        let end = start + u32::from_be_bytes(*prefix) as usize;
        let body = &self.bytes[start..end];
        let parsed = match parse_fixed(body) {
            Some(parsed) => parsed,
            None => check_payload(body).map(|()| with_payload(self.bytes.slice(start..end))),
        };
        Some(match parsed {
            Ok(message) => {
                self.at = end;
                Ok(message)
            }
            Err(kind) => Err(self.fail(kind)),
        })
    }
}

/// How a peer broke the framing, and where in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{kind}, in the frame at byte {offset} after the handshake")]
pub struct DecodeError {
    /// Where the frame begins, in bytes since the handshake.
    pub offset: u64,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// How a peer broke the framing. All are the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Longer than [`Decoder::max_frame_length`].
    #[error("message of {length} bytes is over the limit of {limit}")]
    FrameTooLong {
        /// What the prefix claims.
        length: u32,
        /// The limit in force.
        limit: u32,
    },
    /// A message of fixed size has another one.
    #[error("{message} message of {found} bytes where {expected} were due")]
    WrongLength {
        /// Name of the message.
        message: &'static str,
        /// Bytes that are due, with the id.
        expected: usize,
        /// Bytes that came, with the id.
        found: usize,
    },
    /// A message ends before its fixed part does.
    #[error("{message} message of {found} bytes where {least} or more were due")]
    TooShort {
        /// Name of the message.
        message: &'static str,
        /// The least that is due, with the id.
        least: usize,
        /// Bytes that came, with the id.
        found: usize,
    },
    /// The hashes of a `hashes` message are not 32 bytes each.
    #[error("hashes message whose {found} bytes of hashes are no multiple of 32")]
    RaggedHashes {
        /// Bytes after the fixed part.
        found: usize,
    },
}

/// Reads a whole frame of the two kinds that come by the thousand, and gives its length. They are
/// read without the detour over errors, which costs more than the reading.
#[inline(always)]
fn parse_frequent(bytes: &[u8]) -> Option<(Message, usize)> {
    let head = bytes.first_chunk::<5>()?;
    match (number(head, 0), head[4]) {
        (13, id::REQUEST) => {
            let frame = bytes.first_chunk::<17>()?;
            Some((Message::Request(request(&frame[5..])), 17))
        }
        (5, id::HAVE) => {
            let frame = bytes.first_chunk::<9>()?;
            Some((Message::Have(number(frame, 5)), 9))
        }
        _ => None,
    }
}

/// Reads a frame that carries no payload; `None` if it is one that does.
#[inline]
fn parse_fixed(body: &[u8]) -> Option<Result<Message, DecodeErrorKind>> {
    let Some((&id, rest)) = body.split_first() else { return Some(Ok(Message::KeepAlive)) };
    let (message, expected) = match (id, rest.len()) {
        (id::REQUEST, 12) => (Message::Request(request(rest)), 13),
        (id::HAVE, 4) => (Message::Have(number(rest, 0)), 5),
        (id::CHOKE, _) => (Message::Choke, 1),
        (id::UNCHOKE, _) => (Message::Unchoke, 1),
        (id::INTERESTED, _) => (Message::Interested, 1),
        (id::NOT_INTERESTED, _) => (Message::NotInterested, 1),
        (id::CANCEL, 12) => (Message::Cancel(request(rest)), 13),
        (id::REJECT, 12) => (Message::Reject(request(rest)), 13),
        (id::PORT, 2) => (Message::Port(u16::from_be_bytes([rest[0], rest[1]])), 3),
        (id::SUGGEST, 4) => (Message::Suggest(number(rest, 0)), 5),
        (id::HAVE_ALL, _) => (Message::HaveAll, 1),
        (id::HAVE_NONE, _) => (Message::HaveNone, 1),
        (id::ALLOWED_FAST, 4) => (Message::AllowedFast(number(rest, 0)), 5),
        (id::HASH_REQUEST, 48) => (Message::HashRequest(hash_request(rest)), 49),
        (id::HASH_REJECT, 48) => (Message::HashReject(hash_request(rest)), 49),
        _ => return wrong_length(id, body.len()).map(Err),
    };
    if body.len() != expected {
        return wrong_length(id, body.len()).map(Err);
    }
    Some(Ok(message))
}

/// The error for a message of fixed size that has another one; `None` if its size is free.
#[cold]
fn wrong_length(id: u8, found: usize) -> Option<DecodeErrorKind> {
    let (message, expected) = match id {
        id::CHOKE => ("choke", 1),
        id::UNCHOKE => ("unchoke", 1),
        id::INTERESTED => ("interested", 1),
        id::NOT_INTERESTED => ("not interested", 1),
        id::HAVE => ("have", 5),
        id::REQUEST => ("request", 13),
        id::CANCEL => ("cancel", 13),
        id::PORT => ("port", 3),
        id::SUGGEST => ("suggest piece", 5),
        id::HAVE_ALL => ("have all", 1),
        id::HAVE_NONE => ("have none", 1),
        id::REJECT => ("reject request", 13),
        id::ALLOWED_FAST => ("allowed fast", 5),
        id::HASH_REQUEST => ("hash request", 49),
        id::HASH_REJECT => ("hash reject", 49),
        _ => return None,
    };
    Some(DecodeErrorKind::WrongLength { message, expected, found })
}

/// Whether a frame that carries a payload is long enough.
#[inline]
fn check_payload(body: &[u8]) -> Result<(), DecodeErrorKind> {
    let found = body.len();
    let (message, least) = match body[0] {
        id::PIECE => ("piece", 9),
        id::EXTENDED => ("extended", 2),
        id::HASHES => ("hashes", 1 + HashRequest::LENGTH),
        _ => return Ok(()),
    };
    if found < least {
        return Err(DecodeErrorKind::TooShort { message, least, found });
    }
    if body[0] == id::HASHES && !(found - least).is_multiple_of(32) {
        return Err(DecodeErrorKind::RaggedHashes { found: found - least });
    }
    Ok(())
}

/// Reads a frame that carries a payload, after [`check_payload`]. `frame` begins at the id.
#[inline]
fn with_payload(mut frame: Bytes) -> Message {
    let id = frame[0];
    match id {
        id::PIECE => {
            let (index, begin) = (number(&frame, 1), number(&frame, 5));
            frame.advance(9);
            Message::Piece(Piece { index, begin, data: frame })
        }
        id::BITFIELD => {
            frame.advance(1);
            Message::Bitfield(frame)
        }
        id::EXTENDED => {
            let id = frame[1];
            frame.advance(2);
            Message::Extended(Extended { id, payload: frame })
        }
        id::HASHES => {
            let request = hash_request(&frame[1..]);
            frame.advance(1 + HashRequest::LENGTH);
            Message::Hashes(Box::new(Hashes { request, hashes: frame }))
        }
        _ => {
            frame.advance(1);
            Message::Unknown { id, payload: frame }
        }
    }
}

/// The caller has checked that four bytes are there.
#[inline]
fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn request(bytes: &[u8]) -> Request {
    Request { index: number(bytes, 0), begin: number(bytes, 4), length: number(bytes, 8) }
}

fn hash_request(bytes: &[u8]) -> HashRequest {
    let mut pieces_root = [0; 32];
    pieces_root.copy_from_slice(&bytes[..32]);
    HashRequest {
        pieces_root,
        base_layer: number(bytes, 32),
        index: number(bytes, 36),
        length: number(bytes, 40),
        proof_layers: number(bytes, 44),
    }
}
